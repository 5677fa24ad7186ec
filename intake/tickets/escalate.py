"""Telling what is due: each ticket is decided from its own rows, so that none holds up another.

All that lies in the database: a restart, or a pause of any length, changes nothing but how late
the steps are told.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from intake.clock import parse_instant
from intake.events import SERVICE, record_event
from intake.tables import Fact, Ticket
from intake.tickets.desk import Desk
from intake.tickets.escalation import due_steps
from intake.tickets.owed import number_of
from intake.tickets.tell import main_step, recipients_of, want_card, want_digest, want_steps
from intake.tickets.tracks import OpenTrack, open_tracks, plan_next

DIGEST_FACT = "digest_until"


def due_tickets(session: Session, now: datetime) -> list[int]:
    """Return the tickets that must be looked at now, those waiting longest first."""
    query = select(Ticket.id).where(
        col(Ticket.next_action_at).is_not(None), col(Ticket.next_action_at) <= now
    )
    order = (col(Ticket.next_action_at), col(Ticket.id))
    return [one for one in session.exec(query.order_by(*order)).all() if one is not None]


def escalate_ticket(session: Session, number: int, desk: Desk, now: datetime) -> int:
    """Tell every step of a ticket that is due; return how many notices were written.

    Steps that were missed are told at once, in one notice to each of those who would have been
    told, which names them all.
    """
    ticket = session.get_one(Ticket, number)
    tracks = open_tracks(session, ticket, desk.chains)
    due = due_steps([one.track for one in tracks], now)
    written = 0
    if due:
        told = recipients_of(one for step in due for one in step.to)
        source = _source(tracks, main_step(due).track)
        written = want_steps(session, ticket, due, told, source=source, now=now)
        for one in tracks:
            _mark_told(
                session,
                one,
                max((s.after for s in due if s.track == one.track.name), default=None),
                now,
            )
        record_event(
            session, "step_told", actor=SERVICE, now=now, ticket=number,
            steps=[one.label for one in due], to=[one.to for one in told],
            late_seconds=int((now - due[0].due_at).total_seconds()),
        )  # fmt: skip
        want_card(session, ticket, now, channel=desk.channel)
    plan_next(session, ticket, desk.chains)
    return written


def escalate_due(session: Session, desk: Desk, now: datetime) -> int:
    """Tell every step of every ticket that is due; return how many notices were written."""
    return sum(escalate_ticket(session, one, desk, now) for one in due_tickets(session, now))


def digest_due(session: Session, desk: Desk, now: datetime) -> int:
    """Once a day list the tickets that were dismissed since the last time; return how many.

    Nothing is posted when there are none. A day that was missed is made up for.
    """
    due_at = _last_digest_time(desk, now)
    fact = session.get(Fact, DIGEST_FACT)
    until = None if fact is None else parse_instant(fact.value)
    if until is not None and until >= due_at:
        return 0
    query = select(Ticket).where(Ticket.disposition == "not_a_problem_report")
    if until is not None:
        query = query.where(col(Ticket.closed_at) > until)
    tickets = session.exec(query.where(col(Ticket.closed_at) <= now).order_by(col(Ticket.id))).all()
    session.merge(Fact(name=DIGEST_FACT, value=now.isoformat()))
    if tickets:
        text = digest_text(tickets)
        want_digest(session, channel=desk.channel, due_at=due_at, text=text, now=now)
        numbers = [number_of(one) for one in tickets]
        record_event(session, "digest_written", actor=SERVICE, now=now, tickets=numbers)
    return len(tickets)


def digest_text(tickets: Sequence[Ticket]) -> str:
    """Say which tickets were dismissed, by whom and why, a line each."""
    count = "1 ticket was" if len(tickets) == 1 else f"{len(tickets)} tickets were"
    lines = [
        f"{one.id}: {one.subject or '(no subject)'} - {one.closed_by}: {one.closed_reason}"
        for one in tickets
    ]
    head = f"{count} dismissed as not a problem report since the last list."
    tail = "Wrong? Take it up again: intake ticket reopen NUMBER --reason TEXT"
    return "\n".join([head, *lines, tail])


def _last_digest_time(desk: Desk, now: datetime) -> datetime:
    today = now.replace(
        hour=desk.digest_at.hour, minute=desk.digest_at.minute, second=0, microsecond=0
    )
    return today if today <= now else today - timedelta(days=1)


def _source(tracks: Sequence[OpenTrack], name: str) -> int | None:
    return next((one.source for one in tracks if one.track.name == name), None)


def _mark_told(
    session: Session, open_track: OpenTrack, after: timedelta | None, now: datetime
) -> None:
    if after is None:
        return
    told = max(after, open_track.track.told or timedelta(0))
    for one in open_track.obligations:
        one.told_seconds, one.told_at = int(told.total_seconds()), now
        session.add(one)
