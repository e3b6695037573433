"""A ledger in memory, for tests and as the worked example of a driver."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from iotronic_mec.audit_chain import Head


class FakeLedger:
    """Heads in a list; gone with the process.

    :param path: not used; drivers of the family are made alike
    """

    def __init__(self, path: Path | None = None) -> None:
        self.kept: list[tuple[Head, datetime]] = []

    def append(self, head: Head, at: datetime) -> None:
        """Keep a head."""
        self.kept.append((head, at))

    def newest(self) -> Head | None:
        """Return what was kept last."""
        return self.kept[-1][0] if self.kept else None
