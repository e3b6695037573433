"""The cloud's REST API in one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.site import Site, open_site


@contextmanager
def peopled(folder: Path) -> Iterator[Site]:
    """Start a cloud with an administrator, a member, a reader and a stranger.

    ``nobody`` is a user whose role means nothing.
    """
    with open_site(folder) as made:
        made.add("member", "member")
        made.add("reader", "reader")
        made.add("nobody", "reader")
        made.add_project("elsewhere")
        made.add("stranger", "member", project="elsewhere")
        made.parts.database.write(
            lambda connection: connection.exec_driver_sql(
                "UPDATE identity_role SET role = 'nothing' WHERE user_id ="
                " (SELECT id FROM identity_user WHERE name = 'nobody')"
            )
        )
        yield made


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a fresh cloud."""
    with peopled(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give one cloud to all tests of a file that change nothing in it."""
    with peopled(tmp_path_factory.mktemp("site")) as made:
        yield made
