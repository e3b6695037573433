"""``plugin run``: a plugin on this machine, without a cloud."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from iotronic_mec.cli.arguments import positive
from iotronic_mec.cli.command import Rim
from iotronic_mec.cli.exits import UsageError
from iotronic_mec.cli.v1.injection import parameters, with_parameters

PROGRAM = "lightning-agent"
"""What runs it: the agent's own command, as a child of this one."""

EPILOG = (
    "exit codes: 0 done, or stopped when it was asked to; 1 the plugin failed; 2 wrong usage, or "
    "no plugin; 3 the sandbox is not possible here; 4 the machine could not run it; 124 the time "
    "was over; 130 interrupted before there was a result"
)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What is handed on to the child."""


class RunPlugin(Rim):
    """Run a plugin on this machine, in the sandbox of boards, without a cloud

    The result is printed as JSON. What the plugin logs goes to the standard error.
    """

    auth_required = False

    def get_epilog(self) -> str:
        """Return the exit codes, which are those of the child."""
        return EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "source",
            metavar="PLUGIN",
            help="a .py file, a .zip archive, or a folder with plugin.py or main.py",
        )
        parser.add_argument(
            "--callable",
            action="store_true",
            help="it runs to its end and gives a result; else it runs until it ends or you "
            "interrupt it (Ctrl-C)",
        )
        with_parameters(parser)
        parser.add_argument(
            "--timeout",
            type=positive,
            metavar="SECONDS",
            help="how long it may run (default: 60 with --callable, else no limit)",
        )
        parser.add_argument(
            "--pictures",
            metavar="FOLDER",
            help="pictures for the camera (default: three small grey ones)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Run it, and end as it ended."""
        words = [find_program(), "plugin-run", "--parent", str(os.getpid())]
        words += ["--callable"] if parsed_args.callable else []
        words += ["--quiet"] if self.app.options.verbose_level == 0 else []
        if parsed_args.timeout is not None:
            words += ["--timeout", f"{parsed_args.timeout:g}"]
        if parsed_args.pictures is not None:
            words += ["--pictures", parsed_args.pictures]
        with tempfile.TemporaryFile() as given:
            # not on the command line, where everyone on the machine could read them
            given.write(json.dumps(parameters(parsed_args)).encode())
            given.flush()
            words += ["--parameters", f"@/dev/fd/{given.fileno()}", "--", parsed_args.source]
            self.exit_code = run_child(words, given)


def find_program() -> str:
    """Return the path of the agent's command: beside this Python, or on the ``PATH``.

    :raises UsageError: it is not installed
    """
    beside = Path(sys.executable).parent / PROGRAM
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which(PROGRAM)
    if found is None:
        raise UsageError(f"{PROGRAM} is not installed: pip install 'iotronic-mec[agent]'")
    return found


def run_child(words: list[str], given: IO[bytes]) -> int:
    """Run a command to its end, handing on signals once, and return its exit code.

    It is in a process group of its own: an interrupt from the terminal comes by us only.
    """
    with subprocess.Popen(words, pass_fds=(given.fileno(),), process_group=0) as child:
        with handed_on(child):
            code = child.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def handed_on(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Hand on the signals that come meanwhile."""

    def hand_on(number: int, _: Any) -> None:
        child.send_signal(number)

    before = {number: signal.signal(number, hand_on) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
