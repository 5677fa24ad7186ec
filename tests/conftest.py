"""Fixtures that many tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from intake.config import Config
from intake.database import Database
from tests.builders import make_config
from tests.fresh import fresh_database

pytest_plugins = ["tests.servers", "tests.postgres"]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A valid configuration whose files lie in the test's own folder."""
    return make_config(tmp_path)


@pytest.fixture
def database(
    database_kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Database]:
    """An empty database made by the real migrations; on PostgreSQL too where a test is marked so."""
    if database_kind == "postgresql":
        with request.getfixturevalue("postgres").database() as database:
            yield database
        return
    database = fresh_database(f"sqlite:///{tmp_path}/intake.db")
    yield database
    database.close()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a case by its argument where the value is bytes or long: it may be made anew each time.

    Processes that run tests side by side must agree on the names.
    """
    is_long = isinstance(val, bytes) or (isinstance(val, str) and len(val) > 60)
    return argname if is_long else None


def need(what: str, present: bool) -> None:
    """Skip a test that lacks its server; fail it where everything must be there (CI=true)."""
    if present:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is not installed, and CI must have it")
    pytest.skip(f"{what} is not installed")
