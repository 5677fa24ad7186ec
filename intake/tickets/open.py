"""What becomes of a message, in one transaction: decision, ticket, items, clocks, notices, events.

Source: BR 4.9.3, 4.9.5.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func
from sqlmodel import Session, select

from intake.events import SERVICE, record_event
from intake.tables import Fact, Message, Probe, Ticket
from intake.tickets.compromise import carry_out_proofs
from intake.tickets.correlate import find_context, normalised
from intake.tickets.describe import describe_message, storable
from intake.tickets.desk import TOKEN_DIGITS, Desk
from intake.tickets.items import add_items
from intake.tickets.join import (
    follow_receipt,
    join_copy,
    join_follow_up,
    note_delivery_status,
)
from intake.tickets.obligations import obligations_for
from intake.tickets.owed import load_ticket, number_of, start
from intake.tickets.tell import want_card, want_probe
from intake.tickets.tracks import plan_next
from intake.tickets.triage import (
    BEFORE_WATCH,
    COPY,
    DELIVERY_STATUS,
    FOLLOW_UP,
    OWN_OUTGOING,
    OWN_PROBE,
    TICKET,
    Context,
    Decision,
    triage,
    with_labels,
)

if TYPE_CHECKING:
    from intake.evidence.values import Evidence

PROVING = (TICKET, FOLLOW_UP, BEFORE_WATCH)  # a copy proves what the first one did

NUMBERS_FROM = "ticket_numbers_from"  # a fact: lower numbers may have been used before a restore


def decide_message(
    session: Session,
    message: Message,
    evidence: "Evidence",
    *,
    desk: Desk,
    now: datetime,
    open_tickets: bool = False,
) -> Decision:
    """Decide what an archived message becomes and carry it out; a second time changes nothing.

    What is left to do then is to move its clocks if a better source moved its T0. A message that was only archived (`before_watch`) is decided again when it turns up in a
    mailbox that is watched.

    Args:
        session: a write session; the whole decision is its transaction.
        message: the archived message.
        evidence: what it shows.
        desk: what the configuration says.
        now: when it is decided.
        open_tickets: for an imported message that shall be treated like one that arrived.
    """
    if message.decision not in {None, BEFORE_WATCH}:
        if message.ticket is not None:
            follow_receipt(session, message, desk=desk, now=now)
        return Decision(message.decision or "", message.ticket)
    context = find_context(session, message, evidence, desk=desk, open_tickets=open_tickets)
    decision = triage(evidence, context)
    describe_message(session, message, evidence)
    message.decision = decision.kind
    if decision.kind == TICKET:
        decision = _open_ticket(session, message, evidence, decision, desk=desk, now=now)
    message.ticket = decision.ticket
    session.add(message)
    session.flush()
    _carry_out(session, message, evidence, decision, context, desk=desk, now=now)
    if decision.kind in PROVING:
        carry_out_proofs(session, message, evidence, desk=desk, now=now)
    _mark_reused(session, message, context, now=now)
    session.flush()
    return decision


def _carry_out(
    session: Session,
    message: Message,
    evidence: "Evidence",
    decision: Decision,
    context: Context,
    *,
    desk: Desk,
    now: datetime,
) -> None:
    """Do what follows from a decision other than a new ticket."""
    if decision.kind == FOLLOW_UP:
        join_follow_up(session, message, evidence, decision, desk=desk, now=now)
    elif decision.kind == COPY:
        join_copy(session, message, context, desk=desk, now=now)
    elif decision.kind == DELIVERY_STATUS:
        note_delivery_status(session, message, context, desk=desk, now=now)
    elif decision.kind == OWN_PROBE:
        _note_probe(session, message, evidence, desk=desk, now=now)
    elif decision.kind == OWN_OUTGOING:
        record_event(
            session, "own_mail_seen", actor=SERVICE, now=now, ticket=decision.ticket,
            message=message.id, sha256=message.sha256,
        )  # fmt: skip


def _open_ticket(
    session: Session,
    message: Message,
    evidence: "Evidence",
    decision: Decision,
    *,
    desk: Desk,
    now: datetime,
) -> Decision:
    """Open a ticket with its items and clocks; it waits for nothing outside."""
    ticket = Ticket(
        id=_number(session),
        token=_unused_token(session, message, desk),
        subject=storable(evidence.subject),
        priority=decision.priority,
        labels=list(decision.labels),
        received_at=message.received_at,
        opened_at=now,
    )
    session.add(ticket)
    session.flush()
    message.ticket = number_of(ticket)
    session.add(message)
    session.flush()
    start(session, ticket, obligations_for(message.received_at), message=message.id)
    added = add_items(session, ticket, message, evidence, desk=desk, now=now)
    plan_next(session, ticket, desk.chains)
    want_card(session, ticket, now, channel=desk.channel)
    record_event(
        session, "ticket_opened", actor=SERVICE, now=now, ticket=ticket.id, message=message.id,
        sha256=message.sha256, received_at=message.received_at.isoformat(),
        received_from=message.received_from, priority=ticket.priority, items=added.items,
    )  # fmt: skip
    return Decision(TICKET, ticket.id, decision.priority, decision.labels)


def _number(session: Session) -> int | None:
    """Return the next number where a restore left some out; None: the database counts."""
    numbers_from = session.get(Fact, NUMBERS_FROM)
    if numbers_from is None:
        return None
    highest = session.exec(select(func.max(Ticket.id))).one() or 0
    return max(highest + 1, int(numbers_from.value))


def _unused_token(session: Session, message: Message, desk: Desk) -> str:
    """Return the ticket's token; it follows from the message, so a repeat makes the same one."""
    attempt = 0
    while True:
        token = desk.token("ticket", f"{message.sha256}:{attempt}")[:TOKEN_DIGITS].lower()
        if session.exec(select(Ticket.id).where(Ticket.token == token)).first() is None:
            return token
        attempt += 1


def _note_probe(
    session: Session, message: Message, evidence: "Evidence", *, desk: Desk, now: datetime
) -> None:
    """Write down that our test message arrived, and tell the channel."""
    ids = normalised(evidence.message_ids)
    forms = [form for one in ids for form in (one, f"<{one}>")]
    probe = next(
        (
            found
            for form in forms
            if (found := session.exec(select(Probe).where(Probe.message_id == form)).first())
        ),
        None,
    )
    if probe is not None and probe.arrived_at is None:
        probe.arrived_at, probe.message = message.received_at, message.id
        session.add(probe)
        took = max(int((now - probe.sent_at).total_seconds()), 0)
        want_probe(session, channel=desk.channel, message_id=ids[0], took_seconds=took, now=now)
    record_event(
        session, "probe_arrived", actor=SERVICE, now=now, message=message.id,
        sha256=message.sha256,
    )  # fmt: skip


def _mark_reused(session: Session, message: Message, context: Context, *, now: datetime) -> None:
    """Say on older tickets too that other content came under their Message-ID."""
    for number in context.reused_by:
        if number == message.ticket or message.decision == BEFORE_WATCH:
            continue
        ticket = load_ticket(session, number)
        if "reused_message_id" in ticket.labels:
            continue
        ticket.labels = with_labels(ticket.labels, ["reused_message_id"])
        session.add(ticket)
        record_event(
            session, "message_id_reused", actor=SERVICE, now=now, ticket=number,
            message=message.id, sha256=message.sha256,
        )  # fmt: skip
        want_card(session, ticket, now)
