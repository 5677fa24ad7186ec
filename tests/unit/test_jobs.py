"""Jobs are queued once, leased, taken fairly between tickets, and freed when the machine fails."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import col, select

from intake.database import Database
from intake.jobs import (
    LEASE,
    enqueue,
    enqueue_many,
    finish,
    give_up,
    put_off,
    release_leases,
    run_due,
    take,
)
from intake.tables import Job
from tests.builders import NOW

pytestmark = pytest.mark.both_databases


def queue(database: Database, *subjects: str, ticket: int | None = None) -> None:
    with database.write() as session:
        enqueue_many(session, "resolve_item", subjects, now=NOW, ticket=ticket)


def taken(database: Database, at=NOW, **options: int) -> list[str]:
    with database.claim() as session:
        return [job.subject for job in take(session, ("resolve_item",), at, **options)]


def jobs(database: Database) -> list[Job]:
    with database.read() as session:
        return list(session.exec(select(Job).order_by(col(Job.id))).all())


def test_a_job_is_queued_once_and_waits_again_after_it_was_done(database: Database) -> None:
    with database.write() as session:
        first = enqueue(session, "resolve_item", 7, now=NOW)
        assert enqueue(session, "resolve_item", 7, now=NOW).id == first.id
        finish(session, first)
        assert enqueue(session, "resolve_item", 7, now=NOW).state == "waiting"

    assert [job.key for job in jobs(database)] == ["resolve_item:7"]


def test_a_taken_job_is_taken_again_only_when_its_lease_ran_out(database: Database) -> None:
    queue(database, "1")

    assert taken(database) == ["1"]
    assert taken(database, NOW + LEASE - timedelta(seconds=1)) == []
    assert taken(database, NOW + LEASE) == ["1"]


def test_a_long_list_holds_up_no_other_ticket(database: Database) -> None:
    queue(database, "1", "2", "3", ticket=1)
    queue(database, "4", ticket=2)

    order = [taken(database, NOW + timedelta(seconds=at)) for at in range(4)]

    assert order == [["1"], ["4"], ["2"], ["3"]]


def test_what_is_put_off_waits_longer_each_time_and_what_is_given_up_for_good(
    database: Database,
) -> None:
    queue(database, "1", "2")
    with database.write() as session:
        first, second = take(session, ("resolve_item",), NOW, limit=2)
        put_off(session, first, NOW, error="away")
        give_up(session, second, error="never")

    assert taken(database, NOW + timedelta(seconds=30)) == []
    assert taken(database, NOW + timedelta(seconds=90)) == ["1"]
    assert [job.state for job in jobs(database)] == ["waiting", "failed"]


def test_leases_of_a_former_process_are_freed(database: Database) -> None:
    queue(database, "1")
    taken(database)
    with database.write() as session:
        release_leases(session)

    assert taken(database) == ["1"]


def test_a_fault_of_the_machine_frees_the_jobs_and_is_raised(database: Database) -> None:
    import sqlite3

    queue(database, "1", "2")
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL

    def fail(_: Job) -> None:
        raise OperationalError("INSERT", {}, full)

    with pytest.raises(OperationalError):
        run_due(database, ("resolve_item",), fail, clock=lambda: NOW, limit=2)

    assert taken(database, limit=2) == ["1", "2"]
    assert [job.attempts for job in jobs(database)] == [0, 0]


def test_a_fault_of_one_job_puts_it_off_and_the_next_goes_on(database: Database) -> None:
    queue(database, "1", "2")
    done = []

    def work(job: Job) -> None:
        if job.subject == "1":
            raise ValueError(job.subject)
        done.append(job.subject)

    run_due(database, ("resolve_item",), work, clock=lambda: NOW, limit=2)

    assert done == ["2"]
    assert [job.last_error for job in jobs(database)] == ["ValueError", None]
