"""Options of group ``[metrics]``: where Prometheus reads this process's numbers."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup("metrics", title="Metrics", help="A listener of its own for Prometheus.")

OPTIONS = [
    cfg.IntOpt(
        "port",
        default=0,
        min=0,
        max=65535,
        help="Port of 'GET /metrics'; 0 is no listener at all. Each process on a host needs "
        "its own, standalone one for all its processes. Read at the start.",
    ),
    cfg.HostAddressOpt(
        "host",
        default="127.0.0.1",
        help="Address of the listener. One that other machines reach is refused without "
        "token_file; it has no TLS, so leave it to a reverse proxy or a private network. "
        "Read at the start.",
    ),
    cfg.StrOpt(
        "token_file",
        default="",
        help="A file with the token Prometheus sends as 'Authorization: Bearer', at least 16 "
        "characters; relative to the state directory. Empty asks for none, which only a "
        "loopback address may. Read at the start.",
    ),
]
