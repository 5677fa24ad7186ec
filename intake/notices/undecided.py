"""Tells the channel when archived messages wait for a ticket or a decision for too long."""

from datetime import datetime

from sqlmodel import Session, col, func, select

from intake.archive.balance import DECIDED_WITHIN
from intake.notices.trouble import tell_trouble
from intake.tables import Message


def tell_undecided(session: Session, channel: str, now: datetime) -> bool:
    """Write a notice if archived messages have had no ticket and no decision for too long."""
    query = select(func.count(), func.min(Message.first_seen_at)).where(
        col(Message.decision).is_(None), col(Message.first_seen_at) <= now - DECIDED_WITHIN
    )
    waiting, since = session.exec(query).one()
    if not waiting or since is None:
        return False
    minutes = int((now - since).total_seconds() // 60)
    text = (
        f"{waiting} archived messages have no ticket and no decision yet, the oldest one for "
        f"{minutes} minutes, and its 24 hours run. Next: `intake check` on the mail host, then the "
        "log: journalctl -u intake. `intake search` shows what they are."
    )
    return tell_trouble(session, f"undecided:{now:%Y%m%d%H}", channel, text, now=now)
