"""Reading what a request brings: its query, JSON, and multipart uploads.

Nothing here runs before the caller's right is checked. Uploads are streamed
to a temporary file and hashed on the way; text fields of a multipart body
become the fields of the route's body model.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO, get_args, get_origin
from urllib.parse import parse_qsl

import multipart  # type: ignore[import-untyped]
import orjson
from pydantic import BaseModel, ValidationError

from iotronic_mec.api.controller import Upload
from iotronic_mec.api.problem import UnsupportedMediaType, invalid
from iotronic_mec.errors import BadRequest, TooLarge
from iotronic_mec.feature import Route

MAX_JSON_BYTES = 4_194_304
"""Longest JSON body. Chosen here: a plugin's text with its escapes fits."""

MAX_FIELD_BYTES = 1_048_576
"""Longest text field of a multipart body."""

MAX_PARTS = 32
"""Most parts of a multipart body."""

MAX_ARGUMENTS = 100
"""Most arguments in a query."""

SPOOL_BYTES = 262_144
"""Uploads up to this size stay in memory."""

PIECE_BYTES = 65_536


@dataclass(slots=True)
class Received:
    """The body of a request.

    :param digest: SHA-256 over what it says, the same for the same content
        whatever the boundary of a multipart body
    """

    body: Any = None
    files: dict[str, Upload] = field(default_factory=dict)
    digest: str = ""


def read_query(route: Route, text: str) -> tuple[list[tuple[str, str]], Any]:
    """Return the arguments of a query as they came, and the route's model of them.

    :raises BadRequest: unknown or invalid arguments
    """
    if not text:
        return [], None if route.query is None else _validated(route.query, {}, "query")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_ARGUMENTS)
    except ValueError as error:
        raise BadRequest(f"the query holds more than {MAX_ARGUMENTS} arguments") from error
    if route.query is None:
        if not pairs:
            return pairs, None
        raise BadRequest(
            f"{pairs[0][0][:100]}: there are no arguments here",
            details={"field": pairs[0][0][:100], "in": "query"},
        )
    lists = _list_fields(route.query)
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise BadRequest(
                f"{name[:100]}: given more than once", details={"field": name[:100], "in": "query"}
            )
        else:
            values[name] = value
    return pairs, _validated(route.query, values, "query")


