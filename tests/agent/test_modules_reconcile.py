"""From actual to desired: the plan, its steps, autostart, exits."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock as FakeReactor

from lightning_agent.clock import Clock
from lightning_agent.modules.autostart import Autostart, cause_of
from lightning_agent.modules.fetch import FetchFailed
from lightning_agent.modules.keeper import Keeper
from lightning_agent.modules.leases import Leases
from lightning_agent.modules.reconcile import Reconciler, plan
from lightning_agent.protocol.messages import PluginDesired
from lightning_agent.state.disk import DirectDisk
from lightning_agent.state.lease import LeaseReader
from lightning_agent.state.store import Store
from tests.agent.stand_ins import BOARD, FakeFetcher, FakeLink, a_plugin, result_of

PLUGINS = [a_plugin(bytes([number])) for number in range(3)]
DIGESTS = [plugin.digest for plugin in PLUGINS]


class Bench:
    """Reconciler and autostart over a supervisor in memory."""

    def __init__(self, folder: Path) -> None:
        self.reactor = FakeReactor()
        self.link = FakeLink()
        self.fetcher = FakeFetcher()
        self.store = Store(folder, DirectDisk())
        link: Any = self.link
        fetcher: Any = self.fetcher
        leases = Leases(link=link, store=self.store, reader=LeaseReader(folder, BOARD))
        self.keeper = Keeper(
            link=link, store=self.store, fetcher=fetcher, clock=Clock(), leases=leases
        )
        self.autostart = Autostart(self.reactor, keeper=self.keeper, link=link, store=self.store)
        self.reconciler = Reconciler(
            self.reactor,
            board="b",
            keeper=self.keeper,
            store=self.store,
            randomness=random.Random(1),
        )
        self.asked_again = 0
        self.reconciler.ask_again = self._ask_again

    def adopt(self, *desired: PluginDesired) -> None:
        """Take the cloud's list."""
        result_of(self.reconciler.adopt(list(desired), time.monotonic()))

    def start(self, **fields: Any) -> str:
        """Have a plugin that was started; return its uuid."""
        plugin = a_plugin(**fields)
        result_of(self.keeper.inject(plugin))
        result_of(self.keeper.start(plugin.plugin, {}, operation=""))
        result_of(self.store.set_supervisor(self.link.mark))
        return plugin.plugin

    def exit(self, plugin: str) -> None:
        """Let a plugin end by itself."""
        del self.link.alive[plugin]
        self.autostart.on_event({"event": "exited", "plugin": plugin, "code": 1})

    def _ask_again(self) -> None:
        self.asked_again += 1


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give an empty board."""
    return Bench(tmp_path)


def test_cloud_s_list_becomes_true(bench: Bench) -> None:
    """What is missing comes, what should run starts, what is not wanted goes."""
    old = bench.start()
    time.sleep(0.001)
    quiet, busy = a_plugin(b"2"), a_plugin(b"3", running=True)

    bench.adopt(quiet, busy)

    assert set(bench.link.installed) == {quiet.plugin, busy.plugin}
    assert list(bench.link.alive) == [busy.plugin]
    assert old not in bench.store.desired


def test_order_during_the_join_is_not_undone(bench: Bench) -> None:
    """A plugin that an order brought after the cloud was asked stays."""
    asked_at = time.monotonic()
    plugin = bench.start()

    result_of(bench.reconciler.adopt([], asked_at))

    assert plugin in bench.link.alive


def test_failed_step_is_tried_again_and_the_cloud_asked(bench: Bench) -> None:
    """A bundle that cannot be had is tried again with back-off and fresh tokens."""
    bench.fetcher.failing = FetchFailed("403")
    bench.adopt(a_plugin(b"1", running=True), a_plugin(b"2"))
    bench.reactor.advance(5)
    bench.fetcher.failing = None

    bench.reactor.advance(10)

    assert len(bench.link.installed) == 2
    assert bench.asked_again == 2
    assert not bench.reactor.getDelayedCalls()


def test_one_failing_step_does_not_hold_up_the_others(bench: Bench) -> None:
    """Steps are independent."""
    bench.link.failing["uninstall"] = FetchFailed("disk")
    bench.link.installed["11111111-2222-3333-4444-555555555555"] = {"d"}
    wanted = a_plugin(b"1")

    bench.adopt(wanted)

    assert wanted.plugin in bench.link.installed
    bench.reconciler.stop()


def test_fresh_supervisor_gets_what_should_run(bench: Bench) -> None:
    """After a restart of the supervisor running and autostart plugins are started."""
    running = bench.start()
    onboot = a_plugin(b"2", onboot=True)
    quiet = a_plugin(b"3")
    result_of(bench.keeper.inject(onboot))
    result_of(bench.keeper.inject(quiet))
    bench.link.alive.clear()
    bench.link.mark = "2 later"

    bench.autostart.connected()

    assert set(bench.link.alive) == {running, onboot.plugin}
    assert bench.store.supervisor == "2 later"


def test_missed_exit_is_settled_at_the_next_start(bench: Bench) -> None:
    """A plugin that ended while no agent was there is reported, not restarted."""
    plugin = bench.start()
    bench.link.alive.clear()
    bench.link.exits[plugin] = {"code": 3, "signal": None, "cause": None}

    bench.autostart.connected()

    assert bench.store.ended[plugin].cause == "exited with code 3"
    assert not bench.link.alive


def test_exit_is_remembered_and_not_restarted(bench: Bench) -> None:
    """A plugin without autostart that ends stays ended."""
    plugin = bench.start()

    bench.exit(plugin)
    bench.reactor.advance(1000)

    found = bench.store.find_desired(plugin)
    assert found is not None
    assert not found.running
    assert not bench.link.alive


def test_autostart_plugin_comes_back_more_and_more_slowly(bench: Bench) -> None:
    """A plugin with autostart is started again after 1, 2, 4 … s."""
    plugin = bench.start(onboot=True)
    waits = []
    for _ in range(4):
        bench.exit(plugin)
        before = bench.reactor.seconds()
        while plugin not in bench.link.alive:
            bench.reactor.advance(1)
        waits.append(bench.reactor.seconds() - before)

    assert waits == [1, 2, 4, 8]


def test_healthy_plugin_comes_back_quickly(bench: Bench) -> None:
    """After a minute of life the waits begin anew."""
    plugin = bench.start(onboot=True)
    for _ in range(3):
        bench.exit(plugin)
        bench.reactor.advance(10)
    bench.reactor.advance(60)

    bench.exit(plugin)
    bench.reactor.advance(1)

    assert plugin in bench.link.alive


def test_stopped_plugin_does_not_come_back(bench: Bench) -> None:
    """An exit that an order asked for is no exit by itself."""
    plugin = bench.start(onboot=True)
    result_of(bench.keeper.stop(plugin, 0))

    bench.autostart.on_event({"event": "exited", "plugin": plugin, "code": 0})
    bench.reactor.advance(10)

    assert not bench.link.alive
    assert bench.store.ended == {}


def test_exit_of_a_restart_is_no_ending(bench: Bench) -> None:
    """The exit that a reboot causes is not taken for the plugin's own."""
    plugin = bench.start()
    result_of(bench.keeper.restart(plugin, None, operation=""))

    bench.autostart.on_event({"event": "exited", "plugin": plugin, "code": 0})

    found = bench.store.find_desired(plugin)
    assert found is not None
    assert found.running
    assert bench.store.ended == {}


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ({"cause": "out of memory", "code": 1}, "out of memory"),
        ({"signal": 9, "code": None}, "killed by signal 9"),
        ({"code": 0}, "exited with code 0"),
        ({}, "ended for an unknown reason"),
    ],
)
def test_causes_are_one_line(end: dict[str, Any], words: str) -> None:
    """The supervisor's words become one line."""
    assert cause_of(end) == words


