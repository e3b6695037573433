"""The whole control road in one process: all features, the real API and identity.

Boards and time are fakes; the database (``pytest --database``), the way from the
API to the conductor and on to the wamp agent (``pytest --transport``), policy, audit
and passwords are real, the latter with parameters that cost nothing. API and
conductor share the database's connections, storage and clock.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from webob import Request

from iotronic_mec.api.app import Application
from iotronic_mec.api.auth import LastUsed
from iotronic_mec.clock import ManualClock
from iotronic_mec.cmd.core import build_application, build_commands, build_last_used, build_parts
from iotronic_mec.context import system_context
from iotronic_mec.db.engine import open_database
from iotronic_mec.db.session import Database
from iotronic_mec.feature import Parts, Settings
from iotronic_mec.passwords import Passwords
from iotronic_mec.registry import FEATURES
from iotronic_mec.rpc.client import Conductor
from iotronic_mec.rpc.server import Dispatcher
from tests.fakes import engines, transports
from tests.fakes.boards import FakeBoards

BASE_URL = "http://control.test:1288"
PASSWORD = "correct horse battery"


def cheap_passwords() -> Passwords:
    """Return passwords whose hash costs nothing."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@dataclass(slots=True)
class Site:
    """A cloud to send requests to.

    :param conductor: as the API sees it
    :param dispatcher: what serves it
    :param admin: what the first start gave: user, password, token
    """

    application: Application
    parts: Parts
    clock: ManualClock
    boards: FakeBoards
    conductor: Conductor
    dispatcher: Dispatcher
    last_used: LastUsed
    commands: dict[str, Any]
    admin: dict[str, Any]
    people: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        path: str,
        sends: Any = None,
        *,
        token: str | None = "admin",
        headers: dict[str, str] | None = None,
        **given: Any,
    ) -> Any:
        """Send a request, with a JSON body if there is one; return WebOb's response.

        :param token: a person's name or a token; ``None`` for no credentials
        """
        request = Request.blank(path, base_url=BASE_URL, method=method, **given)
        if token is not None:
            request.headers["X-Auth-Token"] = self.people.get(token, token)
        if sends is not None:
            request.content_type = "application/json"
            request.body = json.dumps(sends).encode()
        request.headers.update(headers or {})
        return request.get_response(self.application)

    def login(self, name: str, password: str, path: str = "/v1/whoami", **headers: str) -> Any:
        """Send a GET with a user name and a password."""
        pair = base64.b64encode(f"{name}:{password}".encode()).decode()
        return self.ask(
            "GET", path, token=None, headers={"Authorization": f"Basic {pair}"} | headers
        )

    def add(self, name: str, *roles: str, project: str = "default") -> str:
        """Make a user with a token, known to ``ask`` by the name; return its uuid."""
        uuid = str(
            self.call(
                "identity",
                "create_user",
                name=name,
                password=PASSWORD,
                project=project,
                roles=list(roles or ("member",)),
            )
        )
        made = self.call(
            "token", "create_for", user=name, project=project, name="test", life_s=86_400.0
        )
        self.people[name] = made["secret"]
        return uuid

    def add_project(self, name: str) -> str:
        """Make a project; return its uuid."""
        return str(self.call("project", "create", name=name))

    def call(self, namespace: str, method: str, **arguments: Any) -> Any:
        """Call the conductor as the cloud itself."""
        return self.conductor.call(system_context(), namespace, method, **arguments)

    def periodic(self, *names: str) -> None:
        """Run repeated work once, by its name; all of it without names."""
        for feature in FEATURES:
            for each in feature.periodics:
                if not names or each.name in names:
                    each.run(self.parts, self.commands)


@contextmanager
def open_site(folder: Path, **limits: Any) -> Iterator[Site]:
    """Start the cloud on a new database of the engine chosen.

    :param limits: fields of ``Settings``
    """
    boards = FakeBoards()
    with engines.POOL.url(folder) as url, transports.BUS.wire(boards) as wire:
        yield from _open(folder, open_database(url), boards, wire, limits)


def _open(
    folder: Path,
    database: Database,
    boards: FakeBoards,
    wire: transports.Wire,
    limits: dict[str, Any],
) -> Iterator[Site]:
    clock, passwords = ManualClock(), cheap_passwords()
    settings = Settings(
        state_dir=folder,
        public_url=BASE_URL,
        content_url="http://content.test:1289",
        wamp_url="ws://router.test:8443/ws",
        storage_driver="fake",
        **limits,
    )
    parts = build_parts(settings, database, wire.boards, b"s" * 32, clock=clock)
    commands = build_commands(parts)
    for namespace in ("identity", "token"):
        commands[namespace]._passwords = passwords
    dispatcher = Dispatcher(commands.values())
    conductor = wire.serve(dispatcher)
    admin = dispatcher.call(system_context(), "token", "first_start")
    used = build_last_used(parts, conductor)
    site = Site(
        application=build_application(parts, conductor, used, passwords),
        last_used=used,
        parts=parts,
        clock=clock,
        boards=boards,
        conductor=conductor,
        dispatcher=dispatcher,
        commands=commands,
        admin=admin,
        people={"admin": admin["token"]},
    )
    try:
        yield site
    finally:
        used.stop()
        commands["request"].stop()
        parts.background.stop()
        # what is under way ends by itself, over a broker a little later
        if parts.background.wait(5):
            parts.background._pool.shutdown(wait=True)
        database.close()


def fault(answer: Any) -> str:
    """Return the sentence of an error, as upstream's client digs it out."""
    return str(json.loads(answer.json["error_message"])["faultstring"])
