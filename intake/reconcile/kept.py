"""What the archive has of a mailbox, for comparing it with the server."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_
from sqlmodel import Session, col, select

from intake.reconcile.compare import Kept
from intake.tables import (
    Folder,
    Message,
    Reconciliation,
    SealedMessage,
    Sighting,
    UidGap,
    WatchedMailbox,
)

LACKING_FOR = timedelta(days=1)  # that a message may be listed and not be there whole
ROWS_AT_ONCE = 500  # in one statement


@dataclass(frozen=True)
class Expected:
    """What a message on the server should be."""

    uid: int
    sha256: str
    size: int
    has_bytes: bool
    is_stub: bool  # the whole message is still being fetched


def folders_kept(session: Session, mailbox: str) -> list[str]:
    """Return the folders that are there, as far as the archive knows."""
    query = select(Folder.name).where(Folder.mailbox == mailbox, col(Folder.gone_since).is_(None))
    return list(session.exec(query.order_by(Folder.name)))


def last_poll(session: Session, mailbox: str) -> datetime | None:
    """Return when the mailbox was last read without trouble."""
    watched = session.get(WatchedMailbox, mailbox)
    return None if watched is None else watched.last_good_poll_at


def kept(session: Session, mailbox: str, folder: str, *, listed_at: datetime) -> Kept | None:
    """Return what the archive has of a folder; None if it never read it."""
    row = session.exec(
        select(Folder).where(Folder.mailbox == mailbox, Folder.name == folder)
    ).first()
    if row is None:
        return None
    seen = session.exec(
        select(Sighting.uid, Sighting.gone_since).where(*_here(mailbox, folder, row.uidvalidity))
    ).all()
    lacking = session.exec(
        select(UidGap.uid_from, UidGap.noticed_at).where(
            UidGap.mailbox == mailbox,
            UidGap.folder == folder,
            UidGap.uidvalidity == row.uidvalidity,
            UidGap.reason != "gone",
            col(UidGap.resolved_at).is_(None),
        )
    ).all()
    return Kept(
        uidvalidity=row.uidvalidity,
        cursor=row.cursor,
        live=frozenset(uid for uid, gone_since in seen if gone_since is None),
        gone=frozenset(uid for uid, gone_since in seen if gone_since is not None),
        lacking=frozenset(uid for uid, _ in lacking),
        lacking_for_long=frozenset(
            uid for uid, noticed_at in lacking if noticed_at < listed_at - LACKING_FOR
        ),
        is_gone=row.gone_since is not None,
    )


def expected(
    session: Session, mailbox: str, folder: str, *, uidvalidity: int, uids: Sequence[int]
) -> list[Expected]:
    """Return what messages should be; one that the archive has lost meanwhile is left out."""
    found: list[Expected] = []
    for start in range(0, len(uids), ROWS_AT_ONCE):
        places = and_(
            *_here(mailbox, folder, uidvalidity),
            col(Sighting.uid).in_(uids[start : start + ROWS_AT_ONCE]),
        )
        sealed = select(SealedMessage.message).where(SealedMessage.message == Sighting.message)
        lost = set(session.exec(select(Sighting.uid).where(places, ~sealed.exists())))
        rows = session.exec(
            select(Sighting.uid, Message.sha256, Message.size, Message.stands_for)
            .join(Message, col(Message.id) == col(Sighting.message))
            .where(places)
            .order_by(col(Sighting.uid))
        ).all()
        found += [
            Expected(uid, sha256, size, has_bytes=uid not in lost, is_stub=stub is not None)
            for uid, sha256, size, stub in rows
        ]
    return found


def remembered(session: Session, mailbox: str, folder: str, uidvalidity: int) -> Reconciliation:
    """Return how far a folder was compared; from the beginning where its UIDs are other ones."""
    row = session.get(Reconciliation, (mailbox, folder))
    if row is None or row.uidvalidity != uidvalidity:
        return Reconciliation(mailbox=mailbox, folder=folder, uidvalidity=uidvalidity)
    return row


def _here(mailbox: str, folder: str, uidvalidity: int) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Sighting.mailbox) == mailbox,
        col(Sighting.folder) == folder,
        col(Sighting.uidvalidity) == uidvalidity,
    )
