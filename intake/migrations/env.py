"""Tells Alembic which database to work on."""

from alembic import context
from sqlmodel import SQLModel

import intake.tables
from intake.database.sessions import WRITE_LOCK

engine = context.config.attributes["engine"]
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=True,
        transaction_per_migration=True,
    )
    if engine.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:  # one after the other here too; the second finds nothing left to do
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()

__all__ = ["intake"]
