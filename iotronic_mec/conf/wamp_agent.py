"""Options of group ``[wamp_agent]``: a wamp agent and its router."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup(
    "wamp_agent", title="WAMP agent", help="The process 'iotronic-mec-wamp-agent' and its router."
)

OPTIONS = [
    cfg.StrOpt(
        "url",
        default="",
        help="Address of this agent's router as boards know it, for instance "
        "wss://boards.example.org/ws. Read at the start.",
    ),
    cfg.StrOpt(
        "router",
        default="supervised",
        choices=[
            ("supervised", "the agent starts Crossbar as its child and keeps it running"),
            ("joined", "Crossbar is run by somebody else"),
        ],
        help="Whose the router is. A joined one must let in the agent's key, which the agent "
        "logs at its start, on a private socket; see etc/crossbar/config.json. Read at the "
        "start.",
    ),
    cfg.StrOpt(
        "socket",
        default="",
        help="Private Unix socket of a joined router; not for a supervised one. Read at the "
        "start.",
    ),
    cfg.StrOpt(
        "host",
        default="127.0.0.1",
        help="Address a supervised router listens on for boards. Without certificate and key "
        "it must be a loopback address, behind a reverse proxy. Read at the start.",
    ),
    cfg.PortOpt(
        "port",
        default=8443,
        help="Port a supervised router listens on for boards; agents of one host need "
        "different ones. Read at the start.",
    ),
    cfg.StrOpt(
        "certificate",
        default="",
        help="Certificate chain (PEM) of a supervised router; empty for none. Read at the start.",
    ),
    cfg.StrOpt(
        "key",
        default="",
        help="Private key (PEM) of the certificate. Read at the start.",
    ),
]
