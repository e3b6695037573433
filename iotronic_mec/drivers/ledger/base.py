"""The interface of ledger drivers: heads of the audit, kept where its writer is not.

Whoever has the database can cut the end of the audit's chain, or write all of
it anew so that it is whole. A head that was handed to a ledger before tells:
``iot audit verify --against`` compares. A ledger is worth as much as it is out
of the reach of who writes the database: another machine, another account, a
public chain of blocks.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from iotronic_mec.audit_chain import Head
from iotronic_mec.errors import Unavailable


class LedgerUnavailable(Unavailable):
    """The ledger cannot be written or read at the moment."""

    code = "iot.ledger.unavailable"


class Ledger(Protocol):
    """One place for heads, only ever added to; the conductor's periodic thread."""

    def append(self, head: Head, at: datetime) -> None:
        """Keep a head; it is durable when this returns.

        Handing in the same head again is no error.

        :param at: when it was read, aware
        :raises LedgerUnavailable: it is not kept; it is handed in again later
        """

    def newest(self) -> Head | None:
        """Return what was kept last, ``None`` when nothing was.

        :raises LedgerUnavailable: the ledger cannot be read
        """
