"""Rules on virtual ports: attach, detach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iotronic_mec.context import Context
from iotronic_mec.features.board import store as board_store
from iotronic_mec.features.board.commands import check_online
from iotronic_mec.features.holding import store as holding_store
from iotronic_mec.features.holding.commands import Facts, HolderCommands
from iotronic_mec.features.holding.model import NETWORK, OPENING, Holding
from iotronic_mec.features.virtual_port import store
from iotronic_mec.features.virtual_port.model import KIND, PortNotFound, VirtualPort
from iotronic_mec.ids import new_uuid
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection


class VirtualPortCommands(HolderCommands):
    """Ports of networks on boards.

    :param parts: what commands are built from
    :param made: the commands of earlier features
    """

    namespace = KIND
    rows = store.ROWS

    @expose
    def attach(
        self,
        context: Context,
        *,
        board: str,
        network: str,
        subnet: str | None = None,
        security_groups: list[str] | None = None,
    ) -> str:
        """Attach a board to a network; return the port's uuid.

        :raises PortsExhausted: no port is free for the interface's link
        :raises errors.BoardOffline: the board has no session
        """
        with self._parts.database.read() as connection:
            target = self._board(connection, context, board)
        check_online(target)
        wanted = VirtualPort(
            uuid=context.new_uuid(KIND),
            board=target.uuid,
            project=target.project,
            network=network,
            subnet=subnet,
            security_groups=tuple(security_groups or ()),
            tcp_port=0,
            state=OPENING,
            created_at=self._parts.clock.now(),
        )

        def change(connection: Connection) -> bool:
            try:
                known = store.get_port(connection, target.project, wanted.uuid, every=False)
            except PortNotFound:
                self._insert(connection, wanted)
                return True
            return known.state == OPENING  # the same request before

        if self._parts.database.write(change):
            self._bring(context, wanted.uuid)
        return wanted.uuid

    @expose
    def detach(self, context: Context, *, port: str, board: str | None = None) -> None:
        """Take a board off a network.

        :param board: the one it has to be on
        :raises PortNotFound: there is no such port there
        :raises errors.BoardOffline: the board has no session
        """
        with self._parts.database.read() as connection:
            on_board = "" if board is None else self._board(connection, context, board).uuid
            found = store.get_port(
                connection, context.project, port, every=context.is_admin, board_uuid=on_board
            )
            target = board_store.find_target(connection, found.project, found.board, every=False)
        check_online(target)
        self._drop(context, found.uuid)

    def _made(self, facts: Facts) -> Mapping[str, Any]:
        return dict(facts[NETWORK])

    def _insert(self, connection: Connection, wanted: VirtualPort) -> None:
        self._parts.quota.check(connection, wanted.project, "ports")
        held = Holding(
            uuid=new_uuid(),
            holder=wanted.uuid,
            kind=NETWORK,
            key=None,
            project=wanted.project,
            board=wanted.board,
            spec={
                "network": wanted.network,
                "subnet": wanted.subnet,
                "security_groups": list(wanted.security_groups),
            },
            created_at=wanted.created_at,
        )
        ports = self._parts.settings.reach.vif_ports
        port = holding_store.insert_with_port(connection, held, ports, "tcp_port")
        store.insert_port(connection, replace(wanted, tcp_port=port))
