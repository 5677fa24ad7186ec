"""New tickets as rows, many at a time: their items, their clocks, their cards and their events.

A ticket waits for nothing outside. On this path no objects are made: they cost more than the rest.

Source: BR 4.9.3, 4.9.5.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from itertools import count
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, SQLModel, col, select

from intake.clock import EPOCH
from intake.database import insert_rows, new_ids
from intake.events import SERVICE, Happened, record_events
from intake.tables import Fact, Ticket
from intake.tickets.describe import storable
from intake.tickets.desk import TOKEN_DIGITS, Desk
from intake.tickets.items import Addition, add_items
from intake.tickets.obligations import obligations_for
from intake.tickets.owed import owed_row, start_many
from intake.tickets.tell import want_first_cards
from intake.tickets.tracks import first_action_at
from intake.tickets.triage import Decided

NUMBERS_FROM = "ticket_numbers_from"  # a fact: lower numbers may have been used before a restore
_TICKET = SQLModel.metadata.tables["ticket"]


def ticket_numbers(session: Session) -> Iterator[int]:
    """Yield the numbers of the next new tickets; after a restore none that may have been used."""
    numbers_from = session.get(Fact, NUMBERS_FROM)
    if numbers_from is None:
        return new_ids(session, "ticket")
    highest = session.exec(select(func.max(Ticket.id))).one() or 0
    return count(max(highest + 1, int(numbers_from.value)))


def write_tickets(
    session: Session, opening: Sequence[Decided], *, desk: Desk, now: datetime
) -> None:
    """Open a ticket for each of these messages, under the number that its decision gives."""
    if not opening:
        return
    tokens = _tokens(session, opening, desk)
    shared = _blank() | {"opened_at": now}
    rows = [shared | _row(one, tokens[one.number], desk) for one in opening]
    insert_rows(session, _TICKET, rows)
    start_many(
        session,
        [
            owed_row(one.number, owed, message=one.message.id)
            for one in opening
            for owed in obligations_for(one.message.received_at)
        ],
    )
    additions = [Addition(one.number, one.message, one.evidence, opens=True) for one in opening]
    added = add_items(session, additions, desk=desk, now=now)
    want_first_cards(session, [one.number for one in opening], now, channel=desk.channel)
    happened = [_opened(one, two.items) for one, two in zip(opening, added, strict=True)]
    record_events(session, happened, actor=SERVICE, now=now)


@cache
def _blank() -> dict[str, Any]:
    return Ticket(token="", received_at=EPOCH, opened_at=EPOCH).model_dump()


def _row(one: Decided, token: str, desk: Desk) -> dict[str, Any]:
    return {
        "id": one.number,
        "token": token,
        "subject": storable(one.evidence.subject),
        "priority": one.decision.priority,
        "labels": list(one.decision.labels),
        "received_at": one.message.received_at,
        "next_action_at": first_action_at(one.message.received_at, desk.chains),
    }


def _opened(one: Decided, items: int) -> Happened:
    message = one.message
    detail = {
        "sha256": message.sha256,
        "received_at": message.received_at.isoformat(),
        "received_from": message.received_from,
        "priority": one.decision.priority,
        "items": items,
    }
    return Happened("ticket_opened", detail, ticket=one.number, message=message.id)


def _tokens(session: Session, opening: Sequence[Decided], desk: Desk) -> dict[int, str]:
    """Return an unused token for each ticket; it follows from the message, so a repeat makes it."""
    tokens: dict[int, str] = {}
    for attempt in count():
        wanted = {
            one.number: desk.token("ticket", f"{one.message.sha256}:{attempt}")[:TOKEN_DIGITS]
            for one in opening
            if one.number not in tokens
        }
        if not wanted:
            break
        candidates = [one.lower() for one in wanted.values()]
        query = select(Ticket.token).where(col(Ticket.token).in_(candidates))
        used = {*session.exec(query), *tokens.values()}
        for number, token in wanted.items():
            if token.lower() not in used:
                tokens[number] = token.lower()
                used.add(token.lower())
    return tokens
