"""Actions of boards: found, checked, sent; long ones end later, fleets by board."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from iotronic_mec import errors
from iotronic_mec.context import system_context
from iotronic_mec.features.board.model import BoardNotFound
from iotronic_mec.features.device_action.commands import DeviceActionCommands
from iotronic_mec.features.device_action.model import (
    ACTIONS,
    ActionNotAllowed,
    BadActionParameters,
    FleetEmpty,
    InvalidAction,
)
from iotronic_mec.features.device_action.schema import PARAMETERS
from iotronic_mec.features.fleet.model import FleetNotFound
from iotronic_mec.features.injection import store as injection_store
from iotronic_mec.features.injection.model import Injection
from iotronic_mec.features.request import store as request_store
from iotronic_mec.features.request.model import Operation, Request, sum_of
from iotronic_mec.features.request.table import operation
from iotronic_mec.operation import FAILED, SUCCEEDED, TERMINAL
from lightning_agent.protocol.messages import OperationAnswer, OperationCall
from tests.fakes.boards import end_as, succeed
from tests.fakes.parts import AGENT, OTHER_PROJECT, Core, member, open_core

RUNNING = lambda call: OperationAnswer(operation=call.operation, state="running")  # noqa: E731
PIP = {"manager": "pip", "command": "install", "package": "six"}
SUBMIT = {"url": "http://a.example/", "method": "GET", "headers": {"Authorization": "Basic x"}}


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """Give the conductor's parts."""
    with open_core(tmp_path) as made:
        yield made


@pytest.fixture
def commands(core: Core) -> DeviceActionCommands:
    """Give the feature's commands."""
    made = core.commands["device_action"]
    assert isinstance(made, DeviceActionCommands)
    return made


def finish(core: Core) -> None:
    """Let all that is queued be sent."""
    requests = core.commands["request"]
    for pool in (requests._pool, requests._fleet_pool):
        pool.shutdown(wait=True)


def make_fleet(core: Core, online: int, offline: int = 0) -> list[str]:
    """Make the fleet ``slope`` with boards; return those of the online ones."""
    core.commands["fleet"].create(member(), name="slope")
    boards = [core.make_board(f"on-{n}", session=n + 1) for n in range(online)]
    others = [core.make_board(f"off-{n}", session=0) for n in range(offline)]
    for board in boards + others:
        core.commands["board"].update(member(), board=board, values={"fleet": "slope"})
    return boards


def request_of(core: Core, uuid: str) -> Request:
    """Return a request as it is stored."""
    with core.database.read() as connection:
        return request_store.get_request(connection, None, uuid)


def test_echo(core: Core, commands: DeviceActionCommands) -> None:
    """An action reaches the board's procedure and its message comes back."""
    uuid = core.make_board()

    done = commands.action(member(), board=uuid, action="DeviceEcho", parameters={"say": "hi"})

    ((board, procedure, call),) = core.boards.calls
    assert (board, procedure, call.parameters) == (uuid, "device.echo", {"say": "hi"})
    assert (done["state"], done["message"]) == ("succeeded", "done")


def test_every_action_has_parameters_and_a_procedure() -> None:
    """What is offered can be asked for, and boards know it."""
    assert set(PARAMETERS) == set(ACTIONS)


def test_action_of_an_offline_board(core: Core, commands: DeviceActionCommands) -> None:
    """A board without session is refused at once; the board is not called."""
    core.make_board("kitchen", session=0)

    with pytest.raises(errors.BoardOffline) as told:
        commands.action(member(), board="kitchen", action="DevicePing")

    assert "iot board explain kitchen" in told.value.message
    assert core.boards.calls == []


@pytest.mark.parametrize(
    ("action", "parameters", "kind", "said"),
    [
        ("DeviceDance", {}, InvalidAction, "known are"),
        ("DeviceMountFs", {}, InvalidAction, "not offered: it would remount"),
        ("DeviceReboot", {"delay_s": 2.0}, BadActionParameters, "parameters.delay_s"),
        ("DevicePkgOperation", {**PIP, "package": "a b"}, BadActionParameters, "package"),
        ("DevicePkgOperation", {"manager": "pip"}, BadActionParameters, "parameters.command"),
        ("DeviceRestSubmit", {**SUBMIT, "url": "x"}, BadActionParameters, "parameters.url"),
        ("DeviceFactoryReset", {"identity": "x"}, BadActionParameters, "identity"),
        ("DeviceUpgradeLR", {"version": "; reboot"}, BadActionParameters, "version"),
    ],
)
def test_bad_actions(
    core: Core,
    commands: DeviceActionCommands,
    action: str,
    parameters: dict[str, Any],
    kind: type[errors.Error],
    said: str,
) -> None:
    """An unknown action or wrong parameter is refused before the board is asked."""
    core.make_board("kitchen")

    with pytest.raises(kind, match=said.replace(".", r"\.")):
        commands.action(member(), board="kitchen", action=action, parameters=parameters)

    assert (core.boards.calls, core.operations()) == ([], [])