@given(
    desired=st.lists(st.tuples(st.sampled_from(PLUGINS), st.booleans(), st.booleans())),
    installed=st.dictionaries(
        st.sampled_from([plugin.plugin for plugin in PLUGINS]),
        st.sets(st.sampled_from(DIGESTS), min_size=1),
    ),
    running=st.dictionaries(
        st.sampled_from([plugin.plugin for plugin in PLUGINS]), st.sampled_from(DIGESTS)
    ),
)
def test_carried_out_plan_leaves_nothing_to_do(
    desired: list[tuple[PluginDesired, bool, bool]],
    installed: dict[str, set[str]],
    running: dict[str, str],
) -> None:
    """Whatever is there, one pass of the steps reaches the desired state."""
    wanted = {
        plugin.plugin: a_plugin(
            plugin=plugin.plugin, digest=plugin.digest, running=runs, onboot=onboot
        )
        for plugin, runs, onboot in desired
    }
    steps = plan(wanted, installed, running)
    for name in steps.remove:
        installed.pop(name, None)
        running.pop(name, None)
    for name in steps.stop:
        running.pop(name)
    for plugin in steps.install:
        installed.setdefault(plugin.plugin, set()).add(plugin.digest)
        if plugin.running or plugin.plugin in running:
            running[plugin.plugin] = plugin.digest
    for plugin in steps.start:
        running[plugin.plugin] = plugin.digest

    assert plan(wanted, installed, running).is_empty
    assert {name for name, plugin in wanted.items() if plugin.running} <= running.keys()
