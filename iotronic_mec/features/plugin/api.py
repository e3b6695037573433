"""Routes of plugins.

Bytes stream from the request into the storage here, within a reservation of
the project's quota; the conductor is told their digest only.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from io import BytesIO
from typing import Any, BinaryIO

from iotronic_mec import bundle
from iotronic_mec.api import links, paging
from iotronic_mec.api.controller import Answer, Call, Upload
from iotronic_mec.api.lent import passes
from iotronic_mec.api.listing import Listing
from iotronic_mec.clock import iso
from iotronic_mec.errors import BadRequest, Error, NotFound, TooLarge
from iotronic_mec.feature import Route
from iotronic_mec.features.plugin import store
from iotronic_mec.features.plugin.model import (
    FORMATS,
    KIND,
    PY,
    ZIP,
    Plugin,
    PluginExists,
    PluginNotFound,
    check_changeable,
)
from iotronic_mec.features.plugin.schema import (
    PluginCreate,
    PluginFieldsQuery,
    PluginList,
    PluginQuery,
    PluginShape,
    PluginUpdate,
)
from iotronic_mec.page import Page

LOG = logging.getLogger(__name__)

DEFAULT_FIELDS = ("uuid", "name", "owner", "public", "callable", "links")
"""What a list shows. Source: spec/iotronic-api.md section 2.3."""

FIELDS = tuple(PluginShape.model_fields)
SORTABLE = frozenset(
    {
        "uuid",
        "name",
        "owner",
        "public",
        "callable",
        "format",
        "size",
        "created_at",
        "updated_at",
    }
)

LISTED_CODE_BYTES = 16_384
"""Longest source shown in a list, bytes; a page of a thousand stays below 16 MiB."""

BUNDLE = "bundle"
"""Name of the file part of a multipart body."""

_PIECE_BYTES = 262_144
_MEDIA_TYPE = "application/octet-stream"
# a tenant's bytes, on the origin of the dashboard: never rendered, never run
_TENANT_HEADERS = {
    "Content-Security-Policy": "sandbox",
    "X-Content-Type-Options": "nosniff",
}


def public(call: Call) -> dict[str, Any]:
    """List the public plugins of all projects."""
    return LISTING.page(call, _public_rows, DEFAULT_FIELDS)


def show(call: Call) -> dict[str, Any]:
    """Show one plugin."""
    fields = paging.wanted(call.query.fields, FIELDS) or FIELDS
    return _present(call, _get(call, call.path["plugin"], lent=True), fields)


def create(call: Call) -> Answer:
    """Create a plugin."""
    body: PluginCreate = call.body
    source = _source(call, body.code)
    if source is None:
        raise BadRequest(
            "code: the program is missing; give code, or a file part named bundle",
            details={"field": "code"},
        )
    _check_free(call, body.name)
    content = _store(call, source)
    made = call.ask(
        "plugin",
        "create",
        name=body.name,
        public=body.public,
        callable=body.callable,
        parameters=body.parameters,
        extra=body.extra,
        content=content,
    )
    shown = _present(call, _get(call, made["uuid"]), FIELDS)
    return Answer(body=shown, headers={"Location": links.location(call, "plugins", made["uuid"])})


def update(call: Call) -> dict[str, Any]:
    """Change a plugin."""
    body: PluginUpdate = call.body
    values = body.model_dump(include=body.model_fields_set - {"code"})
    found = _get(call, call.path["plugin"])
    check_changeable(found, call.context.project, is_admin=call.context.is_admin)
    source = _source(call, body.code)
    content = None if source is None else _store(call, source)
    call.ask("plugin", "update", plugin=found.uuid, values=values, content=content)
    return _present(call, _get(call, found.uuid), FIELDS)


def delete(call: Call) -> None:
    """Delete a plugin."""
    call.ask("plugin", "delete", plugin=call.path["plugin"])


def download(call: Call) -> Answer:
    """Give the bytes of a plugin as they were stored."""
    plugin = _get(call, call.path["plugin"], lent=True)
    file = call.storage.open(plugin.digest)
    return Answer(
        body=_pieces(file),
        length=plugin.size,
        media_type=_MEDIA_TYPE,
        headers={
            **_TENANT_HEADERS,
            "Content-Disposition": f'attachment; filename="{plugin.name}.{plugin.format}"',
            "ETag": f'"{plugin.digest}"',
        },
    )


class _Source:
    """A program that came with the request and has been checked."""

    __slots__ = ("file", "format", "size_bytes")

    def __init__(self, format: str, file: BinaryIO, size_bytes: int) -> None:
        self.format = format
        self.file = file
        self.size_bytes = size_bytes


def _source(call: Call, code: str | None) -> _Source | None:
    """Return the checked program of a request, ``None`` when it has none."""
    others = sorted(set(call.files) - {BUNDLE})
    if others:
        raise BadRequest(
            f"{others[0][:80]}: no file is expected here, only {BUNDLE}",
            details={"field": others[0][:80]},
        )
    upload = call.files.get(BUNDLE)
    if upload is not None:
        if code is not None:
            raise BadRequest("code: not together with a bundle", details={"field": "code"})
        return _from_upload(upload, call.settings.max_bundle_bytes)
    if code is None:
        return None
    try:
        text = code.encode()
    except UnicodeEncodeError as error:
        raise BadRequest("code: not valid Unicode", details={"field": "code"}) from error
    bundle.check_source(text)
    return _Source(PY, BytesIO(text), len(text))


def _from_upload(upload: Upload, limit_bytes: int) -> _Source:
    suffix = upload.filename.rpartition(".")[2].lower()
    if suffix not in FORMATS:
        raise BadRequest(
            "bundle: a file name that ends in .py or .zip is expected", details={"field": BUNDLE}
        )
    if upload.size_bytes > limit_bytes:
        raise TooLarge(f"bundle: is over {limit_bytes} bytes", details={"field": BUNDLE})
    if suffix == ZIP:
        bundle.check_archive(upload.file, upload.size_bytes)
    else:
        bundle.check_source(upload.file.read(bundle.MAX_SOURCE_BYTES + 1), BUNDLE)
    upload.file.seek(0)
    return _Source(suffix, upload.file, upload.size_bytes)


def _store(call: Call, source: _Source) -> dict[str, Any]:
    """Store a program; return its content as the commands take it.

    The reservation is given back only when nothing was stored: bytes that no
    plugin came to use count against the quota until they are collected.
    """
    made = call.ask("blob", "reserve", size_bytes=source.size_bytes)
    with ExitStack() as undo:
        undo.callback(_release, call, made["reservation"])
        stored = call.storage.put(_pieces(source.file), source.size_bytes)
        undo.pop_all()
    return {
        "format": source.format,
        "digest": stored.digest,
        "size": stored.size_bytes,
        "reservation": made["reservation"],
    }


def _release(call: Call, reservation: str) -> None:
    with contextlib.suppress(Error):
        call.ask("blob", "release", reservation=reservation)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _check_free(call: Call, name: str) -> None:
    """Refuse a taken name before anything is stored; the conductor checks again."""
    with call.database.read() as connection:
        found = store.find_named(connection, call.context.project, name)
    if found is not None and found.uuid != call.context.new_uuid(KIND):
        raise PluginExists(
            f"name: a plugin named {name} exists in this project", details={"field": "name"}
        )


def _get(call: Call, ident: str, *, lent: bool = False) -> Plugin:
    """Return a plugin the caller may see; with ``lent`` also one a grant lets them."""
    context = call.context
    try:
        with call.database.read() as connection:
            return store.get_plugin(
                connection, context.project, ident, every_project=context.is_admin
            )
    except PluginNotFound:
        if not lent or not passes(call, KIND, ident, "plugin.get"):
            raise
    with call.database.read() as connection:
        return store.get_plugin(connection, context.project, ident, every_project=True)


def _rows(call: Call, connection: Any, page: Page) -> Sequence[Plugin]:
    query: PluginQuery = call.query
    if query.all_plugins and not call.allows("iot:plugin:get_all"):
        raise BadRequest(
            "all_plugins: only administrators may see all", details={"field": "all_plugins"}
        )
    project = None if query.all_plugins else call.context.project
    scope = store.Scope(project=project, with_public=query.with_public)
    return store.list_page(connection, scope, page)


def _public_rows(call: Call, connection: Any, page: Page) -> Sequence[Plugin]:
    del call  # whoever asks
    return store.list_page(connection, store.Scope(project=None, only_public=True), page)


def _item(call: Call, plugin: Plugin, fields: Collection[str]) -> dict[str, Any]:
    return _present(call, plugin, fields, LISTED_CODE_BYTES)


def _present(
    call: Call,
    plugin: Plugin,
    fields: Collection[str],
    longest_code: int = bundle.MAX_SOURCE_BYTES,
) -> dict[str, Any]:
    """Return a plugin as JSON; IoTronic's names, then ours."""
    whole = {
        "uuid": plugin.uuid,
        "name": plugin.name,
        "owner": plugin.owner,
        "project": plugin.project,
        "public": plugin.public,
        "callable": plugin.callable,
        "code": _code(call, plugin, longest_code) if "code" in fields else None,
        "format": plugin.format,
        "digest": plugin.digest,
        "size": plugin.size,
        "parameters": plugin.parameters,
        "extra": plugin.extra,
        "created_at": iso(plugin.created_at),
        "updated_at": iso(plugin.updated_at),
        "links": links.links(call, "plugins", plugin.uuid),
    }
    return paging.pick(whole, fields)


