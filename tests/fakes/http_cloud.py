"""A cloud in this process: the REST of section *boards, plugins, requests* by hand.

For tests of the client and the command line. It keeps everything in dicts,
answers in the shapes of the real cloud, records each call, and breaks on
demand. One board, ``kitchen``, is online; its plugins are what is injected.

    with HttpCloud() as cloud:
        client = Client.with_token(cloud.url, cloud.token)
        cloud.fail(503, times=2)
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from iotronic_mec.audit_chain import GENESIS, row_hash
from iotronic_mec.audit_segment import Segment, write
from tests.fakes.http_rim import REQUEST_ID, Reply, Rim, Seen

TIME = "2026-01-01T00:00:00+00:00"
TOKEN = "a-token"
USER, PASSWORD = "admin", "secret"
BASIC = "Basic YWRtaW46c2VjcmV0"

ORDER = "11111111-1111-4111-8111-111111111111"
"""The request every order makes."""


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.reply = error_reply(status, code, message, details)


def error_reply(
    status: int, code: str, message: str, details: Mapping[str, Any] | None = None
) -> Reply:
    """Build an error as the cloud writes it, double-encoded."""
    fault = {"faultcode": "Client", "faultstring": message, "debuginfo": None}
    body = {
        "error_message": json.dumps(fault),
        "code": code,
        "request_id": REQUEST_ID,
        "details": dict(details or {}),
    }
    return Reply(status=status, body=body)


def audit_chain(length: int) -> list[dict[str, Any]]:
    """Build audit rows whose hashes are right."""
    rows: list[dict[str, Any]] = []
    previous = GENESIS
    for sequence in range(1, length + 1):
        row: dict[str, Any] = {
            "sequence": sequence,
            "time": TIME,
            "project": "p",
            "user": "u",
            "action": "board.create",
            "target_kind": "board",
            "target": str(sequence),
            "outcome": "success",
            "reason": "",
            "request_id": REQUEST_ID,
            "details": {},
            "previous": previous,
        }
        previous = row["hash"] = row_hash(row, previous)
        rows.append(row)
    return rows


def item(name: str, **fields: Any) -> dict[str, Any]:
    """Build one thing with what all things have."""
    made = {"uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), "name": name, "links": []}
    return {**made, "created_at": TIME, "updated_at": None, **fields}


class HttpCloud:
    """The cloud; enter it to start it on a free port of the loopback."""

    def __init__(self) -> None:
        self.token = TOKEN
        self.calls: list[Seen] = []
        self.page = 1000
        self.states = ["queued", "running", "succeeded"]
        self.cause: dict[str, Any] | None = None
        self.said: Any = {"label": 7}
        self.audit = audit_chain(4)
        self.segments: list[dict[str, Any]] = []
        self.segment_files: dict[str, bytes] = {}
        self.bundle = b"def main(context): pass\n"
        self.enabled: dict[str, dict[str, Any]] = {}
        self.exposed: dict[str, dict[str, Any]] = {}
        self.limits: dict[str, int] = {}
        self.injected: dict[str, dict[str, Any]] = {}
        self.log_parts: list[dict[str, Any] | Refusal] = []
        self.total = 1
        self.collections: dict[str, dict[str, dict[str, Any]]] = {
            "boards": {"kitchen": item("kitchen", status="online", labels={"room": "1"})},
            "fleets": {"field": item("field", description="")},
            "plugins": {"digits": item("digits", callable=True, public=False, parameters={})},
            "services": {"ssh": item("ssh", port=22, protocol="TCP", public=False)},
            "webservices": {"cam": item("cam", port=8080, secure=True, state="open")},
            "ports": {"vif": item("vif", vif_name="iotronic10001", state="open")},
            "users": {"admin": item("admin", roles=["admin"], project="p")},
            "projects": {"p": item("p")},
            "tokens": {},
        }
        self._faults: list[Reply | None] = []
        self._polls = 0
        self._ended_with: Any = None
        self._server = Rim(self.answer)

    @property
    def url(self) -> str:
        """Root of the API."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def last(self) -> Seen:
        """The call made last."""
        return self.calls[-1]

    def fail(self, status: int, *, times: int = 1, **headers: str) -> None:
        """Answer the next calls with an error."""
        reply = error_reply(status, f"iot.fake.{status}", f"fault {status}")
        reply = Reply(status=status, body=reply.body, headers=headers)
        self._faults += [reply] * times

    def drop(self, *, times: int = 1) -> None:
        """Carry the next calls out and break the link instead of answering."""
        self._faults += [None] * times

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def answer(self, seen: Seen) -> Reply | None:
        """Answer one call; ``None`` breaks the link."""
        self.calls.append(seen)
        fault = self._faults.pop(0) if self._faults else False
        if isinstance(fault, Reply):
            return fault
        try:
            reply = self._routed(seen)
        except Refusal as refusal:
            reply = refusal.reply
        return None if fault is None else reply

    def _routed(self, seen: Seen) -> Reply:
        if seen.path in ("/", "/v1"):
            versions = {"Minimum-Version": "1.0", "Maximum-Version": "1.10"}
            headers = {f"X-OpenStack-Iotronic-API-{k}": v for k, v in versions.items()}
            return Reply(body={"id": "v1"}, headers=headers)
        given = seen.headers.get("X-Auth-Token")
        if given != self.token and seen.headers.get("Authorization") != BASIC:
            raise Refusal(401, "iot.identity.unauthenticated", "valid credentials are required")
        for pattern, handler in ROUTES:
            found = re.fullmatch(pattern, f"{seen.method} {seen.path}")
            if found:
                reply: Reply = getattr(self, handler)(seen, **found.groupdict())
                return reply
        raise Refusal(404, "iot.route.not_found", "no such route")

    def find(self, collection: str, name: str) -> dict[str, Any]:
        """Return a thing by name or uuid."""
        for each in self.collections[collection].values():
            if name in (each["name"], each["uuid"]):
                return each
        noun = collection.removesuffix("s")
        raise Refusal(404, f"iot.{noun}.not_found", f"{noun} {name} could not be found")

    def on_list(self, seen: Seen, noun: str) -> Reply:
        """A collection, in pages."""
        return self._paged(seen, noun, list(self.collections[noun].values()))

    def on_create(self, seen: Seen, noun: str) -> Reply:
        """A new thing."""
        name = str(seen.body.get("name", "unnamed"))
        if name in self.collections[noun]:
            raise Refusal(409, f"iot.{noun.removesuffix('s')}.exists", f"{name} exists")
        made = item(name, **{k: v for k, v in seen.body.items() if k not in ("name", "bundle")})
        self.collections[noun][name] = made
        once: dict[str, Any] = {}
        if noun == "boards":
            code = made.pop("code", None) or "A-FRESH-CODE"
            made["status"] = "registered"
            once = {"code": code, "enrol_url": "ws://127.0.0.1:8443/ws"}
        if noun == "tokens":
            once = {"secret": "shown-once"}
        return Reply(status=201, body={**made, **once})

    def on_show(self, seen: Seen, noun: str, name: str) -> Reply:
        """One thing."""
        return Reply(body=self.find(noun, name))

    def on_update(self, seen: Seen, noun: str, name: str) -> Reply:
        """A changed thing."""
        found = self.find(noun, name)
        found.update(seen.body)
        return Reply(body=found)

    def on_delete(self, seen: Seen, noun: str, name: str) -> Reply:
        """A thing less."""
        del self.collections[noun][self.find(noun, name)["name"]]
        return Reply(status=204)

    def on_webservices(self, seen: Seen, name: str) -> Reply:
        """The web services of a board."""
        board = self.find("boards", name)["uuid"]
        rows = [{**row, "board_uuid": board} for row in self.collections["webservices"].values()]
        return self._paged(seen, "webservices", rows)

    def on_enabled(self, seen: Seen) -> Reply:
        """The boards whose web servers may be published."""
        return self._paged(seen, "EnabledWebservices", list(self.enabled.values()))

    def on_enable(self, seen: Seen, name: str) -> Reply:
        """A name for a board."""
        self._online(name)
        board = self.find("boards", name)["uuid"]
        if board in self.enabled:
            raise Refusal(409, "iot.enabled_webservice.exists", "enabled already")
        host = f"{seen.body['dns']}.{seen.body['zone']}"
        self.enabled[board] = {"board_uuid": board, "host": host, **seen.body}
        return Reply(status=201, body=self.enabled[board])

    def on_disable(self, seen: Seen, name: str) -> Reply:
        """A name less."""
        del self.enabled[self.find("boards", name)["uuid"]]
        return Reply(status=204)

    def on_renew(self, seen: Seen, name: str) -> Reply:
        """A new certificate."""
        return Reply(body=f"certificate of {name} renewed")

    def on_put(self, seen: Seen, name: str, noun: str) -> Reply:
        """A web service or a port of a board."""
        self._online(name)
        given = {key: value for key, value in seen.body.items() if key != "name"}
        made = item(str(seen.body.get("name", "new")), state="open", **given)
        self.collections[noun][made["name"]] = made
        return Reply(status=201, body=made)

    def on_ports(self, seen: Seen, name: str) -> Reply:
        """The ports of a board."""
        self.find("boards", name)
        return self._paged(seen, "ports", list(self.collections["ports"].values()))

    def on_exposed(self, seen: Seen, name: str) -> Reply:
        """What is exposed on a board."""
        self.find("boards", name)
        return self._paged(seen, "exposed", list(self.exposed.values()))

    def on_service_action(self, seen: Seen, name: str, service: str) -> Reply:
        """Enable, disable, restore."""
        self._online(name)
        found = self.find("services", service)
        if seen.body["action"] == "ServiceEnable":
            row = {"service": found["uuid"], "name": found["name"], "public_port": 50_001}
            self.exposed[found["uuid"]] = {**item(service), **row, "state": "open"}
        elif found["uuid"] not in self.exposed:
            raise Refusal(404, "iot.exposed_service.not_found", f"{service} is not exposed")
        elif seen.body["action"] == "ServiceDisable":
            del self.exposed[found["uuid"]]
        return Reply(body=f"{seen.body['action']} done")

    def on_restore(self, seen: Seen, name: str) -> Reply:
        """All tunnels once more."""
        self._online(name)
        return Reply(body={"exposed": list(self.exposed.values())})

    def on_service_status(self, seen: Seen, name: str) -> Reply:
        """What is reachable, in words."""
        return Reply(body=f"{len(self.exposed)} service(s) exposed on board {name}")

    def on_fleet_boards(self, seen: Seen, name: str) -> Reply:
        """The boards of a fleet."""
        fleet = self.find("fleets", name)["uuid"]
        inside = [row for row in self.collections["boards"].values() if row.get("fleet") == fleet]
        return self._paged(seen, "boards", inside)

    def on_code(self, seen: Seen, name: str) -> Reply:
        """A new enrolment code."""
        self.find("boards", name)
        code = seen.body.get("code") or "ANOTHER-CODE"
        body = {"uuid": name, "code": code, "enrol_url": "ws://127.0.0.1:8443/ws"}
        return Reply(status=201, body=body)

    def on_explain(self, seen: Seen, name: str) -> Reply:
        """Why a board is not online."""
        found = self.find("boards", name)
        online = found["status"] == "online"
        reason = {
            "code": "never_enrolled",
            "text": "no agent has enrolled yet",
            "cure": "run 'lightning-agent enrol CODE URL' on the board",
        }
        body = {"board": found["uuid"], "online": online, "converged": online}
        return Reply(body={**body, "reasons": [] if online else [reason]})

    def on_board_action(self, seen: Seen, name: str) -> Reply:
        """Ping and echo."""
        self._online(name)
        said = seen.body["parameters"].get("say", "host")
        return self._ordered(seen, f"{said} @ {TIME}")

    def on_fleet_action(self, seen: Seen, name: str) -> Reply:
        """An order to all boards of a fleet."""
        self.find("fleets", name)
        return self._accepted(None)

    def on_fleet_plugin(self, seen: Seen, name: str, plugin: str = "") -> Reply:
        """An order on a plugin to all boards of a fleet."""
        self.find("fleets", name)
        self.find("plugins", plugin or seen.body["plugin"])
        return self._accepted(None)

    def on_injections(self, seen: Seen, name: str) -> Reply:
        """What is injected."""
        self.find("boards", name)
        return Reply(body={"injections": list(self.injected.values())})

    def on_inject(self, seen: Seen, name: str) -> Reply:
        """One plugin more on the board."""
        self._online(name)
        found = self.find("plugins", seen.body["plugin"])
        row = {"plugin": found["uuid"], "status": "injected", "onboot": seen.body["onboot"]}
        self.injected[found["uuid"]] = {**row, "created_at": TIME, "updated_at": None}
        return self._ordered(seen, "PluginInject result: INJECTED")

    def on_plugin_action(self, seen: Seen, name: str, plugin: str) -> Reply:
        """Call, start, stop, status, reboot, logs."""
        self._online(name)
        self._injection(plugin)
        action = seen.body["action"]
        if action == "PluginLogs":
            line = {"time": TIME, "stream": "stdout", "text": "hello"}
            return Reply(body={"lines": [line], "dropped": 0})
        said = {"PluginStatus": "ALIVE", "PluginStart": "STARTED", "PluginStop": "STOPPED"}
        return self._ordered(seen, said.get(action, self.said))

    def on_log(self, seen: Seen, name: str, plugin: str) -> Reply:
        """A part of a plugin's log."""
        self._online(name)
        self._injection(plugin)
        if not self.log_parts:
            raise Refusal(404, "iot.injection.not_found", f"{plugin} is not injected")
        part = self.log_parts.pop(0)
        if isinstance(part, Refusal):
            raise part
        return Reply(body={"missed": 0, "dropped": 0, **part})

    def on_remove(self, seen: Seen, name: str, plugin: str) -> Reply:
        """One plugin less on the board."""
        self._online(name)
        del self.injected[self._injection(plugin)]
        if seen.query.get("wait") == "false":
            return self._accepted("REMOVED")
        return Reply(status=204)

    def on_bundle(self, seen: Seen, name: str) -> Reply:
        """A plugin's file."""
        self.find("plugins", name)
        return Reply(
            raw=self.bundle, headers={"Content-Disposition": f'attachment; filename="{name}.py"'}
        )

    def on_requests(self, seen: Seen) -> Reply:
        """All orders: one."""
        return self._paged(seen, "requests", [self._request("succeeded")])

    def on_request(self, seen: Seen, name: str) -> Reply:
        """The order, one state further with each look."""
        state = self.states[min(self._polls, len(self.states) - 1)]
        self._polls += 1
        return Reply(body=self._request(state))

    def on_results(self, seen: Seen, name: str) -> Reply:
        """The order's one result."""
        good = self.states[-1] == "succeeded"
        row: dict[str, Any] = {
            "board_uuid": self.find("boards", "kitchen")["uuid"],
            "request_uuid": ORDER,
            "result": "SUCCESS" if good else "ERROR",
            "message": self._ended_with if good else None,
            "state": self.states[-1],
            "cause": self.cause,
        }
        rows = [row] if self.total == 1 else [{**row, "uuid": str(n)} for n in range(self.total)]
        return self._paged(seen, "results", rows)

    def on_cancel(self, seen: Seen, name: str) -> Reply:
        """An order that is not sent."""
        return Reply(status=204)

    def on_quotas(self, seen: Seen, name: str = "p") -> Reply:
        """The limits of a project; PUT changes some, DELETE gives the defaults again."""
        if seen.method == "PUT":
            self.limits |= seen.body["limits"]
        if seen.method == "DELETE":
            only = seen.query.get("resource")
            kept = {key: most for key, most in self.limits.items() if only not in (None, key)}
            self.limits = kept
            return Reply(status=204)
        rows = [
            {"resource": key, "limit": self.limits.get(key, most), "default": most, "used": 1}
            for key, most in (("boards", 10), ("plugins", -1))
        ]
        return Reply(body={"project": name, "quotas": rows})

    def on_whoami(self, seen: Seen) -> Reply:
        """The caller."""
        admin = self.find("users", "admin")
        who = {"user": admin["uuid"], "name": "admin", "project": "p", "roles": ["admin"]}
        return Reply(body=who)

    def on_audit(self, seen: Seen) -> Reply:
        """The audit."""
        backward = seen.query.get("sort_dir") == "desc"
        return self._paged(seen, "audit", self.audit[::-1] if backward else self.audit)

    def on_segments(self, seen: Seen) -> Reply:
        """The sealed segments of the audit; ``self.audit`` holds the rows after them."""
        return self._paged(seen, "segments", self.segments)

    def on_segment_file(self, seen: Seen, name: str) -> Reply:
        """The file of a segment."""
        if name not in self.segment_files:
            raise Refusal(404, "iot.audit_segment.not_found", "there is no such segment")
        return Reply(raw=self.segment_files[name])

    def seal(self, count: int) -> dict[str, Any]:
        """Put the first rows of the audit into a segment; return it."""
        rows, self.audit = self.audit[:count], self.audit[count:]
        first, last = rows[0], rows[-1]
        planned = Segment(
            first=first["sequence"],
            last=last["sequence"],
            previous=first["previous"],
            hash=last["hash"],
            digest="",
            size=0,
        )
        content = b"".join(write(rows, planned))
        made = {
            "uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, planned.name)),
            **{name: getattr(planned, name) for name in ("first", "last", "previous", "hash")},
            "digest": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "file": planned.name,
            **dict.fromkeys(("first_at", "last_at", "created_at"), TIME),
        }
        self.segments.append(made)
        self.segment_files[made["uuid"]] = content
        return made

    def _request(self, state: str) -> dict[str, Any]:
        made = {"uuid": ORDER, "action": "PluginCall", "state": state, "cause": self.cause}
        status = "PENDING" if state in ("queued", "dispatched", "running") else "COMPLETED"
        pending = self.total if status == "PENDING" else 0
        counts = {"type": int(self.total > 1), "total": self.total, "pending_requests": pending}
        return {**made, **counts, "status": status, "created_at": TIME, "updated_at": None}

    def _ordered(self, seen: Seen, said: Any) -> Reply:
        if seen.body.get("wait", True):
            text = said if isinstance(said, str) else json.dumps(said)
            return Reply(body=text, headers={"X-IoT-Request": ORDER})
        return self._accepted(said)

    def _accepted(self, said: Any) -> Reply:
        self._ended_with, self._polls = said, 0
        return Reply(status=202, body={"request": ORDER, "state": "queued", "links": []})

    def _online(self, name: str) -> None:
        found = self.find("boards", name)
        if found["status"] != "online":
            raise Refusal(400, "iot.board.offline", f"board {name} is {found['status']}")

    def _injection(self, plugin: str) -> str:
        found = str(self.find("plugins", plugin)["uuid"])
        if found not in self.injected:
            raise Refusal(404, "iot.injection.not_found", f"{plugin} is not injected")
        return found

    def _paged(self, seen: Seen, noun: str, rows: list[dict[str, Any]]) -> Reply:
        key = {"audit": "sequence", "segments": "last"}.get(noun, "uuid")
        marks = [str(row.get(key)) for row in rows]
        marker = seen.query.get("marker")
        begin = 0
        if marker and key == "uuid":
            begin = marks.index(marker) + 1
        elif marker:
            begin = sum(int(mark) <= int(marker) for mark in marks)
        length = min(self.page, int(seen.query.get("limit", "1000")))
        body: dict[str, Any] = {noun: rows[begin : begin + length]}
        if len(body[noun]) == length:
            arguments = urlencode({"limit": length, "marker": marks[begin + length - 1]})
            body["next"] = f"http://elsewhere.invalid{seen.path}?{arguments}"
        return Reply(body=body)


