"""The migrations make exactly the tables that the program knows."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

from intake.database import Database


@pytest.mark.both_databases
def test_migrations_and_tables_agree(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: not of_full_text(name, kind)}
        )
        differences = compare_metadata(context, SQLModel.metadata)

    assert differences == []


def of_full_text(name: str | None, kind: str) -> bool:
    """The full-text index is no SQLModel table."""
    return kind == "table" and (name or "").startswith("message_text")
