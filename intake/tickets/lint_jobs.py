"""The jobs `lint_certificate` and `lint_outside`: certificates to linters, results to items.

The first is done by workers of ours, many certificates at a time. The second asks linters outside,
if any are configured, and holds up nothing. No transaction is open while anything is linted.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlmodel import Session, col, select

from intake.certificates.findings import LintResult
from intake.certificates.lint import RETRY_AFTER, linters_needed, store_lint
from intake.certificates.lint_pool import LintPool, LintTask
from intake.certificates.linters import BLOCK_LIST, OUTSIDE
from intake.certificates.linting import Linter, built_in_versions, read_subject
from intake.clock import Clock
from intake.database import Database
from intake.jobs import enqueue_each, finish_each, put_off, wait_until
from intake.tables import Certificate, Job
from intake.tickets.desk import Desk
from intake.tickets.linted import note_lint

MOST_TRIES = 5  # of a linter that fails, one a day
AT_ONCE_OUTSIDE = 4
OUTSIDE_LIMIT = 16  # certificates in one go
FAILED = frozenset({"failed", "timed_out"})

Results = Mapping[str, Sequence[LintResult]]


def lint_certificates(
    database: Database, pool: LintPool, desk: Desk, clock: Clock, jobs: Sequence[Job]
) -> None:
    """Lint certificates by every linter that is built in, once for each of its versions."""
    versions = built_in_versions()
    with database.read() as session:
        ders = _ders(session, jobs)
        needed = linters_needed(session, list(ders), versions, clock())
    tasks = [LintTask(ders[one], wanted=names) for one, names in needed.items() if names]
    results = {one.sha256: one.results for one in pool.lint(tasks)}
    with database.write() as session:
        _keep(session, results, jobs, desk, clock)
        if desk.linters & frozenset(OUTSIDE):
            _queue_outside(session, jobs, clock)


def lint_outside(
    database: Database,
    linters: Mapping[str, Linter],
    desk: Desk,
    clock: Clock,
    jobs: Sequence[Job],
) -> None:
    """Have certificates linted by the linters outside."""
    versions = {name: linter.version() for name, linter in linters.items()}
    with database.read() as session:
        ders = _ders(session, jobs)
        needed = linters_needed(session, list(ders), versions, clock())
    pairs = [(one, name) for one, names in needed.items() for name in names]
    with ThreadPoolExecutor(AT_ONCE_OUTSIDE) as threads:
        found = threads.map(lambda pair: linters[pair[1]](read_subject(ders[pair[0]])), pairs)
        results: dict[str, list[LintResult]] = defaultdict(list)
        for (sha256, _), result in zip(pairs, found, strict=True):
            results[sha256].append(result)
    with database.write() as session:
        _keep(session, results, jobs, desk, clock)


def _ders(session: Session, jobs: Iterable[Job]) -> dict[str, bytes]:
    wanted = [job.subject for job in jobs]
    query = select(Certificate.sha256, Certificate.der).where(col(Certificate.sha256).in_(wanted))
    return dict(session.exec(query).all())


def _keep(
    session: Session, results: Results, jobs: Sequence[Job], desk: Desk, clock: Clock
) -> None:
    """Store results, carry them to the items, and end or repeat the jobs."""
    now = clock()
    store_lint(session, results, now)
    note_lint(session, [job.subject for job in jobs], desk=desk, now=now)
    settled = []
    for job in jobs:
        states = {
            one.state
            for one in results.get(job.subject, ())
            if one.linter != BLOCK_LIST or BLOCK_LIST in desk.linters
        }
        if states & FAILED and job.attempts < MOST_TRIES:
            wait_until(session, job, now + RETRY_AFTER, error="a linter failed")
        elif "absent" in states:
            put_off(session, job, now, error="a linter is absent")
        else:
            settled.append(job)
    finish_each(session, settled)


def _queue_outside(session: Session, jobs: Sequence[Job], clock: Clock) -> None:
    by_ticket: dict[int | None, list[str]] = defaultdict(list)
    for job in jobs:
        by_ticket[job.ticket].append(job.subject)
    for ticket, sha256s in by_ticket.items():
        enqueue_each(session, "lint_outside", sha256s, now=clock(), ticket=ticket)
