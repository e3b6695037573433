"""The cloud with one more route: the floor of lists, in the same server.

``iotronic-mec`` with this module in front of it runs the core with
``GET /bench/boards?project=…&limit=…`` beside the API: a bare Pecan controller
without identity, rules, links, paging or versions, which does the same SQL
through SQLAlchemy Core and answers with ``json.dumps``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pecan
from sqlalchemy import select

from demo import processes
from iotronic_mec.cmd import core, front, main
from iotronic_mec.features.board.table import board

ROOT = Path(__file__).resolve().parents[1]

COLUMNS = (
    "id",
    "uuid",
    "name",
    "status",
    "session",
    "type",
    "fleet",
    "lr_version",
    "connectivity",
    "agent",
    "project",
    "owner",
)


class Root:
    """The bare controller.

    :param database: the core's own
    """

    def __init__(self, database: Any) -> None:
        self._database = database

    @pecan.expose(content_type="application/json")  # type: ignore[untyped-decorator]
    def boards(self, project: str, limit: str) -> bytes:
        """List the first boards of a project."""
        query = (
            select(*(board.c[name] for name in COLUMNS))
            .where(board.c.project == project)
            .order_by(board.c.created_at, board.c.id)
            .limit(int(limit) + 1)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        shown = [dict(row._mapping) for row in rows[: int(limit)]]
        return json.dumps({"boards": shown}).encode()


def beside(application: Callable[..., Any], database: Any) -> Callable[..., Any]:
    """Return the application with the floor beside it."""
    floor = pecan.make_app(Root(database), force_canonical=False)

    def route(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"].startswith("/bench/"):
            environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/bench")
            return floor(environ, start_response)
        return application(environ, start_response)

    return route


@contextmanager
def in_front(folder: Path) -> Iterator[None]:
    """Let clouds that are started meanwhile have the floor."""
    wrapper = folder / "iotronic-mec"
    lines = [f"#!{sys.executable}", "import sys", f"sys.path.insert(0, {str(ROOT)!r})"]
    lines += ["from benchmarks.floor import run_front", "sys.exit(run_front())", ""]
    wrapper.write_text("\n".join(lines), encoding="utf-8")
    wrapper.chmod(0o700)
    usual = processes.script
    processes.script = lambda name: str(wrapper) if name == "iotronic-mec" else usual(name)
    try:
        yield
    finally:
        processes.script = usual


def run_front() -> int:
    """Run ``iotronic-mec`` with a core that has the floor."""
    usual = front.core_program

    def core_program(options: Any) -> Any:
        program = usual(options)
        command = [
            "benchmarks.floor" if word == "iotronic_mec.cmd.core" else word
            for word in program.command
        ]
        if command == program.command:
            raise RuntimeError("the core is started in another way than the floor knows")
        environment = {**program.environment, "PYTHONPATH": str(ROOT)}
        return replace(program, command=command, environment=environment)

    front.core_program = core_program
    return main.main()


def _run_core() -> int:
    usual = core.build_application

    def build_application(parts: Any, *given: Any, **named: Any) -> Any:
        return beside(usual(parts, *given, **named), parts.database)

    core.build_application = build_application
    return core.main()


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    sys.exit(_run_core())
