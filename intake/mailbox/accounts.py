"""What the database remembers about reading: cursors, gaps, sightings that went away, trouble.

Every UID from the first one seen up to the cursor is stored, seen and then gone, gone before we
looked, or listed but not handed out; the functions here keep that sum right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, insert, update
from sqlmodel import Session, col, select

from intake.clock import render_instant
from intake.config import MailboxSection
from intake.events import SERVICE, record_event
from intake.mailbox.coverage import in_parts, note_read
from intake.mailbox.folder import FolderBatch
from intake.mailbox.lacking import LACKING, Lacking, lacking_by_folder, note_lacking, open_gaps
from intake.mailbox.plan import Comparison, Cursor
from intake.tables import Folder, Sighting, UidGap, WatchedMailbox

RANGES_SHOWN = 20  # of gaps, in an event


@dataclass(frozen=True)
class KnownFolder:
    """Where reading of a folder stands."""

    cursor: Cursor
    exists: int | None
    is_junk: bool
    gone: bool
    lacking: tuple[Lacking, ...] = ()  # not there whole


def watch(session: Session, mailbox: MailboxSection, now: datetime) -> WatchedMailbox:
    """Return the row of a configured mailbox; the first poll makes it."""
    row = session.get(WatchedMailbox, mailbox.name)
    wanted = mailbox.watch_from
    if row is None:
        row = WatchedMailbox(name=mailbox.name, watch_from=wanted or now)
        session.add(row)
        _event(
            session,
            "mailbox_watched",
            now,
            mailbox=mailbox.name,
            since=render_instant(row.watch_from),
        )
    elif wanted is not None and row.watch_from != wanted:
        before, row.watch_from = row.watch_from, wanted
        session.add(row)
        _event(
            session,
            "watch_changed",
            now,
            mailbox=mailbox.name,
            before=render_instant(before),
            since=render_instant(wanted),
        )
    return row


def known_folders(session: Session, mailbox: str) -> dict[str, KnownFolder]:
    """Return where each folder of a mailbox stands, by name."""
    lacking = lacking_by_folder(session, mailbox)
    return {
        row.name: KnownFolder(
            cursor=Cursor(row.uidvalidity, row.cursor, row.first_uid),
            exists=row.exists,
            is_junk=row.is_junk,
            gone=row.gone_since is not None,
            lacking=tuple(lacking.get((row.name, row.uidvalidity), ())),
        )
        for row in session.exec(select(Folder).where(Folder.mailbox == mailbox))
    }


def account_batch(session: Session, batch: FolderBatch, now: datetime) -> None:
    """Move the cursor past a batch and note gaps and coverage, in the transaction that keeps it."""
    row = session.exec(
        select(Folder).where(Folder.mailbox == batch.mailbox, Folder.name == batch.folder)
    ).first()
    last_poll = _last_listing(session, batch.mailbox, row)
    if row is None:
        row = _new_folder(session, batch, now)
    elif row.uidvalidity != batch.uidvalidity:
        _begin_again(session, row, batch, now)
    row.is_junk = batch.is_junk
    row.cursor = max(row.cursor, batch.cursor)
    row.first_uid = batch.first_uid if row.first_uid is None else row.first_uid
    session.add(row)
    _note_gaps(session, batch, after=last_poll, now=now)
    note_lacking(session, batch, now=now)
    if batch.read_at is not None:
        row.exists = batch.exists
        session.flush()
        note_read(session, batch.mailbox, [batch.folder], batch.read_at)
    session.flush()


def _last_listing(session: Session, mailbox: str, row: Folder | None) -> datetime | None:
    """Return when what is new in a folder can't have been there yet; None if we can't know."""
    if row is not None:
        return row.last_polled_at
    watched = session.get(WatchedMailbox, mailbox)  # a new folder was not there at that poll
    return watched.last_good_poll_at if watched is not None else None


def _new_folder(session: Session, batch: FolderBatch, now: datetime) -> Folder:
    row = Folder(
        mailbox=batch.mailbox,
        name=batch.folder,
        uidvalidity=batch.uidvalidity,
        first_uid=batch.first_uid,
        is_junk=batch.is_junk,
        first_polled_at=now,
        last_polled_at=now,
    )
    _event(
        session,
        "folder_found",
        now,
        mailbox=batch.mailbox,
        folder=batch.folder,
        uidvalidity=batch.uidvalidity,
        is_junk=batch.is_junk,
    )
    return row


def _begin_again(session: Session, row: Folder, batch: FolderBatch, now: datetime) -> None:
    """Start a folder at UID 1 under its new UIDVALIDITY; the old places exist no more."""
    _event(
        session,
        "uidvalidity_changed",
        now,
        mailbox=batch.mailbox,
        folder=batch.folder,
        before=row.uidvalidity,
        after=batch.uidvalidity,
        cursor=row.cursor,
    )
    session.execute(
        update(Sighting)
        .where(*_places(batch.mailbox, batch.folder, row.uidvalidity))
        .where(col(Sighting.gone_since).is_(None))
        .values(gone_since=now)
    )
    session.execute(  # what the folder holds is listed again, under other UIDs
        update(UidGap)
        .where(*_lacking_in(batch.mailbox, batch.folder, row.uidvalidity))
        .values(resolved_at=now)
    )
    row.uidvalidity, row.cursor, row.exists = batch.uidvalidity, 0, None
    row.first_uid = batch.first_uid


def _note_gaps(
    session: Session, batch: FolderBatch, *, after: datetime | None, now: datetime
) -> None:
    known = _noted_gaps(session, batch)  # a UIDVALIDITY may come back with a restored server
    gaps = [gap for gap in batch.gaps if gap.first not in known]
    if not gaps:
        return
    session.execute(
        insert(UidGap),
        [
            {
                "mailbox": batch.mailbox,
                "folder": batch.folder,
                "uidvalidity": batch.uidvalidity,
                "uid_from": gap.first,
                "uid_to": gap.last,
                "reason": "gone",
                "after": after,
                "noticed_at": now,
            }
            for gap in gaps
        ],
    )
    _event(
        session,
        "uids_gone_unseen",
        now,
        mailbox=batch.mailbox,
        folder=batch.folder,
        uidvalidity=batch.uidvalidity,
        count=sum(gap.last - gap.first + 1 for gap in gaps),
        ranges=[[gap.first, gap.last] for gap in gaps[:RANGES_SHOWN]],
        after=render_instant(after),
    )


def _noted_gaps(session: Session, batch: FolderBatch) -> set[int]:
    if not batch.gaps:
        return set()
    return set(
        session.exec(
            select(UidGap.uid_from).where(
                UidGap.mailbox == batch.mailbox,
                UidGap.folder == batch.folder,
                UidGap.uidvalidity == batch.uidvalidity,
                col(UidGap.uid_from).between(batch.gaps[0].first, batch.gaps[-1].first),
            )
        )
    )


@dataclass(frozen=True)
class Uids:
    """The UIDs of a folder that we know."""

    live: tuple[int, ...]  # sightings, and messages that are not there whole
    gone: tuple[int, ...]


def our_uids(session: Session, mailbox: str, folder: str, uidvalidity: int) -> Uids:
    """Return what we have of a folder, to compare it with the server's list."""
    rows = session.exec(
        select(Sighting.uid, Sighting.gone_since).where(*_places(mailbox, folder, uidvalidity))
    ).all()
    lacking = [
        gap.uid_from
        for gap in session.exec(open_gaps(mailbox).where(UidGap.folder == folder))
        if gap.uidvalidity == uidvalidity
    ]
    live = [uid for uid, gone_since in rows if gone_since is None]
    return Uids(tuple(live + lacking), tuple(uid for uid, gone_since in rows if gone_since))


