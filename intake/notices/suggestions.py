"""What the findings suggest, in words: a reason of the rules with its window, for a person to confirm.

Pure. It never says that a certificate must be revoked: a finding is no proof, and its absence no
innocence.
"""

from collections.abc import Iterator
from datetime import datetime

from intake.notices.view import TicketView
from intake.notices.words import count, span
from intake.tickets.rules import CRL_REASONS, NO_REVOCATION, find_reason

CAVEAT = "A finding is no proof, and its absence no innocence: look, then classify."


def suggestion_words(name: str, at: datetime) -> str:
    """Say what a classification means under the rules in force at T0."""
    if name in NO_REVOCATION:
        return f"{name}: {NO_REVOCATION[name]}"
    found = find_reason(at, name)
    if found is None:
        return name
    rules, reason = found
    crl = "" if reason.crl_reason is None else f", CRL reason {CRL_REASONS[reason.crl_reason]}"
    cited = rules.cite(rules.section, reason.number)
    return f"{name}: {reason.text} ({cited}), revoke within {span(reason.within)} of T0{crl}"


def suggestion_lines(view: TicketView) -> Iterator[str]:
    """Say what the findings suggest for how many certificates, without any marks."""
    for name, certificates in view.lint.suggested:
        what = suggestion_words(name, view.ticket.received_at)
        yield what if view.counts.total == 1 else f"{what} — {count(certificates, 'certificate')}"