NAME = r"(?P<name>[^/]+)"
NOUN = r"(?P<noun>boards|fleets|plugins|ports|services|users|webservices|projects|tokens)"
ROUTES = (
    (rf"GET /v1/{NOUN}(/detail|/public)?", "on_list"),
    (rf"POST /v1/{NOUN}", "on_create"),
    (rf"GET /v1/fleets/{NAME}/boards/detail", "on_fleet_boards"),
    ("GET /v1/enabledwebservices/detail", "on_enabled"),
    (rf"GET /v1/boards/{NAME}/webservices/detail", "on_webservices"),
    (rf"POST /v1/boards/{NAME}/webservices/enable", "on_enable"),
    (rf"DELETE /v1/boards/{NAME}/webservices/disable", "on_disable"),
    (rf"POST /v1/boards/{NAME}/webservices/renew", "on_renew"),
    (rf"PUT /v1/boards/{NAME}/(?P<noun>webservices|ports)", "on_put"),
    (rf"GET /v1/boards/{NAME}/ports/detail", "on_ports"),
    (rf"GET /v1/boards/{NAME}/services/detail", "on_exposed"),
    (rf"GET /v1/boards/{NAME}/services/status", "on_service_status"),
    (rf"POST /v1/boards/{NAME}/services/restore", "on_restore"),
    (rf"POST /v1/boards/{NAME}/services/(?P<service>[^/]+)/action", "on_service_action"),
    (rf"GET /v1/boards/{NAME}/explain", "on_explain"),
    (rf"POST /v1/boards/{NAME}/enrolment-code", "on_code"),
    (rf"POST /v1/boards/{NAME}/action", "on_board_action"),
    (rf"POST /v1/fleets/{NAME}/action", "on_fleet_action"),
    (rf"PUT /v1/fleets/{NAME}/plugins", "on_fleet_plugin"),
    (rf"(?:POST|DELETE) /v1/fleets/{NAME}/plugins/(?P<plugin>[^/]+)", "on_fleet_plugin"),
    (rf"GET /v1/boards/{NAME}/plugins", "on_injections"),
    (rf"PUT /v1/boards/{NAME}/plugins", "on_inject"),
    (rf"POST /v1/boards/{NAME}/plugins/(?P<plugin>[^/]+)", "on_plugin_action"),
    (rf"GET /v1/boards/{NAME}/plugins/(?P<plugin>[^/]+)/logs", "on_log"),
    (rf"DELETE /v1/boards/{NAME}/plugins/(?P<plugin>[^/]+)", "on_remove"),
    (rf"GET /v1/plugins/{NAME}/bundle", "on_bundle"),
    ("GET /v1/requests", "on_requests"),
    (rf"GET /v1/requests/{NAME}", "on_request"),
    (rf"GET /v1/requests/{NAME}/results", "on_results"),
    (rf"DELETE /v1/requests/{NAME}", "on_cancel"),
    ("GET /v1/audit", "on_audit"),
    ("GET /v1/audit/segments", "on_segments"),
    (rf"GET /v1/audit/segments/{NAME}/file", "on_segment_file"),
    ("GET /v1/whoami", "on_whoami"),
    ("GET /v1/quotas", "on_quotas"),
    (rf"(GET|PUT|DELETE) /v1/quotas/{NAME}", "on_quotas"),
    (rf"GET /v1/{NOUN}/{NAME}", "on_show"),
    (rf"PATCH /v1/{NOUN}/{NAME}", "on_update"),
    (rf"DELETE /v1/{NOUN}/{NAME}", "on_delete"),
)
"""Pattern over method and path to the method that answers."""
