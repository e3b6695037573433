"""What sessions of the outside roles may not do, each with what they may."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallOptions, PublishOptions, RegisterOptions, SubscribeOptions

from iotronic_mec.cmd import router
from lightning_agent.protocol import names
from tests.wamp.bench import Identity, in_reactor, join
from tests.wamp.client import Client
from tests.wamp.conftest import Cloud

pytestmark = [pytest.mark.wamp, pytest.mark.slow]

FORGED = [{"session": 1, "authid": "wamp-agent", "authrole": "service"}]
NOT_AUTHORIZED = "wamp.error.not_authorized"


def refusal(work: Callable[[], Any]) -> str:
    """Return the URI some work is refused with."""
    with pytest.raises(ApplicationError) as caught:
        in_reactor(work)
    return str(caught.value.error)


def add_code(cloud: Cloud, **fields: Any) -> str:
    """Add an enrolment code for a new board."""
    code = secrets.token_hex(12)
    digest = hmac.digest(cloud.front.secret, b"code\0" + code.encode(), hashlib.sha256).hex()
    cloud.core.codes[digest] = {
        "row": len(cloud.core.codes) + 1,
        "board": cloud.core.add_board(None),
        "used": False,
        "public_key": None,
        **fields,
    }
    return code


@pytest.fixture
def board(small_cloud: Cloud, identity: Identity) -> Client:
    """Give a board's session."""
    return join(small_cloud.url, identity.login())


@pytest.fixture
def enrolling(small_cloud: Cloud) -> Client:
    """Give a session that holds an enrolment code."""
    ticket = add_code(small_cloud)
    login = {"method": "ticket", "authid": "code", "ticket": ticket, "seed": "ab" * 32}
    return join(small_cloud.url, login)


def report(client: Client, **options: Any) -> Any:
    """Call what boards report with."""
    return client.call(names.REPORT, {}, options=CallOptions(**options) if options else None)


def enrol(client: Client, **options: Any) -> Any:
    """Call what codes are for."""
    key = client.login["seed"]
    message = {"public_key": key, "protocol": 1}
    return client.call(names.ENROL, message, options=CallOptions(**options) if options else None)


def test_a_board_cannot_forge_the_caller_of_a_call(board: Client) -> None:
    """The same report passes as itself and is refused in another's name."""
    assert refusal(lambda: report(board, forward_for=FORGED)) == NOT_AUTHORIZED

    assert in_reactor(lambda: report(board)) == {}


def test_a_code_cannot_forge_the_caller_of_a_call(enrolling: Client) -> None:
    """The same enrolment passes as itself and is refused in another's name."""
    assert refusal(lambda: enrol(enrolling, forward_for=FORGED)) == NOT_AUTHORIZED

    assert set(in_reactor(lambda: enrol(enrolling))) == {
        "board",
        "name",
        "project",
        "lease_key",
    }


def test_a_board_cannot_forge_the_publisher_of_an_event(board: Client, identity: Identity) -> None:
    """The same event passes as itself and is refused in another's name."""
    topic = names.board_prefix(identity.uuid) + "events"

    def publish(**options: Any) -> Any:
        return board.publish(topic, {}, options=PublishOptions(acknowledge=True, **options))

    assert refusal(lambda: publish(forward_for=FORGED)) == NOT_AUTHORIZED

    assert in_reactor(publish).id > 0


def test_forging_works_where_no_authorizer_looks(small_cloud: Cloud) -> None:
    """Under a role with static permissions the callee is shown the forged identity."""
    control = join(
        small_cloud.router.control_url, {"method": "anonymous", "authid": None, "seed": "cd" * 32}
    )
    uri = f"test.who.{secrets.token_hex(4)}"

    def who(details: Any) -> str:
        return str(details.caller_authid)

    in_reactor(lambda: control.register(who, uri, RegisterOptions(details_arg="details")))

    shown = in_reactor(lambda: control.call(uri, options=CallOptions(forward_for=FORGED)))

    assert shown == "wamp-agent"