def test_not_waiting(core: Core, commands: DeviceActionCommands) -> None:
    """An action nobody waits for is queued, with the request's address."""
    core.make_board("kitchen")

    done = commands.action(member(), board="kitchen", action="DevicePing", wait=False)

    finish(core)
    ended = core.operation(done["operation"])
    assert ended is not None
    assert (done["state"], ended.state) == ("queued", "succeeded")


def test_repetition_when_the_board_is_offline(core: Core, commands: DeviceActionCommands) -> None:
    """The same Idempotency-Key gives the first outcome, whatever the board is now."""
    uuid = core.make_board("kitchen")
    first = commands.action(member(key="k"), board=uuid, action="DevicePing")
    gone = {"board": uuid, "online": False, "session": 7}
    core.commands["board"].presence(system_context(), agent=AGENT, changes=[gone])

    again = commands.action(member(key="k"), board=uuid, action="DevicePing")

    assert again == first


def test_other_projects_boards(core: Core, commands: DeviceActionCommands) -> None:
    """A board of another project is not there."""
    uuid = core.make_board("kitchen", project=OTHER_PROJECT)

    with pytest.raises(BoardNotFound):
        commands.action(member(), board=uuid, action="DevicePing")


def test_the_owners_refusal_is_told(core: Core, commands: DeviceActionCommands) -> None:
    """What the board's owner has not allowed is a 403 with the board's cure."""
    core.make_board("kitchen")
    core.boards.answer = end_as("rejected", "not_allowed", "write allow = …")

    with pytest.raises(ActionNotAllowed, match="write allow"):
        commands.action(member(), board="kitchen", action="DeviceReboot")

    [stored] = core.operations()
    assert (stored.state, stored.cause and stored.cause["code"]) == ("rejected", "not_allowed")


class TestLongWork:
    """The board says that it runs, and reports the end later."""

    def begun(self, core: Core, commands: DeviceActionCommands) -> Operation:
        """Begin a package operation."""
        core.make_board("kitchen")
        core.boards.answer = RUNNING
        done = commands.action(
            member(), board="kitchen", action="DevicePkgOperation", parameters=PIP
        )
        finish(core)
        assert done["state"] == "queued"
        found = core.operation(done["operation"])
        assert found is not None
        return found

    def test_it_runs(self, core: Core, commands: DeviceActionCommands) -> None:
        """It is never waited for; its time is its own, the call's stays short."""
        part = self.begun(core, commands)

        assert part.state == "running"
        assert (part.deadline_at - part.created_at).total_seconds() == 3900.0
        assert core.boards.calls[0][2].remaining_s <= 50.0
        assert request_of(core, part.request).state == "running"

    def test_its_end_is_reported(self, core: Core, commands: DeviceActionCommands) -> None:
        """The journal's word ends operation and request."""
        part = self.begun(core, commands)
        [(_, _, call)] = core.boards.calls
        answer = succeed({"output": "ok"})(call)

        core.commands["request"].record_reported(system_context(), part.board, call, answer)

        ended, request = core.operation(part.uuid), request_of(core, part.request)
        assert ended is not None
        assert (ended.state, ended.message) == ("succeeded", {"output": "ok"})
        assert (request.state, request.pending) == ("succeeded", 0)

    def test_silence_ends_as_lost(self, core: Core, commands: DeviceActionCommands) -> None:
        """A board that never reports does not leave it open (D-29)."""
        part = self.begun(core, commands)

        core.clock.advance(3900 + 61)
        core.commands["request"].expire()

        ended = core.operation(part.uuid)
        assert ended is not None
        assert ended.state == "lost"


