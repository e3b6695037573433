"""``user …``, ``project …``, ``token …`` of the embedded identity."""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import UTC, datetime, timedelta

from iotronic_mec.cli.arguments import positive, read_file
from iotronic_mec.cli.columns import Row, Rows, many, one
from iotronic_mec.cli.command import Doing, Listing, Showing
from iotronic_mec.cli.exits import UsageError
from iotronic_mec.cli.v1.board import add_limit

ROLES = ("admin", "member", "reader")


class CreateUser(Showing):
    """Create a user (administrators)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="name of the user")
        parser.add_argument("--project", required=True, help="name or uuid of the user's project")
        parser.add_argument(
            "--role",
            dest="roles",
            action="append",
            choices=ROLES,
            help="role in the project; can be repeated (default: member)",
        )
        add_password_file(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Create it."""
        fields = {
            "name": parsed_args.name,
            "project": parsed_args.project,
            "roles": parsed_args.roles or ["member"],
            "password": password(parsed_args.password_file),
        }
        return one(self.cloud.users.create(fields))


class ListUsers(Listing):
    """List users (administrators)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        users = self.cloud.users.iterate(limit=parsed_args.limit)
        return many(users, ("uuid", "name", "project", "roles", "enabled"))


class SetUser(Showing):
    """Change a user (administrators)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("user", metavar="USER", help="name or uuid")
        parser.add_argument("--name", help="new name")
        parser.add_argument("--project", help="name or uuid of the user's project from now on")
        parser.add_argument(
            "--role",
            dest="roles",
            action="append",
            choices=ROLES,
            help="role in the project, instead of those before; can be repeated",
        )
        parser.add_argument(
            "--enabled",
            action=argparse.BooleanOptionalAction,
            help="whether the user may log in",
        )
        parser.add_argument("--password", action="store_true", help="set a password; ask for it")
        add_password_file(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Change it."""
        given = vars(parsed_args)
        named = ("name", "project", "roles", "enabled")
        changes = {key: given[key] for key in named if given[key] is not None}
        if parsed_args.password or parsed_args.password_file:
            changes["password"] = password(parsed_args.password_file)
        return one(self.cloud.users.update(parsed_args.user, changes))


class SetOwnPassword(Doing):
    """Set your own password"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--old-password-file",
            metavar="FILE",
            help="file with the present password (default: ask for it)",
        )
        add_password_file(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Set it."""
        path = parsed_args.old_password_file
        changes = {
            "old_password": password(path, "Present password: ", again=False),
            "password": password(parsed_args.password_file, "New password: "),
        }
        self.cloud.users.update(self.cloud.whoami().user, changes)


class DeleteUser(Doing):
    """Delete users, whose tokens are of no use from then on (administrators)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("users", metavar="USER", nargs="+", help="name or uuid")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Delete them."""
        self.each(parsed_args.users, self.cloud.users.delete)


class CreateProject(Showing):
    """Create a project (administrators)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="name of the project")
        parser.add_argument("--description", help="what it is for")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Create it."""
        fields = {"name": parsed_args.name, "description": parsed_args.description}
        return one(self.cloud.projects.create(fields))


class ListProjects(Listing):
    """List projects"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        projects = self.cloud.projects.iterate(limit=parsed_args.limit)
        return many(projects, ("uuid", "name", "description"))


class DeleteProject(Doing):
    """Delete projects that own nothing (administrators)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("projects", metavar="PROJECT", nargs="+", help="name or uuid")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Delete them."""
        self.each(parsed_args.projects, self.cloud.projects.delete)


class CreateToken(Showing):
    """Make a token for yourself and show its secret, this once"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("name", metavar="NAME", help="what the token is for")
        parser.add_argument(
            "--expires-in",
            type=positive,
            metavar="HOURS",
            help="how long it is valid (default: as long as the cloud allows)",
        )
        parser.add_argument("--project", help="project it is for (default: your own)")
        parser.add_argument(
            "--role", choices=ROLES, help="the most it may do (default: all that you may)"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Make it."""
        hours = parsed_args.expires_in
        end = datetime.now(UTC) + timedelta(hours=hours) if hours else None
        fields = {
            "name": parsed_args.name,
            "project": parsed_args.project,
            "role": parsed_args.role,
            "expires_at": end.isoformat() if end else None,
        }
        return one(self.cloud.tokens.create(fields))


class ListTokens(Listing):
    """List your tokens; secrets are never shown again"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        tokens = self.cloud.tokens.iterate(limit=parsed_args.limit)
        return many(
            tokens,
            ("uuid", "name", "user", "role", "expires_at", "last_used_at", "created_at"),
        )


class DeleteToken(Doing):
    """Delete tokens, which are of no use from then on"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("tokens", metavar="TOKEN", nargs="+", help="uuid")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Delete them."""
        self.each(parsed_args.tokens, self.cloud.tokens.delete)


def add_password_file(parser: argparse.ArgumentParser) -> None:
    """Add where a password comes from."""
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help="file with the password, - for the standard input (default: ask for it)",
    )


def password(path: str | None, prompt: str = "Password: ", *, again: bool = True) -> str:
    """Return a password from a file, or asked for on a terminal.

    :param again: ask twice
    :raises UsageError: there is none, or the two differ
    """
    if path is not None:
        given = read_file(path).decode("utf-8", "surrogateescape").rstrip("\r\n")
    elif sys.stdin.isatty():
        given = getpass.getpass(prompt)
        if again and given != getpass.getpass("Again: "):
            raise UsageError("the two passwords differ")
    else:
        raise UsageError("no password: name a file with --password-file, - for standard input")
    if not given:
        raise UsageError("the password is empty")
    return given
