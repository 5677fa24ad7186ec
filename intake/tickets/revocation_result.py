"""What an observed revocation state means for the tickets: what is met, and what is alarming.

An alarm is told once when it begins: an event for each item, a label on the ticket, and one
notice for the ticket and day. The reason that a CRL gives is compared with the classification.

Source: BR 4.9.5, 7.2.2.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from intake.certificates.revocation import (
    CLAIM_NOT_TRUE,
    GOOD,
    REVOKED,
    SOURCES,
    WORDS,
    reason_problem,
)
from intake.events import SERVICE, record_event
from intake.tables import Item, Obligation, RevocationStatus, Ticket
from intake.tickets.obligations import REVOCATION
from intake.tickets.owed import CLOSING
from intake.tickets.rules import NO_REVOCATION, find_reason
from intake.tickets.tell import want_card, want_trouble
from intake.tickets.triage import with_labels

LABEL = "revocation_alarm"
SUBSCRIBER_REQUEST = "subscriber_request"
SUBSCRIBER_CHOICES = frozenset({1, 3, 4, 5})  # BR 7.2.2: a Subscriber may choose the reason


def carry_to_items(
    session: Session,
    status: RevocationStatus,
    items: Sequence[Item],
    *,
    before: str,
    now: datetime,
) -> None:
    """Write a certificate's state into its items, meet what is met, and raise alarms.

    Args:
        session: a write session.
        status: what was observed now.
        items: all that are about this certificate.
        before: the state before this look.
        now: when it was observed.
    """
    shown_anew = set()
    for item in items:
        changed = item.revocation != status.state
        item.revocation = status.state
        session.add(item)
        if changed or before != status.state:
            _record_state(session, status, item, before, now)
        changed |= _meet(session, status, item, now)
        changed |= _note_alarms(session, status, item, now)
        if changed:
            shown_anew.add(item.ticket)
    for number in sorted(shown_anew):
        want_card(session, session.get_one(Ticket, number), now)


def _record_state(
    session: Session, status: RevocationStatus, item: Item, before: str, now: datetime
) -> None:
    record_event(
        session, "revocation_observed", actor=SERVICE, now=now, ticket=item.ticket,
        item=item.number, certificate=status.certificate, state=status.state, before=before,
        crl=status.crl_state, ocsp=status.ocsp_state, reason=status.reason,
        asserted_revoked_at=_iso(status.asserted_revoked_at),
        first_observed_revoked_at=_iso(status.first_observed_revoked_at),
    )  # fmt: skip


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _meet(session: Session, status: RevocationStatus, item: Item, now: datetime) -> bool:
    """Meet the obligation to revoke an item whose revocation is published everywhere.

    One that was given up when the ticket was closed is met, too: it happened.
    """
    seen = status.first_observed_revoked_at
    if status.state != REVOKED or seen is None:
        return False
    query = select(Obligation).where(
        Obligation.item == item.id,
        Obligation.kind == REVOCATION,
        col(Obligation.met_at).is_(None),
    )
    met = False
    for one in session.exec(query).all():
        if one.waived_at is not None and not (one.waived_reason or "").startswith(CLOSING):
            continue
        one.met_at, one.met_by = seen, SERVICE
        session.add(one)
        met = True
        record_event(
            session, "revocation_published", actor=SERVICE, now=now, ticket=item.ticket,
            item=item.number, certificate=status.certificate, met_at=seen.isoformat(),
            due_at=one.due_at.isoformat(), late=seen > one.due_at,
            asserted_revoked_at=_iso(status.asserted_revoked_at), reason=status.reason,
        )  # fmt: skip
    return met


# ---- alarms ------------------------------------------------------------------------------------


def _note_alarms(session: Session, status: RevocationStatus, item: Item, now: datetime) -> bool:
    wrong = sorted({*status.problems, *_problems_of(status, item)})
    if wrong == item.alarms:
        return False
    begun = [one for one in wrong if one not in item.alarms]
    over = [one for one in item.alarms if one not in wrong]
    item.alarms = wrong
    session.add(item)
    session.flush()
    for what in begun:
        _raise(session, status, item, what, now)
    if over:
        record_event(
            session, "revocation_alarm_over", actor=SERVICE, now=now, ticket=item.ticket,
            item=item.number, certificate=status.certificate, alarms=over,
        )  # fmt: skip
    _label(session, item.ticket, is_wrong=bool(wrong))
    return True


def _problems_of(status: RevocationStatus, item: Item) -> list[str]:
    """Return what is wrong about the revocation for one item alone."""
    found = [reason_problem(status, expected_reasons(item))]
    if item.claimed_revoked_at is not None and _is_denied(status):
        found.append(CLAIM_NOT_TRUE)
    return [one for one in found if one is not None]


def _is_denied(status: RevocationStatus) -> bool:
    """Say whether a source says soundly that the certificate is not revoked."""
    states = [getattr(status, f"{source}_state") for source in SOURCES]
    return status.state == GOOD or any(one not in {None, REVOKED} for one in states)


def expected_reasons(item: Item) -> frozenset[int]:
    """Return the CRLReasons that fit an item's classification; empty if no rule says."""
    if item.reason is None or item.reason in NO_REVOCATION:
        return frozenset()
    found = find_reason(item.received_at, item.reason)
    if found is None or found[1].crl_reason is None:
        return frozenset()
    expected = frozenset({found[1].crl_reason})
    return expected | SUBSCRIBER_CHOICES if found[1].key == SUBSCRIBER_REQUEST else expected


def _raise(
    session: Session, status: RevocationStatus, item: Item, what: str, now: datetime
) -> None:
    record_event(
        session, "revocation_alarm", actor=SERVICE, now=now, ticket=item.ticket, item=item.number,
        certificate=status.certificate, alarm=what, state=status.state, crl=status.crl_state,
        ocsp=status.ocsp_state, reason=status.reason,
    )  # fmt: skip
    serial = item.serial_number or status.serial_number
    text = (
        f"Ticket {item.ticket}, certificate {item.number} (serial number {serial}) "
        f"{WORDS.get(what, what)}. Others of the ticket may be the same today. "
        f"Next: intake ticket show {item.ticket}"
    )
    key = f"revocation:{item.ticket}:{what}:{now:%Y%m%d}"
    want_trouble(session, session.get_one(Ticket, item.ticket), key=key, text=text, now=now)


def _label(session: Session, number: int, *, is_wrong: bool) -> None:
    """Keep the label on a ticket as long as anything is wrong with a revocation in it."""
    ticket = session.get_one(Ticket, number)
    if is_wrong:
        ticket.labels = with_labels(ticket.labels, [LABEL])
        session.add(ticket)
        return
    query = select(Item.alarms).where(Item.ticket == number, col(Item.merged_into).is_(None))
    if not any(session.exec(query).all()):
        ticket.labels = [one for one in ticket.labels if one != LABEL]
        session.add(ticket)
