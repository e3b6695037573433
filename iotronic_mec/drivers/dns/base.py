"""The interface of DNS drivers.

Both methods may be repeated. Any thread; each blocks for a bounded time. They
raise only the cloud's errors, see :mod:`iotronic_mec.drivers.failure`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An address record.

    :param name: full host name in lower case, no dot at the end, checked
        against RFC 1123 section 2.1
    :param zone: the zone it stands in; ``name`` ends in it
    :param address: what the name leads to, an IP address or a host name
    """

    name: str
    zone: str
    address: str


class DNSDriver(Protocol):
    """Writes and deletes records."""

    simulates: bool
    """Whether no name server is told."""

    def create(self, record: Record) -> None:
        """Have the name lead to the address from now on."""

    def delete(self, record: Record) -> None:
        """Have the name lead nowhere from now on; one that is not there is no error."""
