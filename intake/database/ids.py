"""Numbers for new rows that other rows name in the same bulk, before any of them is written."""

from collections.abc import Iterator
from itertools import count

from sqlalchemy import text
from sqlmodel import Session


def new_ids(session: Session, table: str) -> Iterator[int]:
    """Yield the ids of the next new rows of a table, as the database would number them.

    Args:
        session: a write session; there is one writer at a time.
        table: its name in `tables`, whose key is `id`.
    """
    if session.get_bind().dialect.name == "sqlite":
        highest = session.execute(text(f"SELECT max(id) FROM {table}")).scalar()  # noqa: S608
        yield from count((highest or 0) + 1)
    while True:  # on PostgreSQL a number is taken from the sequence, whether it is used or not
        sequence = f"SELECT nextval(pg_get_serial_sequence('{table}', 'id'))"
        yield int(session.execute(text(sequence)).scalar_one())
