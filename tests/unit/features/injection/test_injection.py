"""Injections: wanted first, then confirmed, and what happens when answers get lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from iotronic_mec import errors
from iotronic_mec.context import system_context
from iotronic_mec.features.blob.table import blob_use
from iotronic_mec.features.injection import store
from iotronic_mec.features.injection.commands import InjectionCommands
from iotronic_mec.features.injection.model import (
    AlreadyRunning,
    BadParameters,
    Injection,
    InjectionNotFound,
    InvalidPluginAction,
    NotCallable,
    NotRunning,
    OnlyCallable,
    WrongKind,
)
from iotronic_mec.features.plugin import store as plugin_store
from iotronic_mec.features.plugin.model import Plugin, PluginInUse, PluginNotFound
from iotronic_mec.features.request.model import OperationFailed, OperationRejected
from lightning_agent.protocol.messages import (
    Join,
    OperationAnswer,
    OperationCall,
    PluginActual,
    PluginDesired,
    Report,
)
from tests.fakes.boards import end_as, fail_with, lose_answer, succeed
from tests.fakes.parts import AGENT, OTHER_PROJECT, Core, member

SYSTEM = system_context(1e6)


@pytest.fixture
def commands(core: Core) -> InjectionCommands:
    """Give the injection feature's commands."""
    made = core.commands["injection"]
    assert isinstance(made, InjectionCommands)
    return made


@pytest.fixture
def board(core: Core) -> str:
    """Give a board that is online."""
    return core.make_board()


@pytest.fixture
def plugin(core: Core) -> Plugin:
    """Give a plugin that is started and stopped."""
    return core.make_plugin(callable=False)


def find(core: Core, board: str, plugin: Plugin) -> Injection | None:
    """Return the injection as it is stored."""
    with core.database.read() as connection:
        return store.find_injection(connection, board, plugin.uuid)


def row(core: Core, board: str, plugin: Plugin) -> Injection:
    """Return the injection, which must be there."""
    found = find(core, board, plugin)
    assert found is not None
    return found


def uses(core: Core) -> int:
    """Return how many uses of blobs are noted."""
    with core.database.read() as connection:
        count = connection.execute(select(func.count()).select_from(blob_use)).scalar()
    return int(count or 0)


def join(core: Core, board: str, *plugins: PluginActual) -> list[PluginDesired]:
    """Have the board join with these plugins; return what it is to hold."""
    message = Join(protocol=1, agent_version="1", plugins=list(plugins))
    answer = core.commands["board"].joined(SYSTEM, board=board, session=7, join=message.to_wire())
    return [PluginDesired.from_wire(wire) for wire in answer["plugins"]]


def report(core: Core, board: str, *plugins: PluginActual) -> None:
    """Have the board report these plugins."""
    message = Report(plugins=list(plugins))
    core.commands["board"].report(SYSTEM, board=board, report=message.to_wire())


def held(plugin: Plugin, **more: Any) -> PluginActual:
    """Return how a board tells that it holds a plugin."""
    return PluginActual(plugin=plugin.uuid, digest=plugin.digest, **more)


def inject(commands: InjectionCommands, board: str, plugin: Plugin) -> dict[str, Any]:
    """Inject and wait."""
    return commands.inject(member(), board=board, plugin=plugin.uuid)


def act(commands: InjectionCommands, board: str, plugin: Plugin, action: str, **given: Any) -> Any:
    """Have the plugin do an action."""
    return commands.action(
        member(), board=board, plugin=plugin.uuid, action=action, parameters=given
    )


# -- inject --------------------------------------------------------------------------


def test_inject(core: Core, commands: InjectionCommands, board: str, plugin: Plugin) -> None:
    """The board gets the bundle's address with a token; the row is confirmed."""
    inject(commands, board, plugin)

    ((_, procedure, call),) = core.boards.calls
    desired = PluginDesired.from_wire(call.parameters["desired"])
    found = row(core, board, plugin)
    assert procedure == "plugin.inject"
    assert desired.url == f"http://127.0.0.1:1289/blobs/{plugin.digest}"
    assert (found.status, found.times, found.converged) == ("injected", 1, True)
    assert uses(core) == 1


