"""Routes of projects."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from iotronic_mec.api import links
from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.listing import Listing
from iotronic_mec.clock import iso
from iotronic_mec.feature import Route
from iotronic_mec.features.project import store
from iotronic_mec.features.project.model import Project
from iotronic_mec.features.project.schema import (
    ProjectCreate,
    ProjectList,
    ProjectQuery,
    ProjectShape,
    ProjectUpdate,
)
from iotronic_mec.page import Page

FIELDS = tuple(ProjectShape.model_fields)
SORTABLE = frozenset({"uuid", "name", "created_at", "updated_at"})


def show(call: Call) -> dict[str, Any]:
    """Show one project."""
    return _present(call, _get(call, call.path["project"]))


def create(call: Call) -> Answer:
    """Make a project."""
    body: ProjectCreate = call.body
    uuid = call.ask("project", "create", name=body.name, description=body.description)
    where = links.location(call, "projects", uuid)
    return Answer(body=_present(call, _get(call, uuid)), headers={"Location": where})


def update(call: Call) -> dict[str, Any]:
    """Change a project."""
    values = call.body.model_dump(exclude_none=True)
    uuid = call.ask("project", "update", project=call.path["project"], values=values)
    return _present(call, _get(call, uuid))


def delete(call: Call) -> None:
    """Delete a project."""
    call.ask("project", "delete", project=call.path["project"])


def _get(call: Call, ident: str) -> Project:
    with call.database.read() as connection:
        return store.get_project(connection, ident)


def _rows(call: Call, connection: Any, page: Page) -> Sequence[Project]:
    del call  # an administrator sees all
    return store.list_projects(connection, page)


def _present(call: Call, project: Project, fields: Collection[str] = ()) -> dict[str, Any]:
    del fields  # all of them are at hand
    return {
        "uuid": project.uuid,
        "name": project.name,
        "description": project.description,
        "created_at": iso(project.created_at),
        "updated_at": iso(project.updated_at),
        "links": links.links(call, "projects", project.uuid),
    }


LISTING = Listing(
    plural="projects", fields=FIELDS, sortable=SORTABLE, rows=_rows, present=_present
)

ROUTES = (
    *LISTING.routes(
        policy="iot:project:get", query=ProjectQuery, answer=ProjectList, with_detail=False
    ),
    Route(
        method="POST",
        path="/v1/projects",
        handler=create,
        policy="iot:project:create",
        summary="Create a project",
        body=ProjectCreate,
        answer=ProjectShape,
        status=201,
        errors=(409,),
    ),
    Route(
        method="GET",
        path="/v1/projects/{project}",
        handler=show,
        policy="iot:project:get",
        summary="Show a project",
        answer=ProjectShape,
    ),
    Route(
        method="PATCH",
        path="/v1/projects/{project}",
        handler=update,
        policy="iot:project:update",
        summary="Change a project",
        body=ProjectUpdate,
        answer=ProjectShape,
        errors=(409,),
    ),
    Route(
        method="DELETE",
        path="/v1/projects/{project}",
        handler=delete,
        policy="iot:project:delete",
        summary="Delete a project that owns nothing and has no users",
        status=204,
        errors=(409,),
    ),
)
