"""``iotronic-mec config``: the options, what they mean, and their values."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from iotronic_mec.conf import iter_options, load_settings
from iotronic_mec.errors import Error


def run(arguments: list[str]) -> int:
    """Read the arguments and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="iotronic-mec config")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="print every option with its value")
    show.add_argument("--state-dir", type=Path, required=True, help="the cloud's state directory")
    check = commands.add_parser("check", help="read the file and say whether it is right")
    check.add_argument("--state-dir", type=Path, required=True, help="the cloud's state directory")
    show.set_defaults(do=_show)
    check.set_defaults(do=_check)
    given = parser.parse_args(arguments)
    try:
        return int(given.do(given.state_dir.absolute()))
    except Error as error:
        print(f"iotronic-mec config: {error.message}", file=sys.stderr)
        return 1


def _show(folder: Path) -> int:
    for group, name, value in iter_options(folder):
        print(f"[{group}] {name} = {value}")
    return 0


def _check(folder: Path) -> int:
    load_settings(folder, public_url="", content_url="", wamp_url="")
    print(f"{folder / 'iotronic.conf'}: ok")
    return 0
