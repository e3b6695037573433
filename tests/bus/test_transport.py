"""RPC over RabbitMQ: answers, errors as data, limits, bounds, and what goes missing."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from amqp.channel import Channel
from oslo_messaging._drivers import impl_rabbit
from sqlalchemy.sql import quoted_name

from iotronic_mec import errors
from iotronic_mec.context import Context, Idempotency, system_context
from iotronic_mec.features.board.model import BoardNotFound
from iotronic_mec.rpc import transport as transport_module
from iotronic_mec.rpc.boards import Boards
from iotronic_mec.rpc.bus import BusAgents, BusConductor
from iotronic_mec.rpc.expose import expose
from iotronic_mec.rpc.server import Dispatcher, NoSuchMethod
from iotronic_mec.rpc.transport import CONDUCTOR, WAMP, BadTransport, Transport
from tests.bus.conftest import Serve
from tests.fakes.broker import HOST, Proxy, private_conf

pytestmark = pytest.mark.filterwarnings(
    # kombu leaves the sockets of connections that broke to the garbage collector
    "ignore::pytest.PytestUnraisableExceptionWarning"
)

AGENT = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
OTHER = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
BOARD = "cccccccc-cccc-4ccc-8ccc-cccccccccccc"


class Commands:
    """Exposed methods that show what arrives."""

    namespace = "thing"

    def __init__(self) -> None:
        self.seen: list[Context] = []

    @expose
    def echo(self, context: Context, *, method: str, ctxt: int) -> dict[str, Any]:
        """Return the arguments; their names are those of oslo's own parameters."""
        self.seen.append(context)
        return {"method": method, "ctxt": ctxt}

    @expose
    def missing(self, context: Context) -> None:
        """Raise an error of a feature."""
        raise BoardNotFound("there is no board x", details={"board": "x"})

    @expose
    def broken(self, context: Context) -> None:
        """Raise what is no error of ours."""
        raise ZeroDivisionError("a secret")

    def hidden(self, context: Context) -> None:
        """Must not be reached."""
        raise AssertionError("reached")


def context(seconds: float = 10.0) -> Context:
    """Return a member's context with every field set."""
    return Context(
        user="u",
        user_name="name",
        project="p",
        roles=("member",),
        request_id="req-1",
        idempotency=Idempotency(key="k", route="POST /x"),
    ).with_timeout(seconds)


@pytest.fixture
def conductor(transport: Transport) -> BusConductor:
    """Return the caller's side."""
    return BusConductor(transport)


def test_a_call_comes_back_and_the_context_arrives(serve: Serve, conductor: BusConductor) -> None:
    """Arguments, result and identity are what they were; the time is what remains."""
    commands = Commands()
    serve(CONDUCTOR, "one", Dispatcher([commands]).answer)

    answer = conductor.call(context(8.0), "thing", "echo", method="é", ctxt=2**40)

    assert answer == {"method": "é", "ctxt": 2**40}
    (seen,) = commands.seen
    given = context(8.0)
    assert (seen.user, seen.project, seen.roles) == (given.user, given.project, given.roles)
    assert seen.idempotency == given.idempotency
    assert seen.request_id == "req-1"
    assert 5.0 < seen.remaining_s() < 8.0


def test_errors_are_our_classes(serve: Serve, conductor: BusConductor) -> None:
    """Code, status and details survive; what is not ours becomes a generic error."""
    serve(CONDUCTOR, "one", Dispatcher([Commands()]).answer)

    with pytest.raises(BoardNotFound, match="no board x") as found:
        conductor.call(context(), "thing", "missing")
    with pytest.raises(errors.Error) as broken:
        conductor.call(context(), "thing", "broken")
    with pytest.raises(NoSuchMethod):
        conductor.call(context(), "thing", "hidden")

    assert found.value.http_status == 404
    assert found.value.details == {"board": "x"}
    assert type(broken.value) is errors.Error
    assert "secret" not in broken.value.message


def test_nobody_there_fails_at_once(conductor: BusConductor) -> None:
    """Without a conductor a call of ten seconds ends within one."""
    since = time.monotonic()

    with pytest.raises(errors.Unavailable, match="no process serves"):
        conductor.call(context(10.0), "thing", "echo", method="", ctxt=1)

    assert time.monotonic() - since < 5.0


def test_a_slow_answer_is_not_waited_for(
    serve: Serve, conductor: BusConductor, gate: threading.Event
) -> None:
    """The caller's limit ends the wait with our error."""
    serve(CONDUCTOR, "one", lambda frame: {"r": gate.wait(30)})

    with pytest.raises(errors.DeadlineExceeded):
        conductor.call(context(0.5), "thing", "echo")


