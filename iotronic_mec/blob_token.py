"""Tokens that let one board fetch one blob, until a moment.

The conductor makes them, the gateway checks them with nothing but the cloud's
secret: no database, no call to the conductor. A token is
``<board>.<expiry>.<mac>``: the board's uuid, seconds since 1970 in decimal
digits, and 64 hexadecimal digits of HMAC-SHA256 over
``blob NUL digest NUL board NUL expiry``.
"""

from __future__ import annotations

import hashlib
import hmac
import re

_TOKEN = re.compile(r"([0-9a-f-]{36})\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


def make(secret: bytes, digest: str, board: str, expires_s: int) -> str:
    """Make the token.

    :param secret: the cloud's secret
    :param digest: SHA-256 of the blob, 64 hexadecimal digits
    :param board: uuid of the board, lower case
    :param expires_s: last second the token opens the blob, since 1970
    """
    return f"{board}.{expires_s}.{_mac(secret, digest, board, str(expires_s))}"


def check(secret: bytes, digest: str, token: str, now_s: float) -> str | None:
    """Return the board a token was made for; ``None`` when it opens nothing.

    Compares in constant time. Any thread.

    :param digest: the blob asked for
    :param now_s: the present moment, seconds since 1970
    """
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        return None
    board, expiry, mac = parts.groups()
    right = hmac.compare_digest(_mac(secret, digest, board, expiry), mac)
    return board if right and now_s <= int(expiry) else None


def _mac(secret: bytes, digest: str, board: str, expiry: str) -> str:
    text = "\0".join(("blob", digest, board, expiry))
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
