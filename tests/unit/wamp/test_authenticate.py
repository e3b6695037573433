"""Logins, with the conductor's answers made up."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from iotronic_mec import errors
from iotronic_mec.wamp.authenticate import CHALLENGE_LIMIT_S, Authenticators, code_digest
from iotronic_mec.wamp.directory import Directory, Entry
from iotronic_mec.wamp.refusals import EVERY_S, Refusals
from lightning_agent.protocol.errors import (
    BoardUnknown,
    CodeUnknownOrUsed,
    KeyMismatch,
    NotReady,
    WireError,
)

BOARD = "0d07340a-7862-4681-adc6-d4acaf9a0554"
KEY = "ab" * 32
SECRET = b"s" * 32
CODE = "code-12345678"


class Bench:
    """Authenticators over one board, and what is counted."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.directory = Directory()
        self.rows: dict[str, Any] = {}
        self.casts: list[dict[str, Any]] = []
        self.refusals = Refusals(self.clock, self._cast)  # type: ignore[arg-type]
        self.authenticators = Authenticators(
            self.clock,  # type: ignore[arg-type]
            self.directory,
            self._find,
            SECRET,
            self.refusals,
        )
        self.directory.begin_reload()
        self.directory.finish_reload([{"uuid": BOARD, "public_key": KEY, "project": "p"}])

    def _cast(self, lines: list[dict[str, Any]]) -> bool:
        self.casts += [dict(line) for line in lines]
        return True

    def _find(self, digest: str) -> Deferred[Any]:
        found = self.rows.get(digest, errors.NotFound())
        return fail(found) if isinstance(found, Exception) else succeed(found)

    def add_code(self, **fields: Any) -> None:
        """Let the conductor know a code."""
        row = {"row": 7, "board": BOARD, "used": False, "public_key": None, **fields}
        self.rows[code_digest(SECRET, CODE)] = row

    def counted(self) -> list[tuple[str, str, int]]:
        """Return what has been cast."""
        self.clock.advance(EVERY_S)
        return [(line["authid"], line["reason"], line["count"]) for line in self.casts]


@pytest.fixture
def bench() -> Bench:
    """Give authenticators over one board."""
    return Bench()


def details(key: str | None = KEY, **fields: Any) -> dict[str, Any]:
    """Return what the router tells of a login."""
    extra = {"pubkey": key} if key else {}
    return {"session": 5, "authextra": extra, "transport": {"peer": "tcp4:1.2.3.4:5"}, **fields}


def result(work: Any) -> Any:
    """Return what a coroutine that waits for nothing gives."""
    got: list[Any] = []
    Deferred.fromCoroutine(work).addCallbacks(got.append, lambda f: got.append(f.value))
    [value] = got
    if isinstance(value, Exception):
        raise value
    return value


def test_a_code_joins_as_its_row(bench: Bench) -> None:
    """The code itself leaves the authenticator nowhere."""
    bench.add_code()

    answer = result(bench.authenticators.ticket("iotronic", "code", details(ticket=CODE)))

    assert answer == {"realm": "iotronic", "role": "enrol", "authid": "code:7"}


@pytest.mark.parametrize(
    ("realm", "authid", "ticket"),
    [
        ("nope", "code", CODE),
        ("iotronic", "code:7", CODE),
        ("iotronic", None, CODE),
        ("iotronic", "code", "another-code"),
        ("iotronic", "code", "sh"),
        ("iotronic", "code", "x" * 37),
        ("iotronic", "code", None),
    ],
)
def test_every_wrong_code_gets_the_same_answer(
    bench: Bench, realm: str, authid: str | None, ticket: str | None
) -> None:
    """One sentence, one reason."""
    bench.add_code()

    with pytest.raises(CodeUnknownOrUsed) as caught:
        result(bench.authenticators.ticket(realm, authid, details(ticket=ticket)))

    assert "wrong, unknown, or was used" in caught.value.message
    assert [line[1:] for line in bench.counted()] == [("code_unknown", 1)]


