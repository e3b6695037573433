"""Backup, wipe, restore: boards come online by themselves, on every engine."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from iotronic_mec.cmd import db
from iotronic_mec.sdk import NewPlugin, Target
from tests.e2e.cloud import Cloud
from tests.fakes import engines

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CODE = b"""def main(context, name=""):
    return f"hello {name}"
"""


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Give a cloud that is not started."""
    made = Cloud(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def server() -> Iterator[str]:
    """Give the URL of a new PostgreSQL database."""
    url = engines.create("postgresql")
    with contextlib.closing(_Dropped(url)):
        yield url


class _Dropped:
    """Drops a database at its end."""

    def __init__(self, url: str) -> None:
        self.url = url

    def close(self) -> None:
        """Drop it."""
        engines.drop(self.url)


def run(command: str, file: Path, folder: Path) -> int:
    """Run the command as an operator does."""
    return db.run([command, str(file), "--state-dir", str(folder)])


def test_boards_come_back(cloud: Cloud, tmp_path: Path, server: str) -> None:
    """A wiped cloud is restored, once in place and once into PostgreSQL; its board needs nothing.

    The agent runs on throughout; nobody enrols it again.
    """
    cloud.start()
    board = cloud.make_board("porch")
    plugin = cloud.client.plugins.create(
        NewPlugin(name="hello", filename="hello.py", content=CODE, callable=True)
    )
    hello = Target(board=board, plugin=plugin.uuid)
    cloud.client.injections.inject(hello)
    token = cloud.token
    made = run("backup", tmp_path / "one.tar", cloud.state_dir)

    cloud.end_front()
    shutil.rmtree(cloud.state_dir)
    restored = run("restore", tmp_path / "one.tar", cloud.state_dir)
    cloud.start()
    cloud.wait_online(board)

    assert (made, restored) == (0, 0)
    assert cloud.token == token
    assert cloud.client.injections.call(hello, {"name": "again"}).value == "hello again"

    again = run("backup", tmp_path / "two.tar", cloud.state_dir)
    cloud.end_front()
    shutil.rmtree(cloud.state_dir)
    cloud.state_dir.mkdir(mode=0o700)
    into = run_into_server(tmp_path / "two.tar", cloud.state_dir, server)
    cloud.start()
    cloud.wait_online(board)

    assert (again, into) == (0, 0)
    assert not (cloud.state_dir / "iotronic.sqlite").exists()
    assert cloud.client.injections.call(hello, {"name": "server"}).value == "hello server"
    assert db.run(["check", "--state-dir", str(cloud.state_dir)]) == 0


def run_into_server(file: Path, folder: Path, url: str) -> int:
    """Restore into a server's database: its URL stands in the configuration before."""
    conf = folder / "iotronic.conf"
    conf.write_text(f"[database]\nconnection = {url}\n", encoding="utf-8")
    return run("restore", file, folder)
