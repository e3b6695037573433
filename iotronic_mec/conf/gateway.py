"""Options of group ``[gateway]``: the content origin."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup("gateway", title="Gateway", help="The process of the content origin.")

OPTIONS = [
    cfg.StrOpt(
        "host",
        default="127.0.0.1",
        help="Address 'iotronic-mec-gateway' listens on; TLS is the reverse proxy's. Read at "
        "the start.",
    ),
    cfg.PortOpt(
        "port",
        default=1289,
        help="Port 'iotronic-mec-gateway' listens on. Read at the start.",
    ),
]
