"""The certificates of a ticket as rows: named by a message, resolved later, merged when the same.

A report may name ten thousand certificates, so rows are written in bulk.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert
from sqlalchemy import select as select_columns
from sqlmodel import Session, SQLModel, col, or_, select

from intake.certificates.identity import remember_certificates
from intake.clock import EPOCH
from intake.database import insert_rows
from intake.jobs import enqueue_for_tickets, enqueue_pairs
from intake.tables import Certificate, Item, ItemCertificate, ItemName, Message, Ticket
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
from intake.tickets.owed import owed_row, start_many
from intake.tickets.resolution import (
    apply_resolution,
    mark_not_found,
    not_ours_reason,
    note_problem,
    owner_among,
)

if TYPE_CHECKING:
    from intake.evidence.values import Evidence, FoundCertificate

__all__ = [
    "Added",
    "Addition",
    "add_items",
    "apply_resolution",
    "mark_not_found",
    "note_lint",
    "note_problem",
]

AT_ONCE = 400  # values sought among what a ticket knows; for more, all of it is read
_TABLES = SQLModel.metadata.tables
_ITEM, _NAME, _HELD = _TABLES["item"], _TABLES["itemname"], _TABLES["itemcertificate"]


@dataclass(frozen=True)
class Addition:
    """A message that may add to a ticket."""

    ticket: int  # its number
    message: Message
    evidence: "Evidence"
    opens: bool = False  # the message opened the ticket, which knows nothing yet


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
    session: Session, additions: Sequence[Addition], *, desk: Desk, now: datetime
) -> list[Added]:
    """Add what messages name to their tickets: items, their revocation clocks and their jobs.

    What a ticket knows already gets no second item and no second clock. Of each ticket that was
    there before, one message at a time.
    """
    if not any(_names_something(one.evidence) for one in additions):
        return [Added() for _ in additions]
    held = _remember(session, additions, desk, now)
    planned = [_plan(session, one, held, desk=desk, now=now) for one in additions]
    _insert(session, planned, held, now=now)
    return [_added(one) for one in planned]


@dataclass
class _Planned:
    """What a message adds to its ticket: new items, and new names of old ones."""

    addition: Addition
    new: list[PlannedItem] = field(default_factory=list)
    names: list[tuple[int, Name]] = field(default_factory=list)  # item


@dataclass
class _Known:
    """What a ticket knows of its items before a message joins it."""

    items: dict[Key, int] = field(default_factory=dict)
    names: set[tuple[int, str, str]] = field(default_factory=set)  # item, kind, value
    certificates: set[tuple[int, str]] = field(default_factory=set)  # item, SHA-256


HeldBySha256 = dict[str, Certificate]


def _remember(
    session: Session, additions: Iterable[Addition], desk: Desk, now: datetime
) -> HeldBySha256:
    """Store the certificates that messages hold and return what they say of themselves."""
    ders = {found.sha256: found.der for one in additions for found in one.evidence.certificates}
    if not ders:
        return {}
    rows = remember_certificates(
        session, list(ders.values()), origin="mail", now=now, issuing_cas=desk.issuing_cas
    )
    return {row.sha256: row for row in rows}


def _facts(found: "FoundCertificate", held: HeldBySha256) -> Held:
    row = held[found.sha256]
    return Held(
        row.sha256, row.sha1, row.issuer_sha256, row.serial_number, row.spki_sha256, found.part
    )


def _plan(
    session: Session, addition: Addition, held: HeldBySha256, *, desk: Desk, now: datetime
) -> _Planned:
    planned = _Planned(addition)
    found: dict[str, FoundCertificate] = {}
    for one in addition.evidence.certificates:
        found.setdefault(one.sha256, one)
    plans = plan_items(addition.evidence, [_facts(one, held) for one in found.values()])
    known = _Known() if addition.opens or not plans else _known_of(session, addition.ticket, plans)
    for plan in plans:
        item = next((known.items[key] for key in plan.keys if key in known.items), None)
        if item is None:
            planned.new.append(plan)
            continue
        planned.names += [
            (item, one) for one in plan.names if (item, one.kind, one.value) not in known.names
        ]
        if not {(item, one) for one in plan.certificates} <= known.certificates:
            rows = [held[sha256] for sha256 in plan.certificates]
            apply_resolution(session, item, rows, desk=desk, now=now)
    return planned


def _names_something(evidence: "Evidence") -> bool:
    """Say whether there may be items or keys in a message; most name nothing."""
    proved = evidence.private_keys or evidence.key_proofs or evidence.key_claims
    return bool(evidence.identifiers or evidence.certificates or proved)


def _added(planned: _Planned) -> Added:
    names = [one for _, one in planned.names]
    names += [one for plan in planned.new for one in plan.names]
    unnamed = sum(1 for key in planned.addition.evidence.private_keys if key.spki_sha256 is None)
    return Added(len(planned.new), unnamed + sum(one.is_private_key for one in names))


def _known_of(session: Session, number: int, plans: Sequence[PlannedItem]) -> _Known:
    """Return what a ticket knows of what a message names, or all that it knows if that is much."""
    known = _Known()
    values = {value for plan in plans for _, value in plan.keys}
    sought = list(values) if len(values) <= AT_ONCE else None
    _add_names(session, known, number, sought)
    _add_certificates(session, known, number, sought)
    return known


def _add_names(session: Session, known: _Known, number: int, sought: list[str] | None) -> None:
    query = (
        select(ItemName.kind, ItemName.value, func.coalesce(Item.merged_into, Item.id))
        .join(Item, col(Item.id) == col(ItemName.item))
        .where(Item.ticket == number)
    )
    if sought is not None:
        query = query.where(col(ItemName.value).in_(sought))
    for kind, value, item in session.exec(query):
        known.items[name_key(kind, value)] = item
        known.names.add((item, kind, value))


def _add_certificates(
    session: Session, known: _Known, number: int, sought: list[str] | None
) -> None:
    named_by = (
        col(Certificate.sha256),
        col(Certificate.sha1),
        col(Certificate.serial_number),
        col(Certificate.spki_sha256),
    )
    item = func.coalesce(Item.merged_into, Item.id)
    query = (
        select_columns(*named_by, col(Certificate.issuer_sha256), item)
        .join(ItemCertificate, col(ItemCertificate.sha256) == col(Certificate.sha256))
        .join(Item, col(Item.id) == col(ItemCertificate.item))
        .where(col(Item.ticket) == number)
    )
    if sought is not None:
        query = query.where(or_(*(one.in_(sought) for one in named_by)))
    for sha256, sha1, serial, spki, issuer, row in session.execute(query):
        for key in certificate_keys(Held(sha256, sha1, issuer, serial, spki, "")):
            known.items[key] = row
        known.certificates.add((row, sha256))


def _insert(
    session: Session, planned: Sequence[_Planned], held: HeldBySha256, *, now: datetime
) -> None:
    """Insert items with their names, certificates, clocks and jobs, all in bulk."""
    ids = _insert_items(session, planned, held)
    each = [
        (one.addition, item, plan)
        for one in planned
        for item, plan in zip(ids.get(one.addition.ticket, ()), one.new, strict=True)
    ]
    _insert_names(
        session,
        [
            *((one.addition, item, name) for one in planned for item, name in one.names),
            *((addition, item, name) for addition, item, plan in each for name in plan.names),
        ],
    )
    pairs = [{"item": item, "sha256": one} for _, item, plan in each for one in plan.certificates]
    insert_rows(session, _HELD, pairs)
    start_many(session, [_clock(addition, item, plan, held, now) for addition, item, plan in each])
    named_only = [(item, one.ticket) for one, item, plan in each if not plan.certificates]
    enqueue_for_tickets(session, "resolve_item", named_only, now=now)
    _look_into(session, planned, held, now=now)


def _look_into(
    session: Session, planned: Sequence[_Planned], held: HeldBySha256, *, now: datetime
) -> None:
    """Have new items' certificates linted, and warn of those that only claim to be ours."""
    found = [
        (sha256, one.addition.ticket)
        for one in planned
        for plan in one.new
        for sha256 in plan.certificates
    ]
    if not found:
        return
    enqueue_pairs(session, "lint_certificate", found, now=now)
    strangers: dict[int, dict[str, Certificate]] = {}
    for sha256, number in found:
        if held[sha256].names_us:
            strangers.setdefault(number, {})[sha256] = held[sha256]
    for number, certificates in strangers.items():
        ticket = session.get_one(Ticket, number)
        warn_of_strangers(session, ticket, certificates.values(), now=now)


