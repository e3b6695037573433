"""What is kept of a request with an Idempotency-Key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

KEPT = timedelta(hours=24)
"""How long a key is known."""

ABANDONED = timedelta(minutes=15)
"""After this time a request that has not ended is taken over by a repetition.
Longer than any request may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One key on one address of one project.

    :param mark: HMAC of project, address and key; the key itself is not kept
    :param digest: SHA-256 of what was asked
    :param salt: goes into the uuids of what the request makes, so that a key
        used again after :data:`KEPT` makes new things
    :param boot: the conductor's life in which it began, empty when it is to be
        run again
    :param answer: the answer, encrypted, ``None`` until there is one
    """

    mark: str
    digest: str
    salt: str
    boot: str
    began_at: datetime
    answer: bytes | None = None