def test_token_is_not_stored(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin
) -> None:
    """The token that opens the bundle is in no stored operation."""
    inject(commands, board, plugin)

    (part,) = core.operations()
    token = core.boards.calls[0][2].parameters["desired"]["token"]
    assert token
    assert part.parameters == {"plugin": plugin.uuid, "digest": plugin.digest}


def test_inject_again(core: Core, commands: InjectionCommands, board: str, plugin: Plugin) -> None:
    """A further injection of the same plugin is an update, and one use of one blob."""
    inject(commands, board, plugin)

    inject(commands, board, plugin)

    assert row(core, board, plugin).status == "updated"
    assert uses(core) == 1


def test_report_before_the_answer(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin
) -> None:
    """A board that reports the plugin before it answers has still injected it once."""

    def answer(call: OperationCall) -> OperationAnswer:
        report(core, board, held(plugin))
        return succeed()(call)

    core.boards.answer = answer

    inject(commands, board, plugin)

    found = row(core, board, plugin)
    assert (found.status, found.times) == ("injected", 1)


@pytest.mark.parametrize("carried_out", [True, False])
def test_lost_answer_then_join(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin, carried_out: bool
) -> None:
    """After a lost answer the next join settles it, whether the board did it or not."""
    lost = errors.BoardLost()
    core.boards.answer = lose_answer(lost) if carried_out else fail_with(lost)
    with pytest.raises(errors.BoardLost):
        inject(commands, board, plugin)
    between = row(core, board, plugin)

    desired = join(core, board, *[held(plugin)] * carried_out)
    report(core, board, held(plugin))

    assert (between.status, between.converged) == ("pending", False)
    assert [entry.digest for entry in desired] == [plugin.digest]
    assert row(core, board, plugin).converged


@pytest.mark.parametrize("state", ["failed", "rejected"])
def test_refused_first_time(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin, state: str
) -> None:
    """A first injection the board refuses leaves nothing, not even the bundle's use."""
    core.boards.answer = end_as(state, "no_space", "the disk is full")

    with pytest.raises((OperationFailed, OperationRejected)):
        inject(commands, board, plugin)

    assert find(core, board, plugin) is None
    assert uses(core) == 0
    assert join(core, board) == []


def test_refused_second_time(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin
) -> None:
    """A further injection the board refuses says why, also after reports of the old bundle."""
    inject(commands, board, plugin)
    changes = {"digest": "e" * 64}
    now = core.clock.now()
    core.database.write(lambda c: plugin_store.update_plugin(c, plugin, changes, now))
    core.boards.answer = end_as("failed", "no_space", "the disk is full")
    with pytest.raises(OperationFailed):
        inject(commands, board, plugin)

    report(core, board, held(plugin))

    found = row(core, board, plugin)
    assert (found.status, found.converged) == ("failed", False)
    assert found.cause is not None
    assert found.cause["code"] == "no_space"


def test_inject_offline(core: Core, commands: InjectionCommands, plugin: Plugin) -> None:
    """Nothing is wanted of a board that is offline."""
    board = core.make_board("cellar", session=0)

    with pytest.raises(errors.BoardOffline):
        inject(commands, board, plugin)

    assert find(core, board, plugin) is None


@pytest.mark.parametrize("method", ["inject", "remove", "action"])
def test_other_projects(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin, method: str
) -> None:
    """Another project reaches neither the board nor the private plugin."""
    inject(commands, board, plugin)
    other = member(OTHER_PROJECT)
    own = core.make_board("own", OTHER_PROJECT)
    more = {"action": "PluginStatus"} if method == "action" else {}

    with pytest.raises(errors.NotFound):
        getattr(commands, method)(other, board=board, plugin=plugin.uuid, **more)
    with pytest.raises(PluginNotFound):
        getattr(commands, method)(other, board=own, plugin=plugin.uuid, **more)

    assert row(core, board, plugin).converged


# -- actions -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "given", "sent"),
    [
        ("PluginStart", {"a": 1}, {"parameters": {"a": 1}}),
        ("PluginStop", {"delay": "2"}, {"delay_s": 2.0}),
        ("PluginReboot", {}, {"parameters": None}),
        ("PluginStatus", {}, {}),
        ("PluginLogs", {"lines": 5}, {"lines": 5}),
    ],
)
def test_actions(
    core: Core,
    commands: InjectionCommands,
    board: str,
    plugin: Plugin,
    action: str,
    given: dict[str, Any],
    sent: dict[str, Any],
) -> None:
    """Each action reaches its procedure with the parameters of the protocol."""
    inject(commands, board, plugin)

    done = act(commands, board, plugin, action, **given)

    _, procedure, call = core.boards.calls[-1]
    assert procedure == f"plugin.{action.removeprefix('Plugin').lower()}"
    assert call.parameters == {"plugin": plugin.uuid, **sent}
    assert done["message"] == "done"


