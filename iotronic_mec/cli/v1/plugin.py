"""``plugin …``: upload, list, show, change, delete, save."""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from iotronic_mec.cli.arguments import json_object, read_file
from iotronic_mec.cli.columns import Row, Rows, many, one
from iotronic_mec.cli.command import Doing, Listing, Showing
from iotronic_mec.cli.exits import UsageError
from iotronic_mec.cli.v1.board import add_limit
from iotronic_mec.sdk import NewPlugin

BUNDLE_NAME = re.compile(r"[A-Za-z0-9_~][A-Za-z0-9._~-]*\.(py|zip)")
READABLE = 0o644

LISTED = ("uuid", "name", "owner", "public", "callable")


class CreatePlugin(Showing):
    """Upload a plugin: a .py file, or a .zip with plugin.py and what it needs"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="name of the plugin")
        parser.add_argument("file", metavar="FILE", help="the bundle, .py or .zip")
        parser.add_argument(
            "--callable",
            action="store_true",
            help="it runs to its end and gives a result; else it runs from start to stop",
        )
        parser.add_argument(
            "--public", action="store_true", help="other projects may inject it too"
        )
        add_objects(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Upload it."""
        filename, content = read_bundle(parsed_args.file)
        plugin = NewPlugin(
            name=parsed_args.name,
            filename=filename,
            content=content,
            callable=parsed_args.callable,
            public=parsed_args.public,
            parameters=parsed_args.params or {},
            extra=parsed_args.extra or {},
        )
        return one(self.cloud.plugins.create(plugin), without=("code",))


class ListPlugins(Listing):
    """List plugins"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument("--public", action="store_true", help="only public ones, of everyone")
        choice.add_argument(
            "--with-public", action="store_true", help="your own, and public ones of everyone"
        )
        choice.add_argument("--all", action="store_true", help="of everyone (administrators)")
        parser.add_argument("--long", action="store_true", help="show more columns")
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        plugins = self.cloud.plugins.iterate(
            public=parsed_args.public,
            limit=parsed_args.limit,
            with_public=parsed_args.with_public or None,
            all_plugins=parsed_args.all or None,
        )
        more = ("parameters", "extra", "created_at", "updated_at")
        return many(plugins, LISTED + more if parsed_args.long else LISTED)


class ShowPlugin(Showing):
    """Show a plugin"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_plugin(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Show it."""
        return one(self.cloud.plugins.get(parsed_args.plugin))


class SetPlugin(Showing):
    """Change fields of a plugin"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_plugin(super().get_parser(prog_name))
        parser.add_argument("--name", help="new name")
        parser.add_argument(
            "--public",
            action=argparse.BooleanOptionalAction,
            help="whether other projects may inject it",
        )
        parser.add_argument(
            "--callable",
            action=argparse.BooleanOptionalAction,
            help="whether it runs to its end and gives a result",
        )
        parser.add_argument("--file", metavar="FILE", help="a new bundle, .py or .zip")
        add_objects(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Change it."""
        values: dict[str, Any] = {
            "name": parsed_args.name,
            "public": parsed_args.public,
            "callable": parsed_args.callable,
            "parameters": parsed_args.params,
            "extra": parsed_args.extra,
        }
        changes = {key: value for key, value in values.items() if value is not None}
        bundle = read_bundle(parsed_args.file) if parsed_args.file else None
        found = self.cloud.plugins.update(parsed_args.plugin, changes, bundle=bundle)
        return one(found, without=("code",))


class DeletePlugin(Doing):
    """Delete plugins that no board has"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("plugins", metavar="PLUGIN", nargs="+", help="name or uuid")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Delete them."""
        self.each(parsed_args.plugins, self.cloud.plugins.delete)


class SavePlugin(Showing):
    """Write a plugin's bundle to a file"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_plugin(super().get_parser(prog_name))
        parser.add_argument(
            "--file", metavar="FILE", help="where to (default: the bundle's own name, here)"
        )
        parser.add_argument("--force", action="store_true", help="write over a file there is")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Save it: under another name first, so that no half file is left."""
        wanted = Path(parsed_args.file) if parsed_args.file else None
        folder = wanted.parent if wanted else Path()
        try:
            descriptor, partial = tempfile.mkstemp(dir=folder, prefix=".plugin-")
            try:
                with open(descriptor, "wb") as stream:
                    own = self.cloud.plugins.save(parsed_args.plugin, stream)
                target = wanted or folder / own_name(own, parsed_args.plugin)
                if target.exists() and not parsed_args.force:
                    raise UsageError(f"{target} exists; --force writes over it")
                os.chmod(partial, READABLE)
                os.replace(partial, target)
            finally:
                Path(partial).unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(f"{wanted or folder}: {error.strerror}") from error
        return ("file", "bytes"), (str(target), target.stat().st_size)


def own_name(stated: str | None, plugin: str) -> str:
    """Return the name a bundle is saved under: the cloud's, if it is a bundle's name.

    >>> own_name("digits.zip", "p"), own_name(".bashrc", "p"), own_name(None, "p")
    ('digits.zip', 'p.bundle', 'p.bundle')
    """
    return stated if stated and BUNDLE_NAME.fullmatch(stated) else f"{plugin}.bundle"


def with_plugin(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the plugin a command is about."""
    parser.add_argument("plugin", metavar="PLUGIN", help="name or uuid of the plugin")
    return parser


def add_objects(parser: argparse.ArgumentParser) -> None:
    """Add the JSON fields of a plugin."""
    parser.add_argument(
        "--params",
        metavar="JSON|@FILE",
        type=json_object,
        help="parameters it needs, a JSON object; each must be given with a call or start",
    )
    parser.add_argument(
        "--extra", metavar="JSON|@FILE", type=json_object, help="anything else, a JSON object"
    )


def read_bundle(path: str) -> tuple[str, bytes]:
    """Return a bundle's file name and bytes.

    :raises UsageError: it is no bundle, or cannot be read
    """
    if Path(path).suffix not in (".py", ".zip"):
        raise UsageError(f"{path}: a plugin is a .py or a .zip file")
    return Path(path).name, read_file(path)
