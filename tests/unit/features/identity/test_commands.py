"""Commands of the first start and of ``iotronic-mec user|token``, without HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iotronic_mec.errors import BadRequest
from iotronic_mec.features.token.model import MAX_TOKENS, TooManyTokens
from tests.fakes.site import PASSWORD, Site, open_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a cloud with its administrator only."""
    with open_site(tmp_path) as made:
        yield made


def test_first_start_makes_everything(site: Site) -> None:
    """Project, administrator and token are there, each with its audit row."""
    users = site.call("identity", "list_users")
    rows = site.ask("GET", "/v1/audit").json["audit"]

    assert [(user["name"], user["project"], user["roles"]) for user in users] == [
        ("admin", "default", ["admin"])
    ]
    assert [row["action"] for row in rows] == ["project.create", "user.create", "token.create"]
    assert len(site.admin["password"]) >= 20


def test_user_of_the_command_line(site: Site) -> None:
    """A user made on the command line logs in; its password can be set there."""
    site.call(
        "identity",
        "create_user_with_role",
        name="ann",
        project="default",
        role="reader",
        password=PASSWORD,
    )
    assert site.login("ann", PASSWORD).json["roles"] == ["reader"]

    site.call("identity", "set_password", user="ann", password="another password")

    assert site.login("ann", "another password").status_int == 200


def test_token_of_the_command_line(site: Site) -> None:
    """A token made on the command line works until it is revoked there."""
    made = site.call("token", "create_for", user="admin", project="default", name="x", life_s=60.0)
    assert site.ask("GET", "/v1/whoami", token=made["secret"]).status_int == 200

    site.call("token", "revoke", token=made["uuid"])

    listed = [token["uuid"] for token in site.call("token", "list_all")]
    assert made["uuid"] not in listed
    assert site.ask("GET", "/v1/whoami", token=made["secret"]).status_int == 401


@pytest.mark.parametrize("password", ["", "short", "x" * 257])
def test_passwords_out_of_bounds(site: Site, password: str) -> None:
    """A password has 8 to 256 characters."""
    with pytest.raises(BadRequest):
        site.call("identity", "set_password", user="admin", password=password)


def test_no_token_where_the_user_has_no_role(site: Site) -> None:
    """A token is for a project in which its user has a role."""
    site.add_project("lab")

    with pytest.raises(BadRequest):
        site.call("token", "create_for", user="admin", project="lab", name="x", life_s=60.0)


def test_longest_life(tmp_path: Path) -> None:
    """Where lives are limited, a token without an end gets the longest one."""
    with open_site(tmp_path, max_token_life_s=604_800.0) as site:
        body = {"name": "x", "expires_at": "2030-01-01T00:00:00Z"}

        made = site.ask("POST", "/v1/tokens", {"name": "x"}).json
        refused = site.ask("POST", "/v1/tokens", body)

    assert made["expires_at"] == "2026-01-08T00:00:00+00:00"
    assert refused.status_int == 400


def test_number_of_tokens(site: Site) -> None:
    """A user has a bounded number of tokens."""
    site.parts.database.write(
        lambda connection: connection.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO token (uuid, name, digest, user_id, project_id, created_at) "
            "SELECT 'u' || i, 'n', 'd' || i, 1, 1, 0 FROM n",
            (MAX_TOKENS - 1,),
        )
    )

    with pytest.raises(TooManyTokens):
        site.call("token", "create_for", user="admin", project="default", name="x", life_s=60.0)
