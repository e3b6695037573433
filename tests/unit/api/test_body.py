"""Reading bodies: JSON and multipart, within their limits."""

from __future__ import annotations

import io
from contextlib import ExitStack
from typing import Any

import pytest
from pydantic import Field

from iotronic_mec.api import body
from iotronic_mec.api.body import Received, read_body, read_query
from iotronic_mec.api.fields import Body, JSONObject, Query
from iotronic_mec.api.problem import UnsupportedMediaType
from iotronic_mec.errors import BadRequest, TooLarge
from iotronic_mec.feature import Route

LIMIT = 1000
CONTENTS: dict[str, bytes] = {}
"""Contents of the files read last, by name; the files themselves are closed."""


class Thing(Body):
    """A body."""

    name: str = ""
    parameters: JSONObject = Field(default_factory=dict)


class Labels(Query):
    """A query with a repeatable argument."""

    label: list[str] | None = None
    name: str | None = None


def route(**changes: Any) -> Route:
    """Return a route that takes a body."""
    given: dict[str, Any] = {
        "method": "POST",
        "path": "/",
        "handler": print,
        "policy": "p",
        "summary": "s",
        "body": Thing,
        "query": Labels,
    }
    return Route(**(given | changes))


def read(raw: bytes, media_type: str = "application/json", **changes: Any) -> Received:
    """Read a body and its files."""
    environ = {
        "wsgi.input": io.BytesIO(raw),
        "CONTENT_LENGTH": str(len(raw)),
        "CONTENT_TYPE": media_type,
    }
    with ExitStack() as stack:
        got = read_body(route(**changes), environ, LIMIT, stack)
        for upload in got.files.values():
            CONTENTS[upload.filename] = upload.file.read()
    return got


def form(*parts: tuple[str, bytes], boundary: str = "cut") -> tuple[bytes, str]:
    """Return a multipart body and its type; parts are disposition and content."""
    pieces = b"".join(
        b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n"
        % (boundary.encode(), head.encode(), content)
        for head, content in parts
    )
    return pieces + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


NAME = ('name="name"', b"lamp")
FILE = ('name="bundle"; filename="../../plugin.py"', b"print(1)")


def test_json() -> None:
    """A JSON object becomes the body's model."""
    assert read(b'{"name": "lamp"}').body == Thing(name="lamp")


@pytest.mark.parametrize("raw", [b"", b"  "])
def test_nothing_is_an_empty_object(raw: bytes) -> None:
    """No body is the body in which everything has its default."""
    assert read(raw).body == Thing()


def test_body_that_nobody_wants() -> None:
    """A route without a body does not read one."""
    assert read(b"{broken", body=None).body is None


def test_multipart() -> None:
    """Text fields become the model, files are hashed; a file's folder is dropped."""
    fields = ('name="parameters"', b'{"a": 1}')

    got = read(*form(NAME, fields, FILE), multipart=True)

    assert got.body == Thing(name="lamp", parameters={"a": 1})
    assert got.files["bundle"].filename == "plugin.py"
    assert CONTENTS["plugin.py"] == b"print(1)"
    assert got.files["bundle"].size_bytes == 8


def test_digest_is_of_the_content() -> None:
    """Another boundary is the same content; another byte is not."""
    first = read(*form(NAME, FILE), multipart=True).digest
    same = read(*form(NAME, FILE, boundary="other"), multipart=True).digest
    other = read(*form(NAME, (FILE[0], b"print(2)")), multipart=True).digest

    assert first == same != other


@pytest.mark.parametrize(
    ("raw", "media_type"),
    [
        (b"--cut\r\n", "multipart/form-data; boundary=cut"),
        (b"", "multipart/form-data; boundary=cut"),
        (b"x", "multipart/form-data"),
        (b"\xff" * 100, "multipart/form-data; boundary=cut"),
        form(NAME, NAME),
        form(('name="name"', b"\xff")),
        form(('name="colour"', b"red")),
    ],
)
def test_unreadable_multipart(raw: bytes, media_type: str) -> None:
    """What is cut off, doubled or no text is refused."""
    with pytest.raises(BadRequest):
        read(raw, media_type, multipart=True)


def test_multipart_only_where_taken() -> None:
    """A route that takes no multipart refuses it by its type."""
    with pytest.raises(UnsupportedMediaType):
        read(*form(NAME))


def test_large_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part over the limit is refused, whatever the length said."""
    with pytest.raises(TooLarge):
        read(*form((FILE[0], b"x" * (LIMIT + 1))), multipart=True)
    monkeypatch.setattr(body, "MAX_FIELD_BYTES", 10)
    with pytest.raises(TooLarge):
        read(*form(('name="name"', b"x" * 11)), multipart=True)


def test_many_parts() -> None:
    """The number of parts has a bound."""
    with pytest.raises(TooLarge):
        read(*form(*[(f'name="n{number}"', b"") for number in range(40)]), multipart=True)


def test_query() -> None:
    """Arguments become the model; a repeatable one is a list."""
    pairs, query = read_query(route(), "label=a%3D1&label=b&name=x%20y")

    assert query == Labels(label=["a=1", "b"], name="x y")
    assert pairs == [("label", "a=1"), ("label", "b"), ("name", "x y")]


@pytest.mark.parametrize("text", ["name=a&name=b", "colour=red", "&".join(["label=a"] * 101)])
def test_wrong_queries(text: str) -> None:
    """Doubled, unknown and too many arguments are refused."""
    with pytest.raises(BadRequest):
        read_query(route(), text)


def test_no_arguments_here() -> None:
    """A route without a query takes none."""
    with pytest.raises(BadRequest):
        read_query(route(query=None), "a=1")
    assert read_query(route(query=None), "") == ([], None)
