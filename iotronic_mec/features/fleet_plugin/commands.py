"""Rules on orders on a plugin to a fleet: for each board what they are for it alone.

What a board is to hold or run is noted in the transaction that stores the order, so
that a board whose answer is lost is brought to it at its next join. A board that is
not online, or that nothing lets the order pass on, has a result that says so, and
nothing is noted for it. What counts for all is decided for all: where a grant's uses
or the quota do not suffice, nothing is ordered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iotronic_mec import errors, ids
from iotronic_mec.context import Context
from iotronic_mec.feature import Parts
from iotronic_mec.features.board.commands import check_online
from iotronic_mec.features.board.model import ONLINE, BoardNotFound, Target
from iotronic_mec.features.device_action import store as target_store
from iotronic_mec.features.device_action.model import FleetEmpty, FleetTooLarge
from iotronic_mec.features.fleet.access import find_ordered
from iotronic_mec.features.fleet.model import Fleet
from iotronic_mec.features.injection import store as injection_store
from iotronic_mec.features.injection.access import (
    Spot,
    find_spot,
    want,
    want_no_more,
    want_run,
)
from iotronic_mec.features.injection.commands import find_procedure, read_parameters
from iotronic_mec.features.injection.model import INJECT, REMOVE
from iotronic_mec.features.lease.model import AgentTooOld
from iotronic_mec.features.plugin import store as plugin_store
from iotronic_mec.features.plugin.model import Plugin, PluginNotFound
from iotronic_mec.features.request.commands import RequestCommands
from iotronic_mec.features.request.model import (
    Operation,
    Request,
    fleet_life_s,
    new_fleet_part,
    new_fleet_request,
    refused,
    told_of_fleet,
)
from iotronic_mec.rpc.expose import expose

if TYPE_CHECKING:
    from sqlalchemy import Connection

MAX_BOARDS = 1000
"""Most boards one request may be for. What is noted for each is written in one
transaction, about a millisecond a board, and everybody else's wait for it."""

Note = Callable[["Connection", Spot], dict[str, Any]]
"""Notes, with the order, what is wanted on a board; gives what the order has besides."""

Found = tuple[Target, "Spot | errors.Error"]
"""A board of the fleet, and the plugin there, or why the order does not pass there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What is to be done on each board.

    ``procedure`` is the board's, and the word of grants. ``given`` are the parameters
    beside the plugin's uuid. An injection ``adds`` what is not there yet.
    """

    action: str
    procedure: str
    note: Note
    given: dict[str, Any] = field(default_factory=dict)
    adds: bool = False


