"""Plugins: one change at a time, by orders."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from lightning_agent.clock import Clock
from lightning_agent.errors import DigestMismatch, Error, LeaseRefused
from lightning_agent.modules.base import BadParameters, Parts
from lightning_agent.modules.builtin import ModuleRefused, load
from lightning_agent.modules.keeper import Keeper, NotRunning, PluginUnknown, WrongKind
from lightning_agent.modules.leases import Leases
from lightning_agent.modules.plugin import PluginModule
from lightning_agent.protocol import names
from lightning_agent.state.disk import DirectDisk
from lightning_agent.state.lease import LeaseReader, store_key
from lightning_agent.state.store import Store
from tests.agent.stand_ins import (
    BOARD,
    FakeFetcher,
    FakeLink,
    FakePower,
    a_plugin,
    an_order,
    result_of,
)


class Bench:
    """The plugin module over a supervisor in memory."""

    def __init__(self, folder: Path) -> None:
        self.link = FakeLink()
        self.fetcher = FakeFetcher()
        self.store = Store(folder, DirectDisk())
        self.changes = 0
        link: Any = self.link
        fetcher: Any = self.fetcher
        self.folder, self.reader = folder, LeaseReader(folder, BOARD)
        leases = Leases(link=link, store=self.store, reader=self.reader)
        self.keeper = Keeper(
            link=link, store=self.store, fetcher=fetcher, clock=Clock(), leases=leases
        )
        self.keeper.on_change = self._changed
        self.parts = Parts(
            clock=Clock(),
            link=link,
            keeper=self.keeper,
            reactor=None,
            state_dir=folder,
            power=FakePower(),
        )
        self.module = PluginModule(self.parts)
        self.run = {item.name: item.run for item in self.module.procedures()}

    def order(self, name: str, **parameters: Any) -> Any:
        """Carry out one order."""
        return result_of(self.run[name](an_order(name, parameters=parameters)))

    def inject(self, **fields: Any) -> str:
        """Inject a plugin; return its uuid."""
        plugin = a_plugin(**fields)
        self.order("plugin.inject", desired=plugin.to_wire())
        return plugin.plugin

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give an empty board."""
    return Bench(tmp_path)


def test_modules_offer_what_the_protocol_names(bench: Bench) -> None:
    """The built-in modules offer exactly the procedures of the protocol."""
    offered = {item.name for module in load(bench.parts, ()) for item in module.procedures()}

    assert offered == names.PROCEDURES - {names.AGENT_STATE, names.AGENT_PING}


@pytest.mark.parametrize(
    "place",
    [
        "nowhere:Nothing",
        "lightning_agent.clock:Clock",
        "x",
        "lightning_agent.modules.device:Device",
    ],
)
def test_unusable_module_is_refused(bench: Bench, place: str) -> None:
    """A module the owner named that is none, or is there already, is refused by name."""
    with pytest.raises(ModuleRefused):
        load(bench.parts, [place])


def test_injection_says_whether_it_was_there(bench: Bench) -> None:
    """Upstream's words tell a new plugin from an update."""
    first = a_plugin()
    second = a_plugin(b"2", plugin=first.plugin)

    words = [
        bench.order("plugin.inject", desired=desired.to_wire()) for desired in (first, second)
    ]

    assert words == ["PluginInject result: INJECTED", "PluginInject result: UPDATED"]


def test_installed_digest_is_not_fetched_again(bench: Bench) -> None:
    """A digest on the board is not fetched twice."""
    plugin = a_plugin()
    bench.link.installed[plugin.plugin] = {plugin.digest}

    bench.order("plugin.inject", desired=plugin.to_wire())

    assert bench.fetcher.fetched == []


def test_failed_injection_changes_nothing(bench: Bench) -> None:
    """A bundle that cannot be had leaves the board as it was."""
    bench.fetcher.failing = DigestMismatch("other")

    with pytest.raises(DigestMismatch):
        bench.inject()

    assert bench.store.desired == {}


def test_running_plugin_goes_on_with_the_new_version(bench: Bench) -> None:
    """An update of a running plugin restarts it with its parameters."""
    plugin = bench.inject()
    bench.order("plugin.start", plugin=plugin, parameters={"a": 1})
    newer = a_plugin(b"2", plugin=plugin)

    bench.order("plugin.inject", desired=newer.to_wire())

    alive = bench.link.alive[plugin]
    assert (alive["digest"], alive["parameters"]) == (newer.digest, {"a": 1})


def test_call_passes_a_shorter_deadline(bench: Bench) -> None:
    """The supervisor's limit ends before the cloud's, so that the answer arrives."""
    plugin = bench.inject(callable=True)

    result = bench.order("plugin.call", plugin=plugin, parameters={"a": 1})

    assert result == 42
    assert bench.link.last["deadline_s"] == 9.5
    assert bench.link.last["parameters"] == {"a": 1}


