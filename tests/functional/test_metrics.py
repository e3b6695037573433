"""What the API and the conductor count, and that strangers cannot make it grow."""

from __future__ import annotations

import pytest

from iotronic_mec import metrics
from iotronic_mec.context import Context
from iotronic_mec.counted import Rate
from iotronic_mec.errors import Forbidden
from iotronic_mec.rpc.figures import Figures
from tests.fakes.site import Site, open_site


def test_requests_are_counted_by_route(site: Site) -> None:
    """One request more is one more of its route, method and class of status."""
    before = metrics.HTTP.read("GET", "/v1/boards/{board}", "4xx")

    for name in ("a", "b"):
        site.ask("GET", f"/v1/boards/{name}", token="member")

    assert metrics.HTTP.read("GET", "/v1/boards/{board}", "4xx") == before + 2


def test_calls_and_commits_are_counted(site: Site) -> None:
    """A change is a call of the conductor and a transaction."""
    calls = metrics.CALLS.read("fleet.create", "ok")
    refused = metrics.CALLS.read("fleet.create", "refused")
    commits = metrics.COMMITS.read()

    for _ in range(2):
        site.ask("POST", "/v1/fleets", {"name": "attic"}, token="member")

    assert metrics.CALLS.read("fleet.create", "ok") == calls + 1
    assert metrics.CALLS.read("fleet.create", "refused") == refused + 1
    assert metrics.COMMITS.read() > commits


def test_strangers_make_no_series(shared_site: Site) -> None:
    """Addresses, methods and names of strangers become no labels."""
    shared_site.ask("GET", "/nowhere/first", token="member")
    shared_site.ask("BREW", "/v1/boards", token="member")
    before = len(metrics.HTTP.series())

    for number in range(50):
        shared_site.ask("GET", f"/nowhere/{number}", token="member")
        shared_site.ask(f"BREW{number}", "/v1/boards", token="member")
        shared_site.ask("GET", f"/v1/boards/secret-{number}", token=f"iot_{number}")

    assert len(metrics.HTTP.series()) <= before + 1
    shown = str(metrics.snapshot())
    assert "secret-" not in shown
    assert "member" not in shown
    assert "BREW" not in shown


def test_limits_are_counted(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A request over the rate is counted by whose limit it is."""
    with open_site(tmp_path_factory.mktemp("site"), user_rate=Rate(per_s=0.001, burst=1)) as site:
        site.add("ann", "member")
        before = metrics.LIMITED.read("user")

        answers = [site.ask("GET", "/v1/boards", token="ann").status_int for _ in range(3)]

    assert answers == [200, 429, 429]
    assert metrics.LIMITED.read("user") == before + 2


def test_only_the_cloud_reads_the_figures() -> None:
    """The RPC method is no way around the listener."""
    with pytest.raises(Forbidden):
        Figures().collect(Context(user="ann", project="red", roles=("admin",)))