@pytest.mark.parametrize(
    ("action", "given", "kind"),
    [
        ("PluginDance", {}, InvalidPluginAction),
        ("PluginCall", {}, NotCallable),
        ("PluginStop", {"delay": -1}, errors.BadRequest),
        ("PluginStop", {"delay": "soon"}, errors.BadRequest),
        ("PluginStop", {"delay": float("nan")}, errors.BadRequest),
        ("PluginLogs", {"lines": 1001}, errors.BadRequest),
        ("PluginStatus", {"x": 1}, errors.BadRequest),
    ],
)
def test_refused_actions(
    core: Core,
    commands: InjectionCommands,
    board: str,
    plugin: Plugin,
    action: str,
    given: dict[str, Any],
    kind: type[errors.Error],
) -> None:
    """What cannot be asked of the plugin is refused before the board is asked."""
    inject(commands, board, plugin)

    with pytest.raises(kind):
        act(commands, board, plugin, action, **given)

    assert len(core.boards.calls) == 1


def test_start_of_a_callable(core: Core, commands: InjectionCommands, board: str) -> None:
    """A plugin that is called cannot be started."""
    plugin = core.make_plugin(callable=True)
    inject(commands, board, plugin)

    with pytest.raises(OnlyCallable):
        act(commands, board, plugin, "PluginStart")


@pytest.mark.parametrize("action", ["PluginStart", "PluginStatus"])
def test_not_injected(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin, action: str
) -> None:
    """A plugin that is not injected can do nothing."""
    with pytest.raises(InjectionNotFound):
        act(commands, board, plugin, action)


# -- running -------------------------------------------------------------------------


def start(core: Core, commands: InjectionCommands, board: str, plugin: Plugin) -> None:
    """Inject and start, and have the board report the process."""
    inject(commands, board, plugin)
    act(commands, board, plugin, "PluginStart", speed=3)
    report(core, board, held(plugin, pid=42))


def test_started_again_at_join(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin
) -> None:
    """What was started is to run after the next join, with the same parameters."""
    start(core, commands, board, plugin)

    (desired,) = join(core, board, held(plugin))

    found = row(core, board, plugin)
    assert (desired.running, desired.parameters) == (True, {"speed": 3})
    assert (found.pid, found.converged) == (None, False)


def test_exit_by_itself(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin
) -> None:
    """A plugin that ended by itself is not started again; the row says how it ended."""
    start(core, commands, board, plugin)

    report(core, board, held(plugin, cause="exit code 3"))

    (desired,) = join(core, board, held(plugin))
    assert desired.running is False
    assert row(core, board, plugin).pid is None


def test_stop(core: Core, commands: InjectionCommands, board: str, plugin: Plugin) -> None:
    """A stopped plugin is not wanted to run."""
    start(core, commands, board, plugin)

    act(commands, board, plugin, "PluginStop")

    found = row(core, board, plugin)
    assert (found.running, found.pid, found.converged) == (False, None, True)


def test_stop_with_a_lost_answer(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin
) -> None:
    """A stop whose answer is lost is still wanted at the next join."""
    start(core, commands, board, plugin)
    core.boards.answer = fail_with(errors.BoardLost())

    with pytest.raises(errors.BoardLost):
        act(commands, board, plugin, "PluginStop")

    (desired,) = join(core, board, held(plugin, pid=42))
    assert desired.running is False


@pytest.mark.parametrize(
    ("code", "running", "kind"),
    [
        ("sandbox_refused", False, OperationRejected),
        ("busy", False, errors.Busy),
        ("wrong_kind", False, WrongKind),
        ("bad_parameters", False, BadParameters),
        ("already_running", True, AlreadyRunning),
    ],
)
def test_refused_start(
    core: Core,
    commands: InjectionCommands,
    board: str,
    plugin: Plugin,
    code: str,
    running: bool,
    kind: type[errors.Error],
) -> None:
    """A start the board refuses is not wanted any more, unless it runs already."""
    inject(commands, board, plugin)
    core.boards.answer = end_as("rejected", code)

    with pytest.raises(kind) as told:
        act(commands, board, plugin, "PluginStart")

    assert type(told.value) is kind
    assert told.value.details["cause"]["code"] == code

    assert row(core, board, plugin).running is running


