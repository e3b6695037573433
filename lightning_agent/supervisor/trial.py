"""One plugin run once, without an agent and a cloud: the parts of the supervisor, for one run.

The plugin goes the way of every plugin on a board: its bundle is unpacked into a
:class:`~lightning_agent.supervisor.plugins.PluginStore` and run by
:class:`~lightning_agent.supervisor.children.Children`, with the same limits, log and cameras.  All
is in a folder of its own, gone at the end.  The kernel ends the sandbox when this process is
killed.  Main thread only.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lightning_agent.clock import Clock
from lightning_agent.errors import Error, PluginFailed, PluginTimeout
from lightning_agent.sandbox.bundle import remove_tree
from lightning_agent.sandbox.launcher import make_tag
from lightning_agent.sandbox.pack import make_bundle
from lightning_agent.sandbox.probe import Findings
from lightning_agent.sandbox.runner import GRACE_S, Answer, Exit
from lightning_agent.supervisor.cameras import CONFIGURATION_NAME, Cameras
from lightning_agent.supervisor.children import Children, Ended
from lightning_agent.supervisor.logs import Logs, Record
from lightning_agent.supervisor.loop import Loop
from lightning_agent.supervisor.plugins import PluginStore
from lightning_agent.supervisor.requests import RunRequest
from lightning_agent.supervisor.restore import take_ownership
from lightning_agent.supervisor.trusted import TrustedTime

CAMERA = "default"
"""The one camera a plugin gets, as on a board."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What asks the plugin to stop; a second one kills it."""

AGAIN_S = 0.5
"""Seconds after which a second signal counts; timeout(1) sends the first one twice."""

YOUNG_S = 60.0
"""Seconds a folder is left alone: its run may be about to take its lock."""

_PREFIX = "lightning-plugin-run-"
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run, and how.

    :param source: file, archive or folder
    :param called: it runs to its end and gives a result; else it runs until it is stopped
    :param limit_s: seconds it may run; ``None`` for as long as it wants
    :param pictures: folder of pictures for the camera; ``None`` for three computed ones
    """

    source: Path
    parameters: Mapping[str, object] = field(default_factory=dict)
    called: bool = False
    limit_s: float | None = None
    pictures: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it.

    :param value: what the plugin returned
    :param error: why there is no such value
    :param stopped: whether it was stopped by a signal
    """

    value: object = None
    error: Error | None = None
    stopped: bool = False


