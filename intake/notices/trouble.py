"""Tells the channel when a mailbox can't be read, again every hour, and when it can be again.

A mailbox that is silent because nobody reads it looks just like one that gets no reports.
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
        key = f"trouble:{mailbox.name}:{mailbox.trouble_since.isoformat()}:{hours}"
        if session.exec(select(Notice.id).where(Notice.key == key)).first() is not None:
            continue
        minutes = int((now - mailbox.trouble_since).total_seconds() // 60)
        text = (
            f"The mailbox {mailbox.name} has not been read for {minutes} minutes: "
            f"{mailbox.trouble}. Reports may be waiting there while their 24 hours run. "
            "Next: `intake check --live` on the mail host."
        )
        session.add(_notice(key, channel, text, now))
        record_event(session, "mailbox_trouble_told", actor=SERVICE, now=now, mailbox=mailbox.name)
        written += 1
    return written


def _notice(key: str, channel: str, text: str, now: datetime) -> Notice:
    return Notice(
        key=key, kind="trouble", step="mailbox trouble", to=channel, text=text,
        due_at=now, created_at=now, next_try_at=now,
    )  # fmt: skip
