"""What was asked, and what remains of a time when gaps are taken out."""

from datetime import UTC, datetime, timedelta

from intake.trace.gather import named_id, times_between

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_time_without_gaps_is_one_span() -> None:
    assert times_between([], NOON, NOON + HOUR) == ((NOON, NOON + HOUR),)


def test_gaps_at_both_ends_and_between_leave_two_spans() -> None:
    gaps = [
        (NOON, NOON + HOUR),
        (NOON + 2 * HOUR, NOON + 3 * HOUR),
        (NOON + 4 * HOUR, NOON + 5 * HOUR),
    ]

    assert times_between(gaps, NOON, NOON + 5 * HOUR) == (
        (NOON + HOUR, NOON + 2 * HOUR),
        (NOON + 3 * HOUR, NOON + 4 * HOUR),
    )


def test_one_gap_over_all_leaves_nothing() -> None:
    assert times_between([(NOON, NOON + HOUR)], NOON, NOON + HOUR) == ()


def test_prose_and_digests_are_no_message_ids() -> None:
    assert named_id("the mail that bob@x.example sent on Sunday") is None
    assert named_id("ab" * 32) is None
    assert named_id("Message-ID: a@b.example") == "a@b.example"
    assert named_id(" <a@b.example>\n") == "a@b.example"
