"""``request …``: orders to boards, and waiting for their end."""

from __future__ import annotations

import argparse

from iotronic_mec.cli.columns import Row, Rows, cell, many, one
from iotronic_mec.cli.command import Doing, Listing, Ordering, Showing
from iotronic_mec.cli.v1.board import add_limit
from iotronic_mec.sdk import Answer
from iotronic_mec.sdk.request import TERMINAL

STATES = ("queued", "dispatched", "running", *sorted(TERMINAL))


class ListRequests(Listing):
    """List requests"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--state", choices=STATES, help="only requests of this state")
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        rows = self.cloud.requests.iterate(limit=parsed_args.limit, state=parsed_args.state)
        return many(rows, ("uuid", "destination_uuid", "action", "state", "created_at"))


class ShowRequest(Showing):
    """Show a request and what the boards made of it"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_request(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Show it."""
        names, values = one(self.cloud.requests.get(parsed_args.request))
        results = [
            {"board": each.board_uuid, "state": each.state, "message": each.message}
            for each in self.cloud.requests.results(parsed_args.request)
        ]
        return [*names, "results"], [*values, cell(results)]


class ListResults(Listing):
    """List what the boards made of a request, one line for each board"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = with_request(super().get_parser(prog_name))
        parser.add_argument("--state", choices=STATES, help="only results of this state")
        add_limit(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Rows:
        """List them."""
        rows = self.cloud.requests.iterate_results(
            parsed_args.request, limit=parsed_args.limit, state=parsed_args.state
        )
        return many(rows, ("board_uuid", "state", "message", "cause"))


class WaitRequest(Ordering):
    """Wait for the end of a request and show its answer"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        return with_request(super().get_parser(prog_name))

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Wait for it."""
        present = self.cloud.requests.get(parsed_args.request)
        pending = Answer(request=present.uuid, state="queued")
        return self.finish(pending, f"request {present.uuid}", parsed_args)


class CancelRequest(Doing):
    """End requests that were not sent to their boards yet"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser."""
        parser = super().get_parser(prog_name)
        parser.add_argument("requests", metavar="REQUEST", nargs="+", help="uuid")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Cancel them."""
        self.each(parsed_args.requests, self.cloud.requests.cancel)


def with_request(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the request a command is about."""
    parser.add_argument("request", metavar="REQUEST", help="uuid of the request")
    return parser
