"""Sealing the audit: what is old goes into files, and nothing is ever in neither place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from iotronic_mec.audit_chain import Head
from iotronic_mec.cmd import audit as audit_command
from iotronic_mec.context import system_context
from iotronic_mec.features.audit import store as audit_store
from iotronic_mec.features.audit_segment import commands as segment_commands
from iotronic_mec.features.audit_segment import store
from iotronic_mec.features.audit_segment.commands import AuditSegmentCommands
from iotronic_mec.features.audit_segment.model import SegmentBroken
from iotronic_mec.features.audit_segment.reports import QUIET_S, Witnesses
from iotronic_mec.features.blob import periodic
from tests.fakes.site import Site, open_site

DAY_S = 86_400.0
BOARD = "33333333-3333-4333-8333-333333333333"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give a cloud that seals after seven days, in files of at most five rows."""
    monkeypatch.setattr(segment_commands, "MAX_ROWS", 5)
    with open_site(tmp_path, audit_retention_days=7) as made:
        yield made


def act(site: Site, count: int) -> None:
    """Add rows to the audit."""

    def change(connection: Any) -> None:
        for number in range(count):
            site.parts.audit(connection, system_context(), "thing.do", "thing", str(number))

    site.parts.database.write(change)


def age(site: Site, days: float) -> None:
    """Let time pass."""
    site.clock.advance(days * DAY_S)


def fresh(site: Site) -> AuditSegmentCommands:
    """Return the commands of a conductor that has just started."""
    return AuditSegmentCommands(site.parts, {})


def kept(site: Site) -> list[int]:
    """Return the sequences in the table."""
    with site.parts.database.read() as connection:
        return [row.sequence for row in audit_store.iter_rows(connection)]


def ranges(site: Site) -> list[tuple[int, int]]:
    """Return what is sealed."""
    with site.parts.database.read() as connection:
        return [
            (each.segment.first, each.segment.last) for each in store.iter_segments(connection)
        ]


def head(site: Site) -> Head:
    """Return the end of the chain."""
    with site.parts.database.read() as connection:
        return audit_store.head(connection)


def check(site: Site, *expected: Head) -> list[str]:
    """Return what a check of files and rows finds."""
    _, verdict = audit_command.check(site.parts.database, lambda: site.parts.storage, expected)
    assert verdict.ok is False or verdict.rows == head(site).sequence
    return [finding.text for finding in verdict.findings]


def change(site: Site, statement: str) -> None:
    """Write into the database as nobody should."""
    site.parts.database.write(lambda connection: connection.execute(text(statement)))


def test_what_is_old_is_sealed(site: Site) -> None:
    """Old rows leave the table, young ones stay, and all is one chain."""
    act(site, 11)
    old, known = head(site).sequence, head(site)
    age(site, 8.5)
    act(site, 2)

    fresh(site).run()

    assert ranges(site)[0] == (1, 5)
    assert ranges(site)[-1][1] == old
    assert kept(site)[0] == old + 1
    assert check(site, known, head(site)) == []


def test_zero_keeps_all(site: Site) -> None:
    """Without a retention nothing is sealed, however old."""
    site.parts = replace(site.parts, settings=replace(site.parts.settings, audit_retention_days=0))
    act(site, 20)
    age(site, 4000)

    assert fresh(site).run() == 0
    assert ranges(site) == []


def test_not_before_it_is_due(site: Site) -> None:
    """Rows wait for the retention, and few of them a day more for others."""
    act(site, 1)
    fresh(site).run()
    age(site, 6.9)
    fresh(site).run()

    assert ranges(site) == []


def test_a_quiet_cloud_does_not_seal_for_ever(site: Site) -> None:
    """Rows about sealing alone make no further segments."""
    act(site, 3)
    counts = []
    for _ in range(5):
        age(site, 9)
        fresh(site).run()
        counts.append(len(ranges(site)))

    assert counts == [counts[0]] * 5
    assert counts[0] > 0
    assert check(site) == []


class Killed(BaseException):
    """The process ends here."""


