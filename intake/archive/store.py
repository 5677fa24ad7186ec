"""Keeping messages: sealed bytes, where they were seen, their Message-IDs, and a job for each.

All of a batch is one transaction with the folder's cursor: a message that a cursor has passed is
on the disk. On this path rows are inserted many at a time and no message is read into an object
before it is needed.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from intake.archive.arrival import (
    Arrival,
    arrival_of,
    body_digest,
    keep_arrivals,
    read_arrival,
)
from intake.archive.partial import keep_beginnings, keep_piece, open_pieces, take_over
from intake.archive.received import OurHosts, Receipt
from intake.archive.seal import ArchiveKey, is_in_pieces
from intake.archive.sightings import Place, place_of, see
from intake.errors import UsageError, VerificationError
from intake.events import SERVICE, record_event
from intake.jobs import enqueue
from intake.mailbox.accounts import account_batch
from intake.mailbox.folder import FolderBatch
from intake.tables import Message, MessageIdEntry, SealedMessage, WatchedMailbox

__all__ = [
    "Arrival",
    "Place",
    "add_sighting",
    "archive_batch",
    "archive_message",
    "body_digest",
    "copies_of",
    "message_by_digest",
    "others_with_same_id",
    "raw_bytes",
    "raw_bytes_of",
    "raw_pieces",
    "read_arrival",
]

SHORTEST_DIGEST = 6  # hex digits of a SHA-256 that may name a message


def archive_batch(
    session: Session, key: ArchiveKey, batch: FolderBatch, *, our_hosts: OurHosts, now: datetime
) -> list[int]:
    """Keep a batch whole, with sightings, cursor, coverage and jobs; return new messages' rows."""
    arrivals = [arrival_of(message, our_hosts, now) for message in batch.messages]
    places = [place_of(message, batch) for message in batch.messages]
    ids, new = keep_arrivals(session, key, arrivals, now)
    see(
        session,
        [(place, ids[one.sha256]) for place, one in zip(places, arrivals, strict=True)],
        now,
    )
    _decide_again(session, batch.mailbox, set(ids.values()).difference(new), now)
    if arrivals:
        record_event(
            session,
            "messages_archived",
            actor=SERVICE,
            now=now,
            mailbox=batch.mailbox,
            folder=batch.folder,
            uidvalidity=batch.uidvalidity,
            uids=[place.uid for place in places],
            sha256s=[one.sha256 for one in arrivals],
        )
    if batch.is_late:
        take_over(
            session,
            batch,
            {place.uid: ids[one.sha256] for place, one in zip(places, arrivals, strict=True)},
            new,
        )
    account_batch(session, batch, now)
    new += keep_beginnings(session, key, batch, our_hosts=our_hosts, now=now)
    new += keep_piece(session, key, batch, our_hosts=our_hosts, now=now)
    return new


def archive_message(
    session: Session, key: ArchiveKey, raw: bytes, *, receipt: Receipt, seen_at: datetime
) -> tuple[Message, bool]:
    """Keep one message that comes from elsewhere than a mailbox; say whether it is new."""
    arrival = read_arrival(raw, receipt)
    ids, new = keep_arrivals(session, key, [arrival], seen_at)
    if new:
        record_event(
            session, "messages_archived", actor=SERVICE, now=seen_at, sha256s=[arrival.sha256]
        )
    return session.get_one(Message, ids[arrival.sha256]), bool(new)


def add_sighting(session: Session, message: Message, place: Place, *, now: datetime) -> None:
    """Note where an archived message was seen; a place noted before is not noted twice."""
    see(session, [(place, _id(message))], now)


def raw_bytes(
    session: Session, key: ArchiveKey, message_row_id: int, *, most: int | None = None
) -> bytes:
    """Return the exact bytes of a message, or the first of them where `most` says how many.

    Raises:
        VerificationError: if they are not there, or do not verify.
    """
    return raw_bytes_of(session, key, [message_row_id], most=most)[message_row_id]


