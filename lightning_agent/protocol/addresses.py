"""Addresses a tenant may name: what a URL must look like, and where it may lead.

Pure rules, the same in the cloud and on the board; no name is looked up here.
:mod:`lightning_agent.protocol.outbound` looks up and connects.

Ranges: RFC 6890 (special-purpose registries), RFC 6598 (carrier-grade NAT), RFC
4193 (unique local), RFC 6052 and RFC 8215 (NAT64), RFC 3056 (6to4), RFC 4380
(Teredo), RFC 5214 section 6.1 (ISATAP).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL = 2048
"""Longest URL, characters."""

DEFAULT_PORTS = {"http": 80, "https": 443}

_PLAIN = re.compile(r"[!#-;=?-\[\]_a-z~%]+")
"""What stands in a URL: printable ASCII without blanks, quotes, ``<>`` and the
like; no backslash, which clients read in different ways."""

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


class AddressRefused(Exception):
    """A URL or the address behind it is not allowed; the message names the rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """A checked URL.

    :param host: name in lower case without a dot at its end, or an address
    :param target: path and query as they are sent; the fragment is dropped
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port as the header ``Host`` says them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS.get(self.scheme) else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port. Source: RFC 6454 section 4."""
        return self.scheme, self.host, self.port

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def parse_url(text: object, schemes: Sequence[str] = ("http", "https")) -> Url:
    """Check a URL a tenant gave.

    :param schemes: those of :data:`DEFAULT_PORTS` that are allowed
    :raises AddressRefused: names the rule; never repeats what might be a password
    """
    if not isinstance(text, str) or not text or len(text) > MAX_URL:
        raise AddressRefused(f"a URL of 1 to {MAX_URL} characters is expected")
    if not _PLAIN.fullmatch(text):
        raise AddressRefused(
            "only printable ASCII without blanks, quotes and backslashes may stand in a URL"
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise AddressRefused("the URL's host or port cannot be read") from error
    scheme = parts.scheme.lower()
    if scheme not in schemes or scheme not in DEFAULT_PORTS:
        raise AddressRefused(f"the scheme must be {' or '.join(schemes)}")
    if "@" in parts.netloc:
        raise AddressRefused("user and password may not stand in a URL")
    if parts.netloc.endswith(":") or port == 0:
        raise AddressRefused("the port must be a number from 1 to 65535")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Url(
        scheme=scheme,
        host=_host(parts.hostname or ""),
        port=port or DEFAULT_PORTS[scheme],
        target=target,
    )


def _host(host: str) -> str:
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host)) if "%" not in host else _no_zone()
        except ValueError as error:
            raise AddressRefused("the URL's IPv6 address cannot be read") from error
    name = host.removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressRefused("the URL needs a host: a name, or an address in its usual form")
    if _NUMBER.fullmatch(labels[-1]):
        # 127.1, 2130706433 and 0x7f000001 are addresses to some and names to others
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError as error:
            raise AddressRefused(
                "an IPv4 address is written as four decimal numbers, 192.0.2.1"
            ) from error
    return name


def _no_zone() -> str:
    raise AddressRefused("an IPv6 address with a zone (%) is not allowed")


METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
"""Where clouds tell machines their secrets: AWS, OpenStack, Azure, Alibaba,
Oracle, Google. Some are public addresses, so no range covers them."""

_RANGES: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "unspecified"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("10.0.0.0/8", "private"),
    ("172.16.0.0/12", "private"),
    ("192.168.0.0/16", "private"),
    ("100.64.0.0/10", "carrier-grade NAT"),
    ("192.0.0.0/24", "reserved"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relay"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("::/96", "IPv4-compatible"),
    ("100::/64", "discard-only"),
    ("2001::/32", "Teredo"),
    ("2001:2::/48", "benchmarking"),
    ("2001:10::/28", "ORCHID"),
    ("2001:20::/28", "ORCHID"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment routing"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
)
REFUSED: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(text), reason) for text, reason in _RANGES
)
"""Ranges nobody is led to unless a network is allowed, and what they are."""

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
_ISATAP = (0x00005EFE, 0x02005EFE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """Where connections may lead.

    :param allowed: networks that may be reached although they are refused by
        default. An address of :data:`METADATA` needs an entry of its own
        (``/32`` or ``/128``): a wide network does not open it.
    """

    allowed: tuple[Network, ...] = field(default=())

    @classmethod
    def of(cls, networks: Iterable[str]) -> AddressPolicy:
        """Build it from texts as ``192.168.0.0/16`` or ``::1``.

        :raises ValueError: one is no network; host bits must be 0
        """
        return cls(allowed=tuple(ipaddress.ip_network(text.strip()) for text in networks))

    def why_not(self, address: Address) -> str | None:
        """Say why an address is refused; ``None`` when it is allowed."""
        if self._opens(address):
            return None
        inner = embedded(address)
        if inner is not None:
            reason = self.why_not(inner)
            return reason and f"{reason} (as {inner})"
        if address in METADATA:
            return "metadata"
        for network, reason in REFUSED:
            if address in network:
                return reason
        if address.version == 6 and address not in _GLOBAL_UNICAST:
            return "reserved"
        return None

    def _opens(self, address: Address) -> bool:
        within = [network for network in self.allowed if address in network]
        if address in METADATA or embedded(address) in METADATA:
            return any(network.num_addresses == 1 for network in within)
        return bool(within)


def embedded(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address a translator or stack makes of an IPv6 address."""
    if address.version == 4:
        return None
    number = int(address)
    if address in _MAPPED or address in _NAT64:
        return ipaddress.IPv4Address(number & 0xFFFFFFFF)
    if address in _NAT64_LOCAL:
        # RFC 6052 section 2.2, prefix of 48 bits: bits 64 to 71 are left out
        high, low = (number >> 64) & 0xFFFF, (number >> 40) & 0xFFFF
        return ipaddress.IPv4Address(high << 16 | low)
    if (number >> 32) & 0xFFFFFFFF in _ISATAP:
        return ipaddress.IPv4Address(number & 0xFFFFFFFF)
    return None


def decide(url: Url, resolved: Sequence[str], policy: AddressPolicy) -> str:
    """Choose the address to connect to; there is no second look-up after it.

    One refused address among them refuses all: an answer that mixes inside and
    outside is how a wall is got round.

    :param resolved: what the name resolved to, in order of preference
    :raises AddressRefused: names the host and the kind of address, not the address
    """
    if not resolved:
        raise AddressRefused(f"{url.host} has no address")
    for text in resolved:
        try:
            address = ipaddress.ip_address(text)
        except ValueError as error:
            raise AddressRefused(f"{url.host} resolves to something unreadable") from error
        reason = policy.why_not(address)
        if reason is not None:
            raise AddressRefused(f"{url.host} leads to a refused address: {reason}")
    return resolved[0]
