"""``status``: whether the cloud can be reached with these credentials."""

from __future__ import annotations

import argparse

from iotronic_mec.cli.columns import Row, cell
from iotronic_mec.cli.command import Showing


class ShowStatus(Showing):
    """Check that the cloud can be reached and takes the credentials, and whose they are"""

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Check it."""
        endpoint = self.cloud.transport.endpoint
        versions = self.cloud.versions()
        caller = self.cloud.whoami()
        return ("endpoint", "api_minimum", "api_maximum", "user", "project", "roles"), (
            endpoint,
            cell(versions.minimum),
            cell(versions.maximum),
            caller.name,
            caller.project,
            cell(caller.roles),
        )
