"""Who is asking, by Keystone: what is remembered, which scopes are taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1 import exceptions as ksa_exceptions
from keystonemiddleware.auth_token import InvalidToken

from iotronic_mec.api import keystone
from iotronic_mec.api.auth import ADDRESS_FAILURES, Credentials, Identity
from iotronic_mec.api.keystone import KeystoneAuthenticator, KeystoneUnavailable
from iotronic_mec.api.problem import ProjectNeeded, TooManyFailures
from iotronic_mec.clock import ManualClock
from iotronic_mec.conf import BadConfiguration, load_keystone, load_settings
from iotronic_mec.errors import Forbidden, Unauthenticated

CONFIGURATION = """\
[api]
auth_strategy = keystone
[keystone_authtoken]
www_authenticate_uri = http://keystone.test:5000/v3
auth_url = http://keystone.test:5000/v3
auth_type = password
username = iotronic
password = secret
project_name = service
user_domain_name = Default
project_domain_name = Default
"""

USER = "4af31ef8cf694db59e70d6e7e729e5b6"
PROJECT = "44a9936cac4b4fa6b32b0f36e0909014"
CATALOG = [{"type": "iot", "endpoints": []}]


def token(**changes: Any) -> dict[str, Any]:
    """Return what Keystone says of a token of Ann in project red."""
    said: dict[str, Any] = {
        "user": {"id": USER, "name": "ann", "domain": {"id": "default", "name": "Default"}},
        "project": {
            "id": PROJECT,
            "name": "red",
            "domain": {"id": "default", "name": "Default"},
        },
        "roles": [{"id": "1", "name": "Member"}],
        "methods": ["password"],
        "issued_at": "2020-01-01T00:00:00.000000Z",
        "expires_at": "2099-01-01T00:00:00.000000Z",
        "catalog": CATALOG,
    }
    said |= changes
    return {name: value for name, value in said.items() if value is not None}


class FakeKeystone:
    """Knows tokens by their text, and counts how often it is asked."""

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, Any]] = {"good": token()}
        self.asked: list[str] = []
        self.failure: Exception | None = None

    def verify_token(self, asked: str, allow_expired: bool = False) -> Mapping[str, Any]:
        """Return the token's data."""
        self.asked.append(asked)
        if self.failure is not None:
            raise self.failure
        if asked not in self.tokens:
            raise InvalidToken("no such token")
        return {"token": self.tokens[asked]}

    def invalidate(self) -> None:
        """Forget nothing."""


class Door:
    """The authenticator before a fake Keystone."""

    def __init__(self, folder: Path, more: str = "") -> None:
        (folder / "iotronic.conf").write_text(CONFIGURATION + more)
        self.clock = ManualClock()
        self.keystone = FakeKeystone()
        self.door = KeystoneAuthenticator(load_keystone(folder), self.clock)
        self.door._middleware._identity_server = self.keystone

    def knock(self, text: str = "good", **given: Any) -> Identity:
        """Authenticate with a token."""
        return self.door.authenticate(Credentials(token=text, **given))


@pytest.fixture
def door(tmp_path: Path) -> Door:
    """Give a door with the options as they are by default."""
    return Door(tmp_path)


def test_identity(door: Door) -> None:
    """User, project and roles come from Keystone; its ids get their dashes."""
    assert door.knock() == Identity(
        user="4af31ef8-cf69-4db5-9e70-d6e7e729e5b6",
        user_name="ann",
        project="44a9936c-ac4b-4fa6-b32b-0f36e0909014",
        roles=("member",),
    )


def test_ids_of_a_directory_stay(door: Door) -> None:
    """The longer id of a user from LDAP is left as it is."""
    door.keystone.tokens["good"]["user"]["id"] = "f" * 64

    assert door.knock().user == "f" * 64


def test_bearer_is_a_token(door: Door) -> None:
    """The same token is taken as Bearer."""
    found = door.door.authenticate(Credentials(authorization="Bearer good"))

    assert found.user_name == "ann"


@pytest.mark.parametrize("authorization", ["", "Basic YTpi", "Bearer", "Bearer  "])
def test_no_token(door: Door, authorization: str) -> None:
    """Without a token nobody is asked, passwords are not taken."""
    with pytest.raises(Unauthenticated, match="X-Auth-Token"):
        door.door.authenticate(Credentials(authorization=authorization))

    assert door.keystone.asked == []


@pytest.mark.parametrize("text", ["a b\x7f", "é", "x" * 40_000])
def test_tokens_that_cannot_be(door: Door, text: str) -> None:
    """What no token can be does not reach Keystone."""
    with pytest.raises(Unauthenticated):
        door.knock(text)

    assert door.keystone.asked == []


def test_remembered_for_a_while(door: Door) -> None:
    """A token is asked for once in token_cache_time, and refused after it when revoked."""
    door.knock()
    del door.keystone.tokens["good"]
    door.clock.advance(29)
    door.knock()

    door.clock.advance(2)

    with pytest.raises(Unauthenticated):
        door.knock()
    assert door.keystone.asked == ["good", "good"]


