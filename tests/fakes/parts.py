"""The conductor without processes: real features on a temporary database.

Boards, audit and time are fakes; events go to the real outbox. The fake audit
is a table of the same database, so that tests see what one transaction holds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sqlalchemy import JSON, Column, Connection, Integer, MetaData, String, Table, insert, select

from iotronic_mec.clock import ManualClock
from iotronic_mec.context import Context, Idempotency, system_context
from iotronic_mec.db.engine import open_database
from iotronic_mec.db.session import Database
from iotronic_mec.drivers.outside import Outside
from iotronic_mec.drivers.storage.fake import FakeStorage
from iotronic_mec.events.outbox import Outbox, list_after
from iotronic_mec.feature import Feature, Parts, Settings
from iotronic_mec.features import (
    audit_segment,
    blob,
    board,
    device_action,
    enabled_webservice,
    enrolment_code,
    exposed_service,
    fleet,
    holding,
    injection,
    plugin,
    request,
    service,
    virtual_port,
    webservice,
)
from iotronic_mec.features.plugin import store as plugin_store
from iotronic_mec.features.plugin.model import Plugin
from iotronic_mec.features.quota.access import Quotas
from iotronic_mec.features.request import store as request_store
from iotronic_mec.features.request.model import Operation
from iotronic_mec.rpc.boards import Boards
from tests.fakes import engines
from tests.fakes.boards import FakeBoards

FEATURES: tuple[Feature, ...] = (
    blob.FEATURE,
    audit_segment.FEATURE,
    enrolment_code.FEATURE,
    request.FEATURE,
    fleet.FEATURE,
    board.FEATURE,
    holding.FEATURE,
    plugin.FEATURE,
    injection.FEATURE,
    device_action.FEATURE,
    service.FEATURE,
    exposed_service.FEATURE,
    enabled_webservice.FEATURE,
    webservice.FEATURE,
    virtual_port.FEATURE,
)
PROJECT = "11111111-1111-4111-8111-111111111111"
OTHER_PROJECT = "22222222-2222-4222-8222-222222222222"
AGENT = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
SECRET = b"s" * 32

audit_row = Table(
    "fake_audit",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("action", String(64)),
    Column("target", String(255)),
    Column("outcome", String(32)),
    Column("reason", String(255)),
    Column("details", JSON),
)
"""Stands in for the audit feature's table; not part of the metadata of the cloud."""


