"""How passwords and tokens are made, hashed and checked.

Passwords: argon2id with the parameters OWASP's Password Storage Cheat Sheet
recommends (19 MiB, 2 passes, 1 lane): a Raspberry Pi can afford them. Tokens
are 32 random bytes, so a plain SHA-256 of them cannot be searched.
"""

from __future__ import annotations

import hashlib
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

TOKEN_PREFIX = "iot_"  # noqa: S105 - a mark that scanners for leaked secrets can look for
TOKEN_BYTES = 32

MIN_PASSWORD = 8
"""Shortest password, characters. Source: NIST SP 800-63B section 5.1.1.2."""

MAX_PASSWORD = 256
"""Longest password, characters; bounds what one request can have hashed."""


class Passwords:
    """Hashes and checks passwords; any thread.

    :param hasher: other parameters, for tests
    :param at_once: hashes that may be worked on at a time; each takes 19 MiB
    """

    def __init__(self, hasher: PasswordHasher | None = None, at_once: int = 2) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._places = threading.BoundedSemaphore(at_once)
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))

    def hash(self, password: str) -> str:
        """Return the hash to store, with its parameters and salt."""
        with self._places:
            return self._hasher.hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """Say whether the password is the one that was hashed.

        Takes the same time when there is nothing stored.

        :param stored: ``None`` when there is no such user
        """
        with self._places:
            try:
                self._hasher.verify(stored or self._nobody, password)
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None


def new_password() -> str:
    """Return a random password, about 140 bits."""
    return secrets.token_urlsafe(18)


def new_token() -> str:
    """Return a random token."""
    return TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def token_digest(token: str) -> str:
    """Return what is stored of a token: SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
