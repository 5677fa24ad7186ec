"""Reading a real Dovecot over TLS: nothing lost, nothing doubled, nothing touched."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

from intake.archive.received import OurHosts
from intake.archive.seal import ArchiveKey
from intake.archive.store import archive_batch, raw_bytes
from intake.config import MailboxSection
from intake.database import Database
from intake.mailbox.folder import FolderBatch
from intake.mailbox.poll import PollResult, hinted_folders, poll_mailbox
from intake.tables import (
    Coverage,
    Event,
    Folder,
    Job,
    Message,
    Sighting,
    UidGap,
    WatchedMailbox,
)
from tests.builders import NOW, make_config, make_message
from tests.servers import DovecotServer


class Reader:
    """A mailbox and the archive that it is read into, with a clock moved by hand."""

    def __init__(self, database: Database, mailbox: MailboxSection, key: ArchiveKey) -> None:
        self.database, self.mailbox, self.key = database, mailbox, key
        self.now = NOW
        self.batches: list[FolderBatch] = []

    def keep(self, batch: FolderBatch) -> None:
        self.batches.append(batch)
        with self.database.write() as session:
            archive_batch(
                session,
                self.key,
                batch,
                our_hosts=OurHosts.parse(self.mailbox.our_hosts),
                now=self.now,
            )

    def poll(self) -> PollResult:
        self.now += timedelta(minutes=1)
        return poll_mailbox(self.database, self.mailbox, keep=self.keep, clock=lambda: self.now)

    def all(self, table: type) -> list:
        with self.database.read() as session:
            return list(session.exec(select(table)).all())

    def raw(self) -> list[bytes]:
        with self.database.read() as session:
            ids = session.exec(select(Message.id).order_by(col(Message.id))).all()
            return [raw_bytes(session, self.key, one) for one in ids]

    def events(self, action: str) -> list[Event]:
        return [event for event in self.all(Event) if event.action == action]


@pytest.fixture
def reader(dovecot: DovecotServer, database: Database, tmp_path: Path) -> Reader:
    config = make_config(tmp_path, **dovecot.mailbox_options())
    key = ArchiveKey.create(tmp_path / "archive.key")
    return Reader(database, config.mailbox[0], key)


def mail(number: int, **values: object) -> bytes:
    return make_message(message_id=f"<m{number}@reporter.example>", **values)  # type: ignore[arg-type]


def test_a_delivered_message_is_archived_with_a_job(dovecot: DovecotServer, reader: Reader) -> None:
    dovecot.deliver(mail(1))

    result = reader.poll()

    assert result.new_messages == 1 and result.troubles == ()
    assert reader.raw() == [mail(1)]
    assert [job.key for job in reader.all(Job)] == ["process_message:1"]
    [message] = reader.all(Message)
    assert message.received_from == "received"
    assert message.received_at == datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
