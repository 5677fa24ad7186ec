"""Writing what a message shows into its row: claims of the sender, bounded and storable."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import insert
from sqlmodel import Session, SQLModel, col, select

from intake.archive.message_id import index_entry
from intake.tables import Message, MessageIdEntry

if TYPE_CHECKING:
    from intake.evidence.values import Evidence

LONGEST_TEXT = 2_000  # characters of a subject, an address, a link
MOST_PROBLEMS = 50
MOST_MENTIONED = 1_000  # Message-IDs
_ENTRY = SQLModel.metadata.tables["messageidentry"]


def storable(text: str, most: int = LONGEST_TEXT) -> str:
    """Return text that every database takes: bounded, without NUL and lone surrogates."""
    return text[:most].encode("utf-8", "replace").decode().replace("\0", "")


def describe_message(session: Session, message: Message, evidence: "Evidence") -> None:
    """Write sender, subject, date, kind and problems of a message, and the IDs it mentions."""
    describe_messages(session, [(message, evidence)])


def describe_messages(session: Session, read: Sequence[tuple[Message, "Evidence"]]) -> None:
    """Write what messages show, as `describe_message` does for one."""
    for message, evidence in read:
        message.sender = storable(evidence.senders[0]) if evidence.senders else None
        message.subject = storable(evidence.subject)
        message.sent_at = evidence.date
        message.kind = evidence.kind
        message.reading_problems = _problems(evidence)
        message.holds_private_key = bool(evidence.private_keys)
        session.add(message)
    _mention(session, [one for one in read if one[1].mentioned_message_ids])


def _problems(evidence: "Evidence") -> list[str]:
    found = [storable(one, 200) for one in evidence.limits_hit]
    found += [storable(f"{one.part}: {one.reason}", 200) for one in evidence.unreadable_parts]
    return found[:MOST_PROBLEMS]


def _mention(session: Session, read: Sequence[tuple[Message, "Evidence"]]) -> None:
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
    if rows:
        session.execute(insert(_ENTRY), rows)
