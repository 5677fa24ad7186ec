"""Events form one chain, whoever writes, and a change anywhere in it shows."""

import threading

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from intake.database import Database
from intake.events import broken_links, record_event
from intake.tables import Event
from tests.builders import NOW

pytestmark = pytest.mark.both_databases


def record(database: Database, number: int = 1) -> None:
    for n in range(number):
        with database.write() as session:
            record_event(
                session, "tried", actor="U0ALICE", now=NOW.replace(microsecond=n * 7), n=n,
                text="é\x00\ud800", number=1.5, nothing=None, nested={"b": [1, True], "a": "x"},
            )  # fmt: skip


def problems(database: Database) -> list[str]:
    with database.read() as session:
        return list(broken_links(session))


def test_what_was_recorded_verifies_when_it_is_read_again(database: Database) -> None:
    record(database, 5)

    assert problems(database) == []


def test_many_writers_at_once_make_one_chain(database: Database) -> None:
    writers = [threading.Thread(target=record, args=(database, 10)) for _ in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    with database.read() as session:
        previous = session.exec(select(Event.previous_hash).order_by(col(Event.id))).all()
    assert len(set(previous)) == len(previous) == 60
    assert problems(database) == []


@pytest.mark.parametrize(
    ("tampering", "says"),
    [
        ("UPDATE event SET actor = 'U0MALLORY' WHERE id = 2", "was changed"),
        ("DELETE FROM event WHERE id = 2", "something is missing"),
    ],
)
def test_a_change_and_a_gap_show(database: Database, tampering: str, says: str) -> None:
    record(database, 3)
    with database.write() as session:
        session.execute(text(tampering))

    assert any(says in problem for problem in problems(database))
