"""The supervisor's socket: clients, requests, answers, events.

One message per frame (:mod:`lightning_agent.supervisor.frames`): ``{"id", "m", "a"}`` is answered
by ``{"id", "r"}`` or ``{"id", "e": {"code", "message", "details"}}``; ``{"event", …}`` goes to
every client.  Only this user can connect (mode 0600 in a 0700 folder).
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from concurrent.futures import Future

from lightning_agent.clock import Clock, to_wire
from lightning_agent.errors import (
    BadRequest,
    Busy,
    Error,
    PluginFailed,
    ProtocolMismatch,
    UnknownMethod,
)
from lightning_agent.sandbox.probe import Findings, probe
from lightning_agent.sandbox.runner import Answer
from lightning_agent.supervisor import requests
from lightning_agent.supervisor.children import Children, Ended
from lightning_agent.supervisor.frames import Unpacker, pack
from lightning_agent.supervisor.logs import Logs
from lightning_agent.supervisor.loop import Loop
from lightning_agent.supervisor.plugins import PluginStore
from lightning_agent.supervisor.requests import Arguments

LOG = logging.getLogger(__name__)

PROTOCOL = 1
"""Version of the socket's protocol; a client that says another one is refused."""

VERSION = "3"
"""Version of the supervisor, told to clients; it changes with its abilities."""

MAX_CLIENTS = 16
"""Connections at a time."""

MAX_OUTGOING_BYTES = 32 * 1024 * 1024
"""Bytes that may wait for one client; beyond, it is dropped as stuck."""

MAX_WAIT_S = 60.0
"""Delay of the stop that a kill makes superfluous."""

_SHUTDOWN_S = 8.0
_POLL_S = 0.02


class Client:
    """One connection."""

    def __init__(self, loop: Loop, connection: socket.socket, gone: Callable[[Client], None]):
        connection.setblocking(False)
        self.unpacker = Unpacker()
        self.calls: dict[int, Callable[[], None]] = {}
        """What kills the calls that this client waits for."""
        self._loop = loop
        self._connection = connection
        self._gone = gone
        self._outgoing = bytearray()

    def watch(self, on_readable: Callable[[], None]) -> None:
        """Begin to listen to the client."""
        self._on_readable = on_readable
        self._loop.watch(self._connection.fileno(), on_readable)

    def receive(self) -> bytes | None:
        """Return what came, or ``None`` if nothing did; closes when the client is gone."""
        try:
            received = self._connection.recv(65536)
        except BlockingIOError:
            return None
        except OSError:
            received = b""
        if not received:
            self.close()
            return None
        return received

    def send(self, message: dict[str, object]) -> None:
        """Queue ``message``; a client that is gone or stuck is dropped."""
        if self._connection.fileno() < 0:
            return
        self._outgoing += pack(message)
        self._flush()
        if len(self._outgoing) > MAX_OUTGOING_BYTES:
            LOG.warning("a client takes nothing; its connection is closed")
            self.close()

    def close(self) -> None:
        """Close the connection and say so."""
        if self._connection.fileno() >= 0:
            self._loop.unwatch(self._connection.fileno())
            self._connection.close()
            self._gone(self)

    def _flush(self) -> None:
        try:
            del self._outgoing[: self._connection.send(self._outgoing)]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        on_writable = self._flush if self._outgoing else None
        self._loop.watch(self._connection.fileno(), self._on_readable, on_writable)


class Reply:
    """The one answer to one request."""

    def __init__(self, client: Client, number: int) -> None:
        self.client = client
        self.number = number

    def result(self, result: dict[str, object]) -> None:
        """Answer with ``result``."""
        try:
            self.client.send({"id": self.number, "r": result})
        except BadRequest as error:
            self.error(PluginFailed(f"the result cannot be sent: {error.message}"))

    def error(self, error: Error) -> None:
        """Answer with ``error``."""
        self.client.send({"id": self.number, "e": error.to_wire()})

    def future(self, future: Future[dict[str, object]]) -> None:
        """Answer with what the worker thread returned or raised."""
        failure = future.exception()
        if failure is None:
            self.result(future.result())
        elif isinstance(failure, Error):
            self.error(failure)
        else:
            LOG.error("work of the supervisor failed", exc_info=failure)
            self.error(Error("the supervisor made a mistake; see its log"))


