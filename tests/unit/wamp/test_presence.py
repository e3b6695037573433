"""Who is online, from events and from what the router is asked."""

from __future__ import annotations

from typing import Any

import pytest

from iotronic_mec import frames
from iotronic_mec.clock import ManualClock
from iotronic_mec.ids import new_uuid
from iotronic_mec.wamp.agent import ONLINE_PAGE
from iotronic_mec.wamp.presence import Change, Presence

A = "0d07340a-7862-4681-adc6-d4acaf9a0554"
B = "791ddb2f-f150-452d-9760-9d64763e0ca0"


class Bench:
    """Presence, and what it tells."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, bool, int]] = []
        self.killed: list[int] = []
        self.presence = Presence(ManualClock(), self._changed, self.killed.append)

    def _changed(self, change: Change) -> None:
        self.changes.append((change.board, change.online, change.session))

    def join(self, session: int, board: str = A, role: str = "board") -> None:
        """Let a session join."""
        self.presence.joined(details(session, board, role))

    def register(self, session: int, board: str = A) -> None:
        """Let a session register a board's prefix."""
        self.presence.registered(session, f"iotronic.board.{board}.")


def details(session: int, board: str = A, role: str = "board") -> dict[str, Any]:
    """Return what the router tells of a session."""
    transport = {"peer": "tcp4:1.2.3.4:5"}
    return {"session": session, "authid": board, "authrole": role, "transport": transport}


@pytest.fixture
def bench() -> Bench:
    """Give an empty presence."""
    return Bench()


def test_a_join_alone_is_not_online(bench: Bench) -> None:
    """The registration is."""
    bench.join(1)
    assert bench.changes == []

    bench.register(1)

    assert bench.changes == [(A, True, 1)]


def test_the_end_of_the_session_is_offline(bench: Bench) -> None:
    """Told with the session that ended."""
    bench.join(1)
    bench.register(1)

    bench.presence.left(1)

    assert bench.changes[-1] == (A, False, 1)
    assert bench.presence.online == {}


def test_a_newer_session_supersedes_the_older(bench: Bench) -> None:
    """The older is killed, and its end changes nothing."""
    bench.join(1)
    bench.register(1)
    bench.join(2)
    bench.register(2)

    bench.presence.left(1)

    assert bench.killed == [1]
    assert bench.presence.online == {A: 2}
    assert bench.changes == [(A, True, 1), (A, True, 2)]


def test_sessions_of_codes_do_not_supersede(bench: Bench) -> None:
    """Two boards may hold codes at once; their address is known."""
    bench.join(1, "code:1", "enrol")
    bench.join(2, "code:1", "enrol")

    assert bench.killed == []
    assert bench.presence.find_session(2) is not None


@pytest.mark.parametrize(
    "uri", ["iotronic.board.x.", f"iotronic.board.{A}", "iotronic.cloud.join"]
)
def test_other_registrations_are_no_boards(bench: Bench, uri: str) -> None:
    """Only a whole prefix with its dot."""
    bench.presence.registered(1, uri)

    assert bench.changes == []


def test_adoption_finds_boards_without_events(bench: Bench) -> None:
    """After our own restart."""
    bench.presence.begin_adoption()

    bench.presence.finish_adoption({A: 1, B: 2}, [details(1), details(2, B)])

    assert bench.presence.online == {A: 1, B: 2}
    assert bench.killed == []


def test_adoption_notices_who_has_gone(bench: Bench) -> None:
    """Also without an event of theirs."""
    bench.join(1)
    bench.register(1)

    bench.presence.begin_adoption()
    bench.presence.finish_adoption({}, [])

    assert bench.changes[-1] == (A, False, 1)
    assert bench.presence.find_session(1) is None


def test_events_outrank_what_was_read_before_them(bench: Bench) -> None:
    """One board leaves and another comes while the lists are read."""
    bench.join(1)
    bench.register(1)
    bench.presence.begin_adoption()
    bench.presence.left(1)
    bench.join(2, B)
    bench.register(2, B)

    bench.presence.finish_adoption({A: 1}, [details(1)])

    assert bench.presence.online == {B: 2}
    assert bench.presence.find_session(2) is not None


def test_adoption_kills_the_session_that_does_not_serve(bench: Bench) -> None:
    """Two of one board: the one that holds the registration stays."""
    bench.presence.begin_adoption()

    bench.presence.finish_adoption({A: 1}, [details(1), details(9)])

    assert bench.killed == [9]
    assert bench.presence.online == {A: 1}


def test_a_second_look_changes_nothing(bench: Bench) -> None:
    """Reconciliation is quiet when all is well."""
    bench.join(1)
    bench.register(1)
    before = list(bench.changes)

    bench.presence.begin_adoption()
    bench.presence.finish_adoption({A: 1}, [details(1)])

    assert bench.changes == before
    assert bench.killed == []


def test_online_in_pages() -> None:
    """A page is in the order of uuids and begins behind the last one."""
    presence = Presence(ManualClock(), lambda _: None, lambda _: None)
    presence._online.update({"c": 3, "a": 1, "b": 2})

    assert presence.page_online("", 2) == {"a": 1, "b": 2}
    assert presence.page_online("b", 2) == {"c": 3}


def test_a_page_of_online_boards_fits_a_frame() -> None:
    """The largest page of the largest numbers is well below a frame."""
    boards = {new_uuid(): 2**53 for _ in range(ONLINE_PAGE)}

    packed = frames.pack({"t": "answer", "id": 2**53, "r": {"boards": boards, "next": "x" * 36}})

    assert len(packed) < frames.MAX_FRAME_BYTES * 0.6
