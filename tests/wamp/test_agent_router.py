"""The agent as a process against a real router and a stand-in cloud."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lightning_agent.protocol.version import PROTOCOL_VERSION
from tests.wamp.agent_bench import AgentProcess, CloudProcess, Router, eventually, run

pytestmark = [pytest.mark.wamp, pytest.mark.slow]

CODES = (f"code-{number:04d}" for number in itertools.count())


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


class Board:
    """A board with an agent, enrolled."""

    def __init__(self, folder: Path, router: Router, cloud: CloudProcess) -> None:
        self.uuid = str(uuid.uuid4())
        self.code = next(CODES)
        self.state_dir = folder / "state"
        self.router = router
        self.cloud = cloud
        self.agent: AgentProcess | None = None
        cloud.do("update", name="codes", values={self.code: self.uuid})

    def enrol(self) -> None:
        """Enrol with the code, which must succeed."""
        done = run(
            "enrol", "-", self.router.url, "--state-dir", str(self.state_dir), stdin=self.code
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> AgentProcess:
        """Start the agent and wait until it has joined."""
        self.agent = AgentProcess(self.state_dir)
        self.cloud.wait("joined", board=self.uuid)
        return self.agent

    def order(self, procedure: str, operation: str | None = None, **parameters: Any) -> Any:
        """Give an order and return the answer."""
        call = {
            "operation": operation or str(uuid.uuid4()),
            "request": str(uuid.uuid4()),
            "action": procedure,
            "project": "p",
            "user": "u",
            "remaining_s": 10.0,
            "parameters": parameters,
        }
        uri = f"iotronic.board.{self.uuid}.{procedure}"
        return self.cloud.do("call", uri=uri, arguments=[call])


@pytest.fixture
def board(tmp_path: Path, router: Router, cloud: CloudProcess) -> Iterator[Board]:
    """Give an enrolled board with nothing running."""
    board = Board(tmp_path, router, cloud)
    board.enrol()
    cloud.forget_events()
    yield board
    if board.agent is not None:
        board.agent.close()


def test_enrolled_board_answers_echo(board: Board) -> None:
    """A board that enrolled and joined answers orders in upstream's words."""
    board.start()

    answer = board.order("device.echo", say="hello")

    assert answer["result"]["state"] == "succeeded"
    assert answer["result"]["message"].startswith("hello @ 2")


def test_answers_do_not_wait_for_acknowledgements(board: Board) -> None:
    """The kernel sends each answer at once: two that follow one another cost no 40 ms more."""
    agent = board.start()

    sockets = tcp_sockets(agent.process.pid)

    assert sockets == [1]


