"""Options of group ``[audit]``: where the heads of the audit go, and its old rows."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup(
    "audit",
    title="Audit",
    help="How the end of the audit's chain is made known, and how long it is in the database.",
)

OPTIONS = [
    cfg.StrOpt(
        "ledger_driver",
        default="file",
        help="Entry point of the ledger driver that is handed the head of the audit: 'file' "
        "appends it to a file, 'fake' keeps it in memory, for tests; 'none' hands it to "
        "nobody. Read at the start.",
    ),
    cfg.StrOpt(
        "ledger_path",
        default="audit-heads.log",
        help="File of the ledger driver 'file'; a relative path is below the state directory. "
        "It is worth most where who writes the database cannot change it: on a mount of another "
        "machine, or append-only. Read at the start.",
    ),
    cfg.FloatOpt(
        "head_interval_s",
        default=60.0,
        min=1.0,
        help="How often a head that has changed is handed to the ledger and published as the "
        "event audit.head, seconds. Read at the start.",
    ),
    cfg.IntOpt(
        "retention_days",
        default=0,
        min=0,
        help="After how many days rows of the audit are sealed: put into a file of the storage "
        "and taken out of the database; 0 leaves all of them there. Nothing is ever thrown "
        "away. Read at the start.",
    ),
]
