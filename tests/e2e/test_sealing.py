"""A conductor killed with SIGKILL while it seals the audit, on real files."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from iotronic_mec.cmd import audit, core
from iotronic_mec.db import migrate
from iotronic_mec.db.engine import open_database
from iotronic_mec.features.audit import store
from tests.e2e.cloud import Cloud, wait_for
from tests.e2e.test_audit import iot

pytestmark = pytest.mark.timeout(240)

PROGRAM = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from iotronic_mec.clock import ManualClock
from iotronic_mec.cmd import core
from iotronic_mec.context import system_context
from iotronic_mec.db.engine import open_database
from iotronic_mec.feature import Settings
from iotronic_mec.features.audit_segment import commands

folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
commands.MAX_ROWS = 50
clock = ManualClock()
settings = Settings(state_dir=folder, public_url="http://c", content_url="http://d",
                    wamp_url="ws://e", audit_retention_days=7)
database = open_database(core.database_url(folder))
parts = core.build_parts(settings, database, SimpleNamespace(), b"s" * 32, clock=clock)

def act(connection):
    for number in range(200):
        parts.audit(connection, system_context(), "thing.do", "thing", str(number))

if name != "none":
    database.write(act)
clock.advance(8.5 * 86400)
calls = 0

def tracing(frame, event, argument):
    # the process ends in the middle of the work: at the nth return of this function
    global calls
    if event == "return" and frame.f_code.co_name == name:
        calls += 1
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
    return tracing

sys.settrace(tracing)
commands.AuditSegmentCommands(parts, {}).run()
sys.settrace(None)
with database.read() as connection:
    print(commands.store.sealed_head(connection).sequence)
"""


def conductor(folder: Path, name: str, count: int) -> subprocess.CompletedProcess[str]:
    """Run one sealing conductor that ends at the nth return of a function."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), name, str(count)],
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("_check_rows", 1),
        ("put", 1),
        ("_check_file", 1),
        ("add", 2),
        ("_add", 1),
        ("_commit", 2),
        ("delete_range", 1),
        ("_delete", 1),
        ("_publish", 2),
        ("_commit", 5),
    ],
)
def test_killed_while_it_seals(tmp_path: Path, name: str, count: int) -> None:
    """The chain is whole after the kill, and after the next conductor has gone on."""
    migrate.upgrade(core.database_url(tmp_path))
    words = ["verify-segments", "--state-dir", str(tmp_path)]

    killed = conductor(tmp_path, name, count)
    database = open_database(core.database_url(tmp_path))
    with database.read() as connection:
        head = store.head(connection)
    code = audit.run([*words, "--against", str(head)])
    gone_on = conductor(tmp_path, "none", 0)
    with database.read() as connection:
        first = store.first_sequence(connection)
    database.close()

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert head.sequence >= 200
    assert code == 0
    assert gone_on.returncode == 0, gone_on.stderr
    assert int(gone_on.stdout) >= 200
    assert first == int(gone_on.stdout) + 1
    assert audit.run([*words, "--against", str(head)]) == 0


HISTORY = """
import sys
from pathlib import Path
from iotronic_mec.clock import ManualClock
from iotronic_mec.cmd import core
from iotronic_mec.context import system_context
from iotronic_mec.db.engine import open_database
from iotronic_mec.features.audit.store import AuditChain

database = open_database(core.database_url(Path(sys.argv[1])))
chain = AuditChain(ManualClock())

def act(connection):
    for number in range(120):
        chain(connection, system_context(), "thing.do", "thing", str(number))

database.write(act)
database.close()
"""
"""Makes rows of the beginning of the year."""


@pytest.fixture
def old_cloud(tmp_path: Path) -> Iterator[Cloud]:
    """Give a running cloud that seals after a month and has rows that are older."""
    made = Cloud(tmp_path)
    made.state_dir.mkdir(mode=0o700)
    migrate.upgrade(core.database_url(made.state_dir))
    made_rows = [sys.executable, "-c", HISTORY, str(made.state_dir)]
    subprocess.run(made_rows, check=True, timeout=60)
    (made.state_dir / "iotronic.conf").write_text("[audit]\nretention_days = 30\n")
    try:
        made.start()
        yield made
    finally:
        made.stop()


def test_a_running_cloud_seals(old_cloud: Cloud, tmp_path: Path) -> None:
    """Old rows leave the database by themselves; who exports them can check all of it apart."""
    audit_of = old_cloud.client.audit
    before = audit_of.verify()
    segments = wait_for("the first segment", lambda: list(audit_of.segments()), 90)
    wait_for("the rows to leave", lambda: next(audit_of.iterate()).sequence > 120, 30)
    sealed = tmp_path / "sealed"
    sealed.mkdir()

    exported = iot(old_cloud, "audit", "export", str(sealed))
    head = str(before.head)
    whole = iot(old_cloud, "audit", "verify", "--segments", str(sealed), "--against", head)
    here = audit.run(["verify-segments", "--state-dir", str(old_cloud.state_dir)])
    [file] = sealed.iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    broken = iot(old_cloud, "audit", "verify", "--segments", str(sealed))

    assert [(segment.first, segment.last) for segment in segments] == [(1, 120)]
    assert (exported.returncode, whole.returncode, here, broken.returncode) == (0, 0, 0, 1)
    assert "whole" in whole.stdout
    assert "the file of rows 1 to 120 was changed" in broken.stdout
