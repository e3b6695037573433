"""The inner side: runs inside the sandbox, takes one order, runs the tenant's code, answers.

Standard library and :mod:`lightning_agent.sandbox.channel` only, until tenant code asks for more.
Limits are set before a byte of tenant code is read.  Nothing here is a barrier: tenant code shares
this process; what confines it is outside.

The order: ``{"entry", "plugin", "mode": "call"|"start", "parameters", "limits": {…},
"packages": [paths], "cameras": {name: descriptor or reason}}``.
"""

from __future__ import annotations

import io
import json
import logging
import os
import resource
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from lightning_agent.sandbox import api, hardening, upstream
from lightning_agent.sandbox.channel import MAX_RESULT_BYTES, Channel, MessageRefused, dump
from lightning_agent.sandbox.profile import BUNDLE_PATH, WORK_PATH

MAX_LINE_LETTERS = 4096
"""Letters of one line of the log; the rest is cut."""

MAX_TRACEBACK_LETTERS = 16 * 1024
"""Letters of a traceback; the middle is cut."""

WRITABLE = (WORK_PATH, "/tmp", "/dev/shm")  # noqa: S108 - inside, the tenant's own
"""Folders inside that can be written."""

_MAX_DESCRIPTOR = 4096


class LogStream(io.TextIOBase):
    """Text stream that sends complete lines over the channel, in order with all other logs."""

    def __init__(self, channel: Channel, name: str) -> None:
        self._channel = channel
        self._name = name
        self._rest = ""
        self._lock = threading.Lock()

    def writable(self) -> bool:
        """Return true: the stream exists to be written to."""
        return True

    def write(self, text: str) -> int:
        """Send the lines that ``text`` completes."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            if len(self._rest) > MAX_LINE_LETTERS:
                lines.append(self._rest)
                self._rest = ""
            self._send(lines)
        return len(text)

    def finish(self) -> None:
        """Send what is left of an unfinished line."""
        with self._lock:
            lines, self._rest = ([self._rest] if self._rest else []), ""
            self._send(lines)

    def _send(self, lines: list[str]) -> None:
        for start in range(0, len(lines), 64):
            cut = [_clean(line)[:MAX_LINE_LETTERS] for line in lines[start : start + 64]]
            self._channel.send({"t": "log", "s": self._name, "x": cut})


def _clean(text: str) -> str:
    return text.encode(errors="replace").decode()


class Runner:
    """Runs one order of one plugin.

    What is the same for all is made first, so that a warm sandbox leaves it to its forks.

    :param channel: to the supervisor
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._streams = {name: LogStream(channel, name) for name in ("stdout", "stderr", "log")}
        self._mode = ""
        logging.basicConfig(
            stream=self._streams["log"], level=logging.INFO, format="%(levelname)s %(message)s"
        )
        sys.modules["lightning_plugin"] = api
        upstream.install()
        sys.path.insert(0, BUNDLE_PATH)

    def announce(self) -> None:
        """Say that the sandbox stands, in the process that will run the order."""
        sys.stdout = self._streams["stdout"]
        sys.stderr = self._streams["stderr"]
        self._channel.send({"t": "ready"})

    def run(self, order: dict[str, Any], *, listens: bool = True) -> int:
        """Run the tenant's code, send its result or its error, and return the exit code.

        :param listens: hear of a stop, and of the supervisor's end; a fork for one call is
            killed in both cases, and saves a thread
        """
        self._mode = order["mode"]
        context = api.Context(
            parameters=order["parameters"],
            path=Path(BUNDLE_PATH),
            work=Path(WORK_PATH),
            cameras={name: _camera(found) for name, found in order["cameras"].items()},
            send_log=lambda text: self._log(text),
            send_report=lambda value: self._channel.send({"t": "report", "v": value}),
        )
        if listens:
            threading.Thread(target=self._listen, args=(context,), daemon=True).start()
        try:
            called = self._mode == "call"
            work = load(order["entry"], plugin=order["plugin"], called=called)
            answer = {"t": "result", "v": work(context)}
            size_bytes = len(dump(answer["v"]))
            if size_bytes > MAX_RESULT_BYTES:
                text = f"the result has {size_bytes} bytes, at most {MAX_RESULT_BYTES} are allowed"
                answer = {"t": "error", "code": "result_too_large", "message": text}
        except MessageRefused as error:
            answer = _error("ResultNotJson", f"the result is {error}", "")
        except BaseException as error:  # whatever tenant code raises is its answer
            answer = describe(error)
        self._finish(answer)
        return 0 if answer["t"] == "result" else 1

    def _finish(self, answer: dict[str, object]) -> None:
        for stream in self._streams.values():
            stream.finish()
        if answer["t"] == "error" and self._mode == "start":
            lines = str(answer.get("traceback") or answer["message"])
            self._streams["stderr"].write(lines.rstrip("\n") + "\n")
        self._channel.send(answer)

    def _listen(self, context: api.Context) -> None:
        while (message := self._channel.receive()) is not None:
            if message.get("t") == "stop":
                context.stopping.set()
        # The supervisor is gone; bubblewrap does not notice if that was while it started.
        os._exit(1)

    def _log(self, text: str) -> None:
        self._streams["log"].write(text.rstrip("\n") + "\n")


