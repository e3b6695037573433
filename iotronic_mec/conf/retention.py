"""Options of group ``[retention]``: how long what has ended, or grown old, is kept."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup(
    "retention",
    title="Retention",
    help="How long what has ended is kept. What is open, in use or the newest of its kind is "
    "never deleted. The audit has an option of its own, [audit] retention_days.",
)

OPTIONS = [
    cfg.FloatOpt(
        "event_s",
        default=86_400.0,
        min=60.0,
        deprecated_group="conductor",
        deprecated_name="event_retention_s",
        help="How long events are kept for those who read them later, seconds. Read at the start.",
    ),
    cfg.FloatOpt(
        "request_s",
        default=2_592_000.0,
        min=0.0,
        deprecated_group="conductor",
        deprecated_name="request_retention_s",
        help="How long requests that have ended are kept, with their results, seconds; "
        "0 keeps them for good. Read at the start.",
    ),
    cfg.IntOpt(
        "location_days",
        default=365,
        min=0,
        help="How long the places where a board has been are kept, days; the newest one stays. "
        "0 keeps all of them. Read at the start.",
    ),
    cfg.IntOpt(
        "grant_use_days",
        default=365,
        min=0,
        help="How long the single uses of grants are kept, days, at least a week; how often a "
        "grant was used stays known, and each use is in the audit. 0 keeps them for good. Read "
        "at the start.",
    ),
    cfg.IntOpt(
        "token_days",
        default=30,
        min=0,
        help="How long tokens that have ended are listed, days. 0 keeps them until they are "
        "deleted. Read at the start.",
    ),
]
