"""B5: one process of each kind on RabbitMQ and PostgreSQL, a real board, real clients."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from iotronic_mec.sdk import Error, NewBoard, NewPlugin, Target
from tests.cluster.cluster import Cluster, running
from tests.e2e.cloud import HOST, wait_for

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


@pytest.mark.timeout(120)
def test_one_id_over_the_bus(processes: Cluster) -> None:
    """API, conductor and wamp agent log the id of the request; each tells its numbers."""
    board = processes.make_board("lamp")
    request_id = "req-11111111-2222-4333-8444-555555555555"

    answer = requests.post(
        f"{processes.url}/v1/boards/{board}/action",
        json={"action": "DeviceEcho", "parameters": {"say": "x"}},
        headers={"X-Auth-Token": processes.token, "X-Openstack-Request-Id": request_id},
        timeout=30,
    )

    assert answer.status_code == 200, answer.text
    assert answer.headers["Openstack-Request-Id"] == request_id
    for name in ("api-0", "conductor-0", "wamp-agent-0"):
        lines = processes.services[name].log.read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in lines if request_id in line]
        assert found, name
        assert {line["request_id"] for line in found} == {request_id}
    expected = {
        "api-0": "iotronic_http_request_seconds_count",
        "conductor-0": "iotronic_conductor_call_seconds_count",
        "wamp-agent-0": "iotronic_board_call_seconds_count",
        "gateway-0": "iotronic_build_info",
    }
    for name, metric in expected.items():
        page = requests.get(f"http://{HOST}:{processes.metrics[name]}/metrics", timeout=10)
        samples = [s for f in text_string_to_metric_families(page.text) for s in f.samples]
        assert sum(s.value for s in samples if s.name == metric) > 0, name
        assert {s.labels["process"] for s in samples} == {
            f"iotronic-mec-{name.removesuffix('-0')}"
        }
