"""A conductor in a process of its own, for tests of several that share a database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from iotronic_mec.cmd.core import build_commands, build_parts
from iotronic_mec.context import Context, system_context
from iotronic_mec.db.engine import open_database
from iotronic_mec.errors import Error
from iotronic_mec.feature import Settings
from iotronic_mec.rpc.boards import Boards
from iotronic_mec.rpc.server import Dispatcher
from tests.fakes.boards import FakeBoards

THREADS = 4


def settings(folder: Path) -> Settings:
    """Return settings that name a folder."""
    return Settings(
        state_dir=folder,
        public_url="http://control.test:1288",
        content_url="http://content.test:1289",
        wamp_url="ws://router.test:8443/ws",
        storage_driver="fake",
    )


def create_boards(url: str, folder: str, start: Any, names: list[tuple[str, str]]) -> list[str]:
    """Create boards from several threads, once ``start`` lets all processes go.

    :param names: pairs of project and name
    :returns: for each, ``created`` or the code of the refusal
    """
    database = open_database(url)
    boards = cast(Boards, FakeBoards())
    parts = build_parts(settings(Path(folder)), database, boards, b"s" * 32)
    commands = build_commands(parts)
    conductor = Dispatcher(commands.values())

    def create(wanted: tuple[str, str]) -> str:
        project, name = wanted
        context = Context(user="u", project=project, roles=("member",), deadline=_far())
        try:
            conductor.call(context, "board", "create", name=name)
        except Error as error:
            return str(error.to_wire()["code"])
        return "created"

    start.wait(30)
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(create, names))
    finally:
        commands["request"].stop()
        database.close()


def _far() -> float:
    return system_context(60.0).deadline
