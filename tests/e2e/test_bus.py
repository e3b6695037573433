"""B5: one process of each kind on RabbitMQ and PostgreSQL, a real board, real clients."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from iotronic_mec.sdk import Error, NewBoard, NewPlugin, Target
from tests.cluster.cluster import Cluster, running
from tests.e2e.cloud import wait_for

SOURCE = b"def main(context, n=0):\n    return n + 1\n"


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start the processes; end them after the module, each within 5 s."""
    with running(tmp_path_factory.mktemp("bus"), 1) as cluster:
        yield cluster


@pytest.mark.timeout(240)
def test_the_main_job(processes: Cluster) -> None:
    """Board, enrolment, plugin, injection, call: results as on the local transport."""
    client = processes.client

    board = processes.make_board("porch")
    client.plugins.create(NewPlugin(name="add", filename="add.py", content=SOURCE, callable=True))
    target = Target(board="porch", plugin="add")
    client.injections.inject(target)
    later = client.injections.call(target, {"n": 1}, wait=False)

    assert "hello" in client.boards.echo(board, "hello").text
    assert client.injections.call(target, {"n": 41}).value == 42
    assert later.request is not None
    wait_for(
        "the queued call ends",
        lambda: client.requests.get(str(later.request)).status == "COMPLETED",
    )
    assert client.audit.verify().ok


@pytest.mark.timeout(120)
def test_errors_cross_the_bus(processes: Cluster) -> None:
    """A conflict and an absent thing are the same errors as without a bus."""
    client = processes.client
    client.boards.create(NewBoard(name="twice"))

    with pytest.raises(Error) as conflict:
        client.boards.create(NewBoard(name="twice"))
    with pytest.raises(Error) as absent:
        client.boards.delete("nowhere")

    assert (conflict.value.status, conflict.value.code) == (409, "iot.board.exists")
    assert (absent.value.status, absent.value.code) == (404, "iot.board.not_found")


@pytest.mark.timeout(120)
def test_a_deleted_board_is_shut_out(processes: Cluster) -> None:
    """The wamp agent is told over the bus: the board's session ends at once."""
    board = processes.make_board("gone")

    processes.client.boards.delete("gone")

    log = processes.folder / "agent.log"
    wait_for("the board is told", lambda: "deleted" in log.read_text(encoding="utf-8"), 30)
    assert board not in {one.uuid for one in processes.client.boards.iterate()}


@pytest.mark.timeout(120)
def test_without_a_conductor_reading_goes_on(processes: Cluster) -> None:
    """Changes are refused at once with 503, lists are answered; after the start all works."""
    conductor = processes.services["conductor-0"]
    conductor.kill()
    since = time.monotonic()

    with pytest.raises(Error) as refused:
        processes.client.boards.create(NewBoard(name="later"))
    took = time.monotonic() - since
    listed = list(processes.client.boards.iterate())
    conductor.start()
    conductor.wait_ready()

    assert refused.value.status == 503
    assert took < 20.0
    assert listed
    assert processes.client.boards.create(NewBoard(name="later")).code
