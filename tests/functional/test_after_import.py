"""What an operator does after an import, as its report says: it leads back into the boards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iotronic_mec.cmd.importing.ground import Names
from iotronic_mec.cmd.importing.report import Report
from iotronic_mec.cmd.importing.run import Import
from iotronic_mec.db import upstream
from iotronic_mec.db.engine import sqlite_url
from tests.fakes import upstream_database
from tests.fakes.reach import AGENT, outside, settle
from tests.fakes.site import Site
from tests.fakes.upstream_database import uuid

BOARD = f"/v1/boards/{uuid(10)}"


@pytest.fixture
def notes(site: Site, tmp_path: Path) -> dict[str, str]:
    """Import into the cloud and have a board come online; return the report's notes."""
    url = sqlite_url(tmp_path / "theirs.sqlite")
    upstream_database.make(url)
    report = Report(dry_run=False)
    with upstream.opened(url) as source:
        Import(site.parts, source, Names(), report).run()
    site.parts.database.write(
        lambda connection: connection.exec_driver_sql(
            f"UPDATE board SET status = 'online', session = '7', agent = '{AGENT}',"
            f" public_key = '{'0' * 64}' WHERE uuid = '{uuid(10)}'"
        )
    )
    return report.notes


def ask(site: Site, method: str, path: str, sends: Any = None) -> int:
    """Ask as the administrator; return the status."""
    return int(site.ask(method, path, sends).status_int)


def test_web_services_lead_in_again(site: Site, notes: dict[str, str]) -> None:
    """Taken back, enabled and exposed anew; before that both are refused as there already."""
    name = {"dns": "porch", "zone": "example.org", "email": "me@example.org"}
    cam = {"name": "cam", "port": 8080, "secure": True}
    there = [
        ask(site, "POST", f"{BOARD}/webservices/enable", name),
        ask(site, "PUT", f"{BOARD}/webservices", cam),
    ]

    taken_back = [
        ask(site, "DELETE", f"/v1/webservices/{uuid(50)}"),
        ask(site, "DELETE", f"{BOARD}/webservices/disable"),
    ]
    settle(site)
    anew = [
        ask(site, "POST", f"{BOARD}/webservices/enable", name),
        ask(site, "PUT", f"{BOARD}/webservices", cam),
    ]

    assert (there, taken_back, anew) == ([409, 409], [204, 204], [201, 201])
    assert "cam.porch.example.org" in outside(site)[1].records
    assert all("delete" in notes[table] for table in ("webservices", "enabled_webservices"))


def test_exposed_services_lead_in_again(site: Site, notes: dict[str, str]) -> None:
    """Restored they have a tunnel, on the port they had."""
    before = dict(outside(site)[0].open_now)

    restored = site.ask("GET", f"{BOARD}/services/restore")

    assert restored.status_int == 200, restored.text
    assert before == {}
    assert 50020 in {tunnel.public_port for tunnel in outside(site)[0].open_now.values()}
    assert "restore" in notes["exposed_services"]
