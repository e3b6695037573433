"""The board's network interfaces, as the kernel tells them: no program is run.

Source: rtnetlink(7) and netlink(7) for addresses, proc(5) for routes, sysfs for
the rest.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from pathlib import Path
from typing import Any

_NETLINK_ROUTE = 0
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_HEADER, _ADDRESS, _ATTRIBUTE = (
    struct.Struct("=IHHII"),
    struct.Struct("=BBBBI"),
    struct.Struct("=HH"),
)

LIMIT_S = 2.0
"""For the kernel's answer."""

MAX_INTERFACES = 256


def describe() -> dict[str, Any]:
    """Return interfaces with their addresses, default routes and name servers.

    ``{"hostname", "interfaces": [{"name", "index", "mac", "mtu", "state",
    "addresses": [{"address", "prefix", "family"}]}], "default_routes":
    [{"interface", "gateway"}], "nameservers"}``; what cannot be read is left out.
    """
    found = addresses()
    return {
        "hostname": socket.gethostname(),
        "interfaces": [
            {**_interface(name), "index": index, "addresses": found.get(index, [])}
            for index, name in socket.if_nameindex()[:MAX_INTERFACES]
        ],
        "default_routes": default_routes(_text(Path("/proc/net/route")) or ""),
        "nameservers": name_servers(_text(Path("/etc/resolv.conf")) or ""),
    }


def addresses() -> dict[int, list[dict[str, Any]]]:
    """Return the addresses of each interface, by its index."""
    found: dict[int, list[dict[str, Any]]] = {}
    ask = _HEADER.pack(_HEADER.size + 1, _RTM_GETADDR, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0)
    with (
        contextlib.suppress(OSError, struct.error),
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE) as kernel,
    ):
        kernel.settimeout(LIMIT_S)
        kernel.sendall(ask + b"\0")
        while _take(kernel.recv(65_536), found):
            pass
    return found


def _take(data: bytes, found: dict[int, list[dict[str, Any]]]) -> bool:
    """Read one datagram of messages; say whether more follow."""
    while len(data) >= _HEADER.size:
        length, kind, _, _, _ = _HEADER.unpack_from(data)
        if kind in (_NLMSG_DONE, _NLMSG_ERROR) or length < _HEADER.size:
            return False
        if kind == _RTM_NEWADDR:
            read_address(data[_HEADER.size : length], found)
        data = data[(length + 3) & ~3 :]
    return True


def read_address(message: bytes, found: dict[int, list[dict[str, Any]]]) -> None:
    """Read one address message of the kernel."""
    family, prefix, _, _, index = _ADDRESS.unpack_from(message)
    values: dict[int, bytes] = {}
    rest = message[_ADDRESS.size :]
    while len(rest) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(rest)
        if length < _ATTRIBUTE.size:
            break
        values[kind] = rest[_ATTRIBUTE.size : length]
        rest = rest[(length + 3) & ~3 :]
    # of a point-to-point link IFA_ADDRESS is the other end
    packed = values.get(_IFA_LOCAL) or values.get(_IFA_ADDRESS)
    if packed is None or len(packed) not in (4, 16):
        return
    found.setdefault(index, []).append(
        {
            "address": str(ipaddress.ip_address(packed)),
            "prefix": prefix,
            "family": "ipv4" if family == socket.AF_INET else "ipv6",
        }
    )


def default_routes(table: str) -> list[dict[str, str]]:
    """Return the IPv4 default routes of ``/proc/net/route``."""
    routes = []
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) > 7 and words[1] == words[7] == "00000000":
            gateway = socket.inet_ntoa(struct.pack("<I", int(words[2], 16)))
            routes.append({"interface": words[0], "gateway": gateway})
    return routes


def name_servers(text: str) -> list[str]:
    """Return the name servers of ``resolv.conf``."""
    lines = (line.split() for line in text.splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


def _interface(name: str) -> dict[str, Any]:
    folder = Path("/sys/class/net") / name
    mtu = _text(folder / "mtu")
    return {
        "name": name,
        "mac": _text(folder / "address"),
        "mtu": int(mtu) if mtu and mtu.isdigit() else None,
        "state": _text(folder / "operstate"),
    }


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:65_536].strip()
    except OSError:
        return None
