"""``lightning-agent plugin-run``: run a plugin here, in the board's sandbox, without a cloud.

The result goes to the standard output as one line of JSON; what the plugin logs and prints, and
what this program has to say, to the standard error.  Exit codes: :data:`EPILOG`.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning_agent.errors import BadRequest, BundleRefused, Error, PluginTimeout, SandboxRefused
from lightning_agent.sandbox.channel import MessageRefused, check_value
from lightning_agent.sandbox.probe import LEVEL_REFUSE, Findings, probe
from lightning_agent.supervisor.logs import Record
from lightning_agent.supervisor.requests import MAX_DEADLINE_S
from lightning_agent.supervisor.trial import Order, Outcome, Trial, own_folder

DONE = 0
"""The plugin ended, or stopped when it was asked to."""

FAILED = 1
"""The plugin raised, crashed, was killed, or gave a result that cannot be sent."""

USAGE = 2
"""The command line is wrong, or what it names is no plugin."""

NO_SANDBOX = 3
"""Plugins do not run on this machine."""

TROUBLE = 4
"""The machine could not run it: no room, no process, nobody takes the result."""

TIMED_OUT = 124
"""The plugin was still running at its limit.  Source: timeout(1)."""

INTERRUPTED = 130
"""Interrupted before there was a result.  Source: a shell's 128 + SIGINT."""

EPILOG = (
    "exit codes: 0 done, or stopped when it was asked to; 1 the plugin failed; 2 wrong usage, or "
    "no plugin; 3 the sandbox is not possible here; 4 the machine could not run it; 124 the time "
    "was over; 130 interrupted before there was a result"
)

CALL_LIMIT_S = 60.0
"""Seconds a called plugin has unless told otherwise, as in a cloud with its defaults."""

MIN_LIMIT_S = 0.05

CLOSE_LIMIT_S = 2.0
"""Seconds to wait, at the end, for whoever reads the standard error."""

MAX_WAITING_LINES = 10_000
"""Lines that wait for whoever reads the standard error; more are counted and dropped."""

NAME = "plugin-run"

_PR_SET_PDEATHSIG = 1


class Echo:
    """Writes lines without ever holding up who gives them.

    Letters that control a terminal are written as escapes: the lines are a plugin's.

    :param descriptor: where to
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[str | None] = queue.Queue(MAX_WAITING_LINES)
        self._lost = 0
        self._thread = threading.Thread(target=self._write, name="echo", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Write a line soon."""
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._lost += 1

    def record(self, record: Record) -> None:
        """Write a line of the plugin's log soon."""
        self.line(f"[{record['stream']}] {record['text']}")

    def close(self) -> None:
        """Wait until all is written, at most :data:`CLOSE_LIMIT_S`."""
        if self._lost:
            self.line(f"[{NAME}] {self._lost} lines were lost: nobody read them")
        try:
            self._lines.put(None, timeout=CLOSE_LIMIT_S)
        except queue.Full:
            return
        self._thread.join(CLOSE_LIMIT_S)

    def _write(self) -> None:
        while (text := self._lines.get()) is not None:
            try:
                write_all(self._descriptor, f"{printable(text)}\n".encode(errors="replace"))
            except OSError:
                return  # nobody is there to read


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments say and return the exit code.

    :param arguments: without the program's name and ``plugin-run``
    """
    parser = make_parser()
    options = parser.parse_args(list(arguments))
    for number in (signal.SIGTERM, signal.SIGHUP):
        # until the plugin runs they do what an interrupt does: what was made is cleaned up
        signal.signal(number, signal.default_int_handler)
    if options.parent is not None and not tie_to(options.parent):
        return INTERRUPTED
    try:
        return _answer(options)
    except KeyboardInterrupt:
        return INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=f"lightning-agent {NAME}",
        description="Run a plugin here, in the sandbox of boards, without a cloud. Its result is "
        "printed as JSON; what it logs and prints goes to the standard error.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "source",
        nargs="?",
        type=Path,
        metavar="PLUGIN",
        help="a .py file, a .zip archive, or a folder with plugin.py or main.py",
    )
    parser.add_argument(
        "--callable",
        action="store_true",
        help="it runs to its end and gives a result; else it runs until it ends or is interrupted",
    )
    parser.add_argument(
        "--parameters",
        metavar="JSON|@FILE",
        type=read_parameters,
        default={},
        help="a JSON object, or the file it is in; a file keeps secrets off the command line",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=read_limit,
        help=f"how long it may run, up to {MAX_DEADLINE_S:g} (default: {CALL_LIMIT_S:g} with "
        "--callable, else no limit)",
    )
    parser.add_argument(
        "--pictures",
        metavar="FOLDER",
        type=Path,
        help="pictures for the camera (default: three small grey ones)",
    )
    parser.add_argument(
        "--level",
        action="store_true",
        help="only say how well plugins are confined here, and how to mend what is amiss",
    )
    parser.add_argument("--quiet", action="store_true", help="say nothing but what goes wrong")
    parser.add_argument(
        "--parent", metavar="PID", type=int, help="end with this process, which has started this"
    )
    return parser


def read_parameters(text: str) -> dict[str, object]:
    """Read a JSON object, or the one in the file named after ``@``."""
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise argparse.ArgumentTypeError(f"{text[1:]}: {error}") from error
    try:
        value = json.loads(text)
        check_value(value)
    except (ValueError, RecursionError, MessageRefused) as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError('a JSON object is expected, such as {"key": "value"}')
    return value


def read_limit(text: str) -> float:
    """Read a number of seconds within the bounds."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not MIN_LIMIT_S <= value <= MAX_DEADLINE_S:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of seconds from {MIN_LIMIT_S:g} to {MAX_DEADLINE_S:g}"
        )
    return value