def test_a_refused_token_is_remembered_too(door: Door) -> None:
    """Who repeats a wrong token does not keep Keystone busy."""
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            door.knock("wrong")

    assert door.keystone.asked == ["wrong"]


def test_what_is_remembered_is_bounded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessed tokens push the oldest out and no more."""
    monkeypatch.setattr(keystone, "MAX_REMEMBERED", 3)
    for number in range(10):
        with pytest.raises(Unauthenticated):
            door.knock(f"guess-{number}")

    assert len(door.door._remembered._said) == 3


def test_an_expired_token_is_refused_though_remembered(door: Door) -> None:
    """The end that stands in the token counts, whatever is remembered."""
    door.knock()
    door.keystone.tokens["good"]["expires_at"] = "2020-01-02T00:00:00.000000Z"

    with pytest.raises(Unauthenticated):
        door.knock()


@pytest.mark.parametrize(
    "failure",
    [
        ksa_exceptions.ConnectFailure("down"),
        ksa_exceptions.RequestTimeout("slow"),
        ksa_exceptions.Unauthorized("our own password"),
        ksa_exceptions.EndpointNotFound("no catalogue"),
    ],
)
def test_keystone_away(door: Door, failure: Exception) -> None:
    """Where Keystone cannot be asked, the answer is 503 and nothing is remembered."""
    door.keystone.failure = failure
    with pytest.raises(KeystoneUnavailable):
        door.knock()

    door.keystone.failure = None

    assert door.knock().user_name == "ann"


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"domain": {"id": "default", "name": "Default"}},
        {"system": {"all": True}},
        {"system": {}, "roles": [{"id": "2", "name": "admin"}]},
    ],
)
def test_scopes_that_are_refused(door: Door, scope: dict[str, Any]) -> None:
    """Unscoped, for a domain, or for the system without the role admin: 403."""
    door.keystone.tokens["good"] = token(**{"project": None, **scope})

    with pytest.raises(ProjectNeeded):
        door.knock()


def test_the_operator_of_the_system(door: Door) -> None:
    """Admin of the whole system is an administrator, in no project."""
    roles = [{"id": "2", "name": "admin"}]
    door.keystone.tokens["good"] = token(project=None, system={"all": True}, roles=roles)

    found = door.knock()

    assert (found.project, found.roles) == ("", ("admin",))


def test_upstreams_administrator(door: Door) -> None:
    """The role administrator counts as admin."""
    door.keystone.tokens["good"] = token(roles=[{"id": "3", "name": "administrator"}])

    assert "admin" in door.knock().roles


@pytest.mark.parametrize("named", ["red", PROJECT, "44a9936c-ac4b-4fa6-b32b-0f36e0909014"])
def test_naming_the_own_project(door: Door, named: str) -> None:
    """X-IoT-Project may name the token's project, in any spelling, and no other."""
    assert door.knock(project=named).user_name == "ann"
    with pytest.raises(Forbidden, match="X-IoT-Project"):
        door.knock(project="blue")


def test_access_rules(door: Door) -> None:
    """An application credential for one route opens that route only."""
    rules = [{"id": "1", "service": "iot", "method": "GET", "path": "/v1/boards"}]
    restricted = {"id": "c", "name": "c", "restricted": True, "access_rules": rules}
    door.keystone.tokens["good"] = token(application_credential=restricted)

    assert door.knock(method="GET", path="/v1/boards").user_name == "ann"
    for method, path in (("POST", "/v1/boards"), ("GET", "/v1/plugins")):
        with pytest.raises(Unauthenticated):
            door.knock(method=method, path=path)


def test_guesses_do_not_reach_keystone_for_ever(door: Door) -> None:
    """An address that guesses is told to wait; a token that is known passes."""
    door.knock(address="10.0.0.1")
    for number in range(ADDRESS_FAILURES):
        with pytest.raises(Unauthenticated):
            door.knock(f"guess-{number}", address="10.0.0.1")

    with pytest.raises(TooManyFailures):
        door.knock("one more", address="10.0.0.1")

    assert "one more" not in door.keystone.asked
    assert door.knock(address="10.0.0.1").user_name == "ann"


def test_challenge(door: Door) -> None:
    """A 401 says which Keystone to ask."""
    assert door.door.challenge == 'Keystone uri="http://keystone.test:5000/v3"'


@pytest.mark.parametrize(
    ("dropped", "more"),
    [
        ("auth_type", ""),
        ("www_authenticate_uri", ""),
        ("", "token_cache_time = 301\n"),
        ("", "token_cache_time = -1\n"),
        ("", "http_connect_timeout = 0\n"),
    ],
)
def test_wrong_options(tmp_path: Path, dropped: str, more: str) -> None:
    """Options that are missing or out of range are named before anything starts."""
    lines = [line for line in CONFIGURATION.splitlines() if not dropped or dropped not in line]
    (tmp_path / "iotronic.conf").write_text("\n".join(lines) + "\n" + more)

    with pytest.raises(BadConfiguration) as caught:
        load_settings(tmp_path, public_url="", content_url="", wamp_url="")

    assert (dropped or more.split(" ")[0]) in caught.value.message
