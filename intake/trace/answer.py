"""The answer to a trace as text for people: the verdict in a sentence first, then why."""

import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime

from intake.config import Config
from intake.database import Database
from intake.trace.findings import Findings, SourceCoverage, Span, UidGapFound
from intake.trace.gather import gather
from intake.trace.verdict import Verdict, judge
from intake.trace.words import letter, next_commands, paragraphs_of

WIDTH = 96
MOST_GAPS = 5  # told of each source
MOST_PROBES = 5


def trace_text(database: Database, config: Config, query: str, *, now: datetime) -> str:
    """Return what became of a message, as text; mail text in it is as the sender wrote it."""
    with database.read() as session:
        findings = gather(session, query, mailboxes=config.mailbox, now=now)
    return render_answer(findings, judge(findings))


def render_answer(findings: Findings, verdict: Verdict) -> str:
    """Return the whole answer: verdict, evidence, coverage, limits, and what to do next."""
    parts = [
        f"{verdict.word}: {verdict.sentence}",
        _asked(findings),
        _messages(findings),
        _near_misses(findings),
        _coverage(findings),
        _probes(findings),
        _list("This does not show", verdict.not_shown),
        _list("Next", next_commands(findings, verdict), bullet="  "),
        _letter(letter(findings, verdict)),
    ]
    return "\n\n".join(part for part in parts if part)


def _asked(findings: Findings) -> str:
    question = findings.question
    lines = []
    if question.message_id is not None:
        lines.append(f"Message-ID  <{question.message_id}>")
    if question.sender is not None:
        lines.append(f"from        {question.sender}")
    if question.around is not None:
        lines.append(f"around      {_stamp(question.around)} UTC, two days on both sides")
    return "\n".join(lines)


def _messages(findings: Findings) -> str:
    blocks = []
    for message in findings.messages:
        head = f"{message.sender or 'sender unknown'}: {message.subject or '(no subject)'}"
        rows = list(paragraphs_of([message]))
        lines = [f"Message {message.sha256[:16]}  {_short(head)}", *_columns(rows)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _near_misses(findings: Findings) -> str:
    if not findings.near_misses:
        return "" if findings.messages else "Near misses: none."
    lines = ["Near misses (the likeliest first):"]
    for miss in findings.near_misses:
        ticket = "" if miss.ticket is None else f", ticket {miss.ticket}"
        title = f"{miss.sender or 'sender unknown'}: {miss.subject or '(no subject)'}"
        lines.append(
            f"  {miss.sha256[:16]}  {_stamp(miss.received_at)}{ticket}  {_short(title, 60)}"
        )
        lines += _wrapped(miss.why, indent="      ")
    return "\n".join(lines)


def _coverage(findings: Findings) -> str:
    question = findings.question
    begin = "the beginning" if question.asked_from is None else _stamp(question.asked_from)
    lines = [f"What was read, {begin} to {_stamp(question.asked_to)} UTC:"]
    if not findings.coverage:
        lines.append("  nothing: no folder has been read yet")
    for source in findings.coverage:
        lines += _source_lines(source)
    for what in findings.not_read:
        lines += _wrapped(f"not read: {what}", indent="  ", hanging="    ")
    for what in findings.set_aside:
        lines += _wrapped(f"left out on purpose: {what}", indent="  ", hanging="    ")
    return "\n".join(lines)


def _source_lines(source: SourceCoverage) -> Iterator[str]:
    if source.is_complete:
        yield f"  complete  {source.source}: {_span((source.spans[0][0], source.spans[-1][1]))}"
        return
    if not source.spans:
        yield f"  NOT READ  {source.source}"
        return
    yield f"  GAPS      {source.source}: {_span((source.spans[0][0], source.spans[-1][1]))}"
    for gap in source.gaps[:MOST_GAPS]:
        yield f"              not read {_span(gap)}"
    if len(source.gaps) > MOST_GAPS:
        yield f"              and {len(source.gaps) - MOST_GAPS} more"
    for uids in source.uid_gaps[:MOST_GAPS]:
        yield f"              {uids}: {_what_became(uids)}"
    if len(source.uid_gaps) > MOST_GAPS:
        yield f"              and {len(source.uid_gaps) - MOST_GAPS} more"


def _what_became(uids: UidGapFound) -> str:
    if uids.reason == "unreadable":
        return f"on the server, but it does not hand them out (noticed {_stamp(uids.noticed_at)})"
    if uids.reason == "oversized":
        return f"large, and being fetched in pieces (noticed {_stamp(uids.noticed_at)})"
    after = "before the first reading" if uids.after is None else f"after {_stamp(uids.after)}"
    return f"assigned {after}, and gone when we looked at {_stamp(uids.noticed_at)}"


def _probes(findings: Findings) -> str:
    if not findings.probes:
        return ""
    lines = ["Test messages that we sent in that time:"]
    for probe in findings.probes[-MOST_PROBES:]:
        arrived = (
            "did NOT arrive" if probe.arrived_at is None else f"arrived {_stamp(probe.arrived_at)}"
        )
        lines.append(f"  {_stamp(probe.sent_at)}  to {probe.address}: {arrived}")
    return "\n".join(lines)


def _list(title: str, entries: Sequence[str], *, bullet: str = "  - ") -> str:
    if not entries:
        return ""
    lines = [f"{title}:"]
    for entry in entries:
        whole = bullet.strip() == ""  # commands are never broken
        lines += [bullet + entry] if whole else _wrapped(entry, indent=bullet, hanging="    ")
    return "\n".join(lines)


def _letter(text: str) -> str:
    if not text:
        return ""
    paragraphs = [
        "\n".join(_wrapped(paragraph, indent="  | ", hanging="  | "))
        for paragraph in text.split("\n\n")
    ]
    return "Words that could be sent to the person who asks:\n" + "\n  |\n".join(paragraphs)


def _columns(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    width = max((len(row[1]) for row in rows), default=0)
    return [f"  {at:<19}  {what:<{width}}  {known_from}".rstrip() for at, what, known_from in rows]


def _wrapped(text: str, *, indent: str, hanging: str | None = None) -> list[str]:
    following = indent if hanging is None else hanging
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=following, break_long_words=False
    )


def _short(text: str, limit: int = 72) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _span(span: Span) -> str:
    return f"{_stamp(span[0])} to {_stamp(span[1])}"


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
