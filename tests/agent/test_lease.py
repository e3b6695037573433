"""B4: leases on the board. Verified, pinned, and kept by a clock nobody can set."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from lightning_agent.clock import Clock
from lightning_agent.errors import LeaseOver, LeaseRefused
from lightning_agent.state.lease import LeaseReader, load_key, store_key, verify, verify_bytes
from lightning_agent.supervisor.leases import KEEP_S, LOOK_S, Lease, Leases
from lightning_agent.supervisor.trusted import FILE_NAME, TrustedTime

BOARD = "33333333-3333-4333-8333-333333333333"
PLUGIN = "44444444-4444-4444-8444-444444444444"
KEY = SigningKey(b"k" * 32)
PUBLIC = bytes(KEY.verify_key).hex()
NOW = 1_900_000_000.0
WALL = datetime.fromtimestamp(NOW, UTC)

# RFC 8037 appendix A.1 (key) and A.4 (compact JWS)
RFC_PUBLIC = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RFC_JWS = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCj"
    "P0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)


class HandClock(Clock):
    """A clock the test moves; the wall clock and the time since boot are two things."""

    def __init__(self) -> None:
        self.wall = WALL
        self.up_s = 1000.0
        self.boot = "one"

    def now(self) -> datetime:
        """Return what the wall clock shows."""
        return self.wall

    def monotonic(self) -> float:
        """Return the time since boot."""
        return self.up_s

    def boottime(self) -> float:
        """Return the time since boot."""
        return self.up_s

    def boot_id(self) -> str:
        """Return the boot's name."""
        return self.boot

    def pass_s(self, seconds: float) -> None:
        """Let time pass, on both."""
        self.up_s += seconds
        self.wall += timedelta(seconds=seconds)

    def reboot(self, wall: datetime) -> None:
        """Boot; the wall clock shows what the board's battery made of it."""
        self.up_s, self.boot, self.wall = 5.0, self.boot + "+", wall


class HandTimer:
    """A timer of the hand loop."""

    def __init__(self, due_s: float, callback: Callable[[], None]) -> None:
        self.due_s, self.callback = due_s, callback

    def cancel(self) -> None:
        """Forget it."""
        self.callback = lambda: None
        self.due_s = float("inf")