# -- remove --------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [True, False])
def test_remove(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin, lost: bool
) -> None:
    """After a removal nothing is wanted and no bundle held, even if the answer is lost."""
    inject(commands, board, plugin)
    core.boards.answer = fail_with(errors.BoardLost()) if lost else succeed()

    with pytest.raises(errors.BoardLost) if lost else nullcontext():
        commands.remove(member(), board=board, plugin=plugin.uuid)

    assert join(core, board, held(plugin)) == []
    assert (find(core, board, plugin), uses(core)) == (None, 0)


def test_join_without_the_plugin(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin
) -> None:
    """A board that lost a plugin is to fetch it again."""
    inject(commands, board, plugin)

    (desired,) = join(core, board)

    found = row(core, board, plugin)
    assert desired.plugin == plugin.uuid
    assert (found.status, found.actual) == ("pending", None)


def test_report_of_an_unwanted_plugin(core: Core, board: str, plugin: Plugin) -> None:
    """A plugin nobody wants there makes no row."""
    report(core, board, held(plugin))

    assert find(core, board, plugin) is None


def test_injected_plugin_cannot_be_deleted(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin
) -> None:
    """The veto names the board where a plugin is still wanted."""
    inject(commands, board, plugin)

    with pytest.raises(PluginInUse) as told:
        core.database.write(lambda c: store.refuse_injected(c, plugin.uuid))

    assert told.value.details == {"boards": [board]}


def test_deleted_board(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin
) -> None:
    """With a board its injections go, and the plugin can be deleted."""
    inject(commands, board, plugin)

    core.commands["board"].delete(member(), board=board)

    assert find(core, board, plugin) is None
    assert uses(core) == 0
    core.database.write(lambda c: store.refuse_injected(c, plugin.uuid))


def test_stop_of_what_does_not_run(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin
) -> None:
    """It is a conflict, not a fault of the cloud."""
    inject(commands, board, plugin)
    core.boards.answer = end_as("rejected", "not_running")

    with pytest.raises(NotRunning) as told:
        act(commands, board, plugin, "PluginStop")

    assert (told.value.http_status, told.value.code) == (409, "iot.injection.not_running")


# -- bundles that overtake one another -------------------------------------------------


def renew(core: Core, plugin: Plugin, digest: str) -> Plugin:
    """Give the plugin another bundle."""
    now = core.clock.now()
    core.database.write(lambda c: plugin_store.update_plugin(c, plugin, {"digest": digest}, now))
    return replace(plugin, digest=digest)


@pytest.mark.parametrize("end", ["succeeded", "failed"])
def test_late_end_of_an_older_bundle(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin, end: str
) -> None:
    """What a board tells late of one bundle says nothing about a newer one."""
    core.boards.answer = fail_with(errors.BoardLost())
    with pytest.raises(errors.BoardLost):
        inject(commands, board, plugin)
    (older,) = core.operations()
    newer = renew(core, plugin, "e" * 64)
    with pytest.raises(errors.BoardLost):
        inject(commands, board, newer)

    core.commands["request"].end(SYSTEM, replace(older, state=end, cause={"code": "no_space"}))

    found = row(core, board, newer)
    assert (found.digest, found.status, found.actual) == ("e" * 64, "pending", None)


# -- cancelling ------------------------------------------------------------------------


def queue(core: Core, ask: Callable[[], dict[str, Any]], monkeypatch: Any) -> str:
    """Have an order accepted that nobody sends; return its request."""
    monkeypatch.setattr(core.commands["request"], "send_queued", lambda *_: None)
    return str(ask()["request"])


