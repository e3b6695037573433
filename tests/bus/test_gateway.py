"""The gateway as a process of its own: pings go past the conductor, rights do not."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from iotronic_mec import errors
from iotronic_mec.counted import Rate
from iotronic_mec.rpc.listener import Listener
from iotronic_mec.rpc.questions import Questions
from iotronic_mec.rpc.server import Dispatcher
from iotronic_mec.rpc.transport import API, CONDUCTOR, WAMP
from lightning_agent.protocol.messages import OperationAnswer, OperationCall
from tests.bus.conftest import Serve
from tests.e2e.cloud import HOST, free_ports, wait_for
from tests.fakes.boards import succeed
from tests.fakes.site import Site, open_site

AGENT = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
SAID = {"say": "hi"}


@dataclass(slots=True)
class Cloud:
    """What stands around the gateway, and what it was asked.

    ``conductor`` holds the methods the gateway called there, ``calls`` what the wamp
    agent was to call.
    """

    url: str
    site: Site
    board: str
    api: Listener
    agent: Listener
    conductor: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def ping(self, token: str | None = "member", board: str = "", **given: Any) -> Any:
        """Ping the board; ``token`` is a person's name."""
        sent = {} if token is None else {"X-Auth-Token": self.site.people.get(token, token)}
        sent |= given.pop("headers", {})
        address = f"{self.url}/healthcheck/boards/{board or self.board}"
        return requests.request(
            given.pop("method", "POST"), address, headers=sent, timeout=30, **given
        )


Open = Callable[..., Cloud]


@pytest.fixture
def cloud(tmp_path: Path, broker: str, serve: Serve) -> Iterator[Open]:
    """Return a function that starts a gateway and what it asks; they end after."""
    processes: list[subprocess.Popen[bytes]] = []
    sites: list[Any] = []

    def start(**limits: Any) -> Cloud:
        opened = open_site(tmp_path / "site", **limits)
        sites.append(opened)
        site = opened.__enter__()
        site.add("member", "member")
        site.add("reader", "reader")
        site.add("stranger", "member", project=site.add_project("elsewhere"))
        board = site.ask("POST", "/v1/boards", {"name": "porch"}, token="member").json["uuid"]
        site.parts.database.write(
            lambda connection: connection.exec_driver_sql(
                f"UPDATE board SET status = 'online', agent = '{AGENT}', session = '1'"
            )
        )
        conductor, calls = list[str](), list[dict[str, Any]]()

        def conduct(frame: dict[str, Any]) -> dict[str, Any]:
            conductor.append(str(frame["m"]))
            return {"r": {"boards": [], "next": None}}

        def call(frame: dict[str, Any]) -> dict[str, Any]:
            calls.append(frame["a"])
            if frame["a"]["message"]["say"] == "offline":
                return {"e": errors.BoardOffline().to_wire()}
            return {"r": {"say": frame["a"]["message"]["say"]}}

        serve(CONDUCTOR, "one", conduct)
        api = serve(API, "one", Dispatcher([Questions(site.application)]).answer)
        agent = serve(WAMP, AGENT, call)
        content, control, _ = free_ports()
        trusts = bool(limits.get("trust_proxy_headers"))
        process = run_gateway(tmp_path, broker, (content, control), trusts=trusts)
        processes.append(process)
        url = f"http://{HOST}:{control}"
        wait_for("the gateway is ready", lambda: is_ready(url, process, tmp_path))
        return Cloud(url, site, board, api, agent, conductor, calls)

    (tmp_path / "site").mkdir()
    yield start
    for process in processes:
        process.terminate()
        process.wait(15)
    for site in sites:
        site.__exit__(None, None, None)


