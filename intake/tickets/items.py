"""The certificates of a ticket as rows: named by a message, resolved later, merged when the same.

A report may name ten thousand certificates, so rows are written in bulk.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import Session, SQLModel, col, or_, select

from intake.certificates.identity import remember_certificates
from intake.clock import EPOCH
from intake.database import insert_rows
from intake.database.ids import take_ids
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

    What a ticket knows already gets no second item and no second clock, also if it knows it from
    a message before in the same batch.
    """
    if not any(_names_something(one.evidence) for one in additions):
        return [Added() for _ in additions]
    held = _remember(session, additions, desk, now)
    planned = [_Planned(one, _plans(one, held)) for one in additions]
    start = 0
    while start < len(planned):
        start += _add_some(session, planned[start:], held, desk=desk, now=now)
    return [_added(one) for one in planned]


@dataclass(frozen=True)
class _NewItem:
    """An item that is to be inserted."""

    id: int
    number: int  # within its ticket
    plan: PlannedItem


@dataclass
class _Planned:
    """What a message adds to its ticket: new items, and new names of old ones."""

    addition: Addition
    plans: list[PlannedItem]
    new: list[_NewItem] = field(default_factory=list)
    names: list[tuple[int, Name]] = field(default_factory=list)  # item
    resolved: list[tuple[int, PlannedItem]] = field(default_factory=list)  # old items


@dataclass
class _Known:
    """What a ticket knows of its items before a message joins it."""

    items: dict[Key, int] = field(default_factory=dict)
    names: set[tuple[int, str, str]] = field(default_factory=set)  # item, kind, value
    certificates: set[tuple[int, str]] = field(default_factory=set)  # item, SHA-256
    last: int = 0  # number of an item


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


def _plans(addition: Addition, held: HeldBySha256) -> list[PlannedItem]:
    """Return what a message is about, whether its ticket knows it or not."""
    found: dict[str, FoundCertificate] = {}
    for one in addition.evidence.certificates:
        found.setdefault(one.sha256, one)
    return plan_items(addition.evidence, [_facts(one, held) for one in found.values()])


def _add_some(
    session: Session,
    planned: Sequence[_Planned],
    held: HeldBySha256,
    *,
    desk: Desk,
    now: datetime,
) -> int:
    """Add what the first of these messages name, and return how many they are.

    They end with one that shows what an old item is: that may change which items there are.
    """
    some = _some(planned)
    known = _known_of_each(session, some)
    ids = iter(take_ids(session, "item", sum(len(one.plans) for one in some)))
    done: list[_Planned] = []
    for one in some:
        _find_new(one, known[one.addition.ticket], ids)
        done.append(one)
        if one.resolved:
            break
    _insert(session, done, held, now=now)
    for item, plan in done[-1].resolved:
        rows = [held[sha256] for sha256 in plan.certificates]
        apply_resolution(session, item, rows, desk=desk, now=now)
    return len(done)


def _some(planned: Sequence[_Planned]) -> Sequence[_Planned]:
    """Return the first of messages: as many as can be asked for at once, or one."""
    asked = 0
    for position, one in enumerate(planned):
        asked += 0 if one.addition.opens else sum(len(plan.keys) for plan in one.plans)
        if asked > AT_ONCE and position > 0:
            return planned[:position]
    return planned


def _find_new(planned: _Planned, known: _Known, ids: Iterator[int]) -> None:
    """Tell what is new from what the ticket knows, and have it known to the messages behind."""
    found: list[tuple[int, PlannedItem]] = []
    for plan in planned.plans:
        item = next((known.items[key] for key in plan.keys if key in known.items), None)
        if item is None:
            item, known.last = next(ids), known.last + 1
            planned.new.append(_NewItem(item, known.last, plan))
        else:
            planned.names += [
                (item, one) for one in plan.names if (item, one.kind, one.value) not in known.names
            ]
            if not {(item, one) for one in plan.certificates} <= known.certificates:
                planned.resolved.append((item, plan))
        found.append((item, plan))
    for item, plan in found:
        known.items |= dict.fromkeys(plan.keys, item)
        known.names |= {(item, one.kind, one.value) for one in plan.names}
        known.certificates |= {(item, one) for one in plan.certificates}


def _names_something(evidence: "Evidence") -> bool:
    """Say whether there may be items or keys in a message; most name nothing."""
    proved = evidence.private_keys or evidence.key_proofs or evidence.key_claims
    return bool(evidence.identifiers or evidence.certificates or proved)


def _added(planned: _Planned) -> Added:
    names = [one for _, one in planned.names]
    names += [one for item in planned.new for one in item.plan.names]
    unnamed = sum(1 for key in planned.addition.evidence.private_keys if key.spki_sha256 is None)
    return Added(len(planned.new), unnamed + sum(one.is_private_key for one in names))


def _known_of_each(session: Session, planned: Sequence[_Planned]) -> dict[int, _Known]:
    """Return what tickets know of what messages name, by their numbers."""
    known = {one.addition.ticket: _Known() for one in planned}
    values: dict[int, set[str]] = {}
    for one in planned:
        if one.plans and not one.addition.opens:
            named = {value for plan in one.plans for _, value in plan.keys}
            values.setdefault(one.addition.ticket, set()).update(named)
    for number, sought in values.items():
        known[number] = _known_of(session, number, sought)
    return known


def _known_of(session: Session, number: int, values: set[str]) -> _Known:
    """Return what a ticket knows of these values, or all that it knows if they are many."""
    known = _Known()
    sought = list(values) if len(values) <= AT_ONCE else None
    _add_names(session, known, number, sought)
    _add_certificates(session, known, number, sought)
    last = select(func.max(Item.number)).where(Item.ticket == number)
    known.last = session.exec(last).one() or 0
    return known


def _add_names(session: Session, known: _Known, number: int, sought: list[str] | None) -> None:
    query = (
        select(ItemName.kind, ItemName.value, func.coalesce(Item.merged_into, Item.id))
        .join(Item, col(Item.id) == col(ItemName.item))
        .where(Item.ticket == number)
    )
    if sought is not None:
        query = query.where(col(ItemName.value).in_(sought))
    for kind, value, item in session.exec(query.order_by(col(Item.id))):
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
    for sha256, sha1, serial, spki, issuer, row in session.execute(query.order_by(col(Item.id))):
        for key in certificate_keys(Held(sha256, sha1, issuer, serial, spki, "")):
            known.items[key] = row
        known.certificates.add((row, sha256))


def _insert(
    session: Session, planned: Sequence[_Planned], held: HeldBySha256, *, now: datetime
) -> None:
    """Insert items with their names, certificates, clocks and jobs, all in bulk."""
    each = [(one.addition, new.id, new.plan) for one in planned for new in one.new]
    insert_rows(session, _ITEM, [_item_row(one, new, held) for one in planned for new in one.new])
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
    found = [(one, addition.ticket) for addition, _, plan in each for one in plan.certificates]
    _look_into(session, found, held, now=now)


def _look_into(
    session: Session, found: Sequence[tuple[str, int]], held: HeldBySha256, *, now: datetime
) -> None:
    """Have new items' certificates linted, and warn of those that only claim to be ours."""
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


def _item_row(planned: _Planned, new: _NewItem, held: HeldBySha256) -> dict[str, Any]:
    addition = planned.addition
    place = {"id": new.id, "ticket": addition.ticket, "number": new.number}
    shown = {"received_at": addition.message.received_at}
    return _blank() | place | shown | _what_it_is(new.plan, held)


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
