"""JSON bodies, queries and answers of the project routes."""

from __future__ import annotations

from iotronic_mec.api.fields import Body, LinkShape, Name, Shape, Text
from iotronic_mec.api.paging import PageQuery


class ProjectCreate(Body):
    """A new project."""

    name: Name
    description: Text = ""


class ProjectUpdate(Body):
    """What is to change."""

    name: Name | None = None
    description: Text | None = None


class ProjectQuery(PageQuery):
    """Which projects are wanted."""


class ProjectShape(Shape):
    """What owns boards and plugins."""

    uuid: str | None = None
    name: str | None = None
    description: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    links: list[LinkShape] | None = None


class ProjectList(Shape):
    """A page of projects."""

    projects: list[ProjectShape]
    next: str | None = None
