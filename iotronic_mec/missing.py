"""Which optional extras are absent, and what to tell the user."""

from __future__ import annotations

import importlib.util

EXTRAS: dict[str, tuple[str, ...]] = {
    "server": ("pecan", "sqlalchemy", "alembic", "pydantic", "msgpack", "twisted", "autobahn"),
    "router": ("crossbar",),
    "postgresql": ("psycopg",),
    "mariadb": ("pymysql",),
    "agent": ("autobahn", "twisted", "msgpack", "nacl"),
    "cli": ("keystoneauth1", "osc_lib", "cliff"),
}
"""Extra to the modules that show it is installed."""


def missing(*extras: str) -> list[str]:
    """Return one sentence per extra that is not installed whole."""
    sentences = []
    for extra in extras:
        absent = [name for name in EXTRAS[extra] if importlib.util.find_spec(name) is None]
        if absent:
            sentences.append(
                f"{', '.join(absent)} not installed: run "
                f"'python -m pip install \"iotronic_mec[{extra}]\"'"
            )
    return sentences
