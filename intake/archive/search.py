"""Finding messages: by Message-ID in any form, and by words.

What people type is never full-text syntax. Behind the functions here stands FTS5 on SQLite, and on
PostgreSQL an index over each message's words, which we cut and fold ourselves: its own text search
refuses texts beyond a megabyte of words, and such lists are sent to us.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, text
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from intake.archive.message_id import fold, indexed, normalise, parse_query
from intake.tables import Message, MessageIdEntry

MOST_WORDS = 20
LONGEST_WORD = 200  # on PostgreSQL; what is longer is indexed and sought by its beginning
_WORD = re.compile(r"[^\W_]+")


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
    exact = _by(session, _BY_NORMALISED, [indexed(one) for one in wanted], source)
    if exact:
        return exact
    return _by(session, _BY_FOLDED, [indexed(fold(one)) for one in wanted], source)


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
    words = IndexedText(subject, sender, body)
    if replacing is None:
        index_texts(session, {message_id: words})
    elif _has_fts5(session):
        session.execute(_DELETE, _parameters(message_id, replacing))
        session.execute(_INSERT, _parameters(message_id, words))
    else:
        session.execute(_REPLACE_WORDS, _words(message_id, words))


def index_texts(session: Session, texts: Mapping[int, IndexedText]) -> None:
    """Put the words of messages, by their rows, into the full-text index, as `index_text` does."""
    if not texts:
        return
    if not _has_fts5(session):
        session.execute(_KEEP_WORDS, [_words(row, one) for row, one in texts.items()])
        return
    indexed = {row[0] for row in session.execute(_IS_INDEXED, {"ids": list(texts)})}
    new = [_parameters(row, one) for row, one in texts.items() if row not in indexed]
    if new:
        session.execute(_INSERT, new)


def indexed_messages(session: Session) -> list[int]:
    """Return the rows of all messages whose words are in the full-text index."""
    statement = _INDEXED if _has_fts5(session) else _INDEXED_WORDS
    return [row[0] for row in session.execute(statement)]


def forget_texts(session: Session) -> None:
    """Empty the full-text index; it can be made again from the raw bytes."""
    session.execute(_FORGET if _has_fts5(session) else _FORGET_WORDS)


def search_text(session: Session, text: str, limit: int = 50) -> list[Message]:
    """Return messages that hold all these words in subject, sender or body, newest first."""
    ids = rows_with_text(session, text, limit)
    found = session.exec(select(Message).where(col(Message.id).in_(ids)))
    return sorted(found, key=lambda message: -(message.id or 0))


def rows_with_text(session: Session, text: str, limit: int = 50) -> list[int]:
    """Return the rows of the messages that `search_text` finds, without reading them."""
    typed = [word for word in text.replace("\x00", " ").split() if _has_letter(word)][:MOST_WORDS]
    if not typed:
        return []
    if _has_fts5(session):
        query = " ".join('"' + word.replace('"', '""') + '"' for word in typed)
        rows = session.execute(_SEARCH, {"query": query, "limit": limit})
    else:
        rows = session.execute(_SEARCH_WORDS, {"words": words_of(*typed), "limit": limit})
    return [row[0] for row in rows]


_INSERT = text(
    "INSERT INTO message_text(rowid, subject, sender, body) VALUES (:id, :subject, :sender, :body)"
)
_DELETE = text(
    "INSERT INTO message_text(message_text, rowid, subject, sender, body) "
    "VALUES ('delete', :id, :subject, :sender, :body)"
)
_IS_INDEXED = text("SELECT rowid FROM message_text WHERE rowid IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
_SEARCH = text(
    "SELECT rowid FROM message_text WHERE message_text MATCH :query ORDER BY rowid DESC LIMIT :limit"
)
_INDEXED = text("SELECT rowid FROM message_text ORDER BY rowid")
_FORGET = text("INSERT INTO message_text(message_text) VALUES ('delete-all')")

# And the same for PostgreSQL.
_INDEXED_WORDS = text("SELECT message FROM message_text ORDER BY message")
_FORGET_WORDS = text("DELETE FROM message_text")
_KEEP_WORDS = text(
    "INSERT INTO message_text(message, words) VALUES (:id, :words) ON CONFLICT (message) DO NOTHING"
)
_REPLACE_WORDS = text(
    "INSERT INTO message_text(message, words) VALUES (:id, :words) "
    "ON CONFLICT (message) DO UPDATE SET words = excluded.words"
)
_SEARCH_WORDS = text(
    "SELECT message FROM message_text WHERE words @> :words ORDER BY message DESC LIMIT :limit"
)


def words_of(*texts: str) -> list[str]:
    """Return the distinct words of texts, without case and diacritics, as FTS5 would have them."""
    words: dict[str, None] = {}
    for one in texts:
        plain = one.lower() if one.isascii() else _without_marks(one)
        words.update((word[:LONGEST_WORD], None) for word in _WORD.findall(plain))
    return list(words)


def _without_marks(text: str) -> str:
    letters = unicodedata.normalize("NFD", text)
    plain = "".join(sign for sign in letters if unicodedata.category(sign) != "Mn")
    return unicodedata.normalize("NFC", plain).casefold()


def _by(
    session: Session, statement: SelectOfScalar[Message], forms: Sequence[str], source: str
) -> list[Message]:
    if not forms:
        return []
    named = {"one_form": forms[0], "other_form": forms[-1], "source": source}
    return list(session.scalars(statement, named))


def _with_id(column: str) -> SelectOfScalar[Message]:
    """Return the statement that finds messages by one or two forms of a Message-ID.

    It is made once: making it takes longer than the database needs to find a message.
    """
    ids = select(MessageIdEntry.message).where(
        col(column).in_([bindparam("one_form"), bindparam("other_form")]),
        MessageIdEntry.source == bindparam("source"),
    )
    return select(Message).where(col(Message.id).in_(ids)).order_by(col(Message.id))


_BY_NORMALISED = _with_id(MessageIdEntry.normalised)
_BY_FOLDED = _with_id(MessageIdEntry.folded)


def _parameters(message_id: int, words: IndexedText) -> dict[str, object]:
    return {
        "id": message_id,
        "subject": words.subject.replace("\x00", " "),
        "sender": words.sender.replace("\x00", " "),
        "body": words.body.replace("\x00", " "),
    }


def _words(message_id: int, texts: IndexedText) -> dict[str, object]:
    return {"id": message_id, "words": words_of(texts.subject, texts.sender, texts.body)}


def _has_fts5(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _has_letter(word: str) -> bool:
    return any(sign.isalnum() for sign in word)
