"""What to do next after a trace: commands to run, and words for the person who asks."""

import shlex
from collections.abc import Iterable, Iterator

from intake.trace.findings import Findings, MessageFound, Question
from intake.trace.verdict import Verdict


def next_commands(findings: Findings, verdict: Verdict) -> list[str]:
    """Return commands worth running next, the most useful first, quoted for the shell."""
    lines = _after_found(findings) if verdict.is_there else _after_not_found(findings)
    return list(dict.fromkeys(lines))


def _after_found(findings: Findings) -> Iterator[str]:
    for message in findings.messages:
        if message.ticket is not None:
            yield f"intake ticket show {message.ticket.number}"
    for message in findings.messages:
        yield f"intake message show {message.sha256[:16]}"
    if any(message.decision is None for message in findings.messages):
        yield "intake poll   # unless the service runs: reads what is archived and opens its ticket"


def _after_not_found(findings: Findings) -> Iterator[str]:
    question = findings.question
    for miss in findings.near_misses[:3]:
        yield f"intake message show {miss.sha256[:16]}"
    if question.sender is None or question.around is None:
        yield _ask_again(question)
    if question.message_id is not None:
        hosts = sorted({host for mailbox in findings.mailboxes for host in mailbox.hosts})
        where = f"   # on {', '.join(hosts)}" if hosts else "   # on the mail servers (MX)"
        yield f"zgrep -hF -- {shlex.quote(question.message_id)} /var/log/mail.log*{where}"
    yield "intake check --live   # proves that the way in works now"


def _ask_again(question: Question) -> str:
    sender = question.sender or "ADDRESS"
    around = "TIME" if question.around is None else f"{question.around:%Y-%m-%dT%H:%M:%SZ}"
    query = shlex.quote(question.query.strip())
    return f"intake trace {query} --from {shlex.quote(sender)} --around {around}   # near misses"


def letter(findings: Findings, verdict: Verdict) -> str:
    """Return words that could be sent to the person who asks about a message that is not there.

    Honest and dated; they claim nothing that was not checked.
    """
    if verdict.is_there:
        return ""
    paragraphs = [
        _what_we_looked_for(findings),
        _how_far_we_looked(findings),
        _what_we_ask(findings),
    ]
    return "\n\n".join(paragraphs)


def _what_we_looked_for(findings: Findings) -> str:
    question = findings.question
    which = "" if question.message_id is None else f" with the Message-ID <{question.message_id}>"
    who = f" from {question.sender}" if question.sender else ""
    when = "" if question.around is None else f" of about {question.around:%d %B %Y, %H:%M} UTC"
    return (
        f"We looked for your message{which}{who}{when}. As of {question.now:%d %B %Y, %H:%M} UTC "
        "it is not among the messages that we have kept from our problem-report "
        f"{_mailboxes(findings)}."
    )


def _mailboxes(findings: Findings) -> str:
    addresses = [one for mailbox in findings.mailboxes for one in mailbox.addresses]
    if not addresses:
        return "mailbox"
    return ("mailbox " if len(addresses) == 1 else "mailboxes ") + ", ".join(addresses)


def _how_far_we_looked(findings: Findings) -> str:
    spans = [span for source in findings.coverage for span in source.spans]
    if not spans:
        return "We have no record of having read the mailbox at that time, so this proves nothing."
    begin, end = min(span[0] for span in spans), max(span[1] for span in spans)
    period = f"from {begin:%d %B %Y, %H:%M} to {end:%d %B %Y, %H:%M} UTC"
    if all(source.is_complete for source in findings.coverage):
        text = f"Our records show that the mailbox was read without a gap {period}."
    else:
        text = f"Our records of reading the mailbox run {period}, but have gaps in that time."
    if not any(source.kind == "mail_log" for source in findings.coverage):
        text += (
            " We have not yet compared this with the logs of our mail servers, so we can't say "
            "whether your message reached them, and we do not say that you did not send it."
        )
    return text


def _what_we_ask(findings: Findings) -> str:
    address = next((one for m in findings.mailboxes for one in m.addresses), "the same address")
    return (
        f"Could you send it again to {address}, if possible with the original attached as a file "
        "(.eml)? If you can see it, please add the line in which your mail server noted the "
        "delivery: the time, the host that it spoke to, and that host's answer (often "
        "'250 … queued as …'). With it we can find where the message went."
    )


def paragraphs_of(messages: Iterable[MessageFound]) -> Iterator[tuple[str, str, str]]:
    """Yield a time line of each message: when, what, and where that is known from."""
    for message in messages:
        yield from _time_line(message)


def _time_line(message: MessageFound) -> Iterator[tuple[str, str, str]]:
    if message.sent_at is not None:
        yield _row(message.sent_at, "sent", "what the sender claims (Date)")
    yield _row(message.received_at, "received (T0)", STAMPED.get(message.received_from, ""))
    for sighting in message.sightings:
        place = f"{sighting.mailbox} / {sighting.folder}{' (JUNK)' if sighting.in_junk else ''}"
        numbers = f"UIDVALIDITY {sighting.uidvalidity}, UID {sighting.uid}"
        yield _row(sighting.first_seen_at, f"seen in {place}", numbers)
        if sighting.gone_since is not None:
            yield _row(
                sighting.gone_since, f"gone from {place}", "moved or deleted by somebody else"
            )
    if not message.sightings:
        yield _row(message.first_seen_at, "put into the archive", "by `intake import`")
    yield from _ticket_lines(message)


def _ticket_lines(message: MessageFound) -> Iterator[tuple[str, str, str]]:
    ticket = message.ticket
    decided = DECISIONS.get(message.decision, message.decision or "")
    if ticket is None:
        yield "", f"no ticket: {decided}", ""
        return
    yield _row(ticket.opened_at, f"ticket {ticket.number} opened", decided)
    if ticket.acknowledged_at is not None:
        yield _row(ticket.acknowledged_at, "acknowledged", f"by {ticket.acknowledged_by}")
    elif ticket.closed_at is None:
        yield "", "NOT ACKNOWLEDGED by anybody yet", ""
    if ticket.closed_at is not None:
        yield _row(ticket.closed_at, f"ticket {ticket.number} closed", "")


def _row(at: object, what: str, known_from: str) -> tuple[str, str, str]:
    return f"{at:%Y-%m-%d %H:%M:%S}", what, known_from


STAMPED = {
    "received": "stamp of our own mail host (Received)",
    "internal_date": "date of the mailbox (INTERNALDATE); no stamp of our own hosts was found",
    "first_seen": "when we first saw it; nothing else was to be trusted",
    "import": "time of the import; nothing in it was to be trusted",
    "stated": "stated at the import",
}

DECISIONS: dict[str | None, str] = {
    None: "it is archived and waits to be looked into",
    "ticket": "for this message",
    "follow_up": "this message followed it up",
    "copy": "this message is a copy of its first one",
    "before_watch": "it came before the mailbox was watched",
    "own_outgoing": "it is our own outgoing mail",
    "own_probe": "it is our own test message",
    "delivery_status": "it is the delivery status of a message that we sent",
}
