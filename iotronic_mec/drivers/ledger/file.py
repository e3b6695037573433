"""A ledger in a file that is only ever appended to.

One line for each head, ``<time> <sequence>:<sha256>``, which
``iot audit verify --against FILE`` reads as it is. Put it on a mount of another
machine, or make it append-only for everybody (``chattr +a``).
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from iotronic_mec.audit_chain import Head
from iotronic_mec.clock import iso
from iotronic_mec.drivers.ledger.base import LedgerUnavailable

_TAIL_BYTES = 512
"""More than the longest line."""


class FileLedger:
    """Heads at the end of one file.

    :param path: of the file; made with its first line
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, head: Head, at: datetime) -> None:
        """Write one line and have it on the disk."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path, flags, 0o640)
            try:
                # one that was cut off by a full disk must not swallow this one
                broken = not self._tail(descriptor).endswith(b"\n")
                begin = "\n" if broken else ""
                line = f"{begin}{iso(at)} {head}\n".encode()
                if os.write(descriptor, line) != len(line):
                    raise OSError(f"{self._path} took a part of the line only")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise LedgerUnavailable(f"the ledger cannot be written: {error}") from error

    def newest(self) -> Head | None:
        """Return the head of the last whole line."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerUnavailable(f"the ledger cannot be read: {error}") from error
        try:
            lines = self._tail(descriptor).decode("utf-8", "replace").splitlines()
        except OSError as error:
            raise LedgerUnavailable(f"the ledger cannot be read: {error}") from error
        finally:
            os.close(descriptor)
        for line in reversed(lines):
            try:
                return Head.parse(line.split()[-1])
            except (IndexError, ValueError):
                continue
        return None

    def _tail(self, descriptor: int) -> bytes:
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        return tail or b"\n"
