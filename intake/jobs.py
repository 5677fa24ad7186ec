"""Work that is owed, as rows: queued in the transaction that found it, taken with a lease.

A job whose lease ran out is taken again, so a crash loses nothing. Among the waiting jobs the
ticket that was served longest ago goes first: one long list never holds up the others.
"""

import logging
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import aliased
from sqlmodel import Session, SQLModel, col, or_, select, update

from intake.clock import Clock
from intake.database import Database, insert_rows, is_environment_error
from intake.tables import Job

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=2)
AT_ONCE = 400  # rows named in one statement

Handler = Callable[[Job], None]
"""Does one job: its result and `finish` or `put_off` are one transaction of its own."""


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


def enqueue_each(
    session: Session,
    kind: str,
    subjects: Sequence[str | int],
    *,
    now: datetime,
    ticket: int | None = None,
) -> None:
    """Queue one job for each of many subjects, as `enqueue` does for one."""
    enqueue_pairs(session, kind, [(one, ticket) for one in subjects], now=now)


def enqueue_pairs(
    session: Session,
    kind: str,
    subjects: Sequence[tuple[str | int, int | None]],
    *,
    now: datetime,
) -> None:
    """Queue jobs for subjects with their tickets, as `enqueue` does for one."""
    tickets = {f"{kind}:{one}": (one, ticket) for one, ticket in reversed(subjects)}
    keys = list(tickets)
    known: dict[str, str] = {}
    for start in range(0, len(keys), AT_ONCE):
        chunk = keys[start : start + AT_ONCE]
        query = select(Job.key, Job.state).where(col(Job.key).in_(chunk))
        known |= dict(session.exec(query).all())
        again = update(Job).where(col(Job.key).in_(chunk), col(Job.state) != "waiting")
        session.exec(again.values(state="waiting", due_at=now, attempts=0))
    new = [tickets[key] for key in reversed(keys) if key not in known]
    enqueue_for_tickets(session, kind, new, now=now)


def enqueue_many(
    session: Session,
    kind: str,
    subjects: Sequence[str | int],
    *,
    now: datetime,
    ticket: int | None = None,
) -> None:
    """Queue one job for each of many subjects, none of which was ever queued before."""
    enqueue_for_tickets(session, kind, [(one, ticket) for one in subjects], now=now)


def enqueue_for_tickets(
    session: Session,
    kind: str,
    subjects: Sequence[tuple[str | int, int | None]],
    *,
    now: datetime,
) -> None:
    """Queue jobs for subjects with their tickets, none of which was ever queued before."""
    rows = [
        {
            "key": f"{kind}:{one}",
            "kind": kind,
            "subject": str(one),
            "ticket": ticket,
            "state": "waiting",
            "due_at": now,
            "attempts": 0,
        }
        for one, ticket in subjects  # no objects: this stands on the way of every message
    ]
    insert_rows(session, SQLModel.metadata.tables["job"], rows)


