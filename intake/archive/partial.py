"""Messages that can't be kept whole at once: their beginnings, and the pieces that follow.

A stub is kept for each, so that its ticket opens at once: one line of ours that says what it is,
and the bytes that we have. The whole message, once it is there, is a message of its own that
completes the stub and joins its ticket. Pieces go into the archive one by one and are hashed
there, so that memory stays bounded whatever the size.
"""

import hashlib
import secrets
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from sqlalchemy import delete, func, update
from sqlmodel import Session, col, select

from intake.archive.arrival import Arrival, arrival_of, keep_arrivals, with_crlf
from intake.archive.header import read_fields, split_header
from intake.archive.message_id import message_ids_of
from intake.archive.received import OurHosts, receipt_of
from intake.archive.seal import ArchiveKey, PieceList, check_key, damaged
from intake.archive.sightings import place_of, see
from intake.errors import VerificationError
from intake.events import SERVICE, record_event
from intake.mailbox.folder import OVERSIZED, Beginning, FetchedMessage, FolderBatch, MessagePiece
from intake.mailbox.lacking import gaps_of
from intake.tables import Message, MessageIdEntry, SealedPiece, UidGap

STUB_FIELD = "X-CPR-Intake-Stub"  # the first line of a stub; only our own column is believed
REPLACED = "replaced"  # source of a stub's Message-IDs once the whole message is there


# ---- beginnings --------------------------------------------------------------------------------


def keep_beginnings(
    session: Session, key: ArchiveKey, batch: FolderBatch, *, our_hosts: OurHosts, now: datetime
) -> list[int]:
    """Keep a stub for each message that is not there whole; return the new ones.

    A beginning that has a stub already, seen at another place, gets no second one.
    """
    gaps = gaps_of(session, batch, [one.uid for one in batch.beginnings])
    new = []
    for one in batch.beginnings:
        gap = gaps[one.uid]
        gap.size, gap.beginning_sha256 = one.size, hashlib.sha256(one.raw).hexdigest()
        gap.stub = gap.stub or (_stub_of(session, gap) if one.raw else None)
        if gap.stub is None:
            gap.stub = _make_stub(session, key, batch, one, our_hosts=our_hosts, now=now)
            new.append(gap.stub)
        session.add(gap)
        if one.why == OVERSIZED:
            see(session, [(place_of(one, batch), gap.stub)], now)
    session.flush()
    return new


def _stub_of(session: Session, gap: UidGap) -> int | None:
    query = select(UidGap.stub).where(
        UidGap.beginning_sha256 == gap.beginning_sha256,
        UidGap.size == gap.size,
        col(UidGap.stub).is_not(None),
    )
    return session.exec(query.order_by(col(UidGap.id)).limit(1)).first()


def _make_stub(
    session: Session,
    key: ArchiveKey,
    batch: FolderBatch,
    one: Beginning,
    *,
    our_hosts: OurHosts,
    now: datetime,
) -> int:
    raw = _stub_line(batch, one) + one.raw
    arrival = arrival_of(FetchedMessage(one.uid, one.internal_date, raw), our_hosts, now)
    ids, _ = keep_arrivals(session, key, [arrival], now)
    row = ids[arrival.sha256]
    session.execute(update(Message).where(col(Message.id) == row).values(stands_for=one.why))
    record_event(
        session,
        "stub_kept",
        actor=SERVICE,
        now=now,
        message=row,
        sha256=arrival.sha256,
        mailbox=batch.mailbox,
        folder=batch.folder,
        uidvalidity=batch.uidvalidity,
        uid=one.uid,
        why=one.why,
        size=one.size,
        has=len(one.raw),
    )
    return row


def _stub_line(batch: FolderBatch, one: Beginning) -> bytes:
    """Return the line that says what a stub is; it makes the bytes of each stub its own."""
    place = f"uid={one.uid} uidvalidity={batch.uidvalidity} size={one.size} has={len(one.raw)}"
    return f"{STUB_FIELD}: {one.why} {place}\r\n".encode()


def what_is_lacking(session: Session, message: Message) -> str | None:
    """Say in a sentence for people what a stub lacks; None for a whole message."""
    if message.stands_for is None:
        return None
    query = select(UidGap).where(UidGap.stub == message.id).order_by(col(UidGap.id))
    gap = session.exec(query.limit(1)).first()
    size = f"{gap.size:,} bytes" if gap is not None and gap.size else "an unknown size"
    if message.stands_for == OVERSIZED:
        has = f"{message.size:,}"
        return f"the message has {size}: its first {has} were read, the rest is being fetched"
    where = f"UID {gap.uid_from} in {gap.folder} of {gap.mailbox}" if gap is not None else "it"
    return f"could not be fetched: the server lists {where} ({size}) but does not hand it out"


# ---- pieces ------------------------------------------------------------------------------------


