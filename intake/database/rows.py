"""Rows inserted many at a time, without what a statement costs SQLAlchemy for each of them.

It looks up every value of every row by its name and writes each instant anew, which takes longer
than the database needs for the row. Here the statement and how its values are written are worked
out once for each table, and an instant that stands in many rows is written once.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect, Table
from sqlmodel import Session
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

Write = Callable[[Any], Any]  # a value → as the driver takes it


def insert_rows(session: Session, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows into a table; without rows nothing is done.

    Args:
        session: a write session.
        table: where to.
        rows: with the same columns each; the others keep what the database gives them.
    """
    if not rows:
        return
    connection = session.connection()
    insertion = _Insertion.into(connection.dialect, table, tuple(rows[0]))
    connection.exec_driver_sql(insertion.sql, insertion.parameters(rows))


def _values_of(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return what takes the values of these columns out of a row."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda row: tuple(row[name] for name in names)


class _Insertion:
    """A statement that inserts rows into a table, and how its parameters are made."""

    def __init__(self, dialect: Dialect, table: Table, names: tuple[str, ...]) -> None:
        """Work it out, with the types that the database's dialect has for the columns."""
        statement = table.insert().inline()  # nothing is returned
        compiled = statement.compile(dialect=dialect, column_keys=list(names))
        self.sql = str(compiled)
        self._is_positional = compiled.positional
        self._names = tuple(compiled.positiontup or names)
        self._values = _values_of(self._names)
        self._instants: list[int] = []
        self._others: list[tuple[int, Write]] = []
        for place, name in enumerate(self._names):
            type_ = table.columns[name].type
            write = type_.dialect_impl(dialect).bind_processor(dialect)
            if isinstance(type_, UTCDateTime) and write is not None:
                self._write_instant = write
                self._instants.append(place)
            elif write is not None and not isinstance(type_, AutoString):  # text is sent as it is
                self._others.append((place, write))
        self._are_sent_as_they_are = self._is_positional and not self._instants and not self._others

    @classmethod
    @lru_cache(maxsize=200)
    def into(cls, dialect: Dialect, table: Table, names: tuple[str, ...]) -> "_Insertion":
        """Return the one that was made before, if there is one."""
        return cls(dialect, table, names)

    def parameters(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return rows as the driver takes them."""
        if self._are_sent_as_they_are:
            return list(map(self._values, rows))
        written: dict[datetime | None, Any] = {None: None}
        parameters: list[Any] = []
        for row in rows:
            values = list(self._values(row))
            for place in self._instants:
                instant = values[place]
                if instant not in written:
                    written[instant] = self._write_instant(instant)
                values[place] = written[instant]
            for place, write in self._others:
                values[place] = write(values[place])
            is_positional = self._is_positional
            parameters.append(
                tuple(values) if is_positional else dict(zip(self._names, values, strict=True))
            )
        return parameters
