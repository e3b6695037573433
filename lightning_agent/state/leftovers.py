"""What a board forgets at a factory reset; every function may be called again."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from lightning_agent.state.files import write_atomic
from lightning_agent.state.identity import IDENTITY_FILE, KEY_FILE
from lightning_agent.state.journal import FILE_NAME as JOURNAL_FILE
from lightning_agent.state.store import PLUGINS_FILE, SESSION_FILE

DROP_FILE = "drop-identity"
"""Is there from the moment a reset promised to drop the identity until it is dropped."""

DATA_FOLDERS = ("fetch",)
"""Half-fetched bundles; the supervisor's folders are the supervisor's."""


def clear_data(state_dir: Path) -> None:
    """Remove half-fetched bundles, and logs of plugins that are gone."""
    for name in DATA_FOLDERS:
        shutil.rmtree(state_dir / name, ignore_errors=True)
    for log in (state_dir / "logs").glob("*.log*"):
        with contextlib.suppress(OSError):
            log.unlink()


def mark_drop(state_dir: Path) -> None:
    """Note, durably, that the identity is to go."""
    write_atomic(state_dir / DROP_FILE, b"")


def is_dropping(state_dir: Path) -> bool:
    """Say whether the identity is to go."""
    return (state_dir / DROP_FILE).exists()


def drop_identity(state_dir: Path) -> None:
    """Remove key, identity and journal; the note goes last, so that a crash repeats it.

    Only while no agent runs on the directory: the journal must be closed.
    """
    names = [IDENTITY_FILE, KEY_FILE, SESSION_FILE, PLUGINS_FILE, JOURNAL_FILE]
    names += [f"{JOURNAL_FILE}-wal", f"{JOURNAL_FILE}-shm", f"{JOURNAL_FILE}-journal"]
    for name in (*names, DROP_FILE):
        (state_dir / name).unlink(missing_ok=True)
