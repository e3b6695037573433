"""What a handler of a route is given and what it returns.

A handler is a plain function of a feature's ``api.py``; the machinery has
already checked version, identity, right, query and body::

    def show(call: Call) -> dict[str, Any]:
        with call.database.read() as connection:
            board = store.get_board(connection, call.context.project, call.path["board"])
        return present(call, board)

It returns something JSON-ready (a string becomes a JSON string), an
:class:`Answer` when status or headers differ from the route's, or ``None`` for
an empty answer. It raises :class:`~iotronic_mec.errors.Error` for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

if TYPE_CHECKING:
    from iotronic_mec.clock import Clock
    from iotronic_mec.context import Context
    from iotronic_mec.feature import Route, Settings
    from iotronic_mec.rpc.client import Conductor


class Reads(Protocol):
    """The part of the database a handler may use: reading."""

    def read(self) -> Any:
        """Give this thread's reading connection, as a context manager."""


class Bytes(Protocol):
    """The part of the storage driver a handler may use; see ``drivers.storage.base``."""

    def put(self, chunks: Iterable[bytes], limit_bytes: int) -> Any:
        """Store bytes; the answer has ``digest`` and ``size_bytes``."""

    def open(self, digest: str) -> BinaryIO:
        """Open bytes for reading; the caller closes."""

    def size(self, digest: str) -> int:
        """Return how many bytes there are under a digest."""


class Rights(Protocol):
    """What decides whether a caller may do something."""

    def allows(self, rule: str, context: Context, target: Mapping[str, str]) -> bool:
        """Say whether the rule lets the caller act on the target."""

    def enforce(self, rule: str, context: Context, target: Mapping[str, str]) -> None:
        """Do nothing when it does.

        :raises iotronic_mec.errors.Forbidden: when it does not
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file of a ``multipart/form-data`` body, in a temporary file.

    :param filename: as the client calls it, without any folder
    :param file: at its beginning; gone when the request ends
    :param digest: SHA-256 of the contents, hexadecimal
    """

    filename: str
    file: BinaryIO
    size_bytes: int
    digest: str
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer whose status or headers differ from the route's own.

    :param status: ``None`` for the route's
    :param body: JSON-ready; bytes and iterables of bytes go out as they are
        when ``media_type`` is given
    :param media_type: ``None`` for JSON
    :param length: bytes of an iterable body, where known
    """

    body: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, checked and parsed.

    :param path: the path's parameters, decoded; each a name or a uuid in
        normal form
    :param body: instance of ``route.body``, ``None`` where the route has none
    :param query: instance of ``route.query``, ``None`` where the route has none
    :param files: multipart files by name of their field
    :param headers: by name in lower case
    :param base_url: scheme, host and port the client used, no slash at the end
    :param request_path: path the client used, without slash at the end
    :param arguments: the query as it came, in order
    """

    context: Context
    route: Route
    settings: Settings
    conductor: Conductor
    database: Reads
    storage: Bytes
    rights: Rights
    clock: Clock
    path: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    query: Any = None
    files: Mapping[str, Upload] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    base_url: str = ""
    request_path: str = ""
    arguments: Iterable[tuple[str, str]] = ()

    def enforce(self, rule: str, target: Mapping[str, str]) -> None:
        """Check a right on one thing, for instance ``{"project": …}``.

        :raises iotronic_mec.errors.Forbidden: when the caller may not
        """
        self.rights.enforce(rule, self.context, target)

    def allows(self, rule: str, target: Mapping[str, str] | None = None) -> bool:
        """Say whether the caller has a right; by default in the own project."""
        own = {"project": self.context.project, "user": self.context.user}
        return self.rights.allows(rule, self.context, own if target is None else target)

    def ask(self, namespace: str, method: str, **arguments: Any) -> Any:
        """Call the conductor for this request; see :class:`rpc.client.Conductor`."""
        return self.conductor.call(self.context, namespace, method, **arguments)
