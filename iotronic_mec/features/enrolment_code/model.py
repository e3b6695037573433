"""What an enrolment code is, and the rules it follows.

The code in clear text is in the answer that makes it and nowhere else; it is
found by a keyed hash.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from iotronic_mec.errors import BadRequest, Conflict
from lightning_agent.protocol import names

REPEAT_WINDOW = timedelta(minutes=5)
"""How long a used code may be shown again by the key it was used for: the
answer may have been lost on its way. Source: spec/wamp-security.md section 3."""

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Letters and digits that are not mistaken for one another."""

GENERATED_LENGTH = 16
"""Characters of a generated code: 80 bits."""


class CodeExists(Conflict):
    """This enrolment code is in use."""

    code = "iot.board.code_exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One enrolment code; ``row`` is in the authid the router shows."""

    row: int
    board: str
    public_key: str | None
    used_at: datetime | None

    @property
    def used(self) -> bool:
        """Whether some key was accepted for it."""
        return self.used_at is not None


def generate() -> str:
    """Return a fresh code."""
    return "".join(secrets.choice(ALPHABET) for _ in range(GENERATED_LENGTH))


def check(code: str) -> str:
    """Return the code if it may be used.

    :raises BadRequest: names the rule
    """
    if names.CODE.fullmatch(code) is None:
        raise BadRequest(
            "code: 8 to 36 letters, digits, '-', '.', '_' or '~' are allowed",
            details={"field": "code"},
        )
    return code


def digest(secret: bytes, code: str) -> str:
    """Return the keyed hash a code is found by: HMAC-SHA256, hexadecimal."""
    return hmac.new(secret, b"code\0" + code.encode(), hashlib.sha256).hexdigest()


def may_repeat(code: Code, public_key: str, now: datetime) -> bool:
    """Say whether a used code may be shown again for this key."""
    return (
        code.used_at is not None
        and code.public_key == public_key
        and now - code.used_at <= REPEAT_WINDOW
    )
