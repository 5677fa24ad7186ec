"""The verdict: the contract's rule, row by row."""

from datetime import UTC, datetime, timedelta

import pytest

from intake.trace.findings import (
    Findings,
    MessageFound,
    Question,
    SightingFound,
    SourceCoverage,
    UidGapFound,
)
from intake.trace.verdict import judge, render_delay

T0 = datetime(2017, 8, 13, 4, 45, 12, tzinfo=UTC)
DAY = timedelta(days=1)
QUESTION = Question(
    query="<a@b.example>", message_id="a@b.example", sender=None, around=T0,
    asked_from=T0 - 2 * DAY, asked_to=T0 + 2 * DAY, now=T0 + 9 * DAY,
)  # fmt: skip
WHOLE = ((T0 - 2 * DAY, T0 + 2 * DAY),)
INBOX = SourceCoverage("mailbox cps folder INBOX", WHOLE, ())
MAIL_LOG = SourceCoverage("mail log mx1", WHOLE, (), kind="mail_log")
GAP = UidGapFound(1, 7, 9, T0 - DAY, T0)


def sighting(*, junk: bool = False) -> SightingFound:
    folder = "Junk" if junk else "INBOX"
    return SightingFound("cps", folder, 1, 7, T0, T0, None, in_junk=junk)


def message(
    *sightings: SightingFound, late: timedelta = timedelta(0), **more: object
) -> MessageFound:
    values: dict[str, object] = {"decision": "ticket", "ticket": None, **more}
    return MessageFound(
        sha256="ab" * 32, received_at=T0, received_from="received", first_seen_at=T0 + late,
        sent_at=None, sender=None, subject=None, sightings=sightings, **values,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("messages", "word"),
    [
        ([message(sighting())], "RECEIVED"),
        ([message(sighting(), late=timedelta(minutes=15))], "RECEIVED"),
        ([message(sighting(), late=timedelta(minutes=15, seconds=1))], "RECEIVED_LATE"),
        ([message(sighting(junk=True))], "IN_JUNK"),
        ([message(sighting(junk=True), late=DAY)], "IN_JUNK"),
        ([message(sighting(junk=True), sighting())], "RECEIVED"),
        ([message(sighting(junk=True)), message(sighting())], "RECEIVED"),
        ([message(sighting(junk=True)), message()], "IN_JUNK"),
        ([message(sighting(), late=DAY), message(sighting())], "RECEIVED"),
        ([message()], "RECEIVED"),
    ],
)
def test_a_message_that_is_there_is_judged_by_place_and_time(
    messages: list[MessageFound], word: str
) -> None:
    verdict = judge(Findings(QUESTION, messages=tuple(messages)))

    assert verdict.word == word
    assert verdict.is_there


@pytest.mark.parametrize(
    ("coverage", "not_read", "word"),
    [
        ([INBOX, MAIL_LOG], [], "NEVER_SEEN_WITH_FULL_COVERAGE"),
        ([INBOX], [], "NOT_SEEN_WITH_COVERAGE_GAPS"),
        ([MAIL_LOG], [], "NOT_SEEN_WITH_COVERAGE_GAPS"),
        ([INBOX, MAIL_LOG], ["the mailbox abuse"], "NOT_SEEN_WITH_COVERAGE_GAPS"),
        ([], [], "NOT_SEEN_WITH_COVERAGE_GAPS"),
        (
            [SourceCoverage("mailbox cps folder INBOX", WHOLE, ((T0, T0 + DAY),)), MAIL_LOG],
            [],
            "NOT_SEEN_WITH_COVERAGE_GAPS",
        ),
        (
            [SourceCoverage("mailbox cps folder INBOX", WHOLE, (), (GAP,)), MAIL_LOG],
            [],
            "NOT_SEEN_WITH_COVERAGE_GAPS",
        ),
        (
            [SourceCoverage("mailbox cps folder INBOX", (), ()), MAIL_LOG],
            [],
            "NOT_SEEN_WITH_COVERAGE_GAPS",
        ),
    ],
)
def test_a_negative_is_full_only_if_every_source_was_read_and_mail_logs_are_among_them(
    coverage: list[SourceCoverage], not_read: list[str], word: str
) -> None:
    verdict = judge(Findings(QUESTION, coverage=tuple(coverage), not_read=tuple(not_read)))

    assert verdict.word == word
    assert not verdict.is_there


def test_a_negative_says_in_one_sentence_why_it_is_no_proof() -> None:
    gapped = SourceCoverage("mailbox cps folder INBOX", WHOLE, ((T0, T0 + DAY),), (GAP,))

    verdict = judge(Findings(QUESTION, coverage=(gapped,)))

    assert verdict.sentence == (
        "We have not seen a message with this Message-ID, but reading has 1 gap, 3 messages may "
        "have come without our having them and the logs of the mail servers are not among our "
        "sources."
    )
    assert any("was not sent" in text for text in verdict.not_shown)


def test_mail_from_before_the_watch_is_said_to_have_no_ticket() -> None:
    found = message(sighting(), late=DAY, decision="before_watch")

    verdict = judge(Findings(QUESTION, messages=(found,)))

    assert "opened no ticket" in verdict.sentence


@pytest.mark.parametrize(
    ("delay", "text"),
    [
        (timedelta(seconds=59), "0 minutes"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=119), "119 minutes"),
        (timedelta(hours=20), "20 hours"),
        (timedelta(days=12), "12 days"),
    ],
)
def test_delays_are_told_in_the_unit_that_people_use(delay: timedelta, text: str) -> None:
    assert render_delay(delay) == text
