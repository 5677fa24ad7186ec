"""The first start from a restored backup: what the lost installation did since is not done twice.

A backup says of itself that it is one. What it had still to tell may have been told since, so each
card is looked for in Slack before it is posted; and tickets that were opened since have cards and
mails with numbers that the backup does not know, so new numbers begin well above them.
"""

from datetime import datetime

from sqlalchemy import func
from sqlmodel import Session, col, select

from intake.events import SERVICE, record_event
from intake.tables import Fact, Notice, Ticket
from intake.tickets.opening import NUMBERS_FROM

BACKUP_MADE_AT = "backup_made_at"  # stands in a backup only
NUMBERS_LEFT_OUT = 1000  # more than anybody opens between two backups


def take_up_restored(session: Session, now: datetime) -> bool:
    """Note that this database was restored from a backup; say whether it was.

    Call it once at start, under the service's lock.
    """
    backup = session.get(Fact, BACKUP_MADE_AT)
    if backup is None:
        return False
    highest = session.exec(select(func.max(Ticket.id))).one() or 0
    numbers_from = highest + NUMBERS_LEFT_OUT + 1
    session.merge(Fact(name=NUMBERS_FROM, value=str(numbers_from)))
    waiting = select(Notice).where(Notice.state == "waiting", col(Notice.slack_ts).is_(None))
    notices = session.exec(waiting).all()
    for notice in notices:
        notice.leased_until = notice.created_at  # as one that was cut short
        session.add(notice)
    record_event(
        session,
        "restored_from_backup",
        actor=SERVICE,
        now=now,
        backup_made_at=backup.value,
        ticket_numbers_from=numbers_from,
        notices_waiting=len(notices),
    )
    session.delete(backup)
    return True
