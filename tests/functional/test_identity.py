"""Users, projects, tokens: over HTTP, with real credentials."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from iotronic_mec.context import system_context
from tests.fakes.site import PASSWORD, Site, fault


def test_first_start_gives_working_credentials(site: Site) -> None:
    """Password and token of the first start both log in as administrator."""
    by_password = site.login(site.admin["user"], site.admin["password"]).json
    by_token = site.ask("GET", "/v1/whoami").json

    assert by_password == by_token
    assert by_token["roles"] == ["admin"]


def test_first_start_happens_once(site: Site) -> None:
    """With a user in the database a start makes nobody."""
    assert site.call("token", "first_start") is None


def test_files_that_cannot_be_written(site: Site) -> None:
    """Without its files there is no administrator either: the next start tries again."""
    site.parts.database.write(lambda c: c.exec_driver_sql("DELETE FROM token").close())
    site.parts.database.write(lambda c: c.exec_driver_sql("DELETE FROM identity_user").close())

    def refuse(_made: dict[str, Any]) -> None:
        raise PermissionError("planted")

    with pytest.raises(PermissionError):
        site.dispatcher.call(
            system_context(), "token", "first_start", project_name="second", keep=refuse
        )

    again = site.call("token", "first_start", project_name="second")
    assert again["user"] == "admin"


def test_no_credentials(site: Site) -> None:
    """Without credentials the answer is 401 and says how to authenticate."""
    answer = site.ask("GET", "/v1/boards", token=None)

    assert answer.status_int == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert answer.json["code"] == "iot.identity.unauthenticated"


@pytest.mark.parametrize("token", ["", "iot_wrong", "notused", "\xe9"])
def test_unknown_tokens(site: Site, token: str) -> None:
    """An unknown token is a 401, Qinling's literal ``notused`` included."""
    assert site.ask("GET", "/v1/boards", token=token).status_int == 401


@pytest.mark.parametrize("value", ["Basic", "Basic !!!", "Basic 4pyT", "Bearer", "Digest x"])
def test_unreadable_authorization(site: Site, value: str) -> None:
    """A header that cannot be read is a 401, never an error of the server."""
    answer = site.ask("GET", "/v1/boards", token=None, headers={"Authorization": value})

    assert answer.status_int == 401


def test_unknown_user_and_wrong_password_look_alike(site: Site) -> None:
    """Nobody can find out by guessing whether a user exists."""
    unknown = site.login("nobody", "wrong password")
    wrong = site.login("member", "wrong password")

    assert unknown.status_int == wrong.status_int == 401
    assert fault(unknown) == fault(wrong)


def test_bearer(site: Site) -> None:
    """A token is taken as Bearer too."""
    token = site.people["member"]
    answer = site.ask(
        "GET", "/v1/whoami", token=None, headers={"Authorization": f"Bearer {token}"}
    )

    assert answer.json["name"] == "member"


def test_token_secret_is_shown_once(site: Site) -> None:
    """The secret stands in the answer that makes it, and nowhere else."""
    made = site.ask("POST", "/v1/tokens", {"name": "ci"}, token="member")
    secret = made.json["secret"]

    assert made.status_int == 201
    assert made.headers["Location"].endswith(made.json["uuid"])
    assert site.ask("GET", "/v1/whoami", token=secret).status_int == 200
    assert secret not in site.ask("GET", "/v1/tokens", token="member").text
    assert secret not in site.ask("GET", "/v1/tokens/ci", token="member").text
    assert secret not in site.ask("GET", "/v1/audit").text


def test_revoked_token_is_refused_at_once(site: Site) -> None:
    """The request after a revocation is refused, whatever was remembered."""
    made = site.ask("POST", "/v1/tokens", {"name": "ci"}, token="member").json
    assert site.ask("GET", "/v1/boards", token=made["secret"]).status_int == 200

    site.ask("DELETE", f"/v1/tokens/{made['uuid']}", token="member")

    assert site.ask("GET", "/v1/boards", token=made["secret"]).status_int == 401


def test_expired_token(site: Site) -> None:
    """A token ends when it said it would."""
    end = site.clock.now() + timedelta(hours=1)
    made = site.ask("POST", "/v1/tokens", {"name": "x", "expires_at": end.isoformat()}).json
    assert site.ask("GET", "/v1/whoami", token=made["secret"]).status_int == 200

    site.clock.advance(3601)

    assert site.ask("GET", "/v1/whoami", token=made["secret"]).status_int == 401


