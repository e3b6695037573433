"""B3: a cloud whose users are a real Keystone's, from outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from iotronic_mec.sdk import NewBoard, errors
from tests.e2e.cloud import wait_for
from tests.e2e.real_keystone import REGION, Keystone, KeystoneCloud, Person

CACHE_S = 2
"""How long the cloud of these tests remembers a token, seconds."""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def cloud(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeystoneCloud]:
    """Start a cloud that asks Keystone."""
    made = KeystoneCloud(tmp_path_factory.mktemp("b3"), keystone, token_cache_time=CACHE_S)
    try:
        made.start()
        yield made
    finally:
        left = made.stop()
    assert left == [], f"processes that did not end with the cloud: {left}"


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Users of two projects."""

    ann: Person
    rita: Person
    bob: Person


@pytest.fixture(scope="module")
def people(keystone: Keystone) -> People:
    """Make projects red and blue: Ann and Rita, who reads, in red; Bob in blue."""
    keystone.make_project("red")
    keystone.make_project("blue")
    return People(
        ann=keystone.make_user("ann", "red", "member"),
        rita=keystone.make_user("rita", "red", "reader"),
        bob=keystone.make_user("bob", "blue", "member"),
    )


def run(program: str, *arguments: str, code: int = 0, **environ: str) -> str:
    """Run a program of ours with nothing but these variables; return what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        env={**kept, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def ask(
    cloud: KeystoneCloud, token: str, path: str = "/v1/boards", method: str = "GET", **sends: Any
) -> requests.Response:
    """Make one call with a token."""
    headers = {"X-Auth-Token": token} if token else {}
    return requests.request(
        method, f"{cloud.url}{path}", headers=headers, json=sends or None, timeout=30
    )


def application_credential(keystone: Keystone, person: Person, **given: Any) -> dict[str, Any]:
    """Make an application credential of a person, by the person."""
    name = f"of-{person.name}-{len(given)}-{datetime.now(UTC).timestamp():.6f}"
    answer = requests.post(
        f"{keystone.url}/users/{person.uuid}/application_credentials",
        headers={"X-Auth-Token": keystone.token(person)},
        json={"application_credential": {"name": name, **given}},
        timeout=30,
    )
    answer.raise_for_status()
    made: dict[str, Any] = answer.json()["application_credential"]
    return made


def token_of(keystone: Keystone, credential: dict[str, Any]) -> str:
    """Return a token of an application credential."""
    method = {"id": credential["id"], "secret": credential["secret"]}
    body = {"methods": ["application_credential"], "application_credential": method}
    answer = requests.post(
        f"{keystone.url}/auth/tokens", json={"auth": {"identity": body}}, timeout=30
    )
    answer.raise_for_status()
    return answer.headers["X-Subject-Token"]


def test_password_through_both_command_lines(
    cloud: KeystoneCloud, keystone: Keystone, people: People
) -> None:
    """``iot`` and ``openstack iot`` log in by OS_*, and find the cloud in the catalogue."""
    environ = keystone.environment(people.ann)

    run("iot", "board", "create", "porch", **environ)
    listed = run("openstack", "iot", "board", "list", "-f", "json", **environ)
    audit = json.loads(run("iot", "audit", "list", "-f", "json", **environ))

    assert [board["name"] for board in json.loads(listed)] == ["porch"]
    assert {row["user_name"] for row in audit} == {"ann"}


def test_application_credential_in_clouds_yaml(
    cloud: KeystoneCloud, keystone: Keystone, people: People, tmp_path: Path
) -> None:
    """An application credential acts as its user in its project, region and interface given."""
    made = application_credential(keystone, people.ann)
    entry = {
        "auth_type": "v3applicationcredential",
        "auth": {
            "auth_url": keystone.url,
            "application_credential_id": made["id"],
            "application_credential_secret": made["secret"],
        },
        "region_name": REGION,
        "interface": "internal",
    }
    file = tmp_path / "clouds.yaml"
    file.write_text(yaml.safe_dump({"clouds": {"garden": entry}}))

    listed = run(
        "iot",
        *("--os-cloud", "garden", "board", "list", "-f", "json"),
        OS_CLIENT_CONFIG_FILE=str(file),
    )

    assert all(board["name"] for board in json.loads(listed))


def test_token_through_the_command_line(
    cloud: KeystoneCloud, keystone: Keystone, people: People
) -> None:
    """A token of Keystone is enough, with the address of Keystone or of the cloud."""
    token = keystone.token(people.ann)
    named = {key: keystone.environment(people.ann)[key] for key in ("OS_AUTH_URL",)}

    by_keystone = run(
        "iot",
        *("board", "list", "-f", "json"),
        **named,
        OS_AUTH_TYPE="v3token",
        OS_TOKEN=token,
        OS_PROJECT_NAME="red",
        OS_PROJECT_DOMAIN_NAME="Default",
    )
    by_url = run(
        "iot",
        *("board", "list", "-f", "json"),
        OS_AUTH_TOKEN=token,
        IOTRONIC_URL=cloud.url,
    )

    assert json.loads(by_keystone) == json.loads(by_url)


def test_a_region_without_the_service(
    cloud: KeystoneCloud, keystone: Keystone, people: People
) -> None:
    """Where the catalogue has no address, that is what is said."""
    environ = {**keystone.environment(people.ann), "OS_REGION_NAME": "Elsewhere"}

    said = run("iot", "board", "list", code=1, **environ)

    assert "iot" in said and "endpoint" in said.lower()


def test_roles(cloud: KeystoneCloud, people: People) -> None:
    """A reader sees what the project has and changes nothing; a member makes things."""
    reader, member = cloud.client_of(people.rita), cloud.client_of(people.ann)
    made = member.boards.create(NewBoard(name="shed"))

    assert reader.boards.get("shed").uuid == made.uuid
    with pytest.raises(errors.Forbidden):
        reader.boards.create(NewBoard(name="other"))
    with pytest.raises(errors.Forbidden):
        reader.boards.delete("shed")


@pytest.mark.parametrize(
    ("role", "creates"),
    [("manager_iot_project", True), ("user_iot", False), ("admin_iot_project", True)],
)
def test_roles_of_upstream(
    cloud: KeystoneCloud, keystone: Keystone, people: People, role: str, creates: bool
) -> None:
    """The names of roles in upstream's clouds count: users read, managers make boards."""
    person = keystone.make_user(f"with-{role}", "red", role)
    token = keystone.token(person)

    listed = ask(cloud, token)
    made = ask(cloud, token, "/v1/boards", "POST", name=f"of-{role}")

    assert listed.status_code == 200
    assert made.status_code == (201 if creates else 403)


