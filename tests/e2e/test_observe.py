"""One request followed from HTTP to the board and back, through the logs of all processes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from demo.processes import script
from iotronic_mec.sdk import Client
from tests.e2e.cloud import Cloud, free_ports, wait_for

pytestmark = pytest.mark.timeout(180)

ID = "req-11111111-2222-4333-8444-555555555555"

OPTIONS = """
[log]
format = json
access = yes

[metrics]
port = {port}
"""

AGENT = """
[agent]
log_format = "json"
log_level = "debug"
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Start a cloud whose processes tell all they do."""
    made = Cloud(tmp_path_factory.mktemp("observed"))
    made.state_dir.mkdir(mode=0o700)
    (made.state_dir / "iotronic.conf").write_text(OPTIONS.format(port=metrics_port(made)))
    try:
        made.start()
        folder = made.board_folder("kitchen")
        folder.mkdir(mode=0o700)
        (folder / "agent.toml").write_text(AGENT)
        yield made
    finally:
        left = made.stop()
    assert left == [], f"processes that did not end with the cloud: {left}"


@pytest.fixture(scope="module")
def board(cloud: Cloud) -> str:
    """Give a board that is online."""
    return cloud.make_board("kitchen")


def metrics_port(cloud: Cloud) -> int:
    """Return the port of the metrics: the one after the content origin's."""
    return cloud.ports[1] + 1


def lines_of(log: Path) -> list[dict[str, Any]]:
    """Return a log's lines; those of the libraries' own prints are left out."""
    written = log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in written if line.startswith("{")]


def with_id(log: Path) -> list[dict[str, Any]]:
    """Return a log's lines of the one request."""
    return [line for line in lines_of(log) if line.get("request_id") == ID]


def test_one_id_through_all_logs(cloud: Cloud, board: str) -> None:
    """API, conductor, wamp agent and board write the id the client gave; so does the answer."""
    answer = requests.post(
        f"{cloud.url}/v1/boards/{board}/action",
        json={"action": "DeviceEcho", "parameters": {"say": "x"}},
        headers={"X-Auth-Token": cloud.token, "X-Openstack-Request-Id": ID},
        timeout=30,
    )

    assert answer.status_code == 200, answer.text
    assert answer.headers["Openstack-Request-Id"] == ID
    logs = cloud.state_dir / "log"
    agent_log = next(path for path in sorted(cloud.folder.glob("*.log")) if "agent" in path.name)
    found = {
        "core": with_id(logs / "core.log"),
        "front": with_id(logs / "front.log"),
        "lightning-agent": wait_for("the board's line", lambda: with_id(agent_log)),
    }
    for process, lines in found.items():
        assert lines, process
        assert {line["process"] for line in lines} == {process}
    routes = [line.get("route") for line in found["core"]]
    assert "/v1/boards/{board}/action" in routes
    assert any("device" in line["message"] for line in found["core"])
    assert cloud.token not in "".join(path.read_text() for path in logs.glob("*.log"))


def test_every_line_is_json(cloud: Cloud, board: str) -> None:
    """Nothing of ours writes beside the format."""
    assert Client.with_token(cloud.url, cloud.token).boards.get(board).status == "online"
    for name in ("core", "front"):
        text = (cloud.state_dir / "log" / f"{name}.log").read_text(encoding="utf-8")
        assert [line for line in text.splitlines() if not line.startswith("{")] == []


def test_one_scrape_tells_of_front_and_core(cloud: Cloud, board: str) -> None:
    """Standalone has one page, with boards, requests, calls and operations; they go up."""

    def scrape() -> dict[tuple[str, str, str], float]:
        page = requests.get(f"http://127.0.0.1:{metrics_port(cloud)}/metrics", timeout=10)
        assert page.status_code == 200
        return {
            (sample.name, sample.labels["process"], sample.labels.get("state", "")): sample.value
            for family in text_string_to_metric_families(page.text)
            for sample in family.samples
        }

    before = scrape()
    answer = requests.post(
        f"{cloud.url}/v1/boards/{board}/action",
        json={"action": "DeviceEcho", "parameters": {"say": "x"}},
        headers={"X-Auth-Token": cloud.token},
        timeout=30,
    )
    after = scrape()

    assert answer.status_code == 200, answer.text
    assert before["iotronic_process_up", "front", ""] == 1.0
    assert before["iotronic_process_up", "core", ""] == 1.0
    assert after["iotronic_boards_online", "front", ""] == 1.0
    assert after["iotronic_leads", "core", ""] == 1.0
    calls = ("iotronic_board_call_seconds_count", "front", "")
    ends = ("iotronic_operations_ended_total", "core", "succeeded")
    assert after[calls] > before.get(calls, 0.0)
    assert after[ends] > before.get(ends, 0.0)
    assert requests.get(f"{cloud.url}/metrics", timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("[metrics]\nport = 9100\nhost = 0.0.0.0\n", "token_file"),
        ("[metrics]\nport = {control}\n", "[metrics] host or port"),
        ("[log]\nformat = xml\n", "format"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, options: str, words: str) -> None:
    """A listener others reach, a port that is taken, a format there is not: said at once."""
    control, content, wamp = free_ports()
    state_dir = tmp_path / "cloud"
    state_dir.mkdir(mode=0o700)
    (state_dir / "iotronic.conf").write_text(options.format(control=control))

    done = subprocess.run(
        [
            *(script("iotronic-mec"), "standalone", "--state-dir", str(state_dir)),
            *("--port", str(control), "--content-port", str(content), "--wamp-port", str(wamp)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert words in line
    assert "Traceback" not in line
