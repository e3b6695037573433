"""The content origin: blobs for boards, ``GET /blobs/<sha256>``.

A token opens one digest for one board until a moment; it is made by the core and
checked here with the shared secret, without a question to anyone. Whatever a
tenant has uploaded is served as bytes that no browser runs. Reactor thread only;
files are read in small pieces as the client takes them.

Source: RFC 9110 section 14, range requests; one range only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs

from twisted.internet.base import ReactorBase

from iotronic_mec import blob_token, errors
from iotronic_mec.gateway import environ, site

PIECE_BYTES = 65_536
"""Bytes read from a file at a time; one read is some tens of microseconds."""

MAX_BODY_BYTES = 1024
"""Request bodies have no use on this origin."""

_PATH = re.compile(rb"/blobs/([0-9a-f]{64})")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

_HEADERS = [
    ("Content-Type", "application/octet-stream"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "sandbox; default-src 'none'"),
    ("Cache-Control", "private, no-store"),
    ("Accept-Ranges", "bytes"),
]


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return first and one-past-last byte asked for; ``None`` for all of it.

    :raises ValueError: the range lies outside
    """
    asked = _RANGE.fullmatch(header.strip()) if header else None
    if asked is None or asked[0] == "bytes=-":
        return None
    if not asked[1]:
        length = min(int(asked[2]), size)
        if length == 0:
            raise ValueError("an empty suffix")
        return size - length, size
    first = int(asked[1])
    end = min(int(asked[2]) + 1, size) if asked[2] else size
    if first >= size or end <= first:
        raise ValueError("outside the file")
    return first, end


class BlobExchange(site.Exchange):
    """One request at the content origin."""

    site: BlobSite

    def begin(self) -> None:
        """Serve a blob, or say why not."""
        path, query = environ.split_target(self.uri)
        asked = _PATH.fullmatch(path)
        if asked is None or self.method not in (b"GET", b"HEAD"):
            self.fail(errors.NotFound())
            return
        digest = asked[1].decode()
        token = self._token(query)
        board = blob_token.check(self.site.secret, digest, token, self.site.now())
        if board is None or not self.site.is_board(board):
            self.fail(errors.Forbidden("this token does not open this blob, or no longer"))
            return
        file = self.site.path / digest[:2] / digest
        try:
            opened = file.open("rb")
        except OSError:
            self.fail(errors.NotFound("there is no such blob"))
            return
        self._serve(opened, digest)

    def _serve(self, opened: BinaryIO, digest: str) -> None:
        size = os.fstat(opened.fileno()).st_size
        headers = [*_HEADERS, ("ETag", f'"{digest}"')]
        try:
            asked = parse_range(self.getHeader("range"), size)
        except ValueError:
            opened.close()
            self.answer(416, [*headers, ("Content-Range", f"bytes */{size}")], b"")
            return
        first, end = asked or (0, size)
        if asked is None:
            self.start(200, headers, size)
        else:
            headers.append(("Content-Range", f"bytes {first}-{end - 1}/{size}"))
            self.start(206, headers, end - first)
        if self.method == b"HEAD" or first == end:
            opened.close()
            self.end()
            return
        opened.seek(first)
        self.channel.registerProducer(_FileSender(self, opened, end - first), False)

    def _token(self, query: bytes) -> str:
        scheme, _, given = (self.getHeader("authorization") or "").partition(" ")
        if scheme.lower() == "bearer":
            return given.strip()
        values = parse_qs(query.decode("latin-1")).get("token")
        return values[0] if values else ""


class _FileSender:
    """Gives a file to the client piece by piece, as it takes them."""

    def __init__(self, exchange: BlobExchange, file: BinaryIO, left: int) -> None:
        self._exchange = exchange
        self._file = file
        self._left = left

    def resumeProducing(self) -> None:
        data = self._file.read(min(PIECE_BYTES, self._left))
        self._left -= len(data)
        self._exchange.send(data)
        if not data and self._left:
            self.stopProducing()
            self._exchange.cut()
        elif self._left == 0:
            self.stopProducing()
            self._exchange.channel.unregisterProducer()
            self._exchange.end()

    def stopProducing(self) -> None:
        self._file.close()


class BlobSite(site.Site):
    """The listener of the content origin.

    :param path: the folder of the blobs
    :param secret: key of the tokens
    :param is_board: whether a board exists (still)
    :param now: seconds since 1970, UTC
    """

    label = "content"

    def __init__(
        self,
        reactor: ReactorBase,
        path: Path,
        secret: bytes,
        is_board: Callable[[str], bool],
        now: Callable[[], float],
        **limits: Any,
    ) -> None:
        super().__init__(reactor, BlobExchange, max_body_bytes=MAX_BODY_BYTES, **limits)
        self.path = path
        self.secret = secret
        self.is_board = is_board
        self.now = now
