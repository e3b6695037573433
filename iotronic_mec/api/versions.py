"""Version negotiation, and the documents at ``/`` and ``/v1``.

Upstream's client opens with 1.9; a server whose maximum is at least that
saves it a round trip.
Source: spec/iotronic-api.md section 1, versioning headers, and section 2.1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict

from iotronic_mec.api.controller import Answer
from iotronic_mec.api.fields import LinkShape, Shape
from iotronic_mec.api.problem import VersionNotAcceptable

if TYPE_CHECKING:
    from iotronic_mec.api.controller import Call

HEADER = "X-OpenStack-Iotronic-API-Version"
MINIMUM = (1, 0)
MAXIMUM = (1, 10)

_ENVIRON = "HTTP_X_OPENSTACK_IOTRONIC_API_VERSION"
_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})")


def text(version: tuple[int, int]) -> str:
    """Write a version as ``major.minor``."""
    return f"{version[0]}.{version[1]}"


RANGE = (
    ("X-OpenStack-Iotronic-API-Minimum-Version", text(MINIMUM)),
    ("X-OpenStack-Iotronic-API-Maximum-Version", text(MAXIMUM)),
)
"""Headers on every answer under ``/v1``."""


def effective(environ: dict[str, Any]) -> str:
    """Return the version a request is served with.

    :raises VersionNotAcceptable: malformed, or out of range
    """
    asked = environ.get(_ENVIRON)
    if not asked:
        return text(MINIMUM)
    if asked.strip().lower() == "latest":
        return text(MAXIMUM)
    found = _VERSION.fullmatch(asked.strip())
    if found is None:
        raise VersionNotAcceptable(
            f"{HEADER}: 'major.minor' or 'latest' is expected", details={"field": HEADER}
        )
    version = (int(found[1]), int(found[2]))
    if not MINIMUM <= version <= MAXIMUM:
        raise VersionNotAcceptable(
            f"Version {text(version)} was requested but the minor version is not supported "
            f"by this service. The supported version range is: [{text(MINIMUM)}, "
            f"{text(MAXIMUM)}].",
            details={"minimum": text(MINIMUM), "maximum": text(MAXIMUM)},
        )
    return text(version)


class VersionEntry(Shape):
    """One version of the API."""

    id: str
    status: str
    version: str
    min_version: str
    links: list[LinkShape]


class RootDocument(Shape):
    """What is served here, and in which versions."""

    name: str
    description: str
    versions: list[VersionEntry]
    default_version: VersionEntry


class VersionDocument(Shape):
    """The collections under ``/v1``, each with its links."""

    model_config = ConfigDict(extra="allow")

    id: str
    links: list[LinkShape]


def root(call: Call) -> dict[str, Any] | Answer:
    """Tell the versions; send a browser to the documentation."""
    if "text/html" in call.headers.get("accept", ""):
        return Answer(status=302, headers={"Location": f"{call.base_url}/docs"}, body={})
    entry = {
        "id": "v1",
        "status": "CURRENT",
        "version": text(MAXIMUM),
        "min_version": text(MINIMUM),
        "links": [{"href": f"{call.base_url}/v1/", "rel": "self"}],
    }
    return {
        "name": "OpenStack Iotronic API",
        "description": "Boards, plugins and edge computing: the iotronic_mec cloud.",
        "versions": [entry],
        "default_version": entry,
    }


def collections(call: Call, nouns: tuple[str, ...]) -> dict[str, Any]:
    """Tell the collections under ``/v1``."""
    base = call.base_url
    document: dict[str, Any] = {
        "id": "v1",
        "links": [
            {"href": f"{base}/v1/", "rel": "self"},
            {"href": f"{base}/v1/openapi.json", "rel": "describedby"},
        ],
    }
    for noun in nouns:
        document[noun] = [
            {"href": f"{base}/v1/{noun}/", "rel": "self"},
            {"href": f"{base}/{noun}/", "rel": "bookmark"},
        ]
    return document