def _code(call: Call, plugin: Plugin, longest: int) -> str | None:
    if plugin.format != PY or plugin.size > longest:
        return None
    try:
        with call.storage.open(plugin.digest) as file:
            return file.read().decode()
    except NotFound:
        LOG.error("plugin %s: its bytes %s are lost", plugin.uuid, plugin.digest)
        return None


LISTING = Listing(
    plural="plugins",
    fields=FIELDS,
    default=DEFAULT_FIELDS,
    sortable=SORTABLE,
    rows=_rows,
    present=_item,
)

ROUTES = (
    *LISTING.routes(policy="iot:plugin:get", query=PluginQuery, answer=PluginList),
    Route(
        method="GET",
        path="/v1/plugins/public",
        handler=public,
        policy="iot:plugin:get",
        summary="List the public plugins of all projects",
        query=PluginQuery,
        answer=PluginList,
    ),
    Route(
        method="POST",
        path="/v1/plugins",
        handler=create,
        policy="iot:plugin:create",
        summary="Create a plugin from code or a bundle",
        body=PluginCreate,
        answer=PluginShape,
        status=201,
        errors=(409, 413),
        multipart=True,
    ),
    Route(
        method="GET",
        path="/v1/plugins/{plugin}",
        handler=show,
        policy="iot:plugin:get_one",
        summary="Show a plugin",
        query=PluginFieldsQuery,
        answer=PluginShape,
        errors=(409,),
    ),
    Route(
        method="PATCH",
        path="/v1/plugins/{plugin}",
        handler=update,
        policy="iot:plugin:update",
        summary="Change a plugin",
        body=PluginUpdate,
        answer=PluginShape,
        errors=(409, 413),
        multipart=True,
    ),
    Route(
        method="DELETE",
        path="/v1/plugins/{plugin}",
        handler=delete,
        policy="iot:plugin:delete",
        summary="Delete a plugin that is injected nowhere",
        status=204,
        errors=(409,),
    ),
    Route(
        method="GET",
        path="/v1/plugins/{plugin}/bundle",
        handler=download,
        policy="iot:plugin:get_one",
        summary="Download the bytes of a plugin",
        errors=(409,),
        media_type=_MEDIA_TYPE,
    ),
)
