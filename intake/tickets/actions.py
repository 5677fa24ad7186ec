"""What a person does to a ticket, the same from Slack and from the command line.

Each function works inside the caller's transaction, locks the ticket, and writes one event with
the actor. Doing the same twice does nothing the second time and says so.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, select

from intake.archive.message_id import normalise
from intake.clock import render_instant
from intake.errors import IntakeError
from intake.tables import Obligation, SentMessageId, Ticket
from intake.tickets.acting import Outcome, act, needed, open_ticket
from intake.tickets.classify import classify
from intake.tickets.obligations import (
    ACKNOWLEDGEMENT,
    REPORT_TO_REPORTER,
    REPORT_TO_SUBSCRIBER,
)
from intake.tickets.owed import (
    CLOSING,
    forget_closing,
    load_ticket,
    number_of,
    open_obligations,
    take_up,
    waive,
    waived_by_closing,
)
from intake.tickets.revocation_watch import claim_revoked, owed_items, withdraw_claims

__all__ = [
    "Outcome",
    "acknowledge",
    "assign",
    "classify",
    "close",
    "dismiss",
    "note",
    "record_report",
    "reopen",
]

NOT_A_PROBLEM_REPORT = "not_a_problem_report"
HANDLED = "handled"
DISPOSITIONS = (HANDLED, "duplicate")  # with which a ticket is closed; dismissing has its own
REPORT_KINDS = {"reporter": REPORT_TO_REPORTER, "subscriber": REPORT_TO_SUBSCRIBER}


def acknowledge(session: Session, ticket: int, actor: str, now: datetime) -> Outcome:
    """Take a ticket and every reply to it; the first person stays shown.

    It does not count as a preliminary report (BR 4.9.5).
    """
    row = open_ticket(session, ticket)
    owed = open_obligations(session, ticket, [ACKNOWLEDGEMENT])
    if not owed and row.acknowledged_at is not None:
        when = render_instant(row.acknowledged_at)
        text = f"Ticket {ticket} was already acknowledged by {row.acknowledged_by} at {when}."
        return Outcome(text, changed=False)
    for one in owed:
        one.met_at, one.met_by = now, actor
        session.add(one)
    row.acknowledged_at, row.acknowledged_by = now, actor
    row.assignee = row.assignee or actor
    late = [one for one in owed if one.due_at < now]
    act(session, row, "ticket_acknowledged", actor, now, late=bool(late))
    text = f"Ticket {ticket} is acknowledged by {actor} and assigned to {row.assignee}."
    return Outcome(text + (" It was late: the 24 hours had run out." if late else ""))


def assign(session: Session, ticket: int, actor: str, now: datetime, *, who: str) -> Outcome:
    """Give a ticket to somebody, who gets its reminders."""
    row = open_ticket(session, ticket)
    name = who.strip().removeprefix("<@").removesuffix(">").partition("|")[0].strip()
    if not name:
        message = "Nobody is named. Give a Slack user id (U…) or a name."
        raise IntakeError(message)
    if row.assignee == name:
        return Outcome(f"Ticket {ticket} is already assigned to {name}.", changed=False)
    before, row.assignee = row.assignee, name
    act(session, row, "ticket_assigned", actor, now, to=name, before=before)
    return Outcome(f"Ticket {ticket} is assigned to {name}.")


def note(session: Session, ticket: int, actor: str, now: datetime, *, text: str) -> Outcome:
    """Write a note of a person into the ticket's history; a closed ticket takes one too."""
    row = load_ticket(session, ticket)
    words = needed(text, "The note is empty. Write what you want to remember.")
    act(session, row, "note_added", actor, now, text=words)
    return Outcome(f"The note is in the history of ticket {ticket}.")


def record_report(  # noqa: PLR0913 - each is a fact of the report
    session: Session,
    ticket: int,
    actor: str,
    now: datetime,
    *,
    to: str,
    at: datetime,
    message_id: str,
    says_revoked: bool = False,
) -> Outcome:
    """Record that a preliminary report on our findings was sent.

    Source: BR 4.9.5.

    Args:
        session: a write session.
        ticket: its number.
        actor: who records it.
        now: when it is recorded.
        to: "reporter" or "subscriber".
        at: when the report was sent.
        message_id: of the mail that was the report, so that its bounce is known.
        says_revoked: whether it says that what must be revoked is; that is checked.
    """
    row = open_ticket(session, ticket)
    _check_report(row, to=to, at=at, now=now)
    sent = normalise(message_id)
    if not sent:
        message = "The Message-ID of the report is missing: its bounce would not be known."
        raise IntakeError(message)
    met = [
        one
        for one in open_obligations(session, ticket, [REPORT_KINDS[to]])
        if one.received_at <= at
    ]
    if not met and _is_recorded(session, ticket, REPORT_KINDS[to], sent):
        return Outcome(f"This report to the {to} was recorded before.", changed=False)
    for one in met:
        one.met_at, one.met_by, one.met_message_id = at, actor, sent
        session.add(one)
    if session.get(SentMessageId, sent) is None:
        session.add(
            SentMessageId(message_id=sent, ticket=ticket, purpose="preliminary_report", sent_at=at)
        )
    late = any(one.due_at < at for one in met)
    if says_revoked:
        claim_revoked(session, owed_items(session, ticket), actor, now=now)
    act(
        session, row, "report_recorded", actor, now,
        to=to, at=at.isoformat(), message_id=sent, obligations=len(met), late=late,
        says_revoked=says_revoked,
    )  # fmt: skip
    return Outcome(_report_text(session, ticket, to, at, met, late=late))


