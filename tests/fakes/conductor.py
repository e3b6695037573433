"""The conductor's parts on a real database file, with what is noted kept in lists."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Table

from iotronic_mec.clock import ManualClock
from iotronic_mec.context import Context, Idempotency
from iotronic_mec.db.base import metadata
from iotronic_mec.db.engine import open_database, sqlite_url
from iotronic_mec.drivers.storage.fake import FakeStorage
from iotronic_mec.feature import Parts, Settings
from iotronic_mec.features import blob
from iotronic_mec.features.quota.access import Quotas
from iotronic_mec.features.quota.table import quota as quota_table
from iotronic_mec.rpc.boards import Boards

PROJECT = "11111111-1111-4111-8111-111111111111"
OTHER_PROJECT = "22222222-2222-4222-8222-222222222222"
USER = "33333333-3333-4333-8333-333333333333"


@dataclass(slots=True)
class Ledger:
    """What commands noted: audit rows and events, as tuples in order."""

    audited: list[tuple[str, str]] = field(default_factory=list)
    emitted: list[tuple[str, str, str]] = field(default_factory=list)

    def audit(
        self,
        connection: Any,
        context: Context,
        action: str,
        target_kind: str,
        target: str,
        *,
        outcome: str = "success",
        reason: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep action and target."""
        self.audited.append((action, target))

    def emit(
        self, connection: Any, project: str, topic: str, subject: str, body: Mapping[str, Any]
    ) -> None:
        """Keep project, topic and subject."""
        self.emitted.append((project, topic, subject))


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeConductor:
    """Parts for commands, and what a test looks at behind them."""

    parts: Parts
    ledger: Ledger
    clock: ManualClock
    storage: FakeStorage


@contextmanager
def conductor(
    folder: Path,
    tables: list[Table],
    *,
    quota_bytes: int = 1_000_000,
    may_delete: Mapping[str, tuple[Callable[[Any, str], None], ...]] | None = None,
) -> Iterator[FakeConductor]:
    """Make the parts, with these tables in a new database; closes it at the end."""
    database = open_database(sqlite_url(folder / "iotronic.sqlite"))
    database.write(
        lambda connection: metadata.create_all(connection, tables=[*tables, quota_table])
    )
    clock, ledger = ManualClock(), Ledger()
    storage = FakeStorage(clock=clock)
    parts = Parts(
        database=database,
        boards=cast(Boards, None),
        clock=clock,
        settings=Settings(
            state_dir=folder,
            public_url="http://control.test:1288",
            content_url="http://content.test:1289",
            wamp_url="ws://router.test:8443/ws",
            project_quota_bytes=quota_bytes,
        ),
        storage=storage,
        secret=b"s" * 32,
        audit=ledger.audit,
        emit=ledger.emit,
        quota=Quotas(blob.FEATURE.quotas, {"bytes": quota_bytes}),
        may_delete=may_delete or {},
    )
    try:
        yield FakeConductor(parts=parts, ledger=ledger, clock=clock, storage=storage)
    finally:
        database.close()


def context(
    project: str = PROJECT, *roles: str, key: str | None = None, user: str = USER
) -> Context:
    """Return the context of a member's request, with a minute left."""
    return Context(
        user=user,
        user_name="someone",
        project=project,
        roles=roles or ("member",),
        request_id="req-test",
        deadline=time.monotonic() + 60,
        idempotency=None if key is None else Idempotency(key=key, route="POST /v1/plugins"),
    )
