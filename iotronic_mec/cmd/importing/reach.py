"""Web services, exposed services and ports: how boards were reached.

Each comes as it was for IoTronic, *open*, with its public port or name kept for it
and the cause ``imported``: the import asks no driver for anything, so nothing of it
works before its owner restores it, and nothing is published behind anybody's back.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iotronic_mec import hostname
from iotronic_mec.cmd.importing.ground import Ground, One
from iotronic_mec.cmd.importing.report import PRESENT
from iotronic_mec.cmd.importing.values import outcome_of, port_of, uuid_of
from iotronic_mec.db.upstream import json_object
from iotronic_mec.errors import BadRequest
from iotronic_mec.features.board import store as board_store
from iotronic_mec.features.enabled_webservice import store as enabled_store
from iotronic_mec.features.enabled_webservice.model import (
    HTTP_PORT,
    HTTPS_PORT,
    EnabledWebservice,
    check_host,
)
from iotronic_mec.features.exposed_service import store as exposed_store
from iotronic_mec.features.exposed_service.model import Exposure
from iotronic_mec.features.holding import store as holding_store
from iotronic_mec.features.holding.model import (
    DNS,
    IMPORTED,
    NETWORK,
    OPEN,
    PROXY,
    TUNNEL,
    Holding,
    name_key,
    port_key,
)
from iotronic_mec.features.service import store as service_store
from iotronic_mec.features.virtual_port import store as port_store
from iotronic_mec.features.virtual_port.model import PortNotFound, VirtualPort
from iotronic_mec.features.webservice import store as webservice_store
from iotronic_mec.features.webservice.model import Webservice, WebserviceNotFound
from iotronic_mec.ids import new_uuid
from iotronic_mec.operation import cause

if TYPE_CHECKING:
    from sqlalchemy import Connection

_VIF = re.compile(r"iotronic([0-9]{1,5})")
"""An interface's name. Source: spec/iotronic-api.md section 2.7."""

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")

_CAUSE = cause(IMPORTED, "it was open in IoTronic's database and has not been restored here")

_NOTES = {
    "enabled_webservices": "imported ones keep name and ports and serve nothing: delete the "
    "board's web services, disable them on the board, then enable and expose them anew",
    "webservices": "imported ones keep their names and serve nothing: delete them, and expose "
    "them anew when web services are enabled on the board anew",
    "exposed_services": "imported ones lead nowhere until they are restored: 'iot service restore "
    "BOARD' when the board is online",
    "ports_on_boards": "imported ones are the record of what the network has; their boards have "
    "no interface: detach them, which deletes them in the network, and attach new ones",
}


