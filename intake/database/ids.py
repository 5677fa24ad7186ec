"""Numbers for new rows that other rows name in the same bulk, before any of them is written."""

from collections.abc import Iterator
from itertools import count

from sqlalchemy import text
from sqlmodel import Session


def take_ids(session: Session, table: str, many: int) -> list[int]:
    """Return the ids of so many new rows of a table; see `new_ids`."""
    if session.get_bind().dialect.name == "sqlite":
        highest = session.execute(text(f"SELECT max(id) FROM {table}")).scalar() or 0  # noqa: S608
        return list(range(highest + 1, highest + 1 + many))
    number = f"nextval(pg_get_serial_sequence('{table}', 'id'))"
    numbers = text(f"SELECT {number} FROM generate_series(1, :many)")  # noqa: S608
    return [int(one) for one in session.execute(numbers, {"many": many}).scalars()]


def new_ids(session: Session, table: str) -> Iterator[int]:
    """Yield the ids of the next new rows of a table, as the database would number them.

    Args:
        session: a write session; there is one writer at a time.
        table: its name in `tables`, whose key is `id`.
    """
    if session.get_bind().dialect.name == "sqlite":
        yield from count(*take_ids(session, table, 1))
    while True:  # on PostgreSQL a number is taken from the sequence, whether it is used or not
        yield from take_ids(session, table, 1)
