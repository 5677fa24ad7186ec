"""The certificates of a ticket as rows: named by a message, resolved later, merged when the same.

A report may name ten thousand certificates, so rows are written in bulk.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, insert
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from intake.certificates.identity import remember_certificates
from intake.jobs import enqueue_each, enqueue_many
from intake.tables import Certificate, Item, ItemCertificate, ItemName, Message, Obligation, Ticket
from intake.tickets.describe import storable
from intake.tickets.desk import Desk
from intake.tickets.linted import note_lint, warn_of_strangers
from intake.tickets.naming import (
    Held,
    Key,
    Name,
    PlannedItem,
    certificate_keys,
    name_key,
    plan_items,
)
from intake.tickets.obligations import revocation
from intake.tickets.owed import number_of, obligation_row
from intake.tickets.resolution import (
    apply_resolution,
    mark_not_found,
    not_ours_reason,
    note_problem,
    owner_among,
)
from intake.tickets.triage import TICKET

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
    known = _Known() if message.decision == TICKET else _known_of(session, ticket)
    new: list[PlannedItem] = []
    names: list[tuple[int, Name]] = []
    for plan in plan_items(evidence, [facts for facts, _ in held.values()]):
        item = next((known.items[key] for key in plan.keys if key in known.items), None)
        if item is None:
            new.append(plan)
            continue
        names += [
            (item, one) for one in plan.names if (item, one.kind, one.value) not in known.names
        ]
        if not {(item, one) for one in plan.certificates} <= known.certificates:
            rows = [held[sha256][1] for sha256 in plan.certificates]
            apply_resolution(session, item, rows, desk=desk, now=now)
    _insert_names(session, message, names)
    _insert(session, ticket, message, new, held, now=now)
    keys = [one for _, one in names] + [one for plan in new for one in plan.names]
    unnamed = sum(1 for key in evidence.private_keys if key.spki_sha256 is None)
    return Added(len(new), unnamed + sum(one.is_private_key for one in keys))


@dataclass
class _Known:
    """What a ticket knows of its items before a message joins it."""

    items: dict[Key, int] = field(default_factory=dict)
    names: set[tuple[int, str, str]] = field(default_factory=set)  # item, kind, value
    certificates: set[tuple[int, str]] = field(default_factory=set)  # item, SHA-256


HeldBySha256 = dict[str, tuple[Held, Certificate]]


def _remember(
    session: Session, found: Iterable["FoundCertificate"], desk: Desk, now: datetime
) -> HeldBySha256:
    """Store the certificates that a message holds and return what they say of themselves."""
    held: HeldBySha256 = {}
    certificates = list(found)
    rows = remember_certificates(
        session,
        [one.der for one in certificates],
        origin="mail",
        now=now,
        issuing_cas=desk.issuing_cas,
    )
    for one, row in zip(certificates, rows, strict=True):
        facts = Held(
            row.sha256, row.sha1, row.issuer_sha256, row.serial_number, row.spki_sha256, one.part
        )
        held.setdefault(row.sha256, (facts, row))
    return held


def _known_of(session: Session, ticket: Ticket) -> _Known:
    number = number_of(ticket)
    known = _Known()
    names = (
        select(ItemName.kind, ItemName.value, func.coalesce(Item.merged_into, Item.id))
        .join(Item, col(Item.id) == col(ItemName.item))
        .where(Item.ticket == number)
    )
    for kind, value, item in session.exec(names):
        known.items[name_key(kind, value)] = item
        known.names.add((item, kind, value))
    certificates = (
        select_columns(
            col(Certificate.sha256),
            col(Certificate.sha1),
            col(Certificate.issuer_sha256),
            col(Certificate.serial_number),
            col(Certificate.spki_sha256),
            func.coalesce(Item.merged_into, Item.id),
        )
        .join(ItemCertificate, col(ItemCertificate.sha256) == col(Certificate.sha256))
        .join(Item, col(Item.id) == col(ItemCertificate.item))
        .where(col(Item.ticket) == number)
    )
    for sha256, sha1, issuer, serial, spki, item in session.execute(certificates):
        for key in certificate_keys(Held(sha256, sha1, issuer, serial, spki, "")):
            known.items[key] = item
        known.certificates.add((item, sha256))
    return known


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
    sha256s = list(dict.fromkeys(sha256 for _, sha256 in pairs))
    enqueue_each(session, "lint_certificate", sha256s, now=now, ticket=number)
    warn_of_strangers(session, ticket, [held[one][1] for one in sha256s], now=now)


def _insert_items(
    session: Session,
    ticket: Ticket,
    message: Message,
    plans: Sequence[PlannedItem],
    held: HeldBySha256,
) -> list[int]:
    number = number_of(ticket)
    last = session.exec(select(func.max(Item.number)).where(Item.ticket == number)).one() or 0
    # One model for all rows: making ten thousand of them takes seconds.
    blank = Item(ticket=number, number=0, received_at=message.received_at)
    shared = blank.model_dump(exclude={"id"})
    rows = [
        shared | {"number": position} | _what_it_is(plan, held)
        for position, plan in enumerate(plans, start=last + 1)
    ]
    session.execute(insert(Item), rows)
    query = select(Item.id).where(Item.ticket == number, Item.number > last)
    return [one for one in session.exec(query.order_by(col(Item.number))).all() if one is not None]


def _what_it_is(plan: PlannedItem, held: HeldBySha256) -> dict[str, str | None]:
    """Return what is known of an item whose certificate came with the message."""
    if not plan.certificates:
        return {}
    certificates = [held[sha256][1] for sha256 in plan.certificates]
    return {
        "state": "resolved",
        "serial_number": certificates[0].serial_number,
        "issuer": certificates[0].issuer,
        "ours": owner_among(one.ours for one in certificates),
    }


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
    shared = obligation_row(ticket, owed, message=message.id).model_dump(exclude={"id"})
    rows = []
    for item, plan in items:
        row = shared | {"item": item}
        certificates = [held[sha256][1] for sha256 in plan.certificates]
        if certificates and owner_among(one.ours for one in certificates) == "no":
            row |= {"waived_at": now, "waived_reason": not_ours_reason(certificates[0])}
        rows.append(row)
    if rows:
        session.execute(insert(Obligation), rows)
