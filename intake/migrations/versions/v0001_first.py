"""The first schema."""

from alembic import op
from sqlmodel import SQLModel

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table, and the full-text index beside them."""
    SQLModel.metadata.create_all(op.get_bind())
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE message_text USING fts5("
            "subject, sender, body, content='', tokenize='unicode61 remove_diacritics 2')"
        )
    else:
        op.execute("CREATE TABLE message_text (message INTEGER PRIMARY KEY, words TEXT[] NOT NULL)")
        op.execute("CREATE INDEX ix_message_text_words ON message_text USING gin (words)")
