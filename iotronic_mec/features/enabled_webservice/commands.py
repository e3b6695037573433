"""Rules on publishing web servers of boards: enable, disable, renew."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iotronic_mec.context import Context
from iotronic_mec.features.board.commands import check_online
from iotronic_mec.features.board.model import Target
from iotronic_mec.features.enabled_webservice import store
from iotronic_mec.features.enabled_webservice.model import (
    HTTP_PORT,
    HTTPS_PORT,
    KIND,
    AlreadyEnabled,
    EnabledWebservice,
    ZoneNotAllowed,
    check_host,
)
from iotronic_mec.features.holding import store as holding_store
from iotronic_mec.features.holding.commands import HolderCommands, site_of
from iotronic_mec.features.holding.model import (
    CLOSING,
    DNS,
    OPENING,
    PROXY,
    TUNNEL,
    BeingClosed,
    Holding,
    NameTaken,
    name_key,
)
from iotronic_mec.ids import new_uuid
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection


class EnabledWebserviceCommands(HolderCommands):
    """Boards whose web servers may be published.

    :param parts: what commands are built from
    :param made: the commands of earlier features
    """

    namespace = KIND
    rows = store.ROWS

    @expose
    def enable(
        self,
        context: Context,
        *,
        board: str,
        dns: str,
        zone: str,
        email: str,
        extra: dict[str, Any] | None = None,
    ) -> str:
        """Give a board a name and two public ports; return the board's uuid.

        :raises AlreadyEnabled: it has
        :raises NameTaken: the name is in use, by whatever project
        :raises ZoneNotAllowed: the operator does not give names in this zone
        :raises PortsExhausted: no public port is free
        :raises errors.BoardOffline: the board has no session
        """
        host = check_host(f"{dns}.{zone}", "dns")
        self._check_zone(zone)
        with self._parts.database.read() as connection:
            target = self._board(connection, context, board)
        check_online(target)
        wanted = EnabledWebservice(
            uuid=target.uuid,
            board=target.uuid,
            project=target.project,
            dns=dns,
            zone=zone,
            email=email,
            http_port=0,
            https_port=0,
            extra=extra or {},
            state=OPENING,
            created_at=self._parts.clock.now(),
        )

        def change(connection: Connection) -> None:
            known = store.find_enabled(connection, target.uuid)
            if known is not None:
                raise _refusal(known)
            if holding_store.find_rival_name(connection, host, target.project):
                raise NameTaken(f"dns: {host} is in use", details={"field": "dns"})
            self._parts.quota.check(connection, target.project, "enabled_webservices")
            store.insert_enabled(connection, self._hold(connection, target, wanted))

        self._parts.database.write(change)
        self._bring(context, target.uuid)
        return target.uuid

    @expose
    def disable(self, context: Context, *, board: str) -> None:
        """Give name and ports of a board back; the board may be offline.

        :raises NotEnabled: it has none
        :raises Conflict: web services are published under its name
        """
        with self._parts.database.read() as connection:
            target = self._board(connection, context, board)
            store.get_enabled(connection, target.uuid)
        vetoes = self._parts.may_delete.get(KIND, ())
        self._drop(context, target.uuid, vetoes=vetoes)

    @expose
    def renew(self, context: Context, *, board: str) -> str:
        """Get a new certificate for a board's name; return what was done, in words.

        :raises NotEnabled: web services are not enabled there
        :raises errors.BoardOffline: the board has no session
        """
        with self._parts.database.read() as connection:
            target = self._board(connection, context, board)
            found = store.get_enabled(connection, target.uuid)
            held = holding_store.list_of(connection, target.uuid)
        check_online(target)
        if found.state == CLOSING:
            raise BeingClosed(f"web services of board {target.name} are being disabled")
        proxy = self._holdings.outside.proxy
        for each in held:
            if each.kind == PROXY:
                proxy.renew(site_of(each))
        told = f"certificate of {found.host} renewed"
        return f"{told} (proxy driver 'fake': no authority was asked)" if proxy.simulates else told

    def _check_zone(self, zone: str) -> None:
        zones = self._parts.settings.reach.zones
        if zones and zone not in zones:
            raise ZoneNotAllowed(
                f"zone: no names may be taken in {zone[:100]}; one of {', '.join(zones)} is"
                " expected",
                details={"field": "zone", "zones": list(zones)},
            )

    def _hold(
        self, connection: Connection, target: Target, wanted: EnabledWebservice
    ) -> EnabledWebservice:
        """Write down what is needed outside; return the row with its ports."""
        reach = self._parts.settings.reach
        held = Holding(
            uuid="",
            holder=wanted.uuid,
            kind=TUNNEL,
            key=None,
            project=target.project,
            board=target.uuid,
            spec={},
            created_at=wanted.created_at,
        )
        ports = [
            holding_store.insert_with_port(
                connection,
                replace(held, uuid=new_uuid(), spec={"protocol": "TCP", "local_port": local}),
                reach.ports,
                "public_port",
            )
            for local in (HTTP_PORT, HTTPS_PORT)
        ]
        record = {"name": wanted.host, "zone": wanted.zone, "address": reach.address}
        name = replace(held, uuid=new_uuid(), kind=DNS, key=name_key(wanted.host), spec=record)
        site = {
            "host": wanted.host,
            "port": 0,
            "secure": True,
            "http_port": ports[0],
            "https_port": ports[1],
            "email": wanted.email,
        }
        holding_store.insert_holding(connection, name)
        holding_store.insert_holding(
            connection, replace(held, uuid=new_uuid(), kind=PROXY, spec=site)
        )
        return replace(wanted, http_port=ports[0], https_port=ports[1])


def _refusal(known: EnabledWebservice) -> Exception:
    if known.state == CLOSING:
        return BeingClosed("web services of this board are being disabled")
    return AlreadyEnabled(
        f"web services are enabled on this board already, as {known.host}",
        details={"host": known.host},
    )