def test_a_verdict_is_not_served_to_another_session(
    small_cloud: Cloud, identity: Identity, other: Identity
) -> None:
    """After one board may, the other may not, and the other way round."""
    first = join(small_cloud.url, identity.login())
    second = join(small_cloud.url, other.login())

    for owner, stranger, uuid in ((first, second, identity.uuid), (second, first, other.uuid)):
        in_reactor(lambda owner=owner, uuid=uuid: owner.serve_board(uuid, {}))
        refused = refusal(lambda to=stranger, uuid=uuid: to.serve_board(uuid, {}))
        assert refused == NOT_AUTHORIZED
        in_reactor(lambda owner=owner, uuid=uuid: owner.serve_board(uuid, {}))


FOREIGN = {
    "its own prefix without the dot": ("iotronic.board.{own}", "prefix"),
    "all boards": ("iotronic.board.", "prefix"),
    "everything of ours": ("iotronic.", "prefix"),
    "another board": ("iotronic.board.{another}.", "prefix"),
    "a wildcard over boards": ("iotronic.board..device.ping", "wildcard"),
    "a wildcard below itself": ("iotronic.board.{own}..ping", "wildcard"),
    "the reports": (names.REPORT, "exact"),
    "the authenticator": (names.AUTH_BOARD, "exact"),
}
"""What a board must not register or subscribe: URI and match."""


@pytest.mark.parametrize("what", FOREIGN)
def test_a_board_registers_and_subscribes_only_below_its_prefix(
    board: Client, identity: Identity, other: Identity, what: str
) -> None:
    """Everything else is refused; what it may is the last line."""
    pattern, match = FOREIGN[what]
    uri = pattern.format(own=identity.uuid, another=other.uuid)
    takes = RegisterOptions(match=match, force_reregister=True)
    listens = SubscribeOptions(match=match)

    refused_to_register = refusal(lambda: board.register(print, uri, takes))
    refused_to_subscribe = refusal(lambda: board.subscribe(print, uri, listens))

    assert (refused_to_register, refused_to_subscribe) == (NOT_AUTHORIZED, NOT_AUTHORIZED)
    assert in_reactor(lambda: board.serve_board(identity.uuid, {})).id > 0


def test_a_board_calls_reports_only(
    small_cloud: Cloud, board: Client, identity: Identity, other: Identity
) -> None:
    """Not another board, not the authenticators, not the router's own procedures."""
    victim = join(small_cloud.url, other.login())
    in_reactor(lambda: victim.serve_board(other.uuid, {"device.ping": {}}))
    calls = (
        names.board_prefix(other.uuid) + names.DEVICE_PING,
        names.AUTH_BOARD,
        names.ENROL,
        "wamp.session.list",
        "wamp.session.kill",
    )

    refused = {refusal(lambda uri=uri: board.call(uri, {})) for uri in calls}

    assert refused == {NOT_AUTHORIZED}
    assert victim.invocations == []


def test_a_code_does_nothing_but_enrol(enrolling: Client, identity: Identity) -> None:
    """No report, no prefix, no event, no subscription."""
    prefix = names.board_prefix(identity.uuid)
    publish = PublishOptions(acknowledge=True)
    attempts: tuple[Callable[[], Any], ...] = (
        lambda: report(enrolling),
        lambda: enrolling.serve_board(identity.uuid, {}),
        lambda: enrolling.publish(prefix + "x", options=publish),
        lambda: enrolling.subscribe(print, prefix + "x"),
        lambda: enrolling.call("wamp.session.list"),
    )

    assert {refusal(attempt) for attempt in attempts} == {NOT_AUTHORIZED}


def test_a_stranger_cannot_use_the_private_socket(small_cloud: Cloud) -> None:
    """The configuration lets one key in there, and nobody anonymous."""
    written = router.configuration(router.RouterSettings(public_key="ab" * 32))

    private = written["workers"][0]["transports"][0]

    assert list(private["auth"]) == ["cryptosign"]
    assert small_cloud.router.state_dir.crossbar.stat().st_mode & 0o077 == 0
