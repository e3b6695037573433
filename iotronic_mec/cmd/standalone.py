"""``iotronic-mec standalone``: the whole cloud with one command.

What can fail with one line is tried here, before any process starts; the
processes are :mod:`iotronic_mec.cmd.front`. Exit codes: 0 after SIGTERM or
SIGINT, 1 when it cannot start, 2 for wrong arguments.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from iotronic_mec import missing
from iotronic_mec.cmd import front, options, state_dir
from iotronic_mec.errors import Error

PORT_PATIENCE_S = 4.0
"""Seconds to wait for a port when the last run here was killed: its router may
still be on its way out."""


def run(argv: list[str]) -> int:
    """Run the cloud until SIGTERM or SIGINT; return the exit code."""
    given = options.build_parser().parse_args(argv)
    try:
        extras = ("server", "router", "agent") if given.with_agent else ("server", "router")
        for sentence in missing.missing(*extras):
            raise options.Refused(sentence)
        if given.with_agent:
            options.check_agent()
        options.check_listener(given.host, given.cert, given.key)
        folder = state_dir.prepare(given.state_dir)
        conf = read_configuration(folder.path)
        held = state_dir.lock(folder)
        wanted = options.build_options(given, folder)
        options.check_ports(wanted, PORT_PATIENCE_S if held.was_killed else 0.0)
    except (options.Refused, state_dir.StateDirUnusable, Error) as error:
        print(f"iotronic-mec standalone: {error}", file=sys.stderr)
        return 1
    code = front.run(wanted, conf)
    held.release()
    return code


def read_configuration(folder: Path) -> Any:
    """Return the configuration of a state directory; ``None`` where it has no file.

    :raises Error: the file cannot be used
    """
    if not (folder / "iotronic.conf").exists():
        return None
    # oslo.config takes a tenth of a second to load: only where there is something to read
    return importlib.import_module("iotronic_mec.conf").load(folder)
