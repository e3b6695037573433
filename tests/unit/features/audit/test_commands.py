"""How the head of the audit is made known, and what a board's word on it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iotronic_mec.audit_chain import Head
from iotronic_mec.context import system_context
from iotronic_mec.drivers.ledger.base import LedgerUnavailable
from iotronic_mec.drivers.ledger.fake import FakeLedger
from iotronic_mec.events.outbox import list_after
from iotronic_mec.features.audit import store
from iotronic_mec.features.audit.commands import AuditCommands
from iotronic_mec.features.audit_segment.reports import Witnesses
from tests.fakes.site import Site, open_site

BOARD = "33333333-3333-4333-8333-333333333333"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a cloud with a ledger in memory."""
    with open_site(tmp_path, ledger_driver="fake") as made:
        yield made


def head_of(site: Site) -> Head:
    """Return the end of the chain."""
    with site.parts.database.read() as connection:
        return store.head(connection)


def published(site: Site, topic: str = "audit.head") -> list[str]:
    """Return the heads that went out as events."""
    with site.parts.database.read() as connection:
        found = list_after(connection, 0, 1000)
    return [entry["body"]["head"] for entry in found if entry["topic"] == topic]


def tell(site: Site, head: str | None) -> bool:
    """Have a board say which head it was told."""
    return Witnesses(site.parts).hear(system_context(), BOARD, head)


def test_a_new_head_goes_out_once_an_interval(site: Site) -> None:
    """Ledger and event get each new head, not twice the same, and not too often."""
    commands, ledger = AuditCommands(site.parts, {}), site.parts.ledger
    assert isinstance(ledger, FakeLedger)
    first = head_of(site)

    assert commands.publish_head()
    site.add_project("more")
    assert not commands.publish_head()
    site.clock.advance(site.parts.settings.audit_head_interval_s)
    assert commands.publish_head()
    site.clock.advance(site.parts.settings.audit_head_interval_s)
    assert not commands.publish_head()

    assert [head for head, _ in ledger.kept] == [first, head_of(site)]
    assert published(site) == [str(first), str(head_of(site))]


def test_a_head_the_ledger_did_not_take_is_offered_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that is away costs nothing but time."""
    commands, ledger = AuditCommands(site.parts, {}), site.parts.ledger
    assert isinstance(ledger, FakeLedger)

    def away(*_: object) -> None:
        raise LedgerUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "append", away)
        with pytest.raises(LedgerUnavailable):
            commands.publish_head()

    assert commands.publish_head()
    assert ledger.newest() == head_of(site)


def test_a_head_that_is_in_the_chain_is_no_finding(site: Site) -> None:
    """Control: a board that was told the present or an older head agrees."""
    older = head_of(site)
    site.add_project("more")

    assert tell(site, str(older))
    assert tell(site, str(head_of(site)))
    assert tell(site, None)
    assert published(site, "audit.contradicted") == []


@pytest.mark.parametrize("ahead", [0, 1000])
def test_a_head_that_is_not_in_the_chain_is_noted(site: Site, ahead: int) -> None:
    """A board that knows another row, or a later one, leaves a row and an event."""
    told = f"{head_of(site).sequence + ahead}:{'f' * 64}"

    assert not tell(site, told)

    rows = site.ask("GET", "/v1/audit?action=audit.contradicted").json["audit"]
    assert [(row["target"], row["details"]["head"]) for row in rows] == [(BOARD, told)]
    assert published(site, "audit.contradicted") == [told]
