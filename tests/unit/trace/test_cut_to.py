"""What was read and what was not, within the time asked about."""

from datetime import UTC, datetime, timedelta

from intake.trace.gather import cut_to, named_id

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATER = NOON + 100 * HOUR


def test_a_span_that_reaches_over_both_ends_leaves_no_gap() -> None:
    covered, missed = cut_to([(NOON - HOUR, NOON + 9 * HOUR)], NOON, NOON + HOUR, now=LATER)

    assert covered == ((NOON, NOON + HOUR),)
    assert missed == ()


def test_gaps_lie_before_between_and_after() -> None:
    spans = [(NOON + HOUR, NOON + 2 * HOUR), (NOON + 3 * HOUR, NOON + 4 * HOUR)]

    _, missed = cut_to(spans, NOON, NOON + 5 * HOUR, now=LATER)

    assert missed == (
        (NOON, NOON + HOUR),
        (NOON + 2 * HOUR, NOON + 3 * HOUR),
        (NOON + 4 * HOUR, NOON + 5 * HOUR),
    )


def test_spans_that_overlap_count_once() -> None:
    spans = [
        (NOON, NOON + 3 * HOUR),
        (NOON + HOUR, NOON + 2 * HOUR),
        (NOON + 2 * HOUR, NOON + 5 * HOUR),
    ]

    covered, missed = cut_to(spans, NOON, NOON + 5 * HOUR, now=LATER)

    assert covered == ((NOON, NOON + 3 * HOUR), (NOON + 3 * HOUR, NOON + 5 * HOUR))
    assert missed == ()


def test_the_minutes_since_the_last_poll_are_no_gap() -> None:
    now = NOON + 2 * HOUR
    spans = [(NOON, now - timedelta(minutes=1))]

    assert cut_to(spans, NOON, now, now=now)[1] == ()
    assert cut_to([(NOON, now - HOUR)], NOON, now, now=now)[1] == ((now - HOUR, now),)


def test_nothing_read_is_one_gap() -> None:
    assert cut_to([], NOON, NOON + HOUR, now=LATER) == ((), ((NOON, NOON + HOUR),))
    assert cut_to([], None, NOON, now=LATER) == ((), ())


def test_prose_and_digests_are_no_message_ids() -> None:
    assert named_id("the mail that bob@x.example sent on Sunday") is None
    assert named_id("ab" * 32) is None
    assert named_id("Message-ID: a@b.example") == "a@b.example"
    assert named_id(" <a@b.example>\n") == "a@b.example"
