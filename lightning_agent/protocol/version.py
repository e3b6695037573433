"""The protocol's version and what each side accepts."""

from __future__ import annotations

PROTOCOL_VERSION = 6
"""Raised whenever a message of :mod:`messages` changes its fields or meaning;
a test holds a fingerprint of all messages against it."""

ACCEPTED_VERSIONS = (1, 2, 3, 4, 5, 6)
"""Versions either side still talks to."""


def is_accepted(version: object) -> bool:
    """Say whether the other side's protocol version can be talked to."""
    return version in ACCEPTED_VERSIONS
