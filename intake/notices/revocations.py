"""What was observed of revocations, in words: pure."""

from collections.abc import Callable, Iterator
from datetime import datetime

from intake.certificates.revocation import GOOD, REASON_NAMES, REVOKED, UNKNOWN, WORDS
from intake.clock import render_instant
from intake.notices.view import TicketView
from intake.notices.words import count
from intake.tables import Item, RevocationStatus

Times = Callable[[datetime, datetime], str]  # an instant as seen from now
ALARMS_SHOWN = 4


def revocation_lines(view: TicketView, now: datetime, times: Times) -> Iterator[str]:
    """Say how many certificates are revoked as observed, since when, and what is wrong there."""
    seen = view.revocation
    if revoked := seen.states.get(REVOKED):
        yield _revoked_line(view, revoked, now, times)
    others = [
        f"{number:,} {what}"
        for state, what in ((GOOD, "not revoked"), (UNKNOWN, "not certain whether revoked"))
        if (number := seen.states.get(state))
    ]
    if others:
        looked = f", as of {times(seen.checked_at, now)}" if seen.checked_at else ""
        yield ", ".join(others) + looked
    for code, number in seen.alarms[:ALARMS_SHOWN]:
        yield f"REVOCATION ALARM: {WORDS.get(code, code)} ({count(number, 'certificate')})"


def _revoked_line(view: TicketView, revoked: int, now: datetime, times: Times) -> str:
    seen = view.revocation
    parts = [f"{revoked:,} revoked"]
    if seen.asserted_at is not None:
        parts.append(f"since {times(seen.asserted_at, now)} as the CA states")
    if seen.observed_at is not None:
        what = "observed" if revoked == 1 else "the last one observed"
        parts.append(f"{what} {times(seen.observed_at, now)}")
    return ", ".join(parts)


def item_words(item: Item, status: RevocationStatus | None) -> str:
    """Say what was observed of one certificate's revocation, for the command line."""
    if status is None:
        return ""
    if status.state != REVOKED:
        words = {GOOD: "not revoked", UNKNOWN: "revocation unknown"}.get(status.state, status.state)
        looked = f" as of {render_instant(status.checked_at)}" if status.checked_at else ""
        words += looked + (f" ({status.detail})" if status.detail else "")
    else:
        words = (
            f"revoked since {render_instant(status.asserted_revoked_at)}, "
            f"observed {render_instant(status.first_observed_revoked_at)}, "
            f"{REASON_NAMES.get(status.reason or 0, 'unspecified')}"
        )
    alarms = [f"ALARM: {WORDS.get(one, one)}" for one in item.alarms]
    return "; ".join([words, *alarms])
