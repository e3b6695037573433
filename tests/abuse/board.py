"""A board of the tests' cloud, whose agent runs as root or as an ordinary user."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from demo.processes import script
from iotronic_mec.sdk import Client, Error, NewBoard, NewPlugin, Target
from tests.abuse.attack import LEAKED, Attack
from tests.e2e.cloud import SUPERVISOR, Cloud, processes_of, wait_for

REPOSITORY = Path(__file__).resolve().parents[2]

USER_UID = 1500
"""The ordinary user, where the tests run as root."""

CALL_LIMIT_S = 5.0
"""Seconds the cloud of these tests gives to one call."""

ANSWER_S = 1.0
"""C2: seconds after an attack in which the agent, a neighbour and the own host answer."""

TRIES = 3
"""How often an answer may be asked for: this machine is shared."""

ECHO = b"def main(context, n):\n    return n\n"
SECRET = b"""
def main(context):
    (context.work / "secret").write_text("the neighbour's")
    print("ready")
    context.stopping.wait(7200)
"""
WORDS = ("inject", "call", "start", "stop", "status", "logs", "remove", "list")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One column of the matrix.

    :param account: ``"root"`` or ``"user"``
    :param landlock: ``"auto"`` or ``"off"``
    """

    account: str
    landlock: str = "auto"

    @property
    def name(self) -> str:
        """As shown by pytest and in the table."""
        return self.account if self.landlock == "auto" else f"{self.account}-no-landlock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an attack.

    :param parts: part of the attack → how it ended
    :param answers: who → seconds of a normal call afterwards
    :param wrong: what was found on the board
    """

    parts: dict[str, str]
    lasted_s: float
    answers: dict[str, float]
    wrong: list[str]


Look = Callable[[str], list[str]]


class Tenant:
    """A project with one user who was lent a board.

    :param cloud: its administrator makes and lends
    """

    def __init__(self, cloud: Cloud, board: str, name: str) -> None:
        self.board = board
        owner = cloud.client
        owner.projects.create({"name": name})
        password = f"the password of {name}"
        fields = {"name": name, "password": password, "project": name, "roles": ["member"]}
        user = owner.users.create(fields).uuid
        grant = {
            "kind": "board",
            "target": board,
            "actions": ["board.get", "board.action", *(f"plugin.{word}" for word in WORDS)],
            "to_user": user,
            "expires_at": (datetime.now(UTC) + timedelta(hours=8)).isoformat(),
        }
        owner.grants.create(grant)
        self.client = Client.with_password(cloud.url, name, password)

    def put(self, name: str, content: bytes, *, filename: str = "plugin.py", **more: Any) -> str:
        """Upload a plugin and inject it; return its uuid."""
        plugin = NewPlugin(name=name, filename=filename, content=content, **more)
        made = self.client.plugins.create(plugin).uuid
        try:
            self.client.injections.inject(self.at(made))
        except Error:
            self.client.plugins.delete(made)
            raise
        return made

    def at(self, plugin: str) -> Target:
        """Return the plugin on the board."""
        return Target(board=self.board, plugin=plugin)

    def take_away(self, plugin: str) -> None:
        """Remove a plugin from board and cloud."""
        self.client.injections.remove(self.at(plugin))
        self.client.plugins.delete(plugin)


class Board:
    """A board, its agent as a process, an attacker and a neighbour on it."""

    def __init__(self, cloud: Cloud, setup: Setup) -> None:
        self.cloud = cloud
        self.setup = setup
        self.state_dir = cloud.board_folder(setup.name)
        self.prefix = self._prefix()
        self._agent: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Enrol, start the agent, and move in both tenants."""
        made = self.cloud.client.boards.create(NewBoard(name=self.setup.name))
        self._write_settings()
        enrol = [script("lightning-agent"), "enrol", "--state-dir", str(self.state_dir)]
        subprocess.run(
            [*self.prefix, *enrol, "-", self.cloud.wamp_url],
            input=f"{made.code}\n",
            text=True,
            check=True,
            capture_output=True,
            timeout=60,
        )
        self.uuid = made.uuid
        self._run_agent()
        self.cloud.wait_online(made.uuid)
        self.attacker = Tenant(self.cloud, made.uuid, f"attacker-{self.setup.name}")
        self.neighbour = Tenant(self.cloud, made.uuid, f"neighbour-{self.setup.name}")
        self.own = self.attacker.put("own", ECHO, callable=True)
        self.other = self.neighbour.put("other", ECHO, callable=True)
        kept = self.neighbour.put("kept", SECRET)
        self.neighbour.client.injections.start(self.neighbour.at(kept))
        self.kept_pid = int(wait_for("the neighbour's plugin is at work", self._find_secret))

    def stop(self) -> None:
        """End the agent and all that is left of it."""
        if self._agent is not None:
            self._agent.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._agent.wait(15)
        for pid in processes_of(str(self.state_dir)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._agent is not None:
            self._agent.wait(10)

    def landlock(self) -> str:
        """Return ``on``, ``off``, or ``none`` where the kernel has none, as doctor finds it."""
        doctor = [script("lightning-agent"), "doctor", "--json", "--state-dir"]
        done = subprocess.run(
            [*self.prefix, *doctor, str(self.state_dir)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        checks = {check["name"]: check["detail"] for check in json.loads(done.stdout)["checks"]}
        words = {"version": "on", "switched": "off", "the": "none"}
        return words[checks["landlock"].partition(" ")[0]]

    def pids(self, part: str) -> list[int]:
        """Return the pids of the agent or of its supervisor: words of its command line."""
        return self.cloud.agent_pids(self.setup.name, part)

    def told(self) -> dict[str, Any]:
        """Return what an attacker may know of this board."""
        return {
            "state_dir": str(self.state_dir),
            "key": str(self.state_dir / "agent.key"),
            "supervisor": str(self.state_dir / "supervisor.sock"),
            "neighbour": self.kept_pid,
            "agent": self.pids("lightning-agent run")[0],
            "descriptors": len(os.listdir(f"/proc/{self.supervisor}/fd")),
        }

    def neighbour_lives(self) -> bool:
        """Return whether the neighbour's started plugin is still the same process."""
        return Path(f"/proc/{self.kept_pid}/root/job/secret").exists()

    @property
    def supervisor(self) -> int:
        """The pid of the supervisor."""
        return self.pids(SUPERVISOR)[0]

    def run(self, attack: Attack, told: dict[str, Any], look: Look) -> Outcome:
        """Inject the attack as the attacker's plugin, call it, look at the board, remove it."""
        plugin = self.attacker.put("attack", attack.code.encode(), callable=True)
        begin = time.monotonic()
        try:
            for _ in range(attack.calls):
                parts = self.call(plugin, told)
            lasted_s = time.monotonic() - begin
            answers = self.answers()
            return Outcome(parts=parts, lasted_s=lasted_s, answers=answers, wrong=look(plugin))
        finally:
            self.attacker.take_away(plugin)

    def call(self, plugin: str, told: dict[str, Any]) -> dict[str, str]:
        try:
            answer = self.attacker.client.injections.call(self.attacker.at(plugin), told)
        except Error as error:
            return {"call": word_of(error)}
        verdict = answer.value
        if not isinstance(verdict, dict) or set(verdict) != {"leaked", "how"}:
            return {"call": LEAKED if verdict == LEAKED else f"answered {verdict!r:.80}"}
        how = verdict["how"]
        return how if isinstance(how, dict) else {"call": f"answered {how!r:.80}"}

    def answers(self) -> dict[str, float]:
        """Return the seconds in which agent, neighbour and own host answer a normal call."""
        owner = self.cloud.client
        asks = {
            "agent": lambda: owner.boards.echo(self.uuid, "hello"),
            "neighbour": lambda: self._echo(self.neighbour, self.other),
            "own": lambda: self._echo(self.attacker, self.own),
        }
        return {name: min(self._timed(ask)) for name, ask in asks.items()}

    def _timed(self, ask: Any) -> list[float]:
        took: list[float] = []
        while len(took) < TRIES and (not took or took[-1] > ANSWER_S):
            begin = time.monotonic()
            ask()
            took.append(time.monotonic() - begin)
        return took

    def _echo(self, tenant: Tenant, plugin: str) -> None:
        answer = tenant.client.injections.call(tenant.at(plugin), {"n": 7})
        assert answer.value == 7

    def _write_settings(self) -> None:
        self.state_dir.mkdir(mode=0o700, exist_ok=True)
        path = self.state_dir / "agent.toml"
        path.write_text(f'[sandbox]\nlandlock = "{self.setup.landlock}"\n', encoding="utf-8")
        if self.prefix:
            os.chown(path, USER_UID, USER_UID)

    def _run_agent(self) -> None:
        command = [script("lightning-agent"), "run", "--state-dir", str(self.state_dir)]
        with (self.cloud.folder / f"agent-{self.setup.name}.log").open("ab") as log:
            self._agent = subprocess.Popen(
                [*self.prefix, *command, "--stop-plugins"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PLANTED_SECRET": "planted"},
            )

    def _prefix(self) -> list[str]:
        """Return the words that make a command the account's."""
        if self.setup.account == "root" or os.geteuid() != 0:
            return []
        self.state_dir.mkdir(mode=0o700)
        os.chown(self.state_dir, USER_UID, USER_UID)
        shown = {sys.prefix, sys.base_prefix, str(REPOSITORY), str(self.state_dir)}
        helper = str(Path(__file__).with_name("as_user.py"))
        return [sys.executable, helper, str(USER_UID), *sorted(shown), "--"]

    def _find_secret(self) -> int | None:
        """Return the pid of a process that sees the neighbour's file, where that is one."""
        for entry in Path("/proc").glob("[0-9]*/root/job/secret"):
            pid = int(entry.parts[2])
            if pid not in SEEN and entry.exists():
                SEEN.add(pid)
                return pid
        return None


SEEN: set[int] = set()
"""Processes of neighbours of earlier boards."""


def word_of(error: Error) -> str:
    """Return one word for how a call failed: the signal, the exception, or the board's code."""
    cause = error.details.get("cause")
    if not isinstance(cause, dict):
        return error.code.rpartition(".")[2]
    if cause.get("signal"):
        return f"signal {cause['signal']}"
    kind = cause.get("type")
    return str(cause.get("code") if kind in (None, "", "Crashed") else kind)
