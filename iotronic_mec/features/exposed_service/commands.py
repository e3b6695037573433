"""Rules on exposed services: enable, disable, restore."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iotronic_mec.context import Context, system_context
from iotronic_mec.errors import Error
from iotronic_mec.feature import Parts
from iotronic_mec.features.board.commands import check_online
from iotronic_mec.features.board.model import Target
from iotronic_mec.features.exposed_service import store
from iotronic_mec.features.exposed_service.model import (
    ACTIONS,
    DISABLE,
    ENABLE,
    KIND,
    AlreadyExposed,
    Exposure,
    InvalidServiceAction,
    ServiceWithdrawn,
)
from iotronic_mec.features.holding import store as holding_store
from iotronic_mec.features.holding.commands import HolderCommands, tunnel_of
from iotronic_mec.features.holding.model import (
    CLOSING,
    OPEN,
    OPENING,
    TUNNEL,
    BeingClosed,
    Holding,
)
from iotronic_mec.features.service import store as service_store
from iotronic_mec.features.service.model import Service, ServiceNotYours
from iotronic_mec.ids import new_uuid
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOG = logging.getLogger(__name__)

WITHDRAW_MARGIN_S = 10.0
"""Time that is left to the caller of a withdrawal for what comes after it, seconds."""


class ExposedServiceCommands(HolderCommands):
    """Services of boards, reachable from outside.

    :param parts: what commands are built from
    :param made: the commands of earlier features
    """

    namespace = KIND
    rows = store.ROWS

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        super().__init__(parts, made)
        self._simulates = self._holdings.outside.tunnel.simulates

    @expose
    def action(self, context: Context, *, board: str, service: str, action: str) -> str:
        """Enable, disable or restore a service of a board; return what was done, in words.

        :raises InvalidServiceAction: there is no such action
        :raises AlreadyExposed: ServiceEnable of one that is exposed
        :raises NotExposed: the others of one that is not
        :raises PortsExhausted: no public port is free
        :raises errors.BoardOffline: the board has no session
        """
        if action not in ACTIONS:
            raise InvalidServiceAction(
                f"action: {action[:40]!r} is not known; known are {', '.join(ACTIONS)}",
                details={"field": "action", "known": list(ACTIONS)},
            )
        with self._parts.database.read() as connection:
            target = self._board(connection, context, board)
            found: Service | Exposure
            if action == ENABLE:
                found = service_store.get_service(
                    connection, context.project, service, every=context.is_admin
                )
            else:
                found = store.get_exposure(connection, target.uuid, service)
        check_online(target)
        if isinstance(found, Service):
            return self._enable(context, target, found)
        if action == DISABLE:
            return self._disable(context, found)
        return self._restore(context, found)

    @expose
    def restore(self, context: Context, *, board: str) -> None:
        """Open all tunnels of a board once more; one that fails does not stop the others.

        :raises errors.BoardOffline: the board has no session
        """
        with self._parts.database.read() as connection:
            target = self._board(connection, context, board)
            exposed = store.list_of_board(connection, target.uuid)
        check_online(target)
        failed: list[Error] = []
        for each in exposed:
            if each.state == OPEN:
                try:
                    self._restore(context, each)
                except Error as error:
                    failed.append(error)
        if failed:
            raise failed[0]

    @expose
    def withdraw(self, context: Context, *, service: str) -> int:
        """Have a service of one's own exposed nowhere any more; return where it still is.

        From now on other projects cannot expose it: it is public no more. Their boards
        lose their public ports, which their audit and their events tell. What a driver does
        not give back at once is tried again later. Blocks as long as the caller has time.

        :returns: on how many boards it is still being closed
        :raises ServiceNotFound: no such service
        :raises ServiceNotYours: it is another project's, and public
        """
        now = self._parts.clock.now()

        def change(connection: Connection) -> list[str]:
            found = service_store.get_service(
                connection, context.project, service, every=context.is_admin
            )
            if found.project != context.project and not context.is_admin:
                raise ServiceNotYours()
            uses = store.list_of_service(connection, found.uuid)
            if found.public:
                values = {"public": False, "updated_at": now}
                service_store.update_service(connection, found.uuid, values)
            others = system_context(request_id=context.request_id)
            for uuid, project in uses:
                # what the cloud does on others' boards is the cloud's in their audit
                who = context if project == found.project else others
                self._close_in(connection, who, uuid, ServiceWithdrawn())
            foreign = sum(project != found.project for _, project in uses)
            details = {"boards": len(uses), "others": foreign}
            acting = context.acting_in(found.project)
            self._parts.audit(
                connection, acting, "service.withdraw", "service", found.uuid, details=details
            )
            return [uuid for uuid, _ in uses]

        uses = self._parts.database.write(change)
        left = len(uses)
        for uuid in uses:
            if context.deadline - time.monotonic() < WITHDRAW_MARGIN_S:
                LOG.info("service %s: the rest is withdrawn later", service)
                break
            left -= self._finish(uuid)
        return left

    @expose
    def status(self, context: Context, *, board: str) -> str:
        """Return in words what is exposed on a board, and whether it is reachable."""
        with self._parts.database.read() as connection:
            target = self._board(connection, context, board)
            exposed = store.list_of_board(connection, target.uuid)
            held = {each.uuid: holding_store.list_of(connection, each.uuid) for each in exposed}
        lines = [f"{len(exposed)} service(s) exposed on board {target.name}"]
        lines += [self._line(each, held[each.uuid]) for each in exposed]
        if self._simulates:
            lines.append(_SIMULATED)
        return "\n".join(lines)

    def _line(self, each: Exposure, held: list[Holding]) -> str:
        tunnels = [tunnel_of(one) for one in held if one.kind == TUNNEL]
        driver = self._holdings.outside.tunnel
        reachable = bool(tunnels) and all(driver.is_open(tunnel) for tunnel in tunnels)
        word = "reachable" if reachable else "not reachable"
        address = self._parts.settings.reach.address
        return (
            f"{each.name} ({each.protocol} {each.port}) at {address}:{each.public_port}:"
            f" {each.state}, {word}"
        )

    def _enable(self, context: Context, target: Target, service: Service) -> str:
        now = self._parts.clock.now()
        wanted = Exposure(
            uuid=context.new_uuid(KIND),
            board=target.uuid,
            service=service.uuid,
            name=service.name,
            port=service.port,
            protocol=service.protocol,
            public_port=0,
            state=OPENING,
            created_at=now,
        )

        def change(connection: Connection) -> Exposure:
            known = store.find_exposure(connection, target.uuid, service.uuid)
            if known is not None and known.uuid == wanted.uuid:
                return known  # the same request before
            if known is not None:
                raise _refusal(known)
            self._parts.quota.check(connection, target.project, "exposed_services")
            held = Holding(
                uuid=new_uuid(),
                holder=wanted.uuid,
                kind=TUNNEL,
                key=None,
                project=target.project,
                board=target.uuid,
                spec={"protocol": service.protocol, "local_port": service.port},
                created_at=now,
            )
            ports = self._parts.settings.reach.ports
            port = holding_store.insert_with_port(connection, held, ports, "public_port")
            made = replace(wanted, public_port=port)
            store.insert_exposure(connection, made, state=OPENING, now=now)
            return made

        exposed = self._parts.database.write(change)
        if exposed.state == OPENING:
            self._bring(context, exposed.uuid)
        address = self._parts.settings.reach.address
        return self._told(
            f"Service {exposed.name} exposed on board {target.name}"
            f" at {address}, public port {exposed.public_port}"
        )

    def _disable(self, context: Context, exposed: Exposure) -> str:
        if self._drop(context, exposed.uuid):
            return self._told(f"Service {exposed.name} disabled")
        return self._told(
            f"Service {exposed.name} is being disabled: public port {exposed.public_port}"
            " is given back as soon as it can be"
        )

    def _restore(self, context: Context, exposed: Exposure) -> str:
        now = self._parts.clock.now()

        def change(connection: Connection) -> None:
            if not self.rows.move(connection, exposed.uuid, (OPEN, OPENING), OPENING, now):
                raise BeingClosed(f"service {exposed.name} is being disabled")
            holding_store.reopen_of(connection, exposed.uuid, now)

        self._parts.database.write(change)
        self._bring(context, exposed.uuid, anew=True)
        return self._told(f"Service {exposed.name} restored, public port {exposed.public_port}")

    def _told(self, sentence: str) -> str:
        return f"{sentence} ({_SIMULATED})" if self._simulates else sentence


_SIMULATED = "tunnel driver 'fake': nothing is forwarded"


def _refusal(known: Exposure) -> Exception:
    if known.state == CLOSING:
        return BeingClosed(f"service {known.name} is being disabled on this board")
    return AlreadyExposed(
        f"service {known.name} is exposed on this board already,"
        f" at public port {known.public_port}",
        details={"public_port": known.public_port},
    )
