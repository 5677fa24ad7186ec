"""What linting means for items and tickets: state, suggestion, priority, card.

An item is linted when every linter that must have looked at all its certificates has. Everything
is done for many certificates at once, since a report may hold thousands.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from intake.events import SERVICE, record_event
from intake.jobs import is_owed
from intake.tables import Certificate, Item, ItemCertificate, LintFinding, LintRun, Ticket
from intake.tickets.desk import Desk
from intake.tickets.suggest import NO_VERDICT, Hint, suggest
from intake.tickets.tell import want_card, want_card_by
from intake.tickets.triage import SERIOUS, higher, with_labels

AT_ONCE = 400  # rows named in one statement
Row = TypeVar("Row")
NAMES_US = "names_our_ca"  # a label
FAILED = frozenset({"failed", "timed_out"})
SHOWN_EVERY = timedelta(seconds=4)  # a card, while more of its certificates are to be linted


def note_lint(session: Session, sha256s: Collection[str], *, desk: Desk, now: datetime) -> None:
    """Carry what linters said about certificates to every item that they belong to.

    The card is shown anew at once if that was all, and else after a while: counting thousands of
    certificates for it takes time that the linters need.
    """
    items: dict[int, Item] = {}
    for chunk in _chunks(list(sha256s)):
        query = (
            select(Item)
            .join(ItemCertificate, col(ItemCertificate.item) == col(Item.id))
            .where(col(ItemCertificate.sha256).in_(chunk))
        )
        items |= {item.id: item for item in session.exec(query) if item.id is not None}
    refresh_lint(session, list(items.values()), required=desk.linters)
    for number in sorted({item.ticket for item in items.values()}):
        ticket = session.get_one(Ticket, number)
        mine = [item for item in items.values() if item.ticket == number]
        raise_priority(session, ticket, mine, now=now)
        if is_owed(session, "lint_certificate", number, now):
            want_card_by(session, ticket, now + SHOWN_EVERY, now=now)
        else:
            want_card(session, ticket, now)


def refresh_lint(session: Session, items: Sequence[Item], *, required: Collection[str]) -> None:
    """Write down how far items are linted, and what their findings suggest."""
    known = _known(session, [item.id or 0 for item in items])
    for item in items:
        one = known[item.id or 0]
        item.lint = lint_state(one.runs.values(), required)
        item.suggested = suggest(
            one.hints,
            profile=next(iter(sorted(one.profiles)), None),
            is_expired=bool(one.ends) and max(one.ends) < item.received_at,
        )
        session.add(item)


def lint_state(runs: Iterable[dict[str, str]], required: Collection[str]) -> str:
    """Return done, failed or not_checked from the newest runs of each certificate.

    Args:
        runs: for each certificate the state by linter.
        required: names of the linters that must have looked at it.
    """
    certificates = list(runs)
    states = {state for one in certificates for state in one.values()}
    if states & FAILED:
        return "failed"
    done = [{name for name, state in one.items() if state == "done"} for one in certificates]
    return "done" if done and all(set(required) <= one for one in done) else "not_checked"


@dataclass
class _Known:
    """What is known of the certificates of one item."""

    runs: dict[str, dict[str, str]] = field(default_factory=dict)  # SHA-256, linter → state
    profiles: set[str] = field(default_factory=set)
    hints: set[Hint] = field(default_factory=set)
    ends: list[datetime] = field(default_factory=list)  # notAfter of each


def _known(session: Session, ids: Sequence[int]) -> dict[int, _Known]:
    known: dict[int, _Known] = defaultdict(_Known)
    for chunk in _chunks(ids):
        held = (
            select_columns(
                col(ItemCertificate.item), col(Certificate.sha256), col(Certificate.not_after)
            )
            .join(Certificate, col(Certificate.sha256) == col(ItemCertificate.sha256))
            .where(col(ItemCertificate.item).in_(chunk))
        )
        holders: dict[str, list[int]] = defaultdict(list)
        for item, sha256, not_after in session.execute(held):
            holders[sha256].append(item)
            known[item].runs[sha256] = {}
            known[item].ends += [not_after] if not_after is not None else []
        _add_runs(session, holders, known)
    return known


def _add_runs(session: Session, holders: dict[str, list[int]], known: dict[int, _Known]) -> None:
    """Add the newest run of each linter over each certificate, with its findings."""
    runs: dict[int, str] = {}
    for chunk in _chunks(list(holders)):
        newest = (
            select_columns(func.max(col(LintRun.id)))
            .where(col(LintRun.certificate).in_(chunk))
            .group_by(col(LintRun.certificate), col(LintRun.linter))
        )
        query = select_columns(  # no objects: each certificate has a run of every linter
            col(LintRun.id),
            col(LintRun.certificate),
            col(LintRun.linter),
            col(LintRun.state),
            col(LintRun.profile),
        ).where(col(LintRun.id).in_(newest))
        for run_id, sha256, linter, state, profile in session.execute(query):
            runs[run_id or 0] = sha256
            for item in holders[sha256]:
                known[item].runs[sha256][linter] = state
                known[item].profiles |= {profile} if profile else set()
    for ids in _chunks(list(runs)):
        findings = select_columns(
            col(LintFinding.run),
            col(LintFinding.code),
            col(LintFinding.severity),
            col(LintFinding.in_force_at_issuance),
            col(LintFinding.message),
        ).where(col(LintFinding.run).in_(ids), col(LintFinding.severity).in_(SERIOUS))
        for run_id, *hint in session.execute(findings):
            for item in holders[runs[run_id]]:
                known[item].hints.add(Hint(*hint))


def raise_priority(
    session: Session, ticket: Ticket, items: Sequence[Item], *, now: datetime
) -> None:
    """Raise the priority to high when a certificate of ours broke a rule that was in force."""
    if higher(ticket.priority, "high") == ticket.priority:
        return
    for chunk in _chunks([item.id or 0 for item in items if item.ours == "yes"]):
        query = (
            select(Item.number, ItemCertificate.sha256)
            .join(ItemCertificate, col(ItemCertificate.item) == col(Item.id))
            .join(LintRun, col(LintRun.certificate) == col(ItemCertificate.sha256))
            .join(LintFinding, col(LintFinding.run) == col(LintRun.id))
            .where(
                col(Item.id).in_(chunk),
                col(LintFinding.severity).in_(SERIOUS),
                col(LintFinding.in_force_at_issuance).is_not(False),
                col(LintFinding.code).not_in(NO_VERDICT),
            )
            .order_by(col(Item.number))
        )
        found = session.exec(query).first()
        if found is not None:
            lift(session, ticket, item=found[0], certificate=found[1], now=now)
            return


def warn_of_strangers(
    session: Session, ticket: Ticket, certificates: Iterable[Certificate], *, now: datetime
) -> None:
    """Be loud about certificates that name our CA and that none of our keys signed.

    Either somebody forges us, or a CA of ours is missing from the configuration.
    """
    strangers = [one for one in certificates if one.names_us]
    if not strangers:
        return
    if NAMES_US not in ticket.labels:
        ticket.labels = with_labels(ticket.labels, [NAMES_US])
        session.add(ticket)
        record_event(
            session, "stranger_names_us", actor=SERVICE, now=now, ticket=ticket.id,
            certificates=[one.sha256 for one in strangers[:10]],
        )  # fmt: skip
    lift(session, ticket, item=None, certificate=strangers[0].sha256, now=now)


def lift(
    session: Session, ticket: Ticket, *, item: int | None, certificate: str, now: datetime
) -> None:
    """Give a ticket the priority high, unless it has a higher one."""
    if higher(ticket.priority, "high") == ticket.priority:
        return
    ticket.priority = "high"
    session.add(ticket)
    record_event(
        session, "priority_raised", actor=SERVICE, now=now, ticket=ticket.id,
        priority="high", item=item, certificate=certificate,
    )  # fmt: skip


def _chunks(many: Sequence[Row]) -> Iterable[Sequence[Row]]:
    return (many[start : start + AT_ONCE] for start in range(0, len(many), AT_ONCE))
