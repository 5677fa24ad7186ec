"""Sessions, each of which is one transaction.

There is one writer at a time on either database: SQLite starts with BEGIN IMMEDIATE, PostgreSQL
with a lock that ends with the transaction. Readers never turn into writers half-way, what was
read stays true until the commit, and the chain of events stays a chain.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlmodel import Session

from intake.database.engine import BUSY_TIMEOUT_SECONDS

WRITE_LOCK = 0x63707277  # number of PostgreSQL's advisory lock for one write transaction
_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class Database:
    """One database; hands out sessions, each of which is one transaction."""

    def __init__(self, engine: Engine) -> None:
        """Wrap an engine made by `make_engine`."""
        self.engine = engine
        self._turn = threading.Lock()

    @property
    def is_sqlite(self) -> bool:
        """Say whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session whose whole block is one durable transaction, or nothing."""
        with self._in_turn(), Session(self.engine, expire_on_commit=False) as session:
            begin_write(session)
            yield session
            session.commit()

    @contextmanager
    def claim(self) -> Iterator[Session]:
        """Yield a write session for taking a lease, which on PostgreSQL waits for nobody.

        Only rows that are locked with SKIP LOCKED may be changed in it, and no event recorded.
        """
        with self._in_turn(), Session(self.engine, expire_on_commit=False) as session:
            if self.is_sqlite:
                begin_write(session)
            yield session
            session.commit()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that sees one consistent state and changes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            if self.is_sqlite:
                session.connection().exec_driver_sql("BEGIN")
            else:
                session.connection(execution_options=_SNAPSHOT)
            yield session
            session.expunge_all()  # what was read stays readable afterwards
            session.rollback()

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Wait for the other writers of this process, which SQLite would look for ten times a second.

        If it takes too long SQLite is asked all the same, and says that it is locked.
        """
        if not self.is_sqlite:
            yield
            return
        is_ours = self._turn.acquire(timeout=BUSY_TIMEOUT_SECONDS)
        try:
            yield
        finally:
            if is_ours:
                self._turn.release()

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def begin_write(session: Session) -> None:
    """Start a write transaction, alone."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        # READ COMMITTED: what the writer before us committed is seen once the lock is ours.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")
