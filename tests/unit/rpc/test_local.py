"""RPC over the private socket: both ways, errors as they were, and every wait has an end."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from iotronic_mec import errors, frames
from iotronic_mec.context import Context, system_context
from iotronic_mec.rpc import local
from iotronic_mec.rpc.boards import Boards
from iotronic_mec.rpc.expose import expose
from iotronic_mec.rpc.local import Link, LocalServer, connect
from iotronic_mec.rpc.server import Dispatcher, NoSuchMethod
from tests.fakes.frames import read_frame

SYSTEM = system_context(1e6)
BOARD = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"


class Commands:
    """An endpoint."""

    namespace = "noun"

    @expose
    def double(self, context: Context, *, number: int) -> int:
        """Return twice the number."""
        return number * 2

    @expose
    def whoami(self, context: Context) -> list[Any]:
        """Return who asks."""
        return [context.user, context.is_admin, context.remaining_s() > 0]

    @expose
    def refuse(self, context: Context) -> None:
        """Raise one of ours."""
        raise errors.BadRequest("no", details={"field": "x"})

    @expose
    def crash(self, context: Context) -> None:
        """Raise another one."""
        raise ZeroDivisionError("secret")

    @expose
    def too_much(self, context: Context) -> bytes:
        """Return more than a frame holds."""
        return bytes(frames.MAX_FRAME_BYTES)

    @expose
    def no_message(self, context: Context) -> int:
        """Return what no frame can hold."""
        return 2**100

    def hidden(self, context: Context) -> str:
        """Not exposed."""
        return "secret"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    """Give a listening server."""
    made = LocalServer(tmp_path / "rpc.sock", Dispatcher([Commands()]).answer)
    made.start()
    yield made
    made.stop()
    made._pool.shutdown(wait=True)


@pytest.fixture
def link(server: LocalServer, tmp_path: Path) -> Iterator[Link]:
    """Give a caller's end."""
    made = connect(tmp_path / "rpc.sock", "test")
    yield made
    made.close()


def ask(link: Link, method: str, timeout_s: float = 5.0, **arguments: Any) -> Any:
    """Call a method of the endpoint."""
    return link.call("conductor", "noun", method, arguments, SYSTEM, timeout_s)


def test_call(link: Link) -> None:
    """A call gives the method's answer, with the caller's context."""
    assert ask(link, "double", number=21) == 42
    assert ask(link, "whoami") == ["system", True, True]


def test_many_at_once(link: Link) -> None:
    """Answers of calls made at the same time reach their own callers."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda at: ask(link, "double", number=at), range(100)))

    assert found == [at * 2 for at in range(100)]


def test_error(link: Link) -> None:
    """An error of ours arrives as it was raised."""
    with pytest.raises(errors.BadRequest) as told:
        ask(link, "refuse")

    assert (told.value.message, told.value.details) == ("no", {"field": "x"})


def test_crash_tells_nothing(link: Link) -> None:
    """An error that is not ours arrives as a generic one, without its words."""
    with pytest.raises(errors.Error) as told:
        ask(link, "crash")

    assert told.value.http_status == 500
    assert "secret" not in told.value.message


@pytest.mark.parametrize("method", ["hidden", "nothing", "__init__", "namespace"])
def test_only_exposed_methods(link: Link, method: str) -> None:
    """What is not marked cannot be reached."""
    with pytest.raises(NoSuchMethod):
        ask(link, method)


@pytest.mark.parametrize("method", ["too_much", "no_message"])
def test_answer_that_cannot_be_sent(link: Link, method: str) -> None:
    """An answer no frame can hold is an error at once, not a silence."""
    with pytest.raises(errors.TooLarge):
        ask(link, method)


@pytest.mark.parametrize("number", [2**100, bytes(frames.MAX_FRAME_BYTES)], ids=["int", "size"])
def test_call_that_cannot_be_sent(link: Link, number: Any) -> None:
    """A call no frame can hold is an error at once, and the link serves on."""
    with pytest.raises(errors.TooLarge):
        ask(link, "double", number=number)

    assert ask(link, "double", number=1) == 2


def test_too_many_pending(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call more than may wait is told to come back."""
    monkeypatch.setattr(local, "MAX_PENDING", 0)

    with pytest.raises(errors.Busy):
        ask(link, "double", number=1)


def test_nobody_listens(tmp_path: Path) -> None:
    """Where no conductor listens a caller is told so."""
    with pytest.raises(errors.Unavailable):
        connect(tmp_path / "rpc.sock", "test")


def test_socket_is_private(server: LocalServer, tmp_path: Path) -> None:
    """Nobody but the owner may use the socket."""
    assert os.stat(tmp_path / "rpc.sock").st_mode & 0o777 == 0o600


