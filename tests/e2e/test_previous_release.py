"""The code of the release before works on the schema of this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from iotronic_mec.db import migrate
from iotronic_mec.db.engine import sqlite_url

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PREVIOUS = "19495da"
"""The commit whose schema was the first release's, before any revision was added."""

PROGRAM = """
import sys
from pathlib import Path

import iotronic_mec
from tests.fakes.site import open_site

assert iotronic_mec.__file__.startswith(sys.argv[2]), iotronic_mec.__file__
with open_site(Path(sys.argv[1])) as site:
    made = site.ask("POST", "/v1/boards", {"name": "porch"})
    assert made.status_int == 201, made.text
    listed = site.ask("GET", "/v1/boards").json["boards"]
    assert [board["name"] for board in listed] == ["porch"], listed
    plugin = site.ask("POST", "/v1/plugins", {"name": "p", "code": "x = 1"})
    assert plugin.status_int == 201, plugin.text
    uuid = made.json["uuid"]
    commands = site.conductor._endpoints["board"]
    code = commands.find_code(__import__("iotronic_mec.context").context.system_context(),
                              digest=commands._digest(made.json["code"]))
    site.call("board", "enrolled", row=code["row"], public_key="a" * 64)
    site.call("board", "presence", agent="a" * 36,
              changes=[{"board": uuid, "online": True, "session": 7}])
    action = {"action": "DeviceEcho", "parameters": {"say": "hello"}}
    echo = site.ask("POST", f"/v1/boards/{uuid}/action", action)
    assert echo.status_int == 200, echo.text
    audit = site.ask("GET", "/v1/audit").json["audit"]
    assert len(audit) >= 5
print("all of it works")
"""


def test_the_release_before(tmp_path: Path, repository: Path) -> None:
    """It creates a board, lists it, stores a plugin and has the board echo."""
    old, state = tmp_path / "old", tmp_path / "state"
    old.mkdir()
    state.mkdir()
    archive = tmp_path / "old.tar"
    subprocess.run(
        ["git", "-C", str(repository), "archive", "-o", str(archive), PREVIOUS],
        check=True,
        timeout=30,
    )
    # by the program: `extractall` wants a filter from 3.12 on and has none in 3.11.2
    subprocess.run(["tar", "-xf", str(archive), "-C", str(old)], check=True, timeout=30)
    url = sqlite_url(state / "iotronic.sqlite")
    migrate.upgrade(url)

    done = subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM, str(state), str(old)],
        cwd=old,
        env={"PYTHONPATH": str(old), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert "all of it works" in done.stdout, done.stderr
    assert migrate.present(url) == migrate.head() != "0001"