def test_token_in_the_past(site: Site) -> None:
    """A token that would be over already is refused."""
    body = {"name": "x", "expires_at": "2020-01-01T00:00:00Z"}

    assert site.ask("POST", "/v1/tokens", body).status_int == 400


def test_limited_token(site: Site) -> None:
    """A token made for reading cannot write, though its user may."""
    made = site.ask("POST", "/v1/tokens", {"name": "r", "role": "reader"}, token="member").json

    assert site.ask("GET", "/v1/boards", token=made["secret"]).status_int == 200
    assert site.ask("POST", "/v1/boards", {"name": "b"}, token=made["secret"]).status_int == 403


def test_limited_token_makes_no_stronger_one(site: Site) -> None:
    """A token made with a limited token is limited as well."""
    weak = site.ask("POST", "/v1/tokens", {"name": "r", "role": "reader"}).json["secret"]

    plain = site.ask("POST", "/v1/tokens", {"name": "plain"}, token=weak).json
    asked = site.ask("POST", "/v1/tokens", {"name": "asked", "role": "admin"}, token=weak).json

    assert plain["role"] == asked["role"] == "reader"
    assert site.ask("GET", "/v1/users", token=plain["secret"]).status_int == 403


def test_tokens_are_private(site: Site) -> None:
    """Nobody but an administrator sees, names or revokes another's token."""
    made = site.ask("POST", "/v1/tokens", {"name": "ci"}, token="member").json
    where = f"/v1/tokens/{made['uuid']}"

    listed = site.ask("GET", "/v1/tokens", token="reader").json["tokens"]

    assert made["uuid"] not in [token["uuid"] for token in listed]
    assert site.ask("GET", where, token="reader").status_int == 404
    assert site.ask("DELETE", where, token="reader").status_int == 404
    assert site.ask("GET", "/v1/tokens?all_users=true", token="reader").status_int == 403
    assert site.ask("DELETE", where).status_int == 204


def test_last_use_is_noted(site: Site) -> None:
    """The time of a token's last use appears, to within a minute."""
    site.ask("GET", "/v1/boards", token="member")
    site.last_used.stop()

    shown = site.ask("GET", "/v1/tokens", token="member").json["tokens"][0]

    assert shown["last_used_at"] is not None


def test_password_change_counts_at_once(site: Site) -> None:
    """A changed password works, the old one does not, though it was just verified."""
    assert site.login("member", PASSWORD).status_int == 200
    body = {"old_password": PASSWORD, "password": "another password"}

    changed = site.ask("PATCH", "/v1/users/member", body, token="member")

    assert changed.status_int == 200
    assert site.login("member", PASSWORD).status_int == 401
    assert site.login("member", "another password").status_int == 200


def test_own_password_needs_the_old_one(site: Site) -> None:
    """A wrong or missing old password changes nothing."""
    wrong = {"old_password": "not this one", "password": "another password"}

    assert site.ask("PATCH", "/v1/users/member", wrong, token="member").status_int == 403
    missing = site.ask("PATCH", "/v1/users/member", {"password": "x" * 9}, token="member")
    assert missing.status_int == 400
    assert site.login("member", PASSWORD).status_int == 200


@pytest.mark.parametrize("body", [{"roles": ["admin"]}, {"enabled": True}, {"name": "boss"}])
def test_nobody_promotes_himself(site: Site, body: dict[str, object]) -> None:
    """A member may change the own password and nothing else."""
    assert site.ask("PATCH", "/v1/users/member", body, token="member").status_int == 403


def test_others_are_not_for_members(site: Site) -> None:
    """A member changes no other user, and sees no list of them."""
    body = {"old_password": PASSWORD, "password": "another password"}

    assert site.ask("PATCH", "/v1/users/reader", body, token="member").status_int == 403
    assert site.ask("GET", "/v1/users", token="member").status_int == 403
    assert site.ask("GET", "/v1/projects", token="member").status_int == 403


def test_disabled_user(site: Site) -> None:
    """A disabled user is refused, by password and by token."""
    assert site.login("member", PASSWORD).status_int == 200

    site.ask("PATCH", "/v1/users/member", {"enabled": "false"})

    assert site.login("member", PASSWORD).status_int == 401
    assert site.ask("GET", "/v1/boards", token="member").status_int == 401


def test_deleted_user(site: Site) -> None:
    """A deleted user's tokens are gone with it."""
    assert site.ask("DELETE", "/v1/users/member").status_int == 204

    assert site.ask("GET", "/v1/boards", token="member").status_int == 401
    assert site.login("member", PASSWORD).status_int == 401