def test_a_role_that_means_nothing(
    cloud: KeystoneCloud, keystone: Keystone, people: People
) -> None:
    """A user of the project without a role of this service gets nothing."""
    stranger = keystone.make_user("stranger", "red", "gardener")

    assert ask(cloud, keystone.token(stranger)).status_code == 403


def test_two_projects(cloud: KeystoneCloud, people: People) -> None:
    """One name in both projects: each sees its own, by name and by uuid."""
    ann, bob = cloud.client_of(people.ann), cloud.client_of(people.bob)
    red = ann.boards.create(NewBoard(name="gate"))
    blue = bob.boards.create(NewBoard(name="gate"))

    assert ann.boards.get("gate").uuid == red.uuid != blue.uuid == bob.boards.get("gate").uuid
    assert blue.uuid not in {board.uuid for board in ann.boards.iterate()}
    for act in (ann.boards.get, ann.boards.delete):
        with pytest.raises(errors.NotFound):
            act(blue.uuid)
    assert bob.boards.get(blue.uuid).name == "gate"


def test_scopes(cloud: KeystoneCloud, keystone: Keystone, people: People) -> None:
    """A token must be for a project; the operator's may be for the whole system."""
    board = cloud.client_of(people.ann).boards.create(NewBoard(name="scoped"))
    system = keystone.token(None, system_scope="all")

    unscoped = ask(cloud, keystone.token(people.ann, unscoped=True))
    seen = ask(cloud, system, f"/v1/boards/{board.uuid}")
    made = ask(cloud, system, "/v1/boards", "POST", name="nowhere")

    assert unscoped.status_code == 403
    assert "OS_PROJECT_NAME" in unscoped.text
    assert seen.status_code == 200
    assert (made.status_code, made.json()["code"]) == (403, "iot.identity.scope")


