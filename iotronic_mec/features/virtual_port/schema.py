"""JSON bodies, queries and answers of the port routes."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from iotronic_mec.api.fields import UUID, Body, Boolean, LinkShape, Query, Shape
from iotronic_mec.api.paging import PageQuery


class AttachBody(Body):
    """The network a board is to be attached to."""

    network: UUID
    subnet: UUID | None = None
    security_groups: list[UUID] = Field(default_factory=list, max_length=32)


class PortQuery(PageQuery):
    """Which ports are wanted. IoTronic takes ``with_public`` and does nothing with it."""

    with_public: Boolean = Field(False, description="accepted; no port is public")
    all_ports: Boolean = Field(False, description="of all projects; administrators only")


class FieldsQuery(Query):
    """Which fields of one thing are wanted."""

    fields: str | None = Field(None, description="comma-separated names of fields to show")


class PortShape(Shape):
    """A port of a network on a board."""

    uuid: str | None = None
    board_uuid: str | None = None
    project: str | None = None
    VIF_name: str | None = Field(None, description="the interface's name on the board")
    MAC_add: str | None = None
    vif_name: str | None = Field(None, description="the same as VIF_name")
    mac_add: str | None = Field(None, description="the same as MAC_add")
    ip: str | None = None
    prefix_length: int | None = None
    network: str | None = Field(
        None, description="as IoTronic has it: the subnet where there is one, else the network"
    )
    network_uuid: str | None = None
    subnet_uuid: str | None = None
    security_groups: list[str] | None = None
    external: str | None = Field(None, description="the network's own id of the port")
    extra: dict[str, Any] | None = None
    state: str | None = Field(None, description="opening, open or closing")
    cause: dict[str, Any] | None = Field(None, description="why it is being closed")
    driver: str | None = Field(None, description="'fake' has no network behind it")
    created_at: str | None = None
    updated_at: str | None = None
    links: list[LinkShape] | None = None


class PortList(Shape):
    """A page of ports."""

    ports: list[PortShape]
    next: str | None = None
