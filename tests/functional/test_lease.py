"""B4: what is started under a grant, from the cloud's side: leased, renewed, ended with it."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from iotronic_mec import lease_token
from iotronic_mec.background import Background
from iotronic_mec.context import system_context
from iotronic_mec.errors import BoardLost, Unavailable
from iotronic_mec.events.relay import Relay
from iotronic_mec.features.lease import commands as lease_commands
from iotronic_mec.features.lease.commands import LeaseCommands, tell_boards
from iotronic_mec.registry import FEATURES
from lightning_agent.protocol import names
from lightning_agent.protocol.messages import OperationCall
from lightning_agent.state.lease import LeaseReader, store_key
from tests.fakes.boards import fail_with, succeed
from tests.fakes.site import Site, fault
from tests.functional.test_grant import bring_online, lent, whoami

CODE = "def main(context):\n    context.stopping.wait(60)\n"
SYSTEM = system_context()


class Bench:
    """A member's board that is lent to a stranger, with a plugin of the member on it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.board = bring_online(site)
        self.join()
        self.plugin = self.make("beacon", "member")
        self.put("member")
        self.relay = Relay(site.parts, [each for f in FEATURES for each in f.consumers])
        self.relay._load()

    def join(self, procedures: Any = tuple(names.PROCEDURES), **fields: Any) -> dict[str, Any]:
        """Have the board join; return what it is told."""
        join = {
            "protocol": 4,
            "agent_version": "1",
            "capabilities": {"procedures": list(procedures)},
            **fields,
        }
        answer = self.site.call("board", "joined", board=self.board, session=7, join=join)
        return dict(answer)

    def make(self, name: str, who: str) -> str:
        """Make a plugin; return its uuid."""
        body = {"name": name, "code": CODE, "callable": False}
        made = self.site.ask("POST", "/v1/plugins", body, token=who)
        assert made.status_int == 201, made.text
        return str(made.json["uuid"])

    def put(self, who: str, plugin: str | None = None, **fields: Any) -> Any:
        """Inject a plugin."""
        body = {"plugin": plugin or self.plugin, **fields}
        return self.site.ask("PUT", f"/v1/boards/{self.board}/plugins", body, token=who)

    def act(self, action: str, who: str = "stranger", plugin: str | None = None) -> Any:
        """Have the plugin do an action."""
        path = f"/v1/boards/{self.board}/plugins/{plugin or self.plugin}"
        return self.site.ask("POST", path, {"action": action}, token=who)

    def lend(self, *actions: str, hours: float = 24.0, **more: Any) -> str:
        """Lend what plugins need, or other actions; return the grant."""
        until = (self.site.clock.now() + timedelta(hours=hours)).isoformat()
        words = actions or ("plugin.start", "plugin.stop", "plugin.reboot")
        return lent(self.site, self.board, *words, expires_at=until, **more)

    def sent(self, procedure: str) -> list[OperationCall]:
        """Return the orders the board got."""
        return [call for _, name, call in self.site.boards.calls if name == procedure]

    def desired(self) -> dict[str, Any]:
        """Return what the board is told of its plugin at a join."""
        [found] = [each for each in self.join()["plugins"] if each["plugin"] == self.plugin]
        return dict(found)

    def renewed(self) -> list[str]:
        """Return which plugins get a new lease."""
        asked = {"leased": [self.plugin]}
        answer = self.site.call("board", "leases", board=self.board, leases=asked)
        return [entry["plugin"] for entry in answer["leases"]]

    def claims(self, lease: str) -> dict[str, Any]:
        """Verify a lease with the library; return what it says."""
        secret = self.site.parts.secret
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(lease_token.public_key(secret)))
        options = {"verify_exp": False, "verify_iat": False}
        found = jwt.decode(lease, key, algorithms=["EdDSA"], audience=self.board, options=options)
        return dict(found)

    def step(self) -> None:
        """Hand on the events there are."""
        while self.relay.step():
            pass
        assert self.site.parts.background.wait(10)


@pytest.fixture
def bench(site: Site) -> Bench:
    """Give a cloud with the board."""
    return Bench(site)


def test_a_start_under_a_grant_carries_a_lease(bench: Bench, tmp_path: Any) -> None:
    """Of an hour, for this board and plugin; the agent's own code verifies it."""
    grant = bench.lend()

    assert bench.act("PluginStart").status_int == 200

    [call] = bench.sent(names.PLUGIN_START)
    claims = bench.claims(call.parameters["lease"])
    assert claims["sub"] == f"plugin:{bench.plugin}"
    assert (claims["exp"] - claims["iat"], claims["grants"]) == (3600, [grant])
    store_key(tmp_path, lease_token.public_key(bench.site.parts.secret))
    read = LeaseReader(tmp_path, bench.board).read(bench.plugin, call.parameters["lease"])
    assert read.expires_s == claims["exp"]
    assert bench.join()["lease_key"] == lease_token.public_key(bench.site.parts.secret)


