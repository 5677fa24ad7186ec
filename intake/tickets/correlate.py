"""What is known around messages: their places, their Message-IDs, what they answer, what we sent.

A Message-ID is an index, never an identity: two messages under the same one are copies only when
their bodies are equal too, and a bounce or a probe is believed only by what we alone can know.
All that a batch of messages needs is asked for at once; what one of them becomes is known to the
ones behind it.
"""

import hmac
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING

from sqlalchemy import Select
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from intake.archive.message_id import ids_in, normalise
from intake.tables import (
    Folder,
    Message,
    MessageIdEntry,
    SentMessageId,
    Sighting,
    Ticket,
    UidGap,
    WatchedMailbox,
)
from intake.tickets.desk import Desk
from intake.tickets.obligations import earliest
from intake.tickets.owed import MOST_NUMBER
from intake.tickets.triage import COPY, OWN_PROBE, Context, Decision

if TYPE_CHECKING:
    from intake.evidence.values import Evidence

PROBE = "probe"  # purpose of SentMessageId and of the token
MOST_ANSWERED = 30  # Message-IDs that are looked up in In-Reply-To and References
MOST_OWN = 50  # Message-ID headers of one message, and ticket tokens in it
MOST_REUSED = 10  # tickets that are told of a Message-ID used again
MOST_CARRIERS = 1000  # messages under one Message-ID that are looked at, the oldest first
AT_ONCE = 400  # Message-IDs named in one statement


@dataclass
class Carrier:
    """A message under a Message-ID, and what became of it so far."""

    id: int
    body_sha256: str
    decision: str | None
    ticket: int | None


@dataclass
class Place:
    """Where a message lies."""

    mailbox: str
    in_junk: bool


@dataclass
class NamedIds:
    """The Message-IDs by which a message is related to others, normalised."""

    own: list[str]
    answered: list[str]  # only the nearest one, if that has a ticket already
    bounced: list[str]


@dataclass
class Surroundings:
    """What is known around a batch of messages."""

    open_tickets: bool = False  # also for what was only imported, or came before the watch
    named: dict[int, NamedIds] = field(default_factory=dict)  # by the message's row
    carriers: dict[int, Carrier] = field(default_factory=dict)  # by the message's row
    by_id: dict[str, list[Carrier]] = field(default_factory=dict)  # oldest first
    sent: dict[str, SentMessageId] = field(default_factory=dict)
    places: dict[int, list[Place]] = field(default_factory=dict)  # by the message's row
    watch_from: dict[str, datetime] = field(default_factory=dict)  # by mailbox

    def note(self, message: Message, decision: Decision) -> None:
        """Have the messages behind this one know what it becomes."""
        carrier = self.carriers.get(message.id or 0)
        if carrier is not None:
            carrier.decision, carrier.ticket = decision.kind, decision.ticket


def look_around(
    session: Session,
    read: Sequence[tuple[Message, "Evidence"]],
    *,
    open_tickets: bool = False,
) -> Surroundings:
    """Gather what the decisions on messages need, in a fixed number of queries.

    Most replies answer a message that has a ticket: what else they refer to is not looked up.

    Args:
        session: a session.
        read: the archived messages with what they show.
        open_tickets: also for a message that was only imported, or came before the watch.
    """
    around = Surroundings(open_tickets=open_tickets)
    around.named = {message.id or 0: named_ids(evidence) for message, evidence in read}
    near = dict.fromkeys(text for one in around.named.values() for text in _all_of(one))
    _load(session, around, list(near))
    for message, evidence in read:
        named = around.named[message.id or 0]
        if all(_ticket_under(around, one) is None for one in named.answered):
            named.answered = answered_ids(evidence)
    far = dict.fromkeys(text for one in around.named.values() for text in one.answered)
    _load(session, around, [one for one in far if one not in near])
    around.places = _places(session, [message for message, _ in read])
    watched = select(WatchedMailbox.name, WatchedMailbox.watch_from)
    around.watch_from = dict(session.exec(watched).all())
    return around


