"""The doctor: each finding with its cure."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lightning_agent import conf as conf_module
from lightning_agent.errors import SupervisorUnavailable
from lightning_agent.session import doctor
from lightning_agent.session.doctor import Check, Diagnosis, diagnose
from lightning_agent.session.reach import CannotReach, reach
from lightning_agent.state.identity import BoardKey, Identity, store_identity
from tests.agent.supervised import Supervised

BASIC = [{"name": "namespaces", "ok": True, "detail": "tried", "cure": ""}]


class FakeSupervisor:
    """Answers the probe as told."""

    def __init__(self, level: str, checks: list[dict[str, Any]]) -> None:
        self._answer = {"level": level, "checks": checks}

    def __enter__(self) -> FakeSupervisor:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def close(self) -> None:
        """Nothing to close."""

    def request(self, method: str, **_: Any) -> dict[str, Any]:
        """Answer."""
        assert method == "probe"
        return self._answer


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that puts a supervisor in place."""

    def put(level: str, checks: list[dict[str, Any]]) -> None:
        found = FakeSupervisor(level, checks)
        monkeypatch.setattr(doctor, "connect", lambda state_dir, timeout_s: found)
        monkeypatch.setattr(doctor, "listens", lambda state_dir: True)

    return put


@pytest.fixture
def router() -> Iterator[Any]:
    """Give a function that listens and answers one connection with these bytes."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def listen(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        threads.append(thread)
        return f"ws://127.0.0.1:{listener.getsockname()[1]}/ws"

    yield listen
    for thread in threads:
        thread.join(5)
    for listener in listeners:
        listener.close()


def cures(diagnosis: Diagnosis) -> dict[str, str]:
    """Return the cures by check."""
    return {check.name: check.cure for check in diagnosis.checks if not check.ok}


def test_board_that_is_well_ends_with_zero(
    tmp_path: Path, supervisor: Any, router: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """An enrolled board with sandbox, extras and cloud has nothing to cure."""
    supervisor("standard", BASIC)
    url = router(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    BoardKey.load_or_make(tmp_path)
    board = "11111111-2222-3333-4444-555555555555"
    store_identity(tmp_path, Identity(board=board, name="b", project="p", url=url))

    code = doctor.main(["--json", "--state-dir", str(tmp_path)])

    found = json.loads(capsys.readouterr().out)
    assert (code, found["ok"], found["level"]) == (0, True, "standard")
    assert [check["name"] for check in found["checks"]] == [
        "disk",
        "camera",
        "inference",
        "namespaces",
        "device",
        "identity",
        "cloud",
    ]


def test_each_failing_check_has_a_cure(
    tmp_path: Path, supervisor: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong is printed with what to do, and the exit code is 1."""
    bad = {"name": "bubblewrap", "ok": False, "detail": "no", "cure": "apt-get install it"}
    supervisor("refuse", [bad])

    code = doctor.main(["--state-dir", str(tmp_path)])

    words = capsys.readouterr().out
    assert code == 1
    assert "FAIL  bubblewrap: no\n      cure: apt-get install it" in words
    assert words.endswith("level: refuse\n")


def test_supervisor_that_does_not_start_is_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a supervisor nothing runs; its log is named."""

    def away(*_: Any, **__: Any) -> Any:
        raise SupervisorUnavailable("away")

    class Ended:
        """A process that is over."""

        def terminate(self) -> None:
            """Nothing to end."""

        def wait(self, limit_s: float) -> int:
            """It is over."""
            return 1

    monkeypatch.setattr(doctor, "connect", away)
    monkeypatch.setattr(doctor, "launch", lambda state_dir, log: Ended())

    diagnosis = diagnose(tmp_path)

    assert diagnosis.level == "refuse"
    assert "supervisor.log" in cures(diagnosis)["supervisor"]


def test_a_board_at_work_is_left_at_work(shared_supervisor: Supervised) -> None:
    """Doctor asks the supervisor that is there; its plugins go on."""
    plugin, started = shared_supervisor.start_plugin(
        "def main(context): context.stopping.wait(60)"
    )
    try:
        level, checks = doctor.check_sandbox(shared_supervisor.state_dir)
        after = shared_supervisor.client.request("status", plugin=plugin)
    finally:
        shared_supervisor.client.request("stop", plugin=plugin, delay_s=0)
        shared_supervisor.client.wait_event(timeout_s=5)

    assert level != doctor.REFUSE
    assert checks
    assert (after["alive"], after["pid"]) == (True, started["pid"])


def test_absent_pictures_are_named(tmp_path: Path, supervisor: Any) -> None:
    """A camera whose folder is not there is found before a plugin misses it."""
    supervisor("standard", BASIC)
    (tmp_path / "agent.toml").write_text('[camera.default]\nsource = "file"\npath = "/no/where"\n')

    diagnosis = diagnose(tmp_path)

    assert "[camera.…]" in cures(diagnosis)["camera"]


def test_wrong_settings_are_the_only_finding(tmp_path: Path) -> None:
    """With an owner's file that cannot be read nothing else is looked at."""
    (tmp_path / "agent.toml").write_text("[")

    diagnosis = diagnose(tmp_path)

    assert list(cures(diagnosis)) == ["settings"]


def test_missing_key_needs_enrolment(tmp_path: Path, supervisor: Any) -> None:
    """An identity without its key is no identity."""
    supervisor("standard", BASIC)
    board = "11111111-2222-3333-4444-555555555555"
    store_identity(tmp_path, Identity(board=board, name="b", project="p", url="ws://h/ws"))

    diagnosis = diagnose(tmp_path)

    assert "enrol" in cures(diagnosis)["identity"]


@pytest.mark.parametrize("answer", [b"HTTP/1.1 404 Not Found\r\n\r\n", b"SSH-2.0\r\n", b""])
def test_something_else_at_the_address_is_told(router: Any, answer: bytes) -> None:
    """A server that is no WAMP router is not taken for one."""
    with pytest.raises(CannotReach, match="no WAMP router"):
        reach(router(answer), None)


def test_nobody_at_the_address_is_told() -> None:
    """A refused connection is told with what to check."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(CannotReach) as refusal:
        reach(f"ws://127.0.0.1:{port}/ws", None)

    assert "check the address" in refusal.value.cure


def test_unencrypted_answer_to_tls_is_told(router: Any) -> None:
    """A plain server at a wss address fails with the cure for certificates."""
    url = router(b"HTTP/1.1 400 Bad Request\r\n\r\n").replace("ws://", "wss://")

    with pytest.raises(CannotReach) as refusal:
        reach(url, None)

    assert "ca in agent.toml" in refusal.value.cure


def test_level_alone_decides_when_all_checks_pass() -> None:
    """Level refuse is never well."""
    check = Check(name="x", ok=True, detail="")

    assert Diagnosis(level="standard", checks=(check,)).is_well
    assert not Diagnosis(level="refuse", checks=(check,)).is_well


def test_doctor_tells_what_the_owner_allows(tmp_path: Path) -> None:
    """What users of the cloud may do, what not, and where it is allowed."""
    (tmp_path / "agent.toml").write_text(
        '[device]\nallow = ["network", "package"]\npackage_managers = ["apt"]\n'
    )

    check = doctor.check_owner(conf_module.load(tmp_path))

    assert check.ok
    assert "allowed: network, package (apt); not allowed: restart, rest, reset" in check.detail
    assert "[device] of agent.toml" in check.detail
