"""Keeping messages: sealed bytes, where they were seen, their Message-IDs, and a job for each.

All of a batch is one transaction with the folder's cursor: a message that a cursor has passed is
on the disk. On this path rows are inserted many at a time and no message is read into an object
before it is needed.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert
from sqlmodel import Session, SQLModel, col, select

from intake.archive.header import split_header
from intake.archive.message_id import fold, message_ids_of, normalise
from intake.archive.received import OurHosts, Receipt, receipt_of
from intake.archive.seal import ArchiveKey, check_key
from intake.errors import UsageError, VerificationError
from intake.events import SERVICE, record_event
from intake.jobs import enqueue, enqueue_many
from intake.mailbox.accounts import account_batch
from intake.mailbox.folder import FetchedMessage, FolderBatch
from intake.tables import Message, MessageIdEntry, SealedMessage, Sighting, WatchedMailbox

LONGEST_ID = 1000  # signs of a Message-ID that are indexed; the raw bytes hold all of it
SHORTEST_DIGEST = 6  # hex digits of a SHA-256 that may name a message
SOURCES = ("first_seen", "internal_date", "received")  # of T0, the better ones later

# Inserting into the tables themselves is twice as fast as into their classes.
_TABLES = SQLModel.metadata.tables
_MESSAGE, _SEALED = _TABLES["message"], _TABLES["sealedmessage"]
_ENTRY, _SIGHTING = _TABLES["messageidentry"], _TABLES["sighting"]


@dataclass(frozen=True)
class Place:
    """Where a message was seen."""

    mailbox: str
    folder: str
    uidvalidity: int
    uid: int
    internal_date: datetime | None = None
    in_junk: bool = False


@dataclass(frozen=True)
class Arrival:
    """Raw bytes on their way into the archive, with what is read off them at once."""

    raw: bytes
    sha256: str
    body_sha256: str
    message_ids: tuple[str, ...]
    receipt: Receipt


def archive_batch(
    session: Session, key: ArchiveKey, batch: FolderBatch, *, our_hosts: OurHosts, now: datetime
) -> list[Message]:
    """Keep a batch whole, with sightings, cursor, coverage and jobs; return the new messages."""
    arrivals = [_arrival_of(message, our_hosts, now) for message in batch.messages]
    places = [_place_of(message, batch) for message in batch.messages]
    ids, new = _keep(session, key, arrivals, now)
    _see(
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
    account_batch(session, batch, now)
    return _load(session, new)


def archive_message(
    session: Session, key: ArchiveKey, raw: bytes, *, receipt: Receipt, seen_at: datetime
) -> tuple[Message, bool]:
    """Keep one message that comes from elsewhere than a mailbox; say whether it is new."""
    arrival = read_arrival(raw, receipt)
    ids, new = _keep(session, key, [arrival], seen_at)
    if new:
        record_event(
            session, "messages_archived", actor=SERVICE, now=seen_at, sha256s=[arrival.sha256]
        )
    return session.get_one(Message, ids[arrival.sha256]), bool(new)


def add_sighting(session: Session, message: Message, place: Place, *, now: datetime) -> None:
    """Note where an archived message was seen; a place noted before is not noted twice."""
    _see(session, [(place, _id(message))], now)


def raw_bytes(session: Session, key: ArchiveKey, message_row_id: int) -> bytes:
    """Return the exact bytes of a message.

    Raises:
        VerificationError: if they are not there, or do not verify.
    """
    row = session.exec(
        select(Message.sha256, SealedMessage.sealed)
        .join(SealedMessage, col(SealedMessage.message) == col(Message.id))
        .where(Message.id == message_row_id)
    ).first()
    if row is None:
        text = f"The archive has no bytes for message {message_row_id}: restore them from a backup."
        raise VerificationError(text)
    sha256, sealed = row
    return key.open(sealed, sha256)


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


def read_arrival(raw: bytes, receipt: Receipt) -> Arrival:
    """Read off raw bytes what the archive's index needs; total."""
    header, body = split_header(raw)
    return _arrival(raw, header, body, receipt)


def _arrival_of(message: FetchedMessage, our_hosts: OurHosts, now: datetime) -> Arrival:
    header, body = split_header(message.raw)
    receipt = receipt_of(
        header, our_hosts=our_hosts, internal_date=message.internal_date, seen_at=now
    )
    return _arrival(message.raw, header, body, receipt)


def _arrival(raw: bytes, header: bytes, body: bytes, receipt: Receipt) -> Arrival:
    return Arrival(
        raw=raw,
        sha256=hashlib.sha256(raw).hexdigest(),
        body_sha256=body_digest(body),
        message_ids=tuple(message_ids_of(header)),
        receipt=receipt,
    )


def body_digest(body: bytes) -> str:
    """Return the SHA-256 of a body with every line end as CRLF, so that copies are known again."""
    pairs = body.count(b"\r\n")
    if not pairs == body.count(b"\n") == body.count(b"\r"):  # seldom: servers send CRLF
        body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    return hashlib.sha256(body).hexdigest()


def _place_of(message: FetchedMessage, batch: FolderBatch) -> Place:
    return Place(
        mailbox=batch.mailbox,
        folder=batch.folder,
        uidvalidity=batch.uidvalidity,
        uid=message.uid,
        internal_date=message.internal_date,
        in_junk=batch.is_junk,
    )


