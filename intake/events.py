"""The append-only log of everything that happened, chained by hashes.

Each event's hash covers its content and the hash before it, so that a changed or missing event
shows in `intake audit verify`. Details are digests, ids and instants, never text from a mail.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from intake.clock import render_instant
from intake.tables import Event

FIRST_HASH = "0" * 64
SERVICE = "service"  # the actor of what nobody asked for


def record_event(
    session: Session,
    action: str,
    *,
    actor: str,
    now: datetime,
    ticket: int | None = None,
    message: int | None = None,
    **detail: Any,  # noqa: ANN401 - JSON values
) -> Event:
    """Append an event to the chain; call it inside the transaction that it tells about.

    Args:
        session: a write session.
        action: what happened, in the past tense: "ticket_opened".
        actor: a Slack user id, an operating-system user, or `SERVICE`.
        now: when it happened, UTC.
        ticket: the ticket's number, if it is about one.
        message: the message's row, if it is about one.
        detail: JSON values, no mail text.
    """
    newest = session.exec(select(Event.hash).order_by(col(Event.id).desc()).limit(1)).first()
    event = Event(
        at=now,
        actor=actor,
        action=action,
        ticket=ticket,
        message=message,
        detail=detail,
        previous_hash=newest or FIRST_HASH,
        hash="",
    )
    event.hash = hash_event(event)
    session.add(event)
    session.flush()
    return event


def hash_event(event: Event) -> str:
    """Return the SHA-256 of an event's content and of the hash before it, as hex."""
    content = {
        "at": event.at.isoformat(),
        "actor": event.actor,
        "action": event.action,
        "ticket": event.ticket,
        "message": event.message,
        "detail": event.detail,
        "previous_hash": event.previous_hash,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def broken_links(session: Session) -> Iterator[str]:
    """Yield a sentence for each event that does not follow from the one before it."""
    before = FIRST_HASH
    for event in session.exec(select(Event).order_by(col(Event.id))).yield_per(500):
        if event.previous_hash != before:
            yield f"event {event.id} does not follow the one before it: something is missing"
        if hash_event(event) != event.hash:
            yield f"event {event.id} ({event.action}) was changed after it was written"
        before = event.hash


def event_as_json(event: Event) -> dict[str, Any]:
    """Return an event as the export has it."""
    return {
        "id": event.id,
        "at": render_instant(event.at),
        "actor": event.actor,
        "action": event.action,
        "ticket": event.ticket,
        "message": event.message,
        "detail": event.detail,
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    }
