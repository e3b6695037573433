"""The interface of reverse-proxy drivers.

All methods may be repeated. Any thread; each blocks for a bounded time. They
raise only the cloud's errors, see :mod:`iotronic_mec.drivers.failure`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is served under one host name.

    :param host: full host name in lower case, checked against RFC 1123 section
        2.1: it may stand in a file name or a configuration
    :param board: uuid of the board that serves it
    :param port: on the board; 0 for the board's own name, which serves nothing
        itself
    :param secure: whether plain HTTP is redirected to HTTPS
    :param http_port: public port that leads to the board's port 80
    :param https_port: public port that leads to the board's port 443
    :param email: whom the certificate authority may write to
    """

    host: str
    board: str
    port: int
    secure: bool
    http_port: int
    https_port: int
    email: str


class ProxyDriver(Protocol):
    """Publishes and withdraws sites."""

    simulates: bool
    """Whether no proxy is told."""

    def publish(self, site: Site) -> None:
        """Serve a site from now on."""

    def withdraw(self, site: Site) -> None:
        """Stop serving a site; one that is not there is no error."""

    def renew(self, site: Site) -> None:
        """Get a new certificate for a site."""
