"""A mailbox and the archive that it is read into, with a clock moved by hand."""

from collections.abc import MutableSequence
from datetime import datetime, timedelta
from typing import Any

from imapclient import SocketTimeout
from sqlmodel import col, select

from intake.archive.received import OurHosts
from intake.archive.seal import ArchiveKey
from intake.archive.store import archive_batch, raw_bytes
from intake.config import MailboxSection
from intake.database import Database
from intake.mailbox.folder import FolderBatch
from intake.mailbox.poll import PollResult, poll_mailbox
from intake.tables import Event, Message, Sighting
from tests.builders import NOW

QUICK = SocketTimeout(connect=1, read=0.5)


class Reader:
    """Polls a mailbox minute by minute."""

    def __init__(self, database: Database, mailbox: MailboxSection, **options: Any) -> None:
        self.database, self.mailbox, self.options = database, mailbox, options
        self.key = ArchiveKey(b"k" * 32)
        self.now = NOW
        self.batches: MutableSequence[FolderBatch] = []

    def keep(self, batch: FolderBatch) -> None:
        self.batches.append(batch)
        ours = OurHosts.parse(self.mailbox.our_hosts)
        with self.database.write() as session:
            archive_batch(session, self.key, batch, our_hosts=ours, now=self.now)

    def poll(self, *, minutes: float = 1) -> PollResult:
        self.now += timedelta(minutes=minutes)
        return poll_mailbox(
            self.database, self.mailbox, keep=self.keep, clock=lambda: self.now, **self.options
        )

    def all(self, table: type) -> list:
        with self.database.read() as session:
            return list(session.exec(select(table)).all())

    def raw(self) -> list[bytes]:
        """The bytes of every message but the stubs."""
        query = (
            select(Message.id).where(col(Message.stands_for).is_(None)).order_by(col(Message.id))
        )
        with self.database.read() as session:
            return [raw_bytes(session, self.key, one) for one in session.exec(query).all()]

    def messages(self) -> list[Message]:
        return self.all(Message)

    def raw_of(self, message: Message) -> bytes:
        with self.database.read() as session:
            return raw_bytes(session, self.key, message.id or 0)

    def uids(self, folder: str = "INBOX") -> list[int]:
        return sorted(one.uid for one in self.all(Sighting) if one.folder == folder)

    def actions(self) -> list[str]:
        return [event.action for event in self.all(Event)]

    def events(self, action: str) -> list[Event]:
        return [event for event in self.all(Event) if event.action == action]

    def since(self, minutes: float) -> datetime:
        return self.now - timedelta(minutes=minutes)
