"""Finds and runs the migrations.

In a checkout they are in ``alembic/`` beside the package, in an installed
wheel in ``iotronic_mec/migrations``. They are found by path and never
imported as a package.
"""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, LargeBinary, MetaData, Text, create_engine, text
from sqlalchemy.dialects.mysql import LONGTEXT, MEDIUMBLOB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

import iotronic_mec
from iotronic_mec.db import server
from iotronic_mec.errors import Unavailable

LOG = logging.getLogger(__name__)

LOCK_NUMBER = 5_064_170_421
"""The advisory lock of PostgreSQL that is held while a database is upgraded."""

LOCK_WAIT_S = 300
"""Longest wait for another process's upgrade, seconds."""


def folder() -> Path:
    """Return the folder that holds ``env.py``.

    :raises FileNotFoundError: the installation is not whole
    """
    package = Path(iotronic_mec.__file__).resolve().parent
    for candidate in (package / "migrations", package.parent / "alembic"):
        if (candidate / "env.py").is_file():
            return candidate
    raise FileNotFoundError("the migrations are missing: install iotronic_mec anew")


def configuration(url: str) -> Config:
    """Return alembic's configuration for one database."""
    config = Config()
    config.set_main_option("script_location", str(folder()))
    # a per cent sign would be read as an interpolation
    full = server.parse(url).render_as_string(hide_password=False)
    config.set_main_option("sqlalchemy.url", full.replace("%", "%%"))
    return config


def head() -> str:
    """Return the newest revision."""
    script = ScriptDirectory.from_config(configuration("sqlite://"))
    return str(script.get_current_head())


def revisions() -> frozenset[str]:
    """Return all revisions this release knows."""
    script = ScriptDirectory.from_config(configuration("sqlite://"))
    return frozenset(each.revision for each in script.walk_revisions())


def pending(present_revision: str | None) -> list[str]:
    """Return the revisions from one (``None``: none at all) to the newest, oldest first.

    :param present_revision: one this release knows
    """
    script = ScriptDirectory.from_config(configuration("sqlite://"))
    found = script.iterate_revisions("head", present_revision or "base")
    return [each.revision for each in found][::-1]


def engine_version(url: str) -> tuple[str, tuple[int, ...]]:
    """Return the engine's name and its version, e.g. ``("postgresql", (15, 8))``.

    :raises Unavailable: it cannot be reached
    """
    if server.parse(url).get_backend_name() == "sqlite":
        return "sqlite", sqlite3.sqlite_version_info
    engine = _present_only(url)
    try:
        with engine.connect() as connection:
            found = connection.dialect.server_version_info or ()
            return engine.dialect.name, tuple(each for each in found if isinstance(each, int))
    except DBAPIError as error:
        where = engine.url.render_as_string(hide_password=True)
        raise Unavailable(f"the database {where} cannot be used: {error.orig}") from error
    finally:
        engine.dispose()


def present(url: str) -> str | None:
    """Return the revision a database is at, ``None`` for an empty one.

    A file that is not there counts as empty, and is not made by looking.
    """
    try:
        engine = _present_only(url)
    except Unavailable:
        return None
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except DBAPIError as error:
        if engine.dialect.name == "sqlite":
            raise
        where = engine.url.render_as_string(hide_password=True)
        raise Unavailable(f"the database {where} cannot be used: {error.orig}") from error
    finally:
        engine.dispose()


def upgrade(url: str, revision: str = "head") -> bool:
    """Bring a database to a revision; say whether there was anything to do.

    For an SQLite file the caller holds the conductor's lock. On a server, where
    several processes may start at once, one does it and the others wait. A
    database of a newer release is left alone: it has all this one knows, since
    revisions only expand.
    """
    if revision == "head" and _is_ready(url):
        return False
    if server.parse(url).get_backend_name() == "sqlite":
        command.upgrade(configuration(url), revision)
        return True
    engine = create_engine(server.parse(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            _wait_for_turn(connection)
            if revision == "head" and _is_ready(url):
                return False
            server.prepare_database(connection)
            command.upgrade(configuration(url), revision)
            return True
    finally:
        # the end of the connection gives the lock back
        engine.dispose()


def compare(url: str, metadata: MetaData) -> list[str]:
    """Return in what a database differs from the tables of this release.

    :raises Unavailable: there is no such database, or it cannot be read
    """
    engine = _present_only(url)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": type_differs})
            found = compare_metadata(context, metadata)
    except (DBAPIError, sqlite3.Error) as error:
        raise Unavailable(f"the database cannot be read: {error}") from error
    finally:
        engine.dispose()
    return [str(difference) for difference in found]


def type_differs(
    _context: object, _found: object, _wanted: object, found_type: object, wanted_type: object
) -> bool | None:
    """Say that MariaDB's long text or bytes are what was wanted; ``None``: compare as usual.

    It makes a LONGTEXT of a text of that many characters, which need up to four bytes each.
    """
    impl = getattr(wanted_type, "impl", wanted_type)
    long = (isinstance(found_type, LONGTEXT) and isinstance(impl, Text)) or (
        isinstance(found_type, MEDIUMBLOB) and isinstance(impl, LargeBinary)
    )
    return False if long else None


def integrity(url: str) -> list[str]:
    """Return what is damaged in an SQLite file; on other engines nothing is asked.

    :raises Unavailable: there is no such database
    """
    engine = _present_only(url)
    try:
        if engine.dialect.name != "sqlite":
            return []
        with engine.connect() as connection:
            found = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check"))]
            foreign = connection.execute(text("PRAGMA foreign_key_check")).all()
    except (DBAPIError, sqlite3.Error) as error:
        return [str(error)]
    finally:
        engine.dispose()
    return [line for line in found if line != "ok"] + [
        f"{row[0]} row {row[1]}: {row[2]} is missing" for row in foreign
    ]


def _is_ready(url: str) -> bool:
    found = present(url)
    if found is not None and found not in revisions():
        LOG.warning("the database is at %s, which is newer than this release", found)
        return True
    return found == head()


def _wait_for_turn(connection: Connection) -> None:
    """Hold the lock of upgrades for as long as the connection lives."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET lock_timeout = '{LOCK_WAIT_S}s'"))
        connection.execute(text(f"SELECT pg_advisory_lock({LOCK_NUMBER})"))
        return
    name = "CONCAT('iotronic-mec ', LEFT(DATABASE(), 40))"
    taken = connection.execute(text(f"SELECT GET_LOCK({name}, {LOCK_WAIT_S})")).scalar()
    if taken != 1:
        raise Unavailable("another process is upgrading the database; try again later")


def _present_only(url: str) -> Engine:
    """Return an engine that makes no SQLite file where there is none."""
    parsed = server.parse(url)
    name = parsed.database or ""
    if parsed.get_backend_name() == "sqlite" and name not in ("", ":memory:"):
        path = Path(name)
        if not path.is_file():
            raise Unavailable(f"there is no database {name}: start the cloud once")
    return create_engine(parsed)
