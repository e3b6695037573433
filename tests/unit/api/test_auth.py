"""Who is asking: what is remembered, and for how long."""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from iotronic_mec.api.auth import (
    ADDRESS_FAILURES,
    FAILURES,
    FRESH_S,
    MAX_REMEMBERED,
    Credentials,
    EmbeddedAuthenticator,
    LastUsed,
    Throttle,
    block_of,
)
from iotronic_mec.api.problem import TooManyFailures
from iotronic_mec.clock import ManualClock
from iotronic_mec.errors import Unauthenticated, Unavailable
from iotronic_mec.features.identity.model import Login
from iotronic_mec.passwords import Passwords
from tests.fakes.site import cheap_passwords


class Counted(Passwords):
    """Counts verifications."""

    def __init__(self) -> None:
        self._real = cheap_passwords()
        self.verified = 0

    def hash(self, password: str) -> str:
        """Return the hash."""
        return self._real.hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """Count and verify."""
        self.verified += 1
        return self._real.matches(stored, password)


class People:
    """One user, in place of the stores and the database."""

    def __init__(self, password_hash: str) -> None:
        self.password_hash = password_hash

    @contextmanager
    def read(self) -> Iterator[None]:
        """Give nothing: there is no database."""
        yield None

    def find_login(self, connection: Any, name: str, project: str | None) -> Login | None:
        """Return the one user."""
        if name != "ann":
            return None
        return Login(
            user="u",
            user_name=name,
            project="p",
            roles=("member",),
            password_hash=self.password_hash,
        )

    def find_token(self, connection: Any, digest: str) -> Login | None:
        """Know no token."""
        return None


class Door:
    """An authenticator with all that stands behind it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.passwords = Counted()
        self.people = People(self.passwords.hash("right password"))
        self.door = EmbeddedAuthenticator(
            self.people, self.people, self.people, self.passwords, self.clock, lambda token: None
        )

    def knock(self, password: str, name: str = "ann", address: str = "10.0.0.1") -> bool:
        """Say whether the password lets in."""
        pair = base64.b64encode(f"{name}:{password}".encode()).decode()
        try:
            self.door.authenticate(Credentials(authorization=f"basic {pair}", address=address))
        except Unauthenticated:
            return False
        return True


def test_verification_is_remembered_for_a_while() -> None:
    """The costly hash is computed once in 30 s for the same password."""
    door = Door()

    results = [door.knock("right password") for _ in range(3)]
    door.clock.advance(FRESH_S)
    again = door.knock("right password")

    assert (results, again) == ([True] * 3, True)
    assert door.passwords.verified == 2


def test_failures_are_not_remembered() -> None:
    """A wrong password is computed each time, as is that of an unknown user."""
    door = Door()

    assert not door.knock("wrong")
    assert not door.knock("wrong")
    assert not door.knock("wrong", name="nobody")
    assert door.passwords.verified == 3


def test_remembered_only_for_the_stored_hash() -> None:
    """A changed password counts at once."""
    door = Door()
    door.knock("right password")

    door.people.password_hash = door.passwords.hash("new password")

    assert not door.knock("right password")
    assert door.knock("new password")


def test_throttle_spares_who_was_let_in() -> None:
    """Somebody who guesses at a user's address does not lock out the user at once."""
    door = Door()
    door.knock("right password")

    for _ in range(FAILURES):
        door.knock("wrong")

    assert door.knock("right password")
    with pytest.raises(TooManyFailures):
        door.knock("wrong")


def test_throttle_is_by_name_and_address() -> None:
    """Failures from one address do not count for another, nor for another user."""
    door = Door()
    for _ in range(FAILURES):
        door.knock("wrong", address="10.9.9.9")

    assert door.knock("right password", address="10.0.0.1")


@pytest.mark.parametrize(
    ("other", "counts"),
    [
        ("2001:db8:0:1:ffff::9", True),
        ("2001:db8:0:1::1%eth0", True),
        ("2001:db8:0:2::1", False),
        ("192.0.2.1", False),
        ("", False),
    ],
)
def test_throttle_counts_a_network_of_ipv6(other: str, counts: bool) -> None:
    """Whoever has an address of IPv6 has 2^64 of them: all are one."""
    throttle = Throttle(ManualClock())
    for number in range(ADDRESS_FAILURES):
        throttle.guessed(f"2001:db8:0:1::{number:x}")

    refused = []
    with contextlib.suppress(TooManyFailures):
        throttle.check_address(other)
        refused.append(other)

    assert (refused == []) is counts


def test_throttle_tells_ipv4_apart() -> None:
    """Addresses of IPv4 are counted one by one, however they are written."""
    assert block_of("::ffff:192.0.2.7") == block_of("192.0.2.7") != block_of("192.0.2.8")
    assert block_of("no address") == "no address"


def test_throttle_is_bounded() -> None:
    """A flood of addresses does not fill the memory."""
    throttle = Throttle(ManualClock())

    for number in range(MAX_REMEMBERED + 100):
        throttle.failed("ann", str(number))

    assert len(throttle._failures) == MAX_REMEMBERED


def test_last_use_is_written_once_a_minute() -> None:
    """Many uses are one write; an error does not end the writing."""
    clock, written = ManualClock(), []
    gate = threading.Event()

    def write(token: str) -> None:
        written.append(token)
        gate.set()
        if token == "lost":
            raise Unavailable()

    used = LastUsed(write, clock)
    for token in ("lost", "a", "a", "a"):
        used(token)
    clock.advance(60)
    used("a")
    used.stop()

    assert gate.is_set()
    assert written == ["lost", "a", "a"]


def test_an_address_that_guesses_many_names() -> None:
    """Other names do not help who guesses; the error says when to come back."""
    door = Door()
    for number in range(ADDRESS_FAILURES):
        assert not door.knock("wrong", name=f"user-{number}")

    with pytest.raises(TooManyFailures) as caught:
        door.knock("right password")

    assert caught.value.details["retry_after_s"] == 1
    assert door.knock("right password", address="10.0.0.2")
    door.clock.advance(1)
    assert door.knock("right password")


def test_guessed_tokens_are_throttled() -> None:
    """Who tries tokens is told to wait after a while, and not for ever."""
    door = Door()
    guess = Credentials(token="guess", address="10.0.0.1")
    for _ in range(ADDRESS_FAILURES):
        with pytest.raises(Unauthenticated):
            door.door.authenticate(guess)

    with pytest.raises(TooManyFailures):
        door.door.authenticate(guess)

    door.clock.advance(2)
    with pytest.raises(Unauthenticated):
        door.door.authenticate(guess)