def take(session: Session, kinds: Sequence[str], now: datetime, *, limit: int = 1) -> list[Job]:
    """Lease up to `limit` due jobs of these kinds, fairly between tickets."""
    # Each ticket's last turn, found once: a list of ten thousand would make it a hundred million.
    # Only of tickets with work that is due: the archive is full of what was done.
    sibling, due = aliased(Job), aliased(Job)
    concerned = select(due.ticket).where(
        due.state == "waiting",
        col(due.kind).in_(kinds),
        due.due_at <= now,
        col(due.ticket).is_not(None),
    )
    turns = (
        select(sibling.ticket, sibling.kind, func.max(sibling.served_at).label("served_at"))
        .where(col(sibling.kind).in_(kinds), col(sibling.ticket).in_(concerned))
        .group_by(col(sibling.ticket), col(sibling.kind))
        .cte("turns")
        # Without figures about the table PostgreSQL would find them anew for each job.
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    last_served = turns.c.served_at
    jobs = list(
        session.exec(
            select(Job)
            .outerjoin(turns, (turns.c.ticket == Job.ticket) & (turns.c.kind == Job.kind))
            .where(
                Job.state == "waiting",
                col(Job.kind).in_(kinds),
                Job.due_at <= now,
                or_(col(Job.leased_until).is_(None), col(Job.leased_until) <= now),
            )
            .order_by(last_served.is_not(None), last_served, col(Job.id))
            .limit(limit)
            .with_for_update(of=Job, skip_locked=True)  # on PostgreSQL; several hosts may take
        ).all()
    )
    for job in jobs:
        job.leased_until = now + LEASE
        job.served_at = now
        session.add(job)
    return jobs


def is_owed(session: Session, kind: str, ticket: int, now: datetime) -> bool:
    """Say whether jobs of this kind are due for a ticket that nobody has taken."""
    query = select(Job.id).where(
        Job.state == "waiting",
        Job.kind == kind,
        Job.due_at <= now,
        Job.ticket == ticket,
        or_(col(Job.leased_until).is_(None), col(Job.leased_until) <= now),
    )
    return session.exec(query.limit(1)).first() is not None


def finish(session: Session, job: Job) -> None:
    """Mark a job as done."""
    job.state, job.leased_until, job.last_error = "done", None, None
    session.merge(job)


def put_off(session: Session, job: Job, now: datetime, *, error: str) -> None:
    """Try a job again later: twice the wait each time, up to two hours, with jitter."""
    job.attempts += 1
    wait = min(FIRST_RETRY * 2 ** min(job.attempts - 1, 12), LONGEST_RETRY)
    job.due_at = now + wait * random.uniform(0.75, 1.25)  # noqa: S311 - jitter, no secret
    job.leased_until, job.last_error = None, error
    session.merge(job)


def finish_each(session: Session, jobs: Sequence[Job]) -> None:
    """Mark jobs as done."""
    for start in range(0, len(jobs), AT_ONCE):
        ids = [job.id for job in jobs[start : start + AT_ONCE]]
        done = {"state": "done", "leased_until": None, "last_error": None}
        session.exec(update(Job).where(col(Job.id).in_(ids)).values(**done))


def mark_done(jobs: Iterable[Job]) -> None:
    """Note that the transaction which finished these jobs is committed."""
    for job in jobs:
        job.state = "done"


def wait_until(session: Session, job: Job, at: datetime, *, error: str) -> None:
    """Do a job again at an instant."""
    job.attempts += 1
    job.due_at, job.leased_until, job.last_error = at, None, error
    session.merge(job)


def give_up(session: Session, job: Job, *, error: str) -> None:
    """Stop trying; the error stays readable."""
    job.state, job.leased_until, job.last_error = "failed", None, error
    session.merge(job)


def release_leases(session: Session, kinds: Sequence[str] = ()) -> None:
    """Free what was taken and is done by nobody now; call it under the service's lock only.

    Args:
        session: a write session.
        kinds: of jobs whose only worker was cut off; none: all kinds, at the service's start.
    """
    statement = update(Job).where(col(Job.leased_until).is_not(None))
    if kinds:
        statement = statement.where(col(Job.kind).in_(kinds))
    session.exec(statement.values(leased_until=None))


def run_due(
    database: Database,
    kinds: Sequence[str],
    handle: Handler,
    *,
    clock: Clock,
    limit: int = 1,
    together: Callable[[Sequence[Job]], None] | None = None,
    fallback: Handler | None = None,
) -> int:
    """Take due jobs and do them; return how many were taken.

    Several are done by `together` where it is given, which calls `mark_done` on what it committed;
    what it fails on is done each by itself. An error of the environment (disk full, database gone)
    frees the jobs and is raised; an error that one job causes goes to `fallback`, or else the job
    is put off and the next one goes on.
    """
    with database.claim() as session:
        jobs = take(session, kinds, clock(), limit=limit)
    rest = jobs if together is None else _try_together(database, jobs, together)
    for position, job in enumerate(rest):
        try:
            handle(job)
        except Exception as error:
            if is_environment_error(error):
                _free(database, rest[position:])
                raise
            logger.exception("job %s failed", job.key)
            _after_failure(database, job, error, clock=clock, fallback=fallback)
    return len(jobs)


def _try_together(
    database: Database, jobs: Sequence[Job], together: Callable[[Sequence[Job]], None]
) -> list[Job]:
    """Do jobs in one go, those apart that failed before; return what must be done one by one."""
    fresh = [job for job in jobs if job.attempts == 0]
    try:
        if len(fresh) > 1:
            together(fresh)
    except Exception as error:
        if is_environment_error(error):
            _free(database, [job for job in jobs if job.state == "waiting"])
            raise
        logger.exception("%d jobs from %s on failed together", len(fresh), fresh[0].key)
    return [job for job in jobs if job.state == "waiting"]


def run_together(
    database: Database,
    kinds: Sequence[str],
    handle: Callable[[Sequence[Job]], None],
    *,
    clock: Clock,
    limit: int,
) -> int:
    """Take due jobs and do them all in one go; return how many were taken.

    If that fails they are put off, and each is done by itself when its turn comes again.
    """
    with database.claim() as session:
        jobs = take(session, kinds, clock(), limit=limit)
    alone = [job for job in jobs if job.attempts > 0]
    together = [job for job in jobs if job.attempts == 0]
    for group in (together, *([job] for job in alone)):
        if group:
            _run_group(database, group, handle, clock=clock)
    return len(jobs)


def _run_group(
    database: Database,
    jobs: Sequence[Job],
    handle: Callable[[Sequence[Job]], None],
    *,
    clock: Clock,
) -> None:
    try:
        handle(jobs)
    except Exception as error:
        if is_environment_error(error):
            _free(database, jobs)
            raise
        logger.exception("%d jobs from %s on failed", len(jobs), jobs[0].key)
        with database.write() as session:
            for job in jobs:
                put_off(session, job, clock(), error=type(error).__name__)


def do_each(
    subjects: Sequence[int], work: Callable[[int], object], failed: Callable[[int], object]
) -> None:
    """Do a work for each subject; one that breaks it is handed to `failed`, and the next goes on.

    An error of the environment is raised.
    """
    for subject in subjects:
        try:
            work(subject)
        except Exception as error:
            if is_environment_error(error):
                raise
            logger.exception("%d could not be done", subject)
            failed(subject)


def _after_failure(
    database: Database, job: Job, error: Exception, *, clock: Clock, fallback: Handler | None
) -> None:
    if fallback is not None and job.attempts == 0:
        try:
            fallback(job)
        except Exception as second:
            if is_environment_error(second):
                raise
            logger.exception("job %s failed in its fallback too", job.key)
        else:
            return
    with database.write() as session:
        put_off(session, job, clock(), error=type(error).__name__)


def _free(database: Database, jobs: Sequence[Job]) -> None:
    """Give leases back where the database lets us; else they run out by themselves."""
    try:
        with database.write() as session:
            for job in jobs:
                job.leased_until = None
                session.merge(job)
    except (SQLAlchemyError, OSError):
        logger.warning("leases of %d jobs could not be given back; they run out", len(jobs))
