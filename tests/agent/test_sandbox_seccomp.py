"""The filter of system calls, carried out as the kernel would."""

from __future__ import annotations

import errno
import struct

import pytest

from lightning_agent.sandbox.seccomp import (
    ARCHITECTURES,
    DENIED,
    LOOKED_AT,
    NAMESPACE_FLAGS,
    build_filter,
)

ALLOW = 0x7FFF0000
DENY = 0x00050000 | errno.EPERM
ABSENT = 0x00050000 | errno.ENOSYS
HARMLESS = {"x86_64": (0, 1, 9, 57, 231), "aarch64": (63, 64, 222, 93), "armv7l": (3, 4, 192, 1)}
"""read, write, mmap, fork or exit."""

MACHINES = pytest.mark.parametrize("machine", sorted(ARCHITECTURES))


def decide(machine: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """Return what the filter says to a call: an interpreter of classic BPF."""
    program = build_filter(machine)
    assert program is not None
    lines = list(struct.iter_unpack("=HBBI", program))
    data = struct.pack(
        "=IIQ6Q",
        number,
        ARCHITECTURES[machine].audit if audit is None else audit,
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
            continue
        met = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
        place += yes if met else no


@MACHINES
def test_what_is_denied(machine: str) -> None:
    """Every name on the list, and what one architecture has of its own, is denied."""
    numbers = ARCHITECTURES[machine].numbers

    assert set(DENIED) <= set(numbers)
    assert {decide(machine, numbers[name]) for name in set(numbers) - LOOKED_AT} == {DENY}


@MACHINES
def test_what_is_allowed(machine: str) -> None:
    """Ordinary calls pass: the positive control."""
    assert {decide(machine, number) for number in HARMLESS[machine]} == {ALLOW}


@MACHINES
def test_calls_that_are_looked_at(machine: str) -> None:
    """A fork passes and a namespace does not; a local socket passes and no other does."""
    numbers = ARCHITECTURES[machine].numbers

    assert decide(machine, numbers["clone3"]) == ABSENT
    assert decide(machine, numbers["clone"], 17) == ALLOW
    for bit in (1 << place for place in range(32) if NAMESPACE_FLAGS >> place & 1):
        assert decide(machine, numbers["clone"], bit | 17) == DENY
    assert decide(machine, numbers["socket"], 1) == ALLOW
    assert {decide(machine, numbers["socket"], n) for n in (2, 10, 16, 17, 38, 40, 44)} == {DENY}
    assert decide(machine, numbers["ioctl"], 0, 0x5401) == ALLOW
    assert {decide(machine, numbers["ioctl"], 0, n) for n in (0x5412, 0x541C)} == {DENY}
    # the kernel looks at the lower half of the argument only
    assert decide(machine, numbers["ioctl"], 0, 0x5412 | 1 << 40) == DENY


def test_another_table_of_calls_is_no_way_around() -> None:
    """i386's and x32's numbers on x86-64 are denied, whatever they are."""
    assert decide("x86_64", 4, audit=0x40000003) == DENY
    assert decide("x86_64", 0x40000000 | 1) == DENY
    assert decide("aarch64", 4, audit=0x40000028) == DENY


def test_no_filter_where_there_is_no_table() -> None:
    """On a machine that is not known there is none, and doctor says so."""
    assert build_filter("riscv64") is None
