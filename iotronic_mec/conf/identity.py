"""Options of group ``[identity]``: the embedded users and tokens."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup("identity", title="Identity", help="Embedded users and tokens.")

OPTIONS = [
    cfg.FloatOpt(
        "max_token_life_s",
        default=0.0,
        min=0.0,
        help="Longest life a token may be made with, seconds; 0 sets no limit, and tokens "
        "without an end are allowed. Read at the start; tokens made before keep theirs.",
    ),
]