def tcp_sockets(pid: int) -> list[int]:
    """Return whether each connection of a process goes without Nagle's algorithm.

    Source: pidfd_getfd(2), number 438 on all machines.
    """
    libc, process, found = ctypes.CDLL(None, use_errno=True), os.pidfd_open(pid), []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        if not os.readlink(entry).startswith("socket:"):
            continue
        descriptor = libc.syscall(438, process, int(entry.name), 0)
        assert descriptor >= 0, os.strerror(ctypes.get_errno())
        with socket.socket(fileno=descriptor) as copied:
            if copied.family == socket.AF_INET and copied.type == socket.SOCK_STREAM:
                found.append(copied.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    os.close(process)
    return found


def test_enrolling_again_with_the_same_key_succeeds(board: Board) -> None:
    """An enrolment whose answer was lost is repaired by repeating it."""
    (board.state_dir / "identity.json").unlink()

    board.enrol()

    assert (board.state_dir / "identity.json").exists()


def test_wrong_code_is_refused_with_the_cure(tmp_path: Path, router: Router, cloud: Any) -> None:
    """A wrong code ends with exit code 3 and says what to do."""
    state_dir = tmp_path / "state"

    done = run("enrol", "not-a-code", router.url, "--state-dir", str(state_dir))

    assert done.returncode == 3
    assert "ask for a new one" in done.stderr
    assert "not-a-code" not in done.stderr


def test_run_enrols_by_the_owners_file(
    tmp_path: Path, router: Router, cloud: CloudProcess
) -> None:
    """A code and URL in agent.toml are enough; the code is removed from it."""
    board = Board(tmp_path, router, cloud)
    board.state_dir.mkdir()
    owners = board.state_dir / "agent.toml"
    owners.write_text(f'[cloud]\nurl = "{router.url}"\ncode = "{board.code}"\n')

    agent = board.start()

    assert board.code not in owners.read_text()
    agent.close()


def test_repeated_operation_gives_the_recorded_answer(board: Board) -> None:
    """The same operation twice is carried out once, also across a crash of the agent."""
    agent = board.start()
    operation = str(uuid.uuid4())
    first = board.order("device.ping", operation)
    eventually(lambda: (board.state_dir / "journal.sqlite-wal").exists())
    board.order("plugin.stop", str(uuid.uuid4()), plugin=str(uuid.uuid4()))
    agent.kill()
    board.start()

    second = board.order("device.ping", operation)

    assert second["result"] == first["result"]


def test_bad_orders_are_wamp_errors(board: Board) -> None:
    """What is no order is refused by URI and leaves the session alone."""
    board.start()
    uri = f"iotronic.board.{board.uuid}."

    unknown = board.cloud.do("call", uri=uri + "device.dance", arguments=[{}])
    bad = board.cloud.do("call", uri=uri + "device.echo", arguments=[{"operation": 1}])

    assert unknown["error"] == "iotronic.error.no_such_procedure"
    assert bad["error"] == "iotronic.error.bad_message"
    assert board.order("device.ping")["result"]["state"] == "succeeded"


def test_agent_state_answers_as_at_the_join(board: Board) -> None:
    """The cloud can ask anew for what a join reports."""
    board.start()

    answer = board.cloud.do("call", uri=f"iotronic.board.{board.uuid}.agent.state", arguments=[{}])

    assert answer["result"]["join"]["protocol"] == PROTOCOL_VERSION
    assert answer["result"]["join"]["connectivity"]["local_ip"] == "127.0.0.1"


def test_unconfirmed_operations_are_offered_and_sent(board: Board) -> None:
    """What the cloud does not know of is sent whole, once."""
    board.start()
    operation = str(uuid.uuid4())
    board.cloud.do("set", values={"wanted": [operation]})

    board.order("device.ping", operation)

    sent = board.cloud.wait("results")
    assert [record["call"]["operation"] for record in sent["records"]] == [operation]


def test_joining_again_after_the_router_was_killed(tmp_path: Path) -> None:
    """A killed router is found again when it is back, and orders arrive."""
    with contextlib.ExitStack() as cleanup:
        router = Router(tmp_path / "router")
        cleanup.callback(router.kill)
        router.start()
        cloud = CloudProcess(router)
        cleanup.callback(cloud.close)
        cloud.wait("cloud")
        board = Board(tmp_path, router, cloud)
        board.enrol()
        cleanup.callback(board.start().close)
        router.kill()
        cloud.forget_events()
        router.start()

        cloud.wait("joined", board=board.uuid)

        assert board.order("device.ping")["result"]["state"] == "succeeded"


def test_join_is_repeated_in_the_session_when_the_cloud_starts(board: Board) -> None:
    """A cloud that is not ready is asked again; the session stays."""
    board.cloud.do("set", values={"refuse_joins": 1})

    agent = board.start()

    assert "did not take a report" in agent.words()
    assert agent.words().count("joined, session") == 1


def test_superseded_board_waits(board: Board) -> None:
    """A board whose identity another one uses waits before it tries again."""
    agent = board.start()

    board.cloud.do("kill", board=board.uuid, reason="iotronic.close.superseded")

    eventually(lambda: "iotronic.close.superseded" in agent.words())
    assert agent.process.poll() is None


def test_deleted_board_keeps_its_key_and_goes_on(board: Board) -> None:
    """A board the cloud does not know never gives up and never erases its key."""
    agent = board.start()
    board.cloud.do("set", values={"keys": {}})

    board.cloud.do("kill", board=board.uuid, reason="iotronic.close.deleted")

    eventually(lambda: "the cloud refuses this board" in agent.words())
    assert agent.process.poll() is None
    assert (board.state_dir / "agent.key").exists()


def test_sigterm_ends_the_agent_within_two_seconds(board: Board) -> None:
    """The agent ends quickly and leaves the supervisor alone."""
    agent = board.start()
    eventually(lambda: (board.state_dir / "supervisor.sock").exists())

    took_s = agent.stop()

    assert took_s < 2
    assert agent.process.returncode == 0
    assert (board.state_dir / "supervisor.sock").exists()


def test_certificate_is_checked_against_the_given_authority(tmp_path: Path) -> None:
    """Over TLS a board enrols and joins with the cloud's authority, and never without it."""
    with contextlib.ExitStack() as cleanup:
        router = Router(tmp_path / "router", tls=True)
        cleanup.callback(router.kill)
        router.start()
        cloud = CloudProcess(router)
        cleanup.callback(cloud.close)
        cloud.wait("cloud")
        board = Board(tmp_path, router, cloud)
        place = ("--state-dir", str(board.state_dir))

        refused = run("enrol", board.code, router.url, *place, "--wait", "1")
        done = run("enrol", board.code, router.url, *place, "--ca", str(router.ca))
        cleanup.callback(board.start().close)
        seen = run("doctor", "--json", *place)

        assert refused.returncode == 4
        assert done.returncode == 0
        assert board.order("device.ping")["result"]["state"] == "succeeded"
        assert f"{router.url} answers" in seen.stdout
