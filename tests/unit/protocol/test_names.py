"""Names on the wire: built in one place, and never from anything but a uuid."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_agent.protocol import names


@given(st.uuids().map(str))
def test_registration(uuid: str) -> None:
    """A board is found again in the prefix it registers, and in no longer URI."""
    prefix = names.board_prefix(uuid)

    assert names.board_of_registration(prefix) == uuid
    assert names.board_of_registration(prefix + "device.ping") is None


@given(st.text(max_size=60))
def test_any_uri(text: str) -> None:
    """A URI that gives a board is exactly that board's prefix."""
    board = names.board_of_registration(text)

    assert board is None or names.board_prefix(board) == text


@pytest.mark.parametrize(
    "uuid",
    ["", "x", "AAAAAAAA-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa\n"],
)
def test_no_uuid(uuid: str) -> None:
    """Nothing but a lower-case uuid gets into a URI."""
    with pytest.raises(ValueError, match="uuid"):
        names.board_prefix(uuid)


def test_procedures() -> None:
    """Known procedures have a URI below the board's prefix, unknown ones none."""
    uuid = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"

    built = {names.board_procedure(uuid, procedure) for procedure in names.PROCEDURES}

    assert all(uri.startswith(names.board_prefix(uuid)) for uri in built)
    with pytest.raises(ValueError, match="no such"):
        names.board_procedure(uuid, "device.shell")
