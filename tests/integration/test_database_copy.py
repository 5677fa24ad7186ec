"""A whole installation moves to PostgreSQL and back: every row, resumable, compared at the end."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlmodel import col, func, select

from intake import copy_database
from intake.archive.search import search_text
from intake.archive.store import raw_bytes
from intake.config import load_config
from intake.copy_database import table_state, tables
from intake.database import Database, one_writer, open_database
from intake.errors import ConfigError
from intake.events import broken_links, record_event
from intake.jobs import enqueue
from intake.tables import Event, Fact, Item, Message, MessageIdEntry, Ticket
from tests.builders import NOW, make_message
from tests.desk import Installation, make_installation
from tests.postgres import PostgresServer


@pytest.fixture
def installation(tmp_path: Path):
    installation = make_installation(tmp_path)
    yield installation
    installation.database.close()


@pytest.fixture
def filled(installation: Installation) -> Installation:
    for number in range(6):
        installation.receive(
            make_message(
                message_id=f"<odd\x00{number}@x.example>",
                subject=f"Report café{number} \x00",
                body=f"zebra{number} https://crt.sh/?id={number + 10}\r\n",
            ),
            at=NOW + timedelta(minutes=number),
            uid=2**32 - 10 + number,
        )
    return installation


def contents(database: Database) -> dict[str, tuple[int, str]]:
    """What every table holds; the event of the copy itself and facts about it left out."""
    with database.read() as session:
        states = [table_state(session.connection(), one) for one in tables()]
        return {one.name: (one.rows, one.digest) for one in states if one.name != "event"}


def events(database: Database) -> list[tuple[str, str]]:
    with database.read() as session:
        rows = session.exec(select(Event.action, Event.hash).order_by(col(Event.id))).all()
        assert list(broken_links(session)) == []
        return [tuple(row) for row in rows]


def test_everything_goes_over_and_is_usable(
    filled: Installation, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.empty_database()

    assert filled.intake("database", "copy", "--to", url, "--json") == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["equal"]
    target = open_database(url)
    assert contents(target) == contents(filled.database)
    assert events(target)[:-1] == events(filled.database)
    assert events(target)[-1][0] == "database_copied"
    with target.read() as session:
        assert [one.id for one in search_text(session, "cafe3 zebra3")] == [4]
        for row in range(1, 7):
            with filled.database.read() as before:
                assert raw_bytes(session, filled.key, row) == raw_bytes(before, filled.key, row)
    with target.write() as session:  # the next rows get the next numbers
        assert enqueue(session, "resolve_item", 999, now=NOW).id is not None
        record_event(session, "tried", actor="x", now=NOW)
    assert events(target)[-1][0] == "tried"
    with target.read() as session:
        assert session.exec(select(func.max(Event.id))).one() == len(events(target))
    target.close()


def test_the_commands_work_on_the_copy(
    filled: Installation, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.empty_database()
    filled.intake("database", "copy", "--to", url)
    assert "Next:" in capsys.readouterr().out
    path = filled.config.path
    path.write_text(path.read_text().replace("sqlite:///intake.db", url))
    assert load_config(path).database.url == url

    for command, status in (
        (("trace", "odd2@x.example"), 0),
        (("search", "zebra4"), 0),
        (("search", "<odd4@x.example>"), 0),
        (("search", "rita@reporter.example"), 0),
        (("message", "show", "odd1@x.example"), 0),
        (("ticket", "list"), 0),
        (("ticket", "show", "1"), 0),
        (("ticket", "show", "999"), 1),
        (("escalation", "preview", "1"), 0),
        (("keys", "export"), 0),
        (("audit", "export", "--csv"), 0),
        (("ticket", "acknowledge", "1"), 0),
        (("audit", "verify"), 0),
        (("archive", "verify"), 0),
        (("reprocess",), 0),
    ):
        assert filled.intake(*command) == status, command
    capsys.readouterr()
    assert filled.intake("backup", "/nowhere/file") == 2
    assert "pg_dump" in capsys.readouterr().err


def test_there_and_back_is_the_same(
    filled: Installation, postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.empty_database()
    back = tmp_path / "back.db"
    filled.intake("database", "copy", "--to", url)
    path = filled.config.path
    path.write_text(path.read_text().replace("sqlite:///intake.db", url))

    assert filled.intake("database", "copy", "--to", f"sqlite:///{back}") == 0

    database = open_database(f"sqlite:///{back}")
    assert contents(database) == contents(filled.database)
    with database.read() as session:
        assert [one.id for one in search_text(session, "zebra5")] == [6]
    database.close()
    assert back.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_a_copy_cut_off_anywhere_goes_on_and_ends_equal(
    filled: Installation,
    postgres: PostgresServer,
    tmp_path: Path,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copy_database, "ROWS_AT_ONCE", 3)
    url = postgres.empty_database() if kind == "postgresql" else f"sqlite:///{tmp_path}/new.db"
    copied: list[int] = []

    def run_until(most: int | None) -> bool:
        with filled.database.write() as source:
            target = copy_database.prepare_target(url, copy_database.identity(source))
            done = 0

            def advance(count: int) -> None:
                nonlocal done
                done += count
                if most is not None and done >= most:
                    raise KeyboardInterrupt

            try:
                copy_database.copy_tables(source, target, advance)
            except KeyboardInterrupt:
                return False
            finally:
                copied.append(done)
                target.close()
        return True

    most = 1
    while not run_until(most):
        most += 17
        with pytest.raises(ConfigError, match="never finished"):
            open_database(url)
    assert len(copied) > 5

    assert filled.intake("database", "copy", "--to", url) == 0
    target = open_database(url)
    assert contents(target) == contents(filled.database)
    target.close()


def test_what_changed_between_two_runs_is_copied_anew(
    filled: Installation, postgres: PostgresServer
) -> None:
    url = postgres.empty_database()
    with filled.database.write() as source:
        target = copy_database.prepare_target(url, copy_database.identity(source))
        copy_database.copy_tables(source, target, lambda _: None)
    with target.write() as session:  # rows that the source never had, or has no more
        session.add(Fact(name="zzz", value="stray"))
        session.get_one(Ticket, 2).subject = "other"
    target.close()
    filled.intake("ticket", "acknowledge", "1")
    filled.receive(make_message(message_id="<late@x>"), at=NOW + timedelta(hours=1), uid=5)

    assert filled.intake("database", "copy", "--to", url) == 0

    target = open_database(url)
    assert contents(target) == contents(filled.database)
    target.close()


def test_other_messages_under_the_same_numbers_are_indexed_anew(
    filled: Installation, postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.empty_database()
    with filled.database.write() as source:
        target = copy_database.prepare_target(url, copy_database.identity(source))
        copy_database.copy_tables(source, target, lambda _: None)
    with target.write() as session:
        from sqlalchemy import text

        session.execute(text("INSERT INTO message_text VALUES (3, ARRAY['wrong'])"))
        session.get_one(Message, 3).sha256 = "0" * 64
    target.close()

    filled.intake("database", "copy", "--to", url)

    target = open_database(url)
    with target.read() as session:
        assert search_text(session, "wrong") == []
        assert [one.id for one in search_text(session, "zebra2")] == [3]
    target.close()


def test_items_that_refer_to_later_ones_go_over(
    filled: Installation, postgres: PostgresServer
) -> None:
    with filled.database.write() as session:
        first, last = session.get_one(Item, 1), session.get_one(Item, 3)
        first.merged_into = last.id
    url = postgres.empty_database()

    assert filled.intake("database", "copy", "--to", url) == 0

    rows = postgres.execute(
        "SELECT count(*) FROM pg_constraint WHERE contype = 'f'",
        database=url.partition("@/")[2].partition("?")[0],
    )
    expected = sum(len(table.foreign_key_constraints) for table in tables())
    assert rows == [(expected,)]


def test_a_copy_killed_while_it_runs_goes_on(
    filled: Installation, postgres: PostgresServer
) -> None:
    with filled.database.write() as session:
        rows = (
            {
                "message": 1,
                "source": "mentioned",
                "original": f"<{n}>",
                "normalised": f"{n}",
                "folded": "",
            }
            for n in range(20_000)
        )
        session.execute(insert(MessageIdEntry), list(rows))
    url = postgres.empty_database()
    name = url.partition("@/")[2].partition("?")[0]
    command = [sys.executable, "-m", "intake.cli.main", "--config", str(filled.config.path)]
    process = subprocess.Popen(
        [*command, "database", "copy", "--to", url], start_new_session=True, cwd=Path.cwd()
    )

    def copied() -> int:
        try:
            return int(
                str(postgres.execute("SELECT count(*) FROM messageidentry", database=name)[0][0])
            )
        except Exception:  # noqa: BLE001 - the table is not there yet
            return 0

    deadline = time.monotonic() + 60
    while copied() < 1000 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    at_kill = copied()
    assert 1000 <= at_kill < 20_000

    assert filled.intake("database", "copy", "--to", url) == 0
    target = open_database(url)
    assert contents(target) == contents(filled.database)
    target.close()


# ---- refusals ----------------------------------------------------------------------------------


def test_a_running_service_is_not_copied_behind_its_back(
    filled: Installation, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with one_writer(filled.database):
        assert filled.intake("database", "copy", "--to", postgres.empty_database()) == 4
    assert "the service runs already" in capsys.readouterr().err


def test_a_database_in_use_is_never_written_over(
    filled: Installation, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.empty_database()
    assert filled.intake("database", "copy", "--to", url) == 0

    assert filled.intake("database", "copy", "--to", url) == 2
    assert "holds an installation already" in capsys.readouterr().err
    assert filled.intake("database", "copy", "--to", filled.config.database.url) == 2


def test_the_unfinished_copy_of_another_installation_is_refused(
    filled: Installation, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    url = postgres.empty_database()
    copy_database.prepare_target(url, "f" * 64).close()

    assert filled.intake("database", "copy", "--to", url) == 2
    assert "unfinished copy of another database" in capsys.readouterr().err


def test_a_copy_that_differs_is_not_made_usable(
    filled: Installation, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.empty_database()
    real = copy_database.copy_tables

    def copy_badly(source, target, advance) -> bool:
        real(source, target, advance)
        with target.write() as session:
            session.get_one(Ticket, 1).subject = "changed on the way"
        return False

    monkeypatch.setattr(copy_database, "copy_tables", copy_badly)
    assert filled.intake("database", "copy", "--to", url) == 5
    with pytest.raises(ConfigError, match="never finished"):
        open_database(url)


@pytest.mark.parametrize("address", ["mysql://x", "intake.db", "sqlite://"])
def test_other_addresses_are_wrong_usage(installation: Installation, address: str) -> None:
    assert installation.intake("database", "copy", "--to", address) == 2
