"""Options of group ``[wamp]``: how boards come back and report."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup("wamp", title="WAMP", help="Sessions of boards.")

OPTIONS = [
    cfg.FloatOpt(
        "retry_boards_per_s",
        default=100.0,
        min=1.0,
        max=1000.0,
        help="Boards the router takes in a second: after a loss, boards spread their first "
        "retry over (number of boards / this) seconds. One router takes about 150. "
        "Read at the start.",
    ),
    cfg.FloatOpt(
        "heartbeat_s",
        default=30.0,
        min=1.0,
        max=3600.0,
        help="How often a board reports operations the cloud has not confirmed, seconds. "
        "Told to a board when it joins.",
    ),
]