def test_secrets_of_a_submit_are_forgotten(core: Core, commands: DeviceActionCommands) -> None:
    """What was sent is not kept once the order has ended."""
    core.make_board("kitchen")

    commands.action(member(), board="kitchen", action="DeviceRestSubmit", parameters=SUBMIT)

    assert core.boards.calls[0][2].parameters["headers"] == {"Authorization": "Basic x"}
    with core.database.read() as connection:
        assert connection.execute(select(operation.c.parameters)).scalars().all() == [{}]


class TestFactoryReset:
    """After a reset no plugin is wanted on the board."""

    def reset(self, core: Core, commands: DeviceActionCommands) -> list[Injection]:
        """Reset a board with one injected plugin; return what is wanted there after."""
        uuid, plugin = core.make_board("kitchen"), core.make_plugin()
        wanted = Injection(
            board=uuid,
            plugin=plugin.uuid,
            status="injected",
            onboot=False,
            digest=plugin.digest,
            size=plugin.size,
            created_at=core.clock.now(),
        )
        core.database.write(lambda connection: injection_store.put(connection, wanted))
        try:
            commands.action(member(), board="kitchen", action="DeviceFactoryReset")
        except errors.Error:
            pass
        with core.database.read() as connection:
            return injection_store.list_of_board(connection, uuid)

    def test_done(self, core: Core, commands: DeviceActionCommands) -> None:
        """The injections are gone, or the next join would bring them back."""
        assert self.reset(core, commands) == []

    def test_refused(self, core: Core, commands: DeviceActionCommands) -> None:
        """A reset that the board refused changes nothing."""
        core.boards.answer = end_as("rejected", "not_allowed")

        assert len(self.reset(core, commands)) == 1


