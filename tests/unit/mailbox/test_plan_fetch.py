"""What to fetch, and which UIDs are missing from the accounts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.mailbox.folder import FolderStatus, UidRange
from intake.mailbox.plan import (
    BATCH_BYTES,
    BATCH_COUNT,
    LARGE_BYTES,
    Cursor,
    FetchPlan,
    compare,
    fetch_steps,
    has_news,
    plan_fetch,
    search_from,
)


def status(uidnext: int | None, exists: int = 0, uidvalidity: int = 1) -> FolderStatus:
    return FolderStatus(uidvalidity, uidnext, exists)


def test_only_uids_above_the_cursor_are_fetched_oldest_first() -> None:
    plan = plan_fetch(Cursor(1, 5, 1), status(9), [8, 6, 7, 5])

    assert plan == FetchPlan((6, 7, 8), (), first_uid=1, cursor=8, restart=False)


def test_p11_a_long_absence_changes_nothing() -> None:
    plan = plan_fetch(Cursor(1, 5, 1), status(100_006), range(6, 100_006))

    assert len(plan.uids) == 100_000
    assert plan.gaps == ()


def test_assigned_uids_that_are_not_listed_are_gaps() -> None:
    plan = plan_fetch(Cursor(1, 5, 1), status(12), [7, 8, 10])

    assert plan.gaps == (UidRange(6, 6), UidRange(9, 9), UidRange(11, 11))
    assert plan.cursor == 11


def test_a_new_folder_owes_nothing_below_its_first_uid() -> None:
    """pymap begins at 101, and years of deleted mail are nobody's loss today."""
    plan = plan_fetch(None, status(106), [101, 102, 105])

    assert plan == FetchPlan((101, 102, 105), (UidRange(103, 104),), 101, 105, restart=True)


def test_an_empty_new_folder_owes_what_comes_from_now_on() -> None:
    first = plan_fetch(None, status(500), [])
    assert first == FetchPlan((), (), first_uid=500, cursor=499, restart=True)

    second = plan_fetch(Cursor(1, first.cursor, first.first_uid), status(501), [])

    assert second.gaps == (UidRange(500, 500),)


def test_p09_another_uidvalidity_begins_at_one() -> None:
    cursor = Cursor(1, 50, 1)

    assert search_from(cursor, status(4, uidvalidity=2)) == 1
    plan = plan_fetch(cursor, status(4, uidvalidity=2), [1, 2, 3])
    assert plan == FetchPlan((1, 2, 3), (), first_uid=1, cursor=3, restart=True)


def test_a_server_without_uidnext_is_read_too() -> None:
    assert has_news(Cursor(1, 5, 1), 5, status(None, 5))
    assert plan_fetch(Cursor(1, 5, 1), status(None), [6, 8]).cursor == 8
    assert plan_fetch(Cursor(1, 5, 1), status(None), []).cursor == 5


def test_a_message_that_came_after_the_status_is_taken_along() -> None:
    assert plan_fetch(Cursor(1, 5, 1), status(7), [6, 7, 8]).cursor == 8


@pytest.mark.parametrize(
    ("cursor", "before", "now", "news"),
    [
        (None, None, status(1), True),
        (Cursor(1, 5, 1), 5, status(6, 5), False),
        (Cursor(1, 5, 1), 5, status(7, 6), True),
        (Cursor(1, 5, 1), 5, status(6, 4), True),
        (Cursor(1, 5, 1), None, status(6, 5), True),
        (Cursor(2, 5, 1), 5, status(6, 5), True),
    ],
)
def test_a_folder_is_opened_only_for_news(cursor, before, now, news) -> None:
    assert has_news(cursor, before, now) is news


uid_sets = st.sets(st.integers(1, 300), max_size=80)


@given(st.integers(0, 200), uid_sets, st.integers(1, 320))
def test_p51_every_uid_is_fetched_or_a_gap(cursor: int, listed: set[int], uidnext: int) -> None:
    plan = plan_fetch(Cursor(1, cursor, 1), status(uidnext), sorted(listed))

    missing = {uid for gap in plan.gaps for uid in range(gap.first, gap.last + 1)}
    assert not missing & set(plan.uids)
    assert missing | set(plan.uids) == set(range(cursor + 1, plan.cursor + 1))


@given(uid_sets, st.dictionaries(st.integers(1, 300), st.integers(0, 9_000_000)))
def test_steps_are_bounded_and_leave_nothing_out(listed: set[int], sizes: dict[int, int]) -> None:
    plan = plan_fetch(Cursor(1, 0, 1), status(310), sorted(listed))
    steps = list(fetch_steps(plan, lambda uids: {uid: sizes[uid] for uid in uids if uid in sizes}))

    assert tuple(uid for step in steps for uid in step.uids) == plan.uids
    assert tuple(gap for step in steps for gap in step.gaps) == plan.gaps
    assert [step.cursor for step in steps] == sorted(step.cursor for step in steps)
    assert steps[-1].cursor == plan.cursor
    for step in steps:
        total = sum(sizes.get(uid, 0) for uid in step.uids)
        assert len(step.uids) <= BATCH_COUNT
        assert total <= BATCH_BYTES or len(step.uids) == 1
        assert (step.large is not None) == (total > LARGE_BYTES and len(step.uids) == 1)
        assert all(gap.last <= step.cursor for gap in step.gaps)


def test_sizes_are_asked_for_as_they_are_needed() -> None:
    asked = []
    plan = plan_fetch(None, status(2001), range(1, 2001))
    steps = fetch_steps(plan, lambda uids: asked.append(len(uids)) or {})

    next(steps)

    assert asked == [500]


def test_a_comparison_finds_what_went_came_back_and_was_missed() -> None:
    found = compare([2, 3, 4, 9], live=[1, 2], gone=[3, 5], known=Cursor(1, 8, 1))

    assert (found.gone, found.back, found.missed) == ((1,), (3,), (4,))
