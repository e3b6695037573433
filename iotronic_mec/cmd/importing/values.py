"""What single values of an IoTronic row become: programs, places, names, numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from iotronic_mec import ids, text_pickle
from iotronic_mec.cmd.importing.report import CHANGED, IMPORTED
from iotronic_mec.errors import BadRequest, Error
from iotronic_mec.features.board.model import Location

SHORT = 8
"""Characters of a uuid that tell equal names apart."""


def source_of(code: str) -> str:
    """Return a plugin's program from IoTronic's column, which may be a text pickle of it.

    :raises ValueError: it is a pickle of something else, or nothing
    """
    if not code:
        raise ValueError("it has no code")
    if text_pickle.looks_pickled(code):
        return text_pickle.read_string(code)
    return code


def location(row: Mapping[str, Any]) -> Location:
    """Return a board's place.

    :raises ValueError: it is no pair of coordinates
    """
    longitude, latitude, altitude = (
        str(row.get(key) or "0").strip() for key in ("longitude", "latitude", "altitude")
    )
    if abs(float(longitude)) > 180 or abs(float(latitude)) > 90:
        raise ValueError("out of range")
    float(altitude)
    return Location(longitude=longitude, latitude=latitude, altitude=altitude)


def uuid_of(value: Any, column: str) -> str:
    """Return a uuid in our form.

    :raises BadRequest: it is none
    """
    if not isinstance(value, str) or not ids.is_uuid(value):
        raise BadRequest(f"{column}: {str(value)[:80]!r} is no uuid")
    return ids.normal_uuid(value)


def port_of(value: Any, column: str = "port") -> int:
    """Return a port.

    :raises BadRequest: it is none
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65_535:
        raise BadRequest(f"{column}: {str(value)[:80]} is not within 1 to 65535")
    return value


def free_name(name: Any, uuid: str, taken: Callable[[str], bool]) -> tuple[str, str]:
    """Return the name, with a piece of the uuid where it is taken, and what to tell.

    :raises BadRequest: the name may not be used at all
    """
    wanted = ids.check_name(str(name or ""))
    if not taken(wanted):
        return wanted, ""
    other = ids.check_name(f"{wanted[:200]}-{uuid[:SHORT]}")
    if taken(other):
        raise BadRequest(f"name: {wanted} and {other} are taken in its project")
    return other, f"the name {wanted} is taken in its project: it is called {other}"


def finds(get: Callable[[], object]) -> bool:
    """Say whether something that raises what is missing finds it."""
    try:
        get()
    except Error:
        return False
    return True


def outcome_of(text: str) -> tuple[str, str]:
    """Return what became of a row that is new here, and what to tell of it."""
    return (CHANGED, text) if text else (IMPORTED, "")
