"""For which time each folder was read without a gap; each poll extends the newest interval.

A folder's coverage goes on across an outage, since the UIDs account for what happened meanwhile.
It begins anew when UIDVALIDITY changed or the folder was away: nothing accounts for the time
between. It is incomplete while a message is listed that the server does not hand out.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import func
from sqlmodel import Session, col, select

from intake.mailbox.lacking import open_gaps
from intake.tables import Coverage, Folder, WatchedMailbox

T = TypeVar("T")

IDS_AT_ONCE = 500  # in one statement; SQLite has a limit


def folder_source(mailbox: str, folder: str) -> str:
    """Return the name of a folder as a source of coverage."""
    return f"mailbox {mailbox} folder {folder}"


def note_read(session: Session, mailbox: str, folders: Sequence[str], read_at: datetime) -> None:
    """Note that folders, whose rows are up to date, were read whole as of an instant."""
    lacking = {gap.folder for gap in session.exec(open_gaps(mailbox))}
    for names in in_parts(folders):
        rows = session.exec(
            select(Folder).where(Folder.mailbox == mailbox, col(Folder.name).in_(names))
        ).all()
        newest = _newest_intervals(session, mailbox, [row.name for row in rows])
        for row in rows:
            interval = newest.get(folder_source(mailbox, row.name))
            was_away = row.gone_since is not None
            if interval is None or interval.uidvalidity != row.uidvalidity or was_away:
                interval = _new_interval(session, row, read_at, is_first=interval is None)
            interval.to_at = max(interval.to_at, read_at)
            interval.uid_to, interval.complete = row.cursor, row.name not in lacking
            row.last_polled_at = max(row.last_polled_at, read_at)
            row.gone_since = None
            session.add_all((interval, row))


def _new_interval(session: Session, row: Folder, read_at: datetime, *, is_first: bool) -> Coverage:
    """Begin an interval; a folder made while we watched hides nothing from before it was there."""
    begins = read_at
    if is_first:
        watched = session.get(WatchedMailbox, row.mailbox)
        if watched is not None and watched.last_good_poll_at is not None:
            begins = min(read_at, _first_coverage(session, row.mailbox) or read_at)
    return Coverage(
        source=folder_source(row.mailbox, row.name),
        from_at=begins,
        to_at=read_at,
        uidvalidity=row.uidvalidity,
    )


def _first_coverage(session: Session, mailbox: str) -> datetime | None:
    prefix = folder_source(mailbox, "")
    statement = select(func.min(Coverage.from_at)).where(
        col(Coverage.source).startswith(prefix, autoescape=True)
    )
    return session.exec(statement).first()


def _newest_intervals(
    session: Session, mailbox: str, folders: Iterable[str]
) -> dict[str, Coverage]:
    newest = (
        select(func.max(Coverage.id))
        .where(col(Coverage.source).in_([folder_source(mailbox, name) for name in folders]))
        .group_by(Coverage.source)
    )
    rows = session.exec(select(Coverage).where(col(Coverage.id).in_(newest)))
    return {row.source: row for row in rows}


def in_parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut values into parts that fit into one statement."""
    for start in range(0, len(values), IDS_AT_ONCE):
        yield values[start : start + IDS_AT_ONCE]