def keep_piece(
    session: Session, key: ArchiveKey, batch: FolderBatch, *, our_hosts: OurHosts, now: datetime
) -> list[int]:
    """Keep the next piece of a large message; return the message if it is whole now, and new."""
    piece = batch.piece
    if piece is None:
        return []
    gap = gaps_of(session, batch, [piece.uid])[piece.uid]
    gap.stream = gap.stream or secrets.token_hex(16)
    session.add(gap)
    pieces = _pieces(session, gap.stream)
    if gap.resolved_at is not None or piece.offset != pieces.size:
        return []  # it was fetched twice
    if piece.raw:
        sealed = key.seal_piece(piece.raw, pieces.stream, pieces.count)
        session.add(
            SealedPiece(
                stream=pieces.stream, number=pieces.count, size=len(piece.raw), sealed=sealed
            )
        )
        session.flush()
        check_key(session, key)
    if not piece.is_last:
        return []
    return _complete(session, key, batch, piece, gap, our_hosts=our_hosts, now=now)


def open_pieces(
    session: Session, key: ArchiveKey, pieces: PieceList, sha256: str | None = None
) -> Iterator[bytes]:
    """Yield the pieces of a message one by one; their digest is compared at the end.

    Raises:
        VerificationError: if a piece is missing or does not verify, or all of them do not.
    """
    digest = hashlib.sha256()
    for number in range(pieces.count):
        sealed = session.exec(
            select(SealedPiece.sealed).where(
                SealedPiece.stream == pieces.stream, SealedPiece.number == number
            )
        ).first()
        if sealed is None:
            raise VerificationError(damaged(f"piece {number} of {pieces.stream}"))
        piece = key.open_piece(sealed, pieces.stream, number)
        digest.update(piece)
        yield piece
    if sha256 is not None and digest.hexdigest() != sha256:
        raise VerificationError(damaged(f"message {sha256}"))


def _pieces(session: Session, stream: str) -> PieceList:
    query = select(func.count(), func.sum(SealedPiece.size)).where(SealedPiece.stream == stream)
    count, size = session.exec(query).one()
    return PieceList(stream, count, int(size or 0))


def _complete(
    session: Session,
    key: ArchiveKey,
    batch: FolderBatch,
    piece: MessagePiece,
    gap: UidGap,
    *,
    our_hosts: OurHosts,
    now: datetime,
) -> list[int]:
    """Make a message of all its pieces; its bytes are read back from what was stored."""
    pieces = _pieces(session, gap.stream or "")
    whole = _Whole()
    for one in open_pieces(session, key, pieces):
        whole.add(one)
    sha256 = whole.digest.hexdigest()
    fields = read_fields(whole.header)
    receipt = receipt_of(
        fields, our_hosts=our_hosts, internal_date=piece.internal_date, seen_at=now
    )
    arrival = Arrival(
        sha256=sha256,
        size=pieces.size,
        body_sha256=whole.body_sha256(),
        message_ids=tuple(message_ids_of(fields)),
        receipt=receipt,
        sealed=key.seal_list(pieces, sha256),
    )
    ids, new = keep_arrivals(session, key, [arrival], now)
    if not new:  # we have it from another place
        session.execute(delete(SealedPiece).where(col(SealedPiece.stream) == pieces.stream))
    gap.resolved_at = now
    session.add(gap)
    take_over(session, batch, {piece.uid: ids[sha256]}, new)
    see(session, [(place_of(piece, batch), ids[sha256])], now)
    record_event(
        session,
        "message_completed",
        actor=SERVICE,
        now=now,
        message=ids[sha256],
        sha256=sha256,
        size=pieces.size,
        mailbox=batch.mailbox,
        folder=batch.folder,
        uidvalidity=batch.uidvalidity,
        uid=piece.uid,
    )
    return new


class _Whole:
    """What is read off a large message, piece by piece."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.header = b""
        self._body = hashlib.sha256()
        self._held = b""  # a CR whose LF may come with the next piece
        self._is_first = True

    def add(self, piece: bytes) -> None:
        self.digest.update(piece)
        if self._is_first:
            self.header, piece = split_header(piece)
            self._is_first = False
        text = self._held + piece
        self._held = text[-1:] if text.endswith(b"\r") else b""
        self._body.update(with_crlf(text.removesuffix(self._held)))

    def body_sha256(self) -> str:
        self._body.update(with_crlf(self._held))
        return self._body.hexdigest()


def take_over(
    session: Session, batch: FolderBatch, messages: Mapping[int, int], new: Collection[int]
) -> None:
    """Let messages that came after all complete the stubs that stood for them.

    Args:
        session: a write session.
        batch: the batch with which they came.
        messages: their rows by UID.
        new: those of the rows that were not known before.
    """
    for uid, gap in gaps_of(session, batch, list(messages)).items():
        if gap.stub is None:
            continue
        if messages[uid] in new:
            whole = col(Message.id) == messages[uid]
            session.execute(update(Message).where(whole).values(completes=gap.stub))
        session.execute(  # who looks for the Message-ID finds the whole message only
            update(MessageIdEntry)
            .where(col(MessageIdEntry.message) == gap.stub)
            .where(col(MessageIdEntry.source) == "header")
            .values(source=REPLACED)
        )