@pytest.mark.parametrize(
    ("name", "callable_"),
    [("plugin.call", False), ("plugin.start", True), ("plugin.reboot", True)],
)
def test_kinds_are_kept_apart(bench: Bench, name: str, callable_: bool) -> None:
    """Call is for callable plugins, start and reboot for the others."""
    plugin = bench.inject(callable=callable_)

    with pytest.raises(WrongKind):
        bench.order(name, plugin=plugin, parameters={})


@pytest.mark.parametrize("action", ["call", "start", "stop", "status", "reboot", "logs"])
def test_unknown_plugin_is_named(bench: Bench, action: str) -> None:
    """Orders about a plugin that is not there fail as plugin_unknown."""
    with pytest.raises(PluginUnknown):
        bench.order(f"plugin.{action}", plugin="11111111-2222-3333-4444-555555555555")


@pytest.mark.parametrize("plugin", [None, 7, "", "../../etc", "A" * 36])
@pytest.mark.parametrize("action", ["remove", "call", "logs"])
def test_plugin_must_be_a_uuid(bench: Bench, action: str, plugin: Any) -> None:
    """Nothing but a uuid gets near a path."""
    with pytest.raises(BadParameters):
        bench.order(f"plugin.{action}", plugin=plugin)


@pytest.mark.parametrize("parameters", [{"desired": 1}, {"desired": {"plugin": "x"}}, {}])
def test_bad_injection_names_the_field(bench: Bench, parameters: dict[str, Any]) -> None:
    """A desired plugin that is none is refused."""
    with pytest.raises(BadParameters, match="desired"):
        bench.order("plugin.inject", **parameters)


def test_stop_and_status_follow_the_plugin(bench: Bench) -> None:
    """Started it is alive, stopped it is dead and stays so."""
    plugin = bench.inject()
    words = [bench.order("plugin.start", plugin=plugin)]
    words.append(bench.order("plugin.status", plugin=plugin))
    words.append(bench.order("plugin.stop", plugin=plugin, delay_s=0))
    words.append(bench.order("plugin.status", plugin=plugin))

    found = bench.store.find_desired(plugin)
    assert words == ["STARTED", "ALIVE", "STOPPED", "DEAD"]
    assert found is not None
    assert not found.running


def test_stop_of_what_does_not_run_is_an_error(bench: Bench) -> None:
    """A second stop fails as not_running."""
    plugin = bench.inject()

    with pytest.raises(NotRunning):
        bench.order("plugin.stop", plugin=plugin)


def test_reboot_keeps_the_last_parameters(bench: Bench) -> None:
    """Without parameters a reboot takes those of the last start."""
    plugin = bench.inject()
    bench.order("plugin.start", plugin=plugin, parameters={"a": 1})

    bench.order("plugin.reboot", plugin=plugin, parameters=None)

    assert bench.link.alive[plugin]["parameters"] == {"a": 1}


def test_removal_is_repeatable(bench: Bench) -> None:
    """Removing what is not there is no error."""
    plugin = bench.inject()

    words = [bench.order("plugin.remove", plugin=plugin) for _ in range(2)]

    assert words == ["REMOVED", "REMOVED"]
    assert bench.link.installed == {}


def test_what_an_order_brought_meanwhile_is_not_removed(bench: Bench) -> None:
    """Compared before it was wanted, removed after: it stays; unwanted it goes."""
    plugin = a_plugin()
    result_of(bench.keeper.inject(plugin))

    result_of(bench.keeper.remove_unwanted(plugin.plugin))
    kept = result_of(bench.keeper.list_installed())
    result_of(bench.store.forget(plugin.plugin))
    result_of(bench.keeper.remove_unwanted(plugin.plugin))

    assert kept == {plugin.plugin: {plugin.digest}}
    assert result_of(bench.keeper.list_installed()) == {}


def test_actual_state_tells_endings(bench: Bench) -> None:
    """A plugin that ended by itself is listed with its cause."""
    plugin = bench.inject()
    bench.order("plugin.start", plugin=plugin)
    bench.link.alive.clear()
    result_of(bench.keeper.exited(plugin, "exited with code 1"))

    (actual,) = result_of(bench.keeper.list_actual())

    assert (actual.pid, actual.cause) == (None, "exited with code 1")


def test_actual_state_without_supervisor_is_the_desired_one(bench: Bench) -> None:
    """When nobody knows, the cloud is told what should be there and why it is not known."""
    plugin = bench.inject()
    bench.link.away = True

    (actual,) = result_of(bench.keeper.list_actual())

    assert (actual.plugin, actual.cause) == (plugin, "supervisor_unavailable")


def test_each_change_is_told(bench: Bench) -> None:
    """Injection, start and stop are told to whoever reports."""
    plugin = bench.inject()
    bench.order("plugin.start", plugin=plugin)
    bench.order("plugin.stop", plugin=plugin)

    assert bench.changes == 3


