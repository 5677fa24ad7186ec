"""Opening every seal again: each message against its digest, each certificate against its own.

Read in short transactions and a few rows at a time, so that it works beside the running service,
and memory does not grow with the archive.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import Session, col, select

from intake.archive.partial import open_pieces
from intake.archive.seal import ArchiveKey, check_key, is_in_pieces
from intake.database import Database
from intake.errors import VerificationError
from intake.tables import Certificate, Message, SealedMessage

ROWS_AT_ONCE = 500  # in one transaction
ROWS_IN_MEMORY = 4  # a row may hold a large message

Advance = Callable[[int], object]
"""Is told how many more rows were looked at."""


@dataclass(frozen=True)
class Damage:
    """Something stored that does not verify."""

    kind: str  # message | certificate
    row: int | None
    sha256: str
    why: str

    def __str__(self) -> str:
        """Return one line for people."""
        row = "" if self.row is None else f" (row {self.row})"
        return f"{self.kind} {self.sha256}{row}: {self.why}"


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what of it is damaged."""

    messages: int
    certificates: int
    damages: tuple[Damage, ...]


def rows_to_verify(database: Database) -> int:
    """Return how many rows there are at the moment."""
    with database.read() as session:
        return sum(
            session.exec(select(func.count()).select_from(table)).one()
            for table in (Message, Certificate)
        )


def verify_archive(
    database: Database, key: ArchiveKey, *, advance: Advance = lambda _count: None
) -> Verified:
    """Compare every message and every certificate with the digest that it is known by.

    Raises:
        VerificationError: if this is not the archive's key, or it is being changed.
    """
    damages: list[Damage] = []
    messages = certificates = last = 0
    while rows := _verify_messages(database, key, last, damages):
        last = rows[-1]
        messages += len(rows)
        advance(len(rows))
    after = ""
    while digests := _verify_certificates(database, after, damages):
        after = digests[-1]
        certificates += len(digests)
        advance(len(digests))
    return Verified(messages, certificates, tuple(damages))


def _verify_messages(
    database: Database, key: ArchiveKey, last: int, damages: list[Damage]
) -> list[int]:
    """Verify the messages after a row; return their rows."""
    looked_at = []
    with database.read() as session:
        check_key(session, key)
        found = session.exec(
            select(Message.id, Message.sha256, Message.size, SealedMessage.sealed)
            .join(SealedMessage, col(SealedMessage.message) == col(Message.id), isouter=True)
            .where(col(Message.id) > last)
            .order_by(col(Message.id))
            .limit(ROWS_AT_ONCE)
        ).yield_per(ROWS_IN_MEMORY)
        for row, sha256, size, sealed in found:
            why = _what_is_wrong(session, key, sealed, sha256, size=size)
            if why is not None:
                damages.append(Damage("message", row, sha256, why))
            looked_at.append(row or 0)
    return looked_at


def _what_is_wrong(
    session: Session, key: ArchiveKey, sealed: bytes | None, sha256: str, *, size: int
) -> str | None:
    """Open what is sealed and compare it; None if it verifies."""
    if sealed is None:
        return "its bytes are missing"
    digest, length = hashlib.sha256(), 0
    try:
        for part in _parts(session, key, sealed, sha256):
            digest.update(part)
            length += len(part)
    except VerificationError as error:
        return str(error)
    if digest.hexdigest() != sha256:
        return f"its bytes have another digest: {digest.hexdigest()}"
    if length != size:
        return f"it has {length} bytes, and {size} were noted"
    return None


def _parts(session: Session, key: ArchiveKey, sealed: bytes, sha256: str) -> Iterator[bytes]:
    """Yield the bytes of a message, whole or piece by piece."""
    if is_in_pieces(sealed):
        yield from open_pieces(session, key, key.open_list(sealed, sha256))
    else:
        yield key.open(sealed, sha256)


def _verify_certificates(database: Database, after: str, damages: list[Damage]) -> list[str]:
    """Verify the certificates after a digest; return their digests."""
    looked_at = []
    with database.read() as session:
        found = session.exec(
            select(Certificate.sha256, Certificate.der)
            .where(col(Certificate.sha256) > after)
            .order_by(col(Certificate.sha256))
            .limit(ROWS_AT_ONCE)
        ).yield_per(ROWS_IN_MEMORY)
        for sha256, der in found:
            actual = hashlib.sha256(der).hexdigest()
            if actual != sha256:
                why = f"its bytes have another digest: {actual}"
                damages.append(Damage("certificate", None, sha256, why))
            looked_at.append(sha256)
    return looked_at
