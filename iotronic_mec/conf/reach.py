"""Options of group ``[reach]``: how boards are reached from outside."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup(
    "reach",
    title="Reach",
    help="How boards are reached from outside: tunnels, names, web servers, networks.",
)


def _driver(family: str, does: str) -> cfg.StrOpt:
    return cfg.StrOpt(
        f"{family}_driver",
        default="fake",
        help=f"Entry point of the {family} driver, which {does}. 'fake' keeps the books and "
        "does nothing outside; answers say so. Read at the start.",
    )


PRETENDING = frozenset({"fake", "none"})
"""DNS drivers that tell no name server anything: tenants' names appear nowhere."""

OPTIONS = [
    _driver("tunnel", "leads a public port to a port of a board"),
    _driver("dns", "tells a name server the names of boards"),
    _driver("proxy", "serves boards' web servers under their names"),
    _driver("network", "makes the ports that become interfaces of boards"),
    cfg.PortOpt(
        "port_min",
        default=50_000,
        min=1,
        help="First public port for exposed services and web servers. Read at the start.",
    ),
    cfg.PortOpt(
        "port_max",
        default=59_999,
        min=1,
        help="Last public port for exposed services and web servers. Read at the start.",
    ),
    cfg.PortOpt(
        "vif_port_min",
        default=10_000,
        min=1,
        help="First port for the links of virtual interfaces. Read at the start.",
    ),
    cfg.PortOpt(
        "vif_port_max",
        default=20_000,
        min=1,
        help="Last port for the links of virtual interfaces. Read at the start.",
    ),
    cfg.StrOpt(
        "address",
        default="",
        help="Address or host name of the public ports, which DNS records lead to; empty for "
        "the host of the content origin. Read at the start.",
    ),
    cfg.ListOpt(
        "zones",
        default=[],
        help="DNS zones in which tenants may take names, as 'boards.example.org'. Names tenants "
        "choose appear in them: give a zone of their own. Empty for any, with the dns driver "
        "'fake' only; a real one does not start without. Read at the start.",
    ),
]
