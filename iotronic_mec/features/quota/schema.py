"""JSON bodies, queries and answers of the quota routes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from iotronic_mec.api.fields import Body, Query, Shape
from iotronic_mec.features.quota.model import LARGEST, UNLIMITED

Limit = Annotated[int, Field(ge=UNLIMITED, le=LARGEST)]

Resource = Annotated[str, Field(min_length=1, max_length=64, pattern="^[a-z_]+$")]


class QuotaUpdate(Body):
    """Limits of one project; those not named stay as they are."""

    limits: dict[Resource, Limit] = Field(
        min_length=1,
        max_length=100,
        description="resource to the most there may be; -1 for any number",
    )


class QuotaReset(Query):
    """What gets its default again."""

    resource: Resource | None = Field(None, description="this one only; all without it")


class QuotaShape(Shape):
    """One limit."""

    resource: str
    limit: int = Field(description="the most there may be; -1 for any number")
    default: int = Field(description="the limit of projects that have none of their own")
    used: int


class QuotasShape(Shape):
    """The limits of a project, and what is used."""

    project: str
    quotas: list[QuotaShape]
