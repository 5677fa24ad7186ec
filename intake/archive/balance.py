"""The two sums that must be right at every commit: UIDs of each folder, and messages.

Every UID from the first one seen up to the cursor is stored, seen and then gone, assigned but gone
before we looked, or listed and not handed out yet; and every message became a ticket or has a
recorded decision why not. Counted in the database, from the rows alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, String, cast, func, literal
from sqlmodel import Session, and_, col, select

from intake.tables import Folder, Job, Message, Sighting, Ticket, UidGap

DECIDED_WITHIN = timedelta(minutes=15)  # of being stored; what takes longer is stuck
WITH_TICKET = ("ticket", "follow_up", "copy")  # decisions that name one

Range = tuple[int, int]  # both ends included


@dataclass(frozen=True)
class FolderAccount:
    """Where every UID of a folder is, under its present UIDVALIDITY."""

    mailbox: str
    folder: str
    uidvalidity: int
    first_uid: int
    cursor: int
    stored: int  # and still there when the folder was last read
    gone: int  # stored, and gone from the server since
    gone_unseen: int  # assigned, but gone before we looked
    lacking: int  # listed, but the server does not hand them out; no stub stands for them yet
    beyond: int = 0  # stored, though the cursor does not say so

    @property
    def assigned(self) -> int:
        """Return how many UIDs there are to account for."""
        return max(self.cursor - self.first_uid + 1, 0)

    @property
    def unaccounted(self) -> int:
        """Return how many UIDs nothing accounts for."""
        return self.assigned - self.stored - self.gone - self.gone_unseen - self.lacking

    @property
    def balanced(self) -> bool:
        """Say whether every UID is accounted for."""
        return self.unaccounted == 0 and self.beyond == 0

    def __str__(self) -> str:
        """Return the sum in one line."""
        parts = [f"{self.stored} stored", f"{self.gone} gone since"]
        parts += [f"{self.gone_unseen} gone before we looked"]
        parts += [f"{self.lacking} not handed out"] if self.lacking else []
        parts += [f"{self.unaccounted} UNACCOUNTED FOR"] if self.unaccounted else []
        parts += [f"{self.beyond} beyond the cursor"] if self.beyond else []
        return f"{self.mailbox}/{self.folder}: {self.assigned} UIDs = {' + '.join(parts)}"


def account_of_uids(session: Session, mailbox: str) -> list[FolderAccount]:
    """Account for every UID of each folder of a mailbox, from its first one to its cursor."""
    seen = _seen(session, mailbox)
    gaps = _gaps(session, mailbox)
    late = _stored_in_gaps(session, mailbox)
    accounts = []
    for row in session.exec(select(Folder).where(Folder.mailbox == mailbox).order_by(Folder.name)):
        first = row.first_uid if row.first_uid is not None else row.cursor + 1
        stored, gone, beyond = seen.get(row.name, (0, 0, 0))
        ranges, stored_in = gaps.get(row.name, {}), late.get(row.name, {})
        every = [one for of_reason in ranges.values() for one in of_reason]
        missing = _length(every, first, row.cursor) - sum(stored_in.values())
        unseen = _length(ranges.get("gone", ()), first, row.cursor) - stored_in.get("gone", 0)
        accounts.append(
            FolderAccount(
                mailbox=mailbox,
                folder=row.name,
                uidvalidity=row.uidvalidity,
                first_uid=first,
                cursor=row.cursor,
                stored=stored,
                gone=gone,
                gone_unseen=unseen,
                lacking=missing - unseen,
                beyond=beyond,
            )
        )
    return accounts


def _here(table: type[Sighting] | type[UidGap], mailbox: str) -> ColumnElement[bool]:
    """Match rows with their folder under its present UIDVALIDITY."""
    return and_(
        col(Folder.mailbox) == mailbox,
        col(table.mailbox) == mailbox,
        col(table.folder) == col(Folder.name),
        col(table.uidvalidity) == col(Folder.uidvalidity),
    )


def _seen(session: Session, mailbox: str) -> dict[str, tuple[int, int, int]]:
    """Count sightings by folder: there, gone, and above the cursor."""
    within = col(Sighting.uid).between(func.coalesce(Folder.first_uid, 1), Folder.cursor)
    there = and_(within, col(Sighting.gone_since).is_(None))
    gone = and_(within, col(Sighting.gone_since).is_not(None))
    beyond = col(Sighting.uid) > col(Folder.cursor)
    rows = session.exec(
        select(
            Folder.name,
            func.count().filter(there),
            func.count().filter(gone),
            func.count().filter(beyond),
        )
        .join(Sighting, _here(Sighting, mailbox))
        .group_by(Folder.name)
    ).all()
    return {name: (stored, left, above) for name, stored, left, above in rows}


def _gaps(session: Session, mailbox: str) -> dict[str, dict[str, list[Range]]]:
    """Return the open gaps by folder and reason."""
    found: dict[str, dict[str, list[Range]]] = {}
    rows = session.exec(
        select(Folder.name, UidGap.reason, UidGap.uid_from, UidGap.uid_to)
        .join(UidGap, _here(UidGap, mailbox))
        .where(col(UidGap.resolved_at).is_(None))
    )
    for name, reason, first, last in rows:
        found.setdefault(name, {}).setdefault(reason, []).append((first, last))
    return found


def _stored_in_gaps(session: Session, mailbox: str) -> dict[str, dict[str, int]]:
    """Count by folder and reason the sightings within open gaps: stubs, and what came late."""
    found: dict[str, dict[str, int]] = {}
    rows = session.exec(
        select(UidGap.folder, UidGap.reason, func.count(func.distinct(Sighting.id)))
        .join(Folder, _here(UidGap, mailbox))
        .join(
            Sighting,
            and_(
                _here(Sighting, mailbox),
                col(Sighting.uid).between(UidGap.uid_from, UidGap.uid_to),
                col(Sighting.uid).between(func.coalesce(Folder.first_uid, 1), Folder.cursor),
            ),
        )
        .where(col(UidGap.resolved_at).is_(None))
        .group_by(UidGap.folder, UidGap.reason)
    ).all()
    for name, reason, count in rows:
        found.setdefault(name, {})[reason] = count
    return found


def _length(ranges: Iterable[Range], lowest: int, highest: int) -> int:
    """Count the UIDs from lowest to highest that lie in any of the ranges."""
    count, counted_to = 0, lowest - 1
    for first, last in sorted(ranges):
        begins, ends = max(first, counted_to + 1), min(last, highest)
        count += max(ends - begins + 1, 0)
        counted_to = max(counted_to, ends)
    return count


@dataclass(frozen=True)
class MessageAccount:
    """What became of all messages: each is a ticket's first one, or a decision says why not."""

    messages: int
    tickets: int
    decisions: tuple[tuple[str, int], ...]  # other than "ticket", by name
    undecided: int  # waiting to be looked into
    overdue: int  # of these, for longer than they may
    faults: tuple[str, ...]

    @property
    def balanced(self) -> bool:
        """Say whether the sum is right and nothing waits for too long."""
        others = sum(count for _, count in self.decisions)
        exact = self.messages == self.tickets + others + self.undecided
        return exact and not self.overdue and not self.faults

    def __str__(self) -> str:
        """Return the sum in one line."""
        parts = [f"{self.tickets} that opened a ticket"]
        parts += [f"{count} {name}" for name, count in self.decisions]
        parts += [f"{self.undecided} not looked into yet"] if self.undecided else []
        return f"{self.messages} messages = {' + '.join(parts)}"