def find_context(
    session: Session, message: Message, evidence: "Evidence", around: Surroundings, *, desk: Desk
) -> Context:
    """Return what the decision on one message of a batch needs.

    What few messages need (stubs, ticket tokens) is asked for only where it is needed.
    """
    named = around.named[message.id or 0]
    own = named.own
    outgoing = _sent_by_us(around, own, evidence, desk)
    bounced = [around.sent[one] for one in sorted(named.bounced) if one in around.sent]
    others = _others(around, message, own)
    copied = _copied(others, message)
    reused = _reused(others, message)
    places = around.places.get(message.id or 0, [])
    return Context(
        before_watch=_is_before_watch(around, message, places),
        valid_probe=_is_probe(others, message, own, evidence.probe_token, desk),
        sent_by_us=outgoing is not None,
        sent_ticket=None if outgoing is None else outgoing.ticket,
        bounced=tuple(one.message_id for one in bounced),
        bounced_ticket=next((one.ticket for one in bounced if one.ticket is not None), None),
        copy_of=None if copied is None else copied.id,
        copy_ticket=None if copied is None else copied.ticket,
        completed_ticket=_completed(session, message),
        answered_ticket=_answered(session, around, named.answered, evidence),
        reused_by=tuple(ticket for ticket in reused if ticket is not None)[:MOST_REUSED],
        is_id_reused=bool(reused),
        in_junk=bool(places) and all(one.in_junk for one in places),
        stands_for=message.stands_for,
    )


def normalised(originals: Iterable[str]) -> list[str]:
    """Return Message-IDs normalised, each once, in order; a missing one equals nothing."""
    found = (normalise(one) for one in originals)
    return list(dict.fromkeys(one for one in found if one))


def named_ids(evidence: "Evidence") -> NamedIds:
    """Return the Message-IDs by which a message is related to others."""
    return NamedIds(
        own=normalised(evidence.message_ids)[:MOST_OWN],
        answered=answered_ids(evidence, most=1),
        bounced=normalised(evidence.delivery_status_of)[:MOST_ANSWERED],
    )


def answered_ids(evidence: "Evidence", *, most: int = MOST_ANSWERED) -> list[str]:
    """Return what a message answers: In-Reply-To first, then References from last to first."""
    texts = chain(evidence.in_reply_to, reversed(evidence.references))
    each = (one for text in texts for one in ids_in(text) or [text])
    return normalised(islice(each, most))


def _all_of(named: NamedIds) -> Iterator[str]:
    yield from named.own
    yield from named.answered
    yield from named.bounced


# ---- asked for at once -------------------------------------------------------------------------


def _load(session: Session, around: Surroundings, ids: Sequence[str]) -> None:
    """Gather who carries these Message-IDs, and which of them we sent."""
    for start in range(0, len(ids), AT_ONCE):
        chunk = ids[start : start + AT_ONCE]
        _load_carriers(session, around, chunk)
        query = select(SentMessageId).where(col(SentMessageId.message_id).in_(chunk))
        around.sent |= {one.message_id: one for one in session.exec(query)}


def _load_carriers(session: Session, around: Surroundings, ids: Sequence[str]) -> None:
    most = AT_ONCE + MOST_CARRIERS
    rows = session.execute(_carriers(ids).limit(most)).all()
    if len(rows) == most:  # somebody uses the same Message-ID again and again
        each = (session.execute(_carriers([one]).limit(MOST_CARRIERS)) for one in ids)
        rows = sorted((row for found in each for row in found), key=lambda row: int(row[1]))
    for message_id, row, body_sha256, decision, ticket in rows:
        carrier = around.carriers.setdefault(row, Carrier(row, body_sha256, decision, ticket))
        around.by_id.setdefault(message_id, []).append(carrier)


def _carriers(ids: Sequence[str]) -> Select[str, int, str, str | None, int | None]:
    return (
        select_columns(
            col(MessageIdEntry.normalised),
            col(MessageIdEntry.message),
            col(Message.body_sha256),
            col(Message.decision),
            col(Message.ticket),
        )
        .join(Message, col(MessageIdEntry.message) == col(Message.id))
        .where(col(MessageIdEntry.normalised).in_(ids), col(MessageIdEntry.source) == "header")
        .order_by(col(MessageIdEntry.message))
    )


def _places(session: Session, messages: Sequence[Message]) -> dict[int, list[Place]]:
    """Return where messages lie; a stub may have the note of what is lacking instead."""
    places: dict[int, list[Place]] = defaultdict(list)
    query = select_columns(col(Sighting.message), col(Sighting.mailbox), col(Sighting.in_junk))
    rows = [message.id for message in messages]
    for row, mailbox, in_junk in session.execute(query.where(col(Sighting.message).in_(rows))):
        places[row].append(Place(mailbox, in_junk))
    for message in messages:
        if message.stands_for is not None and message.id not in places:
            places[message.id or 0] = list(_places_of_stub(session, message))
    return places


