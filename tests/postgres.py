"""A real PostgreSQL for tests: a private server on a Unix socket, and a database for each test.

A test module with `pytestmark = pytest.mark.both_databases` runs on SQLite and on PostgreSQL: the
fixture `database` is one and then the other.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlmodel import SQLModel

from intake.database import Database, initialise_database
from tests.servers import PATIENCE, wait_until

# Nobody cuts the power of a test: what waits for the disk is left out.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "shared_buffers": "32MB",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that are marked `both_databases` once on each."""
    marked = next(metafunc.definition.iter_markers("both_databases"), None)
    if marked is not None and "database_kind" in metafunc.fixturenames:
        kinds = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
        metafunc.parametrize("database_kind", kinds, scope="session")


@pytest.fixture(scope="session")
def database_kind() -> str:
    """Which database the fixture `database` is; SQLite where a test says nothing."""
    return "sqlite"


@pytest.fixture(scope="session")
def postgres() -> Iterator["PostgresServer"]:
    """A PostgreSQL server for all tests; each takes a database of its own."""
    from tests.conftest import need

    need("PostgreSQL", PostgresServer.installed())
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def own_postgres() -> Iterator["PostgresServer"]:
    """A PostgreSQL server that one test may stop and kill."""
    from tests.conftest import need

    need("PostgreSQL", PostgresServer.installed())
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


def forget_everything(database: Database) -> None:
    """Empty every table: many times faster than making a database anew."""
    names = ["message_text", *(f'"{table.name}"' for table in SQLModel.metadata.sorted_tables)]
    with database.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for name in names:
            connection.exec_driver_sql(f"DELETE FROM {name}")  # noqa: S608 - our own names
        connection.exec_driver_sql(
            "SELECT setval(seqrelid, 1, false) FROM pg_sequence"  # the first row is 1 again
        )


class PostgresServer:
    """A private PostgreSQL whose only user is `intake`."""

    def __init__(self) -> None:
        """Make the server's files in a new folder; start nothing yet."""
        self.folder = Path(tempfile.mkdtemp(prefix="intake-postgres-", dir="/tmp"))
        self.folder.chmod(0o700)
        self._numbers = itertools.count(1)
        self._unused: list[Database] = []
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:  # PostgreSQL refuses to be root
            self._user = pwd.getpwnam("postgres")
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._run(
            "initdb", "--encoding=UTF8", "--locale=C", "--auth=trust", "--username=intake",
            "--no-sync", "--no-instructions",
        )  # fmt: skip

    @staticmethod
    def programs() -> Path | None:
        """Return the folder of the newest server's programs; Debian keeps them out of PATH."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        onpath = shutil.which("initdb")
        return found[-1].parent if found else Path(onpath).parent if onpath else None

    @classmethod
    def installed(cls) -> bool:
        """Say whether the server is there."""
        return cls.programs() is not None

    def start(self) -> None:
        """Start, with the data of before, and wait until it answers."""
        settings = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", f"-k{self.folder}", *settings),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_until("PostgreSQL starts", lambda: self._has_ended() or self._answers())
        if self._has_ended():
            pytest.fail(f"PostgreSQL did not start:\n{self._log.read_text(errors='replace')}")

    def stop(self) -> None:
        """Stop as an administrator would: sessions are cut, what was committed is there."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Stop at once, as after a crash."""
        self._end(signal.SIGQUIT)

    def close(self) -> None:
        """Stop and remove everything."""
        for database in self._unused:
            database.close()
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, name: str) -> str:
        """Return the address of a database as `database.url` has it."""
        return f"postgresql+psycopg://intake@/{name}?host={self.folder}"

    def empty_database(self) -> str:
        """Make a database without any tables; return its address."""
        name = f"empty{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        """Yield a database with the tables that the migrations make, empty again for each test."""
        database = self._unused.pop() if self._unused else self._make_database()
        yield database
        forget_everything(database)
        self._unused.append(database)

    def _make_database(self) -> Database:
        return initialise_database(self.empty_database())[0]

    def execute(self, statement: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as an administrator would; return its rows."""
        with psycopg.connect(self._address(database), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return [] if cursor.description is None else cursor.fetchall()

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _address(self, database: str) -> str:
        return f"host={self.folder} user=intake dbname={database}"

    def _command(self, program: str, *arguments: str) -> list[str]:
        folder = self.programs()
        assert folder is not None
        command = [str(folder / program), "-D", str(self.folder / "data"), *arguments]
        # A test run that is killed takes its server along.
        setpriv = ["setpriv", "--pdeathsig=QUIT"]
        if os.geteuid() == 0:
            ids = (f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}")
            setpriv += [*ids, "--clear-groups"]
        return [*setpriv, *command]

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            self._command(program, *arguments),
            cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.fail(f"{program} failed:\n{done.stdout}{done.stderr}")

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self._address("postgres")).close()
            return True
        return False

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.wait(timeout=PATIENCE)
