"""What only PostgreSQL does: several hosts on one database, and a server that comes and goes."""

import shlex
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InternalError, OperationalError

from intake.archive.received import Receipt
from intake.archive.seal import ArchiveKey
from intake.archive.search import index_text, search_text, words_of
from intake.archive.store import archive_message
from intake.cli.main import main
from intake.database import (
    Database,
    NoLongerTheWriterError,
    initialise_database,
    is_environment_error,
    make_engine,
    one_writer,
    open_database,
)
from intake.errors import ConfigError, OutsideUnavailableError
from intake.jobs import enqueue_many, take
from intake.notices.outbox import claim
from intake.tables import Fact, Notice
from tests.builders import NOW, make_config, make_message
from tests.postgres import PostgresServer
from tests.servers import PATIENCE

KEY = ArchiveKey(b"k" * 32)
KINDS = ("resolve_item",)


class HurryingClock:
    """Ten seconds pass whenever somebody looks."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 10
        return self.seconds


@pytest.fixture
def database(postgres: PostgresServer):
    with postgres.database() as database:
        yield database


@pytest.fixture
def own(own_postgres: PostgresServer):
    database, _ = initialise_database(own_postgres.empty_database())
    yield database
    database.close()


def another_host(database: Database, **options: float) -> Database:
    url = database.engine.url.render_as_string(hide_password=False)
    return open_database(url, **options)


# ---- jobs and notices on several hosts ---------------------------------------------------------


def test_two_hosts_take_different_jobs_at_the_same_moment(database: Database) -> None:
    with database.write() as session:
        enqueue_many(session, "resolve_item", ["1", "2", "3"], now=NOW)

    with database.claim() as here:
        first = [job.subject for job in take(here, KINDS, NOW, limit=2)]
        with database.claim() as there:  # while the first has not committed
            second = [job.subject for job in take(there, KINDS, NOW, limit=2)]

    assert (first, second) == (["1", "2"], ["3"])


def test_a_notice_is_claimed_by_one_host_only(database: Database) -> None:
    with database.write() as session:
        for key in ("card:1", "card:2"):
            session.add(
                Notice(
                    key=key, kind="card", due_at=NOW, to="C0CPR", created_at=NOW, next_try_at=NOW
                )
            )
    claims = []

    def claim_one() -> None:
        claims.append(claim(database, NOW))

    hosts = [threading.Thread(target=claim_one) for _ in range(4)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join()

    assert sorted(one[0].key for one in claims if one) == ["card:1", "card:2"]


def test_a_job_is_taken_while_another_transaction_writes(database: Database) -> None:
    with database.write() as session:
        enqueue_many(session, "resolve_item", ["1"], now=NOW)

    with database.write() as writer:
        writer.add(Fact(name="slow", value="work"))
        with database.claim() as session:
            assert [job.subject for job in take(session, KINDS, NOW)] == ["1"]


def test_a_long_list_is_taken_from_quickly_before_anybody_counted_it(database: Database) -> None:
    """PostgreSQL has no figures about rows that were inserted a moment ago."""
    with database.write() as session:
        enqueue_many(session, "resolve_item", range(10_000), now=NOW, ticket=1)
        enqueue_many(session, "resolve_item", ["a", "b"], now=NOW, ticket=2)

    begun = time.monotonic()
    with database.claim() as session:
        assert len(take(session, KINDS, NOW)) == 1
    assert time.monotonic() - begun < 3  # it was 12 s when each job looked for its ticket's turn


# ---- one writer --------------------------------------------------------------------------------


def test_writers_wait_for_each_other_and_give_up_in_time(database: Database) -> None:
    other = another_host(database, busy_timeout=0.05)
    with database.write(), pytest.raises(OperationalError) as caught, other.write():
        pass
    other.close()

    assert is_environment_error(caught.value)


def test_a_writer_sees_what_the_one_before_it_committed(database: Database) -> None:
    seen = []

    def write_after() -> None:
        with database.write() as session:
            seen.append(session.get(Fact, "first"))

    with database.write() as session:
        second = threading.Thread(target=write_after)
        second.start()
        session.add(Fact(name="first", value="here"))
        session.flush()
    second.join()

    assert seen[0].value == "here"


def test_a_reader_sees_one_state_and_changes_nothing(database: Database) -> None:
    with database.read() as reader:
        assert reader.get(Fact, "late") is None
        with database.write() as session:
            session.add(Fact(name="late", value="x"))
        reader.expire_all()
        assert reader.get(Fact, "late") is None

    with database.read() as reader:
        reader.add(Fact(name="never", value="x"))
        with pytest.raises(InternalError, match="read-only transaction"):
            reader.flush()
        reader.rollback()


def test_a_second_service_is_refused_until_the_first_one_ends(database: Database) -> None:
    other = another_host(database)
    with one_writer(database) as lock:
        lock.require()
        with pytest.raises(OutsideUnavailableError), one_writer(other):
            pass
    with one_writer(other):
        pass
    other.close()


def test_the_lock_is_taken_again_after_the_server_restarted(
    own: Database, own_postgres: PostgresServer
) -> None:
    with one_writer(own, monotonic=HurryingClock()) as lock:
        own_postgres.stop()
        with pytest.raises(OperationalError) as caught:
            lock.require()
        assert is_environment_error(caught.value)
        own_postgres.start()

        lock.require()

        other = another_host(own)
        with pytest.raises(OutsideUnavailableError), one_writer(other):
            pass
        other.close()


def test_a_service_that_lost_the_lock_to_another_one_says_so(
    own: Database, own_postgres: PostgresServer
) -> None:
    other = another_host(own)
    with ExitStack() as stack:
        lock = stack.enter_context(one_writer(own, monotonic=HurryingClock()))
        own_postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        )
        deadline = threading.Event()
        for _ in range(int(PATIENCE / 0.01)):
            try:
                stack.enter_context(one_writer(other))
                break
            except OutsideUnavailableError:  # the server ends the old session in a moment
                deadline.wait(0.01)

        with pytest.raises(NoLongerTheWriterError):
            lock.require()
    other.close()


# ---- the server and its settings ---------------------------------------------------------------


def test_a_restart_of_the_server_fails_no_later_transaction(
    own: Database, own_postgres: PostgresServer
) -> None:
    for _ in range(2):
        with own.write() as session:
            session.merge(Fact(name="before", value="kept"))
        own_postgres.kill()
        with pytest.raises(OperationalError) as caught, own.write():
            pass
        assert is_environment_error(caught.value)
        own_postgres.start()

        with own.read() as session:
            assert session.get_one(Fact, "before").value == "kept"


def test_a_session_cut_in_a_transaction_is_the_environment(
    own: Database, own_postgres: PostgresServer
) -> None:
    def write_half() -> None:
        with own.write() as session:
            session.add(Fact(name="half", value="x"))
            session.flush()
            own_postgres.kill()

    with pytest.raises(OperationalError) as caught:
        write_half()

    assert is_environment_error(caught.value)
    own_postgres.start()
    with own.read() as session:
        assert session.get(Fact, "half") is None


def test_a_commit_is_durable_whatever_the_server_is_set_to(
    database: Database, postgres: PostgresServer
) -> None:
    name = database.engine.url.database
    postgres.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    postgres.execute(f"ALTER DATABASE {name} SET TimeZone = 'Asia/Tokyo'")
    other = another_host(database)
    with other.engine.connect() as connection:
        settings = [
            connection.exec_driver_sql(f"SHOW {one}").scalar()
            for one in ("synchronous_commit", "TimeZone", "lock_timeout")
        ]
    other.close()

    assert settings == ["on", "UTC", "30s"]


def test_a_database_in_the_order_of_a_language_is_refused(postgres: PostgresServer) -> None:
    postgres.execute(
        "CREATE DATABASE german TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de'"
    )

    with pytest.raises(ConfigError, match="order of its bytes") as caught:
        initialise_database(postgres.url("german"))
    assert "--locale=C" in str(caught.value)


def test_a_database_in_another_encoding_is_refused(postgres: PostgresServer) -> None:
    postgres.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'")

    with pytest.raises(ConfigError, match="UTF-8"):
        initialise_database(postgres.url("latin"))


def test_what_is_missing_is_named_and_no_password_shown(
    own_postgres: PostgresServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_config(tmp_path)
    address = own_postgres.url("absent").replace("intake@", "intake:hunter2@")
    text = config.path.read_text().replace("sqlite:///intake.db", address)
    config.path.write_text(text)

    assert main(["--config", str(config.path), "trace", "<a@b>"]) == 4
    error = capsys.readouterr().err
    assert 'database "absent" does not exist' in error
    assert "hunter2" not in error

    config.path.write_text(text.replace("/absent?", "/postgres?"))
    assert main(["--config", str(config.path), "trace", "<a@b>"]) == 3
    error = capsys.readouterr().err
    assert "run `intake init`" in error
    assert "hunter2" not in error


def test_init_makes_the_tables_and_leaves_them_alone_afterwards(
    own_postgres: PostgresServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_config(tmp_path)
    address = own_postgres.empty_database()
    config.path.write_text(config.path.read_text().replace("sqlite:///intake.db", address))

    assert main(["--config", str(config.path), "init"]) == 0
    assert ": made" in capsys.readouterr().out
    assert main(["--config", str(config.path), "init"]) == 0
    assert "left as it is" in capsys.readouterr().out
    assert main(["--config", str(config.path), "trace", "<a@b>"]) == 1


def test_two_hosts_make_the_tables_at_once(postgres: PostgresServer, tmp_path: Path) -> None:
    config = make_config(tmp_path, database_url=postgres.empty_database())
    ArchiveKey.create(tmp_path / "archive.key")  # it is the same on both
    command = [sys.executable, "-m", "intake.cli.main", "--config", str(config.path), "init"]

    hosts = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [host.communicate()[0] for host in hosts]

    assert [host.returncode for host in hosts] == [0, 0, 0]
    assert any(": made" in one for one in said)
    assert main(["--config", str(config.path), "audit", "verify"]) == 0


def test_the_models_and_the_tables_agree(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlmodel import SQLModel

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        found = compare_metadata(context, SQLModel.metadata)

    assert [one for one in found if "message_text" not in str(one)] == []


# ---- search ------------------------------------------------------------------------------------


def test_words_are_cut_and_folded_as_fts5_would() -> None:
    assert words_of("Café, CRT.sh/?id=19429431 naïve_x", "a\x00b crt") == [
        "cafe", "crt", "sh", "id", "19429431", "naive", "x", "a", "b",
    ]  # fmt: skip


def test_a_megabyte_of_fingerprints_is_indexed(database: Database) -> None:

    with database.write() as session:
        message, _ = archive_message(
            session, KEY, make_message(), receipt=Receipt(NOW, "import"), seen_at=NOW
        )
        body = "\n".join(f"{n:064x}" for n in range(30_000)) + " " + "x" * 100_000
        index_text(session, message.id, "list", "", body)

    with database.read() as session:
        for words in (f"{29_999:064x}", "x" * 100_000, "list"):
            assert [one.id for one in search_text(session, words)] == [message.id]


def test_a_search_walks_the_index(database: Database) -> None:
    with database.engine.connect() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")
        plan = connection.exec_driver_sql(
            "EXPLAIN SELECT message FROM message_text WHERE words @> ARRAY['a', 'b']"
        )
        assert "ix_message_text_words" in str(plan.all())


def test_ids_that_begin_alike_are_found_by_the_index_in_byte_order(database: Database) -> None:
    with database.engine.connect() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")
        plan = connection.exec_driver_sql(
            "EXPLAIN SELECT * FROM messageidentry WHERE folded >= 'abc' AND folded < 'abd'"
        )
        assert "ix_messageidentry_folded" in str(plan.all())


def test_an_unknown_driver_is_named() -> None:
    with pytest.raises(ConfigError, match=r"database\.url"):
        make_engine("postgresql+absent://me@db/x")


def test_check_says_when_a_power_cut_could_lose_mail(
    postgres: PostgresServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_config(tmp_path, database_url=postgres.empty_database())
    command = ["--config", str(config.path)]
    main([*command, "init"])
    capsys.readouterr()

    assert main([*command, "check"]) == 1  # the server of these tests syncs nothing
    assert "fsync = off, full_page_writes = off" in capsys.readouterr().out


# ---- backup ------------------------------------------------------------------------------------


def test_the_backup_that_we_name_is_one_that_can_be_restored(
    postgres: PostgresServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, restored = postgres.empty_database(), postgres.empty_database()
    config = make_config(tmp_path, database_url=address)
    command = ["--config", str(config.path)]
    message = tmp_path / "one.eml"
    message.write_bytes(make_message())
    assert main([*command, "init"]) == 0
    assert main([*command, "import", str(message)]) == 0
    capsys.readouterr()

    assert main([*command, "backup", "FILE"]) == 2
    [line] = [one for one in capsys.readouterr().err.splitlines() if "pg_dump" in one]
    programs = postgres.programs()
    assert programs is not None
    dump = shlex.split(line.replace("FILE", str(tmp_path / "dump")))
    subprocess.run([programs / dump[0], *dump[1:]], check=True)
    name = make_url(restored).database
    target = ["--no-owner", f"--dbname=host={postgres.folder} user=intake dbname={name}"]
    subprocess.run([programs / "pg_restore", *target, tmp_path / "dump"], check=True)

    config.path.write_text(config.path.read_text().replace(address, restored))
    assert main([*command, "archive", "verify"]) == 0
    assert main([*command, "audit", "verify"]) == 0
    assert main([*command, "trace", "report-1@reporter.example"]) == 0


def test_no_password_stands_in_the_command_that_we_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = "postgresql+psycopg://me:hunter2@db.example:5433/intake?sslmode=verify-full"
    config = make_config(tmp_path, database_url=address)

    assert main(["--config", str(config.path), "backup", "FILE"]) == 2
    said = capsys.readouterr().err
    assert "hunter2" not in said
    assert "'postgresql://me@db.example:5433/intake?sslmode=verify-full'" in said
