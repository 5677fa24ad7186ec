"""The outbox: notices are rows first, and leave in here, at least once each, oldest first.

A row is claimed with a lease, rendered from the state of that moment, sent outside of any
transaction, and marked after success. Where Slack fails for any reason the notice goes by mail in
the same pass; a new card is tried in Slack again all the same, because there people work.
"""

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func
from sqlmodel import Session, col, or_, select

from intake.clock import Clock
from intake.database import Database
from intake.events import SERVICE, record_event
from intake.logs import log_work
from intake.notices.delivery import Delivery, Media, Outcome
from intake.notices.view import TicketView, ticket_view
from intake.tables import Notice

__all__ = ["Backlog", "Media", "backlog", "claim", "deliver_due", "release_notice_leases", "settle"]

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(minutes=10)
MOST_IN_A_PASS = 1000


def deliver_due(
    database: Database, media: Media, *, clock: Clock, limit: int = MOST_IN_A_PASS
) -> int:
    """Deliver what is due, oldest first; return how many notices reached somebody.

    It may wait up to a minute for each notice where Slack asks for it: call it in a thread of its
    own.
    """
    delivery = Delivery(database, media)
    delivered = 0
    for _ in range(limit):
        claimed = claim(database, clock())
        if claimed is None:
            break
        notice, was_cut_short = claimed
        outcome = delivery.deliver(
            notice, _view(database, notice), clock(), was_cut_short=was_cut_short
        )
        with database.write() as session:
            settle(session, notice, outcome, clock())
        log_work(
            logger, "notice taken", key=notice.key, kind=notice.kind, ticket=notice.ticket,
            state=outcome.state, medium=outcome.medium, reached=outcome.reached_somebody,
            handed_over=outcome.handed_over, error=outcome.error_code, attempt=notice.attempts + 1,
        )  # fmt: skip
        delivered += outcome.reached_somebody
    return delivered


def claim(database: Database, now: datetime) -> tuple[Notice, bool] | None:
    """Lease the next notice that is due; say too whether an earlier attempt was cut short.

    New cards, steps and all else go before updates of cards that stand in Slack already.
    """
    is_update = case((col(Notice.slack_ts).is_not(None), 1), else_=0)
    with database.claim() as session:
        query = (
            select(Notice)
            .where(
                Notice.state == "waiting",
                Notice.next_try_at <= now,
                or_(col(Notice.leased_until).is_(None), col(Notice.leased_until) <= now),
            )
            .order_by(is_update, col(Notice.id))
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        notice = session.exec(query).first()
        if notice is None:
            return None
        was_cut_short = notice.leased_until is not None
        notice.leased_until = now + LEASE
        session.add(notice)
        session.flush()
        session.expunge(notice)
    return notice, was_cut_short


def _view(database: Database, notice: Notice) -> TicketView | None:
    if notice.ticket is None:
        return None
    with database.read() as session:
        return ticket_view(session, notice.ticket, whole=False)


def settle(session: Session, claimed: Notice, outcome: Outcome, now: datetime) -> None:
    """Write down what became of a notice that was claimed."""
    notice = session.get_one(Notice, claimed.id)
    notice.leased_until = None
    notice.delivered_to = list(outcome.delivered_to)
    notice.last_error = outcome.error
    if outcome.posted is not None:
        notice.slack_channel, notice.slack_ts = outcome.posted.channel, outcome.posted.ts
    if outcome.handed_over:
        notice.handed_over_at = now
    if outcome.state == "waiting":
        _put_off(notice, outcome, now)
    else:
        _finish(notice, claimed, outcome, now)
    if outcome.reached_somebody and (notice.sent_at is None or outcome.is_first_in_slack):
        notice.sent_at, notice.medium = now, outcome.medium
        _record(session, notice, outcome, now)
    session.add(notice)


def _finish(notice: Notice, claimed: Notice, outcome: Outcome, now: datetime) -> None:
    """Mark a notice as sent, unless the card must show something newer by now."""
    notice.attempts = 0
    if outcome.state == "sent":
        notice.sent_version = claimed.wanted_version
    if outcome.state == "sent" and notice.wanted_version > notice.sent_version:
        notice.next_try_at = now
        return
    notice.state = outcome.state


def _put_off(notice: Notice, outcome: Outcome, now: datetime) -> None:
    """Try again later: twice the wait each time, with jitter, and never before Slack allows it."""
    notice.attempts += 1
    wait = min(FIRST_RETRY * 2 ** min(notice.attempts - 1, 10), LONGEST_RETRY)
    wait *= random.uniform(0.75, 1.25)  # noqa: S311 - jitter, no secret
    notice.next_try_at = now + max(wait, timedelta(seconds=outcome.retry_after))


def _record(session: Session, notice: Notice, outcome: Outcome, now: datetime) -> None:
    action = "notice_handed_over" if outcome.handed_over else "notice_sent"
    record_event(
        session,
        action,
        actor=SERVICE,
        now=now,
        ticket=notice.ticket,
        notice=notice.key,
        step=notice.step or notice.kind,
        medium=outcome.medium,
        to=notice.to,
        because=outcome.error_code,
    )


@dataclass(frozen=True)
class Backlog:
    """What waits in the outbox, so that nobody has to guess."""

    waiting: int
    oldest_due_at: datetime | None
    last_error: str | None


def backlog(session: Session, now: datetime) -> Backlog:
    """Count the notices that are due and not delivered yet."""
    is_due = (col(Notice.state) == "waiting") & (col(Notice.due_at) <= now)
    query = select(func.count(), func.min(col(Notice.due_at))).where(is_due)
    waiting, oldest = session.exec(query).one()
    error = session.exec(
        select(Notice.last_error)
        .where(is_due, col(Notice.last_error).is_not(None))
        .order_by(col(Notice.id).desc())
        .limit(1)
    ).first()
    return Backlog(waiting, oldest, error)


def release_notice_leases(session: Session) -> None:
    """End what a former process had claimed; call it once at start, under the service's lock.

    The lease stays visible as one that ran out: what was cut short is looked for in Slack before
    it is posted again.
    """
    leased = select(Notice).where(col(Notice.leased_until).is_not(None))
    for notice in session.exec(leased).all():
        notice.leased_until = notice.created_at
        session.add(notice)
