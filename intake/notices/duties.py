"""What is to be done next on a ticket, by when: the one thing that every notice says first.

Pure: it reads a view and decides nothing about deadlines, which `tickets/obligations.py` made.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from intake.notices.view import TicketView
from intake.notices.words import count, left
from intake.tables import Obligation

ACKNOWLEDGEMENT = "acknowledgement"
REPORTS = {
    "preliminary_report_to_reporter": "the reporter",
    "preliminary_report_to_subscriber": "the Subscriber",
}
DISPOSITIONS = {
    "handled": "handled",
    "not_a_problem_report": "not a problem report",
    "duplicate": "duplicate",
}
Times = Callable[[datetime, datetime], str]
"""Writes an instant: for Slack with the reader's own time zone, for a mail in UTC."""


@dataclass(frozen=True)
class Duty:
    """Something that is owed, in words."""

    what: str  # "Acknowledge", "Preliminary report to the reporter and the Subscriber"
    due_at: datetime | None  # None: at once
    unless: str = ""  # what makes it unnecessary


def needs_acknowledgement(view: TicketView) -> bool:
    """Say whether a person has yet to take the ticket, or a reply to it."""
    if view.ticket.state == "closed":
        return False
    return view.ticket.state == "open" or bool(_open(view, ACKNOWLEDGEMENT))


def needs_report(view: TicketView) -> bool:
    """Say whether a preliminary report is owed to anybody."""
    return view.ticket.state != "closed" and any(_open(view, kind) for kind in REPORTS)


def duties(view: TicketView) -> list[Duty]:
    """Return what is owed, in the order in which a person does it."""
    if view.ticket.state == "closed":
        return []
    return [*_acknowledgement(view), *_reports(view), *_revocations(view)]


def _open(view: TicketView, kind: str) -> list[Obligation]:
    return [one for one in view.open_obligations if one.kind == kind]


def _acknowledgement(view: TicketView) -> list[Duty]:
    if not needs_acknowledgement(view):
        return []
    due_at = min((one.due_at for one in _open(view, ACKNOWLEDGEMENT)), default=None)
    is_reply = view.ticket.acknowledged_at is not None
    return [Duty("Acknowledge the new reply" if is_reply else "Acknowledge", due_at)]


def _reports(view: TicketView) -> list[Duty]:
    """Return the preliminary reports; one duty where both are due at the same time."""
    to_whom: dict[datetime, list[str]] = {}
    for kind, whom in REPORTS.items():
        due = [one.due_at for one in _open(view, kind)]
        if due:
            to_whom.setdefault(min(due), []).append(whom)
    return [
        Duty(f"Preliminary report to {' and '.join(whom)}", due_at)
        for due_at, whom in sorted(to_whom.items())
    ]


def _revocations(view: TicketView) -> list[Duty]:
    owed = view.revocations
    if not owed.open:
        return []
    what = f"Revoke {count(owed.open, 'certificate')}"
    return [Duty(what, owed.next_due_at, unless=", or classify why not")]


def by_when(duty: Duty, now: datetime, times: Times) -> str:
    """Say a duty with its time: `Acknowledge by 13:05 UTC`."""
    if duty.due_at is None:
        return f"{duty.what} now"
    if duty.due_at <= now:
        return f"{duty.what}: was due {times(duty.due_at, now)}{duty.unless}"
    return f"{duty.what} by {times(duty.due_at, now)}{duty.unless}"


def following(owed: Sequence[Duty], now: datetime, times: Times) -> list[str]:
    """Say the duties after the first, in short where they have the same time."""
    if not owed:
        return []
    lines = []
    for duty in owed[1:]:
        if duty.due_at is not None and duty.due_at == owed[0].due_at:
            lines.append(f"By the same time: {_begin_small(duty.what)}{duty.unless}")
        else:
            lines.append(f"Then: {by_when(duty, now, times)}")
    return lines


def _begin_small(text: str) -> str:
    return text[:1].lower() + text[1:]


def time_left(duty: Duty, now: datetime) -> str:
    """Say how much time is left for a duty; empty where it has no time."""
    return "" if duty.due_at is None else left(duty.due_at, now)


def is_overdue(duty: Duty, now: datetime) -> bool:
    """Say whether the time of a duty is past."""
    return duty.due_at is not None and duty.due_at <= now
