"""Sessions that die, freeze, come twice, or are refused."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallOptions
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from iotronic_mec import errors
from iotronic_mec.context import system_context
from iotronic_mec.wamp import authenticate
from iotronic_mec.wamp.session import RouterLink, Session
from lightning_agent.protocol import names
from lightning_agent.protocol.errors import CLOSE_DELETED, CLOSE_ENROLLED, CLOSE_SUPERSEDED
from tests.wamp.bench import BoardProcess, Identity, in_reactor, join, soon
from tests.wamp.client import Client
from tests.wamp.conftest import Cloud
from tests.wamp.test_rights import add_code, refusal

pytestmark = [pytest.mark.wamp, pytest.mark.slow]


@pytest.fixture
def process(small_cloud: Cloud, identity: Identity) -> Iterator[BoardProcess]:
    """Give a board in a process of its own; its echo blocks for ever."""
    board = BoardProcess(small_cloud.url, identity)
    yield board
    board.kill()


@pytest.fixture
def healthy(small_cloud: Cloud, other: Identity) -> Client:
    """Give another board that answers."""
    client = join(small_cloud.url, other.login())
    in_reactor(lambda: client.serve_board(other.uuid, {"device.ping": {"from": "healthy"}}))
    return client


def call(cloud: Cloud, board: str, procedure: str = names.DEVICE_PING, **options: Any) -> Any:
    """Call a board from the core."""
    return cloud.core.call_board(cloud.front.uuid, board, procedure, **options)


def join_error(cloud: Cloud, login: dict[str, Any], realm: str = names.REALM) -> str:
    """Return the URI a login is refused with."""
    with pytest.raises(ApplicationError) as caught:
        join(cloud.url, login, realm)
    return str(caught.value.error)


def test_a_call_reaches_the_board(small_cloud: Cloud, healthy: Client, other: Identity) -> None:
    """From the core's threads through the bridge and the router, and back."""
    assert call(small_cloud, other.uuid) == {"from": "healthy"}


def test_a_board_that_is_away_is_offline(small_cloud: Cloud, identity: Identity) -> None:
    """The router's answer becomes ours."""
    with pytest.raises(errors.BoardOffline):
        call(small_cloud, identity.uuid)


def test_our_session_outlives_a_callee_killed_in_an_expired_call(
    small_cloud: Cloud, process: BoardProcess, identity: Identity, other: Identity, healthy: Client
) -> None:
    """The wait ends by our timer, the board dies later, and nothing else notices."""
    session = small_cloud.front.agent.link._session

    with pytest.raises(errors.BoardTimeout):
        call(small_cloud, identity.uuid, names.DEVICE_ECHO, timeout_s=0.4)
    process.kill()

    soon(lambda: identity.uuid not in small_cloud.front.agent.presence.online)
    assert call(small_cloud, other.uuid) == {"from": "healthy"}
    assert small_cloud.front.agent.link._session is session


def test_a_cancelled_call_would_have_cost_the_session(
    small_cloud: Cloud, process: BoardProcess, identity: Identity
) -> None:
    """The trap is real: a session that cancels loses its connection."""
    lost: list[str] = []
    sessions: list[Session] = []
    link = RouterLink(
        reactor,
        small_cloud.router.state_dir.router_socket,
        small_cloud.router.seed,
        joined=sessions.append,
        left=lambda: lost.append("left"),
    )
    in_reactor(link.start)
    soon(lambda: sessions)
    uri = names.board_procedure(identity.uuid, names.DEVICE_ECHO)

    def call_and_cancel() -> None:
        waiting = sessions[0].call(uri, {}, options=CallOptions(timeout=20))
        waiting.addErrback(lambda _: None)
        reactor.callLater(0.3, waiting.cancel)

    in_reactor(call_and_cancel)
    in_reactor(lambda: _after(0.6))
    process.kill()

    soon(lambda: lost)
    in_reactor(link.stop)


def test_a_board_that_dies_in_a_call_is_lost(
    small_cloud: Cloud, process: BoardProcess, identity: Identity
) -> None:
    """The caller is told at once, not at its time limit."""
    in_reactor(lambda: reactor.callLater(0.4, process.process.kill) and None)

    with pytest.raises(errors.BoardLost):
        call(small_cloud, identity.uuid, names.DEVICE_ECHO, timeout_s=15.0)


