"""`intake audit verify|export`: the chain of the event log, and its export. `intake backup`."""

import argparse
import csv
import json
import os
import shlex
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intake.cli.context import add_command, open_config, open_context
from intake.cli.output import print_json, print_line
from intake.errors import OutsideUnavailableError, UsageError, VerificationError

if TYPE_CHECKING:
    from sqlmodel import Session

COLUMNS = ("id", "at", "actor", "action", "ticket", "message", "detail", "previous_hash", "hash")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet calculate
PAGES_AT_ONCE = 5000
MOST_PROBLEMS = 20


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `audit` and `backup`."""
    summary = "the log of everything that happened: verify its chain, export it"
    parser = add_command(commands, "audit", _no_such, summary)
    actions = parser.add_subparsers(dest="action", required=True, metavar="verify|export")
    verify_parser = add_command(actions, "verify", verify, "check that no event was changed")
    verify_parser.add_argument("--json", action="store_true", help="one JSON document")
    export_parser = add_command(actions, "export", export, "every event, as JSON or CSV")
    export_parser.add_argument("--csv", action="store_true", help="CSV for a spreadsheet")
    export_parser.add_argument("--json", action="store_true", help="JSON (the default)")
    backup_parser = add_command(commands, "backup", backup, "a consistent copy of the database")
    backup_parser.add_argument(
        "file", metavar="FILE", type=Path, help="a file that is not there yet"
    )


def _no_such(_options: argparse.Namespace) -> int:
    message = "say verify or export"
    raise UsageError(message)


def verify(options: argparse.Namespace) -> int:
    """Walk the whole chain; status 5 if it is broken."""
    context = open_context(options)
    with context.database.read() as session:
        count, head, problems = chain_state(session)
    if options.json:
        print_json({"events": count, "head": head, "ok": not problems, "problems": problems})
    elif not problems:
        print_line(f"{count} events, every one follows from the one before it; head {head}")
        print_line("Note the head down outside this machine: it shows later that none was cut off.")
    if problems:
        if not options.json:
            for problem in problems[:MOST_PROBLEMS]:
                print_line(problem)
        message = f"The event log does not verify: {len(problems)} breaks in {count} events."
        raise VerificationError(message)
    return 0


def chain_state(session: "Session") -> tuple[int, str, list[str]]:
    """Return how many events there are, the newest hash, and what is broken."""
    from sqlalchemy import func
    from sqlmodel import col, select

    from intake.events import FIRST_HASH, broken_links
    from intake.tables import Event

    count = session.exec(select(func.count()).select_from(Event)).one()
    head = session.exec(select(Event.hash).order_by(col(Event.id).desc()).limit(1)).first()
    return count, head or FIRST_HASH, list(broken_links(session))


def export(options: argparse.Namespace) -> int:
    """Write every event, oldest first, one on a line."""
    if options.csv and options.json:
        message = "say --csv or --json, not both"
        raise UsageError(message)
    context = open_context(options)
    with context.database.read() as session:
        if options.csv:
            _write_csv(_events(session))
        else:
            _write_json(_events(session))
    return 0


def _events(session: "Session") -> Iterator[dict[str, Any]]:
    from sqlmodel import col, select

    from intake.events import event_as_json
    from intake.tables import Event

    for event in session.exec(select(Event).order_by(col(Event.id))).yield_per(500):
        yield event_as_json(event)


def _write_json(events: Iterator[dict[str, Any]]) -> None:
    """Write one JSON list without holding it in memory."""
    sys.stdout.write("[")
    for number, event in enumerate(events):
        sys.stdout.write(",\n" if number else "\n")
        json.dump(event, sys.stdout, ensure_ascii=True)
    sys.stdout.write("\n]\n")


def _write_csv(events: Iterator[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(COLUMNS)
    for event in events:
        writer.writerow(csv_cell(event[column]) for column in COLUMNS)


def csv_cell(value: object) -> str:
    """Return a value as a CSV cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


# ---- backup ------------------------------------------------------------------------------------


def backup(options: argparse.Namespace) -> int:
    """Copy the database while the service runs; an existing file is never overwritten."""
    source = refuse_postgresql(open_config(options).database.url)
    context = open_context(options)  # a missing database is named, and an old one upgraded
    context.database.close()
    target: Path = options.file
    if target.exists():
        message = f"{target} is there already, and a backup overwrites nothing; name another file."
        raise UsageError(message)
    try:
        _copy_whole(source, target, made_at=context.now)
    except OSError as error:
        message = f"The backup can't be written to {target}: {error.strerror}."
        raise OutsideUnavailableError(message) from None
    size = target.stat().st_size
    print_line(f"{target}: {size / 1_000_000:.1f} MB, complete, and its pages verify")
    print_line(f"Next: intake check --backup {target}")
    print_line("The archive key is not in it: keep a copy of the key elsewhere.")
    return 0


def refuse_postgresql(url: str) -> Path:
    """Return the file of the embedded database.

    Raises:
        UsageError: for PostgreSQL, which is backed up by its own tool.
    """
    from intake.database import sqlite_path

    file = sqlite_path(url)
    if file is None:
        message = (
            "This database is PostgreSQL's, and its own tool backs it up while the service runs:\n\n"
            f"  pg_dump --format=custom --file=FILE --dbname={shlex.quote(_for_libpq(url))}\n\n"
            "docs/operations.md says how such a backup is tried and restored."
        )
        raise UsageError(message)
    return file


def _for_libpq(url: str) -> str:
    """Return the address as PostgreSQL's own tools take it, without a password."""
    from sqlalchemy.engine import make_url

    address = make_url(url)._replace(drivername="postgresql", password=None)
    return address.render_as_string(hide_password=False)


def _copy_whole(source: Path, target: Path, *, made_at: datetime) -> None:
    """Copy into a file beside the target, verify it, and only then give it its name."""
    part = target.with_name(target.name + ".part")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    part.chmod(0o600)
    try:
        copy_database(source, part, made_at=made_at, progress=_progress())
        _sync(part)
        os.link(part, target)  # fails where a file is there by now; a rename would overwrite it
        _sync(target.parent)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def copy_database(
    source: Path,
    target: Path,
    *,
    made_at: datetime,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Copy an SQLite database as it is at one instant, and check the copy's pages.

    The copy says of itself that it is one, so that a start from it knows that it was restored.

    A read transaction is held all the while: writers go on, and the copy never starts anew.

    Raises:
        VerificationError: if the copy's pages are damaged.
    """
    from intake.notices.restored import BACKUP_MADE_AT

    reader = sqlite3.connect(
        f"{source.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
    )
    writer = sqlite3.connect(target, isolation_level=None)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        reader.backup(
            writer,
            pages=PAGES_AT_ONCE,
            progress=None if progress is None else lambda _, left, total: progress(left, total),
        )
        said = (BACKUP_MADE_AT, made_at.isoformat())
        writer.execute("INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)", said)
        writer.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
        answer = writer.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        writer.close()
        reader.close()
    if answer != "ok":
        message = f"The copy is damaged, and so the database may be: {answer}"
        raise VerificationError(message)


def _progress() -> Callable[[int, int], None] | None:
    if not sys.stderr.isatty():
        return None

    def show(left: int, total: int) -> None:
        done = 100 * (total - left) // max(total, 1)
        sys.stderr.write(f"\rcopying {done:3d} %" + ("\n" if left == 0 else ""))
        sys.stderr.flush()

    return show


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
