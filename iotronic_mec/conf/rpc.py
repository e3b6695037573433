"""Options of group ``[rpc]``: how the cloud's processes call one another."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup("rpc", title="RPC", help="How the cloud's processes call one another.")

OPTIONS = [
    cfg.StrOpt(
        "transport_url",
        default="local",
        secret=True,
        help="'local': sockets in the state directory, for 'iotronic-mec standalone'. The "
        "separate processes need a broker: rabbit://USER:PASSWORD@HOST:5672/VHOST; several "
        "hosts are separated by commas. Give the cloud a virtual host of its own. Options of "
        "group [oslo_messaging_rabbit] (TLS, heartbeats) apply. Read at the start.",
    ),
    cfg.IntOpt(
        "workers",
        default=64,
        min=4,
        max=1000,
        help="Calls a conductor or wamp agent runs at a time; one that waits for a board "
        "holds one. Read at the start.",
    ),
]
