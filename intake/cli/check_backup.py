"""`intake check --backup`: opens a backup without changing it, and verifies everything in it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from intake.cli.check import Item, Report
from intake.cli.progress import progress
from intake.errors import UsageError, VerificationError

if TYPE_CHECKING:
    from intake.config import Config
    from intake.database import Database

MOST_NAMED = 5


def check_backup(report: Report, config: "Config", file: Path) -> None:
    """Verify pages, schema, event log, and every sealed message against its digest."""
    if not file.is_file():
        message = f"There is no backup {file}."
        raise UsageError(message)
    if not report.step("backup", f"reading {file}", lambda: _pages(file)):
        return
    database = open_read_only(file)
    try:
        if report.step("schema", "reading its version", lambda: _schema(database)):
            report.step("event log", "following its chain", lambda: _events(database))
            report.step("messages", "opening every seal", lambda: _messages(database, config))
    finally:
        database.close()


def open_read_only(file: Path) -> "Database":
    """Open a database file such that nothing in it or beside it is written."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    from intake.database import Database

    def connect() -> sqlite3.Connection:
        address = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
        return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)

    return Database(create_engine("sqlite://", creator=connect, poolclass=StaticPool))


def _pages(file: Path) -> Iterator[Item]:
    address = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(address, uri=True)
        try:
            answer = connection.execute("PRAGMA integrity_check").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        message = f"{file} is no whole database: {error}. Use another backup."
        raise VerificationError(message) from None
    if answer != "ok":
        message = f"{file} is damaged: {answer}. Use another backup."
        raise VerificationError(message)
    size = file.stat().st_size / 1_000_000
    yield Item("backup", f"reading {file}", "ok", f"{size:.1f} MB, every page verifies")


def _schema(database: "Database") -> Iterator[Item]:
    from intake.database import SCHEMA_VERSION, schema_version

    version = schema_version(database)
    if version is None:
        message = "It is a database, but none of intake's. Use another backup."
        raise VerificationError(message)
    if version != SCHEMA_VERSION:
        message = f"It has schema {version}; verify it with the intake that wrote it."
        raise VerificationError(message)
    yield Item("schema", "reading its version", "ok", version)


def _events(database: "Database") -> Iterator[Item]:
    from intake.cli.audit import chain_state

    with database.read() as session:
        count, head, problems = chain_state(session)
    if problems:
        raise VerificationError(problems[0])
    yield Item("event log", "following its chain", "ok", f"{count} events, head {head}")


def _messages(database: "Database", config: "Config") -> Iterator[Item]:
    """Open the seal of every message and compare its digest; certificates too."""
    from intake.archive.seal import ArchiveKey
    from intake.archive.verify import rows_to_verify, verify_archive

    key = ArchiveKey.load(config.archive.key)
    with progress("verifying", rows_to_verify(database), unit="messages") as advance:
        found = verify_archive(database, key, advance=advance)
    count = found.messages
    if found.damages:
        names = ", ".join(one.sha256[:16] for one in found.damages[:MOST_NAMED])
        bad = len(found.damages)
        message = f"{bad} of {count} messages do not verify: {names}. Use another backup."
        raise VerificationError(message)
    yield Item("messages", "opening every seal", "ok", f"{count}, each with its digest")