def test_a_new_session_takes_over_from_a_frozen_one(
    small_cloud: Cloud, process: BoardProcess, identity: Identity
) -> None:
    """Calls reach the new one at once; the old one is told why when it thaws."""
    soon(lambda: identity.uuid in small_cloud.front.agent.presence.online)
    old = small_cloud.front.agent.presence.online[identity.uuid]
    process.signal(signal.SIGSTOP)
    new = join(small_cloud.url, identity.login())

    in_reactor(lambda: new.serve_board(identity.uuid, {"device.ping": {"from": "new"}}))

    assert call(small_cloud, identity.uuid) == {"from": "new"}
    process.signal(signal.SIGCONT)
    assert json.loads(process.line()) == {"left": CLOSE_SUPERSEDED}
    soon(lambda: small_cloud.front.agent.presence.online.get(identity.uuid) not in (None, old))
    assert call(small_cloud, identity.uuid) == {"from": "new"}


def test_without_force_a_frozen_session_keeps_its_prefix(
    small_cloud: Cloud, process: BoardProcess, identity: Identity
) -> None:
    """What the option is for: the plain registration is refused meanwhile."""
    process.signal(signal.SIGSTOP)
    new = join(small_cloud.url, identity.login())

    refused = refusal(lambda: new.serve_board(identity.uuid, {}, force=False))

    assert refused == "wamp.error.procedure_already_exists"


def test_the_wamp_agent_goes_and_comes_back(
    small_cloud: Cloud, healthy: Client, identity: Identity, other: Identity
) -> None:
    """Logins fail meanwhile, sessions live on, and are adopted on return."""
    small_cloud.front.stop()
    soon(lambda: join_error(small_cloud, identity.login()) == "wamp.error.no_such_procedure")

    small_cloud.front.start()

    join(small_cloud.url, identity.login())
    assert small_cloud.front.agent.presence.online[other.uuid] == healthy.session_id
    assert call(small_cloud, other.uuid) == {"from": "healthy"}


def test_the_core_goes_and_comes_back(
    small_cloud: Cloud, healthy: Client, other: Identity
) -> None:
    """The directory is read again; a board deleted meanwhile is put out."""
    del small_cloud.core.boards[other.uuid]

    small_cloud.core.restart()

    assert in_reactor(lambda: healthy.left) == CLOSE_DELETED
    soon(lambda: small_cloud.front.bridge.up)


def test_a_code_lets_its_board_in_once(small_cloud: Cloud) -> None:
    """Another key is refused and counted; the same key may ask again."""
    code = add_code(small_cloud)
    login = {"method": "ticket", "authid": "code", "ticket": code, "seed": "12" * 32}
    first = join(small_cloud.url, login)
    key = Identity.public_key_of(login["seed"])
    message = {"public_key": key, "protocol": 1}

    answer = in_reactor(lambda: first.call(names.ENROL, message))

    assert in_reactor(lambda: first.left) == CLOSE_ENROLLED
    thief = join_error(small_cloud, {**login, "seed": "34" * 32})
    assert thief == "iotronic.error.code_unknown_or_used"
    again = join(small_cloud.url, login)
    assert in_reactor(lambda: again.call(names.ENROL, message)) == answer
    row = next(row["row"] for row in small_cloud.core.codes.values() if row["public_key"] == key)
    soon(lambda: small_cloud.core.refused(f"code:{row}") == {"code_used": 1})
    board = {"method": "cryptosign", "authid": answer["board"], "seed": login["seed"]}
    assert join(small_cloud.url, board).is_connected()


@pytest.mark.parametrize(
    "overrides",
    [
        {"ticket": "no-such-code"},
        {"authid": "code:1"},
        {"ticket": "short"},
    ],
)
def test_a_wrong_code_is_refused_with_one_reason(
    small_cloud: Cloud, overrides: dict[str, Any]
) -> None:
    """Whatever is wrong with it, the answer is the same."""
    login = {"method": "ticket", "authid": "code", "ticket": add_code(small_cloud)}

    refused = join_error(small_cloud, {**login, "seed": "56" * 32, **overrides})

    assert refused == "iotronic.error.code_unknown_or_used"


def test_another_boards_key_is_refused(
    small_cloud: Cloud, identity: Identity, other: Identity
) -> None:
    """The second board under another's uuid; the audit is told why."""
    refused = join_error(small_cloud, identity.login(seed=other.seed))

    assert refused == "iotronic.error.key_mismatch"
    soon(lambda: small_cloud.core.refused(identity.uuid) == {"wrong_key": 1})


