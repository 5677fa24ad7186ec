"""The loop of a step: says each change of state once, backs off, and alarms without the database."""

import logging

import pytest
from sqlalchemy.exc import OperationalError

from intake.errors import OutsideUnavailableError
from intake.loop import Loop


class Step:
    """A step that fails as long as it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def __call__(self) -> bool:
        if self.error is not None:
            raise self.error
        return False


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def disk_full() -> OperationalError:
    import sqlite3

    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return OperationalError("INSERT …", {}, error)


def test_trouble_is_logged_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    step = Step(OutsideUnavailableError("the mailbox is away"))
    loop = Loop("mailbox cps", step, 60)
    with caplog.at_level(logging.INFO):
        for _ in range(50):
            loop.once()
        step.error = None
        loop.once()

    assert [record.message for record in caplog.records] == [
        "mailbox cps: the mailbox is away (OutsideUnavailableError); trying again",
        "mailbox cps works again after 50 failures",
    ]


def test_waits_grow_but_never_beyond_a_minute() -> None:
    loop = Loop("mailbox cps", Step(OutsideUnavailableError("away")), 60)

    waits = [loop.once() for _ in range(12)]

    assert waits[:4] == [1, 2, 4, 8]
    assert max(waits) == 60


def test_a_full_disk_alarms_after_a_minute_and_hourly_and_says_when_it_is_over() -> None:
    alarms: list[str] = []
    seconds = Seconds()
    step = Step(disk_full())
    loop = Loop("reading messages", step, 2, alarm=alarms.append, monotonic=seconds)
    for minute in range(130):
        seconds.now = minute * 60.0
        loop.once()
    step.error = None
    loop.once()

    assert len(alarms) == 4
    assert "disk is full" in alarms[0]
    assert alarms[-1] == "reading messages works again. Nothing was lost."
    assert loop.trouble is None


def test_what_was_held_is_let_go_once_after_a_fault_of_the_machine() -> None:
    step, recovered = Step(disk_full()), []
    loop = Loop("reading messages", step, 2, recover=lambda: recovered.append(1))
    loop.once()
    loop.once()
    assert recovered == [1]  # before each new attempt, once the loop was cut off

    step.error = None
    loop.once()
    loop.once()
    assert recovered == [1, 1]


def test_a_fault_of_our_own_lets_nothing_go() -> None:
    step, recovered = Step(ValueError("ours")), []
    loop = Loop("sending notices", step, 2, recover=lambda: recovered.append(1))
    loop.once()
    step.error = None
    loop.once()

    assert recovered == []


def test_no_work_begins_while_the_guard_refuses() -> None:
    def refuse() -> None:
        raise OutsideUnavailableError("another host has taken over")

    done = []
    loop = Loop("mailbox cps", lambda: done.append(1), 2, guard=refuse)

    assert loop.once() > 0
    assert done == []
    assert "another host" in (loop.trouble or "")
