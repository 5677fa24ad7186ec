"""Finding messages: by Message-ID in any form, and by words.

What people type is never full-text syntax: each word is quoted. FTS5 stands behind the functions
here; another database searches subject and sender only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, text
from sqlmodel import Session, col, or_, select

from intake.archive.message_id import fold, normalise, parse_query
from intake.tables import Message, MessageIdEntry

MOST_WORDS = 20
LONGEST_ID = 1000  # as `store` indexes them


@dataclass(frozen=True)
class IndexedText:
    """What the full-text index holds of a message."""

    subject: str
    sender: str
    body: str


def messages_with_id(session: Session, text: str, *, source: str = "header") -> list[Message]:
    """Return the messages with a Message-ID, in whatever form it was pasted, oldest first.

    An exact hit goes before one that differs in case only.

    Args:
        session: reads only.
        text: a Message-ID as people paste it.
        source: "header" for the message's own, "mentioned" for one that it names.
    """
    wanted = list(dict.fromkeys(one for one in (parse_query(text), normalise(text)) if one))
    exact = _by(session, MessageIdEntry.normalised, [one[:LONGEST_ID] for one in wanted], source)
    if exact:
        return exact
    return _by(session, MessageIdEntry.folded, [fold(one[:LONGEST_ID]) for one in wanted], source)


def index_text(
    session: Session,
    message_id: int,
    subject: str,
    sender: str,
    body: str,
    *,
    replacing: IndexedText | None = None,
) -> None:
    """Put a message's words into the full-text index; one that is there stays as it is.

    Args:
        session: a write session.
        message_id: the message's row.
        subject: as decoded.
        sender: name and address.
        body: plain text, key blocks left out.
        replacing: what was indexed before and is taken out first; the index alone can't tell.
    """
    if not _has_full_text(session):
        return
    if replacing is not None:
        session.execute(_DELETE, _parameters(message_id, replacing))
    elif session.execute(_IS_INDEXED, {"id": message_id}).first() is not None:
        return
    session.execute(_INSERT, _parameters(message_id, IndexedText(subject, sender, body)))


def search_text(session: Session, text: str, limit: int = 50) -> list[Message]:
    """Return messages that hold all these words in subject, sender or body, newest first."""
    words = [word for word in text.replace("\x00", " ").split() if _has_letter(word)][:MOST_WORDS]
    if not words:
        return []
    if not _has_full_text(session):
        return _search_plain(session, words, limit)
    query = " ".join('"' + word.replace('"', '""') + '"' for word in words)
    ids = [row[0] for row in session.execute(_SEARCH, {"query": query, "limit": limit})]
    found = session.exec(select(Message).where(col(Message.id).in_(ids)))
    return sorted(found, key=lambda message: -(message.id or 0))


_INSERT = text(
    "INSERT INTO message_text(rowid, subject, sender, body) VALUES (:id, :subject, :sender, :body)"
)
_DELETE = text(
    "INSERT INTO message_text(message_text, rowid, subject, sender, body) "
    "VALUES ('delete', :id, :subject, :sender, :body)"
)
_IS_INDEXED = text("SELECT rowid FROM message_text WHERE rowid = :id")
_SEARCH = text(
    "SELECT rowid FROM message_text WHERE message_text MATCH :query ORDER BY rowid DESC LIMIT :limit"
)


def _by(session: Session, column: str, values: Sequence[str], source: str) -> list[Message]:
    if not values:
        return []
    ids = select(MessageIdEntry.message).where(
        col(column).in_(values), MessageIdEntry.source == source
    )
    return list(
        session.exec(select(Message).where(col(Message.id).in_(ids)).order_by(col(Message.id)))
    )


def _search_plain(session: Session, words: Sequence[str], limit: int) -> list[Message]:
    statement = select(Message)
    for word in words:
        statement = statement.where(
            or_(
                func.lower(Message.subject).contains(word.lower(), autoescape=True),
                func.lower(Message.sender).contains(word.lower(), autoescape=True),
            )
        )
    return list(session.exec(statement.order_by(col(Message.id).desc()).limit(limit)))


def _parameters(message_id: int, words: IndexedText) -> dict[str, object]:
    return {
        "id": message_id,
        "subject": words.subject.replace("\x00", " "),
        "sender": words.sender.replace("\x00", " "),
        "body": words.body.replace("\x00", " "),
    }


def _has_full_text(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _has_letter(word: str) -> bool:
    return any(sign.isalnum() for sign in word)
