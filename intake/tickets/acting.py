"""What all actions have in common: the ticket that can be acted on, and what follows each.

Each action writes one event with its actor, and has the escalation look at the ticket again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session

from intake.clock import render_instant
from intake.errors import IntakeError
from intake.events import record_event
from intake.tables import Ticket
from intake.tickets.describe import storable
from intake.tickets.owed import load_ticket, look_again, refresh_state
from intake.tickets.tell import want_card

LONGEST_WORDS = 20_000  # characters of a note or a reason


@dataclass(frozen=True)
class Outcome:
    """What an action did, in words for whoever did it."""

    text: str
    changed: bool = True
    given_up: tuple[str, ...] = ()  # what was still owed and is owed no more


def open_ticket(session: Session, number: int) -> Ticket:
    """Return a ticket that can be acted on.

    Raises:
        IntakeError: if there is none, or it is closed.
    """
    ticket = load_ticket(session, number)
    if ticket.state == "closed":
        message = (
            f"Ticket {number} was closed by {ticket.closed_by} at "
            f"{render_instant(ticket.closed_at)} as {ticket.disposition}; nothing was changed. "
            f"To go on with it: intake ticket reopen {number} --reason TEXT"
        )
        raise IntakeError(message)
    return ticket


def act(
    session: Session,
    ticket: Ticket,
    action: str,
    actor: str,
    now: datetime,
    **detail: Any,  # noqa: ANN401 - JSON values
) -> None:
    """Write the event, the state, the card and the next look that follow every action."""
    refresh_state(session, ticket)
    look_again(ticket, now)
    session.add(ticket)
    session.flush()
    record_event(session, action, actor=actor, now=now, ticket=ticket.id, **detail)
    want_card(session, ticket, now)


def needed(text: str, problem: str) -> str:
    """Return words that were given.

    Raises:
        IntakeError: saying the problem, if there are none.
    """
    words = storable(text.strip(), LONGEST_WORDS)
    if not words:
        raise IntakeError(problem)
    return words