def settle(
    session: Session,
    mailbox: str,
    folder: str,
    difference: Comparison,
    *,
    uidvalidity: int,
    exists: int,
    now: datetime,
) -> None:
    """Note which sightings went away or came back, and that the accounts of a folder balance."""
    for uids, gone_since in ((difference.gone, now), (difference.back, None)):
        for part in in_parts(uids):
            session.execute(
                update(Sighting)
                .where(*_places(mailbox, folder, uidvalidity), col(Sighting.uid).in_(part))
                .values(gone_since=gone_since)
            )
    for part in in_parts(difference.gone):  # listed once, never handed out whole, and now gone
        session.execute(
            update(UidGap)
            .where(
                col(UidGap.mailbox) == mailbox,
                col(UidGap.folder) == folder,
                col(UidGap.uidvalidity) == uidvalidity,
                col(UidGap.reason).in_(LACKING),
                col(UidGap.resolved_at).is_(None),
                col(UidGap.uid_from).in_(part),
            )
            .values(reason="gone")
        )
    session.execute(
        update(Folder)
        .where(col(Folder.mailbox) == mailbox, col(Folder.name) == folder)
        .where(col(Folder.uidvalidity) == uidvalidity)
        .values(exists=exists)
    )


def note_missed(
    session: Session, mailbox: str, folder: str, uids: Sequence[int], now: datetime
) -> None:
    """Record that the server lists messages below our cursor that we do not have: an alarm."""
    _event(
        session,
        "uids_missed",
        now,
        mailbox=mailbox,
        folder=folder,
        count=len(uids),
        uids=list(uids[:RANGES_SHOWN]),
    )


