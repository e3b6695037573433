"""Bundles by HTTP: streamed to a file, checked while they come, resumed when cut off.

The bundle's token travels in a header only and is never logged.
Source: RFC 9110 section 14 for ranges.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import (
    ConnectError,
    ConnectionDone,
    ConnectionLost,
    DNSLookupError,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    BrowserLikePolicyForHTTPS,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.error import SchemeNotSupported
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers

from lightning_agent.errors import DigestMismatch, Error
from lightning_agent.protocol.messages import PluginDesired
from lightning_agent.state.disk import Disk
from lightning_agent.state.files import make_private_directory
from lightning_agent.waiting import sleep, wait_for

LOG = logging.getLogger(__name__)

FOLDER = "fetch"
"""In the state directory: bundles that are coming in, by digest."""
TRIES = 6
FIRST_DELAY_S = 0.5
"""Before the second try; doubles, with jitter."""
CONNECT_LIMIT_S = 10.0
ANSWER_LIMIT_S = 20.0
SILENCE_LIMIT_S = 20.0
"""Without a byte for this long a transfer is cut off and tried again."""
ABANDONED_S = 86_400.0
"""A partial bundle that was not touched for this long is removed."""
SPARE_BYTES = 16 * 1024 * 1024
"""Left free on the disk beside the bundle and its unpacked copy."""
_READ_BYTES = 1024 * 1024


class FetchFailed(Error):
    """The bundle could not be fetched; the message says why."""

    code = "fetch_failed"


class NoSpace(Error):
    """The board's disk has no room for the bundle."""

    code = "no_space"


class _Interrupted(Exception):
    """This try failed; another one may do."""


@dataclass(slots=True)
class _Part:
    """What is there of a bundle."""

    file: BinaryIO
    digest: Any
    size: int


class Fetcher:
    """Fetches bundles into ``<state>/fetch``; reactor thread only.

    :param trust_root: what TLS trusts, ``None`` for the system's authorities
    :param agent: the HTTP client; tests give one without a network
    """

    def __init__(
        self,
        reactor: Any,
        state_dir: Path,
        disk: Disk,
        *,
        randomness: random.Random,
        trust_root: Any = None,
        agent: Any = None,
    ) -> None:
        self._reactor = reactor
        self._folder = state_dir / FOLDER
        self._disk = disk
        self._random = randomness
        policy = BrowserLikePolicyForHTTPS(trust_root)  # type: ignore[no-untyped-call]
        self._agent = agent or Agent(reactor, policy, CONNECT_LIMIT_S)  # type: ignore[no-untyped-call]

    async def fetch(self, desired: PluginDesired) -> Path:
        """Return the file with the whole bundle; the caller removes it when installed.

        Bounded by its tries and the silence limit; may be cancelled, and goes on
        where it was at the next call for the same digest.

        :raises FetchFailed: refused, or cut off too often
        :raises DigestMismatch: what came is not what was announced
        :raises NoSpace: the disk is too full
        """
        path = self._folder / f"{desired.plugin}.{desired.digest}"
        await self._disk.run(lambda: self._make_room(desired))
        for attempt in range(TRIES):
            part = await self._disk.run(lambda: _open_part(path, desired.size))
            try:
                await self._receive(desired, part)
            except DigestMismatch:
                self.discard(path)
                raise
            except _Interrupted as error:
                LOG.warning("plugin %s: fetch interrupted (%s)", desired.plugin, error)
                if attempt == TRIES - 1:
                    raise FetchFailed(f"the bundle could not be fetched: {error}") from error
            else:
                self._check(desired, part, path)
                return path
            finally:
                part.file.close()
            await sleep(self._reactor, FIRST_DELAY_S * 2**attempt * self._random.uniform(0.7, 1.3))
        raise AssertionError("the last try returns or raises")

    def discard(self, path: Path) -> None:
        """Remove a fetched bundle."""
        with contextlib.suppress(OSError):
            path.unlink()

    async def _receive(self, desired: PluginDesired, part: _Part) -> None:
        if part.size == desired.size:
            return
        headers = Headers({b"Authorization": [f"Bearer {desired.token}".encode()]})
        if part.size:
            headers.addRawHeader(b"Range", f"bytes={part.size}-".encode())
        response = await self._request(desired.url, headers)
        if response.code == 206 and part.size:
            given = response.headers.getRawHeaders(b"content-range", [b""])[0]
            if not given.startswith(f"bytes {part.size}-".encode()):
                _restart(part)
                raise _Interrupted("another range than asked for")
        elif response.code == 200:
            _restart(part)
        elif response.code == 416:
            _restart(part)
            raise _Interrupted("the range was refused")
        else:
            self._refuse(response)
        await self._stream(response, part, desired.size)

    async def _request(self, url: str, headers: Headers) -> Any:
        try:
            asked = self._agent.request(b"GET", url.encode("ascii", "replace"), headers)
        except ValueError as error:
            raise FetchFailed(f"the bundle's address cannot be used: {error}") from error
        try:
            # our own wait is cancelled or expires, so that the client's many ways
            # to say so are not taken for a broken connection
            return await wait_for(
                self._reactor, asked, ANSWER_LIMIT_S, lambda: _Interrupted("no answer in time")
            )
        except (CancelledError, _Interrupted):
            asked.cancel()
            raise
        except (ConnectError, DNSLookupError, ResponseNeverReceived, ResponseFailed) as error:
            raise _Interrupted(_words(error)) from error
        except (SchemeNotSupported, ValueError) as error:
            raise FetchFailed(f"the bundle's address cannot be used: {error}") from error

    def _refuse(self, response: Any) -> None:
        response.deliverBody(_Unread())
        if response.code in (408, 425, 429) or response.code >= 500:
            raise _Interrupted(f"HTTP status {response.code}")
        raise FetchFailed(
            f"the bundle was refused with HTTP status {response.code}",
            details={"status": response.code},
        )

    async def _stream(self, response: Any, part: _Part, size: int) -> None:
        body = _Body(self._reactor, part, size)
        response.deliverBody(body)
        try:
            await body.done
        except (ConnectionLost, ConnectionDone, PotentialDataLoss, ResponseFailed) as error:
            raise _Interrupted(_words(error)) from error
        except OSError as error:
            raise NoSpace(f"the bundle cannot be written: {error.strerror}") from error
        if part.size < size:
            raise _Interrupted(f"{part.size} of {size} bytes came")

    def _check(self, desired: PluginDesired, part: _Part, path: Path) -> None:
        if part.size != desired.size or part.digest.hexdigest() != desired.digest:
            self.discard(path)
            raise DigestMismatch("the bundle that came is not the one that was announced")

    def _make_room(self, desired: PluginDesired) -> None:
        make_private_directory(self._folder)
        for other in self._folder.iterdir():
            if other.stat().st_mtime < time.time() - ABANDONED_S:
                self.discard(other)
        free = shutil.disk_usage(self._folder).free
        if free < 2 * desired.size + SPARE_BYTES:
            raise NoSpace(
                f"the bundle needs {2 * desired.size + SPARE_BYTES} bytes, {free} are free"
            )


