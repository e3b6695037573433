"""Host names: what passes may stand in a file name and in a configuration."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotronic_mec import hostname

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-._/\\;{}$\n \tÄ"


@pytest.mark.parametrize(
    "name", ["a", "a-b.c", "1.example.org", "x" * 63, "xn--bcher-kva.example"]
)
def test_host_names(name: str) -> None:
    """Labels of letters, digits and hyphens pass."""
    assert hostname.is_hostname(name)


@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".a", "a..b", "-a", "a-", "A", "a_b", "x" * 64, "a\n", "../a", "a b"]
)
def test_what_is_no_host_name(name: str) -> None:
    """Empty labels, hyphens at an end, other letters and long labels do not."""
    assert not hostname.is_hostname(name)


def test_length() -> None:
    """253 characters pass, one more does not."""
    name = ".".join(["x" * 63] * 3 + ["y" * 61])

    assert (len(name), hostname.is_hostname(name)) == (253, True)
    assert not hostname.is_hostname(name + "z")


@pytest.mark.parametrize(("name", "address"), [("1.2.3.4", True), ("a.1", True), ("1.a", False)])
def test_addresses(name: str, address: bool) -> None:
    """A name whose last label is a number would be taken for an address."""
    assert hostname.is_address(name) is address


@given(st.text(alphabet=LETTERS, max_size=80))
def test_nothing_else_gets_through(text: str) -> None:
    """Whatever passes has only harmless letters, and no empty label."""
    if hostname.is_hostname(text):
        assert re.fullmatch(r"[a-z0-9.-]+", text)
        assert ".." not in text and not text.startswith((".", "-"))
