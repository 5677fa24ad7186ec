"""The room of the ticket tests, on one database that each test finds empty."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import SQLModel

from intake.database import Database, initialise_database
from tests.postgres import forget_everything
from tests.unit.tickets.room import Room


@pytest.fixture(scope="session")
def one_database(
    database_kind: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Database]:
    """One database for all tests: migrations and first statements are slow."""
    if database_kind == "postgresql":
        with request.getfixturevalue("postgres").database() as database:
            yield database
        return
    path = tmp_path_factory.mktemp("tickets") / "intake.db"
    database, _ = initialise_database(f"sqlite:///{path}")
    event.listen(database.engine, "connect", _without_waiting_for_the_disk)
    database.engine.dispose()
    yield database
    database.close()


@pytest.fixture
def room(one_database: Database) -> Iterator[Room]:
    """An empty desk."""
    yield Room(one_database)
    _empty(one_database)


@pytest.fixture
def empty_room(one_database: Database) -> Callable[[], Room]:
    """Return what takes everything away and makes a new desk, within a test."""

    def make() -> Room:
        _empty(one_database)
        return Room(one_database)

    return make


def _empty(database: Database) -> None:
    if not database.is_sqlite:
        forget_everything(database)
        return
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN")
        for table in SQLModel.metadata.sorted_tables:
            connection.exec_driver_sql(f'DELETE FROM "{table.name}"')  # noqa: S608 - our own names
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def _without_waiting_for_the_disk(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF")