def raw_bytes_of(
    session: Session, key: ArchiveKey, rows: Sequence[int], *, most: int | None = None
) -> dict[int, bytes]:
    """Return the exact bytes of messages by their rows, as `raw_bytes` does of one."""
    return {
        row: _beginning(_pieces(session, key, sha256, sealed), most)
        for row, sha256, sealed in _sealed(session, rows)
    }


def raw_pieces(session: Session, key: ArchiveKey, message_row_id: int) -> Iterator[bytes]:
    """Yield the exact bytes of a message; a large one in pieces, so that memory stays bounded.

    Raises:
        VerificationError: if they are not there, or do not verify; at the end at the latest.
    """
    for _, sha256, sealed in _sealed(session, [message_row_id]):
        yield from _pieces(session, key, sha256, sealed)


def _sealed(session: Session, rows: Sequence[int]) -> list[tuple[int, str, bytes]]:
    query = (
        select(SealedMessage.message, Message.sha256, SealedMessage.sealed)
        .join(Message, col(SealedMessage.message) == col(Message.id))
        .where(col(Message.id).in_(rows))
    )
    found = list(session.exec(query).all())
    lacking = sorted(set(rows).difference(row for row, _, _ in found))
    if lacking:
        text = f"The archive has no bytes for message {lacking[0]}: restore them from a backup."
        raise VerificationError(text)
    return found


def _pieces(session: Session, key: ArchiveKey, sha256: str, sealed: bytes) -> Iterator[bytes]:
    if is_in_pieces(sealed):
        yield from open_pieces(session, key, key.open_list(sealed, sha256), sha256)
    else:
        yield key.open(sealed, sha256)


def _beginning(pieces: Iterator[bytes], most: int | None) -> bytes:
    """Join pieces up to a number of bytes; no copy is made where there is one and it is short."""
    found: list[bytes] = []
    for piece in pieces:
        found.append(piece)
        if most is not None and sum(map(len, found)) >= most:
            break
    return b"".join(found)[:most]


def message_by_digest(session: Session, prefix: str) -> Message | None:
    """Return the message whose SHA-256 begins with these hex digits, None if there is none.

    Raises:
        UsageError: if several begin so.
    """
    digits = prefix.strip().lower()
    if len(digits) < SHORTEST_DIGEST or not set(digits) <= set("0123456789abcdef"):
        return None
    found = session.exec(
        select(Message)
        .where(Message.sha256 >= digits, Message.sha256 < digits + "g")
        .order_by(Message.sha256)
        .limit(2)
    ).all()
    if len(found) > 1:
        text = f"Several messages begin with {digits}; give more digits of the SHA-256."
        raise UsageError(text)
    return found[0] if found else None


def others_with_same_id(session: Session, message: Message) -> list[Message]:
    """Return other messages that carry one of this message's Message-IDs, oldest first."""
    own = select(MessageIdEntry.normalised).where(
        MessageIdEntry.message == message.id, MessageIdEntry.source == "header"
    )
    carriers = select(MessageIdEntry.message).where(
        col(MessageIdEntry.normalised).in_(own), MessageIdEntry.source == "header"
    )
    return list(
        session.exec(
            select(Message)
            .where(col(Message.id).in_(carriers), Message.id != message.id)
            .order_by(col(Message.id))
        )
    )


def copies_of(session: Session, message: Message) -> list[Message]:
    """Return other messages with the same Message-ID and the same body, oldest first."""
    return [
        other
        for other in others_with_same_id(session, message)
        if other.body_sha256 == message.body_sha256
    ]


def _decide_again(session: Session, mailbox: str, known: Collection[int], now: datetime) -> None:
    """Queue what was only archived, by an import for example, and now arrived while we watch."""
    if not known:
        return
    watched = select(WatchedMailbox.watch_from).where(WatchedMailbox.name == mailbox)
    rows = session.exec(
        select(Message.id).where(
            col(Message.id).in_(known),
            Message.decision == "before_watch",
            col(Message.received_at) >= watched.scalar_subquery(),
        )
    )
    for row in rows.all():
        enqueue(session, "process_message", row or 0, now=now)


def _id(message: Message) -> int:
    if message.id is None:
        text = "a message that was never stored has no sighting"
        raise ValueError(text)
    return message.id
