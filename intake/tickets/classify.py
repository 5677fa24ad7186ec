"""A person says for what reason an item must be revoked, or why not; its clock follows.

The window of a reason counts from the item's T0, never from the moment of classifying.

Source: BR 4.9.1.1, 4.9.5.
"""

from datetime import datetime

from sqlmodel import Session, col, select

from intake.clock import render_instant
from intake.errors import IntakeError
from intake.events import SERVICE
from intake.tables import Item, Obligation
from intake.tickets.acting import Outcome, act, open_ticket
from intake.tickets.obligations import revocation
from intake.tickets.owed import take_up, waive
from intake.tickets.resolution import MERGED
from intake.tickets.revocation_watch import claim_revoked
from intake.tickets.rules import NO_REVOCATION, RULE_SETS, classifications, find_reason

CLASSIFIED = "classified: "  # begins the reason of what a classification waived
EVERY_ITEM = "all"
ALREADY_REVOKED = "already_revoked"


def classify(
    session: Session, ticket: int, actor: str, now: datetime, *, item: int | str, reason: str
) -> Outcome:
    """Classify one item, or all of them, and set when its revocation is due.

    Args:
        session: a write session.
        ticket: its number.
        actor: who says so.
        now: when.
        item: the item's number, or "all".
        reason: a reason of the rules at T0, or a word for why nothing is to be revoked.
    """
    row = open_ticket(session, ticket)
    name = reason.strip().lower()
    items = _items(session, ticket, item)
    for one in items:
        _check(one, name)
    changed = [one for one in items if _apply(session, one, name, actor=actor, now=now)]
    if not changed:
        return Outcome(f"This is what ticket {ticket} says already.", changed=False)
    numbers = [one.number for one in changed]
    if name == ALREADY_REVOKED:
        claim_revoked(session, changed, actor, now=now)
    act(session, row, "items_classified", actor, now, items=numbers, reason=name)
    return Outcome(_words(session, ticket, numbers, name))


def _check(item: Item, name: str) -> None:
    if name in NO_REVOCATION or find_reason(item.received_at, name) is not None:
        return
    known = [one for one in classifications(item.received_at) if "." not in one]
    kinds = sorted({one.kind for one in RULE_SETS} - {"tls"})
    message = (
        f"{name!r} is no reason of the rules in force. Known are: {', '.join(known)}. "
        f"For other certificates write the kind before it ({', '.join(kinds)}): smime.misuse."
    )
    raise IntakeError(message)


def _items(session: Session, ticket: int, item: int | str) -> list[Item]:
    query = select(Item).where(Item.ticket == ticket, col(Item.merged_into).is_(None))
    if item != EVERY_ITEM:
        query = query.where(Item.number == _number(item))
    items = list(session.exec(query.order_by(col(Item.number))).all())
    if not items:
        message = (
            f"Ticket {ticket} has no item {item}, or it was merged into another one. "
            f"`intake ticket show {ticket}` lists them."
        )
        raise IntakeError(message)
    return items


def _number(item: int | str) -> int:
    try:
        return int(item)
    except ValueError:
        message = f"{item!r} is no item. Give its number, or all."
        raise IntakeError(message) from None


def _apply(session: Session, item: Item, name: str, *, actor: str, now: datetime) -> bool:
    """Write a classification down; return whether it was another one before."""
    if item.reason == name:
        confirmed = item.reason_by == SERVICE
        item.reason_by = actor
        session.add(item)
        return confirmed
    item.reason, item.reason_by = name, actor
    session.add(item)
    for one in session.exec(select(Obligation).where(Obligation.item == item.id)).all():
        if one.met_at is not None or (one.waived_reason or "").startswith(MERGED):
            continue
        if name in NO_REVOCATION:
            waive([one], f"{CLASSIFIED}{name}, {NO_REVOCATION[name]}", now)
        else:
            take_up([one])
            owed = revocation(item.received_at, name)
            one.received_at, one.due_at, one.basis = owed.received_at, owed.due_at, owed.basis
        session.add(one)
    return True


def _words(session: Session, ticket: int, numbers: list[int], name: str) -> str:
    what = f"Item {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} items"
    if name in NO_REVOCATION:
        return (
            f"{what} of ticket {ticket}: {name}, {NO_REVOCATION[name]}; nothing is to be revoked."
        )
    query = (
        select(Obligation.due_at)
        .join(Item, col(Item.id) == col(Obligation.item))
        .where(
            Item.ticket == ticket,
            col(Item.number).in_(numbers[:500]),
            col(Obligation.waived_at).is_(None),
        )
        .order_by(col(Obligation.due_at))
    )
    due_at = render_instant(session.exec(query).first())
    return f"{what} of ticket {ticket}: {name}; revocation must be published by {due_at}."
