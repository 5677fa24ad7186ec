"""Rows inserted many at a time are those that one statement for each would have written."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import insert
from sqlmodel import SQLModel, select

from intake.database import Database, insert_rows
from intake.tables import Event, Message, Notice
from tests.builders import NOW

pytestmark = pytest.mark.both_databases

HERE = timezone(timedelta(hours=2))


def notice(key: str, **values: Any) -> dict[str, Any]:
    made = Notice(key=key, kind="card", due_at=NOW, to="C1", created_at=NOW, next_try_at=NOW)
    return made.model_dump(exclude={"id"}) | values


ROWS = [
    notice("a"),
    notice("b", due_at=NOW.astimezone(HERE), sent_at=NOW, covers=["1 h", "é"]),
    notice("c", due_at=NOW + timedelta(microseconds=1), text="\x00 \ud800 日本", attempts=7),
]


def test_every_kind_of_value_is_written_as_by_a_statement(database: Database) -> None:
    table = SQLModel.metadata.tables["notice"]
    with database.write() as session:
        insert_rows(session, table, ROWS)
    with database.write() as session:
        session.execute(insert(table), [row | {"key": row["key"] + "2"} for row in ROWS])

    with database.read() as session:
        ours, theirs = (
            [one.model_dump(exclude={"id", "key"}) for one in session.exec(query.order_by("id"))]
            for query in (
                select(Notice).where(Notice.key.in_(["a", "b", "c"])),  # type: ignore[attr-defined]
                select(Notice).where(Notice.key.in_(["a2", "b2", "c2"])),  # type: ignore[attr-defined]
            )
        )
    assert ours == theirs
    assert ours[1]["due_at"] == NOW
    assert ours[1]["due_at"].utcoffset() == timedelta(0)


def test_what_a_row_does_not_name_is_left_to_the_database(database: Database) -> None:
    table = SQLModel.metadata.tables["event"]
    row = {"at": NOW, "actor": "service", "action": "x", "detail": {"a": [1]}}
    with database.write() as session:
        insert_rows(session, table, [row | {"previous_hash": "", "hash": one} for one in "pq"])

    with database.read() as session:
        events = session.exec(select(Event).order_by("id")).all()
    assert [(one.id, one.hash, one.ticket, one.detail) for one in events] == [
        (1, "p", None, {"a": [1]}),
        (2, "q", None, {"a": [1]}),
    ]


def test_no_rows_are_no_statement(database: Database) -> None:
    with database.write() as session:
        insert_rows(session, SQLModel.metadata.tables["message"], [])

    with database.read() as session:
        assert session.exec(select(Message)).all() == []


def test_an_instant_without_a_zone_is_refused(database: Database) -> None:
    naive = datetime(2026, 11, 24, 12)  # noqa: DTZ001 - what must not be stored
    with database.write() as session, pytest.raises(ValueError, match="timezone"):
        insert_rows(session, SQLModel.metadata.tables["notice"], [notice("a", due_at=naive)])
