"""``iot``: the commands without OpenStack's client, and so without its weight."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from functools import cached_property
from importlib.metadata import EntryPoint
from typing import Any

from cliff.app import App
from cliff.commandmanager import CommandManager

from iotronic_mec import __version__
from iotronic_mec.cli import credentials, exits
from iotronic_mec.cli.arguments import positive
from iotronic_mec.cli.commands import COMMANDS
from iotronic_mec.sdk import Client

DESCRIPTION = "Boards, plugins and what they do: the command line of the IoT cloud."


class Commands(CommandManager):
    """The commands, by name; a command's module is imported when it is used."""

    def _load_commands(self) -> None:
        for name, target in COMMANDS.items():
            self.commands[name] = EntryPoint(name=name, value=target, group="iot")


class Clients:
    """What ``openstack`` calls a client manager: holds the client."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options

    @cached_property
    def iot(self) -> Client:
        """The client; made when first asked for."""
        return credentials.connect(self._options, os.environ)


class Shell(App):
    """The application."""

    NAME = "iot"
    LOG = logging.getLogger(NAME)

    def __init__(self, **streams: Any) -> None:
        super().__init__(DESCRIPTION, __version__, Commands(), deferred_help=True, **streams)

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        """Return the parser of what stands before the command."""
        parser = super().build_option_parser(description, version, argparse_kwargs)
        parser.epilog = exits.WAITING_EPILOG
        group = parser.add_argument_group("cloud and credentials", credentials.ORDER)
        group.add_argument(
            "--os-cloud", dest="cloud", metavar="NAME", help="cloud in clouds.yaml (OS_CLOUD)"
        )
        group.add_argument(
            "--iotronic-url", dest="iot_url", metavar="URL", help="address (IOTRONIC_URL)"
        )
        group.add_argument(
            "--os-auth-token", dest="iot_token", metavar="TOKEN", help="token (OS_AUTH_TOKEN)"
        )
        group.add_argument(
            "--os-cacert",
            dest="cacert",
            metavar="FILE",
            help="certificates of the authorities to trust (OS_CACERT)",
        )
        group.add_argument(
            "--insecure", action="store_true", help="do not check the cloud's certificate"
        )
        group.add_argument(
            "--os-timeout",
            dest="http_timeout",
            type=positive,
            metavar="SECONDS",
            help="how long to wait for an answer of the cloud (default: 75)",
        )
        return parser

    def configure_logging(self) -> None:
        """Send logs to the standard error (warnings; -v more; --debug all) and a file."""
        level = {0: logging.ERROR, 1: logging.WARNING, 2: logging.INFO}
        console = logging.StreamHandler(self.stderr)
        console.setLevel(level.get(self.options.verbose_level, logging.DEBUG))
        if self.options.debug:
            console.setLevel(logging.DEBUG)
        handlers: list[logging.Handler] = [console]
        if self.options.log_file:
            handlers.append(logging.FileHandler(self.options.log_file))
        logging.getLogger("stevedore").setLevel(logging.INFO)  # a line for each formatter
        root = logging.getLogger()
        root.setLevel(logging.DEBUG)
        for handler in handlers:
            handler.setFormatter(logging.Formatter(self.LOG_FILE_MESSAGE_FORMAT))
            root.addHandler(handler)

    def initialize_app(self, argv: list[str]) -> None:
        """Prepare the client without making it."""
        self.client_manager = Clients(self.options)

    def interact(self) -> None:
        """Refuse to start without a command."""
        self.parser.error("a command is needed; 'iot --help' lists them")


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    return Shell().run(arguments or ["--help"])
