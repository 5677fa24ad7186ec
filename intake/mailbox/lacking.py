"""Messages that a folder holds and that we don't have, or not whole.

Each is a gap of one UID that stays open until the whole message is there: `unreadable` if the
server lists it and does not hand it out, `oversized` while it is fetched in pieces.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from intake.events import SERVICE, record_event
from intake.mailbox.folder import OVERSIZED, UNREADABLE, FolderBatch
from intake.tables import SealedPiece, UidGap

LACKING = (UNREADABLE, OVERSIZED)
STUB_AFTER = timedelta(minutes=5)  # that a message is refused, then its ticket opens without it
AGAIN_AFTER = timedelta(minutes=10)  # for what the server still refuses after that


@dataclass(frozen=True)
class Lacking:
    """A message that is not there whole."""

    uid: int
    why: str  # OVERSIZED | UNREADABLE
    since: datetime
    tried_at: datetime | None = None
    has_stub: bool = False
    kept_bytes: int = 0  # of an oversized one

    def is_due(self, now: datetime) -> bool:
        """Say whether the server is to be asked for it again."""
        if self.why == OVERSIZED or not self.has_stub or self.tried_at is None:
            return True
        return now - self.tried_at >= AGAIN_AFTER

    def needs_stub(self, now: datetime) -> bool:
        """Say whether it has been refused for so long that its ticket must open without it."""
        return self.why == UNREADABLE and not self.has_stub and now - self.since >= STUB_AFTER


def open_gaps(mailbox: str) -> SelectOfScalar[UidGap]:
    """Select the messages of a mailbox that are listed and not there whole."""
    return select(UidGap).where(
        UidGap.mailbox == mailbox,
        col(UidGap.reason).in_(LACKING),
        col(UidGap.resolved_at).is_(None),
    )


def lacking_by_folder(session: Session, mailbox: str) -> dict[tuple[str, int], list[Lacking]]:
    """Return what is not there whole, by folder and UIDVALIDITY."""
    found: dict[tuple[str, int], list[Lacking]] = {}
    for gap in session.exec(open_gaps(mailbox).order_by(col(UidGap.uid_from))):
        found.setdefault((gap.folder, gap.uidvalidity), []).append(
            Lacking(
                uid=gap.uid_from,
                why=gap.reason,
                since=gap.noticed_at,
                tried_at=gap.tried_at,
                has_stub=gap.stub is not None,
                kept_bytes=_kept_bytes(session, gap),
            )
        )
    return found


def _kept_bytes(session: Session, gap: UidGap) -> int:
    if gap.stream is None:
        return 0
    query = select(func.sum(SealedPiece.size)).where(SealedPiece.stream == gap.stream)
    return int(session.exec(query).one() or 0)


def gaps_of(session: Session, batch: FolderBatch, uids: Sequence[int]) -> dict[int, UidGap]:
    """Return what was noted before of UIDs of a batch's folder."""
    if not uids:
        return {}
    rows = session.exec(
        select(UidGap).where(
            UidGap.mailbox == batch.mailbox,
            UidGap.folder == batch.folder,
            UidGap.uidvalidity == batch.uidvalidity,
            col(UidGap.uid_from).in_(uids),
        )
    )
    return {gap.uid_from: gap for gap in rows}


def note_lacking(session: Session, batch: FolderBatch, *, now: datetime) -> None:
    """Note what the server did not hand out whole, and what it did after all."""
    refused = dict.fromkeys(batch.unreadable, UNREADABLE)
    refused |= {one.uid: one.why for one in batch.beginnings}
    came = [message.uid for message in batch.messages]
    noted = gaps_of(session, batch, [*came, *refused])
    for uid in came:
        if uid in noted and noted[uid].resolved_at is None:
            noted[uid].resolved_at = now
            session.add(noted[uid])
    for uid, why in refused.items():
        _note(session, batch, noted.get(uid), uid, why=why, now=now)
    session.flush()


def _note(
    session: Session, batch: FolderBatch, gap: UidGap | None, uid: int, *, why: str, now: datetime
) -> None:
    if gap is not None and gap.uid_to != uid:
        return  # UIDs that were gone are there again, which no server may do
    is_new = gap is None or gap.resolved_at is not None or gap.reason not in LACKING
    if gap is None:
        gap = UidGap(
            mailbox=batch.mailbox,
            folder=batch.folder,
            uidvalidity=batch.uidvalidity,
            uid_from=uid,
            uid_to=uid,
            noticed_at=now,
        )
    gap.reason, gap.tried_at, gap.resolved_at = why, now, None
    session.add(gap)
    if is_new:
        record_event(
            session,
            f"message_{why}",
            actor=SERVICE,
            now=now,
            mailbox=batch.mailbox,
            folder=batch.folder,
            uidvalidity=batch.uidvalidity,
            uid=uid,
        )