def after(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does its work and ends the process then."""

    def work(*given: Any, **named: Any) -> Any:
        function(*given, **named)
        raise Killed

    return work


def instead(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that ends the process before it does anything."""

    def work(*given: Any, **named: Any) -> Any:
        raise Killed

    return work


def later(function: Callable[..., Any], count: int, then: Callable[..., Any]) -> Any:
    """Return a function that is another one from a call on."""
    calls = iter([function] * count)
    broken = then(function)
    return lambda *given, **named: next(calls, broken)(*given, **named)


@pytest.mark.parametrize("how", [instead, after], ids=["before", "after"])
@pytest.mark.parametrize(
    "step",
    [
        ("storage", "put", 0),
        ("storage", "open", 0),
        ("database", "write", 0),
        ("storage", "open", 1),
        ("database", "write", 1),
        ("storage", "put", 1),
        ("database", "write", 2),
        ("database", "write", 3),
    ],
    ids=str,
)
def test_killed_at_any_step(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    step: tuple[str, str, int],
    how: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> None:
    """Wherever a conductor ends, nothing is lost, and the next one finishes the work."""
    act(site, 12)
    known = head(site)
    age(site, 8.5)
    part, name, count = step
    target = getattr(site.parts, part)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(target, name, later(getattr(target, name), count, how))
        fresh(site).run()

    assert check(site, known) == []
    act(site, 1)
    fresh(site).run()

    assert kept(site)[0] == known.sequence + 1
    assert check(site, known, head(site)) == []


def test_a_file_nothing_holds_is_collected_and_one_that_is_held_is_not(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a crash before the database left goes; segments stay for good."""
    act(site, 3)
    age(site, 8.5)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(site.parts.database, "write", instead(site.parts.database.write))
        fresh(site).run()
    left = set(site.parts.storage.iter_old(site.clock.now().replace(year=2999)))
    act(site, 3)
    age(site, 8.5)
    fresh(site).run()
    age(site, 1)

    periodic.sweep(site.parts, {})
    periodic.collect(site.parts, {})

    stored = set(site.parts.storage.iter_old(site.clock.now().replace(year=2999)))
    assert len(left) == 1
    assert len(stored) == len(ranges(site))
    assert check(site) == []


def test_two_that_lead_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two conductors that seal the same rows one does; nothing is there twice."""
    act(site, 4)
    age(site, 8.5)
    second = fresh(site)
    put = site.parts.storage.put

    def slowly(*given: Any) -> Any:
        monkeypatch.setattr(site.parts.storage, "put", put)
        second.run()
        return put(*given)

    monkeypatch.setattr(site.parts.storage, "put", slowly)

    with suppress(Exception):
        fresh(site).run()

    firsts = [first for first, _ in ranges(site)]
    assert len(firsts) == len(set(firsts))
    assert firsts
    assert check(site) == []


def test_one_that_slept_does_not_write(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A conductor that was held up may not point to a file that was collected since."""
    act(site, 4)
    age(site, 8.5)
    put = site.parts.storage.put

    def slowly(*given: Any) -> Any:
        stored = put(*given)
        site.clock.advance(3700)
        return stored

    monkeypatch.setattr(site.parts.storage, "put", slowly)
    with pytest.raises(Exception, match="held up"):
        fresh(site).run()

    assert ranges(site) == []


def test_a_broken_chain_is_not_sealed(site: Site) -> None:
    """Rows that do not fit stay where they are, to be found."""
    act(site, 4)
    change(site, "UPDATE audit SET target = 'x' WHERE sequence = 2")
    age(site, 8.5)
    before = kept(site)

    with pytest.raises(SegmentBroken):
        fresh(site).run()

    assert kept(site) == before
    assert ranges(site) == []


@pytest.mark.parametrize("how", ["lost", "changed"])
def test_rows_stay_while_their_file_is_not_whole(
    site: Site, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """What was sealed is deleted only after its file was read again and is right."""
    act(site, 4)
    age(site, 8.5)
    commands = fresh(site)
    commands.seal(site.clock.now())
    before = kept(site)
    files = site.parts.storage._kept  # type: ignore[attr-defined]
    for digest, (content, at) in list(files.items()):
        files.pop(digest) if how == "lost" else files.update({digest: (content[:-9], at)})

    with pytest.raises(SegmentBroken):
        commands.run()

    assert kept(site) == before


FORGERIES = {
    "a segment's row": "DELETE FROM audit_segment WHERE first = 6",
    "another digest": f"UPDATE audit_segment SET digest = '{'a' * 64}' WHERE first = 6",
    "another end": f"UPDATE audit_segment SET hash = '{'a' * 64}' WHERE first = 6",
    "a row after the segments": "DELETE FROM audit WHERE sequence ="
    " (SELECT last + 1 FROM (SELECT max(last) AS last FROM audit_segment) AS newest)",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forgeries_are_found(site: Site, forgery: str) -> None:
    """Nothing can be taken out or exchanged without a trace."""
    act(site, 12)
    age(site, 8.5)
    act(site, 2)
    fresh(site).run()
    before = check(site)
    change(site, FORGERIES[forgery])

    assert before == []
    assert check(site) != []


def sealed_site(site: Site) -> dict[str, Any]:
    """Have rows sealed; return the list of segments."""
    act(site, 12)
    age(site, 8.5)
    site.add("root", "admin")
    fresh(site).run()
    return dict(site.ask("GET", "/v1/audit/segments", token="root").json)


def test_segments_are_listed_and_handed_out(site: Site) -> None:
    """An administrator lists segments, page by page, and downloads their files."""
    listed = sealed_site(site)["segments"]
    page = site.ask("GET", "/v1/audit/segments?limit=1", token="root").json
    following = site.ask(
        "GET", page["next"].removeprefix("http://control.test:1288"), token="root"
    )
    one = listed[0]

    shown = site.ask("GET", f"/v1/audit/segments/{one['uuid']}", token="root").json
    file = site.ask("GET", f"/v1/audit/segments/{one['uuid']}/file", token="root")

    assert page["segments"] == [one]
    assert following.json["segments"][0] == listed[1]
    assert shown == one
    assert (len(file.body), file.content_type) == (one["size"], "application/gzip")
    assert one["file"] in file.headers["Content-Disposition"]


def test_the_list_says_where_it_begins(site: Site) -> None:
    """Who lists the audit is told that older rows are sealed."""
    before = site.ask("GET", "/v1/audit?limit=1").json["begins"]
    last = sealed_site(site)["segments"][-1]["last"]

    listed = site.ask("GET", "/v1/audit?limit=1", token="root").json

    assert before == 1
    assert listed["begins"] == last + 1
    assert listed["audit"][0]["sequence"] == last + 1


def test_no_such_segment(site: Site) -> None:
    """A segment there is not is a 404."""
    answer = site.ask("GET", f"/v1/audit/segments/{BOARD}")

    assert (answer.status_int, answer.json["code"]) == (404, "iot.audit_segment.not_found")


# -- the word of boards ---------------------------------------------------------------


def contradictions(site: Site) -> list[tuple[str, str]]:
    """Return what boards said that is not in the chain."""
    assert site.parts.background.wait(10)
    with site.parts.database.read() as connection:
        rows = audit_store.list_rows(
            connection, limit=100, filters={"action": "audit.contradicted"}
        )
    return [(row.target, row.details["head"]) for row in rows]


def test_a_board_remembers_a_sealed_head(site: Site) -> None:
    """A board that was away for long knows a head that is in a file by now."""
    act(site, 12)
    with site.parts.database.read() as connection:
        rows = audit_store.list_rows(connection, limit=100)
    age(site, 8.5)
    fresh(site).run()
    witnesses = Witnesses(site.parts)

    for row in rows[:8]:
        assert witnesses.hear(system_context(), BOARD, f"{row.sequence}:{row.hash}")

    assert contradictions(site) == []


def test_a_board_contradicts_a_sealed_row(site: Site) -> None:
    """A head that is another one in the file is noted."""
    act(site, 12)
    age(site, 8.5)
    fresh(site).run()

    Witnesses(site.parts).hear(system_context(), BOARD, f"3:{'f' * 64}")

    assert contradictions(site) == [(BOARD, f"3:{'f' * 64}")]


def test_invented_heads_make_one_row_an_hour(site: Site) -> None:
    """A board that joins again and again with heads of its own cannot fill the audit."""
    witnesses = Witnesses(site.parts)
    for number in range(50):
        witnesses.hear(system_context(), BOARD, f"{1000 + number}:{'f' * 64}")
    first = len(contradictions(site))
    witnesses.hear(system_context(), BOARD.replace("3", "4"), f"1000:{'f' * 64}")
    site.clock.advance(QUIET_S)
    witnesses.hear(system_context(), BOARD, f"1000:{'f' * 64}")

    assert first == 1
    assert len(contradictions(site)) == 3