def test_rubbish_closes_only_its_link(server: LocalServer, link: Link, tmp_path: Path) -> None:
    """A link that sends no frames is closed, the others go on."""
    bad = socket.socket(socket.AF_UNIX)
    bad.settimeout(5)
    bad.connect(str(tmp_path / "rpc.sock"))
    bad.sendall(struct.pack(">I", 2**31))

    assert bad.recv(1) == b""
    assert ask(link, "double", number=2) == 4
    bad.close()


# -- the way back: from the conductor to a wamp agent -------------------------------


class Front:
    """A wamp agent's end, driven by the test."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(5)
        self.socket.connect(str(path))

    def hello(self, server: LocalServer, *topics: str) -> None:
        """Name the topics served, and wait until the conductor knows."""
        self.send({"t": "hello", "name": "front", "topics": list(topics)})
        pause = threading.Event()
        while not set(topics) <= set(server.topics("")):
            pause.wait(0.001)

    def send(self, frame: dict[str, Any]) -> None:
        """Send one frame."""
        frames.write_frame(self.socket, frame)

    def read(self) -> dict[str, Any]:
        """Read one frame."""
        frame = read_frame(self.socket)
        assert frame is not None
        return frame


@pytest.fixture
def front(server: LocalServer, tmp_path: Path) -> Iterator[Front]:
    """Give a wamp agent that serves the topic of ``a``."""
    made = Front(tmp_path / "rpc.sock")
    made.hello(server, "wamp.a")
    yield made
    made.socket.close()


def call_board(server: LocalServer, timeout_s: float = 5.0, agent: str | None = "a") -> Any:
    """Call a board the way features do."""
    return Boards(server).call(SYSTEM, agent, BOARD, "device.echo", {"x": 1}, timeout_s)


def answered(server: LocalServer, front: Front, **answer: Any) -> Any:
    """Call a board while the wamp agent answers so; return result or error."""
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(call_board, server)
        front.send({**answer, "id": front.read()["id"]})
        return call.exception(5) or call.result(5)


def test_board_call(server: LocalServer, front: Front) -> None:
    """The wamp agent gets board, procedure, message and time; its answer comes back."""
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(call_board, server)
        asked = front.read()
        front.send({"t": "answer", "id": asked["id"], "r": {"said": "hi"}})
        found = call.result(5)

    assert found == {"said": "hi"}
    assert (asked["topic"], asked["ns"], asked["m"]) == ("wamp.a", "board", "call")
    assert asked["a"] == {
        "board": BOARD,
        "procedure": "device.echo",
        "message": {"x": 1},
        "timeout_s": 5.0,
    }


@pytest.mark.parametrize(
    "kind",
    [errors.BoardOffline, errors.BoardTimeout, errors.BoardLost, errors.RouterUnavailable],
)
def test_board_errors(server: LocalServer, front: Front, kind: type[errors.Error]) -> None:
    """What the wamp agent says of a failed call arrives as that error."""
    told = answered(server, front, t="error", e=kind("why").to_wire())

    assert type(told) is kind


def test_no_message(server: LocalServer, front: Front) -> None:
    """A board that answers no message has refused."""
    assert isinstance(answered(server, front, t="answer", r=[1]), errors.BoardRefused)


def test_unknown_agent(server: LocalServer) -> None:
    """Without a wamp agent, or before a board's first join, nothing is sent."""
    with pytest.raises(errors.RouterUnavailable):
        call_board(server)
    with pytest.raises(errors.BoardOffline):
        call_board(server, agent=None)


