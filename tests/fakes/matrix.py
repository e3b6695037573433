"""Who may do what, tried out: people of two projects, and things of one of them.

The things belong to project *home*; their names hold :data:`MARK`. Each cell of the
matrix is one request by one caller. Things are made anew after a request that
succeeded and may have changed them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from iotronic_mec.ids import new_uuid
from tests.fakes.reach import make_board, set_online
from tests.fakes.site import PASSWORD, Site

MARK = "zebra"
"""What stands in the name of every thing of *home*: where it is seen, it was told."""

OWNER = "home-owner"

CALLERS = {
    "admin_own": "home-admin",
    "member_own": "home-member",
    "user_iot_own": "home-user_iot",
    "reader_own": "home-reader",
    "norole_own": "home-norole",
    "anonymous": None,
    "admin_other": "away-admin",
    "member_other": "away-member",
    "user_iot_other": "away-user_iot",
    "reader_other": "away-reader",
    "norole_other": "away-norole",
    "member_granted": "lent-member",
}
"""Column to who asks; *own* is a caller in the project of the thing. ``granted``: a member
of a third project, to whom all that can be lent of board and plugin was lent."""

OUTSIDERS = ("member_other", "user_iot_other", "reader_other", "norole_other", "anonymous")
"""Columns of callers to whom nothing of *home* may be told."""

LENT_BOARD = (
    "board.get",
    "board.action",
    "plugin.list",
    "plugin.inject",
    "plugin.call",
    "plugin.logs",
    "plugin.remove",
)
LENT_PLUGIN = ("plugin.get", "plugin.inject", "plugin.call", "plugin.logs", "plugin.remove")

NETWORK = "aaaaaaaa-0000-4000-8000-000000000001"

_ROLES = ("admin", "member", "user_iot", "reader", "norole")
_PARAMETER = re.compile(r"\{(\w+)\}")


def people(site: Site) -> None:
    """Make the callers; one of each role in *home* and in *away*, and one in *lent*."""
    for project in ("home", "away", "lent"):
        site.add_project(project)
    site.add(OWNER, "member", project="home")
    for project in ("home", "away"):
        for role in _ROLES:
            site.add(f"{project}-{role}", "reader" if role == "norole" else role, project=project)
    site.add("lent-member", "member", project="lent")
    site.parts.database.write(
        lambda connection: connection.execute(
            text(
                "UPDATE identity_role SET role = 'nothing' WHERE user_id IN"
                " (SELECT id FROM identity_user WHERE name LIKE '%-norole')"
            )
        )
    )


@dataclass(slots=True)
class Things:
    """What a request is about, made when first asked for.

    :param state: of the board: ``registered``, ``offline`` or ``online``
    :param number: makes the names unlike those made before
    """

    site: Site
    state: str
    number: int
    made: dict[str, str] = field(default_factory=dict)

    def get(self, noun: str) -> str:
        """Return the uuid of a thing."""
        if noun in ("port", "webservice") and self.state == "registered":
            return new_uuid()  # no such thing can be on a board that was never there
        if noun not in self.made:
            self.made[noun] = getattr(self, f"_{noun}")()
        return self.made[noun]

    def ready(self, path: str) -> None:
        """Have on the board what an address is about, then put it into its state."""
        if "{board}" in path or "{webservice}" in path or "{port}" in path:
            self.get("board")
            if self.state != "registered":
                self._prepare(path)
            if self.state == "offline":
                set_online(self.site, self.get("board"), online=False)

    @property
    def name(self) -> str:
        """A name nobody has."""
        return f"{MARK}-{self.number}"

    def owner(self, method: str, path: str, body: Any = None) -> Any:
        """Do something as the owner; it must succeed."""
        answer = self.site.ask(method, path, body, token=OWNER)
        assert answer.status_int < 300, (method, path, answer.text)
        return answer

    def _prepare(self, path: str) -> None:
        board = f"/v1/boards/{self.get('board')}"
        if path.startswith("/v1/boards/{board}/plugins/{plugin}"):
            self.owner("PUT", f"{board}/plugins", {"plugin": self.get("plugin")})
        if "/services/{service}" in path:
            body = {"action": "ServiceEnable"}
            self.owner("POST", f"{board}/services/{self.get('service')}/action", body)
        if "{webservice}" in path:
            self.get("webservice")
        if "{port}" in path:
            self.get("port")
        if path.endswith(("/webservices", "/disable", "/renew")):
            self._enable()

    def _enable(self) -> None:
        body = {"dns": self.name, "zone": "example.org", "email": "me@example.org"}
        self.owner("POST", f"/v1/boards/{self.get('board')}/webservices/enable", body)

    def _board(self) -> str:
        if self.state == "registered":
            return str(self.owner("POST", "/v1/boards", {"name": self.name}).json["uuid"])
        uuid = make_board(self.site, self.name, OWNER)
        set_online(self.site, uuid)
        return uuid

    def _fleet(self) -> str:
        return str(self.owner("POST", "/v1/fleets", {"name": self.name}).json["uuid"])

    def _plugin(self) -> str:
        body = {"name": self.name, "code": "def main(c): pass\n", "callable": True}
        return str(self.owner("POST", "/v1/plugins", body).json["uuid"])

    def _service(self) -> str:
        body = {"name": self.name, "port": 22}
        return str(self.owner("POST", "/v1/services", body).json["uuid"])

    def _webservice(self) -> str:
        self._enable()
        body = {"name": self.name, "port": 80}
        path = f"/v1/boards/{self.get('board')}/webservices"
        return str(self.owner("PUT", path, body).json["uuid"])

    def _port(self) -> str:
        path = f"/v1/boards/{self.get('board')}/ports"
        return str(self.owner("PUT", path, {"network": NETWORK}).json["uuid"])

    def _request(self) -> str:
        path = f"/v1/boards/{self.get('board')}/action"
        answer = self.owner("POST", path, {"action": "DevicePing"})
        return str(answer.headers["X-IoT-Request"])

    def _user(self) -> str:
        return self.site.add(self.name, "member", project="home")

    def _project(self) -> str:
        return self.site.add_project(self.name)

    def _token(self) -> str:
        return str(self.owner("POST", "/v1/tokens", {"name": self.name}).json["uuid"])

    def _segment(self) -> str:
        return sealed(self.site)

    def _grant(self) -> str:
        return self.lend("board", self.get("board"), LENT_BOARD)

    def lend(self, kind: str, target: str, actions: tuple[str, ...]) -> str:
        """Lend operations on a thing to project *lent*; return the grant."""
        project = self.site.ask("GET", "/v1/projects/lent").json["uuid"]
        body = {"kind": kind, "target": target, "actions": list(actions), "to_project": project}
        return str(self.owner("POST", "/v1/grants", body).json["uuid"])


Body = Callable[[Things], dict[str, Any]]

BODIES: dict[str, Body] = {
    "POST /v1/projects": lambda things: {"name": new_uuid()[:8] + "-p"},
    "PATCH /v1/projects/{project}": lambda things: {"description": "x"},
    "POST /v1/users": lambda things: {
        "name": new_uuid()[:8] + "-u",
        "password": PASSWORD,
        "project": "home",
        "roles": ["reader"],
    },
    "PATCH /v1/users/{user}": lambda things: {"enabled": True},
    "POST /v1/tokens": lambda things: {"name": "mine"},
    "POST /v1/grants": lambda things: {
        "kind": "board",
        "target": things.get("board"),
        "actions": ["board.get"],
        "to_user": new_uuid(),
    },
    "POST /v1/grants/{grant}/grants": lambda things: {"to_user": new_uuid()},
    "POST /v1/fleets": lambda things: {"name": new_uuid()[:8] + "-f"},
    "PATCH /v1/fleets/{fleet}": lambda things: {"description": "x"},
    "POST /v1/boards": lambda things: {"name": new_uuid()[:8] + "-b"},
    "PATCH /v1/boards/{board}": lambda things: {"type": "x"},
    "POST /v1/boards/{board}/enrolment-code": lambda things: {},
    "POST /v1/boards/{board}/action": lambda things: {"action": "DevicePing"},
    "PUT /v1/boards/{board}/plugins": lambda things: {"plugin": things.get("plugin")},
    "POST /v1/boards/{board}/plugins/{plugin}": lambda things: {"action": "PluginCall"},
    "POST /v1/plugins": lambda things: {
        "name": new_uuid()[:8] + "-p",
        "code": "def main(c): pass\n",
    },
    "PATCH /v1/plugins/{plugin}": lambda things: {"extra": {"a": 1}},
    "POST /v1/services": lambda things: {"name": new_uuid()[:8] + "-s", "port": 22},
    "PATCH /v1/services/{service}": lambda things: {"extra": {"a": 1}},
    "POST /v1/boards/{board}/services/restore": lambda things: {"action": "ServiceRestore"},
    "POST /v1/boards/{board}/services/{service}/action": lambda things: {
        "action": "ServiceDisable"
    },
    "POST /v1/boards/{board}/webservices/enable": lambda things: {
        "dns": new_uuid()[:8],
        "zone": "example.org",
        "email": "me@example.org",
    },
    "POST /v1/boards/{board}/webservices/renew": lambda things: {},
    "PUT /v1/boards/{board}/webservices": lambda things: {"name": "cam", "port": 8080},
    "POST /v1/fleets/{fleet}/action": lambda things: {"action": "DevicePing"},
    "PUT /v1/fleets/{fleet}/plugins": lambda things: {"plugin": things.get("plugin")},
    "POST /v1/fleets/{fleet}/plugins/{plugin}": lambda things: {"action": "PluginCall"},
    "PUT /v1/quotas/{project}": lambda things: {"limits": {"boards": 5}},
    "POST /healthcheck/boards/{board}": lambda things: {"say": "x"},
    "PUT /v1/boards/{board}/ports": lambda things: {"network": NETWORK},
}
"""Route to a body that is right, so that only the rights decide."""

QUERIES = {"GET /v1/grants/{grant}/explain": "?action=board.get"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came of one request."""

    status: int
    told: str


