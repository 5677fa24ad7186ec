"""The database: opening it, its transactions, and what differs between SQLite and PostgreSQL."""

from intake.database.engine import make_engine, sqlite_path
from intake.database.faults import is_environment_error
from intake.database.ids import new_ids
from intake.database.rows import insert_rows
from intake.database.schema import (
    SCHEMA_VERSION,
    UNFINISHED_COPY,
    copy_source,
    initialise_database,
    open_database,
    schema_version,
    unsafe_settings,
    upgrade,
)
from intake.database.sessions import Database
from intake.database.text import storable
from intake.database.writer_lock import NoLongerTheWriterError, WriterLock, one_writer

__all__ = [
    "SCHEMA_VERSION",
    "UNFINISHED_COPY",
    "Database",
    "NoLongerTheWriterError",
    "WriterLock",
    "copy_source",
    "initialise_database",
    "insert_rows",
    "is_environment_error",
    "make_engine",
    "new_ids",
    "one_writer",
    "open_database",
    "schema_version",
    "sqlite_path",
    "storable",
    "unsafe_settings",
    "upgrade",
]
