"""``Idempotency-Key``: the same request twice has one effect and one answer.

The key is kept for 24 hours per project and address. The conductor records
that a request has begun and how it was answered; a repetition gets the stored
answer. Answers of 500 and 503 are forgotten, so that a repetition tries again.

When the process dies between begin and end, the repetition runs again. That is
safe because what a request makes takes its uuids from
:meth:`iotronic_mec.context.Context.new_uuid`, which gives the same ones for the
same key: the second run finds what the first has made.
Source: IETF draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from iotronic_mec.api.exchange import JSON
from iotronic_mec.context import Context, Idempotency
from iotronic_mec.errors import BadRequest, Error
from iotronic_mec.rpc.client import Conductor

LOG = logging.getLogger(__name__)

HEADER = "Idempotency-Key"
MAX_KEY = 255

FORGOTTEN = frozenset({500, 503})
"""Statuses after which a repetition is a new attempt."""

REPLAYED = ("Idempotency-Replayed", "true")


@dataclass(slots=True)
class Rendered:
    """An answer as it goes out: status, bytes, headers."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = JSON


def with_key(context: Context, method: str, address: str, key: str | None) -> Context:
    """Return the context with the request's Idempotency-Key, where it has one.

    :param address: the path filled in; so one key may serve several addresses
    :raises BadRequest: the key is empty or too long
    """
    if key is None or method != "POST":
        return context
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        raise BadRequest(
            f"{HEADER}: 1 to {MAX_KEY} printable characters are expected",
            details={"field": HEADER, "in": "header"},
        )
    return replace(context, idempotency=Idempotency(key=key, route=f"{method} {address}"))


def once(
    conductor: Conductor,
    context: Context,
    digest: str,
    query: str,
    run: Callable[[Context], Rendered],
) -> Rendered:
    """Run a request at most once per key; repeat its stored answer otherwise.

    :param digest: of the body
    :param run: called with the context to run in; returns errors of its own
        making as answers too
    :raises IdempotencyMismatch: the key came with another body before
    :raises IdempotencyBusy: the first request is still running
    """
    key = context.idempotency
    if key is None:
        return run(context)
    said = hashlib.sha256(f"{digest}\0{query}".encode()).hexdigest()
    begun = conductor.call(context, "idempotency", "begin", digest=said)
    stored = begun.get("answer")
    if stored is not None:
        headers = dict(stored["headers"])
        headers[REPLAYED[0]] = REPLAYED[1]
        return Rendered(stored["status"], stored["body"].encode(), headers, stored["media_type"])
    salted = Idempotency(key=f"{key.key}\0{begun['salt']}", route=key.route)
    kept = False
    try:
        answer = run(replace(context, idempotency=salted))
        if answer.status not in FORGOTTEN and isinstance(answer.body, bytes):
            _finish(conductor, context, answer)
            kept = True
        return answer
    finally:
        if not kept:
            _forget(conductor, context)


def _finish(conductor: Conductor, context: Context, answer: Rendered) -> None:
    conductor.call(
        context.with_timeout(10.0),
        "idempotency",
        "finish",
        status=answer.status,
        headers=answer.headers,
        body=answer.body.decode(),
        media_type=answer.media_type,
    )


def _forget(conductor: Conductor, context: Context) -> None:
    try:
        conductor.call(context.with_timeout(10.0), "idempotency", "forget")
    except Error as error:
        # the record stays open and is taken over after a while
        LOG.warning("request %s: Idempotency-Key not freed: %s", context.request_id, error.message)