class Matrix:
    """Asks, cell by cell."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._number = 0

    def row(self, method: str, path: str, state: str) -> dict[str, Seen]:
        """Return what each caller gets from a route."""
        seen: dict[str, Seen] = {}
        things: Things | None = None
        for column, caller in CALLERS.items():
            if things is None or column == "member_granted":
                things = self._things(method, path, state, lent=column == "member_granted")
            answer = self.ask(things, method, path, caller)
            seen[column] = Seen(status=answer.status_int, told=told(answer))
            if answer.status_int < 300 and method != "GET":
                things = None
        return seen

    def ask(self, things: Things, method: str, path: str, caller: str | None) -> Any:
        """Send one request with a right body."""
        route = f"{method} {path}"
        address = _PARAMETER.sub(lambda found: things.get(found[1]), path)
        body = BODIES[route](things) if route in BODIES else None
        return self.site.ask(method, address + QUERIES.get(route, ""), body, token=caller)

    def nothing(self, method: str, path: str, caller: str | None) -> str:
        """Return what a caller is told about things that do not exist."""
        things = Things(self.site, "online", 0)
        nouns = {*_PARAMETER.findall(path), "board", "plugin"}
        things.made = {noun: new_uuid() for noun in nouns}
        return told(self.ask(things, method, path, caller))

    def _things(self, method: str, path: str, state: str, *, lent: bool) -> Things:
        self._number += 1
        things = Things(self.site, state, self._number)
        things.ready(path)
        if lent and "{board}" in path:
            things.lend("board", things.get("board"), LENT_BOARD)
        if lent and ("{plugin}" in path or path.endswith("/plugins")) and "{" in path:
            things.lend("plugin", things.get("plugin"), LENT_PLUGIN)
        return things


def sealed(site: Site) -> str:
    """Have what is in the audit sealed; return the segment."""
    commands = site.commands["audit_segment"]
    commands.seal(site.clock.now() + timedelta(days=3))
    commands.prune()
    found = site.ask("GET", "/v1/audit/segments?sort_dir=desc&limit=1").json["segments"]
    return str(found[0]["uuid"])


def told(answer: Any) -> str:
    """Return all an answer tells, without what is unlike in any two answers."""
    body = answer.body.decode("utf-8", "replace")
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", body)
    headers = {
        key: value
        for key, value in answer.headers.items()
        if key.lower() not in ("openstack-request-id", "content-length", "date")
    }
    return f"{answer.status} {sorted(headers.items())} {text}"
