"""The same notices as plain-text mail, for when Slack can't carry them.

Pure. A mail says first what to do by when, then the command to type: whoever reads it may have
nothing but a terminal.
"""

from dataclasses import dataclass
from datetime import datetime

from intake.notices.cards import (
    certificates_line,
    lint_line,
    progress_lines,
    warnings,
    worst_findings,
)
from intake.notices.duties import by_when, duties, following, needs_acknowledgement, time_left
from intake.notices.steps import covered, duty_of, step_words
from intake.notices.view import TicketView
from intake.notices.words import clean, utc_day
from intake.tables import Notice


@dataclass(frozen=True)
class Letter:
    """A mail to staff."""

    subject: str
    body: str


def render_letter(
    view: TicketView, notice: Notice, now: datetime, *, why_mail: str | None = None
) -> Letter:
    """Render a card or a step as a mail.

    Args:
        view: the ticket.
        notice: the card or step.
        now: the present instant.
        why_mail: why Slack did not carry it; None if it was meant as a mail.
    """
    is_step = notice.kind == "step"
    owed = duties(view)
    first = duty_of(notice, view) if is_step else (owed[0] if owed else None)
    head = by_when(first, now, utc_day) if first else "nothing is due"
    left = time_left(first, now) if first else ""
    token = f"[CPR-{view.number}-{view.ticket.token}]"
    opening = f"{head} ({left})." if left else f"{head}."
    parts = [
        opening,
        *([_step_part(view, notice, now)] if is_step else []),
        *(f"{line}." for line in following(owed, now, utc_day) if first == owed[0]),
        _commands(view),
        _about(view, now),
    ]
    if why_mail:
        parts.append(
            f"You get this as a mail because Slack did not take it: {clean(why_mail, 300)}"
        )
    return Letter(f"{token} {head}: {clean(view.ticket.subject, 80)}", _joined(parts))


def render_text_letter(notice: Notice, *, why_mail: str | None = None) -> Letter:
    """Render a notice that is only text as a mail."""
    lines = [clean(line, 500) for line in notice.text.splitlines()]
    parts = ["\n".join(lines)]
    if why_mail:
        parts.append(
            f"You get this as a mail because Slack did not take it: {clean(why_mail, 300)}"
        )
    first = next((line for line in lines if line), notice.kind)
    return Letter(f"[CPR intake] {clean(first, 120)}", _joined(parts))


def _joined(parts: list[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _step_part(view: TicketView, notice: Notice, now: datetime) -> str:
    words = step_words(view, duty_of(notice, view), now)
    return f"CPR-{view.number} {words}\n{covered(notice, now)}."


def _commands(view: TicketView) -> str:
    number = view.number
    commands = [f"  intake ticket show {number}"]
    if needs_acknowledgement(view):
        commands.insert(0, f"  intake ticket acknowledge {number}")
    return "\n".join(["On the host that runs the intake, type:", *commands])


def _about(view: TicketView, now: datetime) -> str:
    ticket = view.ticket
    lines = [
        f"Subject:      {clean(ticket.subject) or '(none)'}",
        f"Reported by:  {', '.join(clean(one, 100) for one in view.reporters[:5]) or '(no sender)'}",
        f"Certificates: {certificates_line(view)}",
    ]
    indent = " " * 14
    lines += [f"{indent}{line}" for line in progress_lines(view, now, utc_day)]
    for one in worst_findings(view):
        late = "" if one.in_force else ", rule not in force at issuance"
        where = f"{one.certificates:,} of {view.counts.total:,}{late}"
        lines.append(f"{indent}{one.severity} {clean(one.code)} ({where})")
    if uncovered := lint_line(view):
        lines.append(f"{indent}{uncovered}")
    for place in view.places[:10]:
        label = "FOUND IN JUNK:" if place.in_junk else "Lay in:       "
        lines.append(
            f"{label}folder {clean(place.folder, 60)} of mailbox {clean(place.mailbox, 60)}"
        )
    lines += [f"WARNING:      {line}" for line in warnings(view)]
    lines.append(f"State:        {ticket.state}, priority {ticket.priority}")
    lines.append(f"Assignee:     {ticket.assignee or 'nobody'}")
    lines.append(f"Received:     {utc_day(ticket.received_at, now)}")
    lines += [f"Message-ID:   {clean(one, 200)}" for one in view.message_ids[:5]]
    return "\n".join(lines)
