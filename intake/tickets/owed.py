"""Obligations as rows: starting, waiving, taking up again, and what follows for the ticket."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ScalarSelect
from sqlalchemy import select as select_columns
from sqlmodel import Session, SQLModel, col, select

from intake.database import insert_rows
from intake.errors import IntakeError
from intake.tables import Obligation, Ticket
from intake.tickets.obligations import ACKNOWLEDGEMENT, Owed

CLOSING = "ticket closed: "  # begins the reason of what was waived by closing
_OBLIGATION = SQLModel.metadata.tables["obligation"]
MOST_NUMBER = 2**31 - 1  # a number from outside may be larger than any database takes


def load_ticket(session: Session, number: int) -> Ticket:
    """Return a ticket.

    Raises:
        IntakeError: if there is none of this number.
    """
    ticket = None
    if 0 < number <= MOST_NUMBER:
        query = select(Ticket).where(Ticket.id == number)
        ticket = session.exec(query).first()
    if ticket is None:
        message = f"There is no ticket {number}. `intake ticket list` shows those there are."
        raise IntakeError(message)
    return ticket


def number_of(ticket: Ticket) -> int:
    """Return the number of a ticket that is stored."""
    if ticket.id is None:
        message = "the ticket is not stored yet"
        raise ValueError(message)
    return ticket.id


def start(
    session: Session,
    ticket: Ticket,
    owed: Iterable[Owed],
    *,
    message: int | None,
    item: int | None = None,
) -> None:
    """Write obligations that a message starts."""
    number = number_of(ticket)
    start_many(session, [owed_row(number, one, message=message, item=item) for one in owed])


def start_many(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Write obligations of many tickets, made by `owed_row`."""
    insert_rows(session, _OBLIGATION, rows)


def owed_row(
    ticket: int, owed: Owed, *, message: int | None, item: int | None = None
) -> dict[str, Any]:
    """Return the row of an obligation; no object, since each message starts some."""
    return {
        "ticket": ticket,
        "kind": owed.kind,
        "item": item,
        "message": message,
        "received_at": owed.received_at,
        "due_at": owed.due_at,
        "basis": owed.basis,
        "waived_at": None,
        "waived_reason": None,
    }


def open_obligations(
    session: Session, number: int, kinds: Sequence[str] | None = None
) -> list[Obligation]:
    """Return what a ticket owes: neither met nor waived, the earliest T0 first."""
    query = select(Obligation).where(
        Obligation.ticket == number,
        col(Obligation.met_at).is_(None),
        col(Obligation.waived_at).is_(None),
    )
    if kinds is not None:
        query = query.where(col(Obligation.kind).in_(kinds))
    order = (col(Obligation.received_at), col(Obligation.id))
    return list(session.exec(query.order_by(*order)).all())


def first_owed(
    session: Session, numbers: Sequence[int], kinds: Sequence[str]
) -> dict[int, list[Obligation]]:
    """Return of what tickets owe the one of each kind with the earliest T0, earliest first.

    A ticket with a thousand replies owes a thousand acknowledgements, of which only the first
    counts for what is told next.
    """
    first = [_first_of(kind).label(kind) for kind in kinds]
    query = select_columns(*first).select_from(Ticket).where(col(Ticket.id).in_(numbers))
    ids = [one for row in session.execute(query) for one in row if one is not None]
    rows = select(Obligation).where(col(Obligation.id).in_(ids))
    owed: dict[int, list[Obligation]] = {number: [] for number in numbers}
    for one in session.exec(rows.order_by(col(Obligation.received_at), col(Obligation.id))):
        owed[one.ticket].append(one)
    return owed


def _first_of(kind: str) -> ScalarSelect[int | None]:
    query = select(Obligation.id).where(
        Obligation.ticket == Ticket.id,
        Obligation.kind == kind,
        col(Obligation.met_at).is_(None),
        col(Obligation.waived_at).is_(None),
    )
    order = (col(Obligation.received_at), col(Obligation.id))
    return query.order_by(*order).limit(1).correlate(Ticket).scalar_subquery()


def waive(obligations: Iterable[Obligation], reason: str, now: datetime) -> None:
    """Give up obligations, with the reason."""
    for one in obligations:
        one.waived_at, one.waived_reason = now, reason


def take_up(obligations: Iterable[Obligation]) -> None:
    """Owe again what was waived."""
    for one in obligations:
        one.waived_at, one.waived_reason = None, None


def waived_by_closing(session: Session, number: int) -> list[Obligation]:
    """Return what was given up when the ticket was closed."""
    query = select(Obligation).where(
        Obligation.ticket == number, col(Obligation.waived_reason).startswith(CLOSING)
    )
    return list(session.exec(query.order_by(col(Obligation.id))).all())


def refresh_state(session: Session, ticket: Ticket) -> None:
    """Set the state of a ticket that is not closed: open while an acknowledgement is owed."""
    if ticket.state == "closed":
        return
    session.flush()
    set_state(ticket, open_obligations(session, number_of(ticket), [ACKNOWLEDGEMENT]))


def set_state(ticket: Ticket, owed: Iterable[Obligation]) -> None:
    """Set the state of a ticket that is not closed by what it owes."""
    if ticket.state != "closed":
        is_open = any(one.kind == ACKNOWLEDGEMENT for one in owed)
        ticket.state = "open" if is_open else "acknowledged"


def look_again(ticket: Ticket, now: datetime) -> None:
    """Have the escalation look at a ticket at once; it works out the next instant itself."""
    ticket.next_action_at = None if ticket.state == "closed" else now


def forget_closing(ticket: Ticket) -> None:
    """Clear what closing wrote into the ticket; the events still tell it."""
    ticket.state, ticket.disposition = "open", None
    ticket.closed_at, ticket.closed_by, ticket.closed_reason = None, None, None
