"""Changing the archive key: everything that is sealed is sealed anew, and can be broken off.

Each seal says which key it is under, so a change that was killed simply goes on. Until it is
finished nothing else reads or writes the archive: `check_key` refuses. A message that does not
open stays as it is and is named; it must not hold up the change.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Literal, TypeVar

from sqlalchemy import func
from sqlmodel import Session, and_, col, or_, select, update

from intake.archive.seal import (
    KEY_CHANGE,
    KEY_CHECK,
    ArchiveKey,
    check_key,
    key_id,
    reseal,
    reseal_piece,
)
from intake.clock import Clock
from intake.database import Database
from intake.errors import UsageError, VerificationError
from intake.events import record_event
from intake.tables import Fact, Message, SealedMessage, SealedPiece

ROWS_AT_ONCE = 200  # in one transaction
BYTES_AT_ONCE = 16_000_000
MOST_NAMED = 100  # in an event

P = TypeVar("P")
Place = tuple[str, int]  # of a piece: stream and number
Next = Literal["begin", "go on", "done"]
Advance = Callable[[int], object]
"""Is told how many more rows were looked at, each time after they are safe."""


@dataclass
class Rekeyed:
    """What a change of the key did; `resealed` counts this run only."""

    resealed: int = 0
    damaged: list[str] = field(default_factory=list)  # digests of messages, names of pieces


def next_step(session: Session, old: ArchiveKey, new: ArchiveKey) -> Next:
    """Say what a change from one key to the other has to do now.

    Args:
        session: any session.
        old: the key that the configuration names.
        new: the key to change to.

    Raises:
        UsageError: if a change to yet another key was begun.
        VerificationError: if the archive is under neither of them, or the old one is missing.
    """
    facts = dict(session.exec(select(Fact.name, Fact.value)).all())
    known, wanted = facts.get(KEY_CHECK), facts.get(KEY_CHANGE)
    if wanted is None:
        if known == new.fingerprint():
            return "done"
        check_key(session, old)
        return "begin"
    if wanted != new.fingerprint():
        text = (
            "A change to another new key was begun and is not finished. Name that key's file; "
            "afterwards the key can be changed again."
        )
        raise UsageError(text)
    if known is not None and known != old.fingerprint():
        text = (
            "The change to this key is not finished, and what is left of it needs the old key. "
            "Let archive.key_file name the old key file once more, and run this again."
        )
        raise VerificationError(text)
    return "go on"


def rows_to_reseal(database: Database) -> int:
    """Return how many rows are sealed."""
    with database.read() as session:
        return sum(
            session.exec(select(func.count()).select_from(table)).one()
            for table in (SealedMessage, SealedPiece)
        )


def rekey_archive(
    database: Database,
    old: ArchiveKey,
    new: ArchiveKey,
    *,
    actor: str,
    clock: Clock,
    advance: Advance = lambda _count: None,
) -> Rekeyed:
    """Seal everything under the new key; call it under the lock of the one writer.

    Raises:
        UsageError: if a change to yet another key was begun.
        VerificationError: if the archive is under neither key.
    """
    change = _Change(old, new)
    with database.write() as session:
        step = next_step(session, old, new)
        if step == "begin":
            _begin(session, old, new, actor=actor, now=clock())
    if step == "done":
        return change.done
    _batch_by_batch(database, change.messages, 0, advance)
    _batch_by_batch(database, change.pieces, ("", -1), advance)
    with database.write() as session:
        _finish(session, change, actor=actor, now=clock())
    _empty_the_log(database)
    return change.done


def _batch_by_batch(
    database: Database, batch: Callable[[Session, P], list[P]], start: P, advance: Advance
) -> None:
    """Do batch after batch, each from where the one before ended, each a transaction."""
    after = start
    while True:
        with database.write() as session:
            if database.is_sqlite:  # what is overwritten is zeroed: it opens with the old key
                session.connection().exec_driver_sql("PRAGMA secure_delete=ON")
            places = batch(session, after)
        if not places:
            return
        after = places[-1]
        advance(len(places))


class _Change:
    """The change from one key to another."""

    def __init__(self, old: ArchiveKey, new: ArchiveKey) -> None:
        self.old = old
        self.new = new
        self.done = Rekeyed()

    def messages(self, session: Session, after: int) -> list[int]:
        """Reseal the messages after a row; return the rows that were looked at."""
        found = session.exec(
            select(SealedMessage.message, func.length(SealedMessage.sealed))
            .where(col(SealedMessage.message) > after)
            .order_by(col(SealedMessage.message))
            .limit(ROWS_AT_ONCE)
        ).all()
        rows = _bounded(found)
        for row in rows:
            here = col(SealedMessage.message) == row
            sha256, sealed = session.exec(
                select(Message.sha256, SealedMessage.sealed)
                .join(SealedMessage, col(SealedMessage.message) == col(Message.id))
                .where(here)
            ).one()
            anew = self._resealed(sealed, sha256, partial(reseal, sha256=sha256))
            if anew is not None:
                session.execute(update(SealedMessage).where(here).values(sealed=anew))
        return rows

    def pieces(self, session: Session, after: Place) -> list[Place]:
        """Reseal the pieces after a place; return the places that were looked at."""
        stream, number = after
        found = session.exec(
            select(SealedPiece.stream, SealedPiece.number, func.length(SealedPiece.sealed))
            .where(
                or_(
                    col(SealedPiece.stream) > stream,
                    and_(SealedPiece.stream == stream, col(SealedPiece.number) > number),
                )
            )
            .order_by(col(SealedPiece.stream), col(SealedPiece.number))
            .limit(ROWS_AT_ONCE)
        ).all()
        places = _bounded([((stream, number), size) for stream, number, size in found])
        for place in places:
            stream, number = place
            here = and_(SealedPiece.stream == stream, SealedPiece.number == number)
            sealed = session.exec(select(SealedPiece.sealed).where(here)).one()
            form = partial(reseal_piece, stream=stream, number=number)
            anew = self._resealed(sealed, f"piece {number} of {stream}", form)
            if anew is not None:
                session.execute(update(SealedPiece).where(here).values(sealed=anew))
        return places

    def _resealed(
        self, sealed: bytes, name: str, form: Callable[[ArchiveKey, ArchiveKey, bytes], bytes]
    ) -> bytes | None:
        """Return what is sealed in its new form; None if it has it already, or does not open."""
        if key_id(sealed) == self.new.id:
            return None
        try:
            anew = form(self.old, self.new, sealed)
        except VerificationError:
            self.done.damaged.append(name)
            return None
        self.done.resealed += 1
        return anew


def _bounded(rows: Iterable[tuple[P, int]]) -> list[P]:
    """Return the first rows, whose sizes together stay within bounds; one at least."""
    found: list[P] = []
    total = 0
    for place, size in rows:
        total += size
        if found and total > BYTES_AT_ONCE:
            break
        found.append(place)
    return found


def _begin(
    session: Session, old: ArchiveKey, new: ArchiveKey, *, actor: str, now: datetime
) -> None:
    session.add(Fact(name=KEY_CHANGE, value=new.fingerprint()))
    record_event(
        session, "archive_key_change_begun", actor=actor, now=now,
        old_key=old.id.hex(), new_key=new.id.hex(),
    )  # fmt: skip


def _finish(session: Session, change: _Change, *, actor: str, now: datetime) -> None:
    session.merge(Fact(name=KEY_CHECK, value=change.new.fingerprint()))
    session.delete(session.get_one(Fact, KEY_CHANGE))
    record_event(
        session, "archive_key_changed", actor=actor, now=now, old_key=change.old.id.hex(),
        new_key=change.new.id.hex(), damaged=change.done.damaged[:MOST_NAMED],
        damaged_count=len(change.done.damaged),
    )  # fmt: skip


def _empty_the_log(database: Database) -> None:
    """Take what is under the old key out of SQLite's write-ahead log too, if nobody reads it."""
    if database.is_sqlite:
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
