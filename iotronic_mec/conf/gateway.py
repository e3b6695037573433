"""Options of group ``[gateway]``: the content origin, and the data road."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup(
    "gateway", title="Gateway", help="The process of the content origin and of the data road."
)

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
    cfg.PortOpt(
        "control_port",
        default=0,
        help="Port on which 'iotronic-mec-gateway' answers what it serves of the control "
        "origin: POST /healthcheck/boards/{uuid}, and followed logs of plugins. The reverse "
        "proxy sends them there; who the client is it says as to the APIs, see [api] "
        "trust_proxy_headers. 0: none, the APIs answer by the longer way. Read at the start.",
    ),
]
