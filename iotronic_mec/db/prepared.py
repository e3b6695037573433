"""Statements compiled once, for the few places a request passes every time.

SQLAlchemy Core costs about 0.1 ms a statement; compiled to a string once and
given to the driver, the same statement costs a fifth of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from sqlalchemy import Connection
from sqlalchemy.engine import CursorResult
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import Executable

from iotronic_mec.db import pipeline


class Prepared:
    """One statement, compiled per dialect at first use.

    Rows come back as the driver gives them: types of columns (JSON, time) are
    not applied to results; they are applied to parameters.

    :param statement: a Core statement whose parameters are ``bindparam`` or values
    :param names: for INSERT, the columns given at each execution
    """

    def __init__(self, statement: Executable, *names: str) -> None:
        self._statement = statement
        self._names = list(names) or None
        self._compiled: dict[str, Callable[[Mapping[str, Any]], tuple[str, Any]]] = {}
        self._typed: dict[str, list[tuple[int, Callable[[Any], Any]]]] = {}

    def execute(self, connection: Connection, **parameters: Any) -> CursorResult[Any]:
        """Run it with these parameters."""
        text, values = self.bound(connection, **parameters)
        return connection.exec_driver_sql(text, values)

    def rows(self, connection: Connection, **parameters: Any) -> Sequence[Any]:
        """Run it and return all its rows as the driver gives them.

        SQLite's driver and PostgreSQL's are asked directly, which costs a fifth; with
        MariaDB SQLAlchemy stays in between. What is raised is translated by
        :class:`~iotronic_mec.db.session.Database`.
        """
        text, values = self.bound(connection, **parameters)
        name = connection.dialect.name
        if name == "postgresql":
            return pipeline.ask(connection, (text, values))
        if name != "sqlite":
            result = connection.exec_driver_sql(text, values)
            return result.all() if result.returns_rows else []
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text, values)
            return cursor.fetchall()
        finally:
            cursor.close()

    def typed_rows(self, connection: Connection, **parameters: Any) -> Sequence[Sequence[Any]]:
        """Run a SELECT of columns; return all its rows, values as the columns' types say."""
        rows = self.rows(connection, **parameters)
        name = connection.dialect.name
        typed = self._typed.get(name)
        if typed is None:
            typed = self._typed[name] = _processors(connection, self._statement)
        if not typed:
            return rows
        made = [list(row) for row in rows]
        for at, process in typed:
            for row in made:
                row[at] = process(row[at])
        return made

    def send(self, connection: Connection, **parameters: Any) -> None:
        """Run it without a look at its result; in the writer's transaction only.

        On PostgreSQL it travels with what comes next, at the latest with the commit:
        what it breaks is raised there, and fails the whole change. Not for what a
        change tries in a savepoint of its own.
        """
        if connection.dialect.name == "postgresql":
            pipeline.later(connection, self.bound(connection, **parameters))
        else:
            self.rows(connection, **parameters)

    def bound(self, connection: Connection, **parameters: Any) -> pipeline.Statement:
        """Return its text for this connection's driver, and the values of its marks."""
        build = self._compiled.get(connection.dialect.name)
        if build is None:
            build = self._compiled[connection.dialect.name] = self._compile(connection)
        return build(parameters)

    def _compile(self, connection: Connection) -> Callable[[Mapping[str, Any]], tuple[str, Any]]:
        compiled = cast(
            SQLCompiler,
            self._statement.compile(  # type: ignore[attr-defined]
                dialect=connection.dialect, column_keys=self._names
            ),
        )
        text = str(compiled)
        defaults = dict(compiled.params)
        processors = compiled._bind_processors
        order = compiled.positiontup
        if order is not None:
            slots = [(name, defaults.get(name), processors.get(name)) for name in order]
            return partial(_in_order, text, slots)

        def build(parameters: Mapping[str, Any]) -> tuple[str, Any]:
            values = {**defaults, **parameters}
            for name, process in processors.items():
                if name in values:
                    values[name] = process(values[name])  # type: ignore[operator]
            return text, values

        return build


def _processors(connection: Connection, statement: Any) -> list[tuple[int, Callable[[Any], Any]]]:
    """Return what makes Python's values of a SELECT's columns, by place."""
    found = []
    for at, column in enumerate(statement.selected_columns):
        process = column.type.dialect_impl(connection.dialect).result_processor(
            connection.dialect, None
        )
        if process is not None:
            found.append((at, process))
    return found


def _in_order(
    text: str, slots: Sequence[tuple[str, Any, Any]], parameters: Mapping[str, Any]
) -> tuple[str, tuple[Any, ...]]:
    """Return the statement with its values in the order of its marks.

    :param slots: name, default and processor of each mark
    """
    get = parameters.get
    return text, tuple(
        [
            get(name, default) if process is None else process(get(name, default))
            for name, default, process in slots
        ]
    )
