"""The second reader's daily look, as the service takes it."""

from collections.abc import Callable

from intake.clock import Clock
from intake.config import MailboxSection
from intake.database import Database
from intake.events import SERVICE
from intake.reconcile.run import Manner, reconcile_mailbox
from intake.reconcile.tell import next_time, record

POLLS_WAITED_FOR = 3  # in intervals between polls


def reconcile_if_due(
    database: Database,
    mailbox: MailboxSection,
    *,
    at: str,
    channel: str,
    clock: Clock,
    pause: Callable[[float], object],
) -> bool:
    """Compare a mailbox if its hour has come; say whether a difference was found.

    Args:
        database: the archive.
        mailbox: which one.
        at: the hour of the day in UTC, as "03:30"; a day that was missed is made up for.
        channel: where a difference is told.
        clock: the wall clock.
        pause: waits for some seconds, and returns what is true if the service stops.

    Raises:
        OutsideUnavailableError: if the mailbox can't be read.
    """
    with database.read() as session:
        due_at = next_time(session, mailbox.name, at)
    if due_at is None or clock() < due_at:
        return False
    wait = POLLS_WAITED_FOR * mailbox.poll_every.total_seconds()
    manner = Manner(wait_seconds=wait, pause=pause)
    result = reconcile_mailbox(database, mailbox, manner, clock=clock)
    with database.write() as session:
        record(session, result, channel=channel, actor=SERVICE, now=clock())
    return bool(result.differences)
