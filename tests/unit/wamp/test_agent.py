"""The wamp agent's own part: pages of who is online, and keys that change."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any, cast
from unittest.mock import create_autospec

import pytest
from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from iotronic_mec.bridge.local import Bridge
from iotronic_mec.wamp.agent import AgentSettings, WampAgent
from iotronic_mec.wamp.directory import Entry
from lightning_agent.protocol import messages
from lightning_agent.protocol.errors import CLOSE_DELETED, CLOSE_ENROLLED, CLOSE_RESTART

BOARD = "0d07340a-7862-4681-adc6-d4acaf9a0554"


class FakeSession:
    """Notes what the router is asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, str]] = []

    def call(self, uri: str, target: Any, *, reason: str, message: str) -> Deferred[None]:
        """Take a call; the message is for people."""
        assert message
        self.calls.append((uri, target, reason))
        return succeed(None)


@pytest.fixture
def clock() -> Clock:
    """Give a reactor that stands still."""
    return Clock()


@pytest.fixture
def session() -> FakeSession:
    """Give the session of the agent."""
    return FakeSession()


@pytest.fixture
def agent(clock: Clock, session: FakeSession) -> WampAgent:
    """Give an agent that has joined and knows one board with an old key."""
    settings = AgentSettings(
        uuid="a", url="ws://x", socket=Path("/nowhere"), seed=b"s" * 32, secret=b"k" * 32
    )
    made = WampAgent(cast(ReactorBase, clock), create_autospec(Bridge), settings)
    made._session = cast(Any, session)
    made.directory.put(Entry(board=BOARD, public_key="old", project="p", name="b"))
    return made


def result(work: Awaitable[Any]) -> Any:
    """Return what a coroutine gives that waits for nothing."""
    got: list[Any] = []
    Deferred.fromCoroutine(cast(Any, work)).addCallback(got.append)
    return got[0]


def test_enrolling_again_stops_the_old_key(
    agent: WampAgent, session: FakeSession, clock: Clock
) -> None:
    """With the new key's enrolment the old one opens nothing, and its session ends."""
    answer = messages.Enrolled(board=BOARD, name="b", project="p")

    agent._enrolled(77, "new", answer)

    found = agent.directory.find(BOARD)
    assert found is not None
    assert found.public_key == "new"
    assert session.calls == [("wamp.session.kill_by_authid", BOARD, CLOSE_RESTART)]
    clock.advance(1)
    assert session.calls[1:] == [("wamp.session.kill", 77, CLOSE_ENROLLED)]


def test_enrolling_again_with_the_same_key(agent: WampAgent, session: FakeSession) -> None:
    """A repeated enrolment ends no session of the board."""
    answer = messages.Enrolled(board=BOARD, name="b", project="p")

    agent._enrolled(77, "old", answer)

    assert session.calls == []


def test_a_key_told_by_the_core(agent: WampAgent, session: FakeSession) -> None:
    """A key that another agent's enrolment changed ends the session here as well."""
    told = {"board": BOARD, "public_key": "new", "project": "p", "name": "b"}

    result(agent._put(told, 5.0))

    assert session.calls == [("wamp.session.kill_by_authid", BOARD, CLOSE_RESTART)]


def test_online_is_told_in_pages(agent: WampAgent) -> None:
    """The last page says that it is the last."""
    agent.presence._online.update({"c": 3, "a": 1, "b": 2})

    first = result(agent._tell_online({"after": "", "limit": 2}, 5.0))
    last = result(agent._tell_online({"after": first["next"], "limit": 2}, 5.0))

    assert first == {"boards": {"a": 1, "b": 2}, "next": "b"}
    assert last == {"boards": {"c": 3}, "next": None}


def log_in(agent: WampAgent, between: Any = lambda: None, role: str = "board") -> None:
    """Have a session show its key, let something happen, and let it join."""
    details = {"session": 5, "authextra": {"pubkey": "old"}}
    result(agent.authenticators.board("iotronic", BOARD, details))
    between()
    agent._check_key(
        {"session": 5, "authid": BOARD, "authrole": role}, agent.authenticators.joined(5)
    )


def test_a_login_with_a_key_that_is_replaced_meanwhile(
    agent: WampAgent, session: FakeSession
) -> None:
    """One whose key counted when it was asked and does not when it joins is ended."""
    agent.directory.finish_reload([{"uuid": BOARD, "public_key": "old"}])

    log_in(
        agent,
        lambda: agent.directory.put(Entry(board=BOARD, public_key="new", project="p", name="b")),
    )

    assert session.calls == [("wamp.session.kill", 5, CLOSE_RESTART)]


def test_a_login_of_a_board_that_is_deleted_meanwhile(
    agent: WampAgent, session: FakeSession
) -> None:
    """A board that is not known any more when it joins is ended."""
    agent.directory.finish_reload([{"uuid": BOARD, "public_key": "old"}])

    log_in(agent, lambda: agent.directory.remove(BOARD))

    assert session.calls == [("wamp.session.kill", 5, CLOSE_DELETED)]


def test_a_login_whose_key_counts_stays(agent: WampAgent, session: FakeSession) -> None:
    """Control: nothing changed meanwhile."""
    agent.directory.finish_reload([{"uuid": BOARD, "public_key": "old"}])

    log_in(agent)

    assert session.calls == []
    agent.stop()