class FleetPluginCommands:
    """Orders on a plugin to all boards of a fleet.

    :param parts: what commands are built from
    :param made: the commands of earlier features
    """

    namespace = "fleet_plugin"

    def __init__(self, parts: Parts, made: Mapping[str, Any]) -> None:
        self._parts = parts
        self._requests: RequestCommands = made["request"]

    @expose
    def inject(
        self, context: Context, *, fleet: str, plugin: str, onboot: bool = False
    ) -> dict[str, Any]:
        """Bring a plugin onto all boards of a fleet, or its present bundle once more.

        :returns: ``{"request", "state", "total", "pending"}``
        :raises FleetNotFound: no such fleet, or nothing lets the order pass
        :raises PluginNotFound: likewise the plugin
        :raises FleetEmpty: it has no boards
        :raises FleetTooLarge: it has more than :data:`MAX_BOARDS`
        :raises QuotaExceeded: the project may not have so many injections
        """

        def note(connection: Connection, spot: Spot) -> dict[str, Any]:
            want(self._parts, connection, spot, onboot)
            return {"digest": spot.plugin.digest}

        def work(_: Plugin) -> _Work:
            return _Work(action=INJECT, procedure="plugin.inject", note=note, adds=True)

        return self._order(context, fleet, plugin, "plugin.inject", work)

    @expose
    def action(
        self,
        context: Context,
        *,
        fleet: str,
        plugin: str,
        action: str,
        parameters: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Call, start, stop, restart, ask or read the logs of a plugin on all boards.

        Boards on which it is not injected have a result that says so.

        :returns: ``{"request", "state", "total", "pending"}``
        :raises InvalidPluginAction: there is no such action
        :raises NotCallable: PluginCall of a plugin that is started and stopped
        :raises OnlyCallable: PluginStart of a plugin that is called
        :raises errors.Error: also what :meth:`inject` raises
        """
        procedure = find_procedure(action)

        def work(found: Plugin) -> _Work:
            given = read_parameters(action, found, parameters or {})

            def note(connection: Connection, spot: Spot) -> dict[str, Any]:
                return want_run(self._parts, connection, spot, action, given)

            return _Work(action=action, procedure=procedure, note=note, given=given)

        return self._order(context, fleet, plugin, procedure, work)

    @expose
    def remove(self, context: Context, *, fleet: str, plugin: str) -> dict[str, Any]:
        """Take a plugin off all boards of a fleet; where it runs it is stopped.

        :returns: ``{"request", "state", "total", "pending"}``
        :raises errors.Error: what :meth:`inject` raises
        """

        def note(connection: Connection, spot: Spot) -> dict[str, Any]:
            return want_no_more(self._parts, connection, spot, cancellable=True)

        def work(_: Plugin) -> _Work:
            return _Work(action=REMOVE, procedure="plugin.remove", note=note)

        return self._order(context, fleet, plugin, "plugin.remove", work)

    # -- inside --------------------------------------------------------------------

    def _order(
        self,
        context: Context,
        fleet: str,
        plugin: str,
        word: str,
        work_of: Callable[[Plugin], _Work],
    ) -> dict[str, Any]:
        with self._parts.database.read() as connection:
            place, found = self._find(connection, context, fleet, plugin, word)
        spots = [spot for _, spot in found if isinstance(spot, Spot)]
        if not spots:
            raise _not_found(found)
        work = work_of(spots[0].plugin)
        request = self._request(context, place, work.action, [target for target, _ in found])

        def make(connection: Connection) -> list[tuple[Operation, str | None]]:
            return self._make(connection, context, request, work, found)

        stored = self._requests.accept_many(context, request, make, plugin=spots[0].plugin.uuid)
        return told_of_fleet(stored)

    def _find(
        self, connection: Connection, context: Context, fleet: str, plugin: str, word: str
    ) -> tuple[Fleet, list[Found]]:
        """Return the fleet, and for each of its boards what the order means there."""
        seen = _seen(connection, context, plugin)
        ident = ids.normal_uuid(plugin) if seen is None else seen.uuid
        place, own = find_ordered(self._parts, connection, context, fleet, f"{word}:{ident}")
        targets = target_store.list_fleet_targets(connection, place.uuid, MAX_BOARDS + 1)
        if not targets:
            raise FleetEmpty(f"fleet {place.name} has no boards: put some in first")
        if len(targets) > MAX_BOARDS:
            raise FleetTooLarge(
                f"fleet {place.name} has more than {MAX_BOARDS} boards, the most for an order on "
                "a plugin: use several fleets"
            )

        def spot(target: Target) -> Spot | errors.Error:
            if own and seen is not None:
                return Spot(board=target, plugin=seen)
            try:
                return find_spot(self._parts, connection, context, target.uuid, ident, word)
            except (BoardNotFound, PluginNotFound) as error:
                return error

        return place, [(target, spot(target)) for target in targets]

    def _request(
        self, context: Context, fleet: Fleet, action: str, targets: Sequence[Target]
    ) -> Request:
        online = sum(target.status == ONLINE for target in targets)
        life_s = fleet_life_s(online, self._parts.settings.board_call_timeout_s)
        now = self._parts.clock.now()
        return new_fleet_request(
            context, fleet.uuid, fleet.project, action, len(targets), now, life_s
        )

    def _make(
        self,
        connection: Connection,
        context: Context,
        request: Request,
        work: _Work,
        found: Sequence[Found],
    ) -> list[tuple[Operation, str | None]]:
        """Note what is wanted on each board, and return the orders."""
        now = self._parts.clock.now()
        made: list[tuple[Operation, str | None]] = []

        def refuse(target: Target, error: errors.Error) -> None:
            part = new_fleet_part(context, request, target.uuid, work.procedure, {}, now)
            made.append((refused(part, error, now), None))

        passing: list[Spot] = []
        for target, spot in found:
            try:
                passing.append(_check(connection, work, target, spot))
            except errors.Error as error:
                refuse(target, error)
        if work.adds:
            self._check_quota(connection, request, passing)
        for spot in passing:
            try:
                besides = work.note(connection, spot)
            except AgentTooOld as error:  # raised before anything is noted
                refuse(spot.board, error)
                continue
            for lent in spot.lent:
                # one that does not pass undoes the whole order
                self._parts.access.charge(connection, context, lent, request.uuid)
            parameters = {"plugin": spot.plugin.uuid, **work.given, **besides}
            part = new_fleet_part(
                context, request, spot.board.uuid, work.procedure, parameters, now
            )
            made.append((part, spot.board.agent))
        return made

    def _check_quota(
        self, connection: Connection, request: Request, passing: Sequence[Spot]
    ) -> None:
        """Let injections pass that the project may have all of."""
        new = sum(
            not injection_store.is_injected(connection, spot.board.uuid, spot.plugin.uuid)
            for spot in passing
        )
        if new:
            self._parts.quota.check(connection, request.project, "injections", new)


def _seen(connection: Connection, context: Context, plugin: str) -> Plugin | None:
    """Return a plugin the caller sees; ``None`` for a uuid of one that may be lent.

    :raises PluginNotFound: a name the caller does not see
    """
    try:
        return plugin_store.get_plugin(
            connection, context.project, plugin, every_project=context.is_admin
        )
    except PluginNotFound:
        if not ids.is_uuid(plugin):
            raise
        return None


def _not_found(found: Sequence[Found]) -> errors.Error:
    """Return why the order passes on no board at all."""
    return next(spot for _, spot in found if isinstance(spot, errors.Error))


def _check(connection: Connection, work: _Work, target: Target, spot: Spot | errors.Error) -> Spot:
    """Let a board pass that can be sent the order.

    :raises errors.Error: why not; nothing is noted for it
    """
    if isinstance(spot, errors.Error):
        raise spot
    check_online(target)
    if not work.adds:
        injection_store.check_injected(connection, target.uuid, spot.plugin.uuid)
    return spot
