"""Plugins end to end on the board: agent, supervisor, sandbox, bundles by HTTP."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.wamp.agent_bench import CloudProcess, Router, eventually
from tests.wamp.test_agent_router import Board

pytestmark = [pytest.mark.wamp, pytest.mark.slow]

TOKEN = "token-of-the-test"
ADD = "def main(context, **parameters):\n    return parameters['a'] + parameters['b']\n"
TICK = (
    "import time\n"
    "def main(context, **parameters):\n"
    "    context.log('ticking')\n"
    "    while not context.stopping:\n"
    "        time.sleep(0.02)\n"
)
FAIL = "def main(context, **parameters):\n    raise ValueError('a tenant mistake')\n"


class Bundles:
    """An HTTP server with bundles; cuts off what it is told to."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut_after: list[int] = []
        self.ranges: list[str] = []
        bundles = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                bundles.serve(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def add(self, source: str, *, callable: bool = True, **fields: Any) -> dict[str, Any]:
        """Offer a plugin; return what the cloud would desire."""
        content = source.encode()
        digest = hashlib.sha256(content).hexdigest()
        self.files[digest] = content
        return {
            "plugin": str(uuid.uuid4()),
            "name": "p",
            "digest": digest,
            "size": len(content),
            "format": "py",
            "callable": callable,
            "onboot": False,
            "url": f"http://127.0.0.1:{self._server.server_port}/blobs/{digest}",
            "token": TOKEN,
            "running": False,
            "parameters": {},
            **fields,
        }

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        if request.headers["Authorization"] != f"Bearer {TOKEN}":
            request.send_error(403)
            return
        content = self.files[request.path.rsplit("/", 1)[1]]
        wanted = request.headers.get("Range")
        start = 0
        if wanted:
            self.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            request.send_response(206)
            request.send_header(
                "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
            )
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        end = start + self.cut_after.pop() if self.cut_after else len(content)
        request.wfile.write(content[start:end])
        request.close_connection = True

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """Give a running router."""
    router = Router(tmp_path_factory.mktemp("router"))
    router.start()
    yield router
    router.kill()


@pytest.fixture(scope="module")
def cloud(router: Router) -> Iterator[CloudProcess]:
    """Give a cloud that has joined the router."""
    cloud = CloudProcess(router)
    cloud.wait("cloud")
    yield cloud
    cloud.close()


@pytest.fixture(scope="module")
def bundles() -> Iterator[Bundles]:
    """Give the server of bundles."""
    bundles = Bundles()
    yield bundles
    bundles.close()


@pytest.fixture
def board(tmp_path: Path, router: Router, cloud: CloudProcess) -> Iterator[Board]:
    """Give a board that has joined."""
    board = Board(tmp_path, router, cloud)
    board.enrol()
    cloud.forget_events()
    board.start()
    yield board
    assert board.agent is not None
    board.agent.close()


def succeeded(answer: dict[str, Any]) -> Any:
    """Return the message of an order that must have succeeded."""
    assert answer["result"]["state"] == "succeeded", answer
    return answer["result"]["message"]


def test_injected_plugin_is_called(board: Board, bundles: Bundles) -> None:
    """A bundle is fetched, installed and run; an update replaces it."""
    add = bundles.add(ADD)

    injected = succeeded(board.order("plugin.inject", desired=add))
    result = board.order("plugin.call", plugin=add["plugin"], parameters={"a": 2, "b": 3})
    newer = bundles.add(ADD.replace("+", "*"), plugin=add["plugin"])
    updated = succeeded(board.order("plugin.inject", desired=newer))
    second = board.order("plugin.call", plugin=add["plugin"], parameters={"a": 2, "b": 3})

    assert (injected, updated) == (
        "PluginInject result: INJECTED",
        "PluginInject result: UPDATED",
    )
    assert (succeeded(result), succeeded(second)) == (5, 6)


def test_interrupted_fetch_goes_on_where_it_was(board: Board, bundles: Bundles) -> None:
    """A transfer that is cut off is continued by a range, and still checked."""
    big = bundles.add(ADD + "# " + "x" * 300_000)
    bundles.cut_after = [70_000]
    bundles.ranges.clear()

    succeeded(board.order("plugin.inject", desired=big))

    assert bundles.ranges == ["bytes=70000-"]


def test_wrong_digest_is_refused(board: Board, bundles: Bundles) -> None:
    """What is not what was announced never gets in."""
    wrong = bundles.add(ADD + "# wrong")
    bundles.files[wrong["digest"]] = bundles.files[wrong["digest"]].replace(b"wrong", b"wrung")

    answer = board.order("plugin.inject", desired=wrong)

    assert answer["result"]["cause"]["code"] == "digest_mismatch"


def test_failing_plugin_gives_the_tenants_traceback(board: Board, bundles: Bundles) -> None:
    """An exception of the plugin is an answer with its traceback, not a WAMP error."""
    bad = bundles.add(FAIL)
    board.order("plugin.inject", desired=bad)

    answer = board.order("plugin.call", plugin=bad["plugin"], parameters={})

    assert answer["result"]["state"] == "failed"
    assert answer["result"]["cause"]["code"] == "plugin_failed"
    assert "a tenant mistake" in answer["result"]["cause"]["traceback"]


def test_started_plugin_survives_the_agent(board: Board, bundles: Bundles) -> None:
    """A started plugin keeps its pid when the agent is killed, and is reported again."""
    tick = bundles.add(TICK, callable=False)
    plugin = tick["plugin"]
    board.order("plugin.inject", desired=tick)
    assert succeeded(board.order("plugin.start", plugin=plugin, parameters={})) == "STARTED"
    before = board.cloud.do(
        "call", uri=f"iotronic.board.{board.uuid}.agent.state", arguments=[{}]
    )["result"]["join"]["plugins"]
    assert board.agent is not None
    board.cloud.do("update", name="desired", values={board.uuid: [{**tick, "running": True}]})
    board.agent.kill()
    board.cloud.forget_events()

    board.start()
    after = board.cloud.do("call", uri=f"iotronic.board.{board.uuid}.agent.state", arguments=[{}])[
        "result"
    ]["join"]["plugins"]

    assert before == after
    assert before[0]["pid"] is not None
    assert succeeded(board.order("plugin.status", plugin=plugin)) == "ALIVE"
    lines = succeeded(board.order("plugin.logs", plugin=plugin, lines=10))["lines"]
    assert any("ticking" in line["text"] for line in lines)
    newest = succeeded(board.order("plugin.follow", plugin=plugin, after=None, lines=1))
    first = succeeded(board.order("plugin.follow", plugin=plugin, after=0, lines=1))
    assert (newest["lines"][0]["n"], first["lines"][0]["n"]) == (newest["after"], 1)
    assert (first["after"], first["missed"]) == (1, 0)
    assert succeeded(board.order("plugin.stop", plugin=plugin, delay_s=0)) == "STOPPED"
    assert succeeded(board.order("plugin.status", plugin=plugin)) == "DEAD"


def test_cloud_s_desired_state_wins_at_the_join(board: Board, bundles: Bundles) -> None:
    """What is not desired goes, what is missing comes and starts."""
    old = bundles.add(ADD)
    board.order("plugin.inject", desired=old)
    wanted = bundles.add(TICK, callable=False, running=True)
    board.cloud.do("update", name="desired", values={board.uuid: [wanted]})
    board.cloud.forget_events()

    board.cloud.do("kill", board=board.uuid, reason="iotronic.close.restart")
    board.cloud.wait("joined", board=board.uuid)

    eventually(
        lambda: (
            [
                (plugin["plugin"], plugin["pid"] is not None)
                for plugin in board.cloud.do(
                    "call", uri=f"iotronic.board.{board.uuid}.agent.state", arguments=[{}]
                )["result"]["join"]["plugins"]
            ]
            == [(wanted["plugin"], True)]
        )
    )


def test_killed_supervisor_is_replaced_and_plugins_restored(
    board: Board, bundles: Bundles
) -> None:
    """When the supervisor dies a new one is started and what should run runs again."""
    tick = bundles.add(TICK, callable=False)
    board.order("plugin.inject", desired=tick)
    board.order("plugin.start", plugin=tick["plugin"], parameters={})
    pid = int((board.state_dir / "supervisor.lock").read_text())

    os.kill(pid, signal.SIGKILL)

    eventually(
        lambda: (
            board.order("plugin.status", plugin=tick["plugin"]).get("result", {}).get("message")
            == "ALIVE"
            and int((board.state_dir / "supervisor.lock").read_text()) != pid
        )
    )


def test_crash_during_a_call_is_answered_as_such(board: Board, bundles: Bundles) -> None:
    """An order the agent died in is never run again and ends as agent_restarted."""
    slow = bundles.add("import time\ndef main(context, **p):\n    time.sleep(20)\n")
    board.order("plugin.inject", desired=slow)
    board.cloud.do("update", name="desired", values={board.uuid: [slow]})
    operation = str(uuid.uuid4())
    waiting = threading.Thread(
        target=board.order, args=("plugin.call", operation), kwargs={"plugin": slow["plugin"]}
    )
    waiting.start()
    eventually(lambda: b"plugin.call" in journal_bytes(board))
    assert board.agent is not None
    board.agent.kill()
    waiting.join(15)
    board.start()

    again = board.order("plugin.call", operation, plugin=slow["plugin"])

    assert again["result"]["state"] == "failed"
    assert again["result"]["cause"]["code"] == "agent_restarted"


def journal_bytes(board: Board) -> bytes:
    """Return the journal's files as they are."""
    return b"".join(path.read_bytes() for path in board.state_dir.glob("journal.sqlite*"))
