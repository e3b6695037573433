"""Names belong to a project; of those who want one at the same time one gets it.

Run on every engine: ``pytest --database``.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from iotronic_mec.rpc.server import Dispatcher
from tests.fakes.site import Site, fault

CALLERS = 8
"""How many ask at once."""

NOUNS = {
    "board": ("/v1/boards", {"name": "lamp"}),
    "plugin": ("/v1/plugins", {"name": "lamp", "code": "x = 1\n"}),
    "fleet": ("/v1/fleets", {"name": "lamp"}),
}


def together(site: Site, path: str, body: dict[str, Any], token: str) -> list[Any]:
    """Send one request from many threads at once; return the answers."""
    with ThreadPoolExecutor(CALLERS) as pool:
        asked = [pool.submit(site.ask, "POST", path, body, token=token) for _ in range(CALLERS)]
        return [each.result(30) for each in asked]


@pytest.mark.parametrize("noun", NOUNS)
def test_two_tenants(site: Site, noun: str) -> None:
    """Two projects may give the same name, and each sees its own."""
    path, body = NOUNS[noun]

    first = site.ask("POST", path, body, token="member")
    second = site.ask("POST", path, body, token="stranger")

    assert (first.status_int, second.status_int) == (201, 201)
    seen = [
        site.ask("GET", f"{path}/lamp", token=token).json["uuid"]
        for token in ("member", "stranger")
    ]
    assert seen == [first.json["uuid"], second.json["uuid"]]
    assert seen[0] != seen[1]


@pytest.mark.parametrize("noun", NOUNS)
def test_one_wins(site: Site, noun: str) -> None:
    """Of many who create one name at once one gets it, the others a 409 with a code."""
    path, body = NOUNS[noun]

    answers = together(site, path, body, "member")

    assert Counter(answer.status_int for answer in answers) == {201: 1, 409: CALLERS - 1}
    refused = [answer for answer in answers if answer.status_int == 409]
    assert {answer.json["code"] for answer in refused} == {f"iot.{noun}.exists"}
    assert all("lamp" in fault(answer) for answer in refused)
    listed = site.ask("GET", path, token="member").json[f"{noun}s"]
    assert [entry["name"] for entry in listed] == ["lamp"]


def test_letters_count(site: Site) -> None:
    """Names that differ in case or accents only are different names."""
    names = ["lamp", "Lamp", "LAMP"]

    made = [site.ask("POST", "/v1/boards", {"name": name}, token="member") for name in names]

    assert [answer.status_int for answer in made] == [201, 201, 201]
    listed = site.ask("GET", "/v1/boards?sort_key=name", token="member").json["boards"]
    assert [entry["name"] for entry in listed] == ["LAMP", "Lamp", "lamp"]


def test_the_conductor_is_asked(site: Site) -> None:
    """The requests of these tests go through the real conductor."""
    assert isinstance(site.dispatcher, Dispatcher)
