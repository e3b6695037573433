"""The ``links`` of an API resource: itself, and its address without a version."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iotronic_mec.api.controller import Call


def links(call: Call, plural: str, uuid: str) -> list[dict[str, str]]:
    """Return the links of one thing.

    :param plural: its collection: ``boards``, or a path as ``boards/<uuid>/ports``
    Source: spec/iotronic-api.md section 1, collections.
    """
    base = call.base_url
    return [
        {"href": f"{base}/v1/{plural}/{uuid}", "rel": "self"},
        {"href": f"{base}/{plural}/{uuid}", "rel": "bookmark"},
    ]


def linker(call: Call, plural: str) -> Callable[[Any], list[dict[str, str]]]:
    """Return what gives the links of each thing of a list, by its ``uuid``.

    :param plural: the collection
    """
    own, bookmark = f"{call.base_url}/v1/{plural}/", f"{call.base_url}/{plural}/"
    return lambda row: [
        {"href": own + row.uuid, "rel": "self"},
        {"href": bookmark + row.uuid, "rel": "bookmark"},
    ]


def location(call: Call, plural: str, uuid: str) -> str:
    """Return the address of one thing, for the header ``Location``."""
    return f"{call.base_url}/v1/{plural}/{uuid}"