class TestFleet:
    """One request, an operation for each board, results by board."""

    def test_all_succeed(self, core: Core, commands: DeviceActionCommands) -> None:
        """The request counts down to its end."""
        boards = make_fleet(core, 3)

        made = commands.fleet_action(
            member(), fleet="slope", action="DeviceEcho", parameters={"say": "hi"}
        )
        finish(core)

        request = request_of(core, made["request"])
        assert (made["state"], made["total"], made["pending"]) == ("queued", 3, 3)
        assert (request.kind, request.total, request.pending) == (1, 3, 0)
        assert (request.state, request.cause) == ("succeeded", None)
        assert sorted(board for board, _, _ in core.boards.calls) == sorted(boards)
        assert {part.state for part in core.operations()} == {"succeeded"}

    def test_offline_boards_are_rejected(self, core: Core, commands: DeviceActionCommands) -> None:
        """They end at once with a cause; the others are done; the sum says so."""
        make_fleet(core, 2, offline=1)

        made = commands.fleet_action(member(), fleet="slope", action="DevicePing")
        finish(core)

        request = request_of(core, made["request"])
        [rejected] = [part for part in core.operations() if part.state == "rejected"]
        assert rejected.cause is not None and rejected.cause["code"] == "iot.board.offline"
        assert (request.state, request.pending) == ("failed", 0)
        assert request.cause is not None
        assert request.cause["code"] == "partial"
        assert request.cause["counts"] == {"rejected": 1, "succeeded": 2}

    def test_none_online(self, core: Core, commands: DeviceActionCommands) -> None:
        """The request ends with its answer."""
        make_fleet(core, 0, offline=2)

        made = commands.fleet_action(member(), fleet="slope", action="DevicePing")

        request = request_of(core, made["request"])
        assert (made["state"], made["pending"], request.state) == ("rejected", 0, "rejected")
        assert core.boards.calls == []

    def test_bounded(self, core: Core, commands: DeviceActionCommands) -> None:
        """No more than so many boards are asked at the same time."""
        make_fleet(core, 20)
        lock, now, most = threading.Lock(), 0, 0
        full = threading.Event()

        def answer(call: OperationCall) -> OperationAnswer:
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
                if now == 16:
                    full.set()
            full.wait(10)
            with lock:
                now -= 1
            return succeed()(call)

        core.boards.answer = answer
        commands.fleet_action(member(), fleet="slope", action="DevicePing")
        finish(core)

        assert most == 16
        assert len(core.boards.calls) == 20

    def test_repetition(self, core: Core, commands: DeviceActionCommands) -> None:
        """The same Idempotency-Key is the same request, also when boards have come."""
        make_fleet(core, 1)
        first = commands.fleet_action(member(key="k"), fleet="slope", action="DevicePing")
        late = core.make_board("late", session=9)
        core.commands["board"].update(member(), board=late, values={"fleet": "slope"})

        again = commands.fleet_action(member(key="k"), fleet="slope", action="DevicePing")
        finish(core)

        assert (again["request"], again["total"]) == (first["request"], 1)
        assert len(core.boards.calls) == 1

    def test_what_a_restart_left_queued_is_sent(
        self, core: Core, commands: DeviceActionCommands
    ) -> None:
        """Although other boards of the request have been asked already."""
        make_fleet(core, 2)
        requests = core.commands["request"]
        sent: list[str] = []
        real, requests.send_queued = (
            requests.send_queued,
            lambda part, agent, fleet=False: sent.append(part.board),
        )
        made = commands.fleet_action(member(), fleet="slope", action="DevicePing")
        first = core.operations()[0]
        requests.send_queued = real
        requests.send_queued(first, AGENT)

        core.commands["board"].resume()
        finish(core)

        assert request_of(core, made["request"]).state == "succeeded"
        assert len(core.boards.calls) == 2

    def test_cancelling_ends_what_is_queued(
        self, core: Core, commands: DeviceActionCommands
    ) -> None:
        """What was sent stays; the rest ends as cancelled."""
        make_fleet(core, 2)
        requests = core.commands["request"]
        requests.send_queued = lambda part, agent, fleet=False: None
        made = commands.fleet_action(member(), fleet="slope", action="DevicePing")
        first = core.operations()[0]
        requests.end(system_context(), replace(first, state=SUCCEEDED))

        requests.cancel(member(), made["request"])

        request = request_of(core, made["request"])
        assert request.cause is not None
        assert request.cause["counts"] == {"cancelled": 1, "succeeded": 1}
        with pytest.raises(errors.Conflict):
            requests.cancel(member(), made["request"])

    def test_counting_down_at_the_same_time(
        self, core: Core, commands: DeviceActionCommands
    ) -> None:
        """D-29: many ends at once lose no count, and exactly one closes the request."""
        make_fleet(core, 12)
        requests = core.commands["request"]
        requests.send_queued = lambda part, agent, fleet=False: None
        made = commands.fleet_action(member(), fleet="slope", action="DevicePing")
        start = threading.Barrier(12)

        def end(part: Operation) -> None:
            start.wait(10)
            requests.end(system_context(), replace(part, state=SUCCEEDED))

        threads = [threading.Thread(target=end, args=(part,)) for part in core.operations()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

        request = request_of(core, made["request"])
        assert (request.state, request.pending) == ("succeeded", 0)

    def test_deleting_a_board_ends_its_part(
        self, core: Core, commands: DeviceActionCommands
    ) -> None:
        """A request never waits for a board that is gone."""
        boards = make_fleet(core, 2)
        requests = core.commands["request"]
        requests.send_queued = lambda part, agent, fleet=False: None
        made = commands.fleet_action(member(), fleet="slope", action="DevicePing")

        for board in boards:
            core.commands["board"].delete(member(), board=board)

        request = request_of(core, made["request"])
        assert (request.state, request.pending) == ("lost", 0)

    def test_empty_and_unknown(self, core: Core, commands: DeviceActionCommands) -> None:
        """Nothing is made for no boards, and another project's fleet is not there."""
        core.commands["fleet"].create(member(), name="slope")
        theirs = core.commands["fleet"].create(member(OTHER_PROJECT), name="theirs")

        with pytest.raises(FleetEmpty):
            commands.fleet_action(member(), fleet="slope", action="DevicePing")
        for ident in ("theirs", theirs):
            with pytest.raises(FleetNotFound):
                commands.fleet_action(member(), fleet=ident, action="DevicePing")


@given(st.dictionaries(st.sampled_from(sorted(TERMINAL)), st.integers(1, 9), min_size=1))
def test_the_sum_of_ends(counts: dict[str, int]) -> None:
    """Always an end; succeeded only if all have; the cause counts every board."""
    state, told = sum_of(counts)

    assert state in TERMINAL
    assert (state == SUCCEEDED) is (set(counts) == {SUCCEEDED})
    assert told is None or sum(told["counts"].values()) == sum(counts.values())
    assert state in counts or state == FAILED
