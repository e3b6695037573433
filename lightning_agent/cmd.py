"""The command ``lightning-agent``: finds the subcommand and hands the arguments on.

This module imports nothing but the standard library's light parts, and each
subcommand's module only when it is asked for, by name: the supervisor must
stay below 20 MB, so it must never see Twisted, and ``doctor`` must work where
Twisted is missing. The table :data:`COMMANDS` is the whole truth.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One subcommand: where its ``main(arguments)`` lives, and its one line of help."""

    module: str
    summary: str


COMMANDS: dict[str, Command] = {
    "run": Command(
        module="lightning_agent.session.process",
        summary="join the cloud and carry out its orders, until stopped",
    ),
    "enrol": Command(
        module="lightning_agent.session.enrol_command",
        summary="introduce this board to a cloud with its one-time code",
    ),
    "doctor": Command(
        module="lightning_agent.session.doctor",
        summary="check what this board can do, and say how to cure what it cannot",
    ),
    "supervise": Command(
        module="lightning_agent.supervisor.main",
        summary="own the sandboxes and the running plugins (started by run)",
    ),
    "plugin-run": Command(
        module="lightning_agent.supervisor.plugin_run",
        summary="run a plugin here, in the same sandbox, without a cloud",
    ),
}
"""Name → subcommand. A module named here has ``main(arguments) -> exit code``."""


UNUSED_SERIALIZERS = ("autobahn.flatbuffers", "bjdata")
"""Modules that Autobahn is told it has not. It loads every serializer it finds
installed; UBJSON's, which comes with the router, and FlatBuffers', which comes
with Autobahn, pull in numpy: 18 MB on a board that has numpy for its plugins."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that the arguments name.

    :param arguments: the command line without the program; ``None`` takes the process's own
    :returns: the exit code; 2 means that the command line is wrong
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:
        # only where the process is ours alone: it says so to all who import after it
        for name in UNUSED_SERIALIZERS:
            sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    if words == ["--version"]:
        version = importlib.import_module("lightning_agent.session.version")
        sys.stdout.write(f"{version.AGENT_VERSION}\n")
        return 0
    if not words or words[0] not in COMMANDS:
        return _explain(words)
    module = importlib.import_module(COMMANDS[words[0]].module)
    code: int = module.main(words[1:])
    return code


def _explain(words: list[str]) -> int:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="lightning-agent",
        description="The program on the board of an IoTronic cloud.",
        epilog="commands:\n"
        + "\n".join(lines)
        + "\n\n'lightning-agent COMMAND --help' explains one command; "
        "'--version' prints the version.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", metavar="COMMAND", choices=tuple(COMMANDS))
    try:
        parser.parse_args(words[:1])
    except SystemExit as ending:
        return int(ending.code or 0)
    raise AssertionError("a known command is dispatched before it is explained")
