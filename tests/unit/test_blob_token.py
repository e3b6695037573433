"""Tokens that open one blob for one board."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from iotronic_mec import blob_token

SECRET = b"k" * 32
DIGEST = "ab" * 32
BOARD = "11111111-1111-4111-8111-111111111111"


def test_opens_its_blob_for_its_board() -> None:
    """A token made for a board and a blob names that board."""
    token = blob_token.make(SECRET, DIGEST, BOARD, 1000)

    assert blob_token.check(SECRET, DIGEST, token, 999.5) == BOARD


def test_has_the_agreed_form() -> None:
    """Board, expiry and HMAC-SHA256 over the agreed text, joined by dots."""
    text = f"blob\0{DIGEST}\0{BOARD}\0{1000}".encode()
    mac = hmac.new(SECRET, text, hashlib.sha256).hexdigest()

    assert blob_token.make(SECRET, DIGEST, BOARD, 1000) == f"{BOARD}.1000.{mac}"


def test_ends() -> None:
    """After its last second a token opens nothing."""
    token = blob_token.make(SECRET, DIGEST, BOARD, 1000)

    assert blob_token.check(SECRET, DIGEST, token, 1000.5) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(".1000.", ".2000.", id="later expiry"),
        pytest.param(".1000.", ".01000.", id="expiry spelled otherwise"),
        pytest.param("11111111-", "22222222-", id="other board"),
        pytest.param(".1000.", ".1000.0", id="too long"),
        pytest.param(".1000.", ".١٠٠٠.", id="digits of another script"),
        pytest.param(".1000.", "", id="no expiry"),
    ],
)
def test_changed_token_opens_nothing(old: str, new: str) -> None:
    """No part of a token can be changed."""
    token = blob_token.make(SECRET, DIGEST, BOARD, 1000).replace(old, new, 1)

    assert blob_token.check(SECRET, DIGEST, token, 1.0) is None


def test_opens_no_other_blob() -> None:
    """A token is worth nothing for another digest or under another secret."""
    token = blob_token.make(SECRET, DIGEST, BOARD, 1000)

    assert blob_token.check(SECRET, "cd" * 32, token, 1.0) is None
    assert blob_token.check(b"other", DIGEST, token, 1.0) is None
