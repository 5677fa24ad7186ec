"""Raw bytes on their way into the archive: what is read off them, and the rows that keep them.

On this path rows are inserted many at a time and no message is read into an object before it is
needed.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, SQLModel, col, select

from intake.archive.header import has_crlf_only, read_fields, split_header
from intake.archive.message_id import index_entry, message_ids_of
from intake.archive.received import OurHosts, Receipt, receipt_of
from intake.archive.seal import ArchiveKey, check_key
from intake.database.ids import take_ids
from intake.database.rows import insert_rows
from intake.events import SERVICE, record_event
from intake.jobs import enqueue, enqueue_many
from intake.mailbox.folder import FetchedMessage
from intake.tables import Message

SOURCES = ("first_seen", "internal_date", "received")  # of T0, the better ones later

# Inserting into the tables themselves is twice as fast as into their classes.
_TABLES = SQLModel.metadata.tables
_MESSAGE, _SEALED = _TABLES["message"], _TABLES["sealedmessage"]
_ENTRY = _TABLES["messageidentry"]


@dataclass(frozen=True)
class Arrival:
    """Raw bytes on their way into the archive, with what is read off them at once."""

    sha256: str
    size: int
    body_sha256: str
    message_ids: tuple[str, ...]
    receipt: Receipt
    raw: bytes = b""
    sealed: bytes | None = None  # what is stored, where the bytes are sealed already


def read_arrival(raw: bytes, receipt: Receipt) -> Arrival:
    """Read off raw bytes what the archive's index needs; total."""
    header, body = split_header(raw)
    return _arrival(raw, read_fields(header), body, receipt)


def arrival_of(message: FetchedMessage, our_hosts: OurHosts, now: datetime) -> Arrival:
    """Read off a fetched message what the archive's index needs; total."""
    header, body = split_header(message.raw)
    fields = read_fields(header)
    receipt = receipt_of(
        fields, our_hosts=our_hosts, internal_date=message.internal_date, seen_at=now
    )
    return _arrival(message.raw, fields, body, receipt)


def _arrival(raw: bytes, fields: dict[str, list[str]], body: bytes, receipt: Receipt) -> Arrival:
    return Arrival(
        raw=raw,
        sha256=hashlib.sha256(raw).hexdigest(),
        size=len(raw),
        body_sha256=body_digest(body),
        message_ids=tuple(message_ids_of(fields)),
        receipt=receipt,
    )


def body_digest(body: bytes) -> str:
    """Return the SHA-256 of a body with every line end as CRLF, so that copies are known again."""
    return hashlib.sha256(with_crlf(body)).hexdigest()


def with_crlf(body: bytes) -> bytes:
    """Return text with every line end as CRLF."""
    if has_crlf_only(body):  # as a rule: servers send it so
        return body
    return body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def keep_arrivals(
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
    rows = take_ids(session, "message", len(arrivals))
    ids = {one.sha256: row for one, row in zip(arrivals, rows, strict=True)}
    insert_rows(session, _MESSAGE, [_message_row(ids[one.sha256], one, now) for one in arrivals])
    sealed = [
        {"message": ids[one.sha256], "sealed": one.sealed or key.seal(one.raw, one.sha256)}
        for one in arrivals
    ]
    insert_rows(session, _SEALED, sealed)
    check_key(session, key)  # after it: nothing is left under a key that was changed meanwhile
    entries = [entry for one in arrivals for entry in _id_rows(ids[one.sha256], one.message_ids)]
    insert_rows(session, _ENTRY, entries)
    enqueue_many(session, "process_message", list(ids.values()), now=now)
    return ids


def _message_row(row: int, arrival: Arrival, now: datetime) -> dict[str, object]:
    return {
        "id": row,
        "sha256": arrival.sha256,
        "size": arrival.size,
        "body_sha256": arrival.body_sha256,
        "received_at": arrival.receipt.at,
        "received_from": arrival.receipt.source,
        "first_seen_at": now,
        "reading_problems": [],
        "holds_private_key": False,
    }


def _id_rows(message: int, originals: Iterable[str]) -> list[dict[str, object]]:
    entries = {entry["original"]: entry for entry in map(index_entry, originals)}
    return [{"message": message, "source": "header", **entry} for entry in entries.values()]


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


def _rank(source: str) -> int:
    return SOURCES.index(source) if source in SOURCES else 0
