"""Writers of one process take turns: SQLite would have them sleep, and look ten times a second."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from intake.database import Database, initialise_database, sessions


@pytest.fixture
def database(tmp_path: Path) -> Database:
    found, _ = initialise_database(f"sqlite:///{tmp_path}/intake.db")
    return found


@pytest.mark.parametrize("kind", ["write", "claim"])
def test_sqlite_is_asked_when_the_writer_before_is_done(
    database: Database, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    begun = threading.Event()
    begin_write = sessions.begin_write

    def begin(session: object) -> None:
        order.append(f"{threading.current_thread().name} begins")
        begin_write(session)

    def write() -> None:
        begun.set()
        with getattr(database, kind)():
            pass

    monkeypatch.setattr(sessions, "begin_write", begin)
    other = threading.Thread(target=write, name="other")
    with database.write() as session:
        other.start()
        begun.wait()
        session.execute(text("SELECT 1"))
        order.append("first ends")
    other.join()

    assert order == ["MainThread begins", "first ends", "other begins"]


def test_a_turn_that_does_not_come_takes_none_from_others(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "BUSY_TIMEOUT_SECONDS", 0.01)
    asked: list[str] = []

    def write() -> None:
        with database._in_turn():
            asked.append(threading.current_thread().name)

    with database._in_turn():
        late = threading.Thread(target=write, name="late")
        late.start()
        late.join()
        assert asked == ["late"]  # SQLite itself says whether it is locked
        assert database._turn.locked()
    assert not database._turn.locked()


def test_a_write_that_fails_gives_its_turn_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write():
        _ = 1 / 0

    with database.write() as session:
        assert session.execute(text("SELECT 1")).scalar_one() == 1


def test_readers_wait_for_nobody(database: Database) -> None:
    with database.write(), database.read() as session:
        assert session.execute(text("SELECT count(*) FROM message")).scalar_one() == 0
