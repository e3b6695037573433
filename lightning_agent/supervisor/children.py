"""Who runs, since when, and within which limits: all plugins of the board at work.

Calls answer and are gone; started plugins run until they end or are stopped, and their last end is
remembered.  Loop's thread only.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import subprocess
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_agent.clock import Clock, to_wire
from lightning_agent.errors import (
    AlreadyRunning,
    BadRequest,
    Busy,
    Error,
    SandboxRefused,
)
from lightning_agent.sandbox.channel import MessageRefused, check_value, encode
from lightning_agent.sandbox.launcher import Launcher
from lightning_agent.sandbox.probe import Findings
from lightning_agent.sandbox.process import Spawned
from lightning_agent.sandbox.profile import AGENT_PATH, BUNDLE_PATH, Bind, Limits, Profile
from lightning_agent.sandbox.runner import Answer, Exit, Listener, Loop, Run
from lightning_agent.supervisor.cameras import Cameras, Granted
from lightning_agent.supervisor.leases import Leases
from lightning_agent.supervisor.logs import Logs
from lightning_agent.supervisor.requests import RunRequest
from lightning_agent.supervisor.trusted import TrustedTime
from lightning_agent.supervisor.zygotes import Zygotes

LOG = logging.getLogger(__name__)

MAX_CALLS = 4
"""Calls at a time; one more is answered ``busy``.  Chosen here: a board has 2 to 4 cores."""

MAX_STARTED = 16
"""Started plugins at a time."""

KEPT_LINES = 50
"""Lines of a call's log that travel with its result."""

