"""What the sources answered, kept byte for byte, and once for as long as they say the same."""

import hashlib
from collections.abc import Iterable
from datetime import datetime

import zstandard
from sqlmodel import Session, col, select

from intake.certificates.revocation import UNUSABLE, Answer, SourceAnswer
from intake.tables import RevocationDocument, RevocationEvidence, RevocationStatus

LARGEST_UNUSABLE = 1 << 20  # bytes of an answer that proves nothing


def keep_evidence(
    session: Session, status: RevocationStatus, answers: Iterable[SourceAnswer], *, now: datetime
) -> None:
    """Write down each answer that is new; one that was given before is only confirmed."""
    for one in answers:
        row = _newest(session, status, one)
        if row is None or not _is_repeat(row, one.answer):
            row = RevocationEvidence(
                status=status.id or 0, source=one.source, url=one.url, answer=one.answer.state,
                detail=one.answer.detail, reason=one.answer.reason,
                asserted_revoked_at=one.answer.revoked_at, headers=one.headers,
                document=_keep(session, one), fetched_at=now, confirmed_at=now, confirmations=0,
            )  # fmt: skip
        row.confirmed_at = now
        row.confirmations += 1
        row.this_update, row.next_update = one.answer.this_update, one.answer.next_update
        row.number = None if one.answer.number is None else str(one.answer.number)
        session.add(row)
    session.flush()


def _newest(
    session: Session, status: RevocationStatus, answer: SourceAnswer
) -> RevocationEvidence | None:
    query = (
        select(RevocationEvidence)
        .where(
            RevocationEvidence.status == status.id,
            RevocationEvidence.source == answer.source,
            RevocationEvidence.url == answer.url,
        )
        .order_by(col(RevocationEvidence.id).desc())
        .limit(1)
    )
    return session.exec(query).first()


def _is_repeat(row: RevocationEvidence, answer: Answer) -> bool:
    return (row.answer, row.detail, row.reason, row.asserted_revoked_at) == (
        answer.state,
        answer.detail,
        answer.reason,
        answer.revoked_at,
    )


def _keep(session: Session, answer: SourceAnswer) -> str | None:
    """Store the bytes of an answer and return their SHA-256."""
    data = answer.document
    if data is None or (answer.answer.state == UNUSABLE and len(data) > LARGEST_UNUSABLE):
        return None
    digest = hashlib.sha256(data).hexdigest()
    if session.get(RevocationDocument, digest) is None:
        compressed = zstandard.ZstdCompressor().compress(data)
        session.add(RevocationDocument(sha256=digest, compressed=compressed))
        session.flush()
    return digest


def document_bytes(session: Session, digest: str) -> bytes:
    """Return the bytes of a CRL or OCSP response as they were received."""
    row = session.get_one(RevocationDocument, digest)
    return zstandard.ZstdDecompressor().decompress(row.compressed)