class Reach:
    """What boards were reached by."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._settings = ground.parts.settings.reach
        self._kept = frozenset(self._wanted())

    def tables(self) -> dict[str, One]:
        """Return what imports a row of each table, in their order."""
        return {
            "enabled_webservices": self._enabled,
            "webservices": self._webservice,
            "exposed_services": self._exposed,
            "ports_on_boards": self._port,
        }

    def _wanted(self) -> Iterator[int]:
        """Yield the ports rows have, which no other row may be given."""
        for table, columns in (
            ("enabled_webservices", ("http_port", "https_port")),
            ("exposed_services", ("public_port",)),
        ):
            for row in self._ground.source.iter_rows(table):
                yield from (row[each] for each in columns if isinstance(row[each], int))
        for row in self._ground.source.iter_rows("ports_on_boards"):
            found = _VIF.fullmatch(str(row.get("VIF_name")))
            if found:
                yield int(found[1])

    def _enabled(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        board, project = self._board(connection, row)
        dns, zone = (_lower(row.get(key), key) for key in ("dns", "zone"))
        host = check_host(f"{dns}.{zone.removesuffix('.')}", "dns")
        zone = zone.removesuffix(".")
        known = enabled_store.find_enabled(connection, board)
        if known is not None and known.host == host:
            return PRESENT, ""
        if known is not None:
            raise BadRequest(f"its board has web services enabled as {known.host}")
        if self._settings.zones and zone not in self._settings.zones:
            raise BadRequest(f"zone: {zone} is none of [reach] zones")
        if holding_store.find_rival_name(connection, host, project):
            raise BadRequest(f"dns: {host} is in use here, or a name above or below it")
        held = self._held(board, project, board)
        told: list[str] = []
        ports: list[int] = []
        for column, local in (("http_port", HTTP_PORT), ("https_port", HTTPS_PORT)):
            spec = {"protocol": "TCP", "local_port": local}
            one = replace(held, uuid=new_uuid(), spec=spec)
            number, text = self._hold_port(connection, one, row.get(column), column)
            ports.append(number)
            told += [text] if text else []
        made = EnabledWebservice(
            uuid=board,
            board=board,
            project=project,
            dns=dns,
            zone=zone,
            email="",
            http_port=ports[0],
            https_port=ports[1],
            extra=json_object(row.get("extra")),
            state=OPEN,
            cause=_CAUSE,
            created_at=self._ground.made_at(row),
        )
        self._hold_name(connection, held, made, host, port=0, secure=True)
        enabled_store.insert_enabled(connection, made)
        return self._came("enabled_webservices", "; ".join(told))

    def _webservice(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        uuid = uuid_of(row.get("uuid"), "uuid")
        if _is_there(connection, uuid):
            return PRESENT, ""
        board, project = self._board(connection, row)
        name, port = str(row.get("name") or "").lower(), port_of(row.get("port"))
        if not hostname.is_label(name):
            raise BadRequest(f"name: {name[:80]!r} is no label of letters, digits and '-'")
        enabled = enabled_store.find_enabled(connection, board)
        if enabled is None:
            raise BadRequest("web services are not enabled on its board, or that was refused")
        rival = webservice_store.find_rival(connection, board, name, port)
        if rival is not None:
            raise BadRequest(f"its board has web service {rival.name} on port {rival.port}")
        host = check_host(f"{name}.{enabled.host}", "name")
        if holding_store.find_rival_name(connection, host, project):
            raise BadRequest(f"name: {host} is in use here, or a name above or below it")
        secure = row.get("secure")
        made = Webservice(
            uuid=uuid,
            board=board,
            project=project,
            name=name,
            port=port,
            secure=True if secure is None else bool(secure),
            host=host,
            extra=json_object(row.get("extra")),
            state=OPEN,
            cause=_CAUSE,
            created_at=self._ground.made_at(row),
        )
        held = self._held(uuid, project, board)
        self._hold_name(connection, held, enabled, host, port=port, secure=made.secure)
        webservice_store.insert_webservice(connection, made)
        text = "" if name == row["name"] else f"its name is {name}: host names are in lower case"
        return self._came("webservices", text)

    def _exposed(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        board, project = self._board(connection, row)
        uuid = uuid_of(row.get("service_uuid"), "service_uuid")
        enabled = enabled_store.find_enabled(connection, board)
        if enabled and row.get("public_port") in (enabled.http_port, enabled.https_port):
            return PRESENT, "it is a port of the board's enabled web services"
        service = service_store.list_services(connection, [uuid]).get(uuid)
        if service is None:
            raise BadRequest(f"its service {uuid} was not imported")
        if service.project != project and not service.public:
            raise BadRequest(
                f"its service {uuid} is another project's: make that public and import again"
            )
        if exposed_store.find_exposure(connection, board, uuid) is not None:
            return PRESENT, ""
        made = Exposure(
            uuid=new_uuid(),
            board=board,
            service=uuid,
            name=service.name,
            port=service.port,
            protocol=service.protocol,
            public_port=0,
            state=OPEN,
            cause=_CAUSE,
            created_at=self._ground.made_at(row),
        )
        spec = {"protocol": service.protocol, "local_port": service.port}
        held = replace(self._held(made.uuid, project, board), spec=spec)
        number, text = self._hold_port(connection, held, row.get("public_port"), "public_port")
        made = replace(made, public_port=number)
        exposed_store.insert_exposure(connection, made, state=OPEN, now=made.created_at)
        return self._came("exposed_services", text)

    def _port(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        uuid = uuid_of(row.get("uuid"), "uuid")
        try:
            port_store.get_port(connection, "", uuid, every=True)
        except PortNotFound:
            pass
        else:
            return PRESENT, ""
        board, project = self._board(connection, row)
        subnet = uuid_of(row.get("network"), "network")
        ip = _address(row.get("ip"))
        mac, told = str(row.get("MAC_add") or "").lower() or None, []
        if mac is not None and not _MAC.fullmatch(mac):
            mac, told = None, ["its MAC_add is none and left out"]
        made = VirtualPort(
            uuid=uuid,
            board=board,
            project=project,
            network=subnet,
            subnet=subnet,
            tcp_port=0,
            mac=mac,
            ip=ip,
            external=uuid,
            state=OPEN,
            cause=_CAUSE,
            created_at=self._ground.made_at(row),
        )
        spec = {"network": subnet, "subnet": subnet, "security_groups": []}
        facts = {"external": uuid, "mac": mac, "ip": ip, "prefix_length": None}
        held = replace(self._held(uuid, project, board), kind=NETWORK, spec=spec, facts=facts)
        name = _VIF.fullmatch(str(row.get("VIF_name")))
        wanted = int(name[1]) if name else row.get("VIF_name")
        number, text = self._hold_port(connection, held, wanted, "tcp_port")
        port_store.insert_port(connection, replace(made, tcp_port=number))
        return self._came("ports_on_boards", "; ".join([*told, *([text] if text else [])]))

    def _board(self, connection: Connection, row: Mapping[str, Any]) -> tuple[str, str]:
        """Return a row's board, and whose it is.

        :raises BadRequest: the board was not imported
        """
        uuid = uuid_of(row.get("board_uuid"), "board_uuid")
        place = board_store.find_place(connection, uuid)
        if place is None:
            raise BadRequest(f"its board {uuid} was not imported")
        return uuid, place.project

    def _held(self, holder: str, project: str, board: str) -> Holding:
        return Holding(
            uuid=new_uuid(),
            holder=holder,
            kind=TUNNEL,
            key=None,
            project=project,
            board=board,
            spec={},
            state=OPEN,
            created_at=self._ground.now,
        )

    def _hold_port(
        self, connection: Connection, held: Holding, wanted: Any, column: str
    ) -> tuple[int, str]:
        """Write a holding with the port a row has, or another one; return it and what to tell."""
        field = "tcp_port" if held.kind == NETWORK else "public_port"
        ports = self._settings.vif_ports if held.kind == NETWORK else self._settings.ports
        known = isinstance(wanted, int) and not isinstance(wanted, bool)
        if known and ports[0] <= wanted <= ports[1]:
            if not holding_store.has_key(connection, port_key(wanted)):
                kept = replace(held, key=port_key(wanted), spec={**held.spec, field: wanted})
                holding_store.insert_holding(connection, kept)
                return wanted, ""
            why = f"{wanted} is in use"
        else:
            why = f"{str(wanted)[:40]} is not within {ports[0]} to {ports[1]}"
        number = holding_store.insert_with_port(connection, held, ports, field, self._kept)
        return number, f"{column}: {why}: it has {number} now"

    def _hold_name(
        self,
        connection: Connection,
        held: Holding,
        enabled: EnabledWebservice,
        host: str,
        *,
        port: int,
        secure: bool,
    ) -> None:
        """Write the holdings of a name and of the site under it."""
        record = {"name": host, "zone": enabled.zone, "address": self._settings.address}
        site = {
            "host": host,
            "port": port,
            "secure": secure,
            "http_port": enabled.http_port,
            "https_port": enabled.https_port,
            "email": enabled.email,
        }
        name = replace(held, uuid=new_uuid(), kind=DNS, key=name_key(host), spec=record)
        holding_store.insert_holding(connection, name)
        holding_store.insert_holding(
            connection, replace(held, uuid=new_uuid(), kind=PROXY, spec=site)
        )

    def _came(self, table: str, text: str) -> tuple[str, str]:
        self._ground.report.note(table, _NOTES[table])
        return outcome_of(text)


def _lower(value: Any, column: str) -> str:
    if not value or not isinstance(value, str):
        raise BadRequest(f"{column}: it has none")
    return value.lower()


def _address(value: Any) -> str | None:
    try:
        return str(ipaddress.ip_address(value)) if value else None
    except ValueError as error:
        raise BadRequest(f"ip: {str(value)[:80]!r} is no address") from error


def _is_there(connection: Connection, uuid: str) -> bool:
    try:
        webservice_store.get_webservice(connection, "", uuid, every=True)
    except WebserviceNotFound:
        return False
    return True
