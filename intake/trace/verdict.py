"""The verdict on a message: what became of it, and how strong that answer is.

A negative is only as strong as the coverage behind it; never a bare 'no'.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from intake.trace.findings import Findings, MessageFound, Question

LATE = timedelta(minutes=15)

Word = Literal[
    "RECEIVED",
    "RECEIVED_LATE",
    "IN_JUNK",
    "QUARANTINED",
    "REJECTED_AT_SMTP",
    "ACCEPTED_THEN_LOST",
    "DELETED_BEFORE_POLL",
    "NEVER_SEEN_WITH_FULL_COVERAGE",
    "NOT_SEEN_WITH_COVERAGE_GAPS",
]


@dataclass(frozen=True)
class Verdict:
    """One word for programs, one sentence for people, and what the answer does not show."""

    word: Word
    sentence: str
    not_shown: tuple[str, ...]

    @property
    def is_there(self) -> bool:
        """Say whether the message is in the archive."""
        return self.word in {"RECEIVED", "RECEIVED_LATE", "IN_JUNK"}


def judge(findings: Findings) -> Verdict:
    """Return the verdict on what was found."""
    if findings.messages:
        return _judge_present(findings)
    return _judge_absent(findings)


def _judge_present(findings: Findings) -> Verdict:
    messages = findings.messages
    first = min(messages, key=lambda message: (message.received_at, message.first_seen_at))
    sightings = [sighting for message in messages for sighting in message.sightings]
    delay = min(message.first_seen_at for message in messages) - first.received_at
    word: Word = "RECEIVED"
    how = "We have this message"
    if sightings and all(sighting.in_junk for sighting in sightings):
        word, how = "IN_JUNK", "We have this message, but it lies in Junk"
    elif delay > LATE:
        word = "RECEIVED_LATE"
        how = f"We have this message, but saw it only {render_delay(delay)} after it was received"
    number = f" ({len(messages)} messages carry this Message-ID)" if len(messages) > 1 else ""
    sentence = f"{how}{number}; {_became(messages)}."
    return Verdict(word, sentence, tuple(_not_shown_of_present(messages)))


def _became(messages: Iterable[MessageFound]) -> str:
    """Say in half a sentence what the message is now."""
    numbers = sorted({message.ticket.number for message in messages if message.ticket})
    if len(numbers) == 1:
        return f"it is in ticket {numbers[0]}"
    if numbers:
        return f"it is in tickets {', '.join(map(str, numbers))}"
    decisions = {message.decision for message in messages}
    if decisions == {"before_watch"}:
        return "it came before the mailbox was watched, so it opened no ticket"
    if decisions == {None}:
        return "it is archived and has not been looked into yet"
    return (
        "it opened no ticket (" + ", ".join(sorted(one or "not decided" for one in decisions)) + ")"
    )


def _not_shown_of_present(messages: Iterable[MessageFound]) -> Iterable[str]:
    yield "Who wrote it: a Message-ID and a sender's address can be forged and repeated."
    if any(message.received_from != "received" for message in messages):
        yield (
            "The exact instant at which our mail system took it: no stamp of our own hosts was "
            "found, so T0 is the next best that we have."
        )
    if any(not message.sightings for message in messages):
        yield "That it ever lay in a mailbox: it was put into the archive by `intake import`."


def _judge_absent(findings: Findings) -> Verdict:
    name = _name(findings.question)
    if _covered_without_a_gap(findings):
        sentence = (
            f"We never saw {name}, and every source that we have was read without a gap from "
            f"{_day(findings.question.asked_from)} to {_day(findings.question.asked_to)}."
        )
        not_shown = ("That it was not sent, or not lost before it reached our mail system.",)
        return Verdict("NEVER_SEEN_WITH_FULL_COVERAGE", sentence, not_shown)
    sentence = f"We have not seen {name}, but {_weakness(findings)}."
    return Verdict("NOT_SEEN_WITH_COVERAGE_GAPS", sentence, tuple(_not_shown_of_absent(findings)))


def _name(question: Question) -> str:
    return "a message with this Message-ID" if question.message_id else "a message like this"


def _covered_without_a_gap(findings: Findings) -> bool:
    """Say whether every source was covered for the whole time, mail logs among them."""
    kinds = {source.kind for source in findings.coverage}
    return (
        {"folder", "mail_log"} <= kinds
        and not findings.not_read
        and all(source.is_complete for source in findings.coverage)
    )


def _weakness(findings: Findings) -> str:
    """Say why the negative is not a proof, the gravest reason first."""
    if not any(source.spans for source in findings.coverage):
        return "no mailbox has been read for the time asked about"
    gaps = sum(len(source.gaps) for source in findings.coverage)
    uids = sum(gap.uid_to - gap.uid_from + 1 for s in findings.coverage for gap in s.uid_gaps)
    reasons = []
    if gaps:
        reasons.append(f"reading has {count(gaps, 'gap')}")
    if uids:
        reasons.append(f"{count(uids, 'message')} may have come without our having them")
    if not any(source.kind == "mail_log" for source in findings.coverage):
        reasons.append("the logs of the mail servers are not among our sources")
    if len(reasons) < 2:  # noqa: PLR2004
        return "".join(reasons) or "not everything was read"
    return f"{', '.join(reasons[:-1])} and {reasons[-1]}"


def _not_shown_of_absent(findings: Findings) -> Iterable[str]:
    yield "That the message was not sent."
    if not any(source.kind == "mail_log" for source in findings.coverage):
        yield (
            "That our mail servers did not take, refuse or quarantine it: their logs are not among "
            "the sources."
        )
    if any(source.uid_gaps for source in findings.coverage):
        yield (
            "That it is not one of the UIDs that were assigned and that we don't have, taken out "
            "before we looked (a suspicion, no proof; servers may skip UIDs)."
        )
    if any(source.gaps for source in findings.coverage) or not findings.coverage:
        yield "Anything about the times that were not read."
    if findings.question.message_id is None:
        yield "Anything about a certain Message-ID: the query holds none."


def count(number: int, thing: str) -> str:
    """Write `1 gap`, `2 gaps`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def render_delay(delay: timedelta) -> str:
    """Write how long something took, for people: `20 minutes`, `3 hours`, `12 days`."""
    minutes = int(delay.total_seconds() // 60)
    if minutes < 120:  # noqa: PLR2004
        return count(minutes, "minute")
    hours = minutes // 60
    return count(hours, "hour") if hours < 72 else count(hours // 24, "day")  # noqa: PLR2004


def _day(instant: datetime | None) -> str:
    return "the beginning" if instant is None else f"{instant:%Y-%m-%d %H:%M} UTC"
