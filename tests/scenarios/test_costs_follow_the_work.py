"""What is done again and again reads what is due, never a whole table that grows with the archive."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from intake.health import read_figures
from tests.builders import make_message
from tests.world import World, arrived

# They hold a row for a mailbox, a folder or a fact, and the probes of a day.
SMALL = {"watchedmailbox", "folder", "fact", "probe"}
COUNTED = {"SCAN ticket USING COVERING INDEX ix_ticket_state"}  # by state, for the figures
NEWEST = re.compile(r"ORDER BY (event|notice)\.id DESC\s+LIMIT \? OFFSET \?\Z")
READS = ("SELECT", "UPDATE", "DELETE", "WITH")


@contextmanager
def noted_statements(world: World) -> Iterator[dict[str, Any]]:
    """Yield the statements that are executed meanwhile, with what was asked for first."""
    found: dict[str, Any] = {}

    def note(
        _conn: Any, _cursor: Any, statement: str, asked: Any, _context: Any, many: Any
    ) -> None:
        if statement.split(maxsplit=1)[0].upper() in READS:
            found.setdefault(statement, asked[0] if many else asked)

    event.listen(world.database.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(world.database.engine, "before_cursor_execute", note)


def whole_tables(connection: sqlite3.Connection, statement: str, asked: Any) -> list[str]:
    """Return the steps of a statement's plan that read all of a table or of an index."""
    if NEWEST.search(statement):
        return []  # read backwards until the first that fits
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    growing = {name for (name,) in tables} - SMALL
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", asked)
    scans = [row[3] for row in plan if row[3].startswith("SCAN ")]
    return [
        one for one in scans
        if one.split()[1] in growing and "VIRTUAL TABLE" not in one and one not in COUNTED
    ]  # fmt: skip


def test_no_step_reads_a_whole_table(world: World) -> None:
    """Reports, replies, their certificates, escalation, delivery and the figures of health."""

    def receive(number: int, **values: Any) -> None:
        at = world.clock.now
        raw = make_message(received=(arrived(at),), message_id=f"<{number}@r.example>", **values)
        world.dovecot.append(raw, internal_date=at)

    receive(1, body="https://crt.sh/?id=19429431 is misissued")
    world.poll()
    with noted_statements(world) as statements:
        receive(2, body="https://crt.sh/?id=9000002 is misissued")
        receive(3, body="and more", headers=(("In-Reply-To", "<1@r.example>"),))
        world.advance_and_poll(hours=1)
        assert world.intake("ticket", "acknowledge", "1") == 0
        world.advance_and_poll(hours=24)
        with world.database.read() as session:
            read_figures(session, world.clock.now)
    assert len(statements) > 60
    path = world.config.path.with_name("intake.db")
    with sqlite3.connect(path) as connection:
        found = {
            " ".join(statement.split()): steps for statement, asked in statements.items()
            if (steps := whole_tables(connection, statement, asked))
        }  # fmt: skip
    connection.close()
    assert not found