def test_in_ones_own_right_there_is_no_lease(bench: Bench) -> None:
    """Control: the owner's start has no end."""
    bench.lend()

    assert bench.act("PluginStart", "member").status_int == 200

    assert bench.sent(names.PLUGIN_START)[0].parameters.get("lease") is None
    assert (bench.desired()["running"], bench.desired()["lease"]) == (True, None)


@pytest.mark.parametrize(
    ("terms", "seconds"),
    [
        ({"hours": 0.5}, 1800),
        ({"hours": 48}, 3600),
    ],
)
def test_a_lease_ends_with_its_grant(bench: Bench, terms: dict[str, Any], seconds: int) -> None:
    """Never later than the grant, never longer than an hour."""
    bench.lend(**terms)
    bench.act("PluginStart")

    claims = bench.claims(bench.sent(names.PLUGIN_START)[0].parameters["lease"])

    assert claims["exp"] - claims["iat"] == seconds


def test_it_is_renewed_while_the_grant_lives(bench: Bench) -> None:
    """By asking and by joining; not after the grant's end."""
    bench.lend(hours=3)
    bench.act("PluginStart")
    bench.site.clock.advance(2.5 * 3600)

    claims = bench.claims(bench.desired()["lease"])
    renewed = bench.renewed()
    bench.site.clock.advance(3600)

    assert claims["exp"] - claims["iat"] == 1800
    assert (renewed, bench.renewed()) == ([bench.plugin], [])


def test_the_last_use_that_started_it_does_not_end_it(bench: Bench) -> None:
    """How often a grant may be used says nothing of how long a thing goes on."""
    bench.lend(max_uses=1)

    assert [bench.act("PluginStart").status_int for _ in range(2)] == [200, 404]

    assert bench.renewed() == [bench.plugin]
    assert bench.desired()["running"]


def test_11_revoked_the_board_is_told_at_once(bench: Bench) -> None:
    """The order to end goes out with the event; nothing is wanted there any more."""
    grant = bench.lend()
    bench.act("PluginStart")

    bench.site.ask("DELETE", f"/v1/grants/{grant}", token="member")
    bench.step()

    [call] = bench.sent(names.PLUGIN_END)
    assert call.parameters == {"plugin": bench.plugin, "cause": "grant_revoked"}
    assert (bench.desired()["running"], bench.desired()["lease"]) == (False, None)
    assert bench.renewed() == []


def test_12_expired_things_are_not_started_again_at_a_rejoin(bench: Bench) -> None:
    """A board that was away over the end is not told to run it, settled or not."""
    bench.lend(hours=1)
    bench.act("PluginStart")
    bench.site.clock.advance(3601)

    before = bench.desired()
    ended = LeaseCommands(bench.site.parts, {}).settle()
    bench.step()
    after = bench.desired()

    assert ended == 1
    assert (before["running"], after["running"], before["onboot"]) == (False, False, False)
    assert [call.parameters["cause"] for call in bench.sent(names.PLUGIN_END)] == ["grant_ended"]


def test_a_lease_that_ran_out_offline_begins_anew_when_the_grant_lives(bench: Bench) -> None:
    """The board was away for two hours and ended it; the grant still stands."""
    bench.lend()
    bench.act("PluginStart")
    bench.site.clock.advance(7200)

    actual = {
        "plugin": bench.plugin,
        "digest": bench.desired()["digest"],
        "cause": "lease_expired",
    }
    bench.join(plugins=[actual])

    assert bench.desired()["running"]
    assert bench.desired()["lease"] is not None


def test_autostart_brought_under_a_grant_ends_with_it(bench: Bench) -> None:
    """The receiver's own plugin stays on the board, and begins no more; the owner takes it off."""
    grant = bench.lend("plugin.inject", "plugin.start")
    own = bench.make("guest", "stranger")
    assert bench.put("stranger", own, onboot=True).status_int == 200
    [before] = [each for each in bench.join()["plugins"] if each["plugin"] == own]

    bench.site.ask("DELETE", f"/v1/grants/{grant}", token="member")
    [after] = [each for each in bench.join()["plugins"] if each["plugin"] == own]
    path = f"/v1/boards/{bench.board}/plugins/{own}"

    assert (before["onboot"], before["lease"] is not None) == (True, True)
    assert (after["onboot"], after["lease"]) == (False, None)
    assert bench.act("PluginStart", "member", own).status_int == 404
    assert bench.site.ask("DELETE", path, token="member").status_int == 204


