"""What becomes of a comparison: an event, and where something differs an alarm in the channel."""

import hashlib
from datetime import datetime, time, timedelta

from sqlmodel import Session, col, select

from intake.events import record_event
from intake.notices.trouble import tell_trouble
from intake.reconcile.compare import UIDS_SHOWN
from intake.reconcile.run import Reconciled
from intake.tables import Folder, WatchedMailbox

HEALED_BY_A_POLL = {"not_archived", "not_gone", "wrongly_gone"}
MOST_TOLD = 10  # differences in one notice
NEXT = (
    "Next: `intake poll`, then `intake reconcile`. If it stays, a report may be in the mailbox "
    "that nobody sees: read the mailbox by hand, and report this."
)


def record(
    session: Session, result: Reconciled, *, channel: str, actor: str, now: datetime
) -> None:
    """Write down how a mailbox compared; differences are told, once a day while they last."""
    watched = session.get(WatchedMailbox, result.mailbox)
    if watched is not None:
        watched.reconciled_at, watched.differences = result.at, len(result.differences)
        session.add(watched)
    record_event(
        session,
        "mailbox_differs" if result.differences else "mailbox_reconciled",
        actor=actor,
        now=now,
        mailbox=result.mailbox,
        folders=len(result.folders),
        on_server=sum(folder.on_server for folder in result.folders),
        compared=sum(folder.compared for folder in result.folders),
        waiting=result.waiting,
        differences=[
            {
                "kind": one.kind,
                "folder": one.folder,
                "count": len(one.uids),
                "uids": list(one.uids[:UIDS_SHOWN]),
            }
            for one in result.differences
        ],
    )
    if result.differences:
        _let_the_next_poll_look(session, result)
        lines = [str(one) for one in result.differences]
        same = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
        key = f"reconcile:{result.mailbox}:{now:%Y%m%d}:{same}"
        tell_trouble(session, key, channel, alarm_text(result), now=now)


def _let_the_next_poll_look(session: Session, result: Reconciled) -> None:
    """Let the next poll compare its whole list, and fetch what it lacks: it forgets the count."""
    folders = {one.folder for one in result.differences if one.kind in HEALED_BY_A_POLL}
    for row in session.exec(select(Folder).where(Folder.mailbox == result.mailbox)):
        if row.name in folders:
            row.exists = None
            session.add(row)


def alarm_text(result: Reconciled) -> str:
    """Say what differs, and what to do."""
    lines = [str(one) for one in result.differences]
    more = len(lines) - MOST_TOLD
    shown = lines[:MOST_TOLD] + ([f"and {more} more"] if more > 0 else [])
    head = f"The archive and the mailbox {result.mailbox} differ."
    return "\n".join([head, *shown, NEXT])


def next_time(session: Session, mailbox: str, at: str) -> datetime | None:
    """Return when a mailbox is to be compared next; None before it was read for the first time.

    Args:
        session: any session.
        mailbox: its name.
        at: the hour of the day in UTC, as "03:30".
    """
    watched = session.get(WatchedMailbox, mailbox)
    if watched is None or watched.last_good_poll_at is None:
        return None
    if watched.reconciled_at is not None:
        return _next(watched.reconciled_at, at)
    first = select(Folder.first_polled_at).where(Folder.mailbox == mailbox)
    began_at = session.exec(first.order_by(col(Folder.first_polled_at)).limit(1)).first()
    return _next(began_at or watched.last_good_poll_at, at)


def _next(after: datetime, at: str) -> datetime:
    today = datetime.combine(after.date(), time.fromisoformat(at), after.tzinfo)
    return today if today > after else today + timedelta(days=1)