def test_a_long_call_lives_by_signs_of_life(
    serve: Serve, conductor: BusConductor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call longer than the time of silence is answered, since the server gives signs."""
    monkeypatch.setattr(transport_module, "SIGN_OF_LIFE_S", 2)
    monkeypatch.setattr("iotronic_mec.rpc.listener.SIGN_OF_LIFE_S", 2)
    serve(CONDUCTOR, "one", lambda frame: {"r": threading.Event().wait(5)})

    assert conductor.call(context(20.0), "thing", "echo") is False


def test_a_silent_server_is_noticed(
    serve: Serve,
    conductor: BusConductor,
    monkeypatch: pytest.MonkeyPatch,
    gate: threading.Event,
) -> None:
    """Whoever took the call and gives no sign is given up long before the limit."""
    monkeypatch.setattr(transport_module, "SIGN_OF_LIFE_S", 2)
    serve(CONDUCTOR, "one", lambda frame: {"r": gate.wait(30)})
    since = time.monotonic()

    with pytest.raises(errors.Unavailable, match="silent"):
        conductor.call(context(30.0), "thing", "echo")

    assert time.monotonic() - since < 10.0


def test_the_time_spent_waiting_for_a_thread_counts(
    serve: Serve, conductor: BusConductor, gate: threading.Event
) -> None:
    """A call whose time went while it waited for its turn is never run."""
    ran: list[str] = []

    def answer(frame: dict[str, Any]) -> dict[str, Any]:
        ran.append(frame["m"])
        gate.wait(30)
        return {"r": None}

    listener = serve(CONDUCTOR, "one", answer, workers=1)
    first = threading.Thread(target=_outcome, args=(conductor, 20.0, "first"))
    first.start()
    while ran != ["first"]:
        threading.Event().wait(0.01)
    with pytest.raises(errors.DeadlineExceeded):
        conductor.call(context(0.5), "thing", "second")
    gate.set()
    first.join(20)

    assert listener.stop(10.0)
    assert ran == ["first"]


def test_too_many_calls_are_busy(
    serve: Serve, conductor: BusConductor, gate: threading.Event
) -> None:
    """One call more than the bound is refused at once, the others are answered."""
    held = threading.Event()

    def answer(frame: dict[str, Any]) -> dict[str, Any]:
        held.set()
        gate.wait(30)
        return {"r": "done"}

    serve(CONDUCTOR, "one", answer, workers=1, max_waiting=1)
    told: list[Any] = []
    first = threading.Thread(target=lambda: told.append(_outcome(conductor, 20.0, "first")))
    first.start()
    assert held.wait(10)

    with pytest.raises(errors.Busy):
        conductor.call(context(5.0), "thing", "second")
    gate.set()
    first.join(20)

    assert told == ["done"]


def test_a_stopped_server_drains(
    serve: Serve, conductor: BusConductor, gate: threading.Event
) -> None:
    """A call under way is answered after the stop; a later one finds nobody."""
    held = threading.Event()

    def answer(frame: dict[str, Any]) -> dict[str, Any]:
        held.set()
        return {"r": gate.wait(30)}

    listener = serve(CONDUCTOR, "one", answer)
    told: list[Any] = []
    first = threading.Thread(target=lambda: told.append(_outcome(conductor, 20.0, "first")))
    first.start()
    assert held.wait(10)
    ended: list[bool] = []
    stopping = threading.Thread(target=lambda: ended.append(listener.stop(15.0)))
    stopping.start()
    gate.set()
    stopping.join(20)
    first.join(20)

    assert ended == [True]
    assert told == [True]


def test_one_of_two_conductors_takes_a_call(serve: Serve, conductor: BusConductor) -> None:
    """Calls are shared out, and when one has stopped the other takes all."""
    first = serve(CONDUCTOR, "one", lambda frame: {"r": "one"})
    serve(CONDUCTOR, "two", lambda frame: {"r": "two"})

    shared = {conductor.call(context(), "thing", "echo") for _ in range(10)}
    first.stop(5.0)
    after = {conductor.call(context(), "thing", "echo") for _ in range(10)}

    assert shared == {"one", "two"}
    assert after == {"two"}


def test_the_wamp_agent_named_is_called(serve: Serve, transport: Transport) -> None:
    """A board's call reaches its own wamp agent only; one that is not there is told apart."""
    serve(WAMP, AGENT, lambda frame: {"r": {"agent": AGENT, **frame["a"]}})
    serve(WAMP, OTHER, lambda frame: {"r": {"agent": OTHER}})
    boards = Boards(BusAgents(transport))

    answer = boards.call(context(), AGENT, BOARD, "device.echo", {"say": "x"}, 5.0)

    assert answer["agent"] == AGENT
    assert answer["procedure"] == "device.echo"
    with pytest.raises(errors.RouterUnavailable):
        boards.call(context(), BOARD, BOARD, "device.echo", {}, 5.0)


def test_a_silent_board_is_a_board_timeout(
    serve: Serve,
    transport: Transport,
    gate: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bus's time-out is told as the board's."""
    monkeypatch.setattr("iotronic_mec.rpc.boards.ANSWER_MARGIN_S", 0.0)
    serve(WAMP, AGENT, lambda frame: {"r": gate.wait(30)})

    with pytest.raises(errors.BoardTimeout):
        Boards(BusAgents(transport)).call(context(), AGENT, BOARD, "device.echo", {}, 0.5)


def test_all_are_told(serve: Serve, transport: Transport) -> None:
    """A fan-out reaches every wamp agent."""
    told: list[tuple[str, Any]] = []
    both = threading.Semaphore(0)

    def taker(name: str) -> Any:
        def take(frame: dict[str, Any]) -> dict[str, Any]:
            told.append((name, frame["a"]))
            both.release()
            return {"r": None}

        return take

    serve(WAMP, AGENT, taker("one"))
    serve(WAMP, OTHER, taker("two"))

    Boards(BusAgents(transport)).tell_all(system_context(), "remove", board=BOARD)

    assert both.acquire(timeout=10)
    assert both.acquire(timeout=10)
    assert sorted(told) == [("one", {"board": BOARD}), ("two", {"board": BOARD})]


def test_what_is_too_large_is_refused(serve: Serve, conductor: BusConductor) -> None:
    """Arguments and answers over the limit are TooLarge on both ways."""
    serve(CONDUCTOR, "one", lambda frame: {"r": "x" * 2_000_000})

    with pytest.raises(errors.TooLarge):
        conductor.call(context(), "thing", "echo", value="x" * 2_000_000)
    with pytest.raises(errors.TooLarge):
        conductor.call(context(), "thing", "echo")
    with pytest.raises(errors.TooLarge, match="bytes"):
        conductor.call(context(), "thing", "echo", value=b"no JSON")


def test_rows_of_the_database_fit(serve: Serve, conductor: BusConductor) -> None:
    """A row's keys are a kind of text of SQLAlchemy's own; they arrive as text."""
    serve(CONDUCTOR, "one", lambda frame: {"r": [{quoted_name("uuid", None): "x"}]})

    assert conductor.call(context(), "thing", "echo") == [{"uuid": "x"}]


def test_a_broker_that_goes_and_comes_back(broker: str, serve: Serve) -> None:
    """While the way to the broker is cut calls fail in seconds; later they work again."""
    serve(CONDUCTOR, "one", lambda frame: {"r": "here"})
    proxy = Proxy()
    vhost = broker.rpartition("/")[2]
    made = Transport(private_conf(), f"rabbit://guest:guest@{HOST}:{proxy.port}/{vhost}")
    conductor = BusConductor(made)
    assert conductor.call(context(), "thing", "echo") == "here"

    proxy.cut()
    since = time.monotonic()
    with pytest.raises(errors.Unavailable):
        conductor.call(context(30.0), "thing", "echo")
    took = time.monotonic() - since
    proxy.open()
    until = time.monotonic() + 20
    answer = None
    while answer != "here" and time.monotonic() < until:
        answer = _outcome(conductor, 3.0, "echo")

    assert took < 15.0
    assert answer == "here"
    made.close()
    proxy.cut()


def test_an_address_that_is_none() -> None:
    """What is no address of a bus is refused by the name of its option, not its value."""
    with pytest.raises(BadTransport, match="transport_url") as refused:
        Transport(private_conf(), "carrier-pigeon://user:hunter2@host/")

    assert "hunter2" not in refused.value.message


def _outcome(conductor: BusConductor, seconds: float, method: str) -> Any:
    try:
        return conductor.call(context(seconds), "thing", method)
    except errors.Error as error:
        return error.code


def test_readers_wait_long(
    serve: Serve, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads from the broker does not look for work a thousand times a second."""
    waits: list[float] = []
    really = impl_rabbit.Connection.consume

    def consume(self: Any, timeout: float) -> None:
        waits.append(timeout)
        really(self, timeout=timeout)

    monkeypatch.setattr(impl_rabbit.Connection, "consume", consume)
    serve(CONDUCTOR, "one", lambda frame: {"r": "here"})

    for _ in range(3):
        BusConductor(transport).call(context(), "thing", "echo")
        time.sleep(0.05)

    assert min(waits) >= transport_module.POLL_S
    # one for each message and for the start of each of the two readers
    assert len(waits) <= 8


def test_answers_are_not_acknowledged(
    serve: Serve, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call is acknowledged to the broker, its answer on a queue of our own is not."""
    acknowledged: list[str] = []
    really = Channel.basic_ack

    def basic_ack(self: Any, tag: Any, *told: Any, **also: Any) -> None:
        acknowledged.append(threading.current_thread().name)
        really(self, tag, *told, **also)

    monkeypatch.setattr(Channel, "basic_ack", basic_ack)
    serve(CONDUCTOR, "one", lambda frame: {"r": "here"})

    answers = [BusConductor(transport).call(context(), "thing", "echo") for _ in range(3)]

    assert answers == ["here"] * 3
    assert len(acknowledged) == 3