def write_audit(
    connection: Connection,
    context: Context,
    action: str,
    target_kind: str,
    target: str,
    *,
    outcome: str = "success",
    reason: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append one row of the fake audit."""
    row = {"action": action, "target": target, "outcome": outcome, "reason": reason}
    connection.execute(insert(audit_row).values(**row, details=dict(details or {})))


def member(project: str = PROJECT, *, key: str | None = None, seconds: float = 30.0) -> Context:
    """Return the context of a member of a project.

    :param key: the Idempotency-Key the request came with
    """
    return Context(
        user="user-1",
        project=project,
        roles=("member",),
        deadline=time.monotonic() + seconds,
        idempotency=None if key is None else Idempotency(key=key, route="POST /v1/x"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The parts, and what tests ask of them."""

    parts: Parts
    database: Database
    boards: FakeBoards
    clock: ManualClock
    commands: Mapping[str, Any]
    hooked: list[Operation]

    def events(self, topic: str | None = None) -> list[dict[str, Any]]:
        """Return what is in the outbox, of one topic or of all."""
        with self.database.read() as connection:
            found = list_after(connection, 0, 10_000)
        return [entry for entry in found if topic in (None, entry["topic"])]

    def audited(self, action: str | None = None) -> list[tuple[str, str, str]]:
        """Return the audit: action, outcome and reason of each row."""
        with self.database.read() as connection:
            rows = connection.execute(select(audit_row).order_by(audit_row.c.id)).all()
        kept = [row for row in rows if action in (None, row.action)]
        return [(row.action, row.outcome, row.reason) for row in kept]

    def operation(self, uuid: str) -> Operation | None:
        """Return one operation as it is stored."""
        with self.database.read() as connection:
            return request_store.find_operation(connection, uuid)

    def operations(self) -> list[Operation]:
        """Return all operations as they are stored."""
        with self.database.read() as connection:
            rows = connection.execute(request_store._operations()).all()
        return [request_store._operation(row) for row in rows]

    def make_board(self, name: str = "kitchen", project: str = PROJECT, session: int = 7) -> str:
        """Create, enrol and bring online a board; return its uuid.

        :param session: 0 leaves it offline
        """
        commands = self.commands["board"]
        made = commands.create(member(project), name=name)
        system = system_context()
        code = commands.find_code(system, digest=commands._digest(made["code"]))
        commands.enrolled(system, row=code["row"], public_key=name.encode().hex().ljust(64, "0"))
        if session:
            change = {"board": made["uuid"], "online": True, "session": session}
            commands.presence(system, agent=AGENT, changes=[change])
        return str(made["uuid"])

    def make_plugin(
        self, name: str = "digits", *, project: str = PROJECT, callable: bool = True
    ) -> Plugin:
        """Write a plugin as if it had been uploaded."""
        made = Plugin(
            uuid=member().new_uuid("plugin"),
            project=project,
            owner="user-1",
            name=name,
            callable=callable,
            digest="d" * 64,
            size=10,
            created_at=self.clock.now(),
        )
        self.database.write(lambda connection: plugin_store.insert_plugin(connection, made))
        return made


@contextmanager
def open_core(folder: Path) -> Iterator[Core]:
    """Put the parts together on a fresh database; end everything after."""
    with engines.POOL.url(folder, name="core.sqlite", also=audit_row.metadata) as url:
        yield from _open(folder, open_database(url))


def _open(folder: Path, database: Database) -> Iterator[Core]:
    clock, boards, hooked = ManualClock(), FakeBoards(), list[Operation]()
    parts = _parts(folder, database, boards, clock, hooked)
    commands: dict[str, Any] = {}
    for feature in FEATURES:
        if feature.commands is not None:
            made = feature.commands(parts, commands)
            commands[made.namespace] = made
    try:
        yield Core(
            parts=parts,
            database=database,
            boards=boards,
            clock=clock,
            commands=commands,
            hooked=hooked,
        )
    finally:
        commands["request"]._pool.shutdown(wait=True)
        parts.background.stop()
        database.close()


def _parts(
    folder: Path,
    database: Database,
    boards: FakeBoards,
    clock: ManualClock,
    hooked: list[Operation],
) -> Parts:
    def note(_parts: Parts, _connection: Any, ended: Operation) -> None:
        hooked.append(ended)

    vetoes: dict[str, Any] = {}
    deletions: dict[str, Any] = {}
    for feature in FEATURES:
        for noun, veto in feature.may_delete.items():
            vetoes[noun] = (*vetoes.get(noun, ()), veto)
        for noun, hook in feature.on_delete.items():
            deletions[noun] = (*deletions.get(noun, ()), hook)
    finished = {k: v for feature in FEATURES for k, v in feature.on_finished.items()}
    return Parts(
        database=database,
        boards=cast(Boards, boards),
        clock=clock,
        settings=Settings(
            state_dir=folder,
            public_url="http://127.0.0.1:1288",
            content_url="http://127.0.0.1:1289",
            wamp_url="ws://127.0.0.1:8443/ws",
        ),
        storage=FakeStorage(),
        secret=SECRET,
        audit=write_audit,
        emit=Outbox(clock),
        quota=Quotas((each for feature in FEATURES for each in feature.quotas), {}),
        outside=Outside(),
        on_finished={**finished, "DeviceEcho": note, "DevicePing": note},
        transient={k: v for feature in FEATURES for k, v in feature.transient.items()},
        may_delete=vetoes,
        on_delete=deletions,
        actions=frozenset(action for feature in FEATURES for action in feature.actions),
        on_join=tuple(feature.on_join for feature in FEATURES if feature.on_join),
        on_report=tuple(feature.on_report for feature in FEATURES if feature.on_report),
    )
