"""Messages that belong to a ticket that is there: follow-ups, copies and bounces of our mail.

A follow-up takes up what was closed and starts clocks of its own; a merge of messages never
discards the earlier T0.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from intake.events import SERVICE, Happened, record_event, record_events
from intake.tables import Item, Message, Obligation, Ticket
from intake.tickets.desk import Desk
from intake.tickets.items import Added, Addition, add_items
from intake.tickets.obligations import ACKNOWLEDGEMENT, REPORTS, Owed, obligations_for
from intake.tickets.owed import (
    first_owed,
    forget_closing,
    load_ticket,
    number_of,
    owed_row,
    refresh_state,
    set_state,
    start_many,
    take_up,
    waived_by_closing,
)
from intake.tickets.tell import want_card, want_cards
from intake.tickets.tracks import plan_next, plan_ticket
from intake.tickets.triage import NOT_FETCHED, Context, Decided, higher, with_labels

CARRIED_LABELS = {"in_junk", "limits_hit", "private_key", "reused_message_id", "unreadable_parts"}
AUTO_REPLY = "auto_reply"
OVERSIZED = "oversized"


def join_follow_ups(
    session: Session, decided: Sequence[Decided], *, desk: Desk, now: datetime
) -> None:
    """Add replies to their tickets.

    Each must be acknowledged within 24 hours of its own T0; new certificates and keys in it have
    clocks of their own. What brings nothing new starts nothing: an automatic reply, or the rest of
    a message whose beginning opened the ticket.
    """
    if not decided:
        return
    numbers = sorted({one.number for one in decided})
    query = select(Ticket).where(col(Ticket.id).in_(numbers))
    tickets = {number_of(one): one for one in session.exec(query)}
    additions = [Addition(one.number, one.message, one.evidence) for one in decided]
    added = add_items(session, additions, desk=desk, now=now)
    joined = [
        _join_follow_up(session, tickets[one.number], one, brought, now=now)
        for one, brought in zip(decided, added, strict=True)
    ]
    start_many(session, [row for one in joined for row in one.owed])
    session.flush()
    owed = first_owed(session, numbers, [ACKNOWLEDGEMENT, *REPORTS])
    for number in {one.happened.ticket for one in joined if one.owed}:
        set_state(tickets[number or 0], owed[number or 0])
    for number, ticket in tickets.items():
        plan_ticket(ticket, owed[number], desk.chains)
    record_events(session, [one.happened for one in joined], actor=SERVICE, now=now)
    want_cards(session, numbers, now, channel=desk.channel)


@dataclass(frozen=True)
class _Joined:
    """What is written of a reply after the others of its batch were looked at."""

    happened: Happened
    owed: tuple[dict[str, Any], ...]  # rows of the obligations that it starts


def _join_follow_up(
    session: Session, ticket: Ticket, decided: Decided, added: Added, *, now: datetime
) -> _Joined:
    message, evidence = decided.message, decided.evidence
    is_rest = _stood_for(session, message) == OVERSIZED
    is_empty = (evidence.kind == AUTO_REPLY or is_rest) and not added.is_new
    _mark(ticket, decided)
    owed: Iterable[Owed] = ()
    if not is_empty:
        _open_again(session, ticket, message, now=now)
        owed = obligations_for(message.received_at, reports=added.is_new)
    detail = {
        "sha256": message.sha256,
        "received_at": message.received_at.isoformat(),
        "automatic": is_empty,
        "completes": message.completes,
        "items": added.items,
        "keys": added.keys,
    }
    happened = Happened("follow_up_joined", detail, ticket=ticket.id, message=message.id)
    return _Joined(
        happened, tuple(owed_row(decided.number, one, message=message.id) for one in owed)
    )


def _mark(ticket: Ticket, decided: Decided) -> None:
    """Carry over what a person should know of the reply, and its T0 if that is the earliest."""
    message, decision = decided.message, decided.decision
    labels = with_labels(ticket.labels, CARRIED_LABELS.intersection(decision.labels))
    if message.completes is not None:
        labels = [one for one in labels if one != NOT_FETCHED]
    if labels != ticket.labels:
        ticket.labels = labels
    if decided.evidence.private_keys:
        ticket.priority = higher(ticket.priority, decision.priority)
    ticket.received_at = min(ticket.received_at, message.received_at)


def _stood_for(session: Session, message: Message) -> str | None:
    """Return why a message was not there whole when its ticket was opened."""
    if message.completes is None:
        return None
    return session.exec(select(Message.stands_for).where(Message.id == message.completes)).first()


def join_copy(
    session: Session, message: Message, context: Context, *, desk: Desk, now: datetime
) -> None:
    """Add a copy to the ticket of the first; if it arrived earlier, every clock moves with it."""
    ticket = load_ticket(session, context.copy_ticket or 0)
    record_event(
        session, "copy_joined", actor=SERVICE, now=now, ticket=ticket.id, message=message.id,
        sha256=message.sha256, received_at=message.received_at.isoformat(),
    )  # fmt: skip
    _move_clocks(session, ticket, context.copy_of, message, now=now)
    _settle(session, ticket, desk=desk, now=now)


def follow_receipt(session: Session, message: Message, *, desk: Desk, now: datetime) -> None:
    """Move what a message of a ticket started, after a better source gave it an earlier T0."""
    ticket = load_ticket(session, message.ticket or 0)
    if _move_clocks(session, ticket, message.id, message, now=now):
        _settle(session, ticket, desk=desk, now=now)


def note_delivery_status(
    session: Session, message: Message, context: Context, *, desk: Desk, now: datetime
) -> None:
    """Note that mail of ours was not delivered; a report that bounced is owed again.

    Believed only because it names a Message-ID that we sent.
    """
    query = select(Obligation).where(col(Obligation.met_message_id).in_(context.bounced))
    reports = session.exec(query.order_by(col(Obligation.id))).all()
    for one in reports:
        one.met_at, one.met_by, one.met_message_id = None, None, None
        session.add(one)
    numbers = {one.ticket for one in reports} | {context.bounced_ticket}
    if numbers == {None}:  # a test message, or a notice about no ticket
        record_event(
            session, "mail_bounced", actor=SERVICE, now=now, message=message.id,
            sha256=message.sha256, owed_again=[],
        )  # fmt: skip
    for number in sorted(one for one in numbers if one is not None):
        ticket = load_ticket(session, number)
        kinds = sorted({one.kind for one in reports if one.ticket == number})
        if kinds:
            _open_again(session, ticket, message, now=now)
            refresh_state(session, ticket)
        ticket.labels = with_labels(ticket.labels, ["bounced"])
        record_event(
            session, "report_bounced" if kinds else "mail_bounced", actor=SERVICE, now=now,
            ticket=number, message=message.id, sha256=message.sha256, owed_again=kinds,
        )  # fmt: skip
        _settle(session, ticket, desk=desk, now=now)


def _open_again(session: Session, ticket: Ticket, message: Message, *, now: datetime) -> None:
    """Re-open a closed ticket with all that closing had given up.

    Who closed it had taken it: that acknowledgement is not asked for a second time.
    """
    if ticket.state != "closed":
        return
    record_event(
        session, "ticket_reopened", actor=SERVICE, now=now, ticket=ticket.id, message=message.id,
        closed_by=ticket.closed_by, disposition=ticket.disposition,
    )  # fmt: skip
    forget_closing(ticket)
    given_up = waived_by_closing(session, number_of(ticket))
    owed = [one for one in given_up if one.kind != ACKNOWLEDGEMENT]
    take_up(owed)
    session.add_all(owed)


def _move_clocks(
    session: Session, ticket: Ticket, original: int | None, earlier: Message, *, now: datetime
) -> bool:
    """Move T0 of what the original started to that of another message, if that is earlier."""
    t0 = earlier.received_at
    query = select(Obligation).where(
        Obligation.ticket == ticket.id,
        Obligation.message == original,
        Obligation.received_at > t0,
    )
    later = session.exec(query).all()
    if ticket.received_at <= t0 and not later:
        return False
    record_event(
        session, "received_at_moved", actor=SERVICE, now=now, ticket=ticket.id, message=earlier.id,
        before=ticket.received_at.isoformat(), after=t0.isoformat(),
    )  # fmt: skip
    ticket.received_at = min(ticket.received_at, t0)
    for one in later:
        one.received_at, one.due_at = t0, one.due_at - (one.received_at - t0)
        session.add(one)
    items = {one.item for one in later if one.item is not None}
    for item in session.exec(select(Item).where(Item.ticket == ticket.id)).all():
        if item.id in items:
            item.received_at = min(item.received_at, t0)
            session.add(item)
    return True


def _settle(session: Session, ticket: Ticket, *, desk: Desk, now: datetime) -> None:
    session.add(ticket)
    plan_next(session, ticket, desk.chains)
    want_card(session, ticket, now, channel=desk.channel)
