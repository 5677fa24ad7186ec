"""The only place that reads the wall clock; everything else takes `now` as an argument."""

import os
from collections.abc import Callable
from datetime import UTC, datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # where an instant is needed and none is meant

Clock = Callable[[], datetime]
"""Returns the present instant as an aware datetime in UTC."""


def wall_clock() -> datetime:
    """Return the present instant in UTC."""
    return datetime.now(UTC)


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 instant and return it in UTC.

    Raises:
        ValueError: if the text is not a date and time, or names no offset.
    """
    instant = datetime.fromisoformat(text.strip())
    if instant.tzinfo is None:
        message = f"{text!r} names no offset from UTC; write for example 2017-08-13T04:45:12Z"
        raise ValueError(message)
    return instant.astimezone(UTC)


def standing_clock(testing: bool) -> Clock:
    """Return the clock of a command: `INTAKE_NOW` stands still, but only where testing is on."""
    text = os.environ.get("INTAKE_NOW")
    if not testing or not text:
        return wall_clock
    instant = parse_instant(text)
    return lambda: instant


def render_instant(instant: datetime | None) -> str | None:
    """Write an instant as RFC 3339 in UTC with whole seconds, as the JSON contract has it."""
    if instant is None:
        return None
    return instant.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
