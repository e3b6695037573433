"""Begin, finish and forget requests with an Idempotency-Key.

Answers may hold secrets that are shown once (a token, an enrolment code). So
they are kept encrypted under a key made of the cloud's secret and the client's
Idempotency-Key, which itself is kept only as a keyed hash: neither the
database alone nor the state directory shows an answer again, only the client's
own repetition does.

A request that began in a conductor that lives no more, or long ago, is run
again: what it makes takes its uuids from ``Context.new_uuid``, the same ones
for the same key, so the second run finds what the first has made.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from iotronic_mec.context import Context
from iotronic_mec.errors import BadRequest, IdempotencyBusy, IdempotencyMismatch
from iotronic_mec.feature import Parts
from iotronic_mec.features.idempotency import store
from iotronic_mec.features.idempotency.model import ABANDONED, KEPT, Record
from iotronic_mec.ids import new_uuid
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection


class IdempotencyCommands:
    """Records of requests with an Idempotency-Key.

    :param parts: what commands are built from
    :param made: the commands of earlier features; none is needed
    """

    namespace = "idempotency"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        del made
        self._parts = parts
        self._boot = parts.process

    @expose
    def begin(self, context: Context, *, digest: str) -> dict[str, Any]:
        """Note that a request begins; return the stored answer of a repetition.

        :param digest: SHA-256 of what is asked
        :returns: ``{"answer": {"status", "headers", "body", "media_type"}}``, or
            ``{"salt"}`` when the request is to be run
        :raises IdempotencyMismatch: the key came with something else before
        :raises IdempotencyBusy: the first request is still running
        """
        mark = self._mark(context)
        now = self._parts.clock.now()

        def change(connection: Connection) -> Record:
            known = store.find_record(connection, mark)
            if known is not None and now - known.began_at >= KEPT:
                store.delete_record(connection, mark)
                known = None
            if known is None:
                fresh = Record(
                    mark=mark, digest=digest, salt=new_uuid(), boot=self._boot, began_at=now
                )
                store.insert_record(connection, fresh)
                return fresh
            if not hmac.compare_digest(known.digest, digest):
                raise IdempotencyMismatch()
            if known.answer is not None:
                return known
            runs = known.boot == self._boot or store.lives(connection, known.boot)
            if runs and now - known.began_at < ABANDONED:
                raise IdempotencyBusy()
            store.take_over(connection, mark, self._boot, now)
            return known

        record = self._parts.database.write(change)
        if record.answer is None:
            return {"salt": record.salt}
        return {"answer": self._opened(context, record.answer)}

    @expose
    def finish(
        self, context: Context, *, status: int, headers: dict[str, str], body: str, media_type: str
    ) -> None:
        """Keep the answer of a request that has ended."""
        answer = {"status": status, "headers": headers, "body": body, "media_type": media_type}
        sealed = bytes(self._box(context).encrypt(orjson.dumps(answer)))
        mark = self._mark(context)
        self._parts.database.write(lambda connection: store.set_answer(connection, mark, sealed))

    @expose
    def forget(self, context: Context) -> None:
        """Let a repetition run a request again whose answer is not to be repeated."""
        mark = self._mark(context)
        self._parts.database.write(lambda connection: store.reopen(connection, mark))

    def expire(self) -> int:
        """Forget what is older than a day; return how many."""
        before = self._parts.clock.now() - KEPT
        return self._parts.database.write(
            lambda connection: store.delete_before(connection, before)
        )

    def _opened(self, context: Context, sealed: bytes) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = orjson.loads(self._box(context).decrypt(sealed))
        except CryptoError as error:
            # the cloud's secret was replaced: what was answered cannot be said again
            raise IdempotencyMismatch(
                "the answer to this Idempotency-Key can no longer be read; use a new key"
            ) from error
        return answer

    def _mark(self, context: Context) -> str:
        return self._keyed(context, b"idempotency-mark").hex()

    def _box(self, context: Context) -> SecretBox:
        return SecretBox(self._keyed(context, b"idempotency-answer"))

    def _keyed(self, context: Context, purpose: bytes) -> bytes:
        if context.idempotency is None:
            raise BadRequest("there is no Idempotency-Key in this call")
        said = "\0".join((context.project, context.idempotency.route, context.idempotency.key))
        return hmac.digest(self._parts.secret, purpose + b"\0" + said.encode(), hashlib.sha256)
