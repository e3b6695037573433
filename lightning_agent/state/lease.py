"""The cloud's leases: signed statements on what may run here until when.

A lease is a compact JWS, signed with EdDSA over Ed25519 (RFC 7515 section 3.1,
RFC 8037 section 3.1). Its claims: ``aud`` this board, ``sub`` ``plugin:<uuid>``,
``iat`` and ``exp`` in seconds since 1970, at most an hour apart.

``lease_key``  the cloud's public key, 64 hexadecimal digits; set by the
               enrolment or, on boards enrolled earlier, by the first join, and
               by nothing else
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from lightning_agent.errors import LeaseRefused, StorageFailed
from lightning_agent.state.files import write_atomic

LOG = logging.getLogger(__name__)

KEY_FILE = "lease_key"

MAX_LENGTH_S = 3600
"""Longest lease, s: what a board that lost its cloud goes on doing for others."""

MAX_TEXT = 8192
"""Longest lease, characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a verified lease says; seconds since 1970."""

    issued_s: float
    expires_s: float


class LeaseReader:
    """Verifies leases for one board.

    A damaged file of the key counts as none: the board goes on, and takes the
    key of the next join.

    :param board: its uuid
    """

    def __init__(self, state_dir: Path, board: str) -> None:
        self._path = state_dir / KEY_FILE
        self._board = board
        self._key: str | None = None
        try:
            self._key = load_key(state_dir)
        except StorageFailed as error:
            LOG.error("%s; until the next join nothing runs here under grants", error)

    def pin(self, public_key: str | None) -> None:
        """Take the cloud's key at a join, if none was ever taken; blocks on the disk."""
        if public_key is None or public_key == self._key:
            return
        if self._key is not None:
            LOG.error(
                "board %s: the cloud signs leases with another key than this board was given; "
                "they are refused until the board is enrolled anew",
                self._board,
            )
            return
        store_key(self._path.parent, public_key)
        self._key = public_key

    def read(self, plugin: str, lease: str) -> Claims:
        """Verify a lease for a plugin; whether it is over is not looked at.

        :raises LeaseRefused: says what is wrong with it
        """
        if self._key is None:
            raise LeaseRefused("this board was never given the cloud's key for leases")
        claims = verify(lease, self._key)
        issued, expires = _time_of(claims, "iat"), _time_of(claims, "exp")
        if claims.get("aud") != self._board or claims.get("sub") != f"plugin:{plugin}":
            raise LeaseRefused("the lease is for another board or plugin")
        if expires - issued > MAX_LENGTH_S:
            raise LeaseRefused(f"the lease is longer than {MAX_LENGTH_S} s")
        return Claims(issued_s=issued, expires_s=expires)


def load_key(state_dir: Path) -> str | None:
    """Return the pinned key, ``None`` before the first."""
    path = state_dir / KEY_FILE
    try:
        text = path.read_text(encoding="ascii").strip()
        VerifyKey(bytes.fromhex(text))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageFailed(f"{path} holds no key") from error
    return text


def store_key(state_dir: Path, public_key: str) -> None:
    """Durably replace the pinned key; for the enrolment and a first join."""
    write_atomic(state_dir / KEY_FILE, public_key.encode("ascii") + b"\n")


def verify(token: str, public_key: str) -> dict[str, Any]:
    """Return the claims of a compact JWS that was signed with EdDSA by this key.

    :param public_key: Ed25519, 64 hexadecimal digits
    :raises LeaseRefused: it was not, or is no JWS

    Source: RFC 8037 section 3.1; RFC 7515 section 5.2
    """
    payload = verify_bytes(token, public_key)
    try:
        claims = json.loads(payload)
    except ValueError as error:
        raise LeaseRefused("the lease holds no JSON") from error
    if not isinstance(claims, dict):
        raise LeaseRefused("the lease holds no claims")
    return claims


def verify_bytes(token: str, public_key: str) -> bytes:
    """Return the payload of a compact JWS; see :func:`verify`."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > MAX_TEXT or not token.isascii():
        raise LeaseRefused("the lease is no compact JWS")
    header, payload, signature = (_decode(part) for part in parts)
    try:
        said = json.loads(header)
    except ValueError as error:
        raise LeaseRefused("the lease's header is no JSON") from error
    # one algorithm only, and no extension that would have to be understood
    if not isinstance(said, dict) or said.get("alg") != "EdDSA" or "crit" in said:
        raise LeaseRefused("the lease is not signed with EdDSA")
    try:
        signed = f"{parts[0]}.{parts[1]}".encode("ascii")
        VerifyKey(bytes.fromhex(public_key)).verify(signed, signature)
    except (BadSignatureError, ValueError, TypeError) as error:
        raise LeaseRefused("the lease is not signed by the cloud's key") from error
    return payload


def _decode(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise LeaseRefused("the lease is no compact JWS") from error


def _time_of(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise LeaseRefused("the lease does not say when it begins and ends")
    return float(value)
