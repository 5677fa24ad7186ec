"""What we owe by when: pure, from T0 and the rules that were in force then.

The clock starts when our mail system took the message, not when we polled it: a stopped poller
must not win us time.

Source: BR 4.9.1.1, 4.9.5.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from intake.tickets.rules import (
    ACKNOWLEDGE_WITHIN,
    COMPANY_RULE,
    REPORT_WITHIN,
    UNCLASSIFIED_WITHIN,
    find_reason,
    rules_at,
)

ACKNOWLEDGEMENT = "acknowledgement"
REPORT_TO_REPORTER = "preliminary_report_to_reporter"
REPORT_TO_SUBSCRIBER = "preliminary_report_to_subscriber"
REVOCATION = "revocation"
REPORTS = (REPORT_TO_REPORTER, REPORT_TO_SUBSCRIBER)


@dataclass(frozen=True)
class Owed:
    """One thing that we owe by an instant."""

    kind: str
    received_at: datetime  # the T0 that started it
    due_at: datetime
    basis: str


def acknowledgement(t0: datetime) -> Owed:
    """Return when a person must have taken the ticket; no rule but our own asks for it."""
    return Owed(ACKNOWLEDGEMENT, t0, t0 + ACKNOWLEDGE_WITHIN, COMPANY_RULE)


def preliminary_reports(t0: datetime) -> tuple[Owed, Owed]:
    """Return when reporter and Subscriber must have our findings.

    Source: BR 4.9.5.
    """
    rules = rules_at(t0)
    if rules.reports is None:  # BR 4.9.5 asked to begin an investigation, not for findings
        basis = f"{COMPANY_RULE}, since {rules.cite('4.9.5')} asks only to begin investigating"
    else:
        basis = rules.cite(rules.reports)
    due_at = t0 + REPORT_WITHIN
    return (
        Owed(REPORT_TO_REPORTER, t0, due_at, basis),
        Owed(REPORT_TO_SUBSCRIBER, t0, due_at, basis),
    )


def revocation(t0: datetime, reason: str | None = None) -> Owed:
    """Return when a revocation must be published: by its reason, or 24 hours without one.

    Source: BR 4.9.1.1, 4.9.1.2, 4.9.5.

    Raises:
        KeyError: if the rules at T0 have no such reason.
    """
    if reason is None:
        rules = rules_at(t0)
        basis = f"{rules.cite(rules.section)}, the strictest limit until classified"
        return Owed(REVOCATION, t0, t0 + UNCLASSIFIED_WITHIN, basis)
    found = find_reason(t0, reason)
    if found is None:
        raise KeyError(reason)
    rules, known = found
    basis = f"{rules.cite(rules.section, known.number)}, {reason}"
    return Owed(REVOCATION, t0, t0 + known.within, basis)


def obligations_for(t0: datetime, *, reports: bool = True) -> tuple[Owed, ...]:
    """Return what a message starts for its ticket as a whole; items have their own.

    Args:
        t0: when our mail system took the message.
        reports: False for a reply that names nothing new.
    """
    return (acknowledgement(t0), *(preliminary_reports(t0) if reports else ()))


def earliest(instants: Iterable[datetime | None]) -> datetime | None:
    """Return the earliest of the instants that there are."""
    return min((one for one in instants if one is not None), default=None)