def tie_to(parent: int) -> bool:
    """Have the kernel end this process when its parent ends; ``False`` when it has already.

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    return os.getppid() == parent


def printable(text: str) -> str:
    r"""Return ``text`` with the letters that control a terminal as escapes.

    >>> printable("red: \x1b[31m, tab:\t.")
    'red: \\x1b[31m, tab:\t.'
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter == "\t" or not is_control(letter) else f"\\x{ord(letter):02x}"
        for letter in text
    )


def is_control(letter: str) -> bool:
    """Say whether a terminal may take a letter for an order."""
    return letter < " " or "\x7f" <= letter <= "\x9f"


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of ``content``; blocks as long as nobody reads."""
    while content:
        content = content[os.write(descriptor, content) :]


def _answer(options: argparse.Namespace) -> int:
    echo = Echo(sys.stderr.fileno())
    try:
        if options.level:
            findings = probe()
            tell_level(echo, findings, every=True)
            return NO_SANDBOX if findings.level == LEVEL_REFUSE else DONE
        return _run(echo, options)
    finally:
        echo.close()


def _run(echo: Echo, options: argparse.Namespace) -> int:
    if options.source is None:
        echo.line(f"[{NAME}] PLUGIN is needed: a file, an archive or a folder")
        return USAGE
    if options.pictures is not None and not options.pictures.is_dir():
        echo.line(f"[{NAME}] --pictures: {options.pictures} is no folder")
        return USAGE
    limit_s = options.timeout
    if limit_s is None and options.callable:
        limit_s = CALL_LIMIT_S
    order = Order(
        source=options.source,
        parameters=options.parameters,
        called=options.callable,
        limit_s=limit_s,
        pictures=options.pictures,
    )
    try:
        with own_folder() as folder:
            trial = Trial(order, folder, echo.record)
            findings = probe()
            if findings.level == LEVEL_REFUSE or not options.quiet:
                tell_level(echo, findings, every=False)
            if findings.level == LEVEL_REFUSE:
                return NO_SANDBOX
            outcome = trial.run(findings)
    except (BundleRefused, BadRequest) as error:
        echo.line(f"[{NAME}] {error.message}")
        return USAGE
    except SandboxRefused as error:
        echo.line(f"[{NAME}] {error.message}")
        return NO_SANDBOX
    except (Error, OSError) as error:
        echo.line(f"[{NAME}] the plugin could not be run: {error}")
        return TROUBLE
    return tell(echo, order, outcome)


def tell_level(echo: Echo, findings: Findings, *, every: bool) -> None:
    """Say how well plugins are confined, and what is amiss with its cure.

    :param every: also what only takes away a part of the abilities
    """
    echo.line(f"[{NAME}] sandbox: level {findings.level}")
    for check in findings.checks:
        if not check.ok and (check.needed or every):
            echo.line(f"[{NAME}] {check.name}: {check.detail}; cure: {check.cure}")


def tell(echo: Echo, order: Order, outcome: Outcome) -> int:
    """Print the result or the error, and return the exit code."""
    error = outcome.error
    if error is None:
        if order.called or outcome.value is not None:
            return _print(echo, outcome.value)
        return DONE
    if order.called and outcome.stopped:
        echo.line(f"[{NAME}] interrupted before there was a result")
        return INTERRUPTED
    if order.called:
        _trace(echo, error.details)
    echo.line(f"[{NAME}] {error.message}")
    if isinstance(error, SandboxRefused):
        return NO_SANDBOX
    return TIMED_OUT if isinstance(error, PluginTimeout) else FAILED


def _trace(echo: Echo, details: Mapping[str, object]) -> None:
    """Show the plugin's traceback; a started plugin's is in its log already."""
    for line in str(details.get("traceback") or "").splitlines():
        echo.line(f"[traceback] {line}")


def _print(echo: Echo, value: object) -> int:
    try:
        write_all(sys.stdout.fileno(), f"{json.dumps(value)}\n".encode())
    except OSError as error:
        echo.line(f"[{NAME}] the result cannot be written: {error.strerror}")
        return TROUBLE
    return DONE
