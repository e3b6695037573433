"""JSON bodies, queries and answers of the routes of exposed services."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from iotronic_mec.api.fields import Body, Shape
from iotronic_mec.api.paging import PageQuery


class ActionBody(Body):
    """An action on a service of a board."""

    action: str = Field(
        max_length=40, description="ServiceEnable, ServiceDisable or ServiceRestore"
    )


class RestoreBody(Body):
    """IoTronic's client sends an action here too; only this one makes sense."""

    action: Literal["ServiceRestore"] = "ServiceRestore"


class ExposureQuery(PageQuery):
    """Which exposed services of a board are wanted."""


class ExposureShape(Shape):
    """A service of a board, reachable at a public port."""

    uuid: str | None = None
    service: str | None = Field(None, description="uuid of the service")
    name: str | None = None
    board_uuid: str | None = None
    port: int | None = Field(None, description="on the board")
    protocol: str | None = None
    public_port: int | None = None
    address: str | None = Field(None, description="host of the public port")
    state: str | None = Field(None, description="opening, open or closing")
    cause: dict[str, Any] | None = Field(None, description="why it is being closed")
    driver: str | None = Field(None, description="'fake' forwards nothing")
    created_at: str | None = None
    updated_at: str | None = None


class ExposureList(Shape):
    """A page of exposed services."""

    exposed: list[ExposureShape]
    next: str | None = None
