"""Options of group ``[egress]``: where tenants may send the cloud's connections."""

from __future__ import annotations

import ipaddress
from typing import Any

from oslo_config import cfg, types

GROUP = cfg.OptGroup("egress", title="Egress", help="Connections to addresses tenants name.")


class _Network(types.String):
    """A network in the usual form."""

    def __call__(self, value: Any) -> str:
        text = str(super().__call__(value)).strip()
        return str(ipaddress.ip_network(text))


OPTIONS = [
    cfg.ListOpt(
        "allowed_networks",
        default=[],
        item_type=_Network(),
        help="Networks the cloud connects to for a tenant (callbacks, webhooks) although they are "
        "not the public internet, such as 10.1.2.0/24 or fd00:1::/64. Everything private, "
        "loopback, link-local, multicast, reserved or translated is refused otherwise. The "
        "metadata address of a cloud needs an entry of its own (/32 or /128). Read at the "
        "start.",
    ),
]
