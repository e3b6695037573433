"""Warm sandboxes: who has one, what is forked ahead, and when one has to go.

One for each version of a plugin that is called, at most :data:`MAX_ZYGOTES`; the one not used for
the longest goes first.  Each is made anew after :data:`MAX_FORKS` calls or :data:`MAX_AGE_S`,
since its forks share the layout of their memory, and at once after a call that crashed.  Loop's
thread only.

Source: spec/sandbox-and-inference.md section 4.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from lightning_agent.clock import Clock
from lightning_agent.errors import Busy
from lightning_agent.sandbox.launcher import SCRATCH_PATH, SHARED_PATH, Launcher, kill
from lightning_agent.sandbox.process import Forked
from lightning_agent.sandbox.profile import (
    AGENT_PATH,
    BUNDLE_PATH,
    WORK_PATH,
    Bind,
    Limits,
    Profile,
)
from lightning_agent.sandbox.runner import Loop, Timer
from lightning_agent.sandbox.zygote import FORK

LOG = logging.getLogger(__name__)

MAX_ZYGOTES = 4
"""Warm sandboxes at a time; each costs 10 to 40 MB with numpy and an engine."""

SPARES = 1
"""Forks each keeps ready."""

MAX_FORKS = 1000
"""Calls after which one is made anew."""

MAX_AGE_S = 3600.0
"""Seconds after which one is made anew."""

REAP_S = 0.05
"""Seconds between two looks for the end of one that was killed."""

IDLE_S = 300.0
"""Seconds without a call after which one ends."""

_START = (
    f"import sys; sys.path.insert(0, {AGENT_PATH!r}); "
    "from lightning_agent.sandbox.zygote import main; main(sys.argv[1:])"
)


class Zygote:
    """One warm sandbox, seen from outside.

    :raises OSError: it cannot be started
    """

    def __init__(self, launcher: Launcher, plugin: str, folder: Path, limits: Limits) -> None:
        self.plugin = plugin
        self.forks = 0
        self.active: set[Forked] = set()
        self.spares: list[Forked] = []
        self.retired = False
        self.made_at = self.used_at = 0.0
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = {
            "limits": limits.to_order(),
            "packages": list(launcher.interpreter.packages),
            "sizes": {
                WORK_PATH: limits.work_bytes,
                SCRATCH_PATH: limits.scratch_bytes,
                SHARED_PATH: limits.scratch_bytes,
            },
        }
        program = os.memfd_create("filter")
        try:
            os.write(program, launcher.program)
            os.lseek(program, 0, os.SEEK_SET)
            self._process = launcher.start(
                Profile(
                    owner=plugin,
                    binds=(Bind(source=os.fspath(folder), target=BUNDLE_PATH),),
                    limits=limits,
                ),
                ["-c", _START, str(theirs.fileno()), str(program), json.dumps(settings)],
                descriptors=[theirs.fileno(), program],
                stderr=subprocess.PIPE,
                forked_from=True,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(program)
        ours.setblocking(False)
        self._control = ours

    @property
    def pid(self) -> int:
        """The host's process id of its outermost process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def fork(self) -> Forked:
        """Ask for a fork; what becomes of it is told by itself.

        :raises OSError: it takes no more, or has ended
        """
        with ExitStack() as ours, ExitStack() as theirs:
            channel, inner = socket.socketpair()
            ours.enter_context(channel)
            theirs.enter_context(inner)
            ends, told = socket.socketpair()
            ours.enter_context(ends)
            theirs.enter_context(told)
            (out, out_end), (err, err_end) = (_pipe(ours, theirs) for _ in range(2))
            given = [inner.fileno(), out_end, err_end, told.fileno()]
            socket.send_fds(self._control, [FORK], given)
            ours.pop_all()
        self.forks += 1
        return Forked(ends, channel, (out, err), self.lost)

    def lost(self) -> str:
        """Kill it, since it does not fork; return its last words."""
        self.retired = True
        kill(self._process)
        complaint = self._process.stderr
        if complaint is None or complaint.closed:
            return ""
        os.set_blocking(complaint.fileno(), False)
        return (complaint.read() or b"").decode(errors="replace").strip()[-500:]

    def end(self) -> None:
        """Kill it with all its forks; it is gone when it is not :attr:`alive` any more."""
        self.retired = True
        for spare in self.spares:
            discard(spare)
        self.spares.clear()
        kill(self._process)
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._control.close()


def _pipe(ours: ExitStack, theirs: ExitStack) -> tuple[IO[bytes], int]:
    """Return our end of a pipe to read from, and the number of the other one."""
    reader, writer = os.pipe()
    theirs.callback(os.close, writer)
    return ours.enter_context(os.fdopen(reader, "rb", 0)), writer


def discard(spare: Forked) -> None:
    """Let a fork go that was never used: without its channel it ends by itself."""
    spare.channel.close()
    spare.stdout.close()
    spare.stderr.close()
    spare.close()


