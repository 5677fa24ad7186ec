"""A fault of the machine stops a step; a fault of one message must not, and they are told apart."""

import errno
import sqlite3
from pathlib import Path

import psycopg
import psycopg.errors
import pytest
from sqlalchemy.exc import DataError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from intake.database import is_environment_error


def from_sqlite(code: int) -> OperationalError:
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorcode = code
    return OperationalError("SELECT", {}, error)


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_BUSY_SNAPSHOT,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY_DBMOVED,
        sqlite3.SQLITE_CORRUPT,
    ],
)
def test_what_sqlite_says_of_disk_and_locks_is_the_environment(code: int) -> None:
    assert is_environment_error(from_sqlite(code))


def test_sqlites_own_words_are_understood(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open database file") as caught:
        sqlite3.connect(tmp_path / "absent" / "intake.db")
    assert is_environment_error(caught.value)

    connection = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError, match="no such table") as caught:
        connection.execute("SELECT * FROM absent")
    connection.close()
    assert not is_environment_error(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("server closed the connection unexpectedly"),
        psycopg.InterfaceError("the connection is closed"),
        psycopg.errors.AdminShutdown(),
        psycopg.errors.CannotConnectNow(),
        psycopg.errors.TooManyConnections(),
        psycopg.errors.DiskFull(),
        psycopg.errors.DeadlockDetected(),
        psycopg.errors.LockNotAvailable(),
        psycopg.errors.ReadOnlySqlTransaction(),
        psycopg.errors.InsufficientPrivilege(),
    ],
)
def test_what_postgresql_says_of_itself_is_the_environment(error: psycopg.Error) -> None:
    assert is_environment_error(error)
    assert is_environment_error(OperationalError("SELECT", {}, error))
    assert is_environment_error(InterfaceError("SELECT", {}, error))


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.ProgramLimitExceeded(),  # a text too long for an index
        psycopg.errors.CharacterNotInRepertoire(),
        psycopg.errors.NumericValueOutOfRange(),
        psycopg.errors.UniqueViolation(),
        psycopg.errors.UndefinedColumn(),
        psycopg.errors.InFailedSqlTransaction(),
        psycopg.DataError("text fields cannot contain NUL"),
    ],
)
def test_what_one_message_causes_is_not(error: psycopg.Error) -> None:
    for kind in (OperationalError, DataError, ProgrammingError):
        assert not is_environment_error(kind("SELECT", {}, error))


def test_a_broken_connection_is_the_environment_whatever_it_says() -> None:
    error = DataError("SELECT", {}, psycopg.DataError(), connection_invalidated=True)

    assert is_environment_error(error)


def test_the_machine_itself() -> None:
    assert is_environment_error(OSError(errno.ENOSPC, "no space"))
    assert is_environment_error(OSError(errno.EMFILE, "too many open files"))
    assert is_environment_error(MemoryError())
    assert is_environment_error(PoolTimeoutError())
    assert not is_environment_error(OSError(errno.ENOENT, "no such file"))
    assert not is_environment_error(ValueError("ours"))
