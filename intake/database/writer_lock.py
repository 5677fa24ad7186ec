"""The lock of the one process that polls and escalates.

On SQLite it is a lock on a file beside the database. On PostgreSQL it belongs to a connection that
is held open: should that connection break, the lock is gone too, and another host may have it.
"""

import fcntl
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from intake.database.sessions import Database
from intake.errors import OutsideUnavailableError

logger = logging.getLogger(__name__)

WRITER_LOCK = 0x63707269  # number of PostgreSQL's advisory lock of the one writer
CHECK_EVERY = 1.0  # seconds
REFUSAL = "Another intake process is at work on this database: the service runs already."

_TAKE = text("SELECT pg_try_advisory_lock(:number)").bindparams(number=WRITER_LOCK)
_IS_HELD = text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 "
    "AND objid = :number AND objsubid = 1 AND granted AND pid = pg_backend_pid()"
).bindparams(number=WRITER_LOCK)


class NoLongerTheWriterError(OutsideUnavailableError):
    """Another process took over while the database was out of our reach."""


class WriterLock:
    """The lock as it is held on a file, which lasts as long as the process."""

    def require(self) -> None:
        """Make sure that the lock is ours still.

        Raises:
            NoLongerTheWriterError: if another process has it; end, and leave the work to it.
        """


class HeldConnection(WriterLock):
    """The lock as PostgreSQL holds it for one connection; used from several threads."""

    def __init__(self, database: Database, *, monotonic: Callable[[], float]) -> None:
        """Take the lock now.

        Raises:
            OutsideUnavailableError: if another process holds it.
        """
        self._engine = database.engine
        self._monotonic = monotonic
        self._mutex = threading.Lock()
        self._checked_at = monotonic()
        self._connection: Connection | None = self._take()
        if self._connection is None:
            raise OutsideUnavailableError(REFUSAL)

    def require(self) -> None:
        """Make sure that the lock is ours still; one that broke with its connection is taken anew.

        Raises:
            NoLongerTheWriterError: if another process has it; end, and leave the work to it.
            sqlalchemy.exc.OperationalError: if the database is away; it may be ours afterwards.
        """
        with self._mutex:
            if self._connection is not None and self._monotonic() < self._checked_at + CHECK_EVERY:
                return
            if not self._is_held():
                self.close()
                self._connection = self._take()
                if self._connection is None:
                    message = "Another intake process has taken over; this one ends."
                    raise NoLongerTheWriterError(message)
                logger.warning("the lock of the one writer broke with its connection; taken again")
            self._checked_at = self._monotonic()

    def close(self) -> None:
        """Give the lock back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError):
                connection.close()

    def _take(self) -> Connection | None:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.detach()  # it ends with us, and never goes back among the others
        if connection.scalar(_TAKE):
            return connection
        connection.close()
        return None

    def _is_held(self) -> bool:
        if self._connection is None:
            return False
        try:
            return bool(self._connection.scalar(_IS_HELD))
        except DBAPIError:
            return False


@contextmanager
def one_writer(
    database: Database, *, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[WriterLock]:
    """Hold the lock of the process that polls and escalates; a second one is refused.

    Raises:
        OutsideUnavailableError: if another process holds it.
    """
    if not database.is_sqlite:
        held = HeldConnection(database, monotonic=monotonic)
        try:
            yield held
        finally:
            held.close()
        return
    with Path(f"{database.engine.url.database}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutsideUnavailableError(REFUSAL) from None
        yield WriterLock()
