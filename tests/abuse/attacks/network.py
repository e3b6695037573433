"""Attacks 64 to 73: network and devices."""

from __future__ import annotations

import os
import socket

from tests.abuse.attack import Attack
from tests.abuse.prelude import attempt

APART = {
    "EPERM": "seccomp",
    "ENETUNREACH": "network namespace",
    "ECONNREFUSED": "network namespace",
    "EADDRNOTAVAIL": "network namespace",
}
HIDDEN = {"ENOENT": "view"}


def loopback(told):
    """Speak to a service of the board that listens on loopback only."""
    return {
        "IPv4": attempt(lambda: socket.create_connection(("127.0.0.1", told["tcp"]), 2).close())
    }


def datagrams(told):
    """Send a datagram, ask a name server."""

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            opened.sendto(b"x", ("127.0.0.1", told["udp"]))

    def send6():
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as opened:
            opened.sendto(b"x", ("::1", told["udp"]))

    return {"UDP": attempt(send), "UDP over IPv6": attempt(send6)}


def metadata(told):
    """Ask the address at which clouds give credentials to their machines."""
    return {
        "metadata": attempt(lambda: socket.create_connection(("169.254.169.254", 80), 2).close())
    }


def strange_sockets(told):
    """Open sockets of families that are seldom used and often broken."""
    kinds = {
        "raw": (socket.AF_INET, socket.SOCK_RAW, 1),
        "packet": (socket.AF_PACKET, socket.SOCK_RAW, 0),
        "netlink": (socket.AF_NETLINK, socket.SOCK_RAW, 0),
        "vsock": (socket.AF_VSOCK, socket.SOCK_STREAM, 0),
        "alg": (socket.AF_ALG, socket.SOCK_SEQPACKET, 0),
        "xdp": (44, socket.SOCK_RAW, 0),
    }
    return {
        name: attempt(lambda kind=kind: socket.socket(*kind).close())
        for name, kind in kinds.items()
    }


def abstract_socket(told):
    """Speak to a service that listens on a name without a file."""

    def connect():
        with socket.socket(socket.AF_UNIX) as opened:
            opened.connect(told["abstract"])

    return {"abstract": attempt(connect)}


def path_sockets(told):
    """Speak to services that listen on a file: supervisor, bus, containers."""

    def connect(path):
        with socket.socket(socket.AF_UNIX) as opened:
            opened.connect(path)

    paths = (told["supervisor"], "/run/dbus/system_bus_socket", "/run/docker.sock")
    return {os.path.basename(path): attempt(lambda path=path: connect(path)) for path in paths}


def machine_devices(told):
    """Open the memory, the kernel's messages, the disks."""
    paths = ("/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/mmcblk0", "/dev/port")
    return {
        path: attempt(lambda path=path: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK)))
        for path in paths
    }


def board_devices(told):
    """Open cameras and buses that nobody granted."""
    paths = ("/dev/video0", "/dev/gpiochip0", "/dev/i2c-1", "/dev/spidev0.0", "/dev/ttyS0")
    return {
        path: attempt(lambda path=path: os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK)))
        for path in paths
    }


TABLE = (
    Attack(
        number=64,
        title="loopback TCP to the board",
        leak="services that trust the board",
        source=loopback,
        stopped=APART,
    ),
    Attack(
        number=65,
        title="UDP, DNS",
        leak="a way out for data",
        source=datagrams,
        stopped=APART,
    ),
    Attack(
        number=66,
        title="metadata address 169.254.169.254",
        leak="credentials of the machine",
        source=metadata,
        stopped=APART,
        ground="metadata",
    ),
    Attack(
        number=67,
        title="raw, packet, netlink, vsock, alg, xdp sockets",
        leak="traffic of others, more of the kernel to attack",
        source=strange_sockets,
        stopped={"EPERM": "seccomp", "EAFNOSUPPORT": "kernel has none"},
    ),
    Attack(
        number=68,
        title="abstract socket of the board",
        leak="services that trust the board",
        source=abstract_socket,
        stopped=APART,
    ),
    Attack(
        number=69,
        title="sockets with a path: supervisor, D-Bus, docker",
        leak="services that trust the board",
        source=path_sockets,
        stopped=HIDDEN,
    ),
    Attack(
        number=70,
        title="network granted: a destination that is not on the list",
        leak="a way out for data",
        pending="C: network by a manifest",
    ),
    Attack(
        number=71,
        title="/dev/mem, kmsg, disks",
        leak="all of the board",
        source=machine_devices,
        stopped=HIDDEN,
    ),
    Attack(
        number=72,
        title="/dev/video0, gpio, i2c without a grant",
        leak="the board's eyes and hands",
        source=board_devices,
        stopped=HIDDEN,
        ground="devices",
    ),
    Attack(
        number=73,
        title="granted node: an ioctl outside its use",
        leak="more of the device than was granted",
        pending="C: device nodes by a manifest",
    ),
)
