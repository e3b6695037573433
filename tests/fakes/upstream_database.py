"""A database as IoTronic's own schema makes it, with good rows and bad ones.

Source: openstack/iotronic, ``iotronic/db/sqlalchemy/models.py``: names, types and
rules of the columns; JSON is text.
"""

from __future__ import annotations

import pickle
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
)
from sqlalchemy.pool import NullPool

from iotronic_mec.db import server

metadata = MetaData()

PROJECT = "aaaaaaaaaaaa4aaa8aaaaaaaaaaaaaaa"
"""As Keystone writes it: without dashes."""
OTHER = "bbbbbbbbbbbb4bbb8bbbbbbbbbbbbbbb"
USER = "cccccccccccc4ccc8ccccccccccccccc"
STRANGER = "dddddddddddd4ddd8ddddddddddddddd"
MADE = datetime(2020, 2, 3, 4, 5, 6)


def _table(name: str, *columns: Any) -> Table:
    return Table(
        name,
        metadata,
        Column("created_at", DateTime),
        Column("updated_at", DateTime),
        Column("id", Integer, primary_key=True),
        *columns,
    )


fleets = _table(
    "fleets",
    Column("uuid", String(36), unique=True),
    Column("name", String(36)),
    Column("project", String(36)),
    Column("description", String(300)),
    Column("extra", Text),
)
boards = _table(
    "boards",
    Column("uuid", String(36), unique=True),
    Column("code", String(36), unique=True),
    Column("status", String(15)),
    Column("name", String(255)),
    Column("type", String(255)),
    Column("agent", String(255)),
    Column("owner", String(36)),
    Column("project", String(36)),
    Column("fleet", String(36), ForeignKey("fleets.uuid")),
    Column("lr_version", String(20)),
    Column("connectivity", Text),
    Column("mobile", Boolean),
    Column("config", Text),
    Column("extra", Text),
)
locations = _table(
    "locations",
    Column("longitude", String(18)),
    Column("latitude", String(18)),
    Column("altitude", String(18)),
    Column("board_id", Integer, ForeignKey("boards.id", ondelete="CASCADE")),
)
plugins = _table(
    "plugins",
    Column("uuid", String(36), unique=True),
    Column("name", String(36)),
    Column("owner", String(36)),
    Column("public", Boolean),
    Column("code", Text),
    Column("callable", Boolean),
    Column("parameters", Text),
    Column("extra", Text),
)
injections = _table(
    "injection_plugins",
    Column("board_uuid", String(36), ForeignKey("boards.uuid", ondelete="CASCADE")),
    Column("plugin_uuid", String(36), ForeignKey("plugins.uuid")),
    Column("onboot", Boolean),
    Column("status", String(15)),
)
services = _table(
    "services",
    Column("uuid", String(36), unique=True),
    Column("name", String(36)),
    Column("project", String(36)),
    Column("port", Integer),
    Column("protocol", String(3)),
    Column("extra", Text),
)
results = _table(
    "results",
    Column("board_uuid", String(40)),
    Column("request_uuid", String(40)),
    Column("result", String(10)),
    Column("message", Text),
    UniqueConstraint("board_uuid", "request_uuid"),
)


def uuid(number: int) -> str:
    """Return a uuid that tells its number."""
    return f"00000000-0000-4000-8000-{number:012d}"


def pickled(source: str) -> str:
    """Return a program as IoTronic stored it."""
    return pickle.dumps(source, 0).decode("latin-1")


ROWS: dict[Table, list[dict[str, Any]]] = {
    fleets: [{"uuid": uuid(1), "name": "north", "project": PROJECT, "description": "up"}],
    boards: [
        {
            "uuid": uuid(10),
            "code": "CODE-OF-PORCH",
            "name": "porch",
            "status": "online",
            "type": "gateway",
            "owner": USER,
            "project": PROJECT,
            "fleet": uuid(1),
            "mobile": True,
            "extra": '{"room": "é"}',
        },
        {
            "uuid": uuid(11),
            "code": "CODE-OF-SECOND",
            "name": "porch",
            "owner": USER,
            "project": PROJECT,
        },
        {
            "uuid": uuid(12),
            "code": "CODE-OF-OTHER",
            "name": "porch",
            "owner": STRANGER,
            "project": OTHER,
        },
        {"uuid": uuid(13), "code": "x", "name": "short", "owner": USER, "project": PROJECT},
        {"uuid": uuid(14), "code": "CODE-4", "name": "a b", "owner": USER, "project": PROJECT},
        {"uuid": "no-uuid", "code": "CODE-5", "name": "c", "owner": USER, "project": PROJECT},
        {
            "uuid": uuid(15),
            "code": "CODE-OF-EXTRA",
            "name": "extra",
            "owner": USER,
            "project": PROJECT,
            "extra": "[1",
        },
    ],
    locations: [
        {"longitude": "1", "latitude": "2", "altitude": "3", "board_id": 1},
        {"longitude": "15.5", "latitude": "38.2", "altitude": "0", "board_id": 1},
        {"longitude": "east", "latitude": "2", "altitude": "3", "board_id": 2},
    ],
    plugins: [
        {
            "uuid": uuid(20),
            "name": "hello",
            "owner": USER,
            "public": True,
            "callable": True,
            "code": pickled("def main():\n    return 'é \\\\ x'\n"),
            "parameters": '{"name": ""}',
        },
        {"uuid": uuid(21), "name": "plain", "owner": USER, "code": "x = 1\n"},
        {"uuid": uuid(22), "name": "evil", "owner": USER, "code": "cos\nsystem\n(S'id'\ntR."},
        {"uuid": uuid(23), "name": "lost", "owner": "nobody", "code": pickled("x = 1")},
    ],
    injections: [
        {"board_uuid": uuid(10), "plugin_uuid": uuid(20), "onboot": True, "status": "injected"},
        {"board_uuid": uuid(10), "plugin_uuid": uuid(20), "onboot": True, "status": "updated"},
        {"board_uuid": uuid(10), "plugin_uuid": uuid(22), "onboot": True, "status": "injected"},
    ],
    services: [
        {"uuid": uuid(30), "name": "ssh", "project": PROJECT, "port": 22, "protocol": "TCP"},
        {"uuid": uuid(31), "name": "far", "project": PROJECT, "port": 99999, "protocol": "TCP"},
    ],
    results: [{"board_uuid": uuid(10), "request_uuid": uuid(40), "result": "SUCCESS"}],
}


def make(url: str) -> None:
    """Make the tables with their rows."""
    engine = create_engine(server.parse(url), poolclass=NullPool)
    with engine.begin() as connection:
        metadata.create_all(connection)
        for table, rows in ROWS.items():
            for row in rows:
                connection.execute(table.insert().values(created_at=MADE, **row))
    engine.dispose()
