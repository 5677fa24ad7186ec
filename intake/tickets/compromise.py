"""A key that is proved compromised: its ticket, every certificate that holds it, and 24 hours.

The proof was verified where the message was read; only its public half comes here. Every known
certificate of ours with the key joins the ticket, named or not, and so does one that becomes known
later. Its revocation is owed by the reason that the proof gives, until a person says otherwise.

Source: BR 4.9.1.1, 4.9.5, 4.9.12, 6.1.1.3.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import func
from sqlmodel import Session, col, or_, select

from intake.certificates.identity import identity_key, stored_certificates
from intake.events import SERVICE, record_event
from intake.evidence.key_statements import KeyProof
from intake.tables import (
    Certificate,
    Item,
    ItemCertificate,
    ItemName,
    KeyStatement,
    Message,
    Obligation,
    ProvenKey,
    Ticket,
)
from intake.tickets.desk import Desk
from intake.tickets.naming import SPKI
from intake.tickets.obligations import Owed, revocation
from intake.tickets.owed import CLOSING, number_of, start, take_up
from intake.tickets.resolution import MERGED, NOT_OURS, apply_resolution
from intake.tickets.rules import find_reason
from intake.tickets.statements import NAMELESS, held_by_ticket, keep_claims, verified
from intake.tickets.tell import want_card
from intake.tickets.triage import with_labels

if TYPE_CHECKING:
    from intake.evidence.values import Evidence

LABEL = "key_compromise"
REASON = "key_compromise"
KEY_COMPROMISE = 1  # CRLReason
VERIFIER = "intake key proofs 2"  # raised when what is verified changes


def carry_out_proofs(
    session: Session,
    read: Sequence[tuple[Message, "Evidence"]],
    *,
    desk: Desk,
    now: datetime,
) -> None:
    """Carry out what messages prove about keys, and what is proved about the certificates in them.

    A message without a ticket (one from before the watch) proves its keys all the same.
    """
    for message, evidence in read:
        statements = keep_claims(session, message, evidence.key_claims)
        proofs = [*evidence.key_proofs, *verified(session, statements, now)]
        for proof in {one.key_match: one for one in reversed(proofs)}.values():
            _carry_out(session, message, proof, desk=desk, now=now)
    held = sorted(
        {one.sha256 for message, shown in read if message.ticket for one in shown.certificates}
    )
    if held:
        join_proven_keys(session, _concerned(session, held), desk=desk, now=now)


def _concerned(session: Session, sha256s: Sequence[str]) -> list[Certificate]:
    """Return those of certificates whose key is proved, or may be by a statement that waits.

    Among thousands that is hardly any, and reading all of them would keep the ticket waiting.
    """
    waiting = select(KeyStatement.spki_sha256).where(col(KeyStatement.proved_at).is_(None))
    if (
        session.exec(waiting.where(KeyStatement.spki_sha256 == NAMELESS).limit(1)).first()
        == NAMELESS
    ):
        return list(stored_certificates(session, sha256s).values())
    found: list[str] = []
    for start_at in range(0, len(sha256s), 500):
        query = select(Certificate.sha256).where(
            col(Certificate.sha256).in_(sha256s[start_at : start_at + 500]),
            or_(
                col(Certificate.key_match).in_(select(ProvenKey.key_match)),
                col(Certificate.spki_sha256).in_(waiting),
            ),
        )
        found += session.exec(query).all()
    return list(stored_certificates(session, found).values())


def join_proven_keys(
    session: Session, certificates: Iterable[Certificate], *, desk: Desk, now: datetime
) -> None:
    """Look whether the keys of certificates that became known are proved compromised."""
    rows = list(certificates)
    _verify_waiting(session, rows, desk=desk, now=now)
    matches = sorted({one.key_match for one in rows if one.key_match is not None})
    for start_at in range(0, len(matches), 500):
        chunk = matches[start_at : start_at + 500]
        query = select(ProvenKey).where(col(ProvenKey.key_match).in_(chunk))
        for proven in session.exec(query).all():
            same = [one for one in rows if one.key_match == proven.key_match]
            _join(session, proven, same, desk=desk, now=now)


# ---- proofs ------------------------------------------------------------------------------------


def _carry_out(
    session: Session, message: Message, proof: KeyProof, *, desk: Desk, now: datetime
) -> None:
    proven = session.get(ProvenKey, proof.key_match)
    if proven is None:
        proven = ProvenKey(
            key_match=proof.key_match, spki_sha256=proof.spki_sha256, kind=proof.kind,
            method=proof.method, verifier=VERIFIER, proof_sha256=proof.sha256, part=proof.part,
            message=message.id or 0, ticket=message.ticket, proved_at=now,
        )  # fmt: skip
    elif proven.ticket is None:
        proven.ticket, proven.message = message.ticket, message.id or 0
    session.add(proven)
    session.flush()
    certificates = known_with_key(session, proof.key_match, now)
    record_event(
        session, "key_compromise_proved", actor=SERVICE, now=now, ticket=message.ticket,
        message=message.id, key_match=proof.key_match, spki_sha256=proof.spki_sha256,
        kind=proof.kind, method=proof.method, verifier=VERIFIER, proof_sha256=proof.sha256,
        part=proof.part, certificates=len(certificates),
    )  # fmt: skip
    if message.ticket is None:
        return
    _raise_ticket(session, session.get_one(Ticket, message.ticket), now=now)
    _join(session, proven, certificates, desk=desk, now=now, message=message)


def _raise_ticket(session: Session, ticket: Ticket, *, now: datetime) -> None:
    ticket.priority = "critical"
    ticket.labels = with_labels(ticket.labels, [LABEL])
    session.add(ticket)
    want_card(session, ticket, now)


def known_with_key(session: Session, key_match: str, now: datetime) -> list[Certificate]:
    """Return the certificates with a key that have not expired and may be ours."""
    query = select(Certificate).where(
        Certificate.key_match == key_match,
        Certificate.ours != "no",
        or_(col(Certificate.not_after).is_(None), col(Certificate.not_after) >= now),
    )
    order = (col(Certificate.first_seen_at), col(Certificate.sha256))
    return list(session.exec(query.order_by(*order)).all())


# ---- statements that wait for their key --------------------------------------------------------


def _verify_waiting(
    session: Session, certificates: Sequence[Certificate], *, desk: Desk, now: datetime
) -> None:
    """Verify statements that waited for one of these keys."""
    waiting = col(KeyStatement.proved_at).is_(None)
    keys = sorted({one.spki_sha256 for one in certificates if one.spki_sha256 is not None})
    for start_at in range(0, len(keys), 500):
        named = col(KeyStatement.spki_sha256).in_(keys[start_at : start_at + 500])
        for row in session.exec(select(KeyStatement).where(named, waiting)).all():
            _carry_out_statement(session, row, None, desk=desk, now=now)
    nameless = select(KeyStatement).where(KeyStatement.spki_sha256 == NAMELESS, waiting)
    for row in session.exec(nameless).all():
        mine = held_by_ticket(session, row.ticket, [one.sha256 for one in certificates])
        _carry_out_statement(session, row, mine, desk=desk, now=now)


def _carry_out_statement(
    session: Session,
    row: KeyStatement,
    ders: Sequence[bytes] | None,
    *,
    desk: Desk,
    now: datetime,
) -> None:
    for proof in verified(session, [row], now, ders=ders):
        message = session.get_one(Message, row.message)
        _carry_out(session, message, proof, desk=desk, now=now)


# ---- certificates ------------------------------------------------------------------------------


def _join(
    session: Session,
    proven: ProvenKey,
    certificates: Sequence[Certificate],
    *,
    desk: Desk,
    now: datetime,
    message: Message | None = None,
) -> None:
    """Have certificates with a proven key in the ticket of the proof, and due by its reason."""
    ticket = None if proven.ticket is None else session.get_one(Ticket, proven.ticket)
    if message is not None and message.ticket is not None:
        ticket = session.get_one(Ticket, message.ticket)
    proof_at = (message or session.get_one(Message, proven.message)).received_at
    for group in _groups(certificates):
        owed = revocation(_since(group, proof_at), REASON)
        if ticket is not None and ticket.state != "closed" and _is_live(group, now):
            _hold(session, ticket, proven, group, owed, desk=desk, now=now)
        for item in _items_with(session, group):
            _classify(session, item, proven, owed, now=now)


def _groups(certificates: Iterable[Certificate]) -> list[list[Certificate]]:
    """Group encodings of the same certificate."""
    groups: dict[tuple[str, str], list[Certificate]] = {}
    for one in certificates:
        groups.setdefault(identity_key(one) or ("digest", one.sha256), []).append(one)
    return list(groups.values())


def _is_live(group: Sequence[Certificate], now: datetime) -> bool:
    return any(
        one.ours != "no" and (one.not_after is None or one.not_after >= now) for one in group
    )


def _since(group: Sequence[Certificate], proof_at: datetime) -> datetime:
    """Return the T0 of a certificate: the proof's, or its own issuance if that was later."""
    issued = [one.not_before for one in group if one.not_before is not None]
    return max([proof_at, *(min(issued),)]) if issued else proof_at


