"""Which steps are due when: tables of cases, and properties."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.tickets.escalation import (
    Step,
    Track,
    due_steps,
    mark_told,
    next_action_at,
    project,
    report_steps,
)
from tests.unit.tickets.room import HOUR, MANAGERS, T0, make_steps

pytestmark = pytest.mark.both_databases

ACK = Track("acknowledgement", T0, make_steps())
REPORT = Track("preliminary report", T0, report_steps(MANAGERS))


def labels(track: Track, hours: float) -> list[str]:
    return [one.label.rpartition(" ")[2] for one in due_steps([track], T0 + hours * HOUR)]


def told(track: Track, *hours: float) -> Track:
    for one in hours:
        now = T0 + one * HOUR
        track = mark_told(track, due_steps([track], now), now)
    return track


@pytest.mark.parametrize(
    ("hours", "due"),
    [
        (0, []),
        (0.999, []),
        (1, ["1h"]),
        (4, ["1h", "4h"]),
        (20, ["1h", "4h", "12h", "18h"]),
        (22, ["1h", "4h", "12h", "18h", "22h"]),
        (24, ["1h", "4h", "12h", "18h", "22h", "24h"]),
        (30.5, ["1h", "4h", "12h", "18h", "22h", "24h"]),
    ],
)
def test_all_missed_steps_are_due_at_once(hours: float, due: list[str]) -> None:
    assert labels(ACK, hours) == due


@pytest.mark.parametrize(
    ("told_at", "hours", "due"),
    [
        ([1], 1, []),
        ([1], 3.9, []),
        ([1], 4, ["4h"]),
        ([20], 21.9, []),
        ([20], 22, ["22h"]),
        ([24], 24.9, []),
        ([24], 25, ["25h"]),
        ([24, 25], 26, ["26h"]),
        ([24], 30.5, ["30h"]),  # repeats don't catch up
        ([30.5], 30.9, []),
        ([30.5], 31, ["31h"]),
    ],
)
def test_what_was_told_is_not_told_again(
    told_at: list[float], hours: float, due: list[str]
) -> None:
    assert labels(told(ACK, *told_at), hours) == due


@pytest.mark.parametrize(
    ("told_at", "next_hours"),
    [([], 1), ([1], 4), ([4], 12), ([18], 22), ([22], 24), ([24], 25), ([24.4], 25), ([30.5], 31)],
)
def test_the_next_look_is_when_the_next_step_falls_due(
    told_at: list[float], next_hours: float
) -> None:
    assert next_action_at([told(ACK, *told_at)]) == T0 + next_hours * HOUR


def test_reports_are_reminded_of_at_12_18_22_24_hours_then_every_four() -> None:
    tellings = project([REPORT], T0, T0 + 37 * HOUR)

    assert [one.at - T0 for one in tellings] == [n * HOUR for n in (12, 18, 22, 24, 28, 32, 36)]
    assert [one.recipients for one in tellings[:4]] == [
        ("assignee",),
        ("assignee",),
        ("assignee", *MANAGERS),
        ("assignee", *MANAGERS),
    ]


def test_a_projection_names_everybody_at_24_hours() -> None:
    tellings = project([ACK], T0, T0 + 26 * HOUR)

    assert [one.at - T0 for one in tellings] == [n * HOUR for n in (1, 4, 12, 18, 22, 24, 25, 26)]
    assert tellings[5].recipients == ("C0CPR", "S0ONCALL", *MANAGERS)


def test_nothing_owed_needs_no_look() -> None:
    assert next_action_at([]) is None
    assert due_steps([], T0) == ()


def test_t0_moved_earlier_makes_the_passed_steps_due() -> None:
    track = told(ACK, 1)
    moved = Track(track.name, T0 - 10 * HOUR, track.steps, track.told, track.told_at)

    assert labels(moved, 2) == ["4h", "12h"]


def test_two_tracks_are_due_together() -> None:
    due = due_steps([ACK, REPORT], T0 + 12 * HOUR)

    assert [one.label for one in due] == [
        "acknowledgement 1h",
        "acknowledgement 4h",
        "acknowledgement 12h",
        "preliminary report 12h",
    ]


steps = st.lists(
    st.builds(
        Step,
        st.integers(1, 72).map(lambda n: n * HOUR),
        st.just(("C0CPR",)),
        st.one_of(st.none(), st.integers(1, 300).map(lambda n: timedelta(minutes=n))),
    ),
    min_size=1,
    max_size=6,
)
instants = st.integers(0, 120 * 60).map(lambda n: T0 + timedelta(minutes=n))


@given(steps, st.lists(instants, max_size=5).map(sorted), instants)
def test_the_next_look_is_never_later_than_the_next_untold_step(chain, looks, now) -> None:
    track = Track("acknowledgement", T0, tuple(chain))
    for one in looks:
        track = mark_told(track, due_steps([track], one), one)
    due, next_at = due_steps([track], now), next_action_at([track])

    if now >= (looks[-1] if looks else T0):
        assert bool(due) == (next_at is not None and next_at <= now)


@given(steps, instants)
def test_after_telling_nothing_is_due_at_the_same_instant(chain, now) -> None:
    track = Track("acknowledgement", T0, tuple(chain))
    after = mark_told(track, due_steps([track], now), now)

    assert due_steps([after], now) == ()


@given(steps, st.lists(instants, max_size=40).map(sorted))
def test_no_step_is_ever_left_out_however_often_we_look(chain, looks) -> None:
    """Whatever the pauses, each step is told once its time has come, and told first in time."""
    track = Track("acknowledgement", T0, tuple(chain))
    seen = []
    for one in looks:
        due = due_steps([track], one)
        seen += [step.after for step in due]
        track = mark_told(track, due, one)
    last = looks[-1] if looks else T0

    assert {one.after for one in chain if T0 + one.after <= last} <= set(seen)
    assert all(seen.count(one.after) <= len(chain) for one in chain)
