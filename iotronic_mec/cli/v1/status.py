"""``status``: whether the cloud can be reached with these credentials."""

from __future__ import annotations

import argparse

from iotronic_mec.cli.columns import Row, cell
from iotronic_mec.cli.command import Showing


class ShowStatus(Showing):
    """Check that the cloud can be reached and takes the credentials"""

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Check it."""
        endpoint = self.cloud.transport.endpoint
        versions = self.cloud.versions()
        boards = sum(1 for _ in self.cloud.boards.iterate(limit=1000))
        return ("endpoint", "api_minimum", "api_maximum", "credentials", "boards"), (
            endpoint,
            cell(versions.minimum),
            cell(versions.maximum),
            "accepted",
            boards if boards < 1000 else "1000 or more",
        )