def _items_with(session: Session, group: Sequence[Certificate]) -> list[Item]:
    query = (
        select(Item)
        .join(ItemCertificate, col(ItemCertificate.item) == col(Item.id))
        .where(
            col(ItemCertificate.sha256).in_([one.sha256 for one in group]),
            col(Item.merged_into).is_(None),
        )
        .order_by(col(Item.id))
    )
    return list({item.id: item for item in session.exec(query).all()}.values())


def _hold(
    session: Session,
    ticket: Ticket,
    proven: ProvenKey,
    group: Sequence[Certificate],
    owed: Owed,
    *,
    desk: Desk,
    now: datetime,
) -> None:
    """Make a certificate an item of the ticket, unless it is one."""
    number = number_of(ticket)
    if any(one.ticket == number for one in _items_with(session, group)):
        return
    item = _item_named_by_key(session, number, proven)
    if item is None:
        item = _new_item(session, ticket, proven, owed)
    apply_resolution(session, item.id or 0, group, desk=desk, now=now)


def _item_named_by_key(session: Session, number: int, proven: ProvenKey) -> Item | None:
    """Return the item that stands for the key itself, as long as it has no certificate."""
    has_one = select(ItemCertificate.item).where(ItemCertificate.item == Item.id).exists()
    query = (
        select(Item)
        .join(ItemName, col(ItemName.item) == col(Item.id))
        .where(
            Item.ticket == number,
            ItemName.kind == SPKI,
            ItemName.value == proven.spki_sha256,
            col(Item.merged_into).is_(None),
            ~has_one,
        )
        .order_by(col(Item.number))
    )
    return session.exec(query).first()


