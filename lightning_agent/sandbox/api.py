"""What plugin code may use: ``context``, and the base class ``Plugin``.

Inside the sandbox this module is importable as ``lightning_plugin``.  The smallest plugin::

    def main(context, **parameters):
        context.log("hello")
        return {"sum": parameters["a"] + parameters["b"]}

or, as a class::

    from lightning_plugin import Plugin

    class Adder(Plugin):
        def run(self, **parameters):
            return parameters["a"] + parameters["b"]

A started plugin looks at ``context.stopping`` and returns soon after it becomes true; after 5 s it
is killed.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning_agent.camera.base import Frame, Subscription
from lightning_agent.errors import CameraUnavailable, ModelRefused
from lightning_agent.inference.base import Engine, Tensor

__all__ = ["CameraUnavailable", "Context", "Frame", "ModelRefused", "Plugin", "Stopping", "Tensor"]


class Stopping:
    """Whether the plugin has been asked to stop; true or false like a ``bool``."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def is_set(self) -> bool:
        """Return whether the plugin has been asked to stop."""
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to ``timeout_s`` seconds, less if asked to stop; return whether it was."""
        return self._event.wait(timeout_s)

    def set(self) -> None:
        """Note that the plugin has been asked to stop; called by the sandbox."""
        self._event.set()


class Context:
    """What the sandbox offers to one run of a plugin.

    :param parameters: as given by the caller
    :param path: the bundle's folder, read-only
    :param work: a writable folder, empty at start and gone at the end
    :param cameras: per granted camera its socket, or the reason why there is none
    :param send_log: takes a line for the log
    :param send_report: takes an intermediate value
    """

    def __init__(
        self,
        *,
        parameters: Mapping[str, Any],
        path: Path,
        work: Path,
        cameras: Mapping[str, socket.socket | str],
        send_log: Callable[[str], None],
        send_report: Callable[[object], None],
    ) -> None:
        self.parameters = dict(parameters)
        self.path = path
        self.work = work
        self.stopping = Stopping()
        self.logger = logging.getLogger("plugin")
        self._cameras = cameras
        self._subscriptions: dict[str, Subscription] = {}
        self._send_log = send_log
        self._send_report = send_report

    def log(self, text: object) -> None:
        """Write ``text`` to the plugin's log; lines over 4 KiB are cut."""
        self._send_log(str(text))

    def report(self, value: object) -> None:
        """Report an intermediate value: JSON, at most 1 MiB; it goes to the plugin's log."""
        self._send_report(value)

    def camera(self, name: str = "default") -> Subscription:
        """Return camera ``name`` at its first frame; iterate over it to get frames.

        :raises CameraUnavailable: not granted to this call, or not configured on the board
        """
        found = self._cameras.get(name)
        if found is None:
            raise CameraUnavailable(f"camera {name!r} is not granted to this call")
        if isinstance(found, str):
            raise CameraUnavailable(found)
        subscription = self._subscriptions.setdefault(name, Subscription(found))
        subscription.rewind()
        return subscription

    def model(self, filename: str, threads: int = 1) -> Engine:
        """Load a model of the bundle.

        :param filename: path of a ``.tflite`` file, relative to the bundle's folder
        :param threads: threads of one inference; 1 is best unless a core is idle
        :raises ModelRefused: the file is missing or is not a model
        :raises EngineMissing: no inference engine is installed on the board
        """
        # numpy and the engine are loaded only by plugins that use them; extra: inference
        from lightning_agent.inference.tflite import TfliteEngine

        return TfliteEngine(self.path / filename, threads=threads)


class Plugin:
    """Base class of plugins written as a class; override :meth:`run`."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def run(self, **parameters: Any) -> Any:
        """Do the plugin's work and return its result: JSON, at most 1 MiB."""
        raise NotImplementedError(f"{type(self).__name__} has no method run")