def account_of_messages(session: Session, now: datetime) -> MessageAccount:
    """Add up messages, tickets and decisions, and name what does not fit."""
    by_decision = dict(
        session.exec(select(Message.decision, func.count()).group_by(col(Message.decision))).all()
    )
    undecided = col(Message.decision).is_(None)
    overdue = _count(session, undecided, col(Message.first_seen_at) < now - DECIDED_WITHIN)
    tickets = session.exec(select(func.count()).select_from(Ticket)).one()
    others = sorted(
        (name, count) for name, count in by_decision.items() if name not in {None, "ticket"}
    )
    return MessageAccount(
        messages=sum(by_decision.values()),
        tickets=tickets,
        decisions=tuple((str(name), count) for name, count in others),
        undecided=by_decision.get(None, 0),
        overdue=overdue,
        faults=tuple(_faults(session, overdue, by_decision.get("ticket", 0), tickets)),
    )


def _faults(session: Session, overdue: int, opened: int, tickets: int) -> Iterable[str]:
    if opened != tickets:
        yield f"there are {tickets} tickets, and {opened} messages that opened one"
    first = select(Message.ticket).where(Message.decision == "ticket")
    orphans = session.exec(
        select(Ticket.id).where(
            col(Ticket.id).not_in(first.where(col(Message.ticket).is_not(None)))
        )
    ).all()
    if orphans:
        yield f"no message opened {_listed('ticket', orphans)}"
    loose = _count(session, col(Message.decision).in_(WITH_TICKET), col(Message.ticket).is_(None))
    if loose:
        yield f"{loose} messages belong to a ticket, and to none that is there"
    key = literal("process_message:") + cast(col(Message.id), String)
    queued = select(Job.id).where(Job.key == key, Job.state == "waiting").exists()
    forgotten = _count(session, col(Message.decision).is_(None), ~queued)
    if forgotten:
        yield f"{forgotten} messages are undecided, and no job is queued for them"
    if overdue:
        minutes = int(DECIDED_WITHIN.total_seconds() // 60)
        yield f"{overdue} messages wait for longer than {minutes} minutes to be looked into"


def _count(session: Session, *conditions: ColumnElement[bool]) -> int:
    return session.exec(select(func.count()).select_from(Message).where(*conditions)).one()


def _listed(what: str, numbers: Sequence[int | None]) -> str:
    shown = ", ".join(str(one) for one in numbers[:5])
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""  # noqa: PLR2004
    return f"{what}{'s' if len(numbers) > 1 else ''} {shown}{more}"
