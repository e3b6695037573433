"""A WAMP client that is not what it says; a process of its own.

``python -m tests.e2e.intruder`` reads one JSON object from its standard input
(``url``, ``board``, ``seed``, ``shown_public_key``) and prints ``{"refused":
URI}``, or ``{"refused": null}`` when it was let in.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

from nacl.signing import SigningKey

LIMIT_S = 30.0


class Intruder:
    """Tries to join as a board.

    :param url: the public WAMP address
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def join_as_board(
        self, board: str, key: SigningKey, shown_public_key: str | None = None
    ) -> str | None:
        """Return the URI of the refusal, or ``None`` when it was let in."""
        order = {
            "url": self._url,
            "board": board,
            "seed": bytes(key).hex(),
            "shown_public_key": shown_public_key,
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.e2e.intruder"],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            check=True,
            timeout=LIMIT_S,
        )
        said = re.search(r'\{"refused".*?\}', done.stdout)
        assert said is not None, done.stdout + done.stderr
        refused: str | None = json.loads(said.group())["refused"]
        return refused


def main() -> None:
    """Read the order, try, and print how it ended."""
    # the reactor is loaded only in this process, never in the tests'
    from autobahn.twisted.wamp import ApplicationRunner, ApplicationSession
    from autobahn.wamp.types import Challenge, CloseDetails, SessionDetails
    from twisted.internet import reactor

    order = json.load(sys.stdin)
    key = SigningKey(bytes.fromhex(order["seed"]))
    shown = order["shown_public_key"] or bytes(key.verify_key).hex()
    ended: list[str | None] = []

    def end(refused: str | None) -> None:
        if not ended:
            ended.append(refused)
            # autobahn's logging takes print over; the descriptor stays ours
            os.write(1, json.dumps({"refused": refused}).encode() + b"\n")
            reactor.callLater(0, reactor.stop)

    class Session(ApplicationSession):  # type: ignore[misc]
        """Joins with cryptosign as somebody else."""

        def onConnect(self) -> None:
            """Say who we pretend to be."""
            self.join("iotronic", ["cryptosign"], order["board"], authextra={"pubkey": shown})

        def onChallenge(self, challenge: Challenge) -> str:
            """Sign with the key we really have."""
            data = bytes.fromhex(challenge.extra["challenge"])
            return bytes(key.sign(data)).hex()

        def onJoin(self, details: SessionDetails) -> None:
            """Note that we are in."""
            end(None)

        def onLeave(self, details: CloseDetails) -> None:
            """Note that we are not."""
            end(details.reason)
            self.disconnect()

        def onDisconnect(self) -> None:
            """Note a closed connection."""
            end("transport_lost")

    runner: Any = ApplicationRunner(order["url"], "iotronic")
    reactor.callLater(LIMIT_S - 5, end, "no_answer")
    runner.run(Session, auto_reconnect=False)


if __name__ == "__main__":
    main()