def dismiss(session: Session, ticket: int, actor: str, now: datetime, *, reason: str) -> Outcome:
    """Close a ticket as not a problem report; re-opening takes up all that was owed."""
    row = open_ticket(session, ticket)
    words = needed(reason, "Say why this is not a problem report; the reason is listed daily.")
    given_up = _close(session, row, actor, now, reason=words, disposition=NOT_A_PROBLEM_REPORT)
    text = f"Ticket {ticket} is dismissed as not a problem report."
    return Outcome(text + _loud(given_up), given_up=given_up)


def close(
    session: Session,
    ticket: int,
    actor: str,
    now: datetime,
    *,
    reason: str,
    disposition: str = "handled",
) -> Outcome:
    """Close a ticket; what was still owed is given up and named."""
    row = open_ticket(session, ticket)
    words = needed(reason, "Say why the ticket is closed.")
    if disposition not in DISPOSITIONS:
        message = (
            f"{disposition!r} is no way to close a ticket. Use {' or '.join(DISPOSITIONS)}; "
            "for what is no problem report: intake ticket dismiss."
        )
        raise IntakeError(message)
    given_up = _close(session, row, actor, now, reason=words, disposition=disposition)
    return Outcome(f"Ticket {ticket} is closed as {disposition}." + _loud(given_up), True, given_up)


def reopen(session: Session, ticket: int, actor: str, now: datetime, *, reason: str) -> Outcome:
    """Take a closed ticket up again, with all that closing had given up."""
    row = load_ticket(session, ticket)
    if row.state != "closed":
        return Outcome(f"Ticket {ticket} is not closed; it is {row.state}.", changed=False)
    words = needed(reason, "Say why the ticket is taken up again.")
    closed = {"closed_by": row.closed_by, "disposition": row.disposition}
    if row.closed_at is not None:
        withdraw_claims(session, ticket, row.closed_at)
    forget_closing(row)
    owed = waived_by_closing(session, ticket)
    take_up(owed)
    session.add_all(owed)
    act(session, row, "ticket_reopened", actor, now, reason=words, **closed)
    return Outcome(f"Ticket {ticket} is {row.state} again; {len(owed)} obligations run on.")


def _close(
    session: Session,
    ticket: Ticket,
    actor: str,
    now: datetime,
    *,
    reason: str,
    disposition: str,
) -> tuple[str, ...]:
    """Close a ticket and return what was still owed, in words."""
    owed = open_obligations(session, number_of(ticket))
    if disposition == HANDLED:
        claim_revoked(session, owed_items(session, number_of(ticket)), actor, now=now)
    waive(owed, f"{CLOSING}{reason}", now)
    session.add_all(owed)
    ticket.state, ticket.disposition = "closed", disposition
    ticket.closed_at, ticket.closed_by, ticket.closed_reason = now, actor, reason
    given_up = _in_words(owed)
    act(
        session, ticket, "ticket_closed", actor, now,
        reason=reason, disposition=disposition, given_up=list(given_up),
    )  # fmt: skip
    return given_up


def _in_words(owed: Sequence[Obligation]) -> tuple[str, ...]:
    """Name what is owed, revocations only counted: there may be thousands."""
    revocations = [one for one in owed if one.item is not None]
    words = [
        f"{one.kind.replace('_', ' ')} due {render_instant(one.due_at)}"
        for one in owed
        if one.item is None
    ]
    if revocations:
        first = min(one.due_at for one in revocations)
        words.append(f"{len(revocations)} revocations, the first due {render_instant(first)}")
    return tuple(words)


def _loud(given_up: Sequence[str]) -> str:
    if not given_up:
        return ""
    return " ATTENTION, this was still owed and is owed no more: " + "; ".join(given_up) + "."


def _check_report(ticket: Ticket, *, to: str, at: datetime, now: datetime) -> None:
    if to not in REPORT_KINDS:
        message = f"{to!r} gets no preliminary report. Use reporter or subscriber."
        raise IntakeError(message)
    if at > now:
        message = (
            f"The report is said to be sent at {render_instant(at)}, which is in the future "
            f"(now: {render_instant(now)}). Record it when it is sent."
        )
        raise IntakeError(message)
    if at < ticket.received_at:
        message = (
            f"The report is said to be sent at {render_instant(at)}, before the problem report "
            f"arrived ({render_instant(ticket.received_at)}). Look at the time and its offset."
        )
        raise IntakeError(message)


def _is_recorded(session: Session, ticket: int, kind: str, sent: str) -> bool:
    query = select(Obligation.id).where(
        Obligation.ticket == ticket, Obligation.kind == kind, Obligation.met_message_id == sent
    )
    return session.exec(query.limit(1)).first() is not None


def _report_text(
    session: Session,
    ticket: int,
    to: str,
    at: datetime,
    met: Sequence[Obligation],
    *,
    late: bool,
) -> str:
    text = f"The preliminary report to the {to} of {render_instant(at)} is recorded."
    if not met:
        text += " Nothing was owed for it."
    if late:
        text += " It was late: a missed limit of BR 4.9.5 is an incident of its own."
    left = open_obligations(session, ticket, list(REPORT_KINDS.values()))
    if left:
        kinds = sorted({one.kind.replace("_", " ") for one in left})
        text += f" Still owed: {', '.join(kinds)}."
    return text
