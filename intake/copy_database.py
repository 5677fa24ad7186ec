"""Copying a whole database into another one, from SQLite to PostgreSQL or back.

Rows go over in the order of their keys, some hundreds in each transaction. A copy that was cut off
compares what is there, goes on where the two differ, and keeps no books of its own. Until all of it
was read again and compared, the target is marked as unfinished and no other command opens it.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    LargeBinary,
    Select,
    Table,
    delete,
    func,
    insert,
    inspect,
    select,
    text,
    tuple_,
)
from sqlalchemy.schema import AddConstraint
from sqlmodel import Session, SQLModel, col

from intake.database import (
    SCHEMA_VERSION,
    UNFINISHED_COPY,
    Database,
    copy_source,
    initialise_database,
    make_engine,
    schema_version,
    storable,
)
from intake.errors import UsageError, VerificationError
from intake.events import FIRST_HASH, broken_links, record_event
from intake.tables import Event, Fact

ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 4_000_000  # about; a chunk ends with the row that passes this
LARGE_ROWS_IN_MEMORY = 4  # a row may hold a large message
_FACTS = SQLModel.metadata.tables["fact"]

Advance = Callable[[int], object]
"""Is told how many more rows are done."""
Row = tuple[Any, ...]


@dataclass(frozen=True)
class TableState:
    """What a table holds: equal for two databases only if every row is equal."""

    name: str
    rows: int
    digest: str


# ---- the target --------------------------------------------------------------------------------


def identity(session: Session) -> str:
    """Return what an installation's database is known by, wherever it was copied to."""
    first = select(col(Event.hash)).order_by(col(Event.id)).limit(1)
    return session.scalar(first) or FIRST_HASH


def prepare_target(url: str, source: str) -> Database:
    """Open the target, with tables and marked as unfinished; one in use is refused.

    Args:
        url: an address of SQLite or PostgreSQL.
        source: the `identity` of what is copied.

    Raises:
        UsageError: if it holds an installation, or the unfinished copy of another one.
        ConfigError: if it can't serve.
        OutsideUnavailableError: if it can't be reached.
    """
    target = Database(make_engine(url))
    try:
        version = schema_version(target)
        if version is None:
            target.close()
            target, _ = initialise_database(url)
        _mark(target, source, version or SCHEMA_VERSION)
    except Exception:
        target.close()
        raise
    return target


def _mark(target: Database, source: str, version: str) -> None:
    if version != SCHEMA_VERSION:
        message = f"The target has schema {version}, and {SCHEMA_VERSION} is needed."
        raise VerificationError(message)
    marked = copy_source(target)
    if marked == source:
        return
    with target.read() as session:
        used = session.scalar(select(func.count()).select_from(_FACTS)) or session.scalar(
            select(func.count()).select_from(Event)
        )
    if marked is None and not used:
        with target.write() as session:
            session.add(Fact(name=UNFINISHED_COPY, value=source))
        return
    what = "an installation" if marked is None else "the unfinished copy of another database"
    message = f"The target holds {what} already. Nothing was changed; name an empty database."
    raise UsageError(message)


# ---- copying -----------------------------------------------------------------------------------


def tables() -> list[Table]:
    """Return all tables, those that others refer to first."""
    return list(SQLModel.metadata.sorted_tables)


def rows_of(session: Session) -> int:
    """Return how many rows there are in all tables."""
    return sum(session.scalar(select(func.count()).select_from(table)) or 0 for table in tables())


def copy_tables(source: Session, target: Database, advance: Advance) -> bool:
    """Copy every table; return whether messages in the target had to give way to others."""
    is_replaced = False
    with target.engine.connect() as connection:
        _without_references(connection)
        for table in tables():
            replaced = _copy_table(source.connection(), connection, table, advance)
            is_replaced |= replaced and table.name == "message"
    return is_replaced


def _copy_table(source: Connection, target: Connection, table: Table, advance: Advance) -> bool:
    """Copy what the target lacks; return whether other rows stood there instead."""
    last: Row | None = None
    compares, replaced = True, False
    for chunk in _chunks(source, table):
        if compares and _is_there(target, table, after=last, chunk=chunk):
            last = _key(table, chunk[-1])
            advance(len(chunk))
            continue
        with _transaction(target):
            if compares:  # from the first difference on everything is copied anew
                replaced = _delete_after(target, table, last) > 0
                compares = False
            target.execute(
                insert(table), [dict(zip(_names(table), row, strict=True)) for row in chunk]
            )
        last = _key(table, chunk[-1])
        advance(len(chunk))
    if compares:
        with _transaction(target):
            replaced = _delete_after(target, table, last) > 0
    return replaced


