"""The audit over HTTP: who sees what, and whether a forged row is found."""

from __future__ import annotations

from typing import Any

import pytest

from iotronic_mec.audit_chain import Head, verify
from tests.fakes.site import PASSWORD, Site


def all_rows(site: Site, limit: int = 3) -> list[dict[str, Any]]:
    """Return the whole audit, page by page."""
    rows: list[dict[str, Any]] = []
    path = f"/v1/audit?limit={limit}"
    while path:
        page = site.ask("GET", path).json
        rows += page["audit"]
        path = page.get("next", "")
    return rows


def change(site: Site, statement: str) -> None:
    """Change the table behind the cloud's back."""
    site.parts.database.write(lambda connection: connection.exec_driver_sql(statement))


@pytest.fixture
def busy(site: Site) -> Site:
    """Give a cloud in which something has happened."""
    for name in ("one", "two", "three"):
        site.ask("POST", "/v1/boards", {"name": name}, token="member")
    return site


def test_chain_is_whole(busy: Site) -> None:
    """The rows of all pages are one chain from the first on, up to the head."""
    rows = all_rows(busy)
    verdict = verify(rows)

    assert verdict.ok
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    assert busy.ask("GET", "/v1/audit/head").json == {
        "head": f"{rows[-1]['sequence']}:{rows[-1]['hash']}",
        "sequence": rows[-1]["sequence"],
        "hash": rows[-1]["hash"],
    }


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET user_name = 'nobody' WHERE sequence = 3",
        "UPDATE audit SET time = time + 1 WHERE sequence = 3",
        "UPDATE audit SET details = '{}' WHERE sequence = 3",
        "DELETE FROM audit WHERE sequence = 3",
        "UPDATE audit SET sequence = 999 WHERE sequence = 3",
    ],
)
def test_a_forged_row_is_found(busy: Site, statement: str) -> None:
    """Any change, removal or move inside the chain is found by who reads it."""
    change(busy, statement)

    assert not verify(all_rows(busy)).ok


def test_a_cut_end_is_found_by_an_old_head(busy: Site) -> None:
    """A chain cut at its end is found by who kept its head."""
    head = busy.ask("GET", "/v1/audit/head").json
    change(busy, f"DELETE FROM audit WHERE sequence = {head['sequence']}")

    assert verify(all_rows(busy)).ok
    assert not verify(all_rows(busy), expected=Head.parse(head["head"])).ok


def test_members_see_their_project(busy: Site) -> None:
    """A member sees the rows of the own project only; asking for more is refused."""
    busy.ask("POST", "/v1/boards", {"name": "theirs"}, token="stranger")

    rows = busy.ask("GET", "/v1/audit", token="stranger").json["audit"]
    other = busy.ask("GET", "/v1/audit?project=x", token="stranger")

    assert {row["user_name"] for row in rows} == {"stranger"}
    assert verify(rows, own_rows=True).ok
    assert other.status_int == 400


def test_filters_and_order(busy: Site) -> None:
    """Rows are found by action, and come newest first when asked."""
    rows = busy.ask("GET", "/v1/audit?action=board.create&sort_dir=desc&limit=2").json

    assert len(rows["audit"]) == 2
    assert {row["action"] for row in rows["audit"]} == {"board.create"}
    assert rows["audit"][0]["sequence"] > rows["audit"][1]["sequence"]
    assert "action=board.create" in rows["next"]


def test_rows_name_the_request(busy: Site) -> None:
    """A row is found by the request id of the answer."""
    made = busy.ask("POST", "/v1/boards", {"name": "four"}, token="member")
    request_id = made.headers["Openstack-Request-Id"]

    row = busy.ask("GET", f"/v1/audit?request_id={request_id}").json["audit"][0]

    assert row["target"] == made.json["uuid"]
    assert row["user_name"] == "member"


def test_no_secret_in_the_audit(busy: Site) -> None:
    """Neither passwords nor tokens nor enrolment codes reach the audit."""
    board = busy.ask("POST", "/v1/boards", {"name": "four", "code": "SECRETCODE1"}).json
    user = {"name": "eve", "password": "a secret password", "project": "default"}
    busy.ask("POST", "/v1/users", user)
    busy.ask("PATCH", "/v1/users/eve", {"password": "another secret password"})

    text = busy.ask("GET", "/v1/audit").text

    assert board["code"] == "SECRETCODE1"
    assert "SECRETCODE1" not in text
    assert "secret password" not in text
    assert PASSWORD not in text
    assert "$argon2" not in text


def test_refused_changes_leave_no_row(busy: Site) -> None:
    """What a transaction takes back is not in the audit either."""
    before = busy.ask("GET", "/v1/audit/head").json

    busy.ask("DELETE", "/v1/users/admin")

    assert busy.ask("GET", "/v1/audit/head").json == before


def test_ids_in_any_spelling(site: Site) -> None:
    """Projects and users are found by their ids as Keystone writes them, without dashes."""
    site.ask("POST", "/v1/fleets", {"name": "trucks"}, token="member")
    me = site.ask("GET", "/v1/whoami", token="member").json
    project, user = (me[name].replace("-", "").upper() for name in ("project", "user"))

    path = f"/v1/audit?action=fleet.create&project={project}&user={user}"
    answers = [site.ask("GET", path, token=who) for who in ("member", "admin")]

    assert [answer.status_int for answer in answers] == [200, 200]
    assert [len(answer.json["audit"]) for answer in answers] == [1, 1]


@pytest.mark.parametrize("text", ["no JSON", "[1]", ""])
def test_unreadable_details_are_found(busy: Site, text: str) -> None:
    """A row whose details somebody has made unreadable is listed, and does not fit its hash."""
    change(busy, f"UPDATE audit SET details = '{text}' WHERE sequence = 3")

    [finding] = verify(all_rows(busy)).findings

    assert (finding.kind, finding.first) == ("changed", 3)