class _Body(Protocol):
    """Writes what comes to the part, at most up to the announced size."""

    def __init__(self, reactor: Any, part: _Part, size: int) -> None:
        self._part = part
        self._size = size
        self._silence = reactor.callLater(SILENCE_LIMIT_S, self._abort)
        self.done: Deferred[None] = Deferred(self._cancel)

    def dataReceived(self, data: bytes) -> None:
        """Take one piece."""
        self._silence.reset(SILENCE_LIMIT_S)
        if self._part.size + len(data) > self._size:
            self._fail(DigestMismatch("the bundle is larger than announced"))
            return
        try:
            self._part.file.write(data)
        except OSError as error:
            self._fail(error)
            return
        self._part.digest.update(data)
        self._part.size += len(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note the end of the body."""
        if self._silence.active():
            self._silence.cancel()
        if self.done.called:
            return
        if isinstance(reason.value, ResponseDone):
            self.done.callback(None)
        else:
            self.done.errback(reason)

    def _cancel(self, done: Deferred[None]) -> None:
        done.errback(CancelledError())
        self._abort()

    def _fail(self, error: Exception) -> None:
        if not self.done.called:
            self.done.errback(error)
        self._abort()

    def _abort(self) -> None:
        if self._silence.active():
            self._silence.cancel()
        _abort(self)


class _Unread(Protocol):
    """Closes the connection of an answer whose body nobody wants."""

    def connectionMade(self) -> None:
        """Close it."""
        _abort(self)


def _abort(body: Protocol) -> None:
    transport: Any = body.transport
    if transport is not None:
        getattr(transport, "abortConnection", transport.loseConnection)()


def _open_part(path: Path, size: int) -> _Part:
    """Open what is there of a bundle for going on; a part that is too long is begun anew."""
    file = open(path, "a+b")
    digest = hashlib.sha256()
    part = _Part(file=file, digest=digest, size=0)
    file.seek(0)
    while chunk := file.read(_READ_BYTES):
        digest.update(chunk)
        part.size += len(chunk)
    if part.size > size:
        _restart(part)
    return part


def _restart(part: _Part) -> None:
    part.file.truncate(0)
    part.digest = hashlib.sha256()
    part.size = 0


def _words(error: Exception) -> str:
    reasons = getattr(error, "reasons", None)
    if reasons:
        return str(reasons[0].value) or type(reasons[0].value).__name__
    return str(error) or type(error).__name__