def _insert_items(
    session: Session, planned: Sequence[_Planned], held: HeldBySha256
) -> dict[int, list[int]]:
    """Insert new items; return their ids in order, by ticket."""
    rows: list[dict[str, Any]] = []
    for one in planned:
        if one.new:
            rows += _item_rows(session, one, held)
    ids: dict[int, list[tuple[int, int]]] = {}
    if rows:
        returning = insert(_ITEM).returning(_ITEM.c.ticket, _ITEM.c.number, _ITEM.c.id)
        for ticket, number, row in session.execute(returning, rows):
            ids.setdefault(ticket, []).append((number, row))
    return {ticket: [row for _, row in sorted(found)] for ticket, found in ids.items()}


def _item_rows(session: Session, planned: _Planned, held: HeldBySha256) -> Iterable[dict[str, Any]]:
    number = planned.addition.ticket
    last = 0
    if not planned.addition.opens:
        query = select(func.max(Item.number)).where(Item.ticket == number)
        last = session.exec(query).one() or 0
    shared = _blank() | {"ticket": number, "received_at": planned.addition.message.received_at}
    for position, plan in enumerate(planned.new, start=last + 1):
        yield shared | {"number": position} | _what_it_is(plan, held)


@cache
def _blank() -> dict[str, Any]:
    """Return the columns of an item; one model for all: making ten thousand takes seconds."""
    blank = Item(ticket=0, number=0, received_at=EPOCH)
    return blank.model_dump(exclude={"id"})


def _what_it_is(plan: PlannedItem, held: HeldBySha256) -> dict[str, str | None]:
    """Return what is known of an item whose certificate came with the message."""
    if not plan.certificates:
        return {}
    certificates = [held[sha256] for sha256 in plan.certificates]
    return {
        "state": "resolved",
        "serial_number": certificates[0].serial_number,
        "issuer": certificates[0].issuer,
        "ours": owner_among(one.ours for one in certificates),
    }


def _insert_names(session: Session, names: Iterable[tuple[Addition, int, Name]]) -> None:
    rows = [
        {
            "item": item,
            "message": addition.message.id,
            "kind": name.kind,
            "value": name.value,
            "named_as": storable(name.named_as),
        }
        for addition, item, name in names
    ]
    insert_rows(session, _NAME, rows)


def _clock(
    addition: Addition, item: int, plan: PlannedItem, held: HeldBySha256, now: datetime
) -> dict[str, Any]:
    """Return the revocation clock of an item; one that is proved not ours owes none."""
    owed = revocation(addition.message.received_at)
    row = owed_row(addition.ticket, owed, message=addition.message.id, item=item)
    certificates = [held[sha256] for sha256 in plan.certificates]
    if certificates and owner_among(one.ours for one in certificates) == "no":
        row |= {"waived_at": now, "waived_reason": not_ours_reason(certificates[0])}
    return row
