"""Errors: stable codes, and the same after crossing a border of processes."""

from __future__ import annotations

from collections import Counter

import pytest

from iotronic_mec import errors
from iotronic_mec.features import blob, board, injection, plugin, request
from lightning_agent.protocol import errors as protocol_errors

LOADED = (blob, board, injection, plugin, request)
KNOWN = [kind for kind in errors.tree() if kind is not errors.RemoteError]


@pytest.mark.parametrize("kind", KNOWN, ids=lambda kind: kind.__name__)
def test_round_trip(kind: type[errors.Error]) -> None:
    """An error that crosses a border is of the same class, with message and details."""
    wire = errors.Error.to_wire(_make(kind, "what to do", {"field": "name"}))

    found = errors.from_wire(wire)

    assert type(found) is kind
    assert (found.message, found.details) == ("what to do", {"field": "name"})
    assert found.to_wire() == wire


@pytest.mark.parametrize("kind", KNOWN, ids=lambda kind: kind.__name__)
def test_says_something_by_itself(kind: type[errors.Error]) -> None:
    """An error without words of its own tells its class's sentence."""
    assert _make(kind, "", {}).message.endswith(".")


@pytest.mark.parametrize("kind", KNOWN, ids=lambda kind: kind.__name__)
def test_status(kind: type[errors.Error]) -> None:
    """Every error has a status of HTTP that says whose fault it is."""
    assert kind.http_status in {400, 401, 403, 404, 405, 406, 409, 413, 414, 415, 422, 429} or (
        kind.http_status in {500, 502, 503, 504}
    )


def test_codes_are_unique() -> None:
    """No two errors share a code, else one would come back as the other."""
    own = Counter(kind.code for kind in KNOWN)

    assert [code for code, count in own.items() if count > 1] == []


def test_unknown_code_is_kept() -> None:
    """An error whose class is not known here keeps its code for whoever is next."""
    wire = {"code": "iot.new", "message": "m", "http_status": 418, "details": {"a": 1}}

    found = errors.from_wire(wire)

    assert isinstance(found, errors.RemoteError)
    assert (found.remote_code, found.details) == ("iot.new", {"a": 1})
    assert found.to_wire() == wire


@pytest.mark.parametrize("wire", [{}, {"code": None}, {"details": None, "message": None}])
def test_meagre_wire(wire: dict[str, object]) -> None:
    """A form without code or details is an error all the same."""
    assert isinstance(errors.from_wire(wire), errors.Error)


def test_protocol_uris() -> None:
    """Every error URI of boards has one class, below the prefix."""
    uris = protocol_errors.BY_URI

    assert all(kind.uri == uri for uri, kind in uris.items())
    assert all(uri.startswith(protocol_errors.PREFIX) for uri in uris)
    assert set(uris.values()) == {
        protocol_errors.WireError,
        *protocol_errors.WireError.__subclasses__(),
    }


def _make(kind: type[errors.Error], message: str, details: dict[str, str]) -> errors.Error:
    made = kind.__new__(kind)
    errors.Error.__init__(made, message, details=dict(details))
    return made
