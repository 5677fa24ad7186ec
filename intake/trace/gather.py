"""Gathers what the archive and the accounts of reading know about a message that was asked for."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlmodel import Session, col, select

from intake.archive.coverage import coverage_between
from intake.archive.message_id import parse_query
from intake.archive.search import messages_with_id
from intake.config import MailboxSection
from intake.mailbox.coverage import folder_source
from intake.tables import (
    Coverage,
    Message,
    MessageIdEntry,
    Probe,
    Sighting,
    Ticket,
    UidGap,
    WatchedMailbox,
)
from intake.trace.findings import (
    Findings,
    MailboxRead,
    MessageFound,
    ProbeFound,
    Question,
    SightingFound,
    SourceCoverage,
    Span,
    TicketFound,
    UidGapFound,
)
from intake.trace.near import find_near_misses

AROUND = timedelta(days=2)  # on both sides of the time asked about
FRESH = timedelta(minutes=10)  # a source read this lately was read until now
PROBES = 20
MAIL_LOGS = "the logs of our mail servers (this program does not read them yet)"


def gather(
    session: Session,
    query: str,
    *,
    mailboxes: Sequence[MailboxSection],
    now: datetime,
    sender: str | None = None,
    around: datetime | None = None,
    words: str | None = None,
) -> Findings:
    """Collect everything that speaks for or against a message having reached us.

    Args:
        session: a read session.
        query: a Message-ID in any form that people paste, a digest, or words.
        mailboxes: the configured mailboxes.
        now: the present instant.
        sender: the address that it is said to come from.
        around: when it is said to have been sent.
        words: words of its subject.
    """
    messages = find_messages(session, query)
    question = _question(session, query, messages, sender=sender, around=around, now=now)
    return Findings(
        question=question,
        messages=tuple(_message_found(session, message) for message in messages),
        coverage=tuple(_coverage(session, question)),
        not_read=tuple(_not_read(session, mailboxes)),
        set_aside=tuple(_set_aside(mailboxes)),
        probes=tuple(_probes(session, question)),
        near_misses=find_near_misses(
            session, question, words=words, found=[row for one in messages for row in _rows(one)]
        ),
        mailboxes=tuple(_mailbox_read(session, mailbox) for mailbox in mailboxes),
    )


def find_messages(session: Session, query: str) -> list[Message]:
    """Return the messages that carry the Message-ID, or have the digest, that the query names."""
    digest = query.strip().casefold()
    if re.fullmatch(r"[0-9a-f]{64}", digest):
        by_digest = session.exec(select(Message).where(Message.sha256 == digest)).all()
        if by_digest:
            return list(by_digest)
    found = messages_with_id(session, query)
    return sorted(found, key=lambda message: (message.received_at, message.id or 0))


def _question(
    session: Session,
    query: str,
    messages: Sequence[Message],
    *,
    sender: str | None,
    around: datetime | None,
    now: datetime,
) -> Question:
    message_id = named_id(query)
    if message_id is None and messages:
        message_id = _own_id(session, messages[0])
    if around is not None:
        asked_from: datetime | None = around - AROUND
        asked_to = min(around + AROUND, now)
    else:
        asked_from, asked_to = session.exec(select(func.min(Coverage.from_at))).one(), now
    return Question(
        query=query,
        message_id=message_id,
        sender=sender.strip().strip("<>").casefold() if sender else None,
        around=around,
        asked_from=asked_from,
        asked_to=asked_to,
        now=now,
    )


def named_id(query: str) -> str | None:
    """Return the Message-ID that a query holds, or None if it is words or a digest."""
    message_id = parse_query(query)
    is_prose = "<" not in query and len(query.split()) > 2  # noqa: PLR2004 - "Message-ID: a@b" is no prose
    return message_id if "@" in message_id and not is_prose else None


def _own_id(session: Session, message: Message) -> str | None:
    statement = select(MessageIdEntry.normalised).where(
        MessageIdEntry.message == message.id, MessageIdEntry.source == "header"
    )
    return session.exec(statement.limit(1)).first()


def _message_found(session: Session, message: Message) -> MessageFound:
    ticket = session.get(Ticket, message.ticket) if message.ticket else None
    sightings = session.exec(
        select(Sighting).where(Sighting.message == message.id).order_by(col(Sighting.id))
    ).all()
    return MessageFound(
        sha256=message.sha256,
        received_at=message.received_at,
        received_from=message.received_from,
        first_seen_at=message.first_seen_at,
        sent_at=message.sent_at,
        sender=message.sender,
        subject=message.subject,
        decision=message.decision,
        ticket=None if ticket is None else _ticket_found(ticket),
        sightings=tuple(_sighting_found(sighting) for sighting in sightings),
    )


def _ticket_found(ticket: Ticket) -> TicketFound:
    return TicketFound(
        number=ticket.id or 0,
        state=ticket.state,
        opened_at=ticket.opened_at,
        acknowledged_at=ticket.acknowledged_at,
        acknowledged_by=ticket.acknowledged_by,
        closed_at=ticket.closed_at,
    )


def _sighting_found(sighting: Sighting) -> SightingFound:
    return SightingFound(
        mailbox=sighting.mailbox,
        folder=sighting.folder,
        uidvalidity=sighting.uidvalidity,
        uid=sighting.uid,
        internal_date=sighting.internal_date,
        first_seen_at=sighting.first_seen_at,
        gone_since=sighting.gone_since,
        in_junk=sighting.in_junk,
    )


# ---- how far each source was read --------------------------------------------------------------


def _coverage(session: Session, question: Question) -> Iterable[SourceCoverage]:
    """Yield each folder that was there in the time asked about, with what of it was missed."""
    if question.asked_from is None or question.asked_from >= question.asked_to:
        return
    uid_gaps = _uid_gaps(session, question)
    for span in coverage_between(session, question.asked_from, question.asked_to):
        gaps = [(gap.from_at, gap.to_at) for gap in span.gaps]
        covered = times_between(gaps, span.from_at, span.to_at)
        yield SourceCoverage(
            source=span.source,
            spans=covered,
            gaps=tuple(
                gap
                for gap in gaps
                if not (covered and (_is_fresh(gap, question.now) or _is_first(gap, question)))
            ),
            uid_gaps=tuple(uid_gaps.get(span.source, ())),
        )


def times_between(gaps: Iterable[Span], begin: datetime, end: datetime) -> tuple[Span, ...]:
    """Return what remains of a time when gaps, in order, are taken out of it."""
    remains: list[Span] = []
    at = begin
    for gap_from, gap_to in gaps:
        if gap_from > at:
            remains.append((at, gap_from))
        at = gap_to
    if at < end:
        remains.append((at, end))
    return tuple(remains)


def _is_fresh(gap: Span, now: datetime) -> bool:
    """Say whether a gap is only the time since the last poll."""
    return gap[1] == now and gap[1] - gap[0] <= FRESH


def _is_first(gap: Span, question: Question) -> bool:
    """Say whether a gap is only what the first poll took until it came to a folder.

    Where nobody asked about a time, it begins when the first folder of all was read.
    """
    return question.around is None and gap[0] == question.asked_from and gap[1] - gap[0] <= FRESH


def _rows(message: Message) -> Iterable[int]:
    """Return a message's row, and that of the stub that stood for it."""
    return [row for row in (message.id, message.completes) if row is not None]


