"""The append-only log of everything that happened, chained by hashes.

Each event's hash covers its content and the hash before it, so that a changed or missing event
shows in `intake audit verify`. Details are digests, ids and instants, never text from a mail.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, SQLModel, col, select

from intake.clock import render_instant
from intake.database import insert_rows
from intake.tables import Event

FIRST_HASH = "0" * 64
SERVICE = "service"  # the actor of what nobody asked for
HASHED = ("at", "actor", "action", "ticket", "message", "detail", "previous_hash")


def record_event(
    session: Session,
    action: str,
    *,
    actor: str,
    now: datetime,
    ticket: int | None = None,
    message: int | None = None,
    **detail: Any,  # noqa: ANN401 - JSON values
) -> None:
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
    happened = Happened(action, detail, ticket=ticket, message=message)
    record_events(session, [happened], actor=actor, now=now)


@dataclass(frozen=True)
class Happened:
    """Something that is to be recorded."""

    action: str
    detail: dict[str, Any]
    ticket: int | None = None
    message: int | None = None


def record_events(
    session: Session, events: Sequence[Happened], *, actor: str, now: datetime
) -> None:
    """Append events to the chain in this order, as `record_event` does one."""
    newest = session.exec(select(Event.hash).order_by(col(Event.id).desc()).limit(1)).first()
    before, rows = newest or FIRST_HASH, []
    for one in events:
        row = {
            "at": now,
            "actor": actor,
            "action": one.action,
            "ticket": one.ticket,
            "message": one.message,
            "detail": one.detail,
            "previous_hash": before,
        }
        before = _hash(row)
        rows.append(row | {"hash": before})
    insert_rows(session, SQLModel.metadata.tables["event"], rows)


def hash_event(event: Event) -> str:
    """Return the SHA-256 of an event's content and of the hash before it, as hex."""
    return _hash({name: getattr(event, name) for name in HASHED})


def _hash(content: Mapping[str, Any]) -> str:
    hashed = {**content, "at": content["at"].isoformat()}
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
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
