"""The certificates of a ticket as rows: named by a message, resolved later, merged when the same.

A report may name ten thousand certificates, so rows are written in bulk.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, insert
from sqlmodel import Session, col, select

from intake.certificates.identity import remember_certificate
from intake.jobs import enqueue, enqueue_many
from intake.tables import Certificate, Item, ItemCertificate, ItemName, Message, Obligation, Ticket
from intake.tickets.describe import storable
from intake.tickets.desk import Desk
from intake.tickets.naming import (
    SPKI,
    Held,
    Key,
    Name,
    PlannedItem,
    certificate_keys,
    name_key,
    plan_items,
)
from intake.tickets.obligations import revocation
from intake.tickets.owed import add_rows, number_of, obligation_row
from intake.tickets.resolution import (
    apply_resolution,
    mark_not_found,
    not_ours_reason,
    note_lint,
    note_problem,
    owner_among,
)

if TYPE_CHECKING:
    from intake.evidence.values import Evidence, FoundCertificate

__all__ = ["Added", "add_items", "apply_resolution", "mark_not_found", "note_lint", "note_problem"]


@dataclass(frozen=True)
class Added:
    """What a message added to its ticket."""

    items: int = 0
    keys: int = 0  # private keys that were not known before

    @property
    def is_new(self) -> bool:
        """Say whether the message brought anything that starts a clock of its own."""
        return bool(self.items or self.keys)


def add_items(
    session: Session,
    ticket: Ticket,
    message: Message,
    evidence: "Evidence",
    *,
    desk: Desk,
    now: datetime,
) -> Added:
    """Add what a message names to its ticket: items, their revocation clocks and their jobs.

    What the ticket knows already gets no second item and no second clock.
    """
    held = _remember(session, evidence.certificates, desk, now)
    known = _known_keys(session, ticket) if message.decision != "ticket" else {}
    new: list[PlannedItem] = []
    keys = sum(1 for key in evidence.private_keys if key.spki_sha256 is None)
    for plan in plan_items(evidence, [facts for facts, _ in held.values()]):
        item = next((known[key] for key in plan.keys if key in known), None)
        if item is None:
            new.append(plan)
            keys += any(name.is_private_key for name in plan.names)
        else:
            keys += _add_to_item(session, item, plan, message, held, desk=desk, now=now)
    _insert(session, ticket, message, new, held, now=now)
    return Added(len(new), keys)


HeldBySha256 = dict[str, tuple[Held, Certificate]]


def _remember(
    session: Session, found: Iterable["FoundCertificate"], desk: Desk, now: datetime
) -> HeldBySha256:
    """Store the certificates that a message holds and return what they say of themselves."""
    held: HeldBySha256 = {}
    for one in found:
        row = remember_certificate(
            session, one.der, origin="mail", now=now, issuing_cas=desk.issuing_cas
        )
        facts = Held(
            row.sha256, row.sha1, row.issuer_sha256, row.serial_number, row.spki_sha256, one.part
        )
        held.setdefault(row.sha256, (facts, row))
    return held


def _known_keys(session: Session, ticket: Ticket) -> dict[Key, int]:
    """Return by every key the item of the ticket that is known under it."""
    number = number_of(ticket)
    found: dict[Key, int] = {}
    names = (
        select(ItemName.kind, ItemName.value, func.coalesce(Item.merged_into, Item.id))
        .join(Item, col(Item.id) == col(ItemName.item))
        .where(Item.ticket == number)
    )
    for kind, value, item in session.exec(names):
        found[name_key(kind, value)] = item
    certificates = (
        select(Certificate, func.coalesce(Item.merged_into, Item.id))
        .join(ItemCertificate, col(ItemCertificate.sha256) == col(Certificate.sha256))
        .join(Item, col(Item.id) == col(ItemCertificate.item))
        .where(Item.ticket == number)
    )
    for row, item in session.exec(certificates):
        facts = Held(
            row.sha256, row.sha1, row.issuer_sha256, row.serial_number, row.spki_sha256, ""
        )
        for key in certificate_keys(facts):
            found[key] = item
    return found


def _add_to_item(
    session: Session,
    item_id: int,
    plan: PlannedItem,
    message: Message,
    held: HeldBySha256,
    *,
    desk: Desk,
    now: datetime,
) -> int:
    """Give a known item its new names and certificates; return how many keys were not known."""
    query = select(ItemName.kind, ItemName.value).where(ItemName.item == item_id)
    present = set(session.exec(query).all())
    new = [one for one in plan.names if (one.kind, one.value) not in present]
    _insert_names(session, message, [(item_id, one) for one in new])
    if plan.certificates:
        rows = [held[sha256][1] for sha256 in plan.certificates]
        apply_resolution(session, item_id, rows, desk=desk, now=now)
    named_keys = {one.value for one in plan.names if one.is_private_key}
    known_keys = {value for kind, value in present if kind == SPKI}
    return len(named_keys - known_keys)


def _insert(
    session: Session,
    ticket: Ticket,
    message: Message,
    plans: Sequence[PlannedItem],
    held: HeldBySha256,
    *,
    now: datetime,
) -> None:
    """Insert items with their names, certificates, clocks and jobs, all in bulk."""
    if not plans:
        return
    ids = _insert_items(session, ticket, message, plans, held)
    _insert_names(
        session,
        message,
        [(i, name) for i, plan in zip(ids, plans, strict=True) for name in plan.names],
    )
    pairs = [(i, sha) for i, plan in zip(ids, plans, strict=True) for sha in plan.certificates]
    if pairs:
        rows = [{"item": item, "sha256": sha256} for item, sha256 in pairs]
        session.execute(insert(ItemCertificate), rows)
    _start_clocks(session, ticket, message, zip(ids, plans, strict=True), held, now=now)
    number = number_of(ticket)
    named_only = [i for i, plan in zip(ids, plans, strict=True) if not plan.certificates]
    enqueue_many(session, "resolve_item", named_only, now=now, ticket=number)
    for _, sha256 in pairs:
        enqueue(session, "lint_certificate", sha256, now=now, ticket=number)


def _insert_items(
    session: Session,
    ticket: Ticket,
    message: Message,
    plans: Sequence[PlannedItem],
    held: HeldBySha256,
) -> list[int]:
    number = number_of(ticket)
    last = session.exec(select(func.max(Item.number)).where(Item.ticket == number)).one() or 0
    rows = []
    for position, plan in enumerate(plans, start=last + 1):
        item = Item(ticket=number, number=position, received_at=message.received_at)
        if plan.certificates:
            first = held[plan.certificates[0]][1]
            item.state = "resolved"
            item.serial_number, item.issuer = first.serial_number, first.issuer
            item.ours = owner_among(held[sha256][1].ours for sha256 in plan.certificates)
        rows.append(item.model_dump(exclude={"id"}))
    session.execute(insert(Item), rows)
    query = select(Item.id).where(Item.ticket == number, Item.number > last)
    return [one for one in session.exec(query.order_by(col(Item.number))).all() if one is not None]


def _insert_names(session: Session, message: Message, names: Sequence[tuple[int, Name]]) -> None:
    rows = [
        {
            "item": item,
            "message": message.id,
            "kind": name.kind,
            "value": name.value,
            "named_as": storable(name.named_as),
        }
        for item, name in names
    ]
    if rows:
        session.execute(insert(ItemName), rows)


def _start_clocks(
    session: Session,
    ticket: Ticket,
    message: Message,
    items: Iterable[tuple[int, PlannedItem]],
    held: HeldBySha256,
    *,
    now: datetime,
) -> None:
    """Start the revocation clock of each item; one that is proved not ours owes none."""
    owed = revocation(message.received_at)
    rows: list[Obligation] = []
    for item, plan in items:
        row = obligation_row(ticket, owed, message=message.id, item=item)
        certificates = [held[sha256][1] for sha256 in plan.certificates]
        if certificates and owner_among(one.ours for one in certificates) == "no":
            row.waived_at, row.waived_reason = now, not_ours_reason(certificates[0])
        rows.append(row)
    add_rows(session, rows)
