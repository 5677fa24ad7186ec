"""What an item turned out to be: its certificate, whose it is, and which items are one.

Issuer and serial number make a certificate one; precertificate and final certificate share both.
Merging keeps the lowest number and the earliest due time.

Source: BR 4.9.5, 7.1.2.9.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, insert
from sqlmodel import Session, col, select

from intake.certificates.identity import identity_key, judge_owner
from intake.events import SERVICE, record_event
from intake.jobs import enqueue_each
from intake.tables import (
    Certificate,
    Item,
    ItemCertificate,
    ItemName,
    Obligation,
    Ticket,
)
from intake.tickets.desk import Desk
from intake.tickets.linted import raise_priority, refresh_lint, warn_of_strangers
from intake.tickets.owed import take_up, waive
from intake.tickets.rules import NO_REVOCATION
from intake.tickets.tell import want_card

NOT_OURS = "not ours: "  # begins the reason of what was waived by a signature
MERGED = "merged into item "


def apply_resolution(
    session: Session,
    item_id: int,
    certificates: Sequence[Certificate],
    *,
    desk: Desk,
    now: datetime,
) -> None:
    """Write down what an item turned out to be, and merge it with items that are the same.

    An identifier that stands for several certificates (a serial number under several issuers)
    becomes several items, with the same clock.
    """
    item = _survivor(session, item_id)
    ticket = session.get_one(Ticket, item.ticket)
    for position, group in enumerate(_same(certificates)):
        one = item if position == 0 else _sibling(session, item, group)
        _resolve(session, one, group, desk=desk, now=now)
        kept = _merge(session, one, now=now)
        refresh_lint(session, [kept], required=desk.linters)
        raise_priority(session, ticket, [kept], now=now)
    sha256s = [one.sha256 for one in certificates]
    enqueue_each(session, "lint_certificate", sha256s, now=now, ticket=ticket.id)
    warn_of_strangers(session, ticket, certificates, now=now)
    want_card(session, ticket, now)


def mark_not_found(session: Session, item_id: int, why: str, *, now: datetime) -> None:
    """Write down that no source knows an item; what it owes stays owed."""
    item = _survivor(session, item_id)
    if item.state == "resolved":
        return
    item.state, item.problem = "not_found", why
    session.add(item)
    want_card(session, session.get_one(Ticket, item.ticket), now)


def note_problem(session: Session, item_id: int, problem: str | None, *, now: datetime) -> None:
    """Write down why an item is not resolved yet."""
    item = _survivor(session, item_id)
    if item.problem != problem and item.state == "unresolved":
        item.problem = problem
        session.add(item)
        want_card(session, session.get_one(Ticket, item.ticket), now)


def owner_among(ours: Iterable[str]) -> str:
    """Return whose an item is, from its certificates: ours if one of them is."""
    found = set(ours)
    if "yes" in found:
        return "yes"
    return "no" if found == {"no"} else "unknown"


def not_ours_reason(certificate: Certificate) -> str:
    """Return the reason for which nothing is owed about another CA's certificate."""
    return f"{NOT_OURS}issuer {certificate.issuer or 'without a name'}"


def _survivor(session: Session, item_id: int) -> Item:
    item = session.get_one(Item, item_id)
    return item if item.merged_into is None else session.get_one(Item, item.merged_into)


def _same(certificates: Sequence[Certificate]) -> list[list[Certificate]]:
    """Group encodings of the same certificate, in order."""
    groups: dict[tuple[str, str], list[Certificate]] = {}
    for one in certificates:
        groups.setdefault(identity_key(one) or ("digest", one.sha256), []).append(one)
    return list(groups.values())


def _sibling(session: Session, item: Item, group: Sequence[Certificate]) -> Item:
    """Return another item for a further certificate that the same name stands for."""
    known = _holder(session, item.ticket, group[0])
    if known is not None:
        return known
    last = session.exec(select(func.max(Item.number)).where(Item.ticket == item.ticket)).one()
    sibling = Item(ticket=item.ticket, number=(last or 0) + 1, received_at=item.received_at)
    session.add(sibling)
    session.flush()
    names = session.exec(select(ItemName).where(ItemName.item == item.id)).all()
    for name in names:
        session.add(ItemName(**(name.model_dump(exclude={"id"}) | {"item": sibling.id})))
    for one in session.exec(select(Obligation).where(Obligation.item == item.id)).all():
        fresh = {"id", "met_at", "met_by", "met_message_id", "waived_at", "waived_reason"}
        session.add(Obligation(**(one.model_dump(exclude=fresh) | {"item": sibling.id})))
    session.flush()
    return sibling


def _holder(
    session: Session, ticket: int, certificate: Certificate, *, other_than: int | None = None
) -> Item | None:
    """Return the item of the ticket that holds this certificate already."""
    key = identity_key(certificate)
    same = (
        Certificate.sha256 == certificate.sha256
        if key is None
        else (Certificate.issuer_sha256 == key[0]) & (Certificate.serial_number == key[1])
    )
    query = (
        select(Item)
        .join(ItemCertificate, col(ItemCertificate.item) == col(Item.id))
        .join(Certificate, col(Certificate.sha256) == col(ItemCertificate.sha256))
        .where(Item.ticket == ticket, col(Item.merged_into).is_(None), same)
        .order_by(col(Item.number))
    )
    if other_than is not None:
        query = query.where(Item.id != other_than)
    return session.exec(query).first()


