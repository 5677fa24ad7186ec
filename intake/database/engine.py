"""Making the engine: how SQLite and PostgreSQL are set up so that a commit is durable.

SQLite runs in WAL mode with `synchronous=FULL`, PostgreSQL with `synchronous_commit=on`: a commit
that returned is on the disk.
"""

import re
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import ArgumentError

from intake.database.text import storable_parameters
from intake.errors import ConfigError, ConfigProblem

BUSY_TIMEOUT_SECONDS = 30.0  # that a writer waits for another one
CONNECT_TIMEOUT_SECONDS = 10
CONNECTIONS = 20  # of one process, at most; every loop of the service holds one for moments only
# A peer that vanished without a word is missed within half a minute, at either end: otherwise the
# lock of a dead host's last transaction would stand for hours.
KEEPALIVE = {"idle": 10, "interval": 5, "count": 4}


def make_engine(url: str, *, busy_timeout: float | None = None) -> Engine:
    """Make the engine; parameters of statements never reach an error text.

    Args:
        url: an address of SQLite or PostgreSQL.
        busy_timeout: seconds that a writer waits for another one; None: the usual.
    """
    timeout = BUSY_TIMEOUT_SECONDS if busy_timeout is None else busy_timeout
    try:
        engine = create_engine(url, hide_parameters=True, **_arguments(url, timeout))
    except (ImportError, ArgumentError, ValueError) as error:
        place = re.sub(r"//.*@", "//…@", url)  # a password may stand there, and in the error
        is_driver = isinstance(error, ImportError)
        rule = f"can't be used: {error}" if is_driver else "is no address of a database"
        fix = "install the driver" if is_driver else "write for example sqlite:///intake.db"
        raise ConfigError([ConfigProblem("database.url", place, rule, fix)]) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "before_cursor_execute", _send_storable_text, retval=True)
    return engine


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite address, None for any other address."""
    prefix = "sqlite:///"
    return Path(url[len(prefix) :]) if url.startswith(prefix) else None


def _arguments(url: str, timeout: float) -> dict[str, Any]:
    if not url.startswith("postgresql"):
        # isolation_level None: transactions start where sessions.py says, not where sqlite3 guesses.
        return {
            "connect_args": {
                "timeout": timeout,
                "isolation_level": None,
                "check_same_thread": False,
            }
        }
    settings: dict[str, object] = {
        "TimeZone": "UTC",
        "synchronous_commit": "on",
        "lock_timeout": f"{max(round(timeout * 1000), 1)}",
        **{f"tcp_keepalives_{name}": value for name, value in KEEPALIVE.items()},
    }
    connect: dict[str, object] = {
        "application_name": "intake",
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        "keepalives_idle": KEEPALIVE["idle"],
        "keepalives_interval": KEEPALIVE["interval"],
        "keepalives_count": KEEPALIVE["count"],
        "tcp_user_timeout": 30_000,
    }
    # A connection is tried before it is used: after a restart of the server none fails for it.
    return {"connect_args": connect, "pool_pre_ping": True, "max_overflow": CONNECTIONS - 5}


def _prepare_sqlite(connection: Any, _record: Any) -> None:  # noqa: ANN401
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "wal_autocheckpoint=10000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _send_storable_text(
    _connection: Any,  # noqa: ANN401
    _cursor: Any,  # noqa: ANN401
    statement: str,
    parameters: Any,  # noqa: ANN401
    _context: Any,  # noqa: ANN401
    _executemany: bool,
) -> tuple[str, Any]:
    return statement, storable_parameters(parameters)
