"""Plugins: bundles of code tenants send to boards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import Message
from pathlib import PurePath
from typing import Any, BinaryIO

from iotronic_mec.sdk.names import segment
from iotronic_mec.sdk.paging import iter_items
from iotronic_mec.sdk.resource import MOMENT, Resource
from iotronic_mec.sdk.transport import Call, Json, Transport

PATH = "/v1/plugins"

JSON_CODE_BYTES = 65_536
"""Largest source sent as JSON text, bytes; above it goes as a file. Chosen as
the size up to which bodies travel whole inside the cloud."""

_PIECE_BYTES = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin(Resource):
    """A plugin. ``code`` is the text of a ``.py`` bundle, else empty."""

    uuid: str
    name: str | None = None
    owner: str | None = None
    project: str | None = None
    public: bool | None = None
    callable: bool | None = None
    parameters: Json = None
    extra: Json = None
    code: str | None = None
    digest: str | None = None
    size: int | None = None
    format: str | None = None
    created_at: datetime | None = field(default=None, metadata=MOMENT)
    updated_at: datetime | None = field(default=None, metadata=MOMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlugin:
    """A plugin to upload.

    :param filename: its suffix says what it is: ``.py`` or ``.zip``
    :param content: the file's bytes
    :param parameters: default parameters; each must be given with a call
    """

    name: str
    filename: str
    content: bytes
    callable: bool = False
    public: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> str | None:
        """The code as text, when it is a ``.py`` file small enough for JSON."""
        if PurePath(self.filename).suffix != ".py" or len(self.content) > JSON_CODE_BYTES:
            return None
        try:
            return self.content.decode("utf-8")
        except UnicodeDecodeError:
            return None


class Plugins:
    """The caller's plugins and public ones; a plugin is given by name or uuid."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def iterate(
        self, *, public: bool = False, limit: int | None = None, **filters: Json
    ) -> Iterator[Plugin]:
        """Yield plugins with all fields but the code.

        :param public: only the public ones of all projects
        :param filters: ``with_public``, ``all_plugins`` (administrators), …
        """
        path = f"{PATH}/public" if public else f"{PATH}/detail"
        items = iter_items(self._transport, path, "plugins", query=filters, limit=limit)
        return map(Plugin.from_wire, items)

    def get(self, plugin: str) -> Plugin:
        """Return one plugin.

        :raises NotFound: there is none of this name or uuid
        """
        return Plugin.from_wire(self._transport.json(Call(method="GET", path=_path(plugin))))

    def create(self, plugin: NewPlugin, *, idempotency_key: str | None = None) -> Plugin:
        """Upload a plugin: as JSON text where it is small source, else as a file.

        :raises BadRequest: the bundle is not what a bundle must be
        :raises TooLarge: the bundle is over the limit
        """
        fields = {
            "name": plugin.name,
            "callable": plugin.callable,
            "public": plugin.public,
            "parameters": dict(plugin.parameters),
            "extra": dict(plugin.extra),
        }
        body: dict[str, Any] = {"json": {**fields, "code": plugin.source}}
        if plugin.source is None:
            body = {"form": _form(fields, plugin.filename, plugin.content)}
        call = Call(method="POST", path=PATH, idempotency_key=idempotency_key, **body)
        return Plugin.from_wire(self._transport.json(call))

    def update(
        self, plugin: str, changes: Mapping[str, Any], *, bundle: tuple[str, bytes] | None = None
    ) -> Plugin:
        """Change fields of a plugin and return it; boards get it with the next inject.

        :param bundle: file name (``.py`` or ``.zip``) and bytes of a new bundle
        """
        body: dict[str, Any] = {"json": dict(changes)}
        if bundle is not None:
            body = {"form": _form(changes, *bundle)}
        call = Call(method="PATCH", path=_path(plugin), **body)
        return Plugin.from_wire(self._transport.json(call))

    def delete(self, plugin: str) -> None:
        """Delete a plugin.

        :raises Conflict: it is injected somewhere
        """
        self._transport.send(Call(method="DELETE", path=_path(plugin)))

    def save(self, plugin: str, target: BinaryIO) -> str | None:
        """Write a plugin's bundle to an open file.

        :returns: the file name the cloud gives it, without folders
        """
        call = Call(method="GET", path=f"{_path(plugin)}/bundle", stream=True)
        with self._transport.send(call) as response:
            for piece in response.iter_content(_PIECE_BYTES):
                target.write(piece)
            return _filename(response.headers.get("Content-Disposition"))


def _form(
    fields: Mapping[str, Any], filename: str, content: bytes
) -> dict[str, str | tuple[str, bytes]]:
    """Return a multipart body: texts as they are, all else as JSON text, and the file."""
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in fields.items()
    }
    return {**texts, "bundle": (PurePath(filename).name, content)}


def _filename(disposition: str | None) -> str | None:
    message = Message()
    message["Content-Disposition"] = disposition or ""
    stated = message.get_filename()
    return PurePath(stated).name if stated else None


def _path(plugin: str) -> str:
    return f"{PATH}/{segment(plugin, 'plugin')}"