def test_cancelled_injection(
    core: Core,
    commands: InjectionCommands,
    board: str,
    plugin: Plugin,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A first injection that is cancelled leaves nothing, not even the bundle's use."""
    request = queue(
        core,
        lambda: commands.inject(member(), board=board, plugin=plugin.uuid, wait=False),
        monkeypatch,
    )

    core.commands["request"].cancel(member(), request)

    assert (find(core, board, plugin), uses(core)) == (None, 0)
    assert join(core, board) == []


def test_cancelled_update(
    core: Core,
    commands: InjectionCommands,
    board: str,
    plugin: Plugin,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a cancelled update the bundle the board holds is the one wanted."""
    inject(commands, board, plugin)
    newer = renew(core, plugin, "e" * 64)
    request = queue(
        core,
        lambda: commands.inject(member(), board=board, plugin=newer.uuid, wait=False),
        monkeypatch,
    )

    core.commands["request"].cancel(member(), request)

    found = row(core, board, plugin)
    assert (found.digest, found.size, found.converged) == (plugin.digest, plugin.size, True)
    assert uses(core) == 1


def test_cancelled_beside_another(
    core: Core,
    commands: InjectionCommands,
    board: str,
    plugin: Plugin,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While another order wants the same bundle there, it stays wanted."""

    def ask() -> dict[str, Any]:
        return commands.inject(member(), board=board, plugin=plugin.uuid, wait=False)

    request = queue(core, ask, monkeypatch)
    queue(core, ask, monkeypatch)

    core.commands["request"].cancel(member(), request)

    assert row(core, board, plugin).status == "pending"


@pytest.mark.parametrize(("action", "runs"), [("PluginStart", False), ("PluginStop", True)])
def test_cancelled_start_and_stop(
    core: Core,
    commands: InjectionCommands,
    board: str,
    plugin: Plugin,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    runs: bool,
) -> None:
    """After a cancelled order the plugin goes on as the board last said."""
    inject(commands, board, plugin)
    report(core, board, held(plugin, pid=42 if runs else None))
    request = queue(
        core,
        lambda: commands.action(
            member(), board=board, plugin=plugin.uuid, action=action, wait=False
        ),
        monkeypatch,
    )

    core.commands["request"].cancel(member(), request)

    assert row(core, board, plugin).running is runs


def remove_queued(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin, monkeypatch: Any
) -> str:
    """Have a removal accepted that nobody sends; return its request."""
    return queue(
        core,
        lambda: commands.remove(member(), board=board, plugin=plugin.uuid, wait=False),
        monkeypatch,
    )


def test_cancelled_removal(
    core: Core,
    commands: InjectionCommands,
    board: str,
    plugin: Plugin,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a cancelled removal all is wanted as before: it runs, and its bundle is kept."""
    start(core, commands, board, plugin)
    before = row(core, board, plugin)
    request = remove_queued(core, commands, board, plugin, monkeypatch)
    meanwhile = find(core, board, plugin), uses(core)

    core.commands["request"].cancel(member(), request)

    found = row(core, board, plugin)
    assert meanwhile == (None, 0)
    assert replace(found, created_at=before.created_at, updated_at=before.updated_at) == before
    assert found.running
    assert uses(core) == 1
    assert [wanted.running for wanted in join(core, board, held(plugin, pid=42))] == [True]


def test_cancelled_removal_of_what_was_injected_anew(
    core: Core,
    commands: InjectionCommands,
    board: str,
    plugin: Plugin,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was wanted since counts, not what was wanted before the removal."""
    inject(commands, board, plugin)
    request = remove_queued(core, commands, board, plugin, monkeypatch)
    monkeypatch.undo()
    newer = renew(core, plugin, "e" * 64)
    inject(commands, board, newer)

    core.commands["request"].cancel(member(), request)

    assert row(core, board, plugin).digest == "e" * 64


# -- repetitions -----------------------------------------------------------------------


def test_repetitions_when_the_board_is_offline(
    core: Core, commands: InjectionCommands, board: str, plugin: Plugin
) -> None:
    """The same Idempotency-Key gives the first outcome, whatever is wanted there now."""
    injected = commands.inject(member(key="i"), board=board, plugin=plugin.uuid)
    removed = commands.remove(member(key="r"), board=board, plugin=plugin.uuid)
    gone = {"board": board, "online": False, "session": 7}
    core.commands["board"].presence(SYSTEM, agent=AGENT, changes=[gone])

    again = commands.inject(member(key="i"), board=board, plugin=plugin.uuid)
    away = commands.remove(member(key="r"), board=board, plugin=plugin.uuid)

    assert (again, away) == (injected, removed)
    assert find(core, board, plugin) is None
