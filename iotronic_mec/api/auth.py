"""Who is asking: HTTP Basic and tokens of the embedded identity, or another.

:class:`Authenticator` is the seam: Keystone is behind the same Protocol, in
:mod:`iotronic_mec.api.keystone`. Every request looks its user or token up in the database by one
prepared statement, so whatever is revoked, disabled or changed counts at once;
only the costly verification of a password is remembered, for :data:`FRESH_S`
and bound to the stored hash.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import queue
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any, Protocol

from iotronic_mec import metrics
from iotronic_mec.api.controller import Reads
from iotronic_mec.api.policy import known_roles
from iotronic_mec.api.problem import TooManyFailures
from iotronic_mec.clock import Clock
from iotronic_mec.errors import Error, Forbidden, Unauthenticated
from iotronic_mec.passwords import MAX_PASSWORD, Passwords, token_digest

LOG = logging.getLogger(__name__)

FRESH_S = 30.0
"""How long a verified password is remembered, seconds."""

MAX_REMEMBERED = 1024
"""Most verified passwords, throttled addresses and used tokens remembered."""

FAILURES = 10
"""Wrong passwords per user name and address before they are refused unread."""

FAILURE_REFILL_S = 6.0
"""Seconds after which one more wrong password is let through again."""

ADDRESS_FAILURES = 100
"""Wrong passwords and tokens per address, whatever the user names, before
unknown ones are refused unread. Many users may share an address."""

ADDRESS_REFILL_S = 1.0
"""Seconds after which an address may be wrong once more."""

TOUCH_S = 60.0
"""How often the time of a token's last use is written at most, seconds."""

CHALLENGE = 'Basic realm="iotronic", charset="UTF-8"'
"""Source: RFC 7617 section 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a request says about its sender.

    :param project: name or uuid of the project to act in, ``None`` for the
        user's own
    :param address: network address of the sender
    :param method: of the request, for credentials that are for some routes only
    :param path: of the request, likewise
    """

    authorization: str = ""
    token: str = ""
    project: str | None = None
    address: str = ""
    method: str = "GET"
    path: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is asking, in which project, in which roles.

    ``project`` is empty for an operator of the whole system, who is in none.
    """

    user: str
    user_name: str
    project: str
    roles: tuple[str, ...]


class Authenticator(Protocol):
    """Finds out who is asking."""

    challenge: str
    """Value of ``WWW-Authenticate`` on a 401."""

    def authenticate(self, credentials: Credentials) -> Identity:
        """Return the identity; blocks for a database read or a password hash.

        :raises Unauthenticated: no credentials, or wrong ones
        """


class Login(Protocol):
    """A user acting in one project, as the identity store finds it."""

    @property
    def user(self) -> str:
        """Its uuid."""

    @property
    def user_name(self) -> str:
        """Its name."""

    @property
    def password_hash(self) -> str:
        """Hash of the password, empty for a token."""

    @property
    def project(self) -> str:
        """Uuid of the project, empty where the user has no role."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles there."""

    @property
    def token(self) -> str:
        """Uuid of the token, empty for a password."""

    @property
    def expires_at(self) -> datetime | None:
        """When the token ends."""

    @property
    def last_used_at(self) -> datetime | None:
        """When the token was used before, to within a minute."""


class UserSource(Protocol):
    """Where users are; the identity feature's store."""

    def find_login(self, connection: Any, name: str, project: str | None) -> Login | None:
        """Return an enabled user by name, in a project or in its own."""


class TokenSource(Protocol):
    """Where tokens are; the token feature's store."""

    def find_token(self, connection: Any, digest: str) -> Login | None:
        """Return the token with this digest and its enabled user."""


class EmbeddedAuthenticator:
    """HTTP Basic and tokens of the cloud's own users; any thread.

    :param touch: told the uuid of a token that was used; must return at once
    """

    challenge = CHALLENGE

    def __init__(
        self,
        database: Reads,
        users: UserSource,
        tokens: TokenSource,
        passwords: Passwords,
        clock: Clock,
        touch: Callable[[str], None],
    ) -> None:
        self._database = database
        self._users = users
        self._tokens = tokens
        self._passwords = passwords
        self._clock = clock
        self._touch = touch
        self._secret = secrets.token_bytes(32)
        self._verified: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._throttle = Throttle(clock)
        self._lock = threading.Lock()

    def authenticate(self, credentials: Credentials) -> Identity:
        """Return the identity of a request."""
        scheme, _, rest = credentials.authorization.partition(" ")
        scheme = scheme.lower()
        if credentials.token:
            return self._by_token(credentials.token, credentials)
        if scheme == "bearer":
            return self._by_token(rest.strip(), credentials)
        if scheme == "basic":
            name, password = _basic(rest.strip())
            return self._by_password(name, password, credentials)
        raise Unauthenticated("send a user name and password (HTTP Basic) or a token")

    def _by_token(self, token: str, credentials: Credentials) -> Identity:
        with self._database.read() as connection:
            login = self._tokens.find_token(connection, token_digest(token))
        now = self._clock.now()
        if login is None or (login.expires_at is not None and login.expires_at <= now):
            # one that is valid passes always: looking it up costs little
            self._throttle.check_address(credentials.address)
            self._throttle.guessed(credentials.address)
            raise Unauthenticated("the token is not valid")
        used = login.last_used_at
        if used is None or (now - used).total_seconds() >= TOUCH_S:
            self._touch(login.token)
        return _identity(login)

    def _by_password(self, name: str, password: str, credentials: Credentials) -> Identity:
        with self._database.read() as connection:
            login = self._users.find_login(connection, name, credentials.project)
        stored = login.password_hash if login is not None else None
        mark = self._mark(name, password)
        if not self._remembered(mark, stored):
            self._throttle.check(name, credentials.address)
            if len(password) > MAX_PASSWORD or not self._passwords.matches(stored, password):
                self._throttle.failed(name, credentials.address)
                raise Unauthenticated("the user name or the password is not right")
            self._remember(mark, stored or "")
        if login is None:
            raise Unauthenticated("the user name or the password is not right")
        return _identity(login)

    def _mark(self, name: str, password: str) -> bytes:
        return hmac.digest(self._secret, f"{name}\0{password}".encode(), hashlib.sha256)

    def _remembered(self, mark: bytes, stored: str | None) -> bool:
        entry = self._verified.get(mark)
        if entry is None or stored is None:
            return False
        return hmac.compare_digest(entry[0], stored) and self._clock.monotonic() < entry[1]

    def _remember(self, mark: bytes, stored: str) -> None:
        with self._lock:
            self._verified[mark] = (stored, self._clock.monotonic() + FRESH_S)
            self._verified.move_to_end(mark)
            while len(self._verified) > MAX_REMEMBERED:
                self._verified.popitem(last=False)


