"""Options of group ``[conductor]``: calls to boards, quota."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup("conductor", title="Conductor", help="Work on boards.")

OPTIONS = [
    cfg.FloatOpt(
        "board_call_timeout_s",
        default=50.0,
        min=1.0,
        max=55.0,
        help="How long a board has for one order, seconds; the client's own time limit "
        "should be longer. Read at the start.",
    ),
    cfg.IntOpt(
        "project_quota_bytes",
        default=1_073_741_824,
        min=0,
        help="Bytes of bundles one project may store; 0 allows none. Read at the start.",
    ),
]
