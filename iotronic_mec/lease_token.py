"""Leases: what the cloud signs so that a board ends things on time by itself.

A lease is a compact JWS, EdDSA over Ed25519 (RFC 8037). Boards hold the public
key since their enrolment; see :mod:`lightning_agent.state.lease`, which reads
what is made here. The key follows from the cloud's secret, so that every
conductor signs with the same one and a backup of the secret is enough.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_LENGTH = timedelta(hours=1)
"""Longest lease: how long a board that has lost its cloud goes on for others."""

_PURPOSE = b"iotronic lease key 1"


def public_key(secret: bytes) -> str:
    """Return the key boards verify leases with, 64 hexadecimal digits."""
    return _key(secret).public_key().public_bytes_raw().hex()


def make(
    secret: bytes,
    *,
    issuer: str,
    board: str,
    subject: str,
    grants: Iterable[str],
    now: datetime,
    until: datetime,
) -> str:
    """Sign a lease.

    :param secret: the cloud's secret
    :param subject: ``<kind>:<uuid>`` of what may go on
    :param until: its end, at most :data:`MAX_LENGTH` after ``now``
    """
    end = min(until, now + MAX_LENGTH)
    claims = {
        "iss": issuer,
        "aud": board,
        "sub": subject,
        "grants": list(grants),
        "iat": int(now.timestamp()),
        # whole seconds, both rounded down: never longer than an hour, never past the end
        "exp": int(end.timestamp()),
    }
    return jwt.encode(claims, _key(secret), algorithm="EdDSA", headers={"typ": "lease+jwt"})


def _key(secret: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(
        hmac.new(secret, _PURPOSE, hashlib.sha256).digest()
    )
