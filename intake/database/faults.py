"""Telling a fault of the machine or the database from one that a single message causes.

A fault of the environment stops the step, leaves every cursor where it is and heals by itself;
anything else is recorded on the message at hand, and the next one goes on. Taking one for the
other either loses time for all messages or marks good messages as bad.
"""

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

ENVIRONMENT_ERRNOS = {
    errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM, errno.EROFS,
    errno.EAGAIN, errno.ESTALE,
}  # fmt: skip
SQLITE_FAULTS = {
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOTADB,
}  # fmt: skip
# Classes of SQLSTATE: connection, refused log-in, transaction state, no such database, deadlock,
# resources, object in use, operator intervention, system error, and damage.
POSTGRESQL_FAULTS = ("08", "28", "25", "3D", "40", "53", "55", "57", "58", "F0", "XX")
NOT_ALLOWED = "42501"
NO_SQLSTATE = "none"  # not an error of PostgreSQL's driver
AFTER_AN_ERROR = "25P02"  # the transaction had failed before: our own fault


def is_environment_error(error: BaseException) -> bool:
    """Say whether the machine or the database is at fault, and not the message at hand."""
    if isinstance(error, MemoryError | PoolTimeoutError):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _says_so(error.orig)
    if isinstance(error, OSError):
        return error.errno in ENVIRONMENT_ERRNOS
    return _says_so(error)


def _says_so(error: BaseException | None) -> bool:
    """Ask a driver's own error."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in SQLITE_FAULTS
    state = getattr(error, "sqlstate", NO_SQLSTATE)
    if state == NO_SQLSTATE:
        return False
    if state is None:  # it never came to an answer: the connection broke, or there was none
        return not {"OperationalError", "InterfaceError"}.isdisjoint(
            kind.__name__ for kind in type(error).__mro__
        )
    return state == NOT_ALLOWED or (state.startswith(POSTGRESQL_FAULTS) and state != AFTER_AN_ERROR)
