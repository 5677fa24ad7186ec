"""The room of the ticket tests, on a database made once and copied for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from intake.database import initialise_database, open_database
from tests.unit.tickets.room import Room


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database as a file; migrations are slow, copies are not."""
    path = tmp_path_factory.mktemp("tickets") / "empty.db"
    database, _ = initialise_database(f"sqlite:///{path}")
    database.close()
    return path


@pytest.fixture
def room(tmp_path: Path, empty_database: Path) -> Iterator[Room]:
    """An empty desk."""
    path = tmp_path / "intake.db"
    shutil.copyfile(empty_database, path)
    database = open_database(f"sqlite:///{path}")
    event.listen(database.engine, "connect", _without_waiting_for_the_disk)
    database.engine.dispose()
    yield Room(database)
    database.close()


def _without_waiting_for_the_disk(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=OFF")
