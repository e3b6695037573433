"""Options of group ``[log]``: what the processes' log lines look like."""

from __future__ import annotations

from oslo_config import cfg

from lightning_agent.protocol.log_lines import FORMATS, LEVELS

GROUP = cfg.OptGroup("log", title="Log lines", help="What each process writes into its log.")

OPTIONS = [
    cfg.StrOpt(
        "format",
        default="text",
        choices=FORMATS,
        help="'text' for people; 'json' for programs: one object a line, with time (UTC), "
        "level, logger, process, message, request_id, user, project and exception. Read at "
        "the start.",
    ),
    cfg.StrOpt(
        "level",
        default="info",
        choices=LEVELS,
        help="The least important lines that are written. Read at the start.",
    ),
    cfg.BoolOpt(
        "access",
        default=False,
        help="Whether each HTTP request, each call of the conductor and each call to a board "
        "has a line of its own. Requests are named by their route, never by their address, "
        "which may hold what is secret. Read at the start.",
    ),
]
