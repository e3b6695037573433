"""A cloud small enough for the agent's tests: a process beside a real router.

Started as a script with the router's private socket as its argument. It speaks
JSON, one object a line: orders come on standard input (``{"id", "do", …}``),
answers (``{"id", "result"}`` or ``{"id", "error"}``) and events leave on
standard output.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from autobahn.twisted.rawsocket import WampRawSocketClientFactory
from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.serializer import MsgPackSerializer
from autobahn.wamp.types import RegisterOptions
from nacl.signing import SigningKey
from twisted.internet import reactor, stdio
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.protocols.basic import LineReceiver

from lightning_agent.protocol import errors, names
from lightning_agent.protocol.messages import (
    Enrol,
    Enrolled,
    Join,
    Joined,
    OperationList,
    OperationVerdict,
    Report,
    Results,
)

SEED = "5c" * 32
"""The stand-in's key; its public half is in the router's configuration."""


class Memory:
    """What survives a restart of the router."""

    codes: dict[str, str]
    keys: dict[str, str]

    def __init__(self) -> None:
        self.codes = {}
        self.used: dict[str, str] = {}
        self.keys = {}
        self.desired: dict[str, list[dict[str, Any]]] = {}
        self.wanted: list[str] = []
        self.joins = 0
        self.refuse_joins = 0
        self.retry_window_s = 0.2


MEMORY = Memory()


def tell(message: dict[str, Any]) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Cloud(ApplicationSession):
    """The service side: authenticators, authorizers, reports."""

    def onConnect(self) -> None:
        self.join(names.REALM, ["cryptosign"], "wamp-agent", authextra={"pubkey": public_key()})

    def onChallenge(self, challenge: Any) -> str:
        key = SigningKey(bytes.fromhex(SEED))
        return bytes(key.sign(bytes.fromhex(challenge.extra["challenge"]))).hex()

    async def onJoin(self, details: Any) -> None:
        told = RegisterOptions(details_arg="details")
        await self.register(self.enrol, names.ENROL, options=told)
        await self.register(self.joined, names.JOIN, options=told)
        await self.register(self.report, names.REPORT, options=told)
        await self.register(self.operations, names.OPERATIONS)
        await self.register(self.results, names.RESULTS)
        await self.register(self.authorize, names.AUTHORIZE_BOARD)
        await self.register(self.authorize, names.AUTHORIZE_ENROL)
        await self.register(self.ticket, names.AUTH_TICKET)
        await self.register(self.board, names.AUTH_BOARD)
        await self.subscribe(
            lambda session, registration: tell({"event": "ready", "uri": registration["uri"]}),
            "wamp.registration.on_create",
        )
        LINES.cloud = self
        tell({"event": "cloud"})

    def onDisconnect(self) -> None:
        LINES.cloud = None
        reactor.callLater(0.1, connect)

    def ticket(self, realm: str, authid: str, details: dict[str, Any]) -> dict[str, Any]:
        code = details["ticket"]
        key = details["authextra"]["pubkey"]
        if authid != names.CODE_AUTHID or MEMORY.used.get(code, key) != key:
            raise ApplicationError(errors.CodeUnknownOrUsed.uri, "unknown or used")
        if code not in MEMORY.codes:
            raise ApplicationError(errors.CodeUnknownOrUsed.uri, "unknown or used")
        return {"realm": names.REALM, "role": "enrol", "authid": f"code:{code}"}

    def board(self, realm: str, authid: str, details: dict[str, Any]) -> dict[str, Any]:
        if authid not in MEMORY.keys:
            raise ApplicationError(errors.BoardUnknown.uri, "board unknown or deleted")
        key = MEMORY.keys[authid]
        return {"pubkey": key, "realm": names.REALM, "role": "board", "authid": authid}

    def authorize(
        self, who: dict[str, Any], uri: str, action: str, options: dict[str, Any]
    ) -> dict[str, Any]:
        mine = uri == names.board_prefix(who["authid"]) if action == "register" else False
        allow = mine or (action == "call" and uri in {*names.REPORTS, names.ENROL})
        return {
            "allow": allow and not options.get("forward_for"),
            "disclose": True,
            "cache": False,
        }

    def enrol(self, wire: dict[str, Any], details: Any) -> dict[str, Any]:
        message = Enrol.from_wire(wire)
        code = details.caller_authid.removeprefix("code:")
        board = MEMORY.codes[code]
        MEMORY.used[code] = message.public_key
        MEMORY.keys[board] = message.public_key
        tell({"event": "enrolled", "board": board})
        return Enrolled(board=board, name="b", project="p" * 8).to_wire()

    def joined(self, wire: dict[str, Any], details: Any) -> dict[str, Any]:
        join = Join.from_wire(wire)
        MEMORY.joins += 1
        if MEMORY.refuse_joins:
            MEMORY.refuse_joins -= 1
            raise ApplicationError(errors.NotReady.uri, "starting")
        tell({"event": "joined", "board": details.caller_authid, "join": join.to_wire()})
        return {
            **Joined(
                board=details.caller_authid,
                name="b",
                retry_window_s=MEMORY.retry_window_s,
                heartbeat_s=1.0,
            ).to_wire(),
            "plugins": MEMORY.desired.get(details.caller_authid, []),
        }

    def report(self, wire: dict[str, Any], details: Any) -> dict[str, Any]:
        tell({"event": "report", "report": Report.from_wire(wire).to_wire()})
        return {}

    def operations(self, wire: dict[str, Any]) -> dict[str, Any]:
        listed = OperationList.from_wire(wire).operations
        tell({"event": "operations", "operations": listed})
        wanted = [operation for operation in listed if operation in MEMORY.wanted]
        known = [operation for operation in listed if operation not in MEMORY.wanted]
        return OperationVerdict(known=known, wanted=wanted).to_wire()

    def results(self, wire: dict[str, Any]) -> dict[str, Any]:
        records = Results.from_wire(wire).records
        tell({"event": "results", "records": [record.to_wire() for record in records]})
        MEMORY.wanted = []
        known = [record.call.operation for record in records]
        return OperationVerdict(known=known, wanted=[]).to_wire()


class Lines(LineReceiver):
    """Orders of the test."""

    delimiter = b"\n"
    MAX_LENGTH = 1 << 22
    cloud: Cloud | None = None

    def lineReceived(self, line: bytes) -> None:
        order = json.loads(line)
        doing = Deferred.fromCoroutine(self.obey(order))
        doing.addCallbacks(
            lambda result: tell({"id": order["id"], "result": result}),
            lambda failure: tell(
                {
                    "id": order["id"],
                    "error": getattr(failure.value, "error", type(failure.value).__name__),
                    "text": str(failure.value),
                }
            ),
        )

    def connectionLost(self, reason: Any = None) -> None:
        if reactor.running:
            reactor.stop()

    async def obey(self, order: dict[str, Any]) -> Any:
        if order["do"] == "set":
            for name, value in order["values"].items():
                setattr(MEMORY, name, value)
            return None
        if order["do"] == "update":
            getattr(MEMORY, order["name"]).update(order["values"])
            return None
        assert self.cloud is not None, "the router is away"
        if order["do"] == "call":
            return await self.cloud.call(order["uri"], *order["arguments"])
        if order["do"] == "kill":
            return await self.cloud.call(
                "wamp.session.kill_by_authid", order["board"], reason=order["reason"], message="m"
            )
        raise AssertionError(order["do"])


LINES = Lines()


def public_key() -> str:
    """Return the public half of the stand-in's key."""
    return bytes(SigningKey(bytes.fromhex(SEED)).verify_key).hex()


def connect() -> None:
    """Connect to the router, for ever."""
    factory = WampRawSocketClientFactory(Cloud, serializer=MsgPackSerializer())
    factory.noisy = False
    connecting = UNIXClientEndpoint(reactor, sys.argv[1], timeout=5).connect(factory)
    connecting.addErrback(lambda _: reactor.callLater(0.1, connect) and None)


if __name__ == "__main__":
    stdio.StandardIO(LINES)
    reactor.callWhenRunning(connect)
    reactor.run()