def _resolve(
    session: Session, item: Item, group: Sequence[Certificate], *, desk: Desk, now: datetime
) -> None:
    for certificate in group:
        if certificate.ours == "unknown":
            judge_owner(certificate, desk.issuing_cas)
            session.add(certificate)
    _hold(session, item, [one.sha256 for one in group])
    first = group[0]
    item.state, item.problem = "resolved", None
    item.serial_number, item.issuer = first.serial_number, first.issuer
    item.ours = owner_among(one.ours for one in _certificates_of(session, item))
    session.add(item)
    _owe_by_owner(session, item, first, now=now)


def _hold(session: Session, item: Item, sha256s: Sequence[str]) -> None:
    query = select(ItemCertificate.sha256).where(ItemCertificate.item == item.id)
    present = set(session.exec(query).all())
    rows = [{"item": item.id, "sha256": one} for one in sha256s if one not in present]
    if rows:
        session.execute(insert(ItemCertificate), rows)


def _certificates_of(session: Session, item: Item) -> Sequence[Certificate]:
    query = (
        select(Certificate)
        .join(ItemCertificate, col(ItemCertificate.sha256) == col(Certificate.sha256))
        .where(ItemCertificate.item == item.id)
    )
    return session.exec(query).all()


def _owe_by_owner(session: Session, item: Item, certificate: Certificate, *, now: datetime) -> None:
    """Waive the revocation of what a signature proves not to be ours, or owe it again.

    What a person classified stays as the person said.
    """
    by_person = item.reason is not None and item.reason_by != SERVICE
    if by_person and item.reason not in NO_REVOCATION:
        return
    for one in session.exec(select(Obligation).where(Obligation.item == item.id)).all():
        if item.ours == "no" and one.waived_at is None and one.met_at is None:
            waive([one], not_ours_reason(certificate), now)
            action = "revocation_waived"
        elif item.ours != "no" and (one.waived_reason or "").startswith(NOT_OURS):
            take_up([one])
            action = "revocation_owed_again"
        else:
            continue
        session.add(one)
        record_event(
            session, action, actor=SERVICE, now=now, ticket=item.ticket,
            item=item.number, certificate=certificate.sha256, ours=item.ours,
        )  # fmt: skip


def _merge(session: Session, item: Item, *, now: datetime) -> Item:
    """Make one item of those that are the same certificate: the one of the lowest number."""
    group = _certificates_of(session, item)
    other = _other_holder(session, item, group)
    if other is None:
        return item
    kept, merged = sorted((item, other), key=lambda one: one.number)
    merged.merged_into = kept.id
    for below in session.exec(select(Item).where(Item.merged_into == merged.id)).all():
        below.merged_into = kept.id
        session.add(below)
    kept.received_at = min(kept.received_at, merged.received_at)
    _hold(session, kept, [one.sha256 for one in _certificates_of(session, merged)])
    kept.state, kept.problem = "resolved", None
    kept.serial_number = kept.serial_number or merged.serial_number
    kept.issuer = kept.issuer or merged.issuer
    kept.ours = owner_among(one.ours for one in _certificates_of(session, kept))
    _carry_over(kept, merged)
    session.add_all([kept, merged])
    _merge_clocks(session, kept, merged, now=now)
    record_event(
        session, "items_merged", actor=SERVICE, now=now, ticket=kept.ticket,
        item=merged.number, into=kept.number,
    )  # fmt: skip
    return _merge(session, kept, now=now)


def _carry_over(kept: Item, merged: Item) -> None:
    """Keep what was said and observed of the merged item, but not that nothing is owed."""
    if kept.reason is None and merged.reason not in NO_REVOCATION:
        kept.reason, kept.reason_by = merged.reason, merged.reason_by
    kept.proved_key = kept.proved_key or merged.proved_key
    if kept.claimed_revoked_at is None:
        kept.claimed_revoked_at = merged.claimed_revoked_at
        kept.claimed_revoked_by = merged.claimed_revoked_by
    if kept.revocation == "not_checked":
        kept.revocation = merged.revocation
    kept.alarms = sorted({*kept.alarms, *merged.alarms})


def _other_holder(session: Session, item: Item, group: Sequence[Certificate]) -> Item | None:
    for certificate in group:
        holder = _holder(session, item.ticket, certificate, other_than=item.id)
        if holder is not None:
            return holder
    return None


def _merge_clocks(session: Session, kept: Item, merged: Item, *, now: datetime) -> None:
    """Give the kept item the earlier of both clocks; the other one ends."""
    mine = session.exec(select(Obligation).where(Obligation.item == kept.id)).first()
    for theirs in session.exec(select(Obligation).where(Obligation.item == merged.id)).all():
        if mine is not None and theirs.waived_at is None and theirs.due_at < mine.due_at:
            mine.due_at, mine.basis = theirs.due_at, theirs.basis
            mine.received_at, mine.message = theirs.received_at, theirs.message
            session.add(mine)
        if theirs.waived_at is None and theirs.met_at is None:
            waive([theirs], f"{MERGED}{kept.number}", now)
            session.add(theirs)
