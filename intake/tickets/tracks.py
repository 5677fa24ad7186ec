"""The tracks of a ticket, read from its obligations, and what must be looked at next.

Only the earliest thing that is owed of its kind is a track: acknowledging takes a ticket with all
its replies, and the findings in one report answer them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from intake.tables import Obligation, Ticket
from intake.tickets.desk import Chains
from intake.tickets.escalation import (
    ASSIGNEE,
    PRELIMINARY_REPORT,
    Step,
    Track,
    next_action_at,
)
from intake.tickets.obligations import ACKNOWLEDGEMENT, REPORTS
from intake.tickets.owed import number_of, open_obligations


@dataclass(frozen=True)
class OpenTrack:
    """A track with the obligations that it stands for."""

    track: Track
    obligations: tuple[Obligation, ...]

    @property
    def source(self) -> int | None:
        """Return the message whose T0 the steps count from."""
        return self.obligations[0].message


def open_tracks(session: Session, ticket: Ticket, chains: Chains) -> list[OpenTrack]:
    """Return what of a ticket must be told in steps; nothing of one that is closed."""
    if ticket.state == "closed":
        return []
    owed = open_obligations(session, number_of(ticket), [ACKNOWLEDGEMENT, *REPORTS])
    return tracks_among(ticket, owed, chains)


def tracks_among(ticket: Ticket, owed: Sequence[Obligation], chains: Chains) -> list[OpenTrack]:
    """Return the tracks of a ticket that is not closed, from what it owes, earliest T0 first."""
    acknowledgements = [one for one in owed if one.kind == ACKNOWLEDGEMENT]
    reports = [one for one in owed if one.kind in REPORTS]
    report_steps = tuple(_resolved(step, ticket, chains.channel) for step in chains.reports)
    found = [
        _track(ACKNOWLEDGEMENT, acknowledgements, chains.acknowledgement),
        _track(PRELIMINARY_REPORT, reports, report_steps),
    ]
    return [one for one in found if one is not None]


def plan_next(session: Session, ticket: Ticket, chains: Chains) -> None:
    """Write down when a ticket must be looked at next."""
    session.flush()
    owed = open_obligations(session, number_of(ticket), [ACKNOWLEDGEMENT, *REPORTS])
    plan_ticket(ticket, owed, chains)
    session.add(ticket)


def plan_ticket(ticket: Ticket, owed: Sequence[Obligation], chains: Chains) -> None:
    """Set when a ticket must be looked at next, from what it owes, earliest T0 first."""
    tracks = [] if ticket.state == "closed" else tracks_among(ticket, owed, chains)
    ticket.next_action_at = next_action_at(one.track for one in tracks)


def first_action_at(received_at: datetime, chains: Chains) -> datetime | None:
    """Return when a ticket that was just opened must be looked at."""
    return next_action_at(
        [
            Track(ACKNOWLEDGEMENT, received_at, chains.acknowledgement),
            Track(PRELIMINARY_REPORT, received_at, chains.reports),
        ]
    )


def is_slack_user(name: str | None) -> bool:
    """Say whether a name is a Slack user id, so that a direct message reaches them."""
    return name is not None and name[:1] in {"U", "W"} and name[1:].isalnum() and name.isupper()


def _resolved(step: Step, ticket: Ticket, channel: str) -> Step:
    assignee = ticket.assignee if is_slack_user(ticket.assignee) else None
    to = tuple(dict.fromkeys(assignee or channel if one == ASSIGNEE else one for one in step.to))
    return Step(step.after, to, step.every)


def _track(name: str, owed: list[Obligation], steps: tuple[Step, ...]) -> OpenTrack | None:
    """Return the track of the earliest obligation, with those that the same message started."""
    if not owed:
        return None
    first = owed[0]
    group = tuple(one for one in owed if one.message == first.message)
    told = max(group, key=lambda one: -1 if one.told_seconds is None else one.told_seconds)
    track = Track(
        name,
        first.received_at,
        steps,
        None if told.told_seconds is None else timedelta(seconds=told.told_seconds),
        told.told_at,
    )
    return OpenTrack(track, group)