def _new_item(session: Session, ticket: Ticket, proven: ProvenKey, owed: Owed) -> Item:
    number = number_of(ticket)
    last = session.exec(select(func.max(Item.number)).where(Item.ticket == number)).one() or 0
    item = Item(ticket=number, number=last + 1, received_at=owed.received_at)
    session.add(item)
    session.flush()
    written = f"the key that is proved compromised in part {proven.part}"
    session.add(
        ItemName(
            item=item.id or 0, message=proven.message, kind=SPKI, value=proven.spki_sha256,
            named_as=written,
        )
    )  # fmt: skip
    start(session, ticket, [owed], message=proven.message, item=item.id)
    return item


# ---- what is owed ------------------------------------------------------------------------------


def _classify(
    session: Session, item: Item, proven: ProvenKey, owed: Owed, *, now: datetime
) -> None:
    """Classify an item by a proof, once; what a person says afterwards stays."""
    if item.proved_key == proven.key_match or item.ours == "no":
        return
    item.proved_key = proven.key_match
    before = item.reason
    if not _is_key_compromise(item):
        item.reason, item.reason_by = REASON, SERVICE
    session.add(item)
    due_at = _tighten(session, item, owed)
    ticket = session.get_one(Ticket, item.ticket)
    record_event(
        session, "item_classified_by_proof", actor=SERVICE, now=now, ticket=item.ticket,
        item=item.number, reason=item.reason, before=before, key_match=proven.key_match,
        proof_sha256=proven.proof_sha256,
        due_at=None if due_at is None else due_at.astimezone(UTC).isoformat(),
    )  # fmt: skip
    if ticket.state != "closed":
        _raise_ticket(session, ticket, now=now)


def _is_key_compromise(item: Item) -> bool:
    found = None if item.reason is None else find_reason(item.received_at, item.reason)
    return found is not None and found[1].crl_reason == KEY_COMPROMISE


def _tighten(session: Session, item: Item, owed: Owed) -> datetime | None:
    """Make the revocation due by the proof, unless it is due earlier already."""
    due_at = None
    for one in session.exec(select(Obligation).where(Obligation.item == item.id)).all():
        waived = one.waived_reason or ""
        if one.met_at is not None or waived.startswith((MERGED, NOT_OURS)):
            continue
        was_classified_away = one.waived_at is not None and not waived.startswith(CLOSING)
        if was_classified_away or owed.due_at < one.due_at:
            one.received_at, one.due_at = owed.received_at, owed.due_at
        one.basis = owed.basis
        if not waived.startswith(CLOSING):
            take_up([one])
            due_at = one.due_at
        session.add(one)
    return due_at
