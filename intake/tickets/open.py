"""What becomes of messages, in one transaction: decision, ticket, items, clocks, notices, events.

Source: BR 4.9.3, 4.9.5.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlmodel import Session, select

from intake.events import SERVICE, record_event
from intake.tables import Message, Probe
from intake.tickets.compromise import carry_out_proofs
from intake.tickets.correlate import find_context, look_around, normalised
from intake.tickets.describe import mention, shown_of, write_messages
from intake.tickets.desk import Desk
from intake.tickets.join import (
    follow_receipt,
    join_copy,
    join_follow_ups,
    note_delivery_status,
)
from intake.tickets.opening import ticket_numbers, write_tickets
from intake.tickets.owed import load_ticket
from intake.tickets.tell import want_card, want_probe
from intake.tickets.triage import (
    BEFORE_WATCH,
    COPY,
    DELIVERY_STATUS,
    FOLLOW_UP,
    OWN_OUTGOING,
    OWN_PROBE,
    TICKET,
    Context,
    Decided,
    Decision,
    triage,
    with_labels,
)

if TYPE_CHECKING:
    from intake.evidence.values import Evidence

PROVING = (TICKET, FOLLOW_UP, BEFORE_WATCH)  # a copy proves what the first one did


def decide_message(
    session: Session,
    message: Message,
    evidence: "Evidence",
    *,
    desk: Desk,
    now: datetime,
    open_tickets: bool = False,
) -> Decision:
    """Decide what one archived message becomes and carry it out; see `decide_messages`."""
    read = [(message, evidence)]
    return decide_messages(session, read, desk=desk, now=now, open_tickets=open_tickets)[0]


def decide_messages(
    session: Session,
    read: Sequence[tuple[Message, "Evidence"]],
    *,
    desk: Desk,
    now: datetime,
    open_tickets: bool = False,
) -> list[Decision]:
    """Decide what archived messages become and carry it out; a second time changes nothing.

    What is left to do then is to move its clocks if a better source moved its T0. A message that
    was only archived (`before_watch`) is decided again when it turns up in a mailbox that is
    watched. Each message is decided on as if those before it had been carried out.

    Args:
        session: a write session; the decisions are its transaction.
        read: the archived messages with what they show, the oldest first.
        desk: what the configuration says.
        now: when it is decided.
        open_tickets: for imported messages that shall be treated like those that arrived.
    """
    fresh = [one for one in read if one[0].decision in {None, BEFORE_WATCH}]
    for message, _ in read:
        if message.decision not in {None, BEFORE_WATCH} and message.ticket is not None:
            follow_receipt(session, message, desk=desk, now=now)
    decided = _decide_each(session, fresh, desk=desk, open_tickets=open_tickets)
    opening = [one for one in decided if one.decision.kind == TICKET]
    write_tickets(session, opening, desk=desk, now=now)
    write_messages(session, [(one.message, _columns(one)) for one in decided])
    mention(session, fresh)
    _carry_out_all(session, decided, desk=desk, now=now)
    session.flush()
    by_row = {one.message.id: one.decision for one in decided}
    return [
        by_row.get(message.id) or Decision(message.decision or "", message.ticket)
        for message, _ in read
    ]


def _columns(one: Decided) -> dict[str, Any]:
    """Return what a message shows and what it became, as columns of its row."""
    became = {"decision": one.decision.kind, "ticket": one.decision.ticket}
    return shown_of(one.evidence) | became


def _decide_each(
    session: Session,
    read: Sequence[tuple[Message, "Evidence"]],
    *,
    desk: Desk,
    open_tickets: bool,
) -> list[Decided]:
    """Decide on messages in order; nothing is written, but a new ticket has its number."""
    around = look_around(session, read, open_tickets=open_tickets)
    numbers = ticket_numbers(session)
    decided = []
    for message, evidence in read:
        context = find_context(session, message, evidence, around, desk=desk)
        decision = triage(evidence, context)
        if decision.kind == TICKET:
            decision = replace(decision, ticket=next(numbers))
        around.note(message, decision)
        decided.append(Decided(message, evidence, context, decision))
    return decided


def _carry_out_all(
    session: Session, decided: Sequence[Decided], *, desk: Desk, now: datetime
) -> None:
    """Do what follows from decisions, new tickets apart, whose rows are there already."""
    follow_ups = [one for one in decided if one.decision.kind == FOLLOW_UP]
    join_follow_ups(session, follow_ups, desk=desk, now=now)
    for one in decided:
        _carry_out(session, one, desk=desk, now=now)
    carry_out_proofs(
        session,
        [(one.message, one.evidence) for one in decided if one.decision.kind in PROVING],
        desk=desk,
        now=now,
    )
    for one in decided:
        _mark_reused(session, one.message, one.context, now=now)


def _carry_out(session: Session, decided: Decided, *, desk: Desk, now: datetime) -> None:
    """Do what follows from a decision other than a ticket or a follow-up."""
    message, context, kind = decided.message, decided.context, decided.decision.kind
    if kind == COPY:
        join_copy(session, message, context, desk=desk, now=now)
    elif kind == DELIVERY_STATUS:
        note_delivery_status(session, message, context, desk=desk, now=now)
    elif kind == OWN_PROBE:
        _note_probe(session, message, decided.evidence, desk=desk, now=now)
    elif kind == OWN_OUTGOING:
        record_event(
            session, "own_mail_seen", actor=SERVICE, now=now, ticket=decided.decision.ticket,
            message=message.id, sha256=message.sha256,
        )  # fmt: skip


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
