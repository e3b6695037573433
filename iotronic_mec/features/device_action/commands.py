"""Rules on actions of boards: of one, or of all boards of a fleet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from iotronic_mec.context import Context
from iotronic_mec.errors import BoardOffline
from iotronic_mec.feature import Parts
from iotronic_mec.features.board.access import find_target
from iotronic_mec.features.board.commands import check_online, outcome
from iotronic_mec.features.board.model import ONLINE, Target
from iotronic_mec.features.device_action import store
from iotronic_mec.features.device_action.model import (
    BY_CAUSE,
    MAX_FLEET,
    Action,
    BadActionParameters,
    FleetEmpty,
    FleetTooLarge,
    find_action,
)
from iotronic_mec.features.fleet.access import MAX_LENT, find_ordered
from iotronic_mec.features.fleet.model import Fleet
from iotronic_mec.features.request.commands import RequestCommands
from iotronic_mec.features.request.model import (
    Operation,
    OperationFailed,
    OperationRejected,
    Order,
    Request,
    fleet_life_s,
    new_fleet_part,
    new_fleet_request,
    refused,
    told_of_fleet,
)
from iotronic_mec.operation import QUEUED
from iotronic_mec.rpc.expose import expose
from lightning_agent.protocol.errors import BadMessage

if TYPE_CHECKING:
    from sqlalchemy import Connection


class DeviceActionCommands:
    """Actions of boards.

    :param parts: what commands are built from
    :param made: the commands of earlier features
    """

    namespace = "device_action"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        self._parts = parts
        self._requests: RequestCommands = made["request"]

    @expose
    def action(
        self,
        context: Context,
        *,
        board: str,
        action: str,
        parameters: dict[str, Any] | None = None,
        wait: bool = True,
    ) -> dict[str, Any]:
        """Have a board do one of its actions.

        Blocks up to the board call's time limit unless ``wait`` is false or the
        action is a long one, which is never waited for.

        :param parameters: as they travel to the board
        :returns: ``{"request", "operation", "state", "message"}``
        :raises InvalidAction: there is no such action
        :raises BadActionParameters: names the parameter and the rule
        :raises ActionNotAllowed: the board's owner has not allowed it
        :raises errors.BoardOffline: the board has no session
        """
        kind = find_action(action)
        given = _checked(kind, parameters or {})
        wait = wait and not kind.is_long
        repeated = self._requests.repeat(context, wait=wait)
        if repeated is not None:
            return outcome(repeated)
        with self._parts.database.read() as connection:
            word = f"board.action:{action}"
            target = find_target(self._parts, connection, context, board, word)
        check_online(target)
        order = Order(
            board=target.uuid,
            agent=target.agent,
            board_project=target.project,
            action=action,
            procedure=kind.procedure,
            parameters=given,
            timeout_s=min(self._parts.settings.board_call_timeout_s, context.remaining_s()),
            lent=target.lent,
            record_first=kind.changes,
            life_s=kind.life_s,
        )
        run = self._requests.run if wait else self._requests.accept
        with _told():
            return outcome(run(context, order))

    @expose
    def fleet_action(
        self,
        context: Context,
        *,
        fleet: str,
        action: str,
        parameters: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Have all boards of a fleet do an action: one request, an operation for each.

        Boards that are not online end as rejected at once; the others are sent to
        a bounded number at a time.

        :returns: ``{"request", "state", "total", "pending"}``
        :raises FleetNotFound: no such fleet, or nothing lets the order pass
        :raises FleetEmpty: it has no boards
        :raises FleetTooLarge: it has more than :data:`MAX_FLEET`, a lent one more
            than :data:`MAX_LENT`
        """
        kind = find_action(action)
        given = _checked(kind, parameters or {})
        now = self._parts.clock.now()
        with self._parts.database.read() as connection:
            found, targets = self._fleet(connection, context, fleet, f"board.action:{action}")
        request = self._request(context, found, action, kind, targets, now)

        def make(connection: Connection) -> list[tuple[Operation, str | None]]:
            made = []
            for target in targets:
                part = _part(context, request, kind, given, target, now)
                for lent in target.lent if part.state == QUEUED else ():
                    # one that does not pass undoes the whole order
                    self._parts.access.charge(connection, context, lent, request.uuid)
                made.append((part, target.agent))
            return made

        stored = self._requests.accept_many(context, request, make)
        return told_of_fleet(stored)

    def _fleet(
        self, connection: Connection, context: Context, fleet: str, word: str
    ) -> tuple[Fleet, list[Target]]:
        """Return a fleet and its boards, each with what lets the order pass there."""
        found, own = find_ordered(self._parts, connection, context, fleet, word)
        most = MAX_FLEET if own else MAX_LENT
        targets = store.list_fleet_targets(connection, found.uuid, most + 1)
        if not targets:
            raise FleetEmpty(f"fleet {found.name} has no boards: put some in first")
        if len(targets) > most:
            raise FleetTooLarge(f"fleet {found.name} has more than {most} boards")
        if own:
            return found, targets
        return found, [
            find_target(self._parts, connection, context, target.uuid, word) for target in targets
        ]

    def _request(
        self,
        context: Context,
        fleet: Fleet,
        action: str,
        kind: Action,
        targets: list[Target],
        now: datetime,
    ) -> Request:
        online = sum(target.status == ONLINE for target in targets)
        life_s = fleet_life_s(online, self._parts.settings.board_call_timeout_s)
        return new_fleet_request(
            context,
            fleet.uuid,
            fleet.project,
            action,
            len(targets),
            now,
            life_s + (kind.life_s or 0.0),
        )


def _checked(kind: Action, given: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters if they are what the board takes.

    :raises BadActionParameters: names the parameter and the rule
    """
    if kind.parameters is None:
        return given
    try:
        made = kind.parameters.from_wire(given)
        made.check()
    except BadMessage as error:
        words = error.message.removeprefix(f"{kind.parameters.__name__}.")
        name = words.partition(":")[0]
        raise BadActionParameters(
            f"parameters.{words}", details={"field": f"parameters.{name}"}
        ) from error
    return made.to_wire()


def _part(
    context: Context,
    request: Request,
    kind: Action,
    given: dict[str, Any],
    target: Target,
    now: datetime,
) -> Operation:
    part = new_fleet_part(context, request, target.uuid, kind.procedure, given, now)
    try:
        check_online(target)
    except BoardOffline as error:
        return refused(part, error, now)
    return part


@contextmanager
def _told() -> Iterator[None]:
    """Turn a board's refusal into the error of its cause."""
    try:
        yield
    except (OperationFailed, OperationRejected) as error:
        kind = BY_CAUSE.get(str(error.details.get("cause", {}).get("code", "")))
        if kind is None:
            raise
        raise kind(error.message, details=error.details) from error
