"""What is known around a message: its place, its Message-IDs, what it answers, what we sent.

A Message-ID is an index, never an identity: two messages under the same one are copies only when
their bodies are equal too, and a bounce or a probe is believed only by what we alone can know.
"""

import hmac
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

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
from intake.tickets.triage import COPY, OWN_PROBE, Context

if TYPE_CHECKING:
    from intake.evidence.values import Evidence

PROBE = "probe"  # purpose of SentMessageId and of the token
MOST_ANSWERED = 50  # Message-IDs that are looked up in In-Reply-To and References
MOST_OWN = 50  # Message-ID headers of one message, and ticket tokens in it
MOST_REUSED = 10  # tickets that are told of a Message-ID used again


def find_context(
    session: Session,
    message: Message,
    evidence: "Evidence",
    *,
    desk: Desk,
    open_tickets: bool = False,
) -> Context:
    """Gather what the decision on a message needs, in a fixed number of queries.

    Args:
        session: a session.
        message: the archived message.
        evidence: what it shows.
        desk: what the configuration says.
        open_tickets: also for a message that was only imported, or came before the watch.
    """
    own = normalised(evidence.message_ids)[:MOST_OWN]
    outgoing = _sent_by_us(session, own, evidence, desk)
    bounced = _sent(session, normalised(evidence.delivery_status_of)[:MOST_ANSWERED])
    copied = _copied(session, message, own)
    reused = _reused(session, message, own)
    return Context(
        before_watch=_is_before_watch(session, message, open_tickets=open_tickets),
        valid_probe=_is_probe(session, message, own, evidence.probe_token, desk),
        sent_by_us=outgoing is not None,
        sent_ticket=None if outgoing is None else outgoing.ticket,
        bounced=tuple(one.message_id for one in bounced),
        bounced_ticket=next((one.ticket for one in bounced if one.ticket is not None), None),
        copy_of=None if copied is None else copied.id,
        copy_ticket=None if copied is None else copied.ticket,
        completed_ticket=_completed(session, message),
        answered_ticket=_answered(session, evidence),
        reused_by=tuple(ticket for ticket in reused if ticket is not None)[:MOST_REUSED],
        is_id_reused=bool(reused),
        in_junk=_lies_in_junk(session, message),
        stands_for=message.stands_for,
    )


def normalised(originals: Iterable[str]) -> list[str]:
    """Return Message-IDs normalised, each once, in order; a missing one equals nothing."""
    found = (normalise(one) for one in originals)
    return list(dict.fromkeys(one for one in found if one))


def answered_ids(evidence: "Evidence") -> list[str]:
    """Return what a message answers: In-Reply-To first, then References from last to first."""
    direct = [one for text in evidence.in_reply_to for one in ids_in(text) or [text]]
    thread = [one for text in evidence.references for one in ids_in(text) or [text]]
    return normalised([*direct, *reversed(thread)])[:MOST_ANSWERED]


def _is_before_watch(session: Session, message: Message, *, open_tickets: bool) -> bool:
    if open_tickets:
        return False
    places = _mailboxes(session, message)
    if not places:
        return message.received_from in {"import", "stated"}
    query = select(WatchedMailbox.watch_from).where(col(WatchedMailbox.name).in_(places))
    watch_from = earliest(session.exec(query).all())
    return watch_from is not None and message.received_at < watch_from


def _mailboxes(session: Session, message: Message) -> Sequence[str]:
    """Return where a message lies; a stub may have the note of what is lacking instead."""
    seen = select(Sighting.mailbox).where(Sighting.message == message.id).distinct()
    places = session.exec(seen).all()
    if message.stands_for is None or places:
        return places
    return session.exec(select(UidGap.mailbox).where(UidGap.stub == message.id).distinct()).all()


def _is_probe(
    session: Session, message: Message, own: Sequence[str], token: str | None, desk: Desk
) -> bool:
    """Believe a probe by its token, and once: what is sent again under it is a message."""
    if token is None:
        return False
    valid = [
        one
        for one in own
        for form in (one, f"<{one}>")
        if hmac.compare_digest(desk.token(PROBE, form).encode(), token.encode())
    ]
    if not valid:
        return False
    other = session.exec(
        select(Message.id)
        .join(MessageIdEntry, col(MessageIdEntry.message) == col(Message.id))
        .where(
            col(MessageIdEntry.normalised).in_(valid),
            MessageIdEntry.source == "header",
            Message.decision == OWN_PROBE,
            Message.body_sha256 != message.body_sha256,
        )
    ).first()
    return other is None


