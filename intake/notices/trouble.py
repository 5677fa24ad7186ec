"""Tells the channel when a mailbox can't be read, and of other troubles of our own.

A mailbox that is silent because nobody reads it looks just like one that gets no reports. Each
trouble is told again every hour until it is over.
"""

from datetime import datetime, timedelta

from sqlmodel import Session, select

from intake.events import SERVICE, record_event
from intake.tables import Notice, WatchedMailbox

TOLD_AFTER = timedelta(minutes=10)
AGAIN_EVERY = timedelta(hours=1)


def tell_mailbox_troubles(session: Session, channel: str, now: datetime) -> int:
    """Write the notices about mailboxes that could not be read for a while; return how many."""
    written = 0
    for mailbox in session.exec(select(WatchedMailbox)).all():
        if mailbox.trouble_since is None or now - mailbox.trouble_since < TOLD_AFTER:
            continue
        hours = (now - mailbox.trouble_since) // AGAIN_EVERY
        minutes = int((now - mailbox.trouble_since).total_seconds() // 60)
        text = (
            f"The mailbox {mailbox.name} has not been read for {minutes} minutes: "
            f"{mailbox.trouble}. Reports may be waiting there while their 24 hours run. "
            "Next: `intake check --live` on the mail host."
        )
        key = f"{mailbox.name}:{mailbox.trouble_since.isoformat()}:{hours}"
        written += tell_trouble(session, key, channel, text, now=now)
    return written


def tell_trouble(session: Session, key: str, channel: str, text: str, *, now: datetime) -> bool:
    """Write a notice about a trouble of our own, once for each key; say whether it is new."""
    key = f"trouble:{key}"
    if session.exec(select(Notice.id).where(Notice.key == key)).first() is not None:
        return False
    session.add(
        Notice(
            key=key, kind="trouble", step="trouble", to=channel, text=text,
            due_at=now, created_at=now, next_try_at=now,
        )
    )  # fmt: skip
    record_event(session, "trouble_told", actor=SERVICE, now=now, notice=key)
    return True
