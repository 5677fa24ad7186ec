"""The migrations make exactly the tables that the program knows."""

import random

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import SQLModel, select

from intake.database import Database
from intake.tables import Certificate, Message
from tests.builders import NOW


@pytest.mark.both_databases
def test_migrations_and_tables_agree(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: not of_full_text(name, kind)}
        )
        differences = compare_metadata(context, SQLModel.metadata)

    assert differences == []


@pytest.mark.both_databases
def test_text_of_any_length_that_others_wrote_is_indexed(database: Database) -> None:
    long = "".join(random.Random(1).choices("abcdefgh0123456789", k=20_000))  # noqa: S311 - compresses badly

    with database.write() as session:
        session.add(
            Message(
                sha256="0" * 64, size=1, body_sha256="0" * 64, sender=long, received_at=NOW,
                received_from="received", first_seen_at=NOW,
            )
        )  # fmt: skip
        session.add(
            Certificate(
                sha256="0" * 64, sha1="0" * 40, der=b"", origin="mail", first_seen_at=NOW,
                serial_number=long,
            )
        )  # fmt: skip

    with database.read() as session:
        assert session.exec(select(Message.id).where(Message.sender == long)).one() == 1
        assert session.exec(
            select(Certificate.sha1).where(Certificate.serial_number == long)
        ).all() == ["0" * 40]


def of_full_text(name: str | None, kind: str) -> bool:
    """The full-text index is no SQLModel table."""
    return kind == "table" and (name or "").startswith("message_text")