def _sent(session: Session, ids: Sequence[str]) -> list[SentMessageId]:
    if not ids:
        return []
    query = select(SentMessageId).where(col(SentMessageId.message_id).in_(ids))
    return list(session.exec(query.order_by(col(SentMessageId.message_id))).all())


def _sent_by_us(
    session: Session, own: Sequence[str], evidence: "Evidence", desk: Desk
) -> SentMessageId | None:
    """Return our own mail that this is; a probe is known by its token only."""
    if not desk.addresses.intersection(evidence.senders):
        return None
    return next((one for one in _sent(session, own) if one.purpose != PROBE), None)


def _copied(session: Session, message: Message, own: Sequence[str]) -> Message | None:
    """Return the message with a ticket that this one repeats, the original before its copies."""
    if not own:
        return None
    query = (
        select(Message)
        .join(MessageIdEntry, col(MessageIdEntry.message) == col(Message.id))
        .where(
            col(MessageIdEntry.normalised).in_(own),
            MessageIdEntry.source == "header",
            Message.body_sha256 == message.body_sha256,
            Message.id != message.id,
            col(Message.ticket).is_not(None),
        )
        .order_by(col(Message.decision) == COPY, col(Message.id))
    )
    return session.exec(query.limit(1)).first()


def _reused(session: Session, message: Message, own: Sequence[str]) -> list[int | None]:
    """Return the tickets of other messages under the same Message-ID with other content."""
    if not own:
        return []
    query = (
        select(Message.ticket)
        .join(MessageIdEntry, col(MessageIdEntry.message) == col(Message.id))
        .where(
            col(MessageIdEntry.normalised).in_(own),
            MessageIdEntry.source == "header",
            Message.body_sha256 != message.body_sha256,
            Message.id != message.id,
        )
        .distinct()
    )
    return sorted(session.exec(query).all(), key=lambda one: (one is None, one))


def _completed(session: Session, message: Message) -> int | None:
    """Return the ticket that was opened before this message could be fetched whole."""
    if message.completes is None:
        return None
    return session.exec(select(Message.ticket).where(Message.id == message.completes)).first()


def _answered(session: Session, evidence: "Evidence") -> int | None:
    """Return the ticket that a message answers, by Message-IDs, then by a ticket token."""
    ids = answered_ids(evidence)
    tickets = _tickets_of(session, ids) if ids else {}
    by_id = next((tickets[one] for one in ids if one in tickets), None)
    return by_id if by_id is not None else _by_token(session, evidence.ticket_tokens)


def _tickets_of(session: Session, ids: Sequence[str]) -> dict[str, int]:
    """Return by Message-ID the ticket of the message that carries it, or of our mail."""
    query = (
        select(MessageIdEntry.normalised, Message.ticket)
        .join(Message, col(MessageIdEntry.message) == col(Message.id))
        .where(
            col(MessageIdEntry.normalised).in_(ids),
            MessageIdEntry.source == "header",
            col(Message.ticket).is_not(None),
        )
        .order_by(
            col(Message.id).desc()
        )  # the first message under an ID is written last, and stays
    )
    found = {one.message_id: one.ticket for one in _sent(session, ids) if one.ticket is not None}
    found |= {text: ticket for text, ticket in session.exec(query) if ticket is not None}
    return found


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


def _lies_in_junk(session: Session, message: Message) -> bool:
    places = session.exec(select(Sighting.in_junk).where(Sighting.message == message.id)).all()
    if message.stands_for is not None and not places:
        places = session.exec(
            select(Folder.is_junk)
            .join(
                UidGap,
                (col(UidGap.mailbox) == col(Folder.mailbox))
                & (col(UidGap.folder) == col(Folder.name)),
            )
            .where(UidGap.stub == message.id)
        ).all()
    return bool(places) and all(places)