def test_no_and_wrong_tokens(cloud: KeystoneCloud, keystone: Keystone) -> None:
    """The answer is 401 and says which Keystone to ask."""
    answers = [ask(cloud, token) for token in ("", "wrong", "gAAAAAB" + "x" * 200)]

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {
        f'Keystone uri="{keystone.url}"'
    }


def test_basic_is_not_taken(cloud: KeystoneCloud, keystone: Keystone, people: People) -> None:
    """Passwords go to Keystone, never to the cloud; and the embedded users are gone."""
    answer = requests.get(
        f"{cloud.url}/v1/boards", auth=(people.ann.name, people.ann.password), timeout=30
    )
    users = ask(cloud, keystone.token(), "/v1/users")

    assert answer.status_code == 401
    assert (users.status_code, users.json()["code"]) == (403, "iot.identity.keystone")


def test_a_revoked_token(cloud: KeystoneCloud, keystone: Keystone, people: People) -> None:
    """Refused as soon as it is not remembered any more, at the latest."""
    token = keystone.token(people.ann)
    assert ask(cloud, token).status_code == 200

    revoked = requests.delete(
        f"{keystone.url}/auth/tokens",
        headers={"X-Auth-Token": token, "X-Subject-Token": token},
        timeout=30,
    )

    assert revoked.status_code == 204
    wait_for("refused", lambda: ask(cloud, token).status_code == 401, CACHE_S + 3)


def test_an_expired_token(cloud: KeystoneCloud, keystone: Keystone, people: People) -> None:
    """Refused when it is over, however fresh it is remembered."""
    end = datetime.now(UTC) + timedelta(seconds=10)
    made = application_credential(
        keystone, people.ann, expires_at=end.strftime("%Y-%m-%dT%H:%M:%S.%f")
    )
    token = token_of(keystone, made)
    assert ask(cloud, token).status_code == 200

    wait_for("refused", lambda: ask(cloud, token).status_code == 401, 15)

    assert datetime.now(UTC) >= end - timedelta(seconds=1)


def test_a_disabled_user(cloud: KeystoneCloud, keystone: Keystone, people: People) -> None:
    """Disabling a user ends the tokens that were given out."""
    person = keystone.make_user("carol", "red", "member")
    token = keystone.token(person)
    assert ask(cloud, token).status_code == 200

    keystone.ask("PATCH", f"/users/{person.uuid}", user={"enabled": False})

    wait_for("refused", lambda: ask(cloud, token).status_code == 401, CACHE_S + 3)


def test_access_rules(cloud: KeystoneCloud, keystone: Keystone, people: People) -> None:
    """An application credential for one route opens that route only."""
    rule = {"service": "iot", "method": "GET", "path": "/v1/boards"}
    token = token_of(keystone, application_credential(keystone, people.ann, access_rules=[rule]))

    assert ask(cloud, token).status_code == 200
    assert ask(cloud, token, "/v1/plugins").status_code == 401
    assert ask(cloud, token, "/v1/boards", "POST", name="x").status_code == 401


def test_management_of_embedded_users_is_refused(cloud: KeystoneCloud) -> None:
    """``iotronic-mec user`` says where the users are."""
    said = run("iotronic-mec", "user", "list", "--state-dir", str(cloud.state_dir), code=1)

    assert "Keystone" in said and "openstack user" in said


def test_keystone_away(cloud: KeystoneCloud, keystone: Keystone, people: People) -> None:
    """Without Keystone it is 503 and when to come back; with it all is well again."""
    token = keystone.token(people.ann)
    keystone.stop()
    try:
        answer = ask(cloud, token)
        health = requests.get(f"{cloud.url}/healthcheck", timeout=30)
    finally:
        keystone.start()

    assert (answer.status_code, answer.json()["code"]) == (503, "iot.identity.unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert health.status_code == 200
    assert ask(cloud, token).status_code == 200