class TestRecovery:
    """What became of an order that a former agent began."""

    def recover(self, bench: Bench, name: str, **parameters: Any) -> str | None:
        """Find out."""
        order = an_order(name, parameters=parameters)
        answer: str | None = result_of(bench.module.recover(name, order))
        return answer

    def test_finished_injection_has_succeeded(self, bench: Bench) -> None:
        """A bundle that is installed counts as injected, and is kept."""
        plugin = a_plugin()
        bench.link.installed[plugin.plugin] = {plugin.digest}

        words = self.recover(bench, "plugin.inject", desired=plugin.to_wire())

        assert words == "PluginInject result: INJECTED"
        assert bench.store.find_desired(plugin.plugin) == plugin

    def test_unfinished_injection_has_failed(self, bench: Bench) -> None:
        """A bundle that is not there was not injected."""
        assert self.recover(bench, "plugin.inject", desired=a_plugin().to_wire()) is None

    def test_call_is_never_known(self, bench: Bench) -> None:
        """A call's effect cannot be seen, so it has failed and is not run again."""
        plugin = bench.inject(callable=True)

        assert self.recover(bench, "plugin.call", plugin=plugin) is None
        assert "call" not in bench.link.asked

    def test_start_stop_and_removal_are_looked_at(self, bench: Bench) -> None:
        """What is as it was asked for has succeeded."""
        plugin = bench.inject()
        stopped = self.recover(bench, "plugin.stop", plugin=plugin)
        bench.order("plugin.start", plugin=plugin)
        started = self.recover(bench, "plugin.start", plugin=plugin)
        bench.order("plugin.remove", plugin=plugin)
        removed = self.recover(bench, "plugin.remove", plugin=plugin)

        assert (stopped, started, removed) == ("STOPPED", "STARTED", "REMOVED")

    def test_missing_supervisor_is_an_error_of_ours(self, bench: Bench) -> None:
        """When nobody can say the order ends as failed, not as a mistake."""
        bench.link.away = True

        with pytest.raises(Error):
            self.recover(bench, "plugin.inject", desired=a_plugin().to_wire())


def signed_lease(bench: Bench, plugin: str, expires_s: float = 600.0) -> str:
    """Return a lease from the epoch on, by a key the board has pinned."""
    key = SigningKey(b"k" * 32)
    store_key(bench.folder, bytes(key.verify_key).hex())
    bench.reader.pin(bytes(key.verify_key).hex())
    claims = {"aud": BOARD, "sub": f"plugin:{plugin}", "iat": 0, "exp": expires_s}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "EdDSA"}, claims)
    ]
    signature = base64.urlsafe_b64encode(key.sign(b".".join(parts)).signature).rstrip(b"=")
    return b".".join([*parts, signature]).decode()


def test_a_lease_goes_to_the_supervisor_and_stays_known(bench: Bench) -> None:
    """Verified, handed over as fresh, and kept for a start without the cloud."""
    plugin = bench.inject()
    lease = signed_lease(bench, plugin)

    bench.order("plugin.start", plugin=plugin, lease=lease)
    first = bench.link.leases[plugin]
    bench.link.alive.clear()
    result_of(bench.keeper.start(plugin, None, operation=""))

    assert first == {"issued_s": 0.0, "expires_s": 600.0, "fresh": True}
    assert bench.link.leases[plugin] == {**first, "fresh": False}


def test_a_forged_lease_starts_nothing(bench: Bench) -> None:
    """Another plugin's lease, or none of the cloud's: the supervisor is not even asked."""
    plugin = bench.inject()
    lease = signed_lease(bench, BOARD)

    for forged in (lease, "a.b.c"):
        with pytest.raises(LeaseRefused):
            bench.order("plugin.start", plugin=plugin, lease=forged)

    assert "start" not in bench.link.asked


def test_an_old_supervisor_starts_nothing_for_others(bench: Bench) -> None:
    """One that would ignore the lease is not handed the plugin."""
    plugin = bench.inject()
    bench.link.hello = {"version": "1"}

    with pytest.raises(LeaseRefused, match="restart it"):
        bench.order("plugin.start", plugin=plugin, lease=signed_lease(bench, plugin))

    assert bench.link.alive == {}


def test_what_must_end_is_not_started_again(bench: Bench) -> None:
    """Neither running nor autostart is wanted any more, until the cloud says so anew."""
    plugin = bench.inject(onboot=True)
    bench.order("plugin.start", plugin=plugin, lease=signed_lease(bench, plugin))

    assert bench.order("plugin.end", plugin=plugin, cause="grant_revoked")

    desired = bench.store.find_desired(plugin)
    assert desired is not None
    assert (desired.running, desired.onboot, desired.lease) == (False, False, None)
    assert bench.link.exits[plugin] == {"cause": "grant_revoked"}


def test_an_expired_lease_is_told_and_not_started_again(bench: Bench) -> None:
    """The end by a lease is reported as such; autostart does not count."""
    plugin = bench.inject(onboot=True)
    bench.order("plugin.start", plugin=plugin, lease=signed_lease(bench, plugin))
    bench.link.alive.clear()

    result_of(bench.keeper.exited(plugin, "lease_expired"))

    desired = bench.store.find_desired(plugin)
    assert desired is not None
    assert not desired.running
    assert [each.cause for each in result_of(bench.keeper.list_actual())] == ["lease_expired"]