def test_silent_agent(server: LocalServer, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wamp agent that never answers is waited for as long as said, and no longer."""
    monkeypatch.setattr("iotronic_mec.rpc.boards.ANSWER_MARGIN_S", 0.0)

    with pytest.raises(errors.BoardTimeout):
        call_board(server, timeout_s=0.05)


def test_agent_that_goes(server: LocalServer, front: Front) -> None:
    """When the wamp agent's link breaks every call on it fails at once."""
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(call_board, server)
        front.read()
        front.socket.shutdown(socket.SHUT_RDWR)
        told = call.exception(5)

    assert type(told) is errors.Unavailable


def test_agent_that_reads_nothing(
    server: LocalServer, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wamp agent that takes no more bytes does not hold its callers for ever."""
    found = server.find("wamp.a")
    assert found is not None
    limit = struct.pack("@ll", 0, 50_000)
    found._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    message = {"b": bytes(900_000)}

    with pytest.raises(errors.Unavailable):
        Boards(server).call(SYSTEM, "a", BOARD, "device.echo", message, 5.0)


@pytest.fixture
def line(server: LocalServer, front: Front, tmp_path: Path) -> Iterator[Front]:
    """Give a line beside the wamp agent's link."""
    made = Front(tmp_path / "rpc.sock")
    made.send({"t": "hello", "name": "front", "topics": ["wamp.a"], "line": True})
    owner = server.find("wamp.a")
    assert owner is not None
    pause = threading.Event()
    while not owner._lines:
        pause.wait(0.001)
    yield made
    made.socket.close()


def test_line(server: LocalServer, front: Front, line: Front) -> None:
    """A call goes over the line, again and again; a second one meanwhile over the link."""
    with ThreadPoolExecutor(2) as pool:
        for said in ("a", "b"):
            first = pool.submit(call_board, server)
            asked = line.read()
            second = pool.submit(call_board, server)
            front.send({"t": "answer", "id": front.read()["id"], "r": {"on": "link"}})
            assert second.result(5) == {"on": "link"}
            line.send({"t": "answer", "id": asked["id"], "r": {"said": said}})
            assert first.result(5) == {"said": said}


def test_line_error(server: LocalServer, front: Front, line: Front) -> None:
    """An error comes over a line as over the link, and the line serves on."""
    assert type(answered(server, line, t="error", e=errors.BoardLost("x").to_wire())) is (
        errors.BoardLost
    )
    assert answered(server, line, t="answer", r={"a": 1}) == {"a": 1}


def test_silent_line(
    server: LocalServer, front: Front, line: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that is silent is left after the limit: its late answer is nobody's."""
    monkeypatch.setattr("iotronic_mec.rpc.boards.ANSWER_MARGIN_S", 0.0)

    with pytest.raises(errors.BoardTimeout):
        call_board(server, timeout_s=0.05)

    assert answered(server, front, t="answer", r={"on": "link"}) == {"on": "link"}


def test_line_that_goes(server: LocalServer, front: Front, line: Front) -> None:
    """When a line breaks its call fails at once, and the next one takes the link."""
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(call_board, server)
        line.read()
        line.socket.shutdown(socket.SHUT_RDWR)
        told = call.exception(5)

    assert type(told) is errors.Unavailable
    assert answered(server, front, t="answer", r={"on": "link"}) == {"on": "link"}


def test_lines_end_with_their_link(server: LocalServer, front: Front, line: Front) -> None:
    """A wamp agent that goes leaves no line behind."""
    front.socket.shutdown(socket.SHUT_RDWR)

    assert line.socket.recv(1) == b""


def test_line_of_nobody(server: LocalServer, tmp_path: Path) -> None:
    """A line without a link is closed."""
    made = Front(tmp_path / "rpc.sock")
    made.send({"t": "hello", "name": "front", "topics": ["wamp.b"], "line": True})

    assert made.socket.recv(1) == b""
    made.socket.close()


def test_newest_link_wins(server: LocalServer, front: Front, tmp_path: Path) -> None:
    """A wamp agent that connects again is called over its new link."""
    again = Front(tmp_path / "rpc.sock")
    again.send({"t": "hello", "name": "front", "topics": ["wamp.a"]})
    again.send({"t": "call", "id": 1, "ns": "noun", "m": "double", "a": {"number": 1}})
    assert again.read()["r"] == 2

    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(call_board, server)
        again.send({"t": "answer", "id": again.read()["id"], "r": {"new": True}})
        found = call.result(5)

    again.socket.close()
    assert found == {"new": True}


def test_late_answer_is_dropped(server: LocalServer, front: Front) -> None:
    """An answer nobody waits for changes nothing."""
    front.send({"t": "answer", "id": 999, "r": {}})

    assert answered(server, front, t="answer", r={"a": 1}) == {"a": 1}


def test_cast(server: LocalServer, front: Front) -> None:
    """A cast is run and never answered."""
    front.send({"t": "cast", "id": 1, "ns": "noun", "m": "double", "a": {"number": 1}})
    front.send({"t": "call", "id": 2, "ns": "noun", "m": "double", "a": {"number": 4}})

    assert front.read() == {"t": "answer", "id": 2, "r": 8}


@pytest.mark.parametrize("context", ["text", [1], {"remaining_s": "soon"}, {"idempotency": "x"}])
def test_a_context_that_is_none(context: Any) -> None:
    """A call whose context cannot be read is answered with an error, like any other."""
    frame = {"t": "call", "id": 5, "ns": "noun", "m": "double", "a": {"number": 1}, "c": context}

    answer = Dispatcher([Commands()]).answer(frame)

    assert (answer["t"], answer["id"]) == ("error", 5)
    assert answer["e"]["code"] == "iot.internal"
