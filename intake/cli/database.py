"""`intake database copy`: the whole database into another one, from SQLite to PostgreSQL or back."""

import argparse
import os
from typing import TYPE_CHECKING

from intake.cli.context import Context, add_command, close_at_end, open_context
from intake.cli.output import print_json, print_line
from intake.cli.progress import progress
from intake.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlmodel import Session

    from intake.archive.seal import ArchiveKey
    from intake.copy_database import TableState
    from intake.database import Database

KINDS = ("sqlite:///", "postgresql+psycopg://")
READER_MEMORY = 1_500_000_000  # bytes of address space


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `database`."""
    parser = add_command(commands, "database", _no_such, "move to PostgreSQL, or back to SQLite")
    actions = parser.add_subparsers(dest="action", required=True, metavar="copy")
    summary = "copy everything into another database, and compare the two; goes on where it stopped"
    copy_parser = add_command(actions, "copy", copy, summary)
    copy_parser.add_argument(
        "--to",
        metavar="URL",
        required=True,
        help="an empty database: postgresql+psycopg://user@host/name, or sqlite:///file",
    )
    copy_parser.add_argument("--json", action="store_true", help="one JSON document")


def _no_such(_options: argparse.Namespace) -> int:
    message = "say copy"
    raise UsageError(message)


def copy(options: argparse.Namespace) -> int:
    """Copy, compare, and only then make the copy usable; the source is only read."""
    from intake.archive.seal import ArchiveKey, check_key
    from intake.copy_database import identity, prepare_target
    from intake.database import one_writer

    if not options.to.startswith(KINDS):
        message = f"--to wants an address that begins with {' or '.join(KINDS)}"
        raise UsageError(message)
    context = open_context(options)
    key = ArchiveKey.load(context.config.archive.key)
    # The service must not run, and no command may write meanwhile: it waits, and is told so.
    with one_writer(context.database), context.database.write() as source:
        check_key(source, key)
        _protect_new_file(options.to)
        target = prepare_target(options.to, identity(source))
        close_at_end(options, target)
        with one_writer(target):
            states = _copy(context, source, target, key)
    _say(options, states)
    return 0


def _copy(
    context: Context, source: "Session", target: "Database", key: "ArchiveKey"
) -> "list[TableState]":
    from intake.archive.search import forget_texts, indexed_messages
    from intake.copy_database import compare, copy_tables, finish, rows_of

    rows, messages = rows_of(source), indexed_messages(source)
    with progress("copying", rows, unit="rows") as advance:
        messages_changed = copy_tables(source, target, advance)
    if messages_changed:
        with target.write() as session:
            forget_texts(session)
    with progress("indexing words", len(messages)) as advance:
        _index_texts(target, key, messages, advance)
    with progress("comparing", rows, unit="rows") as advance:
        states = compare(source, target, advance)
    finish(
        target,
        states,
        copied_from=context.database.engine.dialect.name,
        actor=context.actor,
        now=context.now,
    )
    return states


def _index_texts(
    target: "Database",
    key: "ArchiveKey",
    messages: "Sequence[int]",
    advance: "Callable[[int], object]",
) -> None:
    """Derive the words of messages from their raw bytes: an index can't be read back as text."""
    from intake.archive.search import index_text, indexed_messages
    from intake.archive.store import raw_bytes
    from intake.reading import read_evidence
    from intake.workers import Worker

    with target.read() as session:
        there = set(indexed_messages(session))
    advance(len(there))
    reader = Worker(memory_bytes=READER_MEMORY)
    try:
        for row in messages:
            if row in there:
                continue
            with target.write() as session:
                evidence = read_evidence(reader, raw_bytes(session, key, row))
                sender = " ".join((evidence.sender_name, *evidence.senders))
                index_text(session, row, evidence.subject, sender, evidence.text)
            advance(1)
    finally:
        reader.close()


def _protect_new_file(url: str) -> None:
    """Make a new SQLite file readable for its owner only: subjects and words stand in it."""
    from intake.database import sqlite_path

    path = sqlite_path(url)
    if path is not None and not path.exists() and path.parent.is_dir():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _say(options: argparse.Namespace, states: "Sequence[TableState]") -> None:
    from sqlalchemy.engine import make_url

    shown = make_url(options.to).render_as_string(hide_password=True)
    if options.json:
        tables = [{"table": one.name, "rows": one.rows, "digest": one.digest} for one in states]
        print_json({"to": shown, "equal": True, "tables": tables})
        return
    total = sum(one.rows for one in states)
    print_line(f"{total} rows in {len(states)} tables copied, read again in both, and equal;")
    print_line("the event log verifies, and every word is indexed.")
    print_line()
    print_line("Next:")
    print_line(f'  1. in the configuration: [database] url = "{shown}"')
    print_line("  2. intake check, then start the service")
    print_line("  3. keep the old database until you have a backup of the new one; it is unchanged")