class Throttle:
    """Slows guessing, per user name and address and per address; any thread.

    Holds buckets of :data:`FAILURES` and :data:`ADDRESS_FAILURES` that fill
    again with time; a password verified shortly before passes always.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        self._addresses: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, name: str, address: str) -> None:
        """Do nothing while there were few failures.

        An address of IPv6 counts as its /64: whoever has one has all of it.

        :raises TooManyFailures: when there were too many; says when to come back
        """
        self.check_address(address)
        with self._lock:
            found = self._failures.get((name, block_of(address)))
            _refuse(self._level(found, FAILURE_REFILL_S), FAILURES, FAILURE_REFILL_S)

    def check_address(self, address: str) -> None:
        """Do nothing while an address was wrong seldom.

        :raises TooManyFailures: when it was wrong too often
        """
        with self._lock:
            level = self._level(self._addresses.get(block_of(address)), ADDRESS_REFILL_S)
            _refuse(level, ADDRESS_FAILURES, ADDRESS_REFILL_S)

    def failed(self, name: str, address: str) -> None:
        """Note one wrong password."""
        key = (name, block_of(address))
        with self._lock:
            level = self._level(self._failures.get(key), FAILURE_REFILL_S) + 1
            self._failures[key] = (level, self._clock.monotonic())
            self._failures.move_to_end(key)
            while len(self._failures) > MAX_REMEMBERED:
                self._failures.popitem(last=False)
        self.guessed(address)

    def guessed(self, address: str) -> None:
        """Note one wrong token, or password, of an address."""
        address = block_of(address)
        with self._lock:
            level = self._level(self._addresses.get(address), ADDRESS_REFILL_S) + 1
            self._addresses[address] = (level, self._clock.monotonic())
            self._addresses.move_to_end(address)
            while len(self._addresses) > MAX_REMEMBERED:
                self._addresses.popitem(last=False)

    def _level(self, found: tuple[float, float] | None, refill_s: float) -> float:
        level, since = found or (0.0, 0.0)
        return max(0.0, level - (self._clock.monotonic() - since) / refill_s)


def block_of(address: str) -> str:
    """Return what an address is counted as: itself, or the /64 of IPv6 it is in.

    An IPv4 address written as one of IPv6 is itself.

    >>> block_of("192.0.2.7"), block_of("2001:db8::1:2"), block_of("::ffff:192.0.2.7")
    ('192.0.2.7', '2001:db8::/64', '192.0.2.7')
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((int(found), 64), strict=False))


def _refuse(level: float, most: int, refill_s: float) -> None:
    if level >= most:
        metrics.LIMITED.add("login")
        raise TooManyFailures.after(
            (level - most + 1) * refill_s, "there were too many wrong passwords or tokens"
        )


class LastUsed:
    """Has the time of a token's last use written, beside the requests.

    :param write: writes it for one token; called in this object's own thread
    """

    def __init__(self, write: Callable[[str], None], clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._told: OrderedDict[str, float] = OrderedDict()
        self._waiting: queue.Queue[str | None] = queue.Queue(MAX_REMEMBERED)
        self._thread = threading.Thread(target=self._run, name="last-used", daemon=True)
        self._thread.start()

    def __call__(self, token: str) -> None:
        """Note a use; any thread, returns at once."""
        now = self._clock.monotonic()
        before = self._told.get(token)
        if before is not None and now - before < TOUCH_S:
            return
        self._told[token] = now
        while len(self._told) > MAX_REMEMBERED:
            self._told.popitem(last=False)
        try:
            self._waiting.put_nowait(token)
        except queue.Full:
            LOG.info("the time of last use of token %s is not written: too many wait", token)

    def stop(self) -> None:
        """End after what waits is written; blocks up to 5 s."""
        self._waiting.put(None)
        self._thread.join(5.0)

    def _run(self) -> None:
        while (token := self._waiting.get()) is not None:
            try:
                self._write(token)
            except Error as error:
                LOG.info("the time of last use of token %s: %s", token, error.message)


def _basic(encoded: str) -> tuple[str, str]:
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise Unauthenticated("the Authorization header is not readable") from error
    name, _, password = decoded.partition(":")
    return name, password


def _identity(login: Login) -> Identity:
    if not login.project:
        raise Forbidden("the user has no role in this project")
    return Identity(
        user=login.user,
        user_name=login.user_name,
        project=login.project,
        roles=known_roles(login.roles),
    )
