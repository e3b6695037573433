"""``iotronic-mec status upgrade-check``: what an upgrade to this release needs.

Run it with the new release installed, before its processes are started. Exit codes and
table as in OpenStack: 0 nothing to do, 1 look at the warnings, 2 stop; 255 when it broke.
Their library for it is not used: it keeps its configuration in a global of its module.
Source: OpenStack's oslo.upgradecheck documentation.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from iotronic_mec.cmd import service
from iotronic_mec.cmd.upgrade_checks import Cloud, Code, Result, run_all
from iotronic_mec.errors import Error

TITLE = "Upgrade Check Results"
WIDTH = 60
"""Characters of a line of details."""


def run(arguments: list[str]) -> int:
    """Read the arguments and check; return the exit code."""
    parser = argparse.ArgumentParser(prog="iotronic-mec status")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    check = commands.add_parser("upgrade-check", help="say what an upgrade needs")
    where = check.add_mutually_exclusive_group(required=True)
    where.add_argument("--state-dir", type=Path, help="state directory of a standalone cloud")
    where.add_argument(
        "--config-file",
        type=Path,
        action="append",
        metavar="FILE",
        help="configuration of separate processes; may be repeated, a later file outranks an "
        "earlier one",
    )
    check.add_argument("--json", action="store_true", help="print JSON, not a table")
    given = parser.parse_args(arguments)
    # the results say it; the libraries' own lines would stand between them
    logging.getLogger("oslo_policy").setLevel(logging.CRITICAL)
    try:
        cloud = find_cloud(given.state_dir, given.config_file or ())
    except Error as error:
        print(f"iotronic-mec status: {error.message}", file=sys.stderr)
        return int(Code.FAILURE)
    results = run_all(cloud)
    print(as_json(results) if given.json else as_table(results))
    return int(max(code for _, (code, _) in results))


def find_cloud(folder: Path | None, files: Sequence[Path]) -> Cloud:
    """Return what to look at.

    :raises Error: a file cannot be read
    """
    if folder is not None:
        return Cloud(folder=folder.absolute())
    absolute = tuple(path.absolute() for path in files)
    return Cloud(folder=Path(service.read_files(absolute).cloud.state_dir), files=absolute)


def as_table(results: Sequence[tuple[str, Result]]) -> str:
    """Return the table OpenStack's operators know."""
    cells = [[TITLE]]
    for name, (code, told) in results:
        details = textwrap.wrap(f"Details: {told}", WIDTH, subsequent_indent="  ")
        cells.append([f"Check: {name}", f"Result: {code.name.capitalize()}", *details])
    width = max(len(line) for cell in cells for line in cell)
    rule = f"+{'-' * (width + 2)}+"
    lines = [rule]
    for cell in cells:
        lines += [*(f"| {line:<{width}} |" for line in cell), rule]
    return "\n".join(lines)


def as_json(results: Sequence[tuple[str, Result]]) -> str:
    """Return the results in the form OpenStack's commands print."""
    checks = [
        {"check": name, "result": int(code), "details": told} for name, (code, told) in results
    ]
    return json.dumps({"name": TITLE, "checks": checks})