def read_body(
    route: Route, environ: Mapping[str, Any], max_upload_bytes: int, stack: ExitStack
) -> Received:
    """Read and check the body a route takes; nothing is read where it takes none.

    :param stack: closes the files of uploads
    :raises BadRequest: names the field and the rule
    :raises UnsupportedMediaType: it is no JSON (and no multipart where taken)
    :raises TooLarge: it is over the limit
    """
    if route.body is None and not route.multipart:
        return Received()
    length = _length(environ)
    media_type = str(environ.get("CONTENT_TYPE") or "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data" and route.multipart:
        if length > max_upload_bytes + MAX_FIELD_BYTES:
            raise TooLarge(f"the body is over {max_upload_bytes} bytes")
        return _multipart(route, environ, length, max_upload_bytes, stack)
    if length and media_type not in ("application/json", ""):
        raise UnsupportedMediaType(
            f"a body of type {media_type[:100]!r} is not taken here; use application/json"
            + (" or multipart/form-data" if route.multipart else "")
        )
    if length > MAX_JSON_BYTES:
        raise TooLarge(f"the body is over {MAX_JSON_BYTES} bytes")
    raw = _read(environ["wsgi.input"], length) if length else b""
    value = _json(raw) if raw.strip() else {}
    digest = hashlib.sha256(raw).hexdigest()
    if route.body is None:
        return Received(digest=digest)
    return Received(body=_validated(route.body, value, "body"), digest=digest)


def _validated(model: type[BaseModel], value: Any, place: str) -> BaseModel:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(error, place) from error


@lru_cache(maxsize=256)
def _list_fields(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(
        name
        for name, entry in model.model_fields.items()
        if any(
            get_origin(kind) is list for kind in (entry.annotation, *get_args(entry.annotation))
        )
    )


def _length(environ: Mapping[str, Any]) -> int:
    text = str(environ.get("CONTENT_LENGTH") or "0")
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise BadRequest("the Content-Length header is not a number")
    return int(text)


def _read(stream: BinaryIO, length: int) -> bytes:
    pieces = []
    while length:
        piece = stream.read(min(length, 1_048_576))
        if not piece:
            raise BadRequest("the body is shorter than its Content-Length")
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _json(raw: bytes) -> Any:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(
            f"the body is not valid JSON: {error}", details={"field": "body", "rule": "json"}
        ) from error
    if not isinstance(value, dict):
        raise BadRequest(
            "the body must be a JSON object", details={"field": "body", "rule": "object"}
        )
    return value


def _multipart(
    route: Route, environ: Mapping[str, Any], length: int, max_bytes: int, stack: ExitStack
) -> Received:
    _, options = multipart.parse_options_header(str(environ.get("CONTENT_TYPE")))
    boundary = options.get("boundary")
    if not boundary:
        raise BadRequest("the Content-Type header names no boundary")
    form = _Form(max_bytes, stack)
    try:
        parser = multipart.PushMultipartParser(
            boundary,
            content_length=length,
            max_segment_count=MAX_PARTS,
            max_segment_size=max_bytes,
        )
        with parser:
            for piece in _pieces(environ["wsgi.input"], length):
                for event in parser.parse(piece):
                    form.take(event)
    except multipart.ParserLimitReached as error:
        raise TooLarge(f"the multipart body is over a limit: {error}") from error
    except multipart.MultipartError as error:
        raise BadRequest(f"the multipart body is not readable: {error}") from error
    body = None if route.body is None else _validated(route.body, form.fields, "body")
    return Received(body=body, files=form.files, digest=form.digest())


def _pieces(stream: BinaryIO, length: int) -> Iterator[bytes]:
    while length:
        piece = stream.read(min(length, PIECE_BYTES))
        if not piece:
            raise BadRequest("the body is shorter than its Content-Length")
        length -= len(piece)
        yield piece


class _Form:
    """Collects the parts of a multipart body."""

    def __init__(self, max_bytes: int, stack: ExitStack) -> None:
        self.fields: dict[str, str] = {}
        self.files: dict[str, Upload] = {}
        self._max = max_bytes
        self._stack = stack
        self._segment: Any = None
        self._text = bytearray()
        self._file: Any = None
        self._sha = hashlib.sha256()
        self._size = 0

    def take(self, event: Any) -> None:
        """Take a part's head, a piece of it (bytes), or its end (``None``)."""
        if event is None:
            self._end()
        elif isinstance(event, bytes | bytearray):
            self._piece(event)
        else:
            self._begin(event)

    def digest(self) -> str:
        """Return SHA-256 over names, texts and files' digests."""
        said = [*sorted(self.fields.items())]
        said += [
            (name, f"{file.filename}\0{file.digest}") for name, file in sorted(self.files.items())
        ]
        return hashlib.sha256(orjson.dumps(said)).hexdigest()

    def _begin(self, segment: Any) -> None:
        name = str(segment.name)[:100]
        if name in self.fields or name in self.files:
            raise BadRequest(f"{name}: given more than once", details={"field": name})
        self._segment, self._text, self._size = segment, bytearray(), 0
        self._file = None
        if segment.filename is not None:
            self._file = self._stack.enter_context(tempfile.SpooledTemporaryFile(SPOOL_BYTES))
            self._sha = hashlib.sha256()

    def _piece(self, piece: bytes | bytearray) -> None:
        self._size += len(piece)
        if self._file is not None:
            self._sha.update(piece)
            self._file.write(piece)
            return
        if self._size > MAX_FIELD_BYTES:
            raise TooLarge(f"a text field is over {MAX_FIELD_BYTES} bytes")
        self._text += piece

    def _end(self) -> None:
        name = str(self._segment.name)
        if self._file is None:
            try:
                self.fields[name] = self._text.decode()
            except UnicodeDecodeError as error:
                raise BadRequest(f"{name[:100]}: is not UTF-8") from error
            return
        self._file.seek(0)
        self.files[name] = Upload(
            filename=str(self._segment.filename).replace("\\", "/").rpartition("/")[2],
            file=self._file,
            size_bytes=self._size,
            digest=self._sha.hexdigest(),
            content_type=str(self._segment.content_type or "application/octet-stream"),
        )
