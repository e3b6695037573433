"""Users, projects and tokens of the embedded identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from iotronic_mec.sdk.names import segment
from iotronic_mec.sdk.paging import iter_items
from iotronic_mec.sdk.resource import MOMENT, Resource
from iotronic_mec.sdk.transport import Call, Json, Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Resource):
    """A user, whose roles hold in one project."""

    uuid: str
    name: str | None = None
    project: str | None = None
    roles: tuple[str, ...] = field(default=(), metadata={"read": tuple})
    enabled: bool | None = None
    created_at: datetime | None = field(default=None, metadata=MOMENT)
    updated_at: datetime | None = field(default=None, metadata=MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project(Resource):
    """A project: what owns boards and plugins."""

    uuid: str
    name: str | None = None
    description: str | None = None
    created_at: datetime | None = field(default=None, metadata=MOMENT)
    updated_at: datetime | None = field(default=None, metadata=MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Resource):
    """A token; ``role`` is the most it may do, ``None`` for all its user may.

    ``secret`` is there once, in the answer of create.
    """

    uuid: str
    name: str | None = None
    user: str | None = None
    project: str | None = None
    role: str | None = None
    secret: str | None = None
    expires_at: datetime | None = field(default=None, metadata=MOMENT)
    last_used_at: datetime | None = field(default=None, metadata=MOMENT)
    created_at: datetime | None = field(default=None, metadata=MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoAmI(Resource):
    """Who is asking, in which project, with which roles."""

    user: str
    name: str = ""
    project: str = ""
    roles: tuple[str, ...] = field(default=(), metadata={"read": tuple})


T = TypeVar("T", bound=Resource)


class Directory(Generic[T]):
    """One collection of the embedded identity.

    :param path: of the collection
    :param kind: what its items are
    """

    def __init__(self, transport: Transport, path: str, kind: type[T]) -> None:
        self._transport = transport
        self._path = path
        self._kind = kind

    def iterate(self, *, limit: int | None = None, **filters: Json) -> Iterator[T]:
        """Yield the items the caller may see."""
        collection = self._path.rpartition("/")[2]
        items = iter_items(self._transport, self._path, collection, query=filters, limit=limit)
        return map(self._kind.from_wire, items)

    def get(self, name: str) -> T:
        """Return one item, by name or uuid.

        :raises NotFound: there is none
        """
        return self._kind.from_wire(
            self._transport.json(Call(method="GET", path=self._item(name)))
        )

    def create(self, fields: Mapping[str, Any], *, idempotency_key: str | None = None) -> T:
        """Make an item; fields that are ``None`` are left out.

        :raises Conflict: the name is taken
        """
        call = Call(
            method="POST",
            path=self._path,
            json={key: value for key, value in fields.items() if value is not None},
            idempotency_key=idempotency_key,
            secret=True,
        )
        return self._kind.from_wire(self._transport.json(call))

    def update(self, name: str, changes: Mapping[str, Any]) -> T:
        """Change fields of an item and return it."""
        call = Call(method="PATCH", path=self._item(name), json=dict(changes), secret=True)
        return self._kind.from_wire(self._transport.json(call))

    def delete(self, name: str) -> None:
        """Delete an item; a token is of no use from then on."""
        self._transport.send(Call(method="DELETE", path=self._item(name)))

    def _item(self, name: str) -> str:
        return f"{self._path}/{segment(name, self._kind.__name__.lower())}"
