"""Hashes of passwords and tokens."""

from __future__ import annotations

from iotronic_mec.passwords import Passwords, new_password, new_token, token_digest
from tests.fakes.site import cheap_passwords


def test_only_the_password_matches() -> None:
    """The right password matches its hash, and no other does."""
    passwords = cheap_passwords()
    stored = passwords.hash("right")

    assert passwords.matches(stored, "right")
    assert not passwords.matches(stored, "wrong")
    assert not passwords.matches(None, "right")
    assert not passwords.matches("no hash at all", "right")


def test_parameters_in_use() -> None:
    """What is stored by default is argon2id with OWASP's parameters and a salt."""
    passwords = Passwords()

    first, second = passwords.hash("same"), passwords.hash("same")

    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second


def test_tokens() -> None:
    """Tokens are long, marked, different, and kept as a digest."""
    first, second = new_token(), new_token()

    assert first.startswith("iot_")
    assert len(first) == 47
    assert first != second
    assert len(token_digest(first)) == 64
    assert new_password() != new_password()
