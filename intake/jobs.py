"""Work that is owed, as rows: queued in the transaction that found it, taken with a lease.

A job whose lease ran out is taken again, so a crash loses nothing. Among the waiting jobs the
ticket that was served longest ago goes first: one long list never holds up the others.
"""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, or_, select

from intake.tables import Job

LEASE = timedelta(minutes=5)
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=2)


def enqueue(
    session: Session, kind: str, subject: str | int, *, now: datetime, ticket: int | None = None
) -> Job:
    """Queue a job unless it is queued already; a finished one of the same key is waiting again."""
    key = f"{kind}:{subject}"
    job = session.exec(select(Job).where(Job.key == key)).first()
    if job is None:
        job = Job(key=key, kind=kind, subject=str(subject), ticket=ticket, due_at=now)
    elif job.state != "waiting":
        job.state, job.due_at, job.attempts = "waiting", now, 0
    session.add(job)
    session.flush()
    return job


def take(session: Session, kinds: Sequence[str], now: datetime, *, limit: int = 1) -> list[Job]:
    """Lease up to `limit` due jobs of these kinds, fairly between tickets."""
    served = (
        select(func.max(Job.served_at))
        .where(Job.ticket == (waiting := _alias()).ticket)
        .correlate(waiting)
        .scalar_subquery()
    )
    jobs = list(
        session.exec(
            select(waiting)
            .where(
                waiting.state == "waiting",
                col(waiting.kind).in_(kinds),
                waiting.due_at <= now,
                or_(col(waiting.leased_until).is_(None), col(waiting.leased_until) <= now),
            )
            .order_by(func.coalesce(served, "0001-01-01"), col(waiting.id))
            .limit(limit)
        ).all()
    )
    for job in jobs:
        job.leased_until = now + LEASE
        job.served_at = now
        session.add(job)
    return jobs


def _alias() -> type[Job]:
    from sqlalchemy.orm import aliased  # noqa: PLC0415

    return aliased(Job)


def finish(session: Session, job: Job) -> None:
    """Mark a job as done."""
    job.state, job.leased_until, job.last_error = "done", None, None
    session.add(job)


def put_off(session: Session, job: Job, now: datetime, *, error: str) -> None:
    """Try a job again later: twice the wait each time, up to two hours, with jitter."""
    job.attempts += 1
    wait = min(FIRST_RETRY * 2 ** min(job.attempts - 1, 12), LONGEST_RETRY)
    job.due_at = now + wait * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, no secret
    job.leased_until, job.last_error = None, error
    session.add(job)


def give_up(session: Session, job: Job, *, error: str) -> None:
    """Stop trying; the error stays readable."""
    job.state, job.leased_until, job.last_error = "failed", None, error
    session.add(job)


def release_leases(session: Session) -> None:
    """Free what a former process had taken; call it once at start, under the service's lock."""
    for job in session.exec(select(Job).where(col(Job.leased_until).is_not(None))).all():
        job.leased_until = None
        session.add(job)
