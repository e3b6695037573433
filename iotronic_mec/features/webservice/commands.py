"""Rules on web services: expose, unexpose."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from iotronic_mec import hostname
from iotronic_mec.context import Context
from iotronic_mec.errors import BadRequest
from iotronic_mec.features.board.commands import check_online
from iotronic_mec.features.board.model import Target
from iotronic_mec.features.enabled_webservice import store as enabled_store
from iotronic_mec.features.enabled_webservice.model import EnabledWebservice, check_host
from iotronic_mec.features.holding import store as holding_store
from iotronic_mec.features.holding.commands import HolderCommands
from iotronic_mec.features.holding.model import (
    CLOSING,
    DNS,
    OPENING,
    PROXY,
    BeingClosed,
    Holding,
    NameTaken,
    name_key,
)
from iotronic_mec.features.webservice import store
from iotronic_mec.features.webservice.model import KIND, Webservice, WebserviceExists
from iotronic_mec.ids import new_uuid
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection


class WebserviceCommands(HolderCommands):
    """Web servers of boards under host names.

    :param parts: what commands are built from
    :param made: the commands of earlier features
    """

    namespace = KIND
    rows = store.ROWS

    @expose
    def create(
        self,
        context: Context,
        *,
        board: str,
        name: str,
        port: int,
        secure: bool = True,
        extra: dict[str, Any] | None = None,
    ) -> str:
        """Publish a web server of a board; return the web service's uuid.

        :raises NotEnabled: web services are not enabled on the board
        :raises WebserviceExists: the board has one of this name, or on this port
        :raises NameTaken: the host name is in use
        :raises errors.BoardOffline: the board has no session
        """
        if not hostname.is_label(name):
            raise BadRequest(
                "name: one label of letters, digits and '-' is expected", details={"field": "name"}
            )
        with self._parts.database.read() as connection:
            target = self._board(connection, context, board)
        check_online(target)
        uuid = context.new_uuid(KIND)
        now = self._parts.clock.now()

        def change(connection: Connection) -> bool:
            enabled = enabled_store.get_enabled(connection, target.uuid)
            if enabled.state == CLOSING:
                raise BeingClosed(f"web services of board {target.name} are being disabled")
            rival = store.find_rival(connection, target.uuid, name, port)
            if rival is not None and rival.uuid == uuid:
                return rival.state == OPENING  # the same request before
            if rival is not None:
                raise _refusal(rival, name)
            made = Webservice(
                uuid=uuid,
                board=target.uuid,
                project=target.project,
                name=name,
                port=port,
                secure=secure,
                host=check_host(f"{name}.{enabled.host}", "name"),
                extra=extra or {},
                state=OPENING,
                created_at=now,
            )
            self._parts.quota.check(connection, made.project, "webservices")
            store.insert_webservice(connection, made)
            self._hold(connection, target, made, enabled)
            return True

        if self._parts.database.write(change):
            self._bring(context, uuid)
        return uuid

    @expose
    def delete(self, context: Context, *, webservice: str) -> None:
        """Withdraw a web service; its board may be offline.

        :raises WebserviceNotFound: there is no such web service in the project
        """
        with self._parts.database.read() as connection:
            found = store.get_webservice(
                connection, context.project, webservice, every=context.is_admin
            )
        self._drop(context, found.uuid)

    def _hold(
        self,
        connection: Connection,
        target: Target,
        made: Webservice,
        enabled: EnabledWebservice,
    ) -> None:
        if holding_store.find_rival_name(connection, made.host, made.project):
            raise NameTaken(f"name: {made.host} is in use", details={"field": "name"})
        record = {
            "name": made.host,
            "zone": enabled.zone,
            "address": self._parts.settings.reach.address,
        }
        name = Holding(
            uuid=new_uuid(),
            holder=made.uuid,
            kind=DNS,
            key=name_key(made.host),
            project=target.project,
            board=target.uuid,
            spec=record,
            created_at=made.created_at,
        )
        site = {
            "host": made.host,
            "port": made.port,
            "secure": made.secure,
            "http_port": enabled.http_port,
            "https_port": enabled.https_port,
            "email": enabled.email,
        }
        holding_store.insert_holding(connection, name)
        holding_store.insert_holding(
            connection, replace(name, uuid=new_uuid(), kind=PROXY, key=None, spec=site)
        )


def _refusal(rival: Webservice, name: str) -> Exception:
    if rival.state == CLOSING:
        return BeingClosed(f"web service {rival.name} is being withdrawn")
    field = "name" if rival.name == name else "port"
    return WebserviceExists(
        f"{field}: the board has web service {rival.name} on port {rival.port}",
        details={"field": field, "webservice": rival.uuid},
    )
