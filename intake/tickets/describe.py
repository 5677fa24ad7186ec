"""Writing what a message shows into its row: claims of the sender, bounded and storable."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, update
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import Session, SQLModel, col, select

from intake.archive.message_id import index_entry
from intake.database import insert_rows
from intake.tables import Message, MessageIdEntry

if TYPE_CHECKING:
    from intake.evidence.values import Evidence

LONGEST_TEXT = 2_000  # characters of a subject, an address, a link
MOST_PROBLEMS = 50
MOST_MENTIONED = 1_000  # Message-IDs
_ENTRY = SQLModel.metadata.tables["messageidentry"]
_MESSAGE = SQLModel.metadata.tables["message"]


def storable(text: str, most: int = LONGEST_TEXT) -> str:
    """Return text that every database takes: bounded, without NUL and lone surrogates."""
    return text[:most].encode("utf-8", "replace").decode().replace("\0", "")


def describe_message(session: Session, message: Message, evidence: "Evidence") -> None:
    """Write sender, subject, date, kind and problems of a message, and the IDs it mentions."""
    write_messages(session, [(message, shown_of(evidence))])
    mention(session, [(message, evidence)])


def shown_of(evidence: "Evidence") -> dict[str, Any]:
    """Return the columns of a message that say what it shows."""
    return {
        "sender": storable(evidence.senders[0]) if evidence.senders else None,
        "subject": storable(evidence.subject),
        "sent_at": evidence.date,
        "kind": evidence.kind,
        "reading_problems": _problems(evidence),
        "holds_private_key": bool(evidence.private_keys),
    }


def write_messages(session: Session, written: Sequence[tuple[Message, Mapping[str, Any]]]) -> None:
    """Write columns, the same ones of each message, in one statement; the objects have them too."""
    if not written:
        return
    names = list(written[0][1])
    statement = (
        update(_MESSAGE)
        .where(_MESSAGE.c.id == bindparam("row"))
        .values({name: bindparam(f"new_{name}") for name in names})
    )
    rows = [
        {"row": message.id, **{f"new_{name}": columns[name] for name in names}}
        for message, columns in written
    ]
    session.connection().execute(statement, rows)
    for message, columns in written:
        for name in names:
            set_committed_value(message, name, columns[name])


def _problems(evidence: "Evidence") -> list[str]:
    found = [storable(one, 200) for one in evidence.limits_hit]
    found += [storable(f"{one.part}: {one.reason}", 200) for one in evidence.unreadable_parts]
    return found[:MOST_PROBLEMS]


def mention(session: Session, read: Iterable[tuple[Message, "Evidence"]]) -> None:
    """Index the Message-IDs that messages mention."""
    read = [one for one in read if one[1].mentioned_message_ids]
    if not read:
        return
    query = select(MessageIdEntry.message, MessageIdEntry.original).where(
        col(MessageIdEntry.message).in_([message.id for message, _ in read]),
        MessageIdEntry.source == "mentioned",
    )
    present = set(session.exec(query).all())
    rows: list[dict[str, object]] = []
    for message, evidence in read:
        entries = {one["original"]: one for one in map(index_entry, evidence.mentioned_message_ids)}
        new: list[dict[str, object]] = [
            {"message": message.id, "source": "mentioned", **entry}
            for original, entry in entries.items()
            if entry["normalised"] and (message.id, original) not in present
        ]
        rows += new[:MOST_MENTIONED]
    insert_rows(session, _ENTRY, rows)
