"""Column types that mean the same on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import BigInteger, Dialect, String, Text, TypeDecorator
from sqlalchemy.types import TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


LONG_TEXT_CHARACTERS = 16_777_215
"""Most characters where a text must have a size: MariaDB's plain TEXT ends at 64 KiB."""

LONG_TEXT = Text().with_variant(Text(LONG_TEXT_CHARACTERS), "mysql", "mariadb")
"""Text of a size that is no limit here."""


def name_type(length: int = 255) -> String:
    """Return the type of texts that compare letter by letter on every engine.

    MariaDB otherwise takes ``Kitchen``, ``kitchen`` and ``kitchén`` for one
    name, where SQLite and PostgreSQL see three.

    :param length: most characters
    """
    exact = String(length, collation="utf8mb4_bin")
    return String(length).with_variant(exact, "mysql", "mariadb")


def to_micros(moment: datetime) -> int:
    """Return microseconds since 1970 in UTC.

    :raises ValueError: when the moment has no time zone
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware moment in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


class UTCDateTime(TypeDecorator[datetime]):
    """An aware moment, kept as microseconds since 1970.

    An integer orders, compares and pages alike on every engine and has no
    time zone, no lost digits and no parsing in the way.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Turn the moment into its number."""
        return None if value is None else to_micros(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Turn the number into its moment."""
        return None if value is None else from_micros(value)


class JSONText(TypeDecorator[Any]):
    """Any JSON value, kept as text; never queried by its inside."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return a text of up to 1 MiB and more on every engine."""
        return Text(LONG_TEXT_CHARACTERS if dialect.name in ("mysql", "mariadb") else None)

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        """Turn the value into text; ``None`` stays null."""
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any:
        """Turn the text into its value."""
        return None if value is None else orjson.loads(value)
