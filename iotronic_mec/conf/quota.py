"""Options of group ``[quota]``: how many things a project may have by default."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup(
    "quota",
    title="Quotas",
    help="Limits of projects that were given none of their own by 'iot quota set'.",
)

DEFAULTS = (
    ("boards", 10_000, "boards"),
    ("plugins", 1_000, "plugins"),
    ("injections", 100_000, "plugins on its boards, all boards taken together"),
    ("fleets", 1_000, "fleets"),
    ("services", 1_000, "services"),
    ("exposed_services", 10_000, "services of its boards that are exposed at a public port"),
    ("enabled_webservices", 10_000, "boards whose web services are enabled"),
    ("webservices", 10_000, "web services of its boards"),
    ("ports", 10_000, "virtual ports of its boards"),
    ("grants", 10_000, "grants it has lent that are not revoked"),
    ("requests", 10_000, "requests that have not ended"),
    ("users", 1_000, "embedded users who act in it by default"),
    ("tokens", 10_000, "tokens of embedded users for it"),
)
"""Resource, its default limit, and what is counted."""

OPTIONS = [
    cfg.IntOpt(
        name,
        default=most,
        min=-1,
        help=f"Most of these a project may have: {counted}. -1 sets no limit, 0 allows none. "
        "What there is stays when the limit is lowered. Read at the start.",
    )
    for name, most, counted in DEFAULTS
]