def _places_of_stub(session: Session, stub: Message) -> Iterator[Place]:
    lacking = (
        select_columns(col(UidGap.mailbox), col(Folder.is_junk))
        .outerjoin(
            Folder,
            (col(UidGap.mailbox) == col(Folder.mailbox)) & (col(UidGap.folder) == col(Folder.name)),
        )
        .where(col(UidGap.stub) == stub.id)
    )
    for mailbox, is_junk in session.execute(lacking):
        yield Place(mailbox, bool(is_junk))


# ---- for one message ---------------------------------------------------------------------------


def _is_before_watch(around: Surroundings, message: Message, places: Sequence[Place]) -> bool:
    if around.open_tickets:
        return False
    if not places:
        return message.received_from in {"import", "stated"}
    watch_from = earliest(around.watch_from.get(one.mailbox) for one in places)
    return watch_from is not None and message.received_at < watch_from


def _others(around: Surroundings, message: Message, own: Sequence[str]) -> list[Carrier]:
    """Return the other messages under the Message-IDs of this one, the oldest first."""
    found = {one.id: one for text in own for one in around.by_id.get(text, ())}
    found.pop(message.id or 0, None)
    return [found[row] for row in sorted(found)]


def _is_probe(
    others: Sequence[Carrier], message: Message, own: Sequence[str], token: str | None, desk: Desk
) -> bool:
    """Believe a probe by its token, and once: what is sent again under it is a message."""
    if token is None or not any(
        hmac.compare_digest(desk.token(PROBE, form).encode(), token.encode())
        for one in own
        for form in (one, f"<{one}>")
    ):
        return False
    return not any(
        one.decision == OWN_PROBE and one.body_sha256 != message.body_sha256 for one in others
    )


def _sent_by_us(
    around: Surroundings, own: Sequence[str], evidence: "Evidence", desk: Desk
) -> SentMessageId | None:
    """Return our own mail that this is; a probe is known by its token only."""
    if not desk.addresses.intersection(evidence.senders):
        return None
    sent = (around.sent[one] for one in sorted(own) if one in around.sent)
    return next((one for one in sent if one.purpose != PROBE), None)


def _copied(others: Sequence[Carrier], message: Message) -> Carrier | None:
    """Return the message with a ticket that this one repeats, the original before its copies."""
    same = [
        one for one in others if one.ticket is not None and one.body_sha256 == message.body_sha256
    ]
    return min(same, key=lambda one: (one.decision == COPY, one.id), default=None)


def _reused(others: Sequence[Carrier], message: Message) -> list[int | None]:
    """Return the tickets of other messages under the same Message-ID with other content."""
    tickets = {one.ticket for one in others if one.body_sha256 != message.body_sha256}
    return sorted(tickets, key=lambda one: (one is None, one))


def _completed(session: Session, message: Message) -> int | None:
    """Return the ticket that was opened before this message could be fetched whole."""
    if message.completes is None:
        return None
    return session.exec(select(Message.ticket).where(Message.id == message.completes)).first()


def _answered(
    session: Session, around: Surroundings, answered: Sequence[str], evidence: "Evidence"
) -> int | None:
    """Return the ticket that a message answers, by Message-IDs, then by a ticket token."""
    for one in answered:
        ticket = _ticket_under(around, one)
        if ticket is not None:
            return ticket
    return _by_token(session, evidence.ticket_tokens)


def _ticket_under(around: Surroundings, message_id: str) -> int | None:
    """Return the ticket of the oldest message under a Message-ID that has one, or of ours."""
    carriers = around.by_id.get(message_id, ())
    ticket = next((known.ticket for known in carriers if known.ticket is not None), None)
    if ticket is None and message_id in around.sent:
        ticket = around.sent[message_id].ticket
    return ticket


def _by_token(session: Session, tokens: Iterable[tuple[int, str]]) -> int | None:
    for number, token in islice(tokens, MOST_OWN):
        ticket = session.get(Ticket, number) if 0 < number <= MOST_NUMBER else None
        if ticket is None:  # a restore may have given it another number; the token is as it was
            same = select(Ticket).where(Ticket.token == token.lower())
            ticket = session.exec(same).first()
        if ticket is not None and hmac.compare_digest(
            ticket.token.encode(), token.lower().encode()
        ):
            return ticket.id
    return None
