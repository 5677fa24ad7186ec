"""Everything that is told about a ticket, read in a fixed number of queries.

A ticket may name ten thousand certificates: a card needs only counts (`whole=False`), while the
JSON lists them all. Nothing here decides anything or words anything for people.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import case, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from intake.clock import render_instant
from intake.errors import IntakeError
from intake.notices.view_items import (
    CertificateCounts,
    FindingCount,
    ItemView,
    LintSummary,
    chunks,
    count_certificates,
    load_items,
    lookups_ahead,
    summarise_lint,
    worst_findings,
)
from intake.notices.view_revocation import RevocationView, load_revocations
from intake.tables import (
    Event,
    Item,
    Message,
    MessageIdEntry,
    Notice,
    Obligation,
    RevocationStatus,
    Sighting,
    Ticket,
)

REPORTING = ("ticket", "copy")  # decisions on messages whose sender is the reporter
REVOCATION = "revocation"
NEWEST_EVENTS = 40


@dataclass(frozen=True)
class Place:
    """A folder in which mail of the ticket lay."""

    mailbox: str
    folder: str
    in_junk: bool
    gone: bool  # every sighting there is gone by now


@dataclass(frozen=True)
class Revocations:
    """The obligations to revoke, counted."""

    open: int = 0
    next_due_at: datetime | None = None  # of those that are open
    met: int = 0


@dataclass(frozen=True)
class TicketView:
    """A ticket with all that a card, a modal, a mail and the command line show of it."""

    ticket: Ticket
    number: int
    obligations: tuple[Obligation, ...]  # without those to revoke unless the view is whole
    revocations: Revocations
    counts: CertificateCounts
    worst: tuple[FindingCount, ...]  # the worst first
    lookups_ahead: int  # requests to crt.sh until the last certificate of this ticket is asked for
    messages: tuple[Message, ...]  # oldest first
    message_ids: tuple[str, ...]
    reporters: tuple[str, ...]
    places: tuple[Place, ...]
    notices: tuple[Notice, ...]
    lint: LintSummary = field(default_factory=LintSummary)
    events: tuple[Event, ...] = ()  # the newest ones, oldest first
    items: tuple[ItemView, ...] = ()  # empty unless the view is whole
    item_numbers: dict[int, int] = field(default_factory=dict)  # row of an item → its number
    revocation: RevocationView = field(default_factory=RevocationView)  # as observed

    @property
    def holds_private_key(self) -> bool:
        """Say whether a message of the ticket holds a private key."""
        return any(message.holds_private_key for message in self.messages)

    @property
    def open_obligations(self) -> tuple[Obligation, ...]:
        """Return what is neither met nor waived, the most urgent first."""
        return tuple(
            one for one in self.obligations if one.met_at is None and one.waived_at is None
        )


def ticket_view(session: Session, number: int, *, whole: bool = True, first: int = 0) -> TicketView:
    """Return the view of one ticket.

    Args:
        session: a session.
        number: of the ticket.
        whole: with every certificate and every obligation; a card needs only the counts.
        first: where it is not whole, the first so many certificates all the same.

    Raises:
        IntakeError: if there is no such ticket.
    """
    ticket = session.get(Ticket, number)
    if ticket is None:
        message = f"There is no ticket {number}. `intake ticket list` shows those there are."
        raise IntakeError(message)
    return views_of(session, [ticket], whole=whole, first=first)[0]


def ticket_views(
    session: Session, *, states: Sequence[str] | None = None, whole: bool = True
) -> list[TicketView]:
    """Return the views of all tickets, or of those in some states, by number."""
    query = select(Ticket).order_by(col(Ticket.id))
    if states is not None:
        query = query.where(col(Ticket.state).in_(states))
    return views_of(session, session.exec(query).all(), whole=whole)


def views_of(
    session: Session, tickets: Sequence[Ticket], *, whole: bool, first: int = 0
) -> list[TicketView]:
    """Return the views of these tickets, in their order."""
    numbers = [ticket.id for ticket in tickets if ticket.id is not None]
    parts = _load_parts(session, numbers, whole=whole, first=first)
    parts.observed = load_revocations(session, tickets, whole=whole)
    return [_put_together(ticket, parts) for ticket in tickets]


@dataclass
class _Parts:
    """What was read for several tickets, by ticket number."""

    messages: dict[int, list[Message]]
    message_ids: dict[int, set[str]]
    places: dict[int, tuple[Place, ...]]
    obligations: dict[int, list[Obligation]]
    revocations: dict[int, Revocations]
    counts: dict[int, CertificateCounts]
    worst: dict[int, tuple[FindingCount, ...]]
    lint: dict[int, LintSummary]
    ahead: dict[int, int]
    notices: dict[int, list[Notice]]
    events: dict[int, list[Event]]
    items: dict[int, tuple[ItemView, ...]]
    item_numbers: dict[int, dict[int, int]]
    observed: dict[int, RevocationView] = field(default_factory=dict)


def _load_parts(session: Session, numbers: list[int], *, whole: bool, first: int) -> _Parts:
    most = None if whole else first
    items, item_numbers = load_items(session, numbers, most=most) if most != 0 else ({}, {})
    return _Parts(
        messages=_by_ticket(
            _in(session, Message, numbers, order=(Message.received_at, Message.id))
        ),
        message_ids=_message_ids(session, numbers),
        places=_places(session, numbers),
        obligations=_obligations(session, numbers, whole=whole),
        revocations=_revocations(session, numbers),
        counts=count_certificates(session, numbers),
        worst=worst_findings(session, numbers),
        lint=summarise_lint(session, numbers),
        ahead=lookups_ahead(session),
        notices=_by_ticket(_in(session, Notice, numbers, order=(Notice.due_at, Notice.id))),
        events=_events(session, numbers),
        items=items,
        item_numbers=item_numbers,
    )


def _put_together(ticket: Ticket, parts: _Parts) -> TicketView:
    number = ticket.id or 0
    messages = parts.messages.get(number, [])
    reporting = [one for one in messages if one.decision in REPORTING] or messages
    return TicketView(
        ticket=ticket,
        number=number,
        obligations=tuple(parts.obligations.get(number, ())),
        revocations=parts.revocations.get(number, Revocations()),
        counts=parts.counts.get(number, CertificateCounts()),
        worst=parts.worst.get(number, ()),
        lint=parts.lint[number],
        lookups_ahead=parts.ahead.get(number, 0),
        messages=tuple(messages),
        message_ids=tuple(sorted(parts.message_ids.get(number, ()))),
        reporters=tuple(sorted({one.sender for one in reporting if one.sender})),
        places=parts.places.get(number, ()),
        notices=tuple(parts.notices.get(number, ())),
        events=tuple(parts.events.get(number, ())),
        items=parts.items.get(number, ()),
        item_numbers=parts.item_numbers.get(number, {}),
        revocation=parts.observed.get(number, RevocationView()),
    )


def _in(session: Session, table: Any, numbers: list[int], *, order: tuple[Any, ...]) -> list[Any]:  # noqa: ANN401 - any table with a column `ticket`
    found: list[Any] = []
    for chunk in chunks(numbers):
        query = select(table).where(col(table.ticket).in_(chunk)).order_by(*map(col, order))
        found.extend(session.exec(query).all())
    return found


def _by_ticket(rows: Iterable[Any]) -> dict[int, list[Any]]:
    grouped: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.ticket].append(row)
    return grouped


def _message_ids(session: Session, numbers: list[int]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = defaultdict(set)
    for chunk in chunks(numbers):
        query = (
            select(Message.ticket, MessageIdEntry.original)
            .join(Message, col(Message.id) == col(MessageIdEntry.message))
            .where(col(Message.ticket).in_(chunk), MessageIdEntry.source == "header")
        )
        for ticket, original in session.exec(query):
            if ticket is not None:
                found[ticket].add(original)
    return found


def _places(session: Session, numbers: list[int]) -> dict[int, tuple[Place, ...]]:
    """Return the folders in which mail of each ticket lies or lay."""
    there = func.sum(case((col(Sighting.gone_since).is_(None), 1), else_=0))
    found: dict[int, list[Place]] = defaultdict(list)
    for chunk in chunks(numbers):
        query = (
            select_columns(
                col(Message.ticket),
                col(Sighting.mailbox),
                col(Sighting.folder),
                col(Sighting.in_junk),
                there,
            )
            .join(Message, col(Message.id) == col(Sighting.message))
            .where(col(Message.ticket).in_(chunk))
            .group_by(
                col(Message.ticket),
                col(Sighting.mailbox),
                col(Sighting.folder),
                col(Sighting.in_junk),
            )
            .order_by(col(Sighting.mailbox), col(Sighting.folder))
        )
        for ticket, mailbox, folder, in_junk, present in session.execute(query):
            if ticket is not None:
                found[ticket].append(Place(mailbox, folder, bool(in_junk), not present))
    return {ticket: tuple(places) for ticket, places in found.items()}


def _obligations(
    session: Session, numbers: list[int], *, whole: bool
) -> dict[int, list[Obligation]]:
    found: list[Obligation] = []
    for chunk in chunks(numbers):
        query = select(Obligation).where(col(Obligation.ticket).in_(chunk))
        if not whole:
            query = query.where(Obligation.kind != REVOCATION)
        order = (col(Obligation.due_at), col(Obligation.kind), col(Obligation.id))
        found.extend(session.exec(query.order_by(*order)).all())
    return _by_ticket(found)


def _revocations(session: Session, numbers: list[int]) -> dict[int, Revocations]:
    is_open = col(Obligation.met_at).is_(None) & col(Obligation.waived_at).is_(None)
    found: dict[int, Revocations] = {}
    for chunk in chunks(numbers):
        query = (
            select_columns(
                col(Obligation.ticket),
                func.sum(case((is_open, 1), else_=0)),
                func.min(case((is_open, col(Obligation.due_at)))),
                func.sum(case((col(Obligation.met_at).is_not(None), 1), else_=0)),
            )
            .where(col(Obligation.ticket).in_(chunk), col(Obligation.kind) == REVOCATION)
            .group_by(col(Obligation.ticket))
        )
        for ticket, still_open, due_at, met in session.execute(query):
            found[ticket] = Revocations(still_open, due_at, met)
    return found


def _events(session: Session, numbers: list[int]) -> dict[int, list[Event]]:
    """Return the newest events of each ticket, oldest first."""
    place = func.row_number().over(partition_by=col(Event.ticket), order_by=col(Event.id).desc())
    found: list[Event] = []
    for chunk in chunks(numbers):
        ranked = (
            select_columns(col(Event.id), place.label("place"))
            .where(col(Event.ticket).in_(chunk))
            .subquery()
        )
        query = (
            select(Event)
            .join(ranked, ranked.c.id == col(Event.id))
            .where(ranked.c.place <= NEWEST_EVENTS)
            .order_by(col(Event.id))
        )
        found.extend(session.exec(query).all())
    return _by_ticket(found)


def view_as_json(view: TicketView) -> dict[str, Any]:
    """Return the document of `intake ticket list --json` and `show --json`, as the contract has it."""
    ticket = view.ticket
    return {
        "number": view.number,
        "state": ticket.state,
        "disposition": ticket.disposition,
        "priority": ticket.priority,
        "subject": ticket.subject,
        "received_at": render_instant(ticket.received_at),
        "opened_at": render_instant(ticket.opened_at),
        "acknowledged_at": render_instant(ticket.acknowledged_at),
        "acknowledged_by": ticket.acknowledged_by,
        "assignee": ticket.assignee,
        "closed_at": render_instant(ticket.closed_at),
        "closed_by": ticket.closed_by,
        "closed_reason": ticket.closed_reason,
        "labels": sorted(set(ticket.labels)),
        "message_ids": list(view.message_ids),
        "reporters": list(view.reporters),
        "obligations": [_obligation_as_json(view, one) for one in view.obligations],
        "certificates": [_item_as_json(one, view.revocation) for one in view.items],
        "notices": [_notice_as_json(one) for one in view.notices],
    }


def _obligation_as_json(view: TicketView, obligation: Obligation) -> dict[str, Any]:
    item = None if obligation.item is None else view.item_numbers.get(obligation.item)
    return {
        "kind": obligation.kind,
        "item": item,
        "due_at": render_instant(obligation.due_at),
        "met_at": render_instant(obligation.met_at),
        "waived_at": render_instant(obligation.waived_at),
        "basis": obligation.basis,
    }


def _item_as_json(view: ItemView, revocation: RevocationView) -> dict[str, Any]:
    item = view.item
    return {
        "item": item.number,
        "serial_number": item.serial_number,
        "issuer": item.issuer,
        "sha256s": list(view.sha256s),
        "crtsh_ids": list(view.crtsh_ids),
        "named_as": list(view.named_as),
        "state": item.state,
        "ours": item.ours,
        "lint": item.lint,
        "findings": dict(view.findings),
        "suggested_reason": None if item.reason is not None else item.suggested,
        "revocation": item.revocation,
        "revocation_detail": _status_as_json(item, revocation.by_item.get(item.id or 0)),
    }


def _status_as_json(item: Item, status: RevocationStatus | None) -> dict[str, Any] | None:
    if status is None:
        return None
    return {
        "observed_at": render_instant(status.first_observed_revoked_at),  # by our clock
        "asserted_at": render_instant(status.asserted_revoked_at),  # by the CA
        "reason": status.reason,
        "crl": status.crl_state,
        "ocsp": status.ocsp_state,
        "checked_at": render_instant(status.checked_at),
        "alarms": list(item.alarms),
    }


def _notice_as_json(notice: Notice) -> dict[str, Any]:
    return {
        "step": notice.step or notice.kind,
        "covers": notice.covers,
        "due_at": render_instant(notice.due_at),
        "sent_at": render_instant(notice.sent_at),
        "medium": notice.medium,
        "to": notice.to,
    }
