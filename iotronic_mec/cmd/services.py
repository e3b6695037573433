"""The console scripts of the separate processes; each loads only what it runs."""

from __future__ import annotations

import importlib
import sys


def api() -> int:
    """Run ``iotronic-mec-api``."""
    return _run("iotronic-mec-api", "iotronic_mec.cmd.api")


def conductor() -> int:
    """Run ``iotronic-mec-conductor``."""
    return _run("iotronic-mec-conductor", "iotronic_mec.cmd.conductor")


def wamp_agent() -> int:
    """Run ``iotronic-mec-wamp-agent``."""
    return _run("iotronic-mec-wamp-agent", "iotronic_mec.cmd.wamp_agent")


def gateway() -> int:
    """Run ``iotronic-mec-gateway``."""
    return _run("iotronic-mec-gateway", "iotronic_mec.cmd.gateway")


def _run(program: str, module: str) -> int:
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = importlib.import_module("iotronic_mec.missing")
        told = missing.missing("server") or [f"{error.name} is not installed"]
        print(f"{program}: {told[0]}", file=sys.stderr)
        return 1
    return int(loaded.main(sys.argv[1:]))
