"""Repeated requests for plugins, with the real audit and the real storage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from webob import Request

from iotronic_mec.api.app import Application, build
from iotronic_mec.api.policy import Policies
from iotronic_mec.clock import Clock
from iotronic_mec.db.engine import open_database
from iotronic_mec.db.session import Database
from iotronic_mec.drivers.load import load_storage
from iotronic_mec.events.outbox import Outbox
from iotronic_mec.feature import Parts, Settings
from iotronic_mec.features import audit, blob, idempotency, plugin
from iotronic_mec.features.audit.store import AuditChain
from iotronic_mec.rpc.boards import Boards
from iotronic_mec.rpc.server import Dispatcher
from tests.fakes import engines, transports
from tests.fakes.boards import FakeBoards
from tests.fakes.conductor import PROJECT
from tests.fakes.plugin_cloud import CODE, ByToken

FEATURES = (audit.FEATURE, idempotency.FEATURE, blob.FEATURE, plugin.FEATURE)


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    """Return the application with what plugins stand on, nothing of it faked."""
    settings = Settings(
        state_dir=tmp_path,
        public_url="http://control.test:1288",
        content_url="http://content.test:1289",
        wamp_url="ws://router.test:8443/ws",
    )
    with engines.POOL.url(tmp_path) as url:
        yield from built(settings, open_database(url))


def built(settings: Settings, database: Database) -> Iterator[Application]:
    """Build the application, and end it after."""
    clock = Clock()
    parts = Parts(
        database=database,
        boards=cast(Boards, None),
        clock=clock,
        settings=settings,
        storage=load_storage("filesystem", settings.state_dir / "blobs", clock),
        secret=b"s" * 32,
        audit=AuditChain(clock),
        emit=Outbox(clock),
    )
    commands: dict[str, Any] = {}
    for feature in FEATURES:
        if feature.commands is not None:
            made = feature.commands(parts, commands)
            commands[made.namespace] = made
    with transports.BUS.wire(FakeBoards()) as wire:
        yield build(
            features=FEATURES,
            settings=settings,
            conductor=wire.serve(Dispatcher(commands.values())),
            database=database,
            storage=parts.storage,
            clock=parts.clock,
            authenticator=ByToken(),
            enforcer=Policies(FEATURES, parts.clock),
        )
    database.close()


def create(application: Application, key: str, **values: Any) -> Any:
    """Ask for a plugin with an Idempotency-Key."""
    request = Request.blank("/v1/plugins", method="POST", content_type="application/json")
    request.headers["X-Auth-Token"] = f"{PROJECT} member"
    request.headers["Idempotency-Key"] = key
    request.body = json.dumps({"name": "camera", "code": CODE, **values}).encode()
    return request.get_response(application)


def test_repeated_creation_is_answered_alike(application: Application) -> None:
    """The same key and body give the same answer and one plugin."""
    first, second = create(application, "once"), create(application, "once")

    assert (first.status_int, second.status_int) == (201, 201)
    assert first.json == second.json
    assert create(application, "again").status_int == 409


def test_key_with_another_body_is_refused(application: Application) -> None:
    """A key stands for one body."""
    create(application, "once")

    assert create(application, "once", public=True).status_int == 422


def test_bytes_are_where_the_gateway_looks(application: Application, tmp_path: Path) -> None:
    """Created bytes lie under their digest in the state directory."""
    digest = create(application, "once").json["digest"]

    assert (tmp_path / "blobs" / digest[:2] / digest).read_bytes() == CODE.encode()
