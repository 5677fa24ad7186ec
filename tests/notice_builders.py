"""Rows for tests of what is told about tickets: a ticket with all that hangs on it."""

import itertools
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from intake.notices.view import Place, Revocations, TicketView
from intake.notices.view_items import CertificateCounts
from intake.tables import (
    Certificate,
    Item,
    ItemCertificate,
    ItemName,
    LintFinding,
    LintRun,
    Message,
    MessageIdEntry,
    Notice,
    Obligation,
    Sighting,
    Ticket,
)
from tests.builders import NOW

DAY = timedelta(hours=24)
KINDS = (
    "acknowledgement",
    "preliminary_report_to_reporter",
    "preliminary_report_to_subscriber",
)
_numbers = itertools.count(1)


def add_ticket(session: Session, *, owed: bool = False, **values: Any) -> Ticket:
    """Add a ticket; with `owed` it owes an acknowledgement and both preliminary reports."""
    defaults = {
        "token": f"{next(_numbers):08x}",
        "received_at": NOW,
        "opened_at": NOW,
        "subject": "Misissued certificate",
    }
    ticket = Ticket(**(defaults | values))
    session.add(ticket)
    session.flush()
    if owed:
        for kind in KINDS:
            add_obligation(session, ticket, kind)
    return ticket


def add_obligation(session: Session, ticket: Ticket, kind: str, **values: Any) -> Obligation:
    """Add something that a ticket owes, due 24 hours after its T0."""
    defaults = {
        "ticket": ticket.id,
        "kind": kind,
        "received_at": ticket.received_at,
        "due_at": ticket.received_at + DAY,
        "basis": "BR 4.9.5 (2.2.6)",
    }
    obligation = Obligation(**(defaults | values))
    session.add(obligation)
    session.flush()
    return obligation


def add_message(
    session: Session,
    ticket: Ticket,
    *,
    message_id: str | None = None,
    in_junk: bool = False,
    **values: Any,
) -> Message:
    """Add a message of a ticket, sighted in INBOX or Junk."""
    defaults = {
        "sha256": f"{next(_numbers):064x}",
        "size": 1,
        "body_sha256": "0" * 64,
        "received_at": ticket.received_at,
        "received_from": "received",
        "first_seen_at": NOW,
        "decision": "ticket",
        "ticket": ticket.id,
        "sender": "rita@reporter.example",
        "kind": "report",
    }
    message = Message(**(defaults | values))
    session.add(message)
    session.flush()
    session.add(
        Sighting(
            message=message.id,
            mailbox="cps",
            folder="Junk" if in_junk else "INBOX",
            uidvalidity=1,
            uid=message.id,
            first_seen_at=NOW,
            in_junk=in_junk,
        )
    )
    if message_id is not None:
        normalised = message_id.strip("<>")
        session.add(
            MessageIdEntry(
                message=message.id,
                source="header",
                original=message_id,
                normalised=normalised,
                folded=normalised.casefold(),
            )
        )
    session.flush()
    return message


def add_items(
    session: Session, ticket: Ticket, message: Message, count: int, **values: Any
) -> list[Item]:
    """Add items named by crt.sh links from id 1001 on, each with its revocation owed."""
    items = [
        Item(ticket=ticket.id, number=number, received_at=ticket.received_at, **values)
        for number in range(1, count + 1)
    ]
    session.add_all(items)
    session.flush()
    session.add_all(
        ItemName(
            item=item.id,
            message=message.id,
            kind="crtsh_id",
            value=str(1000 + item.number),
            named_as=f"https://crt.sh/?id={1000 + item.number}",
        )
        for item in items
    )
    session.add_all(
        Obligation(
            ticket=ticket.id,
            kind="revocation",
            item=item.id,
            received_at=ticket.received_at,
            due_at=ticket.received_at + DAY,
            basis="BR 4.9.1.1 (2.2.6)",
        )
        for item in items
    )
    session.flush()
    return items


def add_findings(session: Session, item: Item, *codes: tuple[str, str], **values: Any) -> str:
    """Give an item a certificate with lint findings (severity, code); return its SHA-256."""
    sha256 = f"{next(_numbers):064x}"
    session.add(Certificate(sha256=sha256, sha1="0", der=b"x", origin="mail", first_seen_at=NOW))
    session.flush()
    session.add(ItemCertificate(item=item.id, sha256=sha256))
    run = LintRun(certificate=sha256, linter="pkilint", version="1", state="done", at=NOW)
    session.add(run)
    session.flush()
    session.add_all(
        LintFinding(run=run.id, severity=severity, code=code, **values) for severity, code in codes
    )
    item.state, item.lint = "resolved", "done"
    session.add(item)
    session.flush()
    return sha256


def add_card(session: Session, ticket: Ticket, **values: Any) -> Notice:
    """Add the notice of a ticket's card."""
    return add_notice(session, f"card:{ticket.id}", "card", ticket=ticket.id, **values)


def add_step(session: Session, ticket: Ticket, label: str, **values: Any) -> Notice:
    """Add the notice of a step, such as `acknowledgement 18h`."""
    to = values.get("to", "C0CPR")
    defaults = {"step": label, "covers": [label]}
    key = f"step:{ticket.id}:{label}:{to}"
    return add_notice(session, key, "step", ticket=ticket.id, **(defaults | values))


def add_notice(
    session: Session, key: str, kind: str, *, at: datetime = NOW, **values: Any
) -> Notice:
    """Add a notice that is due."""
    defaults = {"due_at": at, "to": "C0CPR", "created_at": at, "next_try_at": at}
    notice = Notice(key=key, kind=kind, **(defaults | values))
    session.add(notice)
    session.flush()
    return notice


def make_view(*, owed: bool = True, acknowledged: bool = False, **values: Any) -> TicketView:
    """Return a view that was never stored: ticket 12, in INBOX, owed what a report starts.

    Values named like a column of the ticket go there, all others into the view.
    """
    of_ticket = {name: values.pop(name) for name in list(values) if name in Ticket.model_fields}
    defaults = {
        "id": 12,
        "token": "abcdef01",
        "received_at": NOW,
        "opened_at": NOW,
        "subject": "Misissued certificate",
    }
    ticket = Ticket(**(defaults | of_ticket))
    if acknowledged:
        ticket.state, ticket.acknowledged_at = "acknowledged", NOW + timedelta(hours=1)
        ticket.acknowledged_by = "U0ALICE"
    obligations = []
    for number, kind in enumerate(KINDS if owed else ()):
        done_at = ticket.acknowledged_at if kind == "acknowledgement" else None
        obligations.append(
            Obligation(
                id=number, ticket=12, kind=kind, received_at=ticket.received_at,
                due_at=ticket.received_at + DAY, basis="BR 4.9.5 (2.2.6)", met_at=done_at,
            )
        )  # fmt: skip
    shown: dict[str, Any] = {
        "ticket": ticket,
        "number": 12,
        "obligations": tuple(obligations),
        "revocations": Revocations(),
        "counts": CertificateCounts(),
        "worst": (),
        "lookups_ahead": 0,
        "messages": (),
        "message_ids": ("<report-1@reporter.example>",),
        "reporters": ("rita@reporter.example",),
        "places": (Place("cps", "INBOX", in_junk=False, gone=False),),
        "notices": (),
    }
    return TicketView(**(shown | values))
