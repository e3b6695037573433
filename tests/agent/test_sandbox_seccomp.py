"""The filter of system calls, carried out as the kernel would."""

from __future__ import annotations

import errno
import struct
from functools import lru_cache

import pytest

from lightning_agent.sandbox.seccomp import DENIED, MACHINES, NAMESPACE_FLAGS, build, load

ALLOW = 0x7FFF0000
DENY = 0x00050000 | errno.EPERM
ABSENT = 0x00050000 | errno.ENOSYS
KILL = 0
HARMLESS = {"x86_64": (0, 1, 9, 57, 231), "aarch64": (63, 64, 222, 93), "armv7l": (3, 4, 192, 1)}
"""read, write, mmap, fork or exit."""

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "armv7l": 0x40000028}
"""The kernel's names of the tables.  Source: linux/audit.h."""

EVERYWHERE = {"ptrace", "mount", "bpf", "unshare", "setns", "keyctl", "memfd_create", "reboot"}
"""What every machine must know: the positive control of names that some do not."""

machines = pytest.mark.parametrize("machine", sorted(MACHINES))


@lru_cache
def program_of(machine: str) -> list[tuple[int, int, int, int]]:
    """Return the filter of a machine, line by line."""
    return list(struct.iter_unpack("=HBBI", build(machine)))


def number_of(machine: str, name: str) -> int:
    """Return the number of a call, below 0 where the machine has none."""
    seccomp = load()
    return int(seccomp.resolve_syscall(getattr(seccomp.Arch, MACHINES[machine]), name))


def decide(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """Return what the filter says to a call: an interpreter of classic BPF."""
    lines = program_of(machine)
    data = struct.pack(
        "=IIQ6Q",
        number,
        AUDIT[machine] if audit is None else audit,
        0,
        *(arguments + (0,) * 6)[:6],
    )
    value = place = 0
    while True:
        code, yes, no, operand = lines[place]
        place += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            (value,) = struct.unpack_from("=I", data, operand)
        elif code == 0x54:
            value &= operand
        elif code == 0x05:
            place += operand
        else:
            met = {
                0x15: value == operand,
                0x25: value > operand,
                0x35: value >= operand,
                0x45: bool(value & operand),
            }[code]
            place += yes if met else no


@machines
def test_what_is_denied(machine: str) -> None:
    """Every name on the list that the machine has is denied."""
    numbers = {name: number_of(machine, name) for name in DENIED}
    known = {name: number for name, number in numbers.items() if number >= 0}

    assert set(known) >= EVERYWHERE
    assert len(known) > 50
    assert {name for name, number in known.items() if decide(machine, number) != DENY} == set()


@machines
def test_what_is_allowed(machine: str) -> None:
    """Ordinary calls pass: the positive control."""
    assert {decide(machine, number) for number in HARMLESS[machine]} == {ALLOW}


@machines
def test_calls_that_are_looked_at(machine: str) -> None:
    """A fork passes and a namespace does not; a local socket passes and no other does."""
    clone, opened, control = (number_of(machine, name) for name in ("clone", "socket", "ioctl"))

    assert decide(machine, number_of(machine, "clone3")) == ABSENT
    assert decide(machine, clone, 17) == ALLOW
    for bit in (1 << place for place in range(32) if NAMESPACE_FLAGS >> place & 1):
        assert decide(machine, clone, bit | 17) == DENY
    assert decide(machine, opened, 1) == ALLOW
    assert {decide(machine, opened, n) for n in (2, 10, 16, 17, 38, 40, 44)} == {DENY}
    assert decide(machine, control, 0, 0x5401) == ALLOW
    assert {decide(machine, control, 0, n) for n in (0x5412, 0x541C)} == {DENY}
    # the kernel looks at the lower half of the argument only
    assert decide(machine, control, 0, 0x5412 | 1 << 40) == DENY
    if machine != "armv7l":
        assert decide(machine, opened, 2 | 1 << 40) == DENY


def test_another_table_of_calls_is_no_way_around() -> None:
    """Who calls by i386's, x32's or another machine's numbers is killed."""
    assert decide("x86_64", 4, audit=0x40000003) == KILL
    assert decide("x86_64", 0x40000000 | 1) == KILL
    assert decide("aarch64", 4, audit=0x40000028) == KILL
