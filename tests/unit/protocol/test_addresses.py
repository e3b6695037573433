"""Where a tenant's URL may lead: every way to write an inside address is refused."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_agent.protocol.addresses import (
    METADATA,
    REFUSED,
    AddressPolicy,
    AddressRefused,
    decide,
    embedded,
    parse_url,
)

CLOSED = AddressPolicy()
IPV4 = st.ip_addresses(v=4)
IPV6 = st.ip_addresses(v=6)


@pytest.mark.parametrize(
    ("text", "host", "port", "target"),
    [
        ("http://example.com", "example.com", 80, "/"),
        ("HTTPS://Example.COM./a?b=c#d", "example.com", 443, "/a?b=c"),
        ("http://example.com:8080?x", "example.com", 8080, "/?x"),
        ("http://[2001:DB8::1]:1/", "2001:db8::1", 1, "/"),
        ("http://my_host-1.lan/", "my_host-1.lan", 80, "/"),
        ("http://192.0.2.1/", "192.0.2.1", 80, "/"),
    ],
)
def test_plain_urls_are_read(text: str, host: str, port: int, target: str) -> None:
    """What people write is understood."""
    url = parse_url(text)

    assert (url.host, url.port, url.target) == (host, port, target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "//example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "http://",
        "http:///path",
        "http://user@example.com/",
        "http://user:password@example.com/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:/",
        "http://example.com:port/",
        "http://example.com\\@inside/",
        "http://exa mple.com/",
        "http://example.com/\r\nX-Header: 1",
        "http://example.com/\t",
        "http://ex\u00e4mple.com/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.0.0.1.1/",
        "http://0x7f.0.0.0x1/",
        "http://[fe80::1%25eth0]/",
        "http://[::1/",
        "http://-a.example/",
        "http://a..b/",
        "http://" + "a" * 64 + ".example/",
        "http://example.com/" + "a" * 2048,
        None,
        7,
    ],
)
def test_odd_urls_are_refused(text: object) -> None:
    """Whatever two readers could read differently is refused."""
    with pytest.raises(AddressRefused):
        parse_url(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(tail: str) -> None:
    """Nothing else ever comes out, and what is read survives being read again."""
    try:
        url = parse_url(f"http://{tail}")
    except AddressRefused:
        return

    assert parse_url(str(url)) == url


def test_refusals_keep_passwords() -> None:
    """A password in a refused URL is not repeated."""
    with pytest.raises(AddressRefused) as refused:
        parse_url("http://user:hunter2@example.com/")

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("169.254.1.1", "link-local"),
        ("169.254.169.254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("100.64.0.1", "carrier-grade NAT"),
        ("224.0.0.1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("fe80::1", "link-local"),
        ("fc00::1", "private"),
        ("fd00:ec2::254", "metadata"),
        ("ff02::1", "multicast"),
        ("::ffff:127.0.0.1", "loopback (as 127.0.0.1)"),
        ("::ffff:169.254.169.254", "metadata (as 169.254.169.254)"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("64:ff9b::10.0.0.1", "private (as 10.0.0.1)"),
        ("64:ff9b:1:a00:0:100::", "private (as 10.0.0.1)"),
        ("2002:7f00:1::", "6to4"),
        ("2001::1", "Teredo"),
        ("2620:1::5efe:7f00:1", "loopback (as 127.0.0.1)"),
        ("4000::1", "reserved"),
    ],
)
def test_inside_addresses_are_refused(text: str, reason: str) -> None:
    """Each kind is refused, and named."""
    assert CLOSED.why_not(ipaddress.ip_address(text)) == reason


@pytest.mark.parametrize(
    "text",
    "8.8.8.8 1.1.1.1 100.128.0.1 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::8.8.8.8".split(),
)
def test_public_addresses_pass(text: str) -> None:
    """The positive control: the wall does not refuse everything."""
    assert CLOSED.why_not(ipaddress.ip_address(text)) is None


@given(IPV4)
def test_no_less_strict_than_the_standard_library(address: ipaddress.IPv4Address) -> None:
    """What Python's own tables call not global is refused, and more."""
    # anycast addresses of protocols, which Python calls global
    if not address.is_global:
        assert CLOSED.why_not(address) is not None


@given(IPV6)
def test_ipv6_only_global_unicast(address: ipaddress.IPv6Address) -> None:
    """Nothing outside 2000::/3 passes unless it embeds a public IPv4 address."""
    if CLOSED.why_not(address) is None:
        inner = embedded(address)
        assert address in ipaddress.ip_network("2000::/3") or inner is not None
        assert inner is None or CLOSED.why_not(inner) is None


@given(IPV4)
def test_embedding_hides_nothing(address: ipaddress.IPv4Address) -> None:
    """Mapped or translated, an address is as allowed as it is by itself."""
    plain = CLOSED.why_not(address) is None

    for prefix in ("::ffff:0:0", "64:ff9b::"):
        inside = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(address))
        assert (CLOSED.why_not(inside) is None) is plain


@given(st.sampled_from([network for network, _ in REFUSED]), st.data())
def test_allowed_networks_open_their_own(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network, data: st.DataObject
) -> None:
    """A network that is allowed is reached, its metadata address is not."""
    offset = data.draw(st.integers(0, network.num_addresses - 1))
    address = network[offset]

    opened = AddressPolicy(allowed=(network,)).why_not(address)

    assert (opened is None) is (address not in METADATA)


def test_metadata_needs_an_entry_of_its_own() -> None:
    """A wide network does not open the metadata service; a /32 does."""
    address = ipaddress.ip_address("169.254.169.254")

    assert AddressPolicy.of(["169.254.0.0/16", "0.0.0.0/0"]).why_not(address) == "metadata"
    mapped = ipaddress.ip_address("::ffff:169.254.169.254")
    assert AddressPolicy.of(["::/0"]).why_not(mapped) == "metadata (as 169.254.169.254)"
    assert AddressPolicy.of(["::ffff:169.254.169.254/128"]).why_not(mapped) is None
    assert AddressPolicy.of(["169.254.169.254/32"]).why_not(address) is None


def test_one_inside_address_refuses_all() -> None:
    """A name that leads outside and inside is not tried outside."""
    url = parse_url("http://mixed.example/")

    with pytest.raises(
        AddressRefused, match=r"mixed\.example leads to a refused address: private"
    ):
        decide(url, ["8.8.8.8", "10.0.0.1"], CLOSED)
    assert decide(url, ["8.8.8.8", "1.1.1.1"], CLOSED) == "8.8.8.8"


@pytest.mark.parametrize("resolved", [[], ["nonsense"]])
def test_no_address_is_refused(resolved: list[str]) -> None:
    """Without an address nothing is connected to."""
    with pytest.raises(AddressRefused):
        decide(parse_url("http://a.example/"), resolved, CLOSED)
