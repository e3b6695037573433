"""How long is kept what only grows: places of boards, uses of grants, ended tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iotronic_mec import pruning
from iotronic_mec.conf import load_settings
from tests.fakes.site import Site, open_site
from tests.functional.test_grant import bring_online, echo, lent

DAY_S = 86_400.0


@pytest.fixture(params=[0, 10], ids=["for ever", "ten days"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Give a cloud that keeps all, or ten days of it; a member's board is lent."""
    days = request.param
    with open_site(
        tmp_path,
        location_retention_days=days,
        grant_use_retention_days=days,
        token_retention_days=days,
    ) as made:
        made.add_project("other")
        made.add("member", "member")
        made.add("stranger", "member", project="other")
        yield made


def keeps_all(site: Site) -> bool:
    """Say whether this cloud keeps all."""
    return site.parts.settings.location_retention_days == 0


def renew(site: Site) -> None:
    """Give the people tokens that are good today."""
    for name, project in (("member", "default"), ("stranger", "other")):
        made = site.call(
            "token", "create_for", user=name, project=project, name="again", life_s=DAY_S
        )
        site.people[name] = made["secret"]


def places(site: Site, board: str) -> list[str]:
    """Return the latitudes a board has been at."""
    found = site.ask("GET", f"/v1/boards/{board}/locations").json["locations"]
    return [place["latitude"] for place in found]


def move(site: Site, board: str, latitude: str) -> None:
    """Have a board be somewhere."""
    place = {"latitude": latitude, "longitude": "1", "altitude": "0"}
    answer = site.ask("PATCH", f"/v1/boards/{board}", {"location": [place]})
    assert answer.status_int == 200, answer.text


def test_places_go_but_the_newest(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is old goes, piece by piece; where a board is stays, however long it has been there."""
    monkeypatch.setattr(pruning, "BATCH", 2)
    porch, cellar = bring_online(site), bring_online(site, "cellar")
    for latitude in range(1, 7):
        move(site, porch, str(latitude))
    move(site, cellar, "50")
    site.clock.advance(9 * DAY_S)
    move(site, porch, "7")
    site.clock.advance(2 * DAY_S)

    site.periodic("prune-locations")

    every = [str(latitude) for latitude in range(1, 8)]
    assert places(site, porch) == (every if keeps_all(site) else ["7"])
    assert places(site, cellar) == ["50"]
    shown = site.ask("GET", f"/v1/boards/{cellar}").json["location"][0]
    assert shown["latitude"] == "50"


def test_uses_of_grants_go_and_their_number_stays(site: Site) -> None:
    """How often a grant was used is known after the single uses are forgotten."""
    board = bring_online(site)
    grant = lent(site, board, "board.action:DeviceEcho")
    for _ in range(3):
        assert echo(site, board).status_int == 200
    site.clock.advance(11 * DAY_S)
    renew(site)
    assert echo(site, board).status_int == 200

    site.periodic("prune-grant-uses")

    listed = site.ask("GET", f"/v1/grants/{grant}/uses").json["uses"]
    numbers = [use["number"] for use in listed]
    assert numbers == ([1, 2, 3, 4] if keeps_all(site) else [4])
    assert site.ask("GET", f"/v1/grants/{grant}").json["uses"] == 4
    assert len(site.ask("GET", "/v1/audit?action=grant.use").json["audit"]) == 4


def test_ended_tokens_go(site: Site) -> None:
    """A token that ended long ago is not listed any more; others are, those without an end too."""
    before = tokens(site)
    site.clock.advance(2 * DAY_S)
    renew(site)
    site.periodic("prune-tokens")
    early = tokens(site)
    site.clock.advance(9.5 * DAY_S)

    site.periodic("prune-tokens")

    assert early == before | {"again"}
    assert tokens(site) == (early if keeps_all(site) else early - {"test"})
    assert site.ask("GET", "/v1/whoami").status_int == 200


def tokens(site: Site) -> set[str]:
    """Return the names of all tokens."""
    return {token["name"] for token in site.ask("GET", "/v1/tokens?all_users=true").json["tokens"]}


def settings(folder: Path, text: str) -> Any:
    """Return the settings a configuration file gives."""
    (folder / "iotronic.conf").write_text(text, encoding="utf-8")
    return load_settings(folder, public_url="u", content_url="http://c", wamp_url="w")


def test_options_have_their_old_names(tmp_path: Path) -> None:
    """A file of the release before sets the same times."""
    old = settings(tmp_path, "[conductor]\nevent_retention_s = 70\nrequest_retention_s = 80\n")
    new = settings(tmp_path, "[retention]\nevent_s = 71\nrequest_s = 81\nlocation_days = 3\n")

    assert (old.event_retention_s, old.request_retention_s) == (70, 80)
    assert (new.event_retention_s, new.request_retention_s) == (71, 81)
    assert new.location_retention_days == 3