def _uid_gaps(session: Session, question: Question) -> dict[str, list[UidGapFound]]:
    """Return gaps in the UIDs that may hold a message of the time asked about, by source."""
    gaps: dict[str, list[UidGapFound]] = {}
    statement = (
        select(UidGap)
        .where(col(UidGap.resolved_at).is_(None))
        .order_by(col(UidGap.mailbox), col(UidGap.folder), col(UidGap.uid_from))
    )
    for row in session.exec(statement).all():
        begin = question.asked_from
        if begin is None or row.noticed_at <= begin or (row.after or begin) > question.asked_to:
            continue
        gap = UidGapFound(
            uidvalidity=row.uidvalidity,
            uid_from=row.uid_from,
            uid_to=row.uid_to,
            after=row.after,
            noticed_at=row.noticed_at,
            reason=row.reason,
        )
        gaps.setdefault(folder_source(row.mailbox, row.folder), []).append(gap)
    return gaps


def _not_read(session: Session, mailboxes: Sequence[MailboxSection]) -> Iterable[str]:
    for mailbox in mailboxes:
        watched = session.get(WatchedMailbox, mailbox.name)
        if watched is None or watched.last_good_poll_at is None:
            yield f"the mailbox {mailbox.name}: it is configured, but was never read"
        elif watched.trouble is not None and watched.trouble_since is not None:
            since = f"{watched.trouble_since:%Y-%m-%d %H:%M} UTC"
            yield f"the mailbox {mailbox.name} since {since}: {watched.trouble}"
        if mailbox.skip_folders:
            folders = ", ".join(mailbox.skip_folders)
            yield f"folders of {mailbox.name} that the configuration leaves out: {folders}"
    yield MAIL_LOGS


def _set_aside(mailboxes: Sequence[MailboxSection]) -> Iterable[str]:
    for mailbox in mailboxes:
        yield f"Drafts and Sent of the mailbox {mailbox.name}, where nothing arrives"


def _probes(session: Session, question: Question) -> Iterable[ProbeFound]:
    statement = (
        select(Probe)
        .where(col(Probe.sent_at) <= question.asked_to)
        .order_by(col(Probe.sent_at).desc())
        .limit(PROBES)
    )
    if question.asked_from is not None:
        statement = statement.where(col(Probe.sent_at) >= question.asked_from)
    rows = reversed(session.exec(statement).all())
    return [ProbeFound(row.sent_at, row.arrived_at, row.address) for row in rows]


def _mailbox_read(session: Session, mailbox: MailboxSection) -> MailboxRead:
    watched = session.get(WatchedMailbox, mailbox.name)
    return MailboxRead(
        name=mailbox.name,
        addresses=tuple(mailbox.addresses),
        hosts=tuple(host for host in mailbox.our_hosts if not _is_network(host)),
        watch_from=mailbox.watch_from if watched is None else watched.watch_from,
        trouble=None if watched is None else watched.trouble,
    )


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