class HandLoop:
    """Timers that fire when the test lets time pass."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.timers: list[HandTimer] = []

    def later(self, delay_s: float, callback: Callable[[], None]) -> HandTimer:
        """Remember a timer."""
        self.timers.append(HandTimer(self.clock.up_s + delay_s, callback))
        return self.timers[-1]

    def run_for(self, seconds: float) -> None:
        """Let time pass and fire what is due, in order."""
        end_s = self.clock.up_s + seconds
        while due := [timer for timer in self.timers if timer.due_s <= end_s]:
            first = min(due, key=lambda timer: timer.due_s)
            self.timers.remove(first)
            self.clock.pass_s(max(0.0, first.due_s - self.clock.up_s))
            first.callback()
        self.clock.pass_s(end_s - self.clock.up_s)


class Bench:
    """Leases over a clock and a loop moved by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = HandClock()
        self.ended: list[tuple[str, str, float]] = []
        self.begin()

    def begin(self) -> None:
        """Start the supervisor's part."""
        self.loop = HandLoop(self.clock)
        loop: Any = self.loop
        self.time = TrustedTime(self.folder, self.clock)
        self.leases = Leases(loop, self.time, self._end)

    def _end(self, plugin: str, cause: str) -> None:
        self.ended.append((plugin, cause, self.time.now()))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give a board that has just been started."""
    return Bench(tmp_path)


def signed(header: dict[str, Any] | None = None, key: SigningKey = KEY, **claims: Any) -> str:
    """Return a compact JWS."""
    given = {"aud": BOARD, "sub": f"plugin:{PLUGIN}", "iat": NOW, "exp": NOW + 600, **claims}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header or {"alg": "EdDSA"}, given)
    ]
    text = ".".join(parts)
    signature = key.sign(text.encode()).signature
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def lease(seconds: float, *, issued_s: float = NOW, fresh: bool = True) -> Lease:
    """Return a lease of some length."""
    return Lease(issued_s=issued_s, expires_s=issued_s + seconds, fresh=fresh)


def test_the_example_of_the_rfc_is_verified() -> None:
    """RFC 8037 appendix A.4 verifies with the key of appendix A.1, and only unchanged."""
    key = base64.urlsafe_b64decode(RFC_PUBLIC + "=").hex()

    assert verify_bytes(RFC_JWS, key) == b"Example of Ed25519 signing"
    with pytest.raises(LeaseRefused):
        verify_bytes(RFC_JWS.replace("RXhh", "RXhi"), key)


def test_a_lease_for_this_board_and_plugin_is_read(tmp_path: Path) -> None:
    """Control: what the cloud signed says from when until when."""
    store_key(tmp_path, PUBLIC)

    claims = LeaseReader(tmp_path, BOARD).read(PLUGIN, signed())

    assert (claims.issued_s, claims.expires_s) == (NOW, NOW + 600)


@pytest.mark.parametrize(
    "token",
    [
        signed(key=SigningKey(b"x" * 32)),
        signed(header={"alg": "none"}),
        signed(header={"alg": "HS256"}),
        signed(header={"alg": "EdDSA", "crit": ["exp"]}),
        signed(aud=PLUGIN),
        signed(sub=f"plugin:{BOARD}"),
        signed(exp=NOW + 3601),
        signed(exp=None),
        signed(iat=True),
        signed(iat=-1),
        signed().rpartition(".")[0] + ".",
        signed() + ".x",
        "",
        "a.b.c",
        "ä.b.c",
        signed(more="x" * 10_000),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, token: str) -> None:
    """Another key, algorithm, board, plugin; too long; no times; no JWS."""
    store_key(tmp_path, PUBLIC)

    with pytest.raises(LeaseRefused):
        LeaseReader(tmp_path, BOARD).read(PLUGIN, token)


def test_the_key_is_pinned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The first key stays; another one at a later join is refused, an enrolment sets a new one."""
    reader, other = LeaseReader(tmp_path, BOARD), bytes(SigningKey(b"x" * 32).verify_key).hex()
    with pytest.raises(LeaseRefused):
        reader.read(PLUGIN, signed())

    reader.pin(PUBLIC)
    reader.pin(other)

    assert "another key" in caplog.text
    assert load_key(tmp_path) == PUBLIC
    assert reader.read(PLUGIN, signed()).expires_s == NOW + 600
    store_key(tmp_path, other)
    assert load_key(tmp_path) == other


def test_no_claims_is_refused() -> None:
    """A signed list is no lease."""
    with pytest.raises(LeaseRefused):
        verify(f"{RFC_JWS}", base64.urlsafe_b64decode(RFC_PUBLIC + "=").hex())


def test_10_a_plugin_ends_on_time_offline(bench: Bench) -> None:
    """Nobody says anything any more: the plugin ends when its lease does, not before."""
    bench.leases.hold(PLUGIN, lease(600))

    bench.loop.run_for(599)
    before = list(bench.ended)
    bench.loop.run_for(2)

    assert before == []
    assert [entry[:2] for entry in bench.ended] == [(PLUGIN, "lease_expired")]
    assert bench.ended[0][2] == pytest.approx(NOW + 600, abs=0.1)


@pytest.mark.parametrize("hours", [-24, 24])
def test_10_setting_the_wall_clock_changes_nothing(bench: Bench, hours: int) -> None:
    """Back by a day, or ahead: the time since boot counts."""
    bench.leases.hold(PLUGIN, lease(600))
    bench.loop.run_for(300)

    bench.clock.wall += timedelta(hours=hours)
    bench.loop.run_for(299)
    before = list(bench.ended)
    bench.loop.run_for(2)

    assert before == []
    assert len(bench.ended) == 1


def test_10_time_asleep_counts(bench: Bench) -> None:
    """A board that slept ends the plugin when it wakes, though its timers stood still."""
    bench.leases.hold(PLUGIN, lease(600))
    bench.loop.run_for(10)

    bench.clock.pass_s(3000)
    for timer in bench.loop.timers:
        timer.due_s += 3000
    bench.loop.run_for(LOOK_S)

    assert len(bench.ended) == 1


