"""JSON bodies, queries and answers of the routes of users."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from iotronic_mec.api.fields import (
    Body,
    Boolean,
    LinkShape,
    Name,
    Query,
    Shape,
    UUIDOrName,
)
from iotronic_mec.api.paging import PageQuery

Role = Literal[
    "admin",
    "member",
    "reader",
    "administrator",
    "admin_iot_project",
    "manager_iot_project",
    "user_iot",
]
"""Roles, upstream's names included; ``api/policy.py`` has the table."""

Password = Annotated[str, Field(min_length=8, max_length=256)]


class UserCreate(Body):
    """A new user."""

    name: Name
    password: Password
    project: UUIDOrName
    roles: list[Role] = Field(["member"], min_length=1, max_length=8)
    enabled: Boolean = True


class UserUpdate(Body):
    """What is to change; who is no administrator may give the passwords only."""

    name: Name | None = None
    enabled: Boolean | None = None
    project: UUIDOrName | None = None
    roles: list[Role] | None = Field(None, min_length=1, max_length=8)
    password: Password | None = None
    old_password: str | None = Field(None, max_length=256, description="for the own password")


class UserQuery(PageQuery):
    """Which users are wanted."""


class UserShape(Shape):
    """Who may log in; passwords are never shown."""

    uuid: str | None = None
    name: str | None = None
    enabled: bool | None = None
    project: str | None = Field(None, description="uuid of the project acted in by default")
    roles: list[str] | None = Field(None, description="roles in that project")
    created_at: str | None = None
    updated_at: str | None = None
    links: list[LinkShape] | None = None


class UserList(Shape):
    """A page of users."""

    users: list[UserShape]
    next: str | None = None


class FieldsQuery(Query):
    """Which fields are wanted."""

    fields: str | None = Field(None, description="comma-separated names of fields to show")


class WhoAmIShape(Shape):
    """Who is asking."""

    user: str
    name: str
    project: str
    roles: list[str]
