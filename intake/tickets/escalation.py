"""Who is told when, because something is still owed: pure, from steps, T0 and what was told.

Each ticket has up to two tracks: its acknowledgement, and its preliminary reports. A track knows
up to which step it was told; everything before that is told too, since all missed steps are told
at once. Steps that repeat don't catch up: after a pause only the newest one is told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from intake.config import render_duration
from intake.tickets.obligations import earliest
from intake.tickets.rules import (
    REPORT_OVERDUE,
    REPORT_OVERDUE_EVERY,
    REPORT_TO_ASSIGNEE,
    REPORT_TO_MANAGERS,
)

PRELIMINARY_REPORT = "preliminary report"
ASSIGNEE = "assignee"  # stands for whoever has the ticket; the channel if nobody has
MOST_STEPS_PROJECTED = 200


@dataclass(frozen=True)
class Step:
    """Who is told how long after T0."""

    after: timedelta
    to: tuple[str, ...]  # Slack ids, mailto addresses, or ASSIGNEE
    every: timedelta | None = None  # repeats for as long as it is owed


@dataclass(frozen=True)
class Track:
    """A chain of steps for something that is owed."""

    name: str
    received_at: datetime  # T0
    steps: tuple[Step, ...]
    told: timedelta | None = None  # after T0, the latest step that was told
    told_at: datetime | None = None


@dataclass(frozen=True)
class DueStep:
    """One step that must be told."""

    track: str
    after: timedelta
    due_at: datetime
    to: tuple[str, ...]

    @property
    def label(self) -> str:
        """Return the step's name for people and the JSON: `acknowledgement 18h`."""
        return f"{self.track} {render_duration(self.after)}"


@dataclass(frozen=True)
class Telling:
    """The steps that are told at one instant."""

    at: datetime
    steps: tuple[DueStep, ...]

    @property
    def recipients(self) -> tuple[str, ...]:
        """Return everybody who is told, each once."""
        return tuple(dict.fromkeys(one for step in self.steps for one in step.to))


def report_steps(managers: Sequence[str]) -> tuple[Step, ...]:
    """Return the chain for preliminary reports; acknowledging a ticket does not stop it."""
    everybody = (ASSIGNEE, *managers)
    return (
        *(Step(after, (ASSIGNEE,)) for after in REPORT_TO_ASSIGNEE),
        Step(REPORT_TO_MANAGERS, everybody),
        Step(REPORT_OVERDUE, everybody, every=REPORT_OVERDUE_EVERY),
    )


def due_steps(tracks: Iterable[Track], now: datetime) -> tuple[DueStep, ...]:
    """Return every step that is due and was not told, in the order in which they fell due."""
    found = [
        DueStep(track.name, after, track.received_at + after, step.to)
        for track in tracks
        for step in track.steps
        if (after := _due_after(track, step, now)) is not None
    ]
    return tuple(sorted(found, key=lambda one: (one.due_at, one.track, one.after)))


def next_action_at(tracks: Iterable[Track]) -> datetime | None:
    """Return when the next step falls due that was not told, None if nothing is owed.

    It may lie in the past: then it is due now.
    """
    return earliest(_next_at(track, step) for track in tracks for step in track.steps)


def mark_told(track: Track, due: Iterable[DueStep], now: datetime) -> Track:
    """Return the track after its steps among these were told."""
    own = [one.after for one in due if one.track == track.name]
    if not own:
        return track
    return replace(track, told=max([*own, track.told or timedelta(0)]), told_at=now)


def project(tracks: Sequence[Track], now: datetime, until: datetime) -> list[Telling]:
    """Return what would be told from now on, if nobody acted."""
    found: list[Telling] = []
    at: datetime | None = now
    while at is not None and at <= until and len(found) < MOST_STEPS_PROJECTED:
        due = due_steps(tracks, at)
        if due:
            found.append(Telling(at, due))
        tracks = [mark_told(track, due, at) for track in tracks]
        at = next_action_at(tracks)
    return found


def _due_after(track: Track, step: Step, now: datetime) -> timedelta | None:
    """Return how long after T0 the step is due that must be told now, None if none is."""
    first_told = track.told is not None and track.told >= step.after
    if not first_told:
        return step.after if track.received_at + step.after <= now else None
    if step.every is None:
        return None
    newest = step.after + step.every * ((now - track.received_at - step.after) // step.every)
    told_until = _told_until(track)
    return newest if told_until is not None and track.received_at + newest > told_until else None


def _next_at(track: Track, step: Step) -> datetime | None:
    """Return when this step falls due the next time."""
    first = track.received_at + step.after
    if track.told is None or track.told < step.after:
        return first
    told_until = _told_until(track)
    if step.every is None or told_until is None:
        return None
    return first + step.every * max((told_until - first) // step.every + 1, 0)


def _told_until(track: Track) -> datetime | None:
    """Return the instant up to which repeats are told: a late notice covers what it came after."""
    if track.told is None:
        return None
    instants = [track.received_at + track.told]
    return max(instants if track.told_at is None else [*instants, track.told_at])