_START = (
    f"import sys; sys.path.insert(0, {AGENT_PATH!r}); "
    "from lightning_agent.sandbox.child import main; main(sys.argv[1:])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end of a started plugin, as told to every connected client."""

    plugin: str
    exit: Exit
    at: str

    def to_event(self) -> dict[str, object]:
        """Return the event ``exited``."""
        return {
            "event": "exited",
            "plugin": self.plugin,
            "code": self.exit.code,
            "signal": self.exit.signal,
            "cause": self.exit.cause,
            "at": self.at,
        }


@dataclass(slots=True, kw_only=True)
class _Started:
    run: Run
    request: RunRequest
    started_at: str
    waiting: list[Callable[[], None]]


class Children:
    """All plugins at work.

    :param find: returns folder and entry of an installed version, or raises ``PluginNotInstalled``
    :param time: what leases are measured by
    :param on_exit: told of the end of each started plugin
    """

    def __init__(
        self,
        loop: Loop,
        *,
        clock: Clock,
        logs: Logs,
        cameras: Cameras,
        find: Callable[[str, str], tuple[Path, str]],
        on_exit: Callable[[Ended], None],
        time: TrustedTime,
        limits: Limits | None = None,
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._logs = logs
        self._cameras = cameras
        self._find = find
        self._on_exit = on_exit
        self.leases = Leases(loop, time, self.end_started)
        """Until when started plugins may run."""
        self._limits = limits or Limits()
        self.zygotes = Zygotes(loop, clock)
        """Warm sandboxes, which calls are forked from."""
        self._calls: dict[Run, RunRequest] = {}
        self._ending: dict[Run, RunRequest] = {}
        self._started: dict[str, _Started] = {}
        self._ended: dict[str, Exit] = {}
        self.launcher: Launcher | None = None
        """How sandboxes are made; ``None`` means that nothing runs."""
        self.refusal = "the sandbox has not been probed yet"
        """Why nothing runs, with the cure."""

    def use(self, findings: Findings, tag: str) -> None:
        """Work at the level that the probe found.

        :param tag: marks the sandboxes, see :func:`~lightning_agent.sandbox.launcher.make_tag`
        """
        found = findings.launcher
        self.launcher = replace(found, tag=tag) if found else None
        self.refusal = "tenants' code does not run here: " + "; ".join(findings.reasons)

    def call(
        self, request: RunRequest, done: Callable[[Answer, list[str]], None]
    ) -> Callable[[], None]:
        """Begin a call; ``done`` gets its answer and its last lines.

        :returns: kills the call, for when nobody waits for it any more
        :raises Busy: :data:`MAX_CALLS` are at work
        :raises SandboxRefused: nothing runs on this board
        :raises PluginNotInstalled: the version is not there
        """
        if len(self._calls) >= MAX_CALLS:
            raise Busy(f"{MAX_CALLS} calls are at work on this board")
        lines: deque[str] = deque(maxlen=KEPT_LINES)
        log = self._logs.of(request.plugin)

        def write(stream: str, new: list[str]) -> None:
            log.write(stream, new)
            lines.extend(line[:1000] for line in new[-KEPT_LINES:])

        def finish(answer: Answer) -> None:
            # The slot is free at once; what is left of the sandbox has half a second.
            self._ending[run] = self._calls.pop(run)
            done(answer, list(lines))

        listener = Listener(log=write, answer=finish, end=lambda _: self._forget(run))
        run = self._run(request, listener)
        self._calls[run] = request
        return lambda: run.kill("killed")

    def start(
        self, request: RunRequest, done: Callable[[Answer], None] = lambda _: None
    ) -> dict[str, object]:
        """Start a plugin that runs until it ends or is stopped; return pid and time.

        :param done: gets what it answers at its end, before ``on_exit``; on a board nobody asks
        :raises AlreadyRunning: it is started already, in this or another version
        :raises Busy: :data:`MAX_STARTED` run
        :raises LeaseOver: its lease is over
        """
        plugin = request.plugin
        if plugin in self._started:
            raise AlreadyRunning(f"plugin {plugin} is running already")
        if len(self._started) >= MAX_STARTED:
            raise Busy(f"{MAX_STARTED} plugins run on this board")
        if request.lease is not None:
            self.leases.check(request.lease)
        log = self._logs.of(plugin)
        listener = Listener(
            log=log.write, answer=done, end=lambda ended: self._note(plugin, ended)
        )
        run = self._run(request, listener)
        started_at = to_wire(self._clock.now())
        self._ended.pop(plugin, None)
        self._started[plugin] = _Started(
            run=run, request=request, started_at=started_at, waiting=[]
        )
        if request.lease is not None:
            self.leases.hold(plugin, request.lease)
        LOG.info("plugin %s started as process %d", plugin, run.pid)
        return {"pid": run.pid, "started_at": started_at}

    def stop(self, plugin: str, delay_s: float, done: Callable[[bool], None]) -> None:
        """Stop a started plugin after ``delay_s``; once it is gone, tell whether it ran."""
        found = self._started.get(plugin)
        if found is None:
            done(False)
            return
        found.waiting.append(lambda: done(True))
        if delay_s > 0:
            self._loop.later(delay_s, lambda: self._stop_if_same(plugin, found))
        else:
            found.run.stop()

    def status(self, plugin: str) -> dict[str, object]:
        """Return whether a plugin is started, and how it ended last."""
        found = self._started.get(plugin)
        ended = self._ended.get(plugin)
        return {
            "alive": found is not None,
            "pid": found.run.pid if found else None,
            "started_at": found.started_at if found else None,
            "exit": {"code": ended.code, "signal": ended.signal, "cause": ended.cause}
            if ended
            else None,
        }

    def running(self) -> list[dict[str, object]]:
        """Return all started plugins."""
        return [
            {
                "plugin": plugin,
                "digest": started.request.digest,
                "pid": started.run.pid,
                "started_at": started.started_at,
                "parameters": started.request.parameters,
                "lease_s": self.leases.remaining_s(plugin),
            }
            for plugin, started in sorted(self._started.items())
        ]

    def used_digests(self, plugin: str) -> frozenset[str]:
        """Return the versions of ``plugin`` that are at work."""
        return frozenset(request.digest for request in self._requests(plugin))

    def is_at_work(self, plugin: str) -> bool:
        """Return whether a sandbox of ``plugin`` is left."""
        return bool(self._requests(plugin))

    def end_plugin(self, plugin: str) -> None:
        """Kill all that runs of ``plugin``."""
        for run, request in [*self._calls.items(), *self._ending.items()]:
            if request.plugin == plugin:
                run.kill("killed")
        found = self._started.get(plugin)
        if found is not None:
            found.run.kill("killed")
        self.zygotes.end(plugin)

    def end_started(self, plugin: str, cause: str) -> None:
        """Kill a started plugin, if it runs; what it asks for in its last moment is not heard."""
        found = self._started.get(plugin)
        if found is not None:
            found.run.kill(cause)

    def shutdown(self) -> None:
        """Ask all started plugins to stop and kill all calls."""
        for run in list(self._calls):
            run.kill("killed")
        for found in list(self._started.values()):
            found.run.stop()

    @property
    def is_idle(self) -> bool:
        """Whether no sandbox of a plugin is left."""
        return not (self._calls or self._ending or self._started)

    def _requests(self, plugin: str) -> list[RunRequest]:
        calls = [*self._calls.values(), *self._ending.values()]
        started = [found.request for found in self._started.values()]
        return [request for request in (*calls, *started) if request.plugin == plugin]

    def _forget(self, run: Run) -> None:
        self._ending.pop(run, None)

    def _stop_if_same(self, plugin: str, found: _Started) -> None:
        if self._started.get(plugin) is found:
            found.run.stop()

    def _note(self, plugin: str, ended: Exit) -> None:
        found = self._started.pop(plugin, None)
        self.leases.forget(plugin)
        self._ended[plugin] = ended
        LOG.info("plugin %s ended: %s", plugin, ended)
        for tell in found.waiting if found else []:
            tell()
        self._on_exit(Ended(plugin=plugin, exit=ended, at=to_wire(self._clock.now())))

    def _run(self, request: RunRequest, listener: Listener) -> Run:
        if self.launcher is None:
            raise SandboxRefused(self.refusal)
        _check_parameters(request)
        folder, entry = self._find(request.plugin, request.digest)
        cameras = self._cameras.grant(self.launcher, request.cameras)
        try:
            return self._launch(self.launcher, request, folder, entry, cameras, listener)
        except (Error, OSError, MessageRefused) as error:
            for release in cameras.releases:
                release()
            if isinstance(error, MessageRefused):
                raise BadRequest(f"the parameters are unusable: {error}") from error
            if isinstance(error, OSError):
                raise Busy(f"the sandbox could not be started: {error}") from error
            raise
        finally:
            cameras.close()

    def _launch(
        self,
        launcher: Launcher,
        request: RunRequest,
        folder: Path,
        entry: str,
        cameras: Granted,
        listener: Listener,
    ) -> Run:
        limits = self._limits
        if request.deadline_s is not None:
            # A second line only: several threads use processor time faster than the clock runs.
            limits = replace(limits, cpu_s=math.ceil(request.deadline_s) * 4 + 5)
        order: dict[str, object] = {
            "entry": entry,
            "plugin": request.plugin,
            "mode": "start" if request.deadline_s is None else "call",
            "parameters": request.parameters,
            "limits": limits.to_order(),
            "packages": list(launcher.interpreter.packages),
        }
        listener = cameras.held_by(listener)
        if request.deadline_s is not None and launcher.forks:
            run = self._fork(launcher, request, folder, order, cameras, listener)
            if run is not None:
                return run
        order["cameras"] = cameras.wire
        profile = Profile(
            owner=request.plugin,
            binds=(Bind(source=os.fspath(folder), target=BUNDLE_PATH),),
            limits=limits,
        )
        numbers = [connection.fileno() for connection in cameras.sockets]
        encoded = encode(order)
        ours, theirs = socket.socketpair()
        with theirs:
            process = launcher.start(
                profile,
                ["-c", _START, str(theirs.fileno()), str(numbers)],
                descriptors=[theirs.fileno(), *numbers],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        return Run(
            loop=self._loop,
            process=Spawned(process),
            connection=ours,
            order=encoded,
            listener=listener,
            deadline_s=request.deadline_s,
        )

    def _fork(
        self,
        launcher: Launcher,
        request: RunRequest,
        folder: Path,
        order: dict[str, object],
        cameras: Granted,
        listener: Listener,
    ) -> Run | None:
        """Run a call in a fork of a warm sandbox, where there is one for it."""
        encoded = encode({**order, "cameras": cameras.placed})
        forked = self.zygotes.take(launcher, request.plugin, request.digest, folder, self._limits)
        if forked is None:
            return None
        return Run(
            loop=self._loop,
            process=forked,
            connection=forked.channel,
            order=encoded,
            listener=listener,
            deadline_s=request.deadline_s,
            descriptors=[connection.fileno() for connection in cameras.sockets],
        )


def _check_parameters(request: RunRequest) -> None:
    try:
        check_value(request.parameters)
    except MessageRefused as error:
        raise BadRequest(f"the parameters are unusable: {error}") from error