@pytest.mark.parametrize(
    ("stored", "offered", "repeatable", "joins"),
    [
        (KEY, KEY, True, True),
        (KEY, KEY.upper(), True, True),
        (KEY, KEY, False, False),
        (KEY, "cd" * 32, True, False),
        (KEY, None, True, False),
        (None, KEY, True, False),
    ],
)
def test_a_used_code_lets_only_the_same_key_in(
    bench: Bench, stored: str | None, offered: str | None, repeatable: bool, joins: bool
) -> None:
    """An answer lost on the way can be had again, for a while."""
    bench.add_code(used=True, public_key=stored, repeatable=repeatable)
    work = bench.authenticators.ticket("iotronic", "code", details(offered, ticket=CODE))

    try:
        joined = result(work)["authid"] == "code:7"
    except CodeUnknownOrUsed:
        joined = False

    assert joined is joins


@pytest.mark.parametrize("error", [errors.Unavailable(), errors.Busy(), errors.DeadlineExceeded()])
def test_a_core_that_is_away_is_no_wrong_code(bench: Bench, error: errors.Error) -> None:
    """The agent tries again instead of giving the code up."""
    bench.rows[code_digest(SECRET, CODE)] = error

    with pytest.raises(NotReady):
        result(bench.authenticators.ticket("iotronic", "code", details(ticket=CODE)))

    assert bench.counted() == []


def test_a_board_is_named_its_key(bench: Bench) -> None:
    """From memory."""
    answer = result(bench.authenticators.board("iotronic", BOARD, details()))

    assert answer == {"pubkey": KEY, "realm": "iotronic", "role": "board", "authid": BOARD}


@pytest.mark.parametrize(
    ("realm", "authid", "key", "refused", "reason"),
    [
        ("nope", BOARD, KEY, BoardUnknown, "wrong_realm"),
        ("iotronic", "x" * 100, KEY, BoardUnknown, "board_unknown"),
        ("iotronic", None, KEY, BoardUnknown, "board_unknown"),
        ("iotronic", BOARD, "cd" * 32, KeyMismatch, "wrong_key"),
    ],
)
def test_a_wrong_board_is_refused_with_its_reason(
    bench: Bench,
    realm: str,
    authid: str | None,
    key: str,
    refused: type[WireError],
    reason: str,
) -> None:
    """Counted under what it claimed, cut to a bounded length."""
    with pytest.raises(refused):
        result(bench.authenticators.board(realm, authid, details(key)))

    assert bench.counted() == [(str(authid)[:64], reason, 1)]


def test_a_board_that_has_not_enrolled_cannot_join(bench: Bench) -> None:
    """It has no key to sign with."""
    bench.directory.put(Entry(board=BOARD, public_key=None, project="p", name="b"))

    with pytest.raises(BoardUnknown):
        result(bench.authenticators.board("iotronic", BOARD, details()))


def test_without_the_directory_nobody_is_judged() -> None:
    """Not ready is not unknown."""
    bench = Bench()
    bench.directory.loaded = False

    with pytest.raises(NotReady):
        result(bench.authenticators.board("iotronic", BOARD, details()))


def test_a_challenge_nobody_answers_is_counted(bench: Bench) -> None:
    """After the limit, once."""
    result(bench.authenticators.board("iotronic", BOARD, details()))

    bench.clock.advance(CHALLENGE_LIMIT_S)

    assert bench.counted() == [(BOARD, "challenge_failed", 1)]


def test_a_join_ends_the_watch(bench: Bench) -> None:
    """The control of the count."""
    result(bench.authenticators.board("iotronic", BOARD, details()))

    bench.authenticators.joined(5)
    bench.clock.advance(CHALLENGE_LIMIT_S)

    assert bench.counted() == []
    assert not bench.clock.getDelayedCalls()
