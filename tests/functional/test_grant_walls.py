"""Grants as an attacker uses them: to learn of things nobody lent."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import cast

import pytest

from iotronic_mec.cmd.core import build_parts
from iotronic_mec.context import Context, system_context
from iotronic_mec.errors import NotFound
from iotronic_mec.ids import new_uuid
from iotronic_mec.rpc.boards import Boards
from tests.fakes.site import Site
from tests.functional.test_grant import bring_online, echo, lend_on, lent, whoami


@pytest.fixture
def board(site: Site) -> str:
    """Give the member's board, online; there is one more person elsewhere."""
    site.add_project("third")
    site.add("further", "member", project="third")
    return bring_online(site)


def test_lending_on_tells_nothing_of_others_things(site: Site, board: str) -> None:
    """A grant on all boards of its owner finds out nothing of boards of third projects."""
    grant = lent(site, "*", "board.get")
    theirs, absent = bring_online(site, "attic", "further"), new_uuid()

    own, other, none = (
        lend_on(site, grant, kind="board", target=target) for target in (board, theirs, absent)
    )

    assert own.status_int == 201
    assert (other.status_int, other.json["code"]) == (none.status_int, none.json["code"])
    assert none.json["code"] == "iot.grant.wider"


def test_explain_tells_nothing_of_things_not_lent(site: Site, board: str) -> None:
    """Another board of the owner, one of a third project and none at all look alike."""
    one, every = lent(site, board, "board.get"), lent(site, "*", "board.get")
    cellar = bring_online(site, "cellar")
    theirs = bring_online(site, "attic", "further")

    def state(grant: str, target: str) -> str:
        path = f"/v1/grants/{grant}/explain?target={target}"
        return str(site.ask("GET", path, token="stranger").json["state"])

    assert [state(one, board), state(every, cellar)] == ["live", "live"]
    unlent = [
        (one, cellar),
        (one, theirs),
        (one, new_uuid()),
        (every, theirs),
        (every, new_uuid()),
    ]
    assert [state(grant, target) for grant, target in unlent] == ["not_lent"] * 5


def test_requests_are_read_where_the_grant_was_given(site: Site, board: str) -> None:
    """What was ordered for a project is not read by the same user acting in another."""
    project = whoami(site, "stranger")["project"]
    lent(site, board, to_user=None, to_project=project)
    assert echo(site, board).status_int == 200
    [found] = site.ask("GET", "/v1/requests", token="member").json["requests"]
    user = whoami(site, "stranger")["user"]
    there = Context(
        user=user, project=project, roles=("member",), deadline=time.monotonic() + 60.0
    )
    elsewhere = replace(there, project=new_uuid())

    def may_read(context: Context) -> bool:
        return bool(
            site.conductor.call(context, "grant", "may_read_request", request=found["uuid"])
        )

    assert (may_read(there), may_read(elsewhere)) == (True, False)


@pytest.mark.parametrize(("strategy", "passes"), [("keystone", True), ("embedded", False)])
def test_lenders_are_looked_up_where_they_are(
    site: Site, board: str, strategy: str, passes: bool
) -> None:
    """With Keystone a lender who is not in our own database can still lend."""
    lent(site, board, "board.get")
    site.ask("PATCH", "/v1/users/member", {"enabled": False})
    settings = replace(site.parts.settings, auth_strategy=strategy)
    parts = build_parts(
        settings, site.parts.database, cast(Boards, site.boards), b"s" * 32, clock=site.clock
    )
    caller = replace(
        system_context(), system=False, roles=("member",), user=whoami(site, "stranger")["user"]
    )

    with parts.database.read() as connection:
        found = parts.access.find(connection, caller, "board", board, "board.get", NotFound())

    assert (found is not None) is passes
