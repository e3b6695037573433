"""``quota …``: how many things of each kind a project may have."""

from __future__ import annotations

import argparse

from iotronic_mec.cli.columns import Rows, many
from iotronic_mec.cli.command import Doing, Listing
from iotronic_mec.sdk.quota import UNLIMITED

COLUMNS = ("resource", "limit", "used", "default")


class ShowQuota(Listing):
    """Show how much a project may have and has; -1 is any number"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "project",
            metavar="PROJECT",
            nargs="?",
            help="name or uuid of a project (administrators); without it, your own",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """Show them."""
        return many(self.cloud.quotas.list(parsed_args.project), COLUMNS)


class SetQuota(Listing):
    """Give a project limits of its own; those not named stay"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("project", metavar="PROJECT", help="name or uuid of the project")
        parser.add_argument(
            "limits",
            metavar="RESOURCE=LIMIT",
            nargs="+",
            type=limit,
            help="for instance boards=50; -1 or 'unlimited' for any number; "
            "'quota show' lists the resources",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """Set and show them."""
        limits = dict(parsed_args.limits)
        return many(self.cloud.quotas.update(parsed_args.project, limits), COLUMNS)


class ResetQuota(Doing):
    """Give a project the default limits again"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("project", metavar="PROJECT", help="name or uuid of the project")
        parser.add_argument(
            "resources", metavar="RESOURCE", nargs="*", help="only of these; all without one"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Reset them."""
        for resource in parsed_args.resources or (None,):
            self.cloud.quotas.reset(parsed_args.project, resource)


def limit(text: str) -> tuple[str, int]:
    """Read ``resource=limit``.

    >>> limit("boards=50"), limit("plugins=unlimited")
    (('boards', 50), ('plugins', -1))

    :raises argparse.ArgumentTypeError: it is something else
    """
    resource, mark, most = text.partition("=")
    if most == "unlimited":
        most = str(UNLIMITED)
    if not resource or not mark or not most.removeprefix("-").isascii():
        raise argparse.ArgumentTypeError(f"{text!r}: RESOURCE=LIMIT is expected")
    try:
        number = int(most)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: the limit is no number") from error
    if number < UNLIMITED:
        raise argparse.ArgumentTypeError(f"{text!r}: the limit is -1, 0 or more")
    return resource, number