class Trial:
    """Runs one order.

    :param order: what to run
    :param kept: told of each line of the plugin's log
    :raises BundleRefused: the source is no plugin
    :raises StorageFailed: there is no room for it
    """

    def __init__(self, order: Order, folder: Path, kept: Callable[[Record], None]) -> None:
        clock = Clock()
        self._order = order
        self._loop = Loop(clock)
        self._answer: Answer | None = None
        self._exit: Exit | None = None
        self._stopped_s: float | None = None
        self._clock = clock
        self._timed_out = False
        self._kill: Callable[[], None] = lambda: None
        self._plugin = name_of(order.source)
        store = PluginStore(folder)
        store.prepare()
        self._digest = _install(store, self._plugin, order.source, folder)
        configuration = folder / CONFIGURATION_NAME
        configuration.write_text(_camera(order.pictures), encoding="utf-8")
        (folder / "logs").mkdir(mode=0o700)
        self._cameras = Cameras(self._loop, configuration)
        self._children = Children(
            self._loop,
            clock=clock,
            logs=Logs(folder / "logs", clock, kept),
            cameras=self._cameras,
            find=store.find,
            on_exit=self._ended,
            time=TrustedTime(folder, clock),
        )
        self._tag = make_tag(folder)

    def run(self, findings: Findings) -> Outcome:
        """Run it to its end, or until it is stopped.

        :param findings: of the probe
        :raises SandboxRefused: their level is ``refuse``
        :raises BadRequest: the parameters are unusable
        :raises Busy: no process can be started
        """
        request = RunRequest(
            plugin=self._plugin,
            digest=self._digest,
            parameters=dict(self._order.parameters),
            operation="",
            cameras=(CAMERA,),
            deadline_s=self._order.limit_s if self._order.called else None,
        )
        self._children.use(findings, self._tag)
        before = {number: signal.signal(number, self._signalled) for number in SIGNALS}
        try:
            if self._order.called:
                self._kill = self._children.call(request, self._called)
            else:
                self._children.start(request, self._take)
                if self._order.limit_s is not None:
                    self._loop.later(self._order.limit_s, self._time_out)
            self._loop.run()
        finally:
            self._children.zygotes.close()
            self._cameras.close()
            for number, handler in before.items():
                signal.signal(number, handler)
            self._loop.close()
        return self._outcome()

    def _signalled(self, *_: object) -> None:
        self._loop.from_thread(self._stop)

    def _stop(self) -> None:
        """Ask it to stop; the second time, and where it is called, end it."""
        now_s = self._clock.monotonic()
        self._kill()
        if self._stopped_s is None:
            self._stopped_s = now_s
            self._children.stop(self._plugin, 0.0, lambda _: None)
        elif now_s - self._stopped_s >= AGAIN_S:
            self._children.end_started(self._plugin, "killed")

    def _time_out(self) -> None:
        self._timed_out = self._exit is None
        self._children.stop(self._plugin, 0.0, lambda _: None)

    def _take(self, answer: Answer) -> None:
        self._answer = answer

    def _called(self, answer: Answer, _: list[str]) -> None:
        self._answer = answer
        self._end_when_idle()

    def _ended(self, ended: Ended) -> None:
        self._exit = ended.exit
        self._loop.stop()

    def _end_when_idle(self) -> None:
        if self._children.is_idle:
            self._loop.stop()
        else:
            self._loop.later(0.02, self._end_when_idle)

    def _outcome(self) -> Outcome:
        answer = self._answer or Answer(error=PluginFailed("the plugin ended without a result"))
        error = answer.error
        if self._timed_out:
            text = f"the plugin was still running after {self._order.limit_s:g} s and was stopped"
            return Outcome(error=PluginTimeout(text))
        if self._exit is not None and self._exit.cause == "killed":
            text = f"the plugin did not stop within {GRACE_S:g} s, or till asked again: killed"
            error = PluginFailed(text, details={"type": "Stopped"})
        return Outcome(value=answer.value, error=error, stopped=self._stopped_s is not None)


@contextmanager
def own_folder() -> Iterator[Path]:
    """Give a folder of its own for a run, gone at the end; remove those of runs that were killed.

    A run holds a lock in its folder, which the kernel releases when it ends.
    """
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as made:
        folder = Path(made)
        lock = take_ownership(folder)
        try:
            for other in folder.parent.glob(f"{_PREFIX}*"):
                if other != folder:
                    _remove_if_left(other)
            yield folder
        finally:
            os.close(lock)


def _remove_if_left(folder: Path) -> None:
    """Remove the folder of an earlier run of this user, if that has ended."""
    try:
        found = folder.lstat()
        young = time.time() - found.st_mtime < YOUNG_S
        if young or found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
            return
        lock = take_ownership(folder)
    except (OSError, Error):
        return  # it has just gone, or is at work
    remove_tree(folder)
    os.close(lock)


def name_of(source: Path) -> str:
    """Return what a plugin is called here: the file's name, without what a name may not hold.

    >>> name_of(Path("my plugins/über count.py"))
    '-ber-count'
    """
    name = source.absolute().name.removesuffix(".py").removesuffix(".zip")
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name)
    return kept[:_LONGEST_NAME] or "plugin"


def _install(store: PluginStore, plugin: str, source: Path, folder: Path) -> str:
    bundle = make_bundle(source, folder)
    with bundle.path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    store.install(plugin, digest, bundle.path, bundle.bundle_format, frozenset())
    return digest


def _camera(pictures: Path | None) -> str:
    """Return the owner's file of this run."""
    if pictures is None:
        return f'[camera.{CAMERA}]\nsource = "fake"\n'
    path = json.dumps(os.path.abspath(pictures), ensure_ascii=False).replace("\x7f", "\\u007F")
    return f'[camera.{CAMERA}]\nsource = "file"\npath = {path}\n'
