"""One request on its way through the hooks, and how its answer is made."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from iotronic_mec.api.routing import is_versioned
from lightning_agent.protocol.log_lines import REQUEST_ID

if TYPE_CHECKING:
    from iotronic_mec.api.routing import Match
    from iotronic_mec.context import Context

KEY = "iotronic.exchange"
"""Where the exchange of a request stands in its WSGI environment."""

JSON = "application/json"

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:[0-9]{1,5})?")


@dataclass(slots=True)
class Exchange:
    """What the hooks have found out so far.

    :param under_v1: whether the version headers belong on the answer
    :param version: the effective version, ``None`` before it is settled
    """

    environ: dict[str, Any]
    request_id: str
    under_v1: bool = False
    version: str | None = None
    match: Match | None = None
    context: Context | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    began_s: float = 0.0


def request_id_of(environ: Mapping[str, Any]) -> str:
    """Return the id the client gave its request, if it is one; else a new one.

    It is a name for logs and audit, never a key: nothing is found or allowed by it.
    """
    given = str(environ.get("HTTP_X_OPENSTACK_REQUEST_ID", ""))
    return given if REQUEST_ID.fullmatch(given) else f"req-{uuid.uuid4()}"


def exchange_of(environ: dict[str, Any]) -> Exchange:
    """Return the exchange of a request; made with a new request id at first."""
    found: Exchange | None = environ.get(KEY)
    if found is None:
        segments = environ.get("PATH_INFO", "").split("/")[1:]
        found = Exchange(environ, request_id_of(environ), is_versioned(segments))
        environ[KEY] = found
    return found


class RequestHeaders(Mapping[str, str]):
    """The headers of a WSGI environment by name; case does not matter."""

    __slots__ = ("_environ",)

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        """Return a header."""
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        return str(self._environ[key])

    def __iter__(self) -> Iterator[str]:
        """Give the names, in lower case."""
        for key in self._environ:
            if key.startswith("HTTP_"):
                yield key[5:].lower().replace("_", "-")
            elif key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                yield key.lower().replace("_", "-")

    def __len__(self) -> int:
        """Return how many there are."""
        return sum(1 for _ in self)


@lru_cache(maxsize=256)
def _checked(scheme: str, host: str, otherwise: str) -> str:
    if scheme in ("http", "https") and _HOST.fullmatch(host):
        return f"{scheme}://{host}"
    return otherwise


def base_url(environ: Mapping[str, Any], otherwise: str) -> str:
    """Return scheme, host and port as the client used them.

    :param otherwise: the cloud's own address, when there is no sound ``Host``
    """
    return _checked(
        str(environ.get("wsgi.url_scheme", "http")), str(environ.get("HTTP_HOST", "")), otherwise
    )


def to_json(value: Any) -> bytes:
    """Encode an answer; moments become ISO 8601 with ``+00:00``."""
    return orjson.dumps(value)


def respond(
    response: Any,
    status: int,
    body: Any,
    headers: Mapping[str, str] | None = None,
    media_type: str = JSON,
) -> Any:
    """Fill in WebOb's response object and return it.

    :param body: bytes, or an iterator of bytes that is sent as it comes
    """
    listed = list(headers.items()) if headers else []
    if not isinstance(body, bytes):
        listed.append(("Content-Type", media_type))
        pieces = body
    elif status == 204:
        pieces = []
    else:
        listed += [("Content-Type", media_type), ("Content-Length", str(len(body)))]
        pieces = [body]
    response.status_int = status
    response.app_iter = pieces
    response.headerlist = listed
    return response
