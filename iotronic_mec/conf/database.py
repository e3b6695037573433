"""Options of group ``[database]``: where the cloud's records are kept."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup("database", title="Database", help="Where the cloud's records are kept.")

OPTIONS = [
    cfg.StrOpt(
        "connection",
        default="",
        secret=True,
        help="URL of the database: 'postgresql://user:password@host/name' or "
        "'mariadb://user:password@host/name', with the extra of that name installed; empty for "
        "an SQLite file in the state directory. Several conductors may share a PostgreSQL or "
        "MariaDB database, never an SQLite file. Read at the start.",
    ),
]