def test_a_receiver_does_not_take_over_what_the_owner_runs(bench: Bench) -> None:
    """Restarted under a grant it still is the owner's, and outlives the grant."""
    bench.act("PluginStart", "member")
    grant = bench.lend()

    assert bench.act("PluginReboot").status_int == 200
    bench.site.ask("DELETE", f"/v1/grants/{grant}", token="member")
    bench.step()

    assert bench.desired()["running"]
    assert bench.sent(names.PLUGIN_END) == []


def test_an_owner_takes_over_what_ran_under_a_grant(bench: Bench) -> None:
    """Restarted by the owner it has no end any more."""
    grant = bench.lend()
    bench.act("PluginStart")

    bench.act("PluginReboot", "member")
    bench.site.ask("DELETE", f"/v1/grants/{grant}", token="member")

    assert (bench.desired()["running"], bench.desired()["lease"]) == (True, None)


def test_a_lent_plugin_on_an_own_board_is_leased_too(bench: Bench) -> None:
    """Who lends a plugin ends it on others' boards."""
    site = bench.site
    own_board = bring_online(site, "own", token="stranger")
    body = {
        "kind": "plugin",
        "target": bench.plugin,
        "actions": ["plugin.inject", "plugin.start"],
        "to_user": whoami(site, "stranger")["user"],
    }
    path = f"/v1/boards/{own_board}/plugins"
    before = site.ask("PUT", path, {"plugin": bench.plugin}, token="stranger").status_int
    grant = site.ask("POST", "/v1/grants", body, token="member").json["uuid"]
    bench.board = own_board
    bench.join()

    assert bench.put("stranger").status_int == 200
    assert bench.act("PluginStart").status_int == 200
    leased = bench.desired()["lease"]
    site.ask("DELETE", f"/v1/grants/{grant}", token="member")

    assert before == 404
    assert leased is not None
    assert bench.desired()["running"] is False
    assert bench.act("PluginStart").status_int == 404


def test_a_board_that_keeps_no_leases_starts_nothing_for_others(bench: Bench) -> None:
    """An old agent is said to be old; nothing is half started, nothing counted."""
    grant = bench.lend()
    bench.join(procedures=sorted(names.PROCEDURES - {names.PLUGIN_END}))

    refused = bench.act("PluginStart")

    assert (refused.status_int, refused.json["code"]) == (409, "iot.lease.agent_too_old")
    assert "upgraded" in fault(refused)
    assert bench.sent(names.PLUGIN_START) == []
    assert bench.site.ask("GET", f"/v1/grants/{grant}", token="member").json["uses"] == 0


def test_a_start_that_crossed_the_revocation_is_ended(bench: Bench) -> None:
    """The grant goes while the board starts it: the board is told to end it once more."""
    site, grant = bench.site, bench.lend()

    def answer(call: OperationCall) -> Any:
        if call.action == "PluginStart":
            site.ask("DELETE", f"/v1/grants/{grant}", token="member")
        return succeed()(call)

    site.boards.answer = answer
    bench.act("PluginStart")
    bench.step()

    # by the revocation, which may have come first, and after the start
    assert len(bench.sent(names.PLUGIN_END)) == 2
    assert bench.desired()["running"] is False


def test_a_board_that_cannot_be_told_holds_nobody_up(bench: Bench) -> None:
    """A lost call is logged; the board's lease and its next join do the rest."""

    grant = bench.lend()
    bench.act("PluginStart")
    bench.site.boards.answer = fail_with(BoardLost("gone"))

    revoked = bench.site.ask("DELETE", f"/v1/grants/{grant}", token="member")
    bench.step()

    assert revoked.status_int == 204
    assert bench.desired()["running"] is False


