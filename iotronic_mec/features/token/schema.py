"""JSON bodies, queries and answers of the token routes."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from iotronic_mec.api.fields import Body, Boolean, LinkShape, Query, Shape, Text, UUIDOrName
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


class TokenCreate(Body):
    """A new token of the caller."""

    name: Text = Field("", max_length=255, description="what it is for")
    role: Role | None = Field(None, description="the most it may do; by default all you may")
    expires_at: AwareDatetime | None = Field(None, description="when it ends; by default never")


class TokenQuery(PageQuery):
    """Which tokens are wanted."""

    user: UUIDOrName | None = Field(None, description="whose; administrators only")
    all_users: Boolean = Field(False, description="everyone's; administrators only")


class FieldsQuery(Query):
    """Which fields are wanted."""

    fields: str | None = Field(None, description="comma-separated names of fields to show")


class TokenShape(Shape):
    """A secret that stands for its user in one project."""

    uuid: str | None = None
    name: str | None = None
    user: str | None = None
    project: str | None = None
    role: str | None = None
    secret: str | None = Field(None, description="in the answer that makes it, and never again")
    expires_at: str | None = None
    last_used_at: str | None = Field(None, description="to within a minute")
    created_at: str | None = None
    links: list[LinkShape] | None = None


class TokenList(Shape):
    """A page of tokens."""

    tokens: list[TokenShape]
    next: str | None = None