def test_a_signature_by_another_key_is_refused(
    small_cloud: Cloud, identity: Identity, other: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It offers the right key and signs with a wrong one: counted by its absence."""
    monkeypatch.setattr(authenticate, "CHALLENGE_LIMIT_S", 0.5)

    refused = join_error(small_cloud, identity.login(seed=other.seed, pubkey=identity.public_key))

    assert refused == "wamp.error.not_authorized"
    soon(lambda: small_cloud.core.refused(identity.uuid) == {"challenge_failed": 1})


def test_a_join_in_time_is_no_failed_challenge(
    small_cloud: Cloud, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positive control of the count."""
    monkeypatch.setattr(authenticate, "CHALLENGE_LIMIT_S", 0.3)

    join(small_cloud.url, identity.login())
    in_reactor(lambda: _after(0.5))

    assert small_cloud.front.agent.authenticators._challenges == {}
    assert small_cloud.core.refused(identity.uuid) == {}


def test_another_realm_is_refused(small_cloud: Cloud, identity: Identity) -> None:
    """The router would have let it in under ours."""
    refused = join_error(small_cloud, identity.login(), realm="nope")

    assert refused == "iotronic.error.board_unknown"


def test_a_deleted_board_is_put_out_and_kept_out(
    small_cloud: Cloud, healthy: Client, other: Identity
) -> None:
    """Its session is closed with the reason, and the next login refused."""
    topic = f"wamp.{small_cloud.front.uuid}"
    link = small_cloud.core.server.find(topic)
    assert link is not None

    link.call(topic, "directory", "remove", {"board": other.uuid}, system_context(), 5.0)

    assert in_reactor(lambda: healthy.left) == CLOSE_DELETED
    assert join_error(small_cloud, other.login()) == "iotronic.error.board_unknown"
    soon(lambda: small_cloud.core.refused(other.uuid) == {"board_unknown": 1})


def test_a_message_over_the_limit_is_not_sent(
    small_cloud: Cloud, healthy: Client, other: Identity
) -> None:
    """It is refused before the router would close a session for it."""
    with pytest.raises(errors.TooLarge):
        call(small_cloud, other.uuid, message={"say": "x" * 1_048_570})

    assert call(small_cloud, other.uuid) == {"from": "healthy"}


def test_an_answer_over_the_limit_fails_the_call_only(
    small_cloud: Cloud, identity: Identity
) -> None:
    """The board stays, and so do we."""
    board = join(small_cloud.url, identity.login())
    answers = {"device.echo": {"say": "x" * 2_000_000}, "device.ping": {}}
    in_reactor(lambda: board.serve_board(identity.uuid, answers))

    with pytest.raises(errors.TooLarge):
        call(small_cloud, identity.uuid, names.DEVICE_ECHO)

    assert call(small_cloud, identity.uuid) == {}


def test_a_board_cannot_end_our_session_with_an_odd_error(
    small_cloud: Cloud, identity: Identity
) -> None:
    """Keywords named like a constructor's parameters would raise in autobahn."""

    def raise_odd(_: Any) -> None:
        error = ApplicationError("iotronic.error.busy", "odd")
        error.kwargs = {"error": "x", "self": "y"}
        raise error

    session = small_cloud.front.agent.link._session
    board = join(small_cloud.url, identity.login())
    answers = {"device.echo": raise_odd, "device.ping": {}}
    in_reactor(lambda: board.serve_board(identity.uuid, answers))

    with pytest.raises(errors.Error) as caught:
        call(small_cloud, identity.uuid, names.DEVICE_ECHO)

    assert caught.value.to_wire()["code"] == "iotronic.error.busy"
    assert call(small_cloud, identity.uuid) == {}
    assert small_cloud.front.agent.link._session is session


def test_presence_is_told_in_order(small_cloud: Cloud, identity: Identity) -> None:
    """Online with the registration, offline with the end of the session."""
    board = join(small_cloud.url, identity.login())
    in_reactor(lambda: board.serve_board(identity.uuid, {}))
    soon(lambda: changes_of(small_cloud, identity) == [True])

    in_reactor(board.leave)

    soon(lambda: changes_of(small_cloud, identity) == [True, False])


def changes_of(cloud: Cloud, identity: Identity) -> list[bool]:
    """Return what the core was told of a board's presence."""
    return [
        change["online"]
        for told in cloud.core.heard("presence")
        for change in told["changes"]
        if change["board"] == identity.uuid
    ]


def _after(seconds: float) -> Deferred[None]:
    waited: Deferred[None] = Deferred()
    reactor.callLater(seconds, waited.callback, None)
    return waited