Make = Callable[[Launcher, str, Path, Limits], Zygote]
"""Makes a warm sandbox; raises OSError."""


class Zygotes:
    """The warm sandboxes of a board.

    :param make: makes one; tests give another way
    """

    def __init__(self, loop: Loop, clock: Clock, make: Make = Zygote) -> None:
        self._loop = loop
        self._make = make
        self._clock = clock
        self._all: dict[tuple[str, str], Zygote] = {}
        self._leaving: list[Zygote] = []
        self._dying: list[Zygote] = []
        self._sweep: Timer | None = None

    def take(
        self, launcher: Launcher, plugin: str, digest: str, folder: Path, limits: Limits
    ) -> Forked | None:
        """Return a fork for one call, made ahead if there is one.

        :returns: ``None`` where all warm sandboxes are at work for others
        :raises OSError: a sandbox cannot be started
        :raises Busy: it takes no more forks at the moment
        """
        now = self._clock.monotonic()
        zygote = self._find(plugin, digest, now)
        if zygote is None:
            if not self._make_room():
                return None
            zygote = self._make(launcher, plugin, folder, limits)
            self._all[plugin, digest] = zygote
            zygote.made_at = now
        zygote.used_at = now
        try:
            forked = self._spare(zygote) or zygote.fork()
        except OSError as error:
            self._retire(zygote)
            raise Busy(f"the warm sandbox takes no more calls: {error}") from error
        zygote.active.add(forked)
        forked.on_end(lambda ended: self._ended(zygote, ended))
        self._loop.later(0.0, lambda: self._refill(zygote))
        self._watch_idle()
        return forked

    def end(self, plugin: str) -> None:
        """End those of one plugin."""
        for zygote in [z for z in self._all.values() if z.plugin == plugin]:
            self._retire(zygote)

    def close(self) -> None:
        """End all; the kernel does the rest when this process ends."""
        for zygote in [*self._all.values(), *self._leaving]:
            zygote.end()
        self._all.clear()
        self._leaving.clear()

    @property
    def pids(self) -> list[int]:
        """The host's process ids of all."""
        return sorted(zygote.pid for zygote in self._all.values())

    def _find(self, plugin: str, digest: str, now: float) -> Zygote | None:
        found = self._all.get((plugin, digest))
        if found is None:
            return None
        old = found.forks >= MAX_FORKS or now - found.made_at >= MAX_AGE_S
        if found.retired or not found.alive or old:
            self._retire(found)
            return None
        return found

    def _make_room(self) -> bool:
        if len(self._all) + len(self._leaving) < MAX_ZYGOTES:
            return True
        idle = [zygote for zygote in self._all.values() if not zygote.active]
        if not idle:
            return False
        self._retire(min(idle, key=lambda zygote: zygote.used_at))
        return True

    def _spare(self, zygote: Zygote) -> Forked | None:
        while zygote.spares:
            spare = zygote.spares.pop()
            if spare.poll() is None:
                return spare
            discard(spare)
        return None

    def _refill(self, zygote: Zygote) -> None:
        if zygote.retired or zygote.forks >= MAX_FORKS:
            return
        try:
            while len(zygote.spares) < SPARES:
                zygote.spares.append(zygote.fork())
        except OSError as error:
            LOG.info("no fork was made ahead: %s", error)

    def _ended(self, zygote: Zygote, forked: Forked) -> None:
        zygote.active.discard(forked)
        if (forked.returncode or 0) < 0:
            # it crashed, or was killed: the next call gets another memory layout
            self._retire(zygote)
        else:
            self._let_go()

    def _retire(self, zygote: Zygote) -> None:
        """Fork no more from it; end it once its calls are over."""
        zygote.retired = True
        for key, other in list(self._all.items()):
            if other is zygote:
                del self._all[key]
                self._leaving.append(zygote)
        self._let_go()

    def _let_go(self) -> None:
        for zygote in [z for z in self._leaving if not z.active]:
            self._leaving.remove(zygote)
            zygote.end()
            if not self._dying:
                self._loop.later(REAP_S, self._reap)
            self._dying.append(zygote)

    def _reap(self) -> None:
        """Forget those that are gone; look again for the others."""
        self._dying = [zygote for zygote in self._dying if zygote.alive]
        if self._dying:
            self._loop.later(REAP_S, self._reap)

    def _watch_idle(self) -> None:
        if self._sweep is None:
            self._sweep = self._loop.later(IDLE_S / 5, self._end_idle)

    def _end_idle(self) -> None:
        self._sweep = None
        now = self._clock.monotonic()
        for zygote in list(self._all.values()):
            if not zygote.active and now - zygote.used_at >= IDLE_S:
                self._retire(zygote)
        if self._all:
            self._watch_idle()