def _keep(
    session: Session, key: ArchiveKey, arrivals: Sequence[Arrival], now: datetime
) -> tuple[dict[str, int], list[int]]:
    """Store what is new; return the row of every digest, and the rows that are new."""
    known = _known(session, [one.sha256 for one in arrivals])
    fresh: dict[str, Arrival] = {}
    for one in arrivals:
        if one.sha256 in known:
            _improve_receipt(session, known[one.sha256], one.receipt, now)
        else:
            fresh.setdefault(one.sha256, one)
    ids = _insert(session, key, list(fresh.values()), now)
    return {**known, **ids}, list(ids.values())


def _known(session: Session, digests: Sequence[str]) -> dict[str, int]:
    rows = session.exec(select(Message.sha256, Message.id).where(col(Message.sha256).in_(digests)))
    return {sha256: row for sha256, row in rows if row is not None}


def _insert(
    session: Session, key: ArchiveKey, arrivals: Sequence[Arrival], now: datetime
) -> dict[str, int]:
    if not arrivals:
        return {}
    rows = session.execute(
        insert(_MESSAGE).returning(_MESSAGE.c.sha256, _MESSAGE.c.id),
        [_message_row(one, now) for one in arrivals],
    ).all()
    ids = {row.sha256: int(row.id) for row in rows}
    session.execute(
        insert(_SEALED),
        [{"message": ids[one.sha256], "sealed": key.seal(one.raw, one.sha256)} for one in arrivals],
    )
    check_key(session, key)  # after it: nothing is left under a key that was changed meanwhile
    entries = [entry for one in arrivals for entry in _id_rows(ids[one.sha256], one.message_ids)]
    if entries:
        session.execute(insert(_ENTRY), entries)
    enqueue_many(session, "process_message", list(ids.values()), now=now)
    return ids


def _message_row(arrival: Arrival, now: datetime) -> dict[str, object]:
    return {
        "sha256": arrival.sha256,
        "size": len(arrival.raw),
        "body_sha256": arrival.body_sha256,
        "received_at": arrival.receipt.at,
        "received_from": arrival.receipt.source,
        "first_seen_at": now,
        "reading_problems": [],
        "holds_private_key": False,
    }


def _id_rows(message: int, originals: Iterable[str]) -> list[dict[str, object]]:
    cut = dict.fromkeys(one.replace("\x00", "\ufffd")[:LONGEST_ID] for one in originals)
    return [
        {
            "message": message,
            "source": "header",
            "original": original,
            "normalised": normalise(original),
            "folded": fold(normalise(original)),
        }
        for original in cut
    ]


def _improve_receipt(session: Session, row: int, receipt: Receipt, now: datetime) -> None:
    """Move T0 to an earlier instant that a source at least as good gives, and never later."""
    message = session.get_one(Message, row)
    if receipt.at >= message.received_at or _rank(receipt.source) < _rank(message.received_from):
        return
    record_event(
        session,
        "received_at_moved",
        actor=SERVICE,
        now=now,
        message=row,
        ticket=message.ticket,
        before=message.received_at.isoformat(),
        after=receipt.at.isoformat(),
        source=receipt.source,
    )
    message.received_at, message.received_from = receipt.at, receipt.source
    session.add(message)
    if message.ticket is not None:  # its clocks move along
        enqueue(session, "process_message", row, now=now)


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


def _rank(source: str) -> int:
    return SOURCES.index(source) if source in SOURCES else 0


def _see(session: Session, seen: Sequence[tuple[Place, int]], now: datetime) -> None:
    """Insert sightings; a place that we noted before is there again."""
    if not seen:
        return
    noted = _noted(session, [place for place, _ in seen])
    rows = []
    for place, message in seen:
        before = noted.get(place.uid)
        if before is None:
            rows.append(_sighting_row(place, message, now))
            continue
        if before.message != message:  # against the rules of IMAP, and told
            record_event(
                session,
                "uid_reused",
                actor=SERVICE,
                now=now,
                message=message,
                before=before.message,
                mailbox=place.mailbox,
                folder=place.folder,
                uid=place.uid,
            )
        before.message, before.gone_since = message, None
        session.add(before)
    if rows:
        session.execute(insert(_SIGHTING), rows)


def _noted(session: Session, places: Sequence[Place]) -> dict[int, Sighting]:
    """Return what was noted at these places before; they are all in one folder."""
    folder = places[0]
    rows = session.exec(
        select(Sighting).where(
            Sighting.mailbox == folder.mailbox,
            Sighting.folder == folder.folder,
            Sighting.uidvalidity == folder.uidvalidity,
            col(Sighting.uid).in_([place.uid for place in places]),
        )
    )
    return {row.uid: row for row in rows}


def _sighting_row(place: Place, message: int, now: datetime) -> dict[str, object]:
    return {
        "message": message,
        "mailbox": place.mailbox,
        "folder": place.folder,
        "uidvalidity": place.uidvalidity,
        "uid": place.uid,
        "internal_date": place.internal_date,
        "first_seen_at": now,
        "in_junk": place.in_junk,
    }


def _load(session: Session, ids: Sequence[int]) -> list[Message]:
    if not ids:
        return []
    rows = session.exec(select(Message).where(col(Message.id).in_(ids)).order_by(col(Message.id)))
    return list(rows)


def _id(message: Message) -> int:
    if message.id is None:
        text = "a message that was never stored has no sighting"
        raise ValueError(text)
    return message.id
