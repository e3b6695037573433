"""What all commands share: the client, errors, waiting.

The same classes serve ``iot`` and ``openstack iot``. The docstring of a
command is its help text.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable, Iterable
from typing import Protocol, cast

from osc_lib.command import command

from iotronic_mec.cli import credentials, exits
from iotronic_mec.cli.arguments import positive
from iotronic_mec.cli.columns import Row, cell
from iotronic_mec.cli.exits import UsageError
from iotronic_mec.cli.failure import describe
from iotronic_mec.cli.progress import Bar
from iotronic_mec.sdk import Answer, Client, Error
from iotronic_mec.sdk.errors import InvalidName, WaitTimeout
from iotronic_mec.sdk.request import WAIT_S

LOG = logging.getLogger(__name__)

CODES = ((WaitTimeout, exits.STILL_WAITING), (InvalidName, exits.USAGE))
"""Errors with an exit code of their own."""


class HasCloud(Protocol):
    """The part of a client manager that is ours."""

    iot: Client


class Rim(command.Command):
    """The outer rim of a command: the client in, errors out as text and code."""

    exit_code = exits.DONE
    """What the command ends with if nothing is raised."""

    @property
    def auth_required(self) -> bool:
        """Whether ``openstack`` has to find credentials; not for a ready token."""
        return credentials.token_of(self.app.options, os.environ) is None

    @property
    def cloud(self) -> Client:
        """The client, made when first asked for."""
        return cast(HasCloud, self.app.client_manager).iot

    def get_epilog(self) -> str:
        """Return the exit codes, which stand below each command's help."""
        return exits.EPILOG

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; tell of errors and return the exit code."""
        try:
            return super().run(parsed_args) or self.exit_code
        except UsageError as error:
            self.say(f"error: {error}")
            return exits.USAGE
        except Error as error:
            self.complain(error)
            return next((code for kind, code in CODES if isinstance(error, kind)), exits.FAILED)

    def complain(self, error: Error) -> None:
        """Tell of an error; its traceback only with ``--debug``."""
        LOG.debug("%s failed", self.cmd_name, exc_info=error)
        for line in describe(error):
            self.say(line)

    def say(self, line: str) -> None:
        """Write a line to the standard error."""
        self.app.stderr.write(f"{line}\n")

    def each(self, names: Iterable[str], act: Callable[[str], None]) -> None:
        """Do something with each name; go on after an error, which is told."""
        for name in names:
            try:
                act(name)
            except Error as error:
                self.complain(error)
                self.exit_code = exits.FAILED


class Doing(Rim):
    """A command that prints nothing when all is well."""


class Listing(Rim, command.Lister):
    """A command that lists things."""


class Showing(Rim, command.ShowOne):
    """A command that shows one thing."""


class Ordering(Showing):
    """A command that has a board do something, and shows its answer."""

    def get_epilog(self) -> str:
        """Return the exit codes."""
        return exits.WAITING_EPILOG

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return a parser that knows how long to wait."""
        parser = super().get_parser(prog_name)
        add_waiting(parser)
        return parser

    def finish(self, answer: Answer, what: str, parsed_args: argparse.Namespace) -> Row:
        """Wait for an answer unless told not to, and show it.

        :param what: what is being done, in words, for the progress
        """
        if parsed_args.wait:
            quiet = self.app.options.verbose_level == 0
            bar = Bar(self.app.stderr, what, quiet=quiet)
            try:
                answer = self.cloud.requests.finish(
                    answer, timeout_s=parsed_args.timeout, progress=bar
                )
            finally:
                bar.close()
        return answer_row(answer)


def answer_row(answer: Answer) -> Row:
    """Return an answer as a row."""
    values = (answer.request, answer.state, answer.value if answer.done else None)
    return ("request", "state", "answer"), [cell(value) for value in values]


def add_waiting(parser: argparse.ArgumentParser) -> None:
    """Add the options that say whether and how long to wait."""
    group = parser.add_argument_group("waiting")
    choice = group.add_mutually_exclusive_group()
    choice.add_argument(
        "--wait",
        dest="wait",
        action="store_true",
        default=True,
        help="wait for the end, with progress on the standard error (default)",
    )
    choice.add_argument(
        "--no-wait",
        dest="wait",
        action="store_false",
        help="show the request at once; 'request wait' waits for it later",
    )
    add_timeout(group)


def add_timeout(group: argparse._ActionsContainer) -> None:
    """Add the option that says how long to wait."""
    group.add_argument(
        "--timeout",
        type=positive,
        default=WAIT_S,
        metavar="SECONDS",
        help=f"how long to wait; the request goes on afterwards (default: {WAIT_S:g})",
    )
