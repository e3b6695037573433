"""JSON bodies, queries and answers of the plugin routes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from iotronic_mec.api.fields import Body, Boolean, JSONObject, Name, Query, Shape
from iotronic_mec.api.paging import PageQuery
from iotronic_mec.bundle import MAX_SOURCE_BYTES

Code = Annotated[str, Field(min_length=1, max_length=MAX_SOURCE_BYTES)]
"""A Python program as text."""


class PluginCreate(Body):
    """A new plugin: ``code`` as text, or a file part ``bundle`` (.py or .zip)."""

    name: Name
    code: Code | None = Field(None, description="Python source; required without a bundle")
    callable: Boolean = Field(False, description="runs to its end and gives a result")
    public: Boolean = Field(False, description="other projects may read and inject it")
    parameters: JSONObject = Field(
        default_factory=dict, description="keys that every call or start must give"
    )
    extra: JSONObject = Field(default_factory=dict)


class PluginUpdate(Body):
    """Fields of a plugin to change; the others stay."""

    name: Name = ""
    code: Code | None = Field(None, description="new Python source; null keeps the old")
    callable: Boolean = False
    public: Boolean = False
    parameters: JSONObject = Field(default_factory=dict)
    extra: JSONObject = Field(default_factory=dict)


class PluginQuery(PageQuery):
    """What a list of plugins may hold beside the own project's."""

    with_public: Boolean = Field(False, description="also the public ones of other projects")
    all_plugins: Boolean = Field(False, description="those of all projects; administrators only")


class PluginFieldsQuery(Query):
    """Which fields of a plugin are wanted."""

    fields: str | None = Field(None, description="comma-separated names of fields to show")


class PluginShape(Shape):
    """A plugin; a list shows a part of the fields."""

    uuid: str | None = None
    name: str | None = None
    owner: str | None = Field(None, description="the user who made it")
    project: str | None = None
    public: bool | None = None
    callable: bool | None = None
    code: str | None = Field(
        None, description="the source; null for an archive, and for a long one in a list"
    )
    format: Literal["py", "zip"] | None = None
    digest: str | None = Field(None, description="SHA-256 of the bundle, hexadecimal")
    size: int | None = Field(None, description="bytes of the bundle")
    parameters: dict[str, Any] | None = None
    extra: dict[str, Any] | None = None
    created_at: str | None = None
    updated_at: str | None = None
    links: list[dict[str, str]] | None = None


class PluginList(Shape):
    """A page of plugins."""

    plugins: list[PluginShape]
    next: str | None = None
