"""For which time each source is known to have been read, and where the gaps are.

A negative answer is only as strong as this. The intervals are written while reading
(`mailbox/coverage.py`); here they are cut to the time that is asked about.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from intake.mailbox.coverage import folder_source
from intake.tables import Coverage, Folder


@dataclass(frozen=True)
class Gap:
    """A time in which a source was not read, or not whole."""

    from_at: datetime
    to_at: datetime


@dataclass(frozen=True)
class Span:
    """How one source was read within the time asked about."""

    source: str
    from_at: datetime
    to_at: datetime
    gaps: tuple[Gap, ...]

    @property
    def complete(self) -> bool:
        """Say whether it was read without a gap."""
        return not self.gaps


def coverage_between(session: Session, from_at: datetime, to_at: datetime) -> list[Span]:
    """Return, for each source that was there in a time, what of it was not read."""
    intervals: dict[str, list[Coverage]] = {}
    for row in session.exec(select(Coverage).order_by(col(Coverage.from_at))):
        intervals.setdefault(row.source, []).append(row)
    ends = {
        folder_source(folder.mailbox, folder.name): folder.gone_since
        for folder in session.exec(select(Folder))
    }
    spans = []
    for source in sorted(intervals.keys() | ends.keys()):
        until = min(ends.get(source) or to_at, to_at)
        if until > from_at:  # else the folder was gone before
            whole = [(row.from_at, row.to_at) for row in intervals.get(source, ()) if row.complete]
            spans.append(Span(source, from_at, until, gaps_in(whole, from_at, until)))
    return spans


def gaps_in(
    intervals: Iterable[tuple[datetime, datetime]], from_at: datetime, to_at: datetime
) -> tuple[Gap, ...]:
    """Return what intervals leave uncovered between two instants."""
    gaps: list[Gap] = []
    at = from_at
    for begins, ends in sorted(intervals):
        if begins > at:
            gaps.append(Gap(at, min(begins, to_at)))
        at = max(at, ends)
        if at >= to_at:
            break
    if at < to_at:
        gaps.append(Gap(at, to_at))
    return tuple(gap for gap in gaps if gap.to_at > gap.from_at)