def note_gone_folders(
    session: Session, mailbox: str, folders: Iterable[str], now: datetime
) -> None:
    """Note that folders are no longer listed, and what lay in them with them."""
    for name in folders:
        row = session.exec(
            select(Folder).where(Folder.mailbox == mailbox, Folder.name == name)
        ).one()
        row.gone_since, row.exists = now, None
        session.add(row)
        session.execute(
            update(Sighting)
            .where(*_places(mailbox, name, row.uidvalidity))
            .where(col(Sighting.gone_since).is_(None))
            .values(gone_since=now)
        )
        session.execute(
            update(UidGap).where(*_lacking_in(mailbox, name, row.uidvalidity)).values(reason="gone")
        )
        _event(session, "folder_gone", now, mailbox=mailbox, folder=name)


def note_outcome(session: Session, mailbox: str, *, trouble: str | None, now: datetime) -> None:
    """Note how a poll went; an event tells of each change between good and bad."""
    row = session.get_one(WatchedMailbox, mailbox)
    if trouble is None:
        row.last_good_poll_at = now
        if row.trouble is not None:
            _event(
                session,
                "mailbox_recovered",
                now,
                mailbox=mailbox,
                since=render_instant(row.trouble_since),
            )
        row.trouble, row.trouble_since = None, None
    else:
        if row.trouble is None:
            row.trouble_since = now
            _event(session, "mailbox_in_trouble", now, mailbox=mailbox, reason=trouble)
        row.trouble = trouble
    session.add(row)


def _places(mailbox: str, folder: str, uidvalidity: int) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Sighting.mailbox) == mailbox,
        col(Sighting.folder) == folder,
        col(Sighting.uidvalidity) == uidvalidity,
    )


def _lacking_in(mailbox: str, folder: str, uidvalidity: int) -> tuple[ColumnElement[bool], ...]:
    return (
        col(UidGap.mailbox) == mailbox,
        col(UidGap.folder) == folder,
        col(UidGap.uidvalidity) == uidvalidity,
        col(UidGap.reason).in_(LACKING),
        col(UidGap.resolved_at).is_(None),
    )


def _event(session: Session, action: str, now: datetime, **detail: Any) -> None:  # noqa: ANN401
    record_event(session, action, actor=SERVICE, now=now, **detail)