class Server:
    """Serves the supervisor's methods on ``listener``; loop's thread only.

    :param tag: marks the sandboxes of this supervisor
    """

    def __init__(
        self,
        loop: Loop,
        listener: socket.socket,
        *,
        store: PluginStore,
        children: Children,
        logs: Logs,
        clock: Clock,
        tag: str,
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._store = store
        self._children = children
        self._logs = logs
        self._clients: list[Client] = []
        self._findings: Findings | None = None
        self._tag = tag
        self._started_at = to_wire(clock.now())
        self._closing = False
        self._methods: dict[str, Callable[[Arguments, Reply], None]] = {
            "hello": self._hello,
            "probe": self._probe,
            "install": self._install,
            "uninstall": self._uninstall,
            "installed": self._installed,
            "call": self._call,
            "start": self._start,
            "stop": self._stop,
            "end": self._end,
            "lease": self._lease,
            "status": self._status,
            "running": self._running,
            "warm": self._warm,
            "logs": self._read_logs,
            "shutdown": self._shut_down,
        }
        loop.watch(listener.fileno(), self._accept)

    def use(self, findings: Findings) -> None:
        """Work at the level that the probe found."""
        self._findings = findings
        self._children.use(findings, self._tag)

    def tell_exit(self, ended: Ended) -> None:
        """Tell every client that a started plugin ended."""
        for client in list(self._clients):
            client.send(ended.to_event())

    def begin_shutdown(self) -> None:
        """Stop all plugins, then the loop; at most a few seconds later."""
        if self._closing:
            return
        self._closing = True
        self._children.shutdown()
        self._loop.later(_SHUTDOWN_S, self._loop.stop)
        self._stop_when_idle()

    def _stop_when_idle(self) -> None:
        if self._children.is_idle:
            self._loop.stop()
        else:
            self._loop.later(_POLL_S, self._stop_when_idle)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return  # it gave up in the meantime, or no descriptor is left
        if len(self._clients) >= MAX_CLIENTS:
            connection.close()
            return
        client = Client(self._loop, connection, self._forget)
        self._clients.append(client)
        client.watch(lambda: self._read(client))

    def _forget(self, client: Client) -> None:
        self._clients.remove(client)
        for kill in client.calls.values():
            kill()

    def _read(self, client: Client) -> None:
        received = client.receive()
        if received is None:
            return
        try:
            messages = client.unpacker.feed(received)
        except BadRequest as error:
            LOG.warning("a client sent what is no message: %s", error.message)
            client.close()
            return
        for message in messages:
            self._dispatch(client, message)

    def _dispatch(self, client: Client, message: dict[str, object]) -> None:
        number, name, arguments = message.get("id"), message.get("m"), message.get("a") or {}
        if not isinstance(number, int):
            client.close()
            return
        reply = Reply(client, number)
        method = self._methods.get(name) if isinstance(name, str) else None
        try:
            if method is None:
                raise UnknownMethod(f"the supervisor has no method {name!r}")
            if not isinstance(arguments, dict):
                raise BadRequest("arguments must be a map")
            if self._closing:
                raise Busy("the supervisor is shutting down")
            method(arguments, reply)
        except Error as error:
            reply.error(error)
        except OSError as error:
            LOG.warning("%s failed: %s", name, error)
            reply.error(Error(f"{name} failed: {error}"))
        except BaseException:
            reply.error(Error("the supervisor made a mistake; see its log"))
            raise

    def _hello(self, arguments: Arguments, reply: Reply) -> None:
        if arguments.get("protocol", PROTOCOL) != PROTOCOL:
            raise ProtocolMismatch(f"this supervisor speaks protocol {PROTOCOL}")
        findings = self._findings
        reply.result(
            {
                "pid": os.getpid(),
                "version": VERSION,
                "protocol": PROTOCOL,
                "level": findings.level if findings else "refuse",
                "reasons": findings.reasons if findings else [],
                "started_at": self._started_at,
            }
        )

    def _probe(self, _: Arguments, reply: Reply) -> None:
        def work() -> dict[str, object]:
            findings = probe(landlock=not self._findings or self._findings.landlock)
            self._loop.from_thread(lambda: self.use(findings))
            checks = [check.to_wire() for check in findings.checks]
            return {"level": findings.level, "checks": checks}

        self._loop.in_thread(work, reply.future)

    def _install(self, arguments: Arguments, reply: Reply) -> None:
        request = requests.parse_install(arguments)
        used = self._children.used_digests(request.plugin)

        def work() -> dict[str, object]:
            self._store.install(
                request.plugin, request.digest, request.path, request.bundle_format, used
            )
            return {"installed": True}

        self._loop.in_thread(work, reply.future)

    def _uninstall(self, arguments: Arguments, reply: Reply) -> None:
        plugin = requests.parse_plugin(arguments)
        self._children.end_plugin(plugin)

        def work() -> dict[str, object]:
            return {"removed": self._store.uninstall(plugin)}

        def remove_when_ended() -> None:
            if self._children.is_at_work(plugin):
                self._loop.later(_POLL_S, remove_when_ended)
            else:
                self._logs.remove(plugin)
                self._loop.in_thread(work, reply.future)

        remove_when_ended()

    def _installed(self, _: Arguments, reply: Reply) -> None:
        reply.result({"plugins": self._store.list_installed()})

    def _call(self, arguments: Arguments, reply: Reply) -> None:
        calls = reply.client.calls

        def done(answer: Answer, lines: list[str]) -> None:
            calls.pop(reply.number, None)
            if answer.error is not None:
                answer.error.details["logs"] = lines
                reply.error(answer.error)
            else:
                reply.result({"result": answer.value, "logs": lines})

        calls[reply.number] = self._children.call(requests.parse_call(arguments), done)

    def _start(self, arguments: Arguments, reply: Reply) -> None:
        reply.result(self._children.start(requests.parse_start(arguments)))

    def _stop(self, arguments: Arguments, reply: Reply) -> None:
        plugin = requests.parse_plugin(arguments)
        delay_s = requests.number(
            arguments, "delay_s", low=0.0, high=requests.MAX_DELAY_S, default=0.0
        )
        self._children.stop(plugin, delay_s, lambda stopped: reply.result({"stopped": stopped}))

    def _end(self, arguments: Arguments, reply: Reply) -> None:
        """Kill a started plugin, with a cause of the agent's."""
        plugin = requests.parse_plugin(arguments)
        cause = str(arguments.get("cause") or "ended")[:64]
        self._children.stop(plugin, MAX_WAIT_S, lambda ran: reply.result({"stopped": ran}))
        self._children.end_started(plugin, cause)

    def _lease(self, arguments: Arguments, reply: Reply) -> None:
        """Hold a started plugin to another lease, or to none any more."""
        plugin, lease = requests.parse_plugin(arguments), requests.parse_lease(arguments)
        runs = self._children.status(plugin)["alive"]
        if lease is None:
            self._children.leases.forget(plugin)
        elif runs:
            self._children.leases.hold(plugin, lease)
        else:
            self._children.leases.learn(lease)
        reply.result({"held": bool(runs and lease is not None)})

    def _status(self, arguments: Arguments, reply: Reply) -> None:
        reply.result(self._children.status(requests.parse_plugin(arguments)))

    def _running(self, _: Arguments, reply: Reply) -> None:
        reply.result({"plugins": self._children.running()})

    def _warm(self, _: Arguments, reply: Reply) -> None:
        """Tell which processes are warm sandboxes, which calls are forked from."""
        reply.result({"pids": list(self._children.zygotes.pids)})

    def _read_logs(self, arguments: Arguments, reply: Reply) -> None:
        log = self._logs.of(requests.parse_plugin(arguments))
        count = requests.number(arguments, "lines", low=1, high=requests.MAX_LINES, default=100)
        if "after" not in arguments:
            reply.result({"lines": log.tail(int(count)), "dropped": log.dropped})
            return
        if arguments["after"] is None:
            part = log.read_newest(int(count))
        else:
            after = requests.number(arguments, "after", low=0, high=requests.MAX_AFTER)
            part = log.read_after(int(after), int(count))
        reply.result(
            {
                "lines": part.lines,
                "dropped": log.dropped,
                "after": part.after,
                "missed": part.missed,
            }
        )

    def _shut_down(self, _: Arguments, reply: Reply) -> None:
        reply.result({})
        self.begin_shutdown()
