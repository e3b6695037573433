"""Boards of a site that are online, and what their clouds hold outside."""

from __future__ import annotations

from typing import Any

from iotronic_mec.drivers.dns.fake import FakeDNS
from iotronic_mec.drivers.network.fake import FakeNetwork
from iotronic_mec.drivers.proxy.fake import FakeProxy
from iotronic_mec.drivers.tunnel.fake import FakeTunnels
from iotronic_mec.features.enrolment_code.model import digest
from iotronic_mec.features.holding import store
from iotronic_mec.features.holding.model import Holding
from tests.fakes.site import Site

AGENT = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"


def make_board(site: Site, name: str = "kitchen", token: str = "member") -> str:
    """Register a board; return its uuid."""
    answer = site.ask("POST", "/v1/boards", {"name": name}, token=token)
    assert answer.status_int == 201, answer.text
    code = digest(site.parts.secret, answer.json["code"])
    found = site.call("board", "find_code", digest=code)
    key = answer.json["uuid"].replace("-", "").ljust(64, "0")
    site.call("board", "enrolled", row=found["row"], public_key=key)
    return str(answer.json["uuid"])


def set_online(site: Site, board: str, *, online: bool = True) -> None:
    """Have a board come or go."""
    session = int(board[:8], 16) + 1
    change = {"board": board, "online": online, "session": session}
    site.call("board", "presence", agent=AGENT, changes=[change])


def online_board(site: Site, name: str = "kitchen", token: str = "member") -> str:
    """Register a board and have it come online; return its uuid."""
    uuid = make_board(site, name, token)
    set_online(site, uuid)
    return uuid


def holdings(site: Site) -> list[Holding]:
    """Return all that is held outside, or being given back."""
    with site.parts.database.read() as connection:
        rows = connection.execute(store.holding.select().order_by(store.holding.c.id))
        return [store._holding(row) for row in rows]


def settle(site: Site) -> None:
    """Let the periodic work give back what is due."""
    site.periodic("close-holdings")


def outside(site: Site) -> tuple[FakeTunnels, FakeDNS, FakeProxy, FakeNetwork]:
    """Return the fake drivers of a site."""
    drivers: Any = site.parts.outside
    return drivers.tunnel, drivers.dns, drivers.proxy, drivers.network
