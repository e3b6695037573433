"""Options of the database."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup(name="database", title="The database")

OPTIONS = [
    cfg.StrOpt(
        "connection",
        default="",
        secret=True,
        help=(
            "SQLAlchemy URL of the database. Empty: iotronic.sqlite in the state directory. "
            "Read at the start."
        ),
    ),
]
