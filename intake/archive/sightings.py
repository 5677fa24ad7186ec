"""Where messages were seen: one message, many places."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, SQLModel, col, select

from intake.database.rows import insert_rows
from intake.events import SERVICE, record_event
from intake.mailbox.folder import Beginning, FetchedMessage, FolderBatch, MessagePiece
from intake.tables import Message, Sighting

_SIGHTING = SQLModel.metadata.tables["sighting"]


@dataclass(frozen=True)
class Place:
    """Where a message was seen."""

    mailbox: str
    folder: str
    uidvalidity: int
    uid: int
    internal_date: datetime | None = None
    in_junk: bool = False


def place_of(message: FetchedMessage | Beginning | MessagePiece, batch: FolderBatch) -> Place:
    """Return where a message of a batch lies."""
    return Place(
        mailbox=batch.mailbox,
        folder=batch.folder,
        uidvalidity=batch.uidvalidity,
        uid=message.uid,
        internal_date=message.internal_date,
        in_junk=batch.is_junk,
    )


def see(session: Session, seen: Sequence[tuple[Place, int]], now: datetime) -> None:
    """Insert sightings; a place that we noted before is there again."""
    if not seen:
        return
    noted = _noted(session, [place for place, _ in seen])
    rows = []
    for place, message in seen:
        before = noted.get(place.uid)
        if before is None:
            rows.append(_sighting_row(place, message, now))
            continue
        if before.message != message and not _is_stub(session, before.message):
            # against the rules of IMAP, and told
            record_event(
                session,
                "uid_reused",
                actor=SERVICE,
                now=now,
                message=message,
                before=before.message,
                mailbox=place.mailbox,
                folder=place.folder,
                uid=place.uid,
            )
        before.message, before.gone_since = message, None
        session.add(before)
    insert_rows(session, _SIGHTING, rows)


def _is_stub(session: Session, message: int) -> bool:
    query = select(Message.stands_for).where(Message.id == message)
    return session.exec(query).first() is not None


def _noted(session: Session, places: Sequence[Place]) -> dict[int, Sighting]:
    """Return what was noted at these places before; they are all in one folder."""
    folder = places[0]
    rows = session.exec(
        select(Sighting).where(
            Sighting.mailbox == folder.mailbox,
            Sighting.folder == folder.folder,
            Sighting.uidvalidity == folder.uidvalidity,
            col(Sighting.uid).in_([place.uid for place in places]),
        )
    )
    return {row.uid: row for row in rows}


def _sighting_row(place: Place, message: int, now: datetime) -> dict[str, object]:
    return {
        "message": message,
        "mailbox": place.mailbox,
        "folder": place.folder,
        "uidvalidity": place.uidvalidity,
        "uid": place.uid,
        "internal_date": place.internal_date,
        "first_seen_at": now,
        "in_junk": place.in_junk,
    }
