"""Which stored certificates are one: issuer and serial number say so, no digest does.

A precertificate and the final certificate made from it differ in their bytes and are one item,
also where a precertificate signing CA of ours issued the first and another CA the second.

Source: BR 7.1.2.9; RFC 5280 4.1.2.2.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlmodel import Session, SQLModel, col, select

from intake.certificates.der import CertificateParts
from intake.certificates.ownership import IssuingCas, Ownership
from intake.certificates.read import CertificateFacts, read_with_parts
from intake.database import insert_rows
from intake.evidence.public_keys import key_match
from intake.tables import Certificate

AT_ONCE = 400  # rows named in one statement

IdentityKey = tuple[str, str]  # SHA-256 of the issuer name's DER, serial number


def identity_key(certificate: Certificate | CertificateFacts) -> IdentityKey | None:
    """Return what makes two encodings one certificate; None where it can't be read."""
    if certificate.issuer_sha256 is None or certificate.serial_number is None:
        return None
    return certificate.issuer_sha256, certificate.serial_number


def same_certificate(
    one: Certificate | CertificateFacts, other: Certificate | CertificateFacts
) -> bool:
    """Say whether both are the same certificate, be it as precertificate and final one."""
    if one.sha256 == other.sha256:
        return True
    key = identity_key(one)
    return key is not None and key == identity_key(other)


def remember_certificate(
    session: Session,
    der: bytes,
    *,
    origin: str,
    now: datetime,
    issuing_cas: IssuingCas | None = None,
) -> Certificate:
    """Store a certificate once; a second time returns the row that is there.

    Args:
        session: a write session.
        der: the exact bytes, readable or not.
        origin: "mail" or "crtsh".
        now: when we saw it.
        issuing_cas: our CAs, to find out whether it is ours.
    """
    return remember_certificates(session, [der], origin=origin, now=now, issuing_cas=issuing_cas)[0]


def remember_certificates(
    session: Session,
    ders: Sequence[bytes],
    *,
    origin: str,
    now: datetime,
    issuing_cas: IssuingCas | None = None,
) -> list[Certificate]:
    """Store many certificates, each once; return their rows in order."""
    read = {facts.sha256: (der, facts, parts) for der, facts, parts in _read_all(ders)}
    known = stored_certificates(session, list(read))
    new = [
        _columns(der, facts, parts, issuing_cas) | {"origin": origin, "first_seen_at": now}
        for der, facts, parts in read.values()
        if facts.sha256 not in known
    ]
    if issuing_cas is not None:
        for row in known.values():
            judge_owner(row, issuing_cas)
            session.add(row)
        session.flush()
    if new:  # in bulk: a report may hold thousands, and objects are slow to make
        insert_rows(session, SQLModel.metadata.tables["certificate"], new)
        known |= stored_certificates(session, [one["sha256"] for one in new])
    digests = [sha256(der).hexdigest() for der in ders]
    return [known[one] for one in digests]


def judge_owner(row: Certificate, issuing_cas: IssuingCas) -> None:
    """Write down whose a certificate is, and which CA stands behind a precertificate's issuer."""
    owner = issuing_cas.owner_of(row.der)
    row.ours, row.ours_why, row.names_us = owner.ours, owner.why, owner.names_us
    row.issuer_sha256 = owner.issuer_sha256 or row.issuer_sha256


def stored_certificates(session: Session, sha256s: Sequence[str]) -> dict[str, Certificate]:
    """Return the rows of certificates that are stored, by SHA-256."""
    found: dict[str, Certificate] = {}
    for start in range(0, len(sha256s), AT_ONCE):
        chunk = sha256s[start : start + AT_ONCE]
        query = select(Certificate).where(col(Certificate.sha256).in_(chunk))
        found |= {row.sha256: row for row in session.exec(query)}
    return found


def _read_all(
    ders: Iterable[bytes],
) -> Iterator[tuple[bytes, CertificateFacts, CertificateParts | None]]:
    for der in ders:
        yield (der, *read_with_parts(der))


def _columns(
    der: bytes,
    facts: CertificateFacts,
    parts: CertificateParts | None,
    issuing_cas: IssuingCas | None,
) -> dict[str, Any]:
    """Return the columns of a certificate that is not stored yet."""
    owner = Ownership("unknown", "")
    if issuing_cas is not None:
        owner = issuing_cas.owner_of(der) if parts is None else issuing_cas.owner_of_parts(parts)
    return {
        "sha256": facts.sha256,
        "sha1": facts.sha1,
        "der": der,
        "serial_number": facts.serial_number,
        "issuer": facts.issuer,
        "issuer_sha256": owner.issuer_sha256 or facts.issuer_sha256,
        "subject": facts.subject,
        "not_before": facts.not_before,
        "not_after": facts.not_after,
        "spki_sha256": facts.spki_sha256,
        "key_match": None if parts is None else key_match(parts.spki),
        "precertificate": facts.precertificate,
        "read_by": facts.read_by,
        "ours": owner.ours,
        "ours_why": owner.why,
        "names_us": owner.names_us,
    }


def find_same(session: Session, certificate: Certificate | CertificateFacts) -> list[Certificate]:
    """Return every stored encoding of this certificate, itself too, the oldest first."""
    key = identity_key(certificate)
    if key is None:
        row = session.get(Certificate, certificate.sha256)
        return [] if row is None else [row]
    query = select(Certificate).where(
        Certificate.issuer_sha256 == key[0], Certificate.serial_number == key[1]
    )
    order = (col(Certificate.first_seen_at), col(Certificate.sha256))
    return list(session.exec(query.order_by(*order)).all())
