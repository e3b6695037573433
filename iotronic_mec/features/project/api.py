"""Routes of projects."""

from __future__ import annotations

from functools import partial
from typing import Any

from iotronic_mec.api import links, paging
from iotronic_mec.api.controller import Answer, Call
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

FIELDS = tuple(ProjectShape.model_fields)
SORTABLE = frozenset({"uuid", "name", "created_at", "updated_at"})


def index(call: Call) -> dict[str, Any]:
    """List projects."""
    page = paging.page(call, sortable=SORTABLE, fields=FIELDS)
    with call.database.read() as connection:
        rows = store.list_projects(connection, page)
    return paging.collection(call, "projects", rows, page, partial(_present, call))


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


def _present(call: Call, project: Project) -> dict[str, Any]:
    return {
        "uuid": project.uuid,
        "name": project.name,
        "description": project.description,
        "created_at": iso(project.created_at),
        "updated_at": iso(project.updated_at),
        "links": links.links(call, "projects", project.uuid),
    }


ROUTES = (
    Route(
        method="GET",
        path="/v1/projects",
        handler=index,
        policy="iot:project:get",
        summary="List projects",
        query=ProjectQuery,
        answer=ProjectList,
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
