"""Plugins written for IoTronic's own agent, unchanged: the modules they import, and a runner.

Such a plugin is a file with ``class Worker(Plugin.Plugin)``.  It gets what it knows: ``params``,
``q_result`` for its one text, ``_is_running`` that becomes false when it is to stop.  Runs inside
the sandbox; the names are found only where nothing real has them.  Standard library only.

Source: iotronic-lightning-rod 0.5, ``iotronic_lightningrod/modules/plugins/Plugin.py``.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import logging
import queue
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, NoReturn

from lightning_agent.sandbox.api import Context

_WAIT_S = 3600.0


class Plugin(threading.Thread):
    """IoTronic's base class of plugins; a subclass overrides :meth:`run`.

    :param q_result: where a callable plugin puts its result, one text
    :param params: what the caller gave
    """

    def __init__(
        self, uuid: str, name: str, q_result: Any = None, params: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(name=f"Plugin {name}", daemon=True)
        self.uuid = uuid
        self.name = name
        self.status = "INITED"
        self.params = params
        self.q_result = q_result
        self._is_running = True

    def run(self) -> None:
        """Do the plugin's work."""
        raise NotImplementedError(f"{type(self).__name__} has no method run")

    def stop(self) -> None:
        """Ask the plugin to end."""
        self._is_running = False

    def checkStatus(self) -> str:
        """Return what :meth:`setStatus` was given."""
        return self.status

    def setStatus(self, status: str) -> None:
        """Remember how the plugin is."""
        self.status = status

    def complete(self, rpc_name: str, result: str) -> str:
        """Remember how the plugin ended and return that as IoTronic says it."""
        self.setStatus(result)
        return f"{rpc_name} result: {self.checkStatus()}"


def run_worker(worker: type[Plugin], context: Context, *, plugin: str, called: bool) -> object:
    """Run an IoTronic plugin to its end; return the text it put into ``q_result``, or ``None``.

    :param plugin: what it is told as its uuid and name
    :param called: it is to give a result; otherwise it runs until it is stopped, and is given no
        ``q_result``, as IoTronic does
    """
    results: queue.SimpleQueue[object] = queue.SimpleQueue()
    extra: dict[str, Any] = {"q_result": results} if called else {}
    made = worker(plugin, plugin, params=context.parameters, **extra)
    threading.Thread(target=_pass_on, args=(context, made), daemon=True).start()
    made.run()
    return None if results.empty() else results.get()


def _pass_on(context: Context, made: Plugin) -> None:
    while not context.stopping.wait(_WAIT_S):
        pass
    made.stop()


def _absent(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("the sandbox tells a plugin nothing of its board and has no network")


def _get_logger(name: str | None = None, *_: object, **__: object) -> logging.Logger:
    return logging.getLogger(name)


_BASE: dict[str, object] = {"Plugin": Plugin}
_APIS: dict[str, object] = dict.fromkeys(
    ("getBoardID", "getLocation", "getBoardGpio", "sendRequest"), _absent
)
_OSLO = {name: getattr(logging, name) for name in ("DEBUG", "INFO", "WARNING", "ERROR")}

MODULES: Mapping[str, Mapping[str, object] | None] = {
    "iotronic_lightningrod": None,
    "iotronic_lightningrod.modules": None,
    "iotronic_lightningrod.modules.plugins": None,
    "iotronic_lightningrod.modules.plugins.Plugin": _BASE,
    "iotronic_lightningrod.modules.plugins.pluginApis": _APIS,
    # as it was named before version 0.4
    "iotronic_lightningrod.plugins": None,
    "iotronic_lightningrod.plugins.Plugin": _BASE,
    "iotronic_lightningrod.plugins.pluginApis": _APIS,
    # IoTronic's template of a plugin logs by it; here its lines go to the plugin's log
    "oslo_log": None,
    "oslo_log.log": {"getLogger": _get_logger, **_OSLO},
}
"""Name of a module to what is in it; ``None`` for a package."""


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds :data:`MODULES`; put last, so that real modules of these names go before."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return how to load one of the modules."""
        if fullname not in MODULES:
            return None
        is_package = MODULES[fullname] is None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module in."""
        vars(module).update(MODULES[module.__name__] or {})


def install(finders: list[Any] | None = None) -> None:
    """Let plugins import :data:`MODULES`.

    :param finders: what imports are found by; the interpreter's unless a test gives its own
    """
    (sys.meta_path if finders is None else finders).append(Finder())


def adapted(worker: type[Plugin], *, plugin: str, called: bool) -> Callable[[Context], object]:
    """Return what runs an IoTronic plugin with a context."""
    return lambda context: run_worker(worker, context, plugin=plugin, called=called)