def test_11_a_reboot_with_the_clock_set_back_gives_no_more_time(bench: Bench) -> None:
    """A board without a battery goes on from the last trusted time, written down before."""
    bench.leases.hold(PLUGIN, lease(600))
    bench.loop.run_for(400)
    left_s = bench.leases.remaining_s(PLUGIN)

    bench.clock.reboot(datetime(1970, 1, 1, tzinfo=UTC))
    bench.begin()
    old = lease(600, fresh=False)
    bench.leases.check(old)
    bench.leases.hold(PLUGIN, old)
    after_s = bench.leases.remaining_s(PLUGIN)
    bench.loop.run_for(after_s or 0.0)

    assert left_s == pytest.approx(200)
    assert after_s is not None
    assert left_s <= after_s <= left_s + KEEP_S + LOOK_S
    assert len(bench.ended) == 1


def test_11_a_reboot_that_took_longer_than_the_lease_ends_it(bench: Bench) -> None:
    """Where the wall clock went on, the time off counts; the plugin is not started again."""
    bench.leases.hold(PLUGIN, lease(600))
    bench.loop.run_for(60)

    bench.clock.reboot(bench.clock.wall + timedelta(hours=1))
    bench.begin()

    with pytest.raises(LeaseOver):
        bench.leases.check(lease(600, fresh=False))


def test_11_a_supervisor_started_anew_in_the_same_boot_knows_the_time(bench: Bench) -> None:
    """What passed while none ran counts, whatever the wall clock says."""
    bench.leases.hold(PLUGIN, lease(600))
    bench.loop.run_for(10)
    bench.clock.pass_s(700)
    bench.clock.wall -= timedelta(days=1)

    bench.begin()

    with pytest.raises(LeaseOver):
        bench.leases.check(lease(600, fresh=False))


def test_a_fresh_lease_mends_a_wrong_time(bench: Bench) -> None:
    """A wall clock far ahead at boot makes leases end early, until the cloud is there again."""
    bench.clock.reboot(WALL + timedelta(days=3650))
    bench.begin()
    with pytest.raises(LeaseOver):
        bench.leases.check(lease(600, fresh=False))

    bench.leases.check(lease(600))

    assert bench.time.now() == pytest.approx(NOW)


def test_an_old_lease_does_not_set_the_time_back(bench: Bench) -> None:
    """One from the disk says only that it is at least as late."""
    bench.leases.learn(lease(600))
    bench.leases.learn(lease(600, issued_s=NOW - 3600, fresh=False))

    assert bench.time.now() == pytest.approx(NOW)


def test_a_renewed_lease_replaces_the_one_before(bench: Bench) -> None:
    """The plugin goes on; with none it is held to nothing."""
    bench.leases.hold(PLUGIN, lease(600))
    bench.loop.run_for(500)
    bench.leases.hold(PLUGIN, lease(600, issued_s=NOW + 500))
    bench.loop.run_for(500)
    renewed = list(bench.ended)
    bench.leases.forget(PLUGIN)
    bench.loop.run_for(3600)

    assert (renewed, bench.ended) == ([], [])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"time_s": "x"}'])
def test_a_damaged_file_of_the_time_is_survived(bench: Bench, content: str) -> None:
    """The wall clock is what is left then."""
    (bench.folder / FILE_NAME).write_text(content)

    bench.begin()

    assert bench.time.now() == pytest.approx(bench.clock.wall.timestamp())


def test_a_damaged_key_keeps_the_agent_running(tmp_path: Path) -> None:
    """It counts as none: leases are refused until the next join brings a key."""
    (tmp_path / "lease_key").write_text("damaged")
    reader = LeaseReader(tmp_path, BOARD)

    with pytest.raises(LeaseRefused):
        reader.read(PLUGIN, signed())
    reader.pin(PUBLIC)

    assert reader.read(PLUGIN, signed()).expires_s == NOW + 600