def _chunks(connection: Connection, table: Table) -> Iterator[list[Row]]:
    """Yield rows in the order of their key, bounded in number and in size."""
    chunk: list[Row] = []
    size = 0
    for row in connection.execute(_rows(table), execution_options={"yield_per": _in_memory(table)}):
        chunk.append(tuple(row))
        size += sum(len(value) for value in row if isinstance(value, bytes | str))
        if len(chunk) >= ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _is_there(target: Connection, table: Table, *, after: Row | None, chunk: Sequence[Row]) -> bool:
    """Say whether the target's next rows are the same."""
    statement = _rows(table).limit(len(chunk))
    if after is not None:
        statement = statement.where(tuple_(*table.primary_key.columns) > tuple_(*after))
    found = target.execute(statement, execution_options={"yield_per": _in_memory(table)})
    same = [_plain(tuple(row)) for row in found] == [_plain(row) for row in chunk]
    target.rollback()
    return same


def _delete_after(target: Connection, table: Table, last: Row | None) -> int:
    statement = delete(table)
    if last is not None:
        statement = statement.where(tuple_(*table.primary_key.columns) > tuple_(*last))
    if table is _FACTS:
        statement = statement.where(table.c.name != UNFINISHED_COPY)
    return target.execute(statement).rowcount


def _rows(table: Table) -> Select[Any]:
    statement = select(*table.columns).order_by(*table.primary_key.columns)
    return statement.where(table.c.name != UNFINISHED_COPY) if table is _FACTS else statement


def _in_memory(table: Table) -> int:
    is_large = any(isinstance(column.type, LargeBinary) for column in table.columns)
    return LARGE_ROWS_IN_MEMORY if is_large else ROWS_AT_ONCE


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def _key(table: Table, row: Row) -> Row:
    values = dict(zip(_names(table), row, strict=True))
    return tuple(values[column.name] for column in table.primary_key.columns)


@contextmanager
def _transaction(connection: Connection) -> Iterator[None]:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    yield
    connection.commit()


def _without_references(target: Connection) -> None:
    """Let rows come in any order; `finish` has the references checked, all of them."""
    if target.dialect.name == "sqlite":
        target.exec_driver_sql("PRAGMA foreign_keys=OFF")
        return
    for table in tables():
        for one in inspect(target).get_foreign_keys(table.name):
            target.execute(text(f'ALTER TABLE "{table.name}" DROP CONSTRAINT "{one["name"]}"'))
    target.commit()


# ---- comparing and finishing -------------------------------------------------------------------


def compare(source: Session, target: Database, advance: Advance) -> list[TableState]:
    """Read both databases whole and return what they hold.

    Raises:
        VerificationError: if a table differs, or the copy's chain of events is broken.
    """
    states, differing = [], []
    with target.read() as session:
        for table in tables():
            here = table_state(source.connection(), table)
            there = table_state(session.connection(), table)
            states.append(there)
            if here != there:
                differing.append(f"{table.name} ({here.rows} rows, {there.rows} in the copy)")
            advance(here.rows)
        broken = list(broken_links(session))
    if differing or broken:
        message = f"The copy is not equal: {', '.join(differing + broken[:3])}. Copy once more."
        raise VerificationError(message)
    return states


def table_state(connection: Connection, table: Table) -> TableState:
    """Return a table's number of rows, and a digest of all its values in the order of its key."""
    digest, rows = hashlib.sha256(), 0
    for row in connection.execute(_rows(table), execution_options={"yield_per": _in_memory(table)}):
        digest.update(repr(_plain(tuple(row))).encode())
        rows += 1
    return TableState(table.name, rows, digest.hexdigest())


def _plain(row: Row) -> Row:
    """Return a row's values in one form, whichever database they come from."""
    return tuple(map(_plain_value, row))


def _plain_value(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    if isinstance(value, bytes):
        return hashlib.sha256(value).digest()
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    return value


def finish(
    target: Database, states: Sequence[TableState], *, copied_from: str, actor: str, now: datetime
) -> None:
    """Make the copy a database of its own: references, sequences, and an event that says so."""
    with target.write() as session:
        _check_references(session.connection())
        if not target.is_sqlite:
            for table in tables():
                _set_sequence(session.connection(), table)
        record_event(
            session,
            "database_copied",
            actor=actor,
            now=now,
            copied_from=copied_from,
            copied_to=target.engine.dialect.name,
            tables={one.name: [one.rows, one.digest] for one in states},
        )
        session.delete(session.get_one(Fact, UNFINISHED_COPY))


def _check_references(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            message = f"The copy has {len(broken)} references to rows that are not there."
            raise VerificationError(message)
        return
    for table in tables():
        if not inspect(connection).get_foreign_keys(table.name):
            for constraint in table.foreign_key_constraints:
                connection.execute(AddConstraint(constraint))


def _set_sequence(connection: Connection, table: Table) -> None:
    """Let the next row get the number after the highest one."""
    column = table.autoincrement_column
    if column is None:
        return
    statement = select(
        func.setval(
            func.pg_get_serial_sequence(table.name, column.name),
            func.coalesce(func.max(column), 1),
            func.max(column).is_not(None),
        )
    )
    connection.execute(statement)
