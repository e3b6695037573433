"""Rules for uuids, names and codes, checked before they reach anything else."""

from __future__ import annotations

import re
import uuid

from iotronic_mec.errors import BadRequest

NAME = re.compile(r"[A-Za-z0-9._~-]{1,255}")
"""Names of things tenants make: letters, digits and ``-._~`` only, so that they
need no quoting in a URL, a file name or a table.
Source: spec/iotronic-api.md section 1, identifiers."""

_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


def new_uuid() -> str:
    """Return a random uuid in lower case."""
    return str(uuid.uuid4())


def is_uuid(text: str) -> bool:
    """Say whether the text looks like a uuid, with or without dashes."""
    return _UUID.fullmatch(text) is not None


def normal_uuid(text: str) -> str:
    """Return the lower-case form with dashes of something that is a uuid."""
    return str(uuid.UUID(text))


def check_name(name: str, field: str = "name", limit: int = 255) -> str:
    """Return the name if it may be used.

    :raises BadRequest: names the field and the rule
    """
    if not NAME.fullmatch(name) or len(name) > limit:
        raise BadRequest(
            f"{field}: 1 to {limit} letters, digits, '-', '.', '_' or '~' are allowed",
            details={"field": field},
        )
    if is_uuid(name):
        raise BadRequest(f"{field}: must not look like a uuid", details={"field": field})
    if not name.strip("."):
        raise BadRequest(f"{field}: must not consist of dots only", details={"field": field})
    return name
