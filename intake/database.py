"""The database: opening it, its transactions, and what differs between SQLite and PostgreSQL.

SQLite runs in WAL mode with `synchronous=FULL`: a commit that returned is on the disk.
A write transaction starts with BEGIN IMMEDIATE, so that readers never turn into writers half-way.
"""

import errno
import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, OperationalError
from sqlmodel import Session

from intake.errors import ConfigError, ConfigProblem, OutsideUnavailableError, VerificationError

SCHEMA_VERSION = "0001"  # the newest migration that this program knows
BUSY_TIMEOUT_SECONDS = 30
WRITER_LOCK = 0x63707269  # number of PostgreSQL's advisory lock of the one writer
ENVIRONMENT_ERRNOS = {
    errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM, errno.EROFS,
}  # fmt: skip


class Database:
    """One database; hands out sessions, each of which is one transaction."""

    def __init__(self, engine: Engine) -> None:
        """Wrap an engine made by `open_database`."""
        self.engine = engine

    @property
    def is_sqlite(self) -> bool:
        """Say whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session whose whole block is one durable transaction, or nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            if self.is_sqlite:
                session.connection().exec_driver_sql("BEGIN IMMEDIATE")
            yield session
            session.commit()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that sees one consistent state and changes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            if self.is_sqlite:
                session.connection().exec_driver_sql("BEGIN")
            yield session
            session.expunge_all()  # what was read stays readable afterwards
            session.rollback()

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open an existing database and make sure that this program knows its schema.

    Raises:
        ConfigError: if it was never initialised.
        VerificationError: if its schema is newer than this program, or it is no database.
        OutsideUnavailableError: if it can't be reached.
    """
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise ConfigError(
            [ConfigProblem("database.url", url, "there is no database here", "run `intake init`")]
        )
    database = Database(make_engine(url))
    try:
        _require_known_schema(database)
    except Exception:
        database.close()
        raise
    return database


def _require_known_schema(database: Database) -> None:
    """Bring an older schema up to date; refuse a missing and a newer one."""
    version = schema_version(database)
    if version is None:
        shown = database.engine.url.render_as_string(hide_password=True)
        raise ConfigError(
            [ConfigProblem("database.url", shown, "this database is empty", "run `intake init`")]
        )
    if version > SCHEMA_VERSION:
        text_ = (
            f"The database has schema {version}, this program knows {SCHEMA_VERSION} at most. "
            "Install the newer intake that wrote it; nothing was changed."
        )
        raise VerificationError(text_)
    if version < SCHEMA_VERSION:
        upgrade(database)


def initialise_database(url: str) -> tuple[Database, bool]:
    """Make the tables where there are none; return the database and whether it was made now."""
    path = sqlite_path(url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    database = Database(make_engine(url))
    made = schema_version(database) is None
    if made:
        upgrade(database)
        return database, True
    database.close()
    return open_database(url), False


def make_engine(url: str) -> Engine:
    """Make the engine; parameters of statements never reach an error text."""
    arguments: dict[str, Any] = {"hide_parameters": True}
    if url.startswith("sqlite"):
        # isolation_level None: transactions start where this file says, not where sqlite3 guesses.
        arguments["connect_args"] = {
            "timeout": BUSY_TIMEOUT_SECONDS,
            "isolation_level": None,
            "check_same_thread": False,
        }
    try:
        engine = create_engine(url, **arguments)
    except (ImportError, ArgumentError, ValueError) as error:
        place = re.sub(r"//.*@", "//…@", url)  # a password may stand there, and in the error
        is_driver = isinstance(error, ImportError)
        rule = f"can't be used: {error}" if is_driver else "is no address of a database"
        fix = "install the driver" if is_driver else "write for example sqlite:///intake.db"
        raise ConfigError([ConfigProblem("database.url", place, rule, fix)]) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:  # noqa: ANN401
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}",
        "wal_autocheckpoint=10000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def schema_version(database: Database) -> str | None:
    """Return the schema's version, or None where there is no schema."""
    try:
        with database.engine.connect() as connection:
            if not database.engine.dialect.has_table(connection, "alembic_version"):
                return None
            row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
            return None if row is None else str(row[0])
    except DatabaseError as error:
        if "not a database" in str(error.orig):
            message = f"{database.engine.url} is not a database: {error.orig}"
            raise VerificationError(message) from error
        message = f"The database {database.engine.url!r} can't be opened: {error.orig}"
        raise OutsideUnavailableError(message) from error


def upgrade(database: Database) -> None:
    """Run the migrations that are missing."""
    from alembic import command  # noqa: PLC0415 - slow to import, and rarely needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["engine"] = database.engine
    command.upgrade(config, "head")


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite address, None for any other address."""
    prefix = "sqlite:///"
    return Path(url[len(prefix) :]) if url.startswith(prefix) else None


def is_environment_error(error: BaseException) -> bool:
    """Say whether the machine or the database is at fault, and not the message at hand."""
    if isinstance(error, OperationalError | InterfaceError | MemoryError):
        return True
    return isinstance(error, OSError) and error.errno in ENVIRONMENT_ERRNOS


@contextmanager
def one_writer(database: Database) -> Iterator[None]:
    """Hold the lock of the process that polls and escalates; a second one is refused.

    Raises:
        OutsideUnavailableError: if another process holds it.
    """
    message = "Another intake process is at work on this database: the service runs already."
    if not database.is_sqlite:
        with database.engine.connect() as connection:
            if not connection.scalar(text(f"SELECT pg_try_advisory_lock({WRITER_LOCK})")):
                raise OutsideUnavailableError(message)
            yield
        return
    with Path(f"{database.engine.url.database}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutsideUnavailableError(message) from None
        yield
