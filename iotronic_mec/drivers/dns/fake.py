"""Records in memory, for tests and until an installation has a name server."""

from __future__ import annotations

import threading

from iotronic_mec.drivers.dns.base import Record


class FakeDNS:
    """Tells no name server, and says so."""

    simulates = True

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.failure: Exception | None = None
        """What the next calls raise; for tests."""
        self._lock = threading.Lock()

    def create(self, record: Record) -> None:
        """Note a record."""
        self._fail()
        with self._lock:
            self.records[record.name] = record

    def delete(self, record: Record) -> None:
        """Forget a record."""
        self._fail()
        with self._lock:
            self.records.pop(record.name, None)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure
