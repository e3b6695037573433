"""A WAMP client of an outside role, in this process or as one that can be killed.

Started as a script (``python -m tests.wamp.client URL UUID SEED``) it serves a
board's prefix, prints ``ready`` and later the reason it was closed for. Its
``device.echo`` never answers and blocks the process, ``device.ping`` answers.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from autobahn.twisted.wamp import ApplicationSession
from autobahn.twisted.websocket import WampWebSocketClientFactory
from autobahn.wamp.cryptosign import CryptosignKey
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.serializer import MsgPackSerializer
from autobahn.wamp.types import ComponentConfig, RegisterOptions
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from lightning_agent.protocol import names


class Client(ApplicationSession):
    """One session; ``joined`` and ``left`` fire once each.

    :param login: ``method``, ``authid``, and ``ticket`` or ``seed``; ``pubkey``
        overrides the key that is offered
    """

    def __init__(self, realm: str, login: dict[str, Any]) -> None:
        super().__init__(ComponentConfig(realm=realm))
        self.login = login
        self.joined: Deferred[Any] = Deferred()
        self.left: Deferred[str] = Deferred()
        self.invocations: list[str] = []

    def onConnect(self) -> None:
        seed = self.login.get("seed")
        extra = {"pubkey": CryptosignKey.from_bytes(bytes.fromhex(seed)).public_key()}
        extra["pubkey"] = self.login.get("pubkey", extra["pubkey"])
        method = self.login["method"]
        self.join(self.config.realm, [method], self.login.get("authid"), authextra=extra)

    def onChallenge(self, challenge: Any) -> Any:
        if challenge.method == "ticket":
            return self.login["ticket"]
        key = CryptosignKey.from_bytes(bytes.fromhex(self.login["seed"]))
        return key.sign_challenge(challenge)

    def onJoin(self, details: Any) -> None:
        self.joined.callback(self)

    def onLeave(self, details: Any) -> None:
        if not self.joined.called:
            self.joined.errback(ApplicationError(details.reason, details.message))
        self.left.callback(details.reason)
        if self._transport:
            self.disconnect()

    def onDisconnect(self) -> None:
        if not self.joined.called:
            self.joined.errback(ApplicationError("test.connection_lost"))

    def onUserError(self, fail: Any, msg: str) -> None:
        """Say nothing: tests raise on purpose."""

    async def serve_board(self, uuid: str, answers: dict[str, Any], force: bool = True) -> Any:
        """Register the board's prefix; each answer is a value or a function."""

        def dispatch(message: Any, details: Any) -> Any:
            procedure = details.procedure.removeprefix(names.board_prefix(uuid))
            self.invocations.append(procedure)
            answer = answers[procedure]
            return answer(message) if callable(answer) else answer

        options = RegisterOptions(
            match="prefix", details_arg="details", force_reregister=force or None
        )
        return await self.register(dispatch, names.board_prefix(uuid), options)


def connect(url: str, login: dict[str, Any], realm: str = names.REALM) -> Deferred[Client]:
    """Join; fires with the client, or fails with the router's refusal."""
    client = Client(realm, login)
    factory = WampWebSocketClientFactory(lambda: client, url, serializers=[MsgPackSerializer()])
    factory.setProtocolOptions(openHandshakeTimeout=20)
    port = int(url.split(":")[2].split("/")[0])
    reactor.connectTCP("127.0.0.1", port, factory)
    return client.joined


def main(url: str, uuid: str, seed: str) -> None:
    """Serve a board until killed."""

    async def serve() -> None:
        login = {"method": "cryptosign", "authid": uuid, "seed": seed}
        client = await connect(url, login)
        await client.serve_board(
            uuid,
            {
                "device.ping": {"from": "process"},
                "device.echo": lambda _: time.sleep(60),
            },
        )
        client.left.addCallback(lambda reason: print(json.dumps({"left": reason}), flush=True))
        print("ready", flush=True)

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(serve()))
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:4])
