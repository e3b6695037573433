"""A database as IoTronic's own schema makes it, with good rows and bad ones.

Source: openstack/iotronic, ``iotronic/db/sqlalchemy/models.py``: names, types and
rules of the columns; JSON is text.
"""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta
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
RECENT = datetime.now().replace(microsecond=0) - timedelta(days=3)
"""When requests were made that are young enough to be kept."""


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
enabled = _table(
    "enabled_webservices",
    Column("board_uuid", String(36), ForeignKey("boards.uuid", ondelete="CASCADE")),
    Column("http_port", Integer),
    Column("https_port", Integer),
    Column("dns", String(100)),
    Column("zone", String(100)),
    Column("extra", Text),
)
webservices = _table(
    "webservices",
    Column("uuid", String(36), unique=True),
    Column("port", Integer),
    Column("name", String(45)),
    Column("board_uuid", String(36), ForeignKey("boards.uuid", ondelete="CASCADE")),
    Column("secure", Boolean),
    Column("extra", Text),
    UniqueConstraint("port", "board_uuid"),
    UniqueConstraint("board_uuid", "port", "name"),
)
exposed = _table(
    "exposed_services",
    Column("board_uuid", String(36), ForeignKey("boards.uuid", ondelete="CASCADE")),
    Column("service_uuid", String(36), ForeignKey("services.uuid")),
    Column("public_port", Integer),
)
ports = _table(
    "ports_on_boards",
    Column("board_uuid", String(40), ForeignKey("boards.uuid", ondelete="CASCADE")),
    Column("uuid", String(40)),
    Column("VIF_name", String(30)),
    Column("MAC_add", String(32)),
    Column("ip", String(36)),
    Column("network", String(36)),
)
requests = _table(
    "requests",
    Column("uuid", String(36), unique=True),
    Column("main_request_uuid", String(36), ForeignKey("requests.uuid")),
    Column("destination_uuid", String(36)),
    Column("pending_requests", Integer),
    Column("project", String(36)),
    Column("status", String(10)),
    Column("type", Integer),
    Column("action", String(20)),
)
results = _table(
    "results",
    Column("board_uuid", String(36)),
    Column("request_uuid", String(36)),
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


def _order(number: int, board: int, status: str, **more: Any) -> dict[str, Any]:
    """Return a request's row."""
    row = {
        "uuid": uuid(number),
        "destination_uuid": uuid(board),
        "pending_requests": 0,
        "project": PROJECT,
        "status": status,
        "type": 0,
        "action": "DeviceEcho",
        "created_at": RECENT,
    }
    return {**row, **more}


def _result(board: int, request: int, word: str | None, message: str | None) -> dict[str, Any]:
    """Return a result's row."""
    return {
        "board_uuid": uuid(board),
        "request_uuid": uuid(request),
        "result": word,
        "message": message,
        "created_at": RECENT,
    }


ROWS: dict[Table, list[dict[str, Any]]] = {
    fleets: [
        {"uuid": uuid(1), "name": "north", "project": PROJECT, "description": "up"},
        {"uuid": uuid(2), "name": "nobody", "project": "no-project"},
    ],
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
        {"uuid": None, "code": "CODE-6", "name": "null", "owner": USER, "project": PROJECT},
        {"uuid": uuid(17), "code": None, "name": None, "owner": None, "project": None},
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
        {"uuid": uuid(32), "name": "webservice", "project": OTHER, "port": 80, "protocol": "TCP"},
        {"uuid": uuid(33), "name": "null", "project": PROJECT, "port": None, "protocol": None},
        {"uuid": uuid(34), "name": "any", "project": PROJECT, "port": 5, "protocol": "XXX"},
        {"uuid": uuid(35), "name": "dns", "project": PROJECT, "port": 53, "protocol": "ANY"},
    ],
    enabled: [
        {
            "board_uuid": uuid(10),
            "http_port": 50010,
            "https_port": 50011,
            "dns": "Porch",
            "zone": "example.org.",
        },
        {"board_uuid": uuid(11), "http_port": 50010, "dns": "second", "zone": "example.org"},
        {"board_uuid": uuid(12), "http_port": 50014, "dns": "a.porch", "zone": "example.org"},
        {"board_uuid": uuid(10), "http_port": 50015, "dns": "porch", "zone": "example.org"},
        {"board_uuid": uuid(10), "http_port": 50016, "dns": "other", "zone": "example.org"},
        {"board_uuid": uuid(13), "http_port": 50017, "dns": "../etc", "zone": "example.org"},
        {"board_uuid": uuid(13), "dns": None, "zone": None},
        {"board_uuid": None, "dns": "x", "zone": "example.org"},
    ],
    webservices: [
        {"uuid": uuid(50), "board_uuid": uuid(10), "name": "cam", "port": 8080},
        {"uuid": uuid(51), "board_uuid": uuid(10), "name": "a_b", "port": 8082, "secure": True},
        {"uuid": uuid(52), "board_uuid": uuid(11), "name": "CAM", "port": 8080, "secure": False},
        {"uuid": uuid(53), "board_uuid": uuid(10), "name": "cam", "port": 8081, "secure": True},
        {"uuid": uuid(54), "board_uuid": uuid(12), "name": "cam", "port": 8080, "secure": True},
        {"uuid": uuid(55), "board_uuid": uuid(10), "name": "null", "port": None},
        {"uuid": "no-uuid", "board_uuid": uuid(10), "name": "dav", "port": 8089},
    ],
    exposed: [
        {"board_uuid": uuid(10), "service_uuid": uuid(30), "public_port": 50020},
        {"board_uuid": uuid(10), "service_uuid": uuid(30), "public_port": 50021},
        {"board_uuid": uuid(11), "service_uuid": uuid(30), "public_port": 50020},
        {"board_uuid": uuid(12), "service_uuid": uuid(30), "public_port": 50030},
        {"board_uuid": uuid(10), "service_uuid": uuid(32), "public_port": 50010},
        {"board_uuid": uuid(10), "service_uuid": uuid(35), "public_port": 70000},
        {"board_uuid": uuid(14), "service_uuid": uuid(30), "public_port": 50032},
        {"board_uuid": uuid(10), "service_uuid": uuid(31), "public_port": 50033},
        {"board_uuid": uuid(13), "service_uuid": uuid(30), "public_port": None},
        {"board_uuid": None, "service_uuid": None, "public_port": None},
    ],
    ports: [
        {
            "uuid": uuid(60),
            "board_uuid": uuid(10),
            "VIF_name": "iotronic10001",
            "MAC_add": "FA:16:3E:00:00:01",
            "ip": "10.0.0.5",
            "network": uuid(70),
        },
        {"uuid": uuid(60), "board_uuid": uuid(10), "network": uuid(70)},
        {
            "uuid": uuid(61),
            "board_uuid": uuid(10),
            "VIF_name": "iotronic10001",
            "MAC_add": "none",
            "network": uuid(70),
        },
        {"uuid": uuid(62), "board_uuid": uuid(10), "network": "a network"},
        {"uuid": uuid(63), "board_uuid": uuid(10), "network": uuid(70), "ip": "somewhere"},
        {"uuid": None, "board_uuid": uuid(10), "network": uuid(70)},
        {"uuid": uuid(64), "board_uuid": uuid(14), "network": uuid(70)},
    ],
    requests: [
        _order(40, 10, "COMPLETED"),
        _order(41, 10, "PENDING", pending_requests=1),
        _order(42, 10, "COMPLETED", action="EnableWebService"),
        _order(43, 10, "COMPLETED", main_request_uuid=uuid(42)),
        _order(44, 10, "COMPLETED", main_request_uuid=uuid(42)),
        _order(45, 10, "WEIRD"),
        _order(46, 10, "COMPLETED", created_at=MADE),
        _order(47, 99, "COMPLETED", action=None),
        _order(48, 10, "COMPLETED", destination_uuid=None),
        _order(49, 1, "COMPLETED", type=1, project=None),
        _order(80, 12, "COMPLETED", main_request_uuid=uuid(40)),
        _order(81, 10, "COMPLETED", type=7),
        _order(82, 99, "COMPLETED", project=None),
        _order(83, 10, None),
        _order(84, 10, "COMPLETED", project=OTHER),
    ],
    results: [
        _result(10, 40, "SUCCESS", "pong \u00e9\U0001f600"),
        _result(10, 41, "RUNNING", None),
        _result(10, 43, "SUCCESS", "done"),
        _result(10, 44, "ERROR", "no certificate"),
        _result(10, 45, "SUCCESS", "lost"),
        _result(10, 46, "SUCCESS", "old"),
        _result(99, 47, "MAYBE", "?"),
        _result(10, 49, "WARNING", "almost"),
        _result(10, 98, "SUCCESS", "of nothing"),
        _result(10, 80, "SUCCESS", "another project's board"),
        _result(12, 40, None, None),
    ],
}

ORPHANS: dict[Table, list[dict[str, Any]]] = {
    webservices: [{"uuid": uuid(56), "board_uuid": uuid(99), "name": "gone", "port": 80}],
    exposed: [
        {"board_uuid": uuid(99), "service_uuid": uuid(30), "public_port": 50034},
        {"board_uuid": uuid(10), "service_uuid": uuid(99), "public_port": 50035},
    ],
    ports: [{"uuid": uuid(65), "board_uuid": uuid(99), "network": uuid(70)}],
    requests: [_order(85, 10, "COMPLETED", main_request_uuid=uuid(97))],
}
"""Rows whose other end is gone, as SQLite lets them be."""


def make(url: str) -> None:
    """Make the tables with their rows."""
    engine = create_engine(server.parse(url), poolclass=NullPool)
    with engine.begin() as connection:
        metadata.create_all(connection)
        given = [ROWS, ORPHANS] if connection.dialect.name == "sqlite" else [ROWS]
        for table, rows in ((table, rows) for each in given for table, rows in each.items()):
            for row in rows:
                connection.execute(table.insert().values({"created_at": MADE, **row}))
    engine.dispose()