def run_gateway(
    folder: Path, broker: str, ports: tuple[int, int], *, trusts: bool
) -> subprocess.Popen[bytes]:
    """Start ``iotronic-mec-gateway``."""
    folder.chmod(0o700)
    (folder / "secret.key").write_bytes(b"s" * 32)
    (folder / "gateway.conf").write_text(
        f"[rpc]\ntransport_url = {broker}\n"
        f"[cloud]\nstate_dir = {folder}\npublic_url = http://iot.test\n"
        f"content_url = http://content.test\n[gateway]\nport = {ports[0]}\n"
        f"control_port = {ports[1]}\n[api]\ntrust_proxy_headers = {trusts}\n"
    )
    program = "import sys; from iotronic_mec.cmd.gateway import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "--config-file", str(folder / "gateway.conf")]
    with (folder / "gateway.log").open("w") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def is_ready(url: str, process: subprocess.Popen[bytes], folder: Path) -> bool:
    """Say whether the gateway has found a conductor; fail when it has ended."""
    assert process.poll() is None, (folder / "gateway.log").read_text()
    try:
        return requests.get(f"{url}/healthcheck", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def test_a_ping_goes_from_the_gateway_to_the_wamp_agent(cloud: Open) -> None:
    """The text comes back; no conductor had a part in it; nothing is recorded."""
    made = cloud()

    answers = [made.ping(json=SAID) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    told = answers[0].json()
    assert (told["board"], told["say"]) == (made.board, "hi")
    assert [(call["board"], call["procedure"]) for call in made.calls] == [
        (made.board, "agent.ping")
    ] * 3
    assert set(made.conductor) == {"directory"}
    assert made.site.boards.calls == []
    assert made.site.ask("GET", "/v1/requests", token="member").json["requests"] == []


def test_rights_are_the_apis(cloud: Open) -> None:
    """Each sender gets what the API itself answers; only those who may reach the board."""
    made = cloud()
    people = ["member", "admin", "reader", "stranger", None, "x"]
    path = f"/healthcheck/boards/{made.board}"

    told = [made.ping(name).status_code for name in people]

    assert told == [200, 200, 403, 404, 401, 401]
    assert told == [made.site.ask("POST", path, {}, token=name).status_int for name in people]
    assert len(made.calls) == 2


def test_what_is_revoked_counts_within_a_second(cloud: Open) -> None:
    """A token that was deleted opens nothing once the yes is old."""
    made = cloud()
    before = made.ping().status_code
    tokens = made.site.ask("GET", "/v1/tokens", token="member").json["tokens"]
    made.site.ask("DELETE", f"/v1/tokens/{tokens[0]['uuid']}", token="member")
    time.sleep(1.0)

    assert (before, made.ping().status_code) == (200, 401)


def test_rates_count_what_the_gateway_answered(cloud: Open) -> None:
    """Pings and other requests share one limit; over it there is 429, and no call."""
    made = cloud(user_rate=Rate(per_s=0.001, burst=10))

    told = [made.ping().status_code for _ in range(12)]

    # one request of the ten has made the board
    assert told == [200] * 9 + [429] * 3
    assert len(made.calls) == 9
    assert made.site.ask("GET", "/v1/boards", token="member").status_int == 429
    assert made.ping("admin").status_code == 200


@pytest.mark.parametrize("trusts", [True, False], ids=["proxy trusted", "proxy not trusted"])
def test_wrong_tokens_are_throttled_by_the_clients_address(cloud: Open, trusts: bool) -> None:
    """It is the one the proxy says, where it is believed; else all come from one address."""
    made = cloud(trust_proxy_headers=trusts)

    def guess(number: int, address: str) -> int:
        headers = {"X-Forwarded-For": address}
        return int(made.ping(f"iot_{number:040}", headers=headers).status_code)

    guessed = [guess(number, "192.0.2.7") for number in range(102)]
    other = guess(200, "192.0.2.8")

    assert set(guessed[:90]) == {401}
    assert guessed[-1] == 429
    assert other == (401 if trusts else 429)


def test_too_long_a_body_goes_nowhere(cloud: Open) -> None:
    """What no message of the bus could hold is refused by the gateway itself."""
    made = cloud()

    refused = made.ping(data=b"x" * 600_000)

    assert (refused.status_code, refused.json()["code"]) == (413, "iot.request.too_large")
    assert made.ping().status_code == 200


def test_the_rest_of_the_address_is_handed_on_whole(cloud: Open) -> None:
    """By name an API answers, with the body; a question too; other addresses are none."""
    made = cloud()

    named = made.ping(board="porch", json=SAID)
    asked = made.ping(method="GET")
    other = requests.get(f"{made.url}/v1/boards", timeout=30)

    assert (named.status_code, named.json()["say"]) == (200, "hi")
    assert asked.json() == {"board": made.board, "status": "online", "agent": AGENT}
    assert other.status_code == 404
    assert made.calls == []


def test_what_cannot_be_reached_is_told_apart(cloud: Open) -> None:
    """A board that is offline, a wamp agent and an API that are gone have their own errors."""
    made = cloud()

    offline = made.ping(json={"say": "offline"})
    made.agent.stop(5.0)
    agentless = made.ping()
    made.api.stop(5.0)
    time.sleep(1.0)
    apiless = made.ping()

    assert (offline.status_code, offline.json()["code"]) == (400, "iot.board.offline")
    assert (agentless.status_code, agentless.json()["code"]) == (503, "iot.router.unavailable")
    assert (apiless.status_code, apiless.json()["code"]) == (503, "iot.rpc.nobody_serves")


def test_a_log_is_followed_through_the_gateway(cloud: Open) -> None:
    """Lines come as they are written; who may not sees none; a revoked token ends it."""
    made = cloud()
    body = {"name": "beat", "code": "def main(context):\n    pass\n"}
    made.site.ask("POST", "/v1/plugins", body, token="member")
    path = f"/v1/boards/{made.board}/plugins"
    assert made.site.ask("PUT", path, {"plugin": "beat"}, token="member").status_int == 200
    line = {"time": "t", "stream": "log"}
    log = [{**line, "n": 1, "text": "one"}]

    def answer(call: OperationCall) -> OperationAnswer:
        after = call.parameters["after"] or 0
        part = {"lines": log[after:], "after": len(log), "missed": 0, "dropped": 0}
        return succeed(part)(call)

    made.site.boards.answer = answer

    def follow(token: str) -> Any:
        headers = {"X-Auth-Token": made.site.people[token]}
        address = f"{made.url}{path}/beat/logs/events"
        return requests.get(address, headers=headers, stream=True, timeout=20)

    with follow("member") as stream, follow("stranger") as refused:
        lines = stream.iter_lines(chunk_size=1)
        first = next(text for text in lines if text.startswith(b"id:"))
        log.append({**line, "n": 2, "text": "two"})
        second = next(text for text in lines if text.startswith(b"id:"))
        tokens = made.site.ask("GET", "/v1/tokens", token="member").json["tokens"]
        made.site.ask("DELETE", f"/v1/tokens/{tokens[0]['uuid']}", token="member")
        rest = list(lines)

    assert (stream.headers["Content-Type"], refused.status_code) == ("text/event-stream", 404)
    assert (first, second) == (b"id: 1", b"id: 2")
    assert rest[-3:-1] == [b"event: end", b'data: {"reason":"refused"}']


def test_only_the_cloud_asks_and_only_about_pings(cloud: Open) -> None:
    """Another sender on the topic, or another address, is refused before the API hears it."""
    made = cloud()
    questions = Dispatcher([Questions(made.site.application)])

    def ask(path: str, *, system: bool) -> str:
        frame = {
            "ns": "question",
            "m": "ask",
            "a": {"environ": {"REQUEST_METHOD": "GET", "PATH_INFO": path}, "body": ""},
            "c": {"system": system},
        }
        return str(questions.answer(frame).get("e", {}).get("code"))

    pings = f"/healthcheck/boards/{made.board}"
    assert ask(pings, system=True) == "None"
    assert ask(pings, system=False) == errors.Forbidden.code
    assert ask("/v1/boards", system=True) == errors.NotFound.code
    assert ask("/v1/boards/a/plugins/b", system=True) == errors.NotFound.code
    assert ask("/v1/boards/a/plugins/b/logs", system=True) == "None"
