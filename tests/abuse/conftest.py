"""One cloud, and on it one board for each column of the matrix."""

from __future__ import annotations

import base64
import os
import pickle
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.abuse.board import CALL_LIMIT_S, Board, Setup
from tests.abuse.report import Table
from tests.e2e.cloud import Cloud


class Planted:
    """Makes a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.open, (self.path, os.O_CREAT | os.O_WRONLY)


SETUPS = [
    setup
    for account in ("root", "user")
    for setup in (Setup(account=account), Setup(account=account, landlock="off"))
    if os.geteuid() == 0 or setup.account == "user"
]
"""The columns; the columns of root need root."""


@pytest.fixture(autouse=True)
def no_leftovers() -> None:
    """Leave it to the board's own fixture: what it starts outlives the tests."""


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Start a cloud whose calls to boards end soon."""
    made = Cloud(tmp_path_factory.mktemp("abuse"))
    made.state_dir.mkdir(mode=0o700)
    configuration = f"[conductor]\nboard_call_timeout_s = {CALL_LIMIT_S}\n"
    (made.state_dir / "iotronic.conf").write_text(configuration, encoding="utf-8")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session", params=SETUPS, ids=lambda setup: setup.name)
def board(request: pytest.FixtureRequest, cloud: Cloud) -> Iterator[Board]:
    """Start a board of one column of the matrix."""
    made = Board(cloud, request.param)
    try:
        made.start()
        assert made.landlock() == ("off" if request.param.landlock == "off" else "on")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give what an attacker may know of the host, and things there to reach for."""
    marker = tmp_path_factory.mktemp("marker") / "marker"
    abstract = f"\0lightning-abuse-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX) as listener,
        subprocess.Popen(["sleep", "7200"], user=None) as victim,
    ):
        udp.bind(("127.0.0.1", 0))
        listener.bind(abstract)
        listener.listen()
        yield {
            "tcp": tcp.getsockname()[1],
            "udp": udp.getsockname()[1],
            "abstract": abstract,
            "victim": victim.pid,
            "usr": "/usr/lib",
            "runtime": {
                "os": os.__file__,
                "child": "/opt/lightning/lightning_agent/sandbox/child.py",
            },
            "packages": ["/opt/packages/0", "/plugin", "/opt/lightning"],
            "file": os.__file__,
            "work": "/job",
            "places": ["/", "/job", "/tmp", "/usr/lib"],
            "first": 1,
            "tmpfs": ["/job", "/tmp", "/dev/shm"],
            "roots": ["/", "/dev", "/dev/shm"],
            "folders": ["/job", "/tmp", "/dev/shm"],
            "python": os.path.realpath(sys.executable),
            "marker": str(marker),
            "pickle": base64.b64encode(pickle.dumps(Planted(str(marker)))).decode(),
            "scratch": "/tmp",
        }
        victim.kill()


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    """Give the table of what was seen; it is printed at the end."""
    made = Table()
    yield made
    made.finish()


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """Give a throw-away folder with copies of what attacks change."""
    for name in ("os.py", "child.py"):
        (tmp_path / name).write_text("# a copy\n", encoding="utf-8")
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def token() -> str:
    """Give a word by which a process that an attack leaves is found."""
    return f"token-{uuid.uuid4().hex}"
