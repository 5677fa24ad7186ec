"""Statements about keys that were sent without the key: kept until a certificate shows it.

Source: BR 4.9.12.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from intake.certificates.der import DerError, split_certificate
from intake.evidence.key_statements import KeyClaim, KeyProof, verify_claim
from intake.evidence.signed_statements import PublicKey, verify
from intake.tables import Certificate, Item, ItemCertificate, KeyStatement, Message

NAMELESS = ""  # of a statement that names no key: those of its ticket are tried
MOST_TRIED = 500  # certificates of one ticket


def keep_claims(
    session: Session, message: Message, claims: Sequence[KeyClaim]
) -> list[KeyStatement]:
    """Keep statements of a message; those that it made before stay as they are."""
    if not claims:
        return []
    kept = []
    for claim in {one.sha256: one for one in claims}.values():
        query = select(KeyStatement).where(
            KeyStatement.sha256 == claim.sha256, KeyStatement.message == message.id
        )
        row = session.exec(query).first() or KeyStatement(
            spki_sha256=claim.kid, algorithm=claim.algorithm, signed=claim.signed,
            signature=claim.signature, sha256=claim.sha256, part=claim.part,
            message=message.id or 0,
        )  # fmt: skip
        row.ticket = message.ticket
        session.add(row)
        kept.append(row)
    session.flush()
    return kept


def verified(
    session: Session,
    statements: Iterable[KeyStatement],
    now: datetime,
    *,
    ders: Sequence[bytes] | None = None,
) -> list[KeyProof]:
    """Return the proofs among statements, by the keys of certificates that are known.

    Args:
        session: a write session.
        statements: that nobody verified yet.
        now: when they are verified.
        ders: certificates to try where a statement names no key; None for all of its ticket.
    """
    found = []
    for row in statements:
        claim = KeyClaim(
            row.spki_sha256, row.algorithm, row.signed, row.signature, row.sha256, row.part
        )
        proof = _proof_of(session, claim, row.ticket, ders)
        if proof is not None:
            row.proved_at = row.proved_at or now
            session.add(row)
            found.append(proof)
    return found


def _proof_of(
    session: Session, claim: KeyClaim, ticket: int | None, ders: Sequence[bytes] | None
) -> KeyProof | None:
    if claim.kid == NAMELESS:
        held = held_by_ticket(session, ticket, None) if ders is None else ders
        keys = [PublicKey(spki, der) for der in held if (spki := spki_of(der))]
        return next((proof for one in keys if (proof := verify(claim, one))), None)
    query = select(Certificate.der).where(Certificate.spki_sha256 == claim.kid).limit(1)
    der = session.exec(query).first()
    spki = None if der is None else spki_of(der)
    return None if spki is None else verify_claim(claim, spki)


def held_by_ticket(
    session: Session, ticket: int | None, sha256s: Sequence[str] | None
) -> list[bytes]:
    """Return certificates of a ticket's items, or those of them with one of these digests."""
    query = (
        select(Certificate.der)
        .join(ItemCertificate, col(ItemCertificate.sha256) == col(Certificate.sha256))
        .join(Item, col(Item.id) == col(ItemCertificate.item))
        .where(Item.ticket == ticket)
        .order_by(col(Item.number))
    )
    if sha256s is not None:
        query = query.where(col(Certificate.sha256).in_(sha256s[:MOST_TRIED]))
    return list(session.exec(query.limit(MOST_TRIED)).all())


def spki_of(der: bytes) -> bytes | None:
    """Return the SubjectPublicKeyInfo of a certificate as it stands there."""
    try:
        return split_certificate(der).spki
    except DerError:
        return None
