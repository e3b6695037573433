"""The commands: ``iot`` and ``openstack iot``, ``iotronic-mec``, ``lightning-agent``."""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator

from iotronic_mec.cli.commands import COMMANDS
from iotronic_mec.cli.shell import Shell
from iotronic_mec.cmd import main as cloud_command
from lightning_agent import cmd as board_command
from pages.markdown import code, plain, table

OWN_GROUPS = ("positional arguments", "options", "optional arguments", "waiting")
"""Groups of arguments that are a command's own; the others are the same for all."""


def page() -> str:
    """Return the page of all commands."""
    parts = [
        "# Commands",
        "`iot` and `openstack iot` are the same commands; the first starts faster. Both read"
        " `clouds.yaml` or the variables of `openrc`. All take `-f json`, `-f value`, `-c COLUMN`"
        " and the other output options of OpenStack's client; `--help` tells the rest.",
        "Exit codes: 0 done; 1 the cloud or a board refused, failed or could not be reached;"
        " 2 wrong usage, nothing was sent; 3 the time to wait was over, the request goes on.",
        *iot(),
        "## iotronic-mec",
        text_of("iotronic_mec.cmd.main", []),
    ]
    for name in cloud_command.COMMANDS:
        parts += [f"### iotronic-mec {name}", text_of("iotronic_mec.cmd.main", [name])]
    parts += ["## lightning-agent", text_of("lightning_agent", [])]
    for name in board_command.COMMANDS:
        parts += [f"### lightning-agent {name}", text_of("lightning_agent", [name])]
    return "\n\n".join(parts)


def iot() -> Iterator[str]:
    """Yield a section for each noun, with its commands."""
    noun = ""
    for name in COMMANDS:
        if name.split()[0] != noun:
            noun = name.split()[0]
            yield f"## iot {noun}"
        parser = parser_of(name)
        own = [
            action
            for group in parser._action_groups
            if group.title in OWN_GROUPS
            for action in group._group_actions
            if action.dest != "help"
        ]
        yield f"### iot {name}"
        yield plain(parser.description or "")
        yield code(" ".join(["iot", name, *(synopsis(action) for action in own)]))
        if own:
            rows = [(code(label(action)), plain(action.help or "")) for action in own]
            yield table(["argument", "meaning"], rows)


def parser_of(name: str) -> argparse.ArgumentParser:
    """Return a command's own parser."""
    module, _, kind = COMMANDS[name].partition(":")
    command = getattr(importlib.import_module(module), kind)
    shown = command(Shell(), None, cmd_name=name)
    parser: argparse.ArgumentParser = shown.get_parser(f"iot {name}")
    return parser


def label(action: argparse.Action) -> str:
    """Return how an argument is written."""
    if not action.option_strings:
        return str(action.metavar or action.dest)
    written = ", ".join(action.option_strings)
    return written if action.nargs == 0 else f"{written} {value_of(action)}"


def value_of(action: argparse.Action) -> str:
    """Return what stands for an option's value."""
    if action.choices:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return str(action.metavar or action.dest.upper())


def synopsis(action: argparse.Action) -> str:
    """Return an argument as it stands in a synopsis."""
    written = label(action).replace(", --", " | --")
    return written if action.required or not action.option_strings else f"[{written}]"


def text_of(module: str, arguments: list[str]) -> str:
    """Return the help a program prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "COLUMNS": "88", "PYTHONWARNINGS": "ignore"},
    )
    return f"```text\n{done.stdout.strip()}\n```"