def load(entry: str, *, plugin: str, called: bool) -> Callable[[api.Context], object]:
    """Run the tenant's file ``entry`` as a module and return what is to be called.

    ``main(context, **parameters)`` is preferred to a class derived from ``Plugin``, ours or
    IoTronic's.  Made by hand: the importer's own search costs as much as all else before the
    first line.
    """
    name, path = entry.removesuffix(".py"), f"{BUNDLE_PATH}/{entry}"
    loader = SourceFileLoader(name, path)
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, loader, origin=path)
    module.__loader__, module.__file__ = loader, path
    sys.modules[name] = module
    loader.exec_module(module)
    main = getattr(module, "main", None)
    if callable(main):
        return lambda context: main(context, **context.parameters)
    made = _find_class(module, entry)
    if issubclass(made, upstream.Plugin):
        return upstream.adapted(made, plugin=plugin, called=called)
    return lambda context: made(context).run(**context.parameters)


def _find_class(module: Any, entry: str) -> type[api.Plugin] | type[upstream.Plugin]:
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, api.Plugin | upstream.Plugin)
        and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        needs = "def main(context, **parameters) or one class derived from Plugin"
        raise TypeError(f"{entry} must have {needs}; it has {len(found)} such classes and no main")
    return found[0]


def describe(error: BaseException) -> dict[str, object]:
    """Return the message that tells the caller about ``error``, with the tenant's own frames."""
    summary = traceback.TracebackException.from_exception(error, compact=True)
    _keep_tenant_frames(summary)
    text = "".join(summary.format())
    if len(text) > MAX_TRACEBACK_LETTERS:
        half = MAX_TRACEBACK_LETTERS // 2
        text = f"{text[:half]}\n…\n{text[-half:]}"
    return _error(type(error).__name__, _message_of(error), text)


def _message_of(error: BaseException) -> str:
    last = traceback.format_exception_only(type(error), error)[-1].strip()
    return last[:1000]


def _error(kind: str, message: str, text: str) -> dict[str, object]:
    return {
        "t": "error",
        "code": "plugin_failed",
        "message": _clean(message),
        "type": _clean(kind)[:100],
        "traceback": _clean(text),
    }


def _keep_tenant_frames(summary: traceback.TracebackException) -> None:
    todo = [summary]
    while todo:
        part = todo.pop()
        part.stack = traceback.StackSummary.from_list(
            [
                traceback.FrameSummary(
                    frame.filename.removeprefix(f"{BUNDLE_PATH}/"),
                    frame.lineno,
                    frame.name,
                    line=frame.line,
                )
                for frame in part.stack
                if frame.filename.startswith(f"{BUNDLE_PATH}/")
            ]
        )
        below = [part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or [])]
        todo += [inner for inner in below if inner is not None]


def _camera(found: object) -> socket.socket | str:
    return socket.socket(fileno=found) if isinstance(found, int) else str(found)


def confine(limits: dict[str, int | None]) -> None:
    """Set this process's hard resource limits, which all its children inherit."""
    settings = {
        resource.RLIMIT_AS: limits["memory_bytes"],
        resource.RLIMIT_CPU: limits["cpu_s"],
        resource.RLIMIT_FSIZE: limits["file_bytes"],
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_NPROC: limits["processes"],
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in settings.items():
        if limit is not None:
            resource.setrlimit(kind, (limit, limit))


def close_others(kept: set[int]) -> None:
    """Close every descriptor but the standard three and ``kept``."""
    low = 3
    for descriptor in sorted(kept):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, _MAX_DESCRIPTOR)


def main(arguments: list[str]) -> None:
    """Take one order and run it.

    :param arguments: descriptor of the channel, descriptors of the cameras as a JSON list
    """
    number = int(arguments[0])
    close_others({number, *json.loads(arguments[1])})
    channel = Channel(socket.socket(fileno=number))
    order = channel.receive()
    if order is None:
        return
    hardening.give_up_privileges()
    hardening.restrict_files(WRITABLE)
    confine(order["limits"])  # type: ignore[arg-type]
    sys.path += order["packages"]  # type: ignore[arg-type]
    # Threads and exit handlers of the tenant get no say after the answer.
    runner = Runner(channel)
    runner.announce()
    os._exit(runner.run(order))
