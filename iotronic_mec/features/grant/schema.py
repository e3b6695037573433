"""JSON bodies, queries and answers of the grant routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, model_validator

from iotronic_mec.api.fields import UUID, Body, Boolean, Integer, LinkShape, Query, Shape, Text
from iotronic_mec.api.paging import PageQuery


def _as_text(value: object) -> object:
    if not isinstance(value, str | datetime):
        raise ValueError("a moment of ISO 8601 with its offset is expected")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_as_text)]
"""A moment of ISO 8601 with its offset from UTC."""

Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
"""A time of day, ``HH:MM``."""

Receiver = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
"""The id of a user or a project; whether there is one is not told."""

Target = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^(\*|[A-Za-z0-9._~-]+)$")]
"""A uuid, a name in the own project, or ``*``."""

Action = Annotated[str, Field(min_length=1, max_length=80)]

Kind = Literal["board", "fleet", "plugin"]


class HoursBody(Body):
    """A part of each day; an end before the start is on the next day."""

    start: Clock
    end: Clock = Field(description="not itself a part of it")
    zone: str = Field(max_length=64, description="IANA time zone, such as `Europe/Rome`")


class Receiving(Body):
    """To whom is lent, and what both ways of lending have in common."""

    to_user: Receiver | None = Field(None, description="id of a user; or `to_project`")
    to_project: Receiver | None = Field(None, description="id of a project; or `to_user`")
    not_before: Moment | None = None
    expires_at: Moment | None = Field(None, description="null: until it is revoked")
    hours: HoursBody | None = None
    max_uses: Integer | None = Field(None, ge=1, le=10**12, description="null: no limit")
    description: Annotated[Text, Field(max_length=1024)] = ""

    @model_validator(mode="after")
    def _one_receiver(self) -> Receiving:
        if (self.to_user is None) == (self.to_project is None):
            raise ValueError("exactly one of to_user and to_project is expected")
        return self


class GrantCreate(Receiving):
    """A lending of operations on what the own project has."""

    kind: Kind
    target: Target = Field(description="uuid or name; `*` for all of the kind in the project")
    actions: list[Action] = Field(min_length=1, max_length=64)
    relend: Boolean = Field(True, description="whether it may be lent on, only narrower")


class GrantFurther(Receiving):
    """A lending on of a grant; what is left out is as in that one, nothing may be wider."""

    kind: Kind | None = None
    target: Target | None = Field(None, description="uuid of what that grant is about")
    actions: list[Action] | None = Field(None, min_length=1, max_length=64)
    relend: Boolean | None = None


class GrantQuery(PageQuery):
    """What a list of grants may be narrowed by."""

    side: Literal["given", "received"] | None = Field(None, description="which end one is at")
    target: str | None = Field(None, max_length=36, description="uuid of what is lent")
    all_projects: Boolean = Field(False, description="administrators only")


class UsesQuery(PageQuery):
    """Which page of the uses."""


class ExplainQuery(Query):
    """Which operation is asked about."""

    action: Action | None = Field(None, description="for instance `board.action:DeviceEcho`")
    target: UUID | None = Field(None, description="a thing within what is lent")


class FieldsQuery(Query):
    """Which fields of one thing are wanted."""

    fields: str | None = Field(None, description="comma-separated names of fields to show")


class HoursShape(Shape):
    """A part of each day."""

    start: str
    end: str
    zone: str


class GrantShape(Shape):
    """A grant."""

    uuid: str | None = None
    parent: str | None = Field(None, description="the grant it was made from")
    kind: str | None = None
    target: str | None = None
    actions: list[str] | None = None
    owner: str | None = Field(None, description="project of what is lent")
    by_user: str | None = None
    by_project: str | None = None
    to_user: str | None = None
    to_project: str | None = None
    not_before: str | None = None
    expires_at: str | None = None
    hours: HoursShape | None = None
    max_uses: int | None = None
    uses: int | None = Field(None, description="with those of the grants made from it")
    relend: bool | None = None
    description: str | None = None
    state: str | None = Field(None, description="by its own terms; `explain` asks the whole chain")
    revoked_at: str | None = None
    created_at: str | None = None
    links: list[LinkShape] | None = None


class GrantList(Shape):
    """A page of grants."""

    grants: list[GrantShape]
    next: str | None = None


class UseShape(Shape):
    """One use of a grant."""

    uuid: str | None = None
    grant: str | None = None
    user: str | None = None
    project: str | None = None
    kind: str | None = None
    target: str | None = None
    action: str | None = None
    number: int | None = Field(None, description="1, 2, 3, … of this grant")
    request: str | None = None
    created_at: str | None = None


class UseList(Shape):
    """A page of uses."""

    uses: list[UseShape]
    next: str | None = None


class LinkOfChain(Shape):
    """How one grant of a chain stands by its own terms."""

    grant: str
    state: str


class GrantExplainShape(Shape):
    """Whether a grant lets an operation pass now."""

    state: str
    until: str | None = None
    chain: list[LinkOfChain]
