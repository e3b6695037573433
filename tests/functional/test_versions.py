"""Version negotiation and the documents about versions."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fakes.site import Site, fault, open_site

ASKED = "X-OpenStack-Iotronic-API-Version"
MINIMUM = "X-OpenStack-Iotronic-API-Minimum-Version"
MAXIMUM = "X-OpenStack-Iotronic-API-Maximum-Version"


@pytest.mark.parametrize(
    ("asked", "served"),
    [(None, "1.0"), ("1.0", "1.0"), ("1.9", "1.9"), ("1.10", "1.10"), ("latest", "1.10")],
)
def test_served_versions(shared_site: Site, asked: str | None, served: str) -> None:
    """The effective version and the range are told; nothing asked means the lowest."""
    headers = {} if asked is None else {ASKED: asked}

    answer = shared_site.ask("GET", "/v1/boards", headers=headers)

    assert answer.status_int == 200
    assert answer.headers[ASKED] == served
    assert (answer.headers[MINIMUM], answer.headers[MAXIMUM]) == ("1.0", "1.10")


@pytest.mark.parametrize("asked", ["1.11", "2.0", "0.9", "1", "one", "1.0.0", "-1.0"])
def test_refused_versions(shared_site: Site, asked: str) -> None:
    """Others are a 406 that tells the range, so that the client can choose."""
    answer = shared_site.ask("GET", "/v1", token=None, headers={ASKED: asked})

    assert answer.status_int == 406
    assert answer.json["code"] == "iot.version.not_acceptable"
    assert (answer.headers[MINIMUM], answer.headers[MAXIMUM]) == ("1.0", "1.10")
    assert fault(answer)


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "/v1/boards", "/boards"])
def test_range_is_on_every_answer(shared_site: Site, path: str) -> None:
    """The range is told without credentials and with errors too."""
    answer = shared_site.ask("GET", path, token=None)

    assert (answer.headers[MINIMUM], answer.headers[MAXIMUM]) == ("1.0", "1.10")


def test_root(shared_site: Site) -> None:
    """The root tells the versions to anyone."""
    document = shared_site.ask("GET", "/", token=None).json

    assert document["default_version"]["version"] == "1.10"
    assert document["versions"][0]["links"][0]["href"].endswith("/v1/")


def test_browser_is_sent_to_the_documentation(shared_site: Site) -> None:
    """Only who accepts HTML is redirected."""
    answer = shared_site.ask("GET", "/", token=None, headers={"Accept": "text/html,*/*;q=0.8"})

    assert answer.status_int == 302
    assert answer.headers["Location"].endswith("/docs")


def test_v1(shared_site: Site) -> None:
    """The version's document has links for each collection."""
    document = shared_site.ask("GET", "/v1", token=None).json

    assert document["id"] == "v1"
    assert {link["rel"] for link in document["boards"]} == {"self", "bookmark"}
    assert {"plugins", "requests", "users", "tokens"} <= set(document)


def test_forged_host_is_not_repeated(shared_site: Site) -> None:
    """Links are made of the Host header only when it is one."""
    answer = shared_site.ask("GET", "/v1", token=None, headers={"Host": 'evil"><script>'})

    assert "evil" not in answer.text


@pytest.mark.parametrize(("trusted", "host"), [(True, "iot.example.org"), (False, "control.test")])
def test_links_behind_a_proxy(tmp_path: Path, trusted: bool, host: str) -> None:
    """A proxy's headers are believed only where the operator says so."""
    headers = {"X-Forwarded-Host": "iot.example.org", "X-Forwarded-Proto": "https"}

    with open_site(tmp_path, trust_proxy_headers=trusted) as site:
        document = site.ask("GET", "/v1", token=None, headers=headers).json

    assert urlsplit(document["links"][0]["href"]).hostname == host