@pytest.mark.parametrize(
    ("method", "body"),
    [("DELETE", None), ("PATCH", {"enabled": False}), ("PATCH", {"roles": ["member"]})],
)
def test_the_last_administrator_stays(site: Site, method: str, body: object) -> None:
    """The last administrator cannot be deleted, disabled or demoted."""
    answer = site.ask(method, "/v1/users/admin", body)

    assert answer.status_int == 409
    assert answer.json["code"] == "iot.identity.last_administrator"
    assert site.ask("GET", "/v1/users").status_int == 200


def test_users_are_managed(site: Site) -> None:
    """A user is made, shown, changed and listed; no answer holds a password."""
    body = {"name": "eve", "password": PASSWORD, "project": "default", "roles": ["reader"]}

    made = site.ask("POST", "/v1/users", body)
    site.ask("PATCH", "/v1/users/eve", {"roles": ["member"], "password": "another password"})
    shown = site.ask("GET", "/v1/users/eve")

    assert made.status_int == 201
    assert shown.json["roles"] == ["member"]
    assert "password" not in shown.text + made.text
    assert "eve" in [user["name"] for user in site.ask("GET", "/v1/users").json["users"]]
    assert site.login("eve", "another password").status_int == 200


def test_names_are_unique(site: Site) -> None:
    """A second user or project of one name is a conflict."""
    user = {"name": "member", "password": PASSWORD, "project": "default"}

    assert site.ask("POST", "/v1/users", user).json["code"] == "iot.user.name_taken"
    assert site.ask("POST", "/v1/projects", {"name": "default"}).status_int == 409


def test_projects_are_managed(site: Site) -> None:
    """A project is made, changed, and deleted when nobody is in it."""
    made = site.ask("POST", "/v1/projects", {"name": "lab", "description": "tests"})
    changed = site.ask("PATCH", "/v1/projects/lab", {"description": "more tests"})

    assert made.status_int == 201
    assert changed.json["description"] == "more tests"
    assert site.ask("DELETE", "/v1/projects/elsewhere").status_int == 409
    assert site.ask("DELETE", "/v1/projects/lab").status_int == 204
    assert site.ask("GET", "/v1/projects/lab").status_int == 404


def test_acting_in_another_project(site: Site) -> None:
    """A header names the project to act in; without a role there it is refused."""
    header = {"X-IoT-Project": "elsewhere"}

    assert site.login("stranger", PASSWORD, **header).status_int == 200
    assert site.login("member", PASSWORD, **header).status_int == 403


def test_guessing_is_throttled(site: Site) -> None:
    """After ten wrong passwords further ones are refused unread, for a while."""
    for number in range(10):
        site.login("member", f"guess number {number}")

    refused = site.login("member", PASSWORD)
    site.clock.advance(60)
    later = site.login("member", PASSWORD)

    assert refused.status_int == 429
    assert refused.json["code"] == "iot.identity.throttled"
    assert later.status_int == 200


def test_changes_are_audited(site: Site) -> None:
    """Every change of users, projects and tokens has its row; reads have none."""
    before = site.ask("GET", "/v1/audit/head").json["sequence"]
    site.ask("POST", "/v1/projects", {"name": "lab"})
    site.ask("POST", "/v1/tokens", {"name": "ci"})
    site.ask("DELETE", "/v1/users/reader")
    site.ask("GET", "/v1/users")

    rows = site.ask("GET", f"/v1/audit?marker={before}").json["audit"]

    assert [row["action"] for row in rows] == ["project.create", "token.create", "user.delete"]
    assert {row["user_name"] for row in rows} == {"admin"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/boards", {"name": "left"}),
        ("/v1/plugins", {"name": "left", "code": "def main(context):\n    return 1\n"}),
    ],
)
def test_a_project_that_owns_something_stays(site: Site, path: str, body: dict[str, Any]) -> None:
    """What it owns would belong to nobody; once that is gone the project may go."""
    site.add_project("owner")
    user = site.add("mel", project="owner")
    made = site.ask("POST", path, body, token="mel").json["uuid"]
    site.ask("DELETE", f"/v1/users/{user}")

    refused = site.ask("DELETE", "/v1/projects/owner")
    site.ask("DELETE", f"{path}/{made}")
    allowed = site.ask("DELETE", "/v1/projects/owner")

    assert (refused.status_int, allowed.status_int) == (409, 204)