def test_a_board_that_hangs_holds_no_other_up(bench: Bench) -> None:
    """Whoever hands events on waits for no board; a later revocation reaches another one."""
    site, silent, answered = bench.site, bench.board, threading.Event()
    first = bench.lend()
    bench.act("PluginStart")
    bench.board = bring_online(site, "second")
    bench.join()
    bench.put("member")
    second = bench.lend()
    bench.act("PluginStart")
    release, told = threading.Event(), threading.Event()

    def answer(call: OperationCall) -> Any:
        if call.action == "PluginEnd" and site.boards.calls[-1][0] == silent:
            release.wait(5)
            answered.set()
        elif call.action == "PluginEnd":
            told.set()
        return succeed()(call)

    site.boards.answer = answer
    site.ask("DELETE", f"/v1/grants/{first}", token="member")
    bench.relay.step()
    site.ask("DELETE", f"/v1/grants/{second}", token="member")
    bench.relay.step()

    other_was_told, silent_had_answered = told.wait(4), answered.is_set()
    release.set()
    assert (other_was_told, silent_had_answered) == (True, False)
    assert site.parts.background.wait(10)


def test_what_does_not_fit_comes_again(bench: Bench) -> None:
    """While too many boards are being told the event waits; nobody is forgotten."""
    full, release = Background(1, 1), threading.Event()

    def hang() -> None:
        release.wait(10)

    assert full.take([hang])
    grant = bench.lend()
    bench.act("PluginStart")
    bench.site.ask("DELETE", f"/v1/grants/{grant}", token="member")
    busy = replace(bench.site.parts, background=full)
    thing = [bench.board, "plugin", bench.plugin]
    ended = {"body": {"things": [thing], "reason": "grant_revoked"}}

    with pytest.raises(Unavailable):
        tell_boards(busy, ended)
    before = bench.sent(names.PLUGIN_END)
    release.set()
    assert full.wait(10)
    tell_boards(busy, ended)

    assert full.wait(10)
    full.stop()
    assert (before, len(bench.sent(names.PLUGIN_END))) == ([], 1)


# -- orders that wait ------------------------------------------------------------------


def queued(bench: Bench, monkeypatch: pytest.MonkeyPatch, who: str) -> Any:
    """Have somebody order a stop that waits for its turn; return what sends it."""
    waiting: list[Any] = []
    requests = bench.site.commands["request"]
    send = requests.send_queued
    monkeypatch.setattr(requests, "send_queued", lambda *given, **more: waiting.append(given))
    body = {"action": "PluginStop", "wait": False}
    path = f"/v1/boards/{bench.board}/plugins/{bench.plugin}"
    answer = bench.site.ask("POST", path, body, token=who)
    assert answer.status_int == 202, answer.text
    monkeypatch.setattr(requests, "send_queued", send)
    return lambda: requests._send_in_pool(*waiting[0], "")


def stopped(bench: Bench) -> tuple[str, Any, int]:
    """Return how the stop ended, why, and how often the board was told."""
    found = bench.site.ask("GET", "/v1/requests/detail", token="member").json["requests"]
    [request] = [each["uuid"] for each in found if each["action"] == "PluginStop"]
    results = bench.site.ask("GET", f"/v1/requests/{request}/results", token="member").json[
        "results"
    ]
    return results[0]["state"], results[0]["cause"], len(bench.sent("plugin.stop"))


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_a_queued_order_whose_grant_ended_is_not_sent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """What was granted when it was ordered is looked at again when it is sent."""
    grant = bench.lend("plugin.stop", hours=0.001)
    send = queued(bench, monkeypatch, "stranger")
    if how == "revoked":
        bench.site.ask("DELETE", f"/v1/grants/{grant}", token="member")
    else:
        bench.site.clock.advance(4)

    send()

    state, cause, told = stopped(bench)
    assert (state, told) == ("rejected", 0)
    assert cause["code"] == "iot.grant.ended"


@pytest.mark.parametrize("who", ["member", "stranger"])
def test_a_queued_order_that_may_is_sent(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """Control: the owner's order, and one whose grant has no use left but lives, are sent."""
    bench.lend("plugin.stop", max_uses=1)
    send = queued(bench, monkeypatch, who)

    send()

    assert stopped(bench)[2] == 1


def test_only_leases_that_are_due_are_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was looked at rests for a minute, or until its grant's end."""
    bench.lend(hours=0.05)
    bench.act("PluginStart")
    looked: list[Any] = []
    until = lease_commands._until

    def noted(parts: Any, connection: Any, lease: Any) -> Any:
        looked.append(lease)
        return until(parts, connection, lease)

    monkeypatch.setattr(lease_commands, "_until", noted)
    counts = []
    for seconds in (0, 10, 49, 2, 60, 59, 1):
        bench.site.clock.advance(seconds)
        looked.clear()
        ended = LeaseCommands(bench.site.parts, {}).settle()
        counts.append((len(looked), ended))

    assert counts == [(1, 0), (0, 0), (0, 0), (1, 0), (1, 0), (1, 1), (0, 0)]
