"""The console script ``iotronic-mec``: picks the subcommand, imports only its module."""

from __future__ import annotations

import importlib
import sys

COMMANDS = {
    "standalone": ("iotronic_mec.cmd.standalone", "run the whole cloud with one command"),
    "db": ("iotronic_mec.cmd.db", "look at, upgrade and check the database"),
    "audit": ("iotronic_mec.cmd.audit", "check the sealed and the other rows of the audit"),
    "user": ("iotronic_mec.cmd.identity", "manage users through the running cloud"),
    "token": ("iotronic_mec.cmd.identity", "manage tokens through the running cloud"),
    "config": ("iotronic_mec.cmd.config", "show the options and their values"),
    "status": ("iotronic_mec.cmd.status", "'status upgrade-check' tells what an upgrade needs"),
}
"""Subcommand to the module whose ``run(arguments)`` does it, and its help."""


def usage() -> str:
    """Return the help text."""
    lines = [f"  {name:<12} {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: iotronic-mec COMMAND [arguments]",
            "",
            "commands:",
            *lines,
            "",
            "'iotronic-mec COMMAND --help' tells more; '--version' prints the version.",
        ]
    )


def main(argv: list[str] | None = None) -> int:
    """Run the subcommand named first; return the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help"):
        print(usage())
        return 0 if arguments else 2
    if name == "--version":
        print(importlib.import_module("iotronic_mec").__version__)
        return 0
    if name not in COMMANDS:
        print(f"iotronic-mec: no command {name[:40]!r}\n\n{usage()}", file=sys.stderr)
        return 2
    try:
        # each process loads what it runs: the reactor only for standalone
        module = importlib.import_module(COMMANDS[name][0])
    except ModuleNotFoundError as error:
        missing = importlib.import_module("iotronic_mec.missing")
        told = missing.missing("server", "router") or [f"{error.name} is not installed"]
        print(f"iotronic-mec: {told[0]}", file=sys.stderr)
        return 1
    run = module.run
    given = arguments if name in ("user", "token") else arguments[1:]
    return int(run(given))


if __name__ == "__main__":
    sys.exit(main())
