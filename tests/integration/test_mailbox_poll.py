"""Reading a real Dovecot over TLS: nothing lost, nothing doubled, nothing touched."""

import errno
import hashlib
from dataclasses import replace
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

pytestmark = pytest.mark.both_databases


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
            query = select(table)
            if hasattr(table, "id"):
                query = query.order_by(table.id)
            return list(session.exec(query).all())

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

    assert result.new_messages == 1
    assert result.troubles == ()
    assert reader.raw() == [mail(1)]
    assert [job.key for job in reader.all(Job)] == ["process_message:1"]
    [message] = reader.all(Message)
    assert message.received_from == "received"
    assert message.received_at == datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


def test_p10_p30_reading_leaves_no_trace_and_reads_seen_mail(
    dovecot: DovecotServer, reader: Reader
) -> None:
    for number in range(3):
        dovecot.append(mail(number))
    with dovecot.client() as client:
        client.select_folder("INBOX")
        client.set_flags([1], [rb"\Seen"])
        client.set_flags([2], [rb"\Deleted", rb"\Flagged"])
    before = dovecot.flags()

    reader.poll()

    assert len(reader.raw()) == 3
    assert [set(flags) - {rb"\Recent"} for flags in dovecot.flags().values()] == [
        set(flags) - {rb"\Recent"} for flags in before.values()
    ]


def test_polling_again_changes_nothing(dovecot: DovecotServer, reader: Reader) -> None:
    dovecot.deliver(mail(1))
    reader.poll()
    events = len(reader.all(Event))

    results = [reader.poll() for _ in range(5)]

    assert [one.new_messages for one in results] == [0] * 5
    assert len(reader.batches) == len(reader.all(Folder)) == 3
    assert len(reader.all(Event)) == events


def test_every_folder_but_drafts_and_sent_is_read(dovecot: DovecotServer, reader: Reader) -> None:
    folders = ["INBOX", "Junk", "Archive", "Sent", "Drafts", "Berichte/Über & Öl", "Ablage"]
    for folder in folders[5:]:
        dovecot.create_folder(folder)
    for number, folder in enumerate(folders):
        dovecot.append(mail(number), folder=folder)

    reader.poll()

    found = {one.folder: one.in_junk for one in reader.all(Sighting)}
    assert found == {
        "INBOX": False, "Junk": True, "Archive": False, "Berichte/Über & Öl": False, "Ablage": False,
    }  # fmt: skip
    with reader.database.read() as session:
        assert hinted_folders(session, reader.mailbox) == ["INBOX", "Junk"]


def test_p22_a_backlog_is_read_oldest_first_in_batches(
    dovecot: DovecotServer, reader: Reader
) -> None:
    for number in range(120):
        dovecot.deliver(mail(number))

    result = reader.poll()

    uids = [message.uid for batch in reader.batches for message in batch.messages]
    assert result.new_messages == 120
    assert uids == sorted(uids)
    assert max(len(batch.messages) for batch in reader.batches) == 100
    [coverage] = [one for one in reader.all(Coverage) if one.source.endswith("INBOX")]
    assert (coverage.uid_to, coverage.to_at) == (120, reader.now)


def test_p12_a_crash_between_batches_loses_and_doubles_nothing(
    dovecot: DovecotServer, reader: Reader
) -> None:
    for number in range(120):
        dovecot.deliver(mail(number))
    keep = reader.keep

    def crash_at_the_second(batch: FolderBatch) -> None:
        if reader.batches:
            raise MemoryError
        keep(batch)

    reader.keep = crash_at_the_second  # type: ignore[method-assign]
    with pytest.raises(MemoryError):
        reader.poll()
    assert len(reader.all(Message)) == 100
    assert not [one for one in reader.all(Coverage) if one.source.endswith("INBOX")]

    reader.keep = keep  # type: ignore[method-assign]
    reader.poll()

    assert len(reader.all(Message)) == len(reader.all(Sighting)) == 120


def test_a_message_moved_to_junk_and_back_is_one_message(
    dovecot: DovecotServer, reader: Reader
) -> None:
    dovecot.deliver(mail(1))
    reader.poll()
    dovecot.move("INBOX", "Junk")
    reader.poll()
    dovecot.move("Junk", "INBOX")
    reader.poll()

    assert len(reader.all(Message)) == len(reader.all(Job)) == 1
    places = [(one.folder, one.uid, one.gone_since is None) for one in reader.all(Sighting)]
    assert places == [("INBOX", 1, False), ("Junk", 1, False), ("INBOX", 2, True)]
    assert reader.all(UidGap) == []


def test_p09_a_changed_uidvalidity_loses_and_doubles_nothing(
    dovecot: DovecotServer, reader: Reader
) -> None:
    for number in range(3):
        dovecot.deliver(mail(number))
    reader.poll()
    dovecot.forget_uids()
    dovecot.deliver(mail(3))

    reader.poll()
    reader.poll()

    assert len(reader.raw()) == 4
    assert len(reader.events("uidvalidity_changed")) == 1
    assert len([one for one in reader.all(Sighting) if one.gone_since is None]) == 4
    intervals = [one for one in reader.all(Coverage) if one.source.endswith("INBOX")]
    assert len({one.uidvalidity for one in intervals}) == len(intervals) == 2


def test_a_message_gone_before_we_looked_is_a_gap_with_an_event(
    dovecot: DovecotServer, reader: Reader
) -> None:
    dovecot.append(mail(1))
    reader.poll()
    polled_at = reader.now
    dovecot.append(mail(2))
    dovecot.append(mail(3))
    dovecot.expunge("INBOX", 2)

    result = reader.poll()

    assert result.gone_unseen == 1
    [gap] = reader.all(UidGap)
    assert (gap.uid_from, gap.uid_to, gap.after, gap.reason) == (2, 2, polled_at, "gone")
    assert len(reader.events("uids_gone_unseen")) == 1
    assert len(reader.raw()) == 2


def test_a_message_deleted_after_we_saw_it_is_gone_and_stays_archived(
    dovecot: DovecotServer, reader: Reader
) -> None:
    for number in range(3):
        dovecot.append(mail(number))
    reader.poll()
    dovecot.expunge("INBOX", 2)

    reader.poll()

    assert [one.gone_since for one in reader.all(Sighting)] == [None, reader.now, None]
    assert reader.all(UidGap) == []
    assert len(reader.raw()) == 3


def test_an_old_mailbox_with_holes_is_no_alarm_below_its_first_uid(
    dovecot: DovecotServer, reader: Reader
) -> None:
    for number in range(5):
        dovecot.append(mail(number))
    dovecot.expunge("INBOX", 1, 2, 4)

    reader.poll()

    assert [(gap.uid_from, gap.after) for gap in reader.all(UidGap)] == [(4, None)]


def test_p29_bytes_are_those_of_the_servers_literal(dovecot: DovecotServer, reader: Reader) -> None:
    dovecot.deliver(b"Message-ID: <a\xe9@x>\nSubject: caf\xe9\n\nnul \x00, mixed\r\nends\n\xff\xfe")
    dovecot.deliver(b"no header\n")
    dovecot.deliver(b"\n")
    with dovecot.client() as client:
        client.select_folder("INBOX", readonly=True)
        served = [one[b"BODY[]"] for one in client.fetch([1, 2, 3], ["BODY.PEEK[]"]).values()]

    reader.poll()

    assert sorted(reader.raw()) == sorted(served)
    digests = {hashlib.sha256(one).hexdigest() for one in served}
    assert {one.sha256 for one in reader.all(Message)} == digests


def test_p24_a_large_message_comes_in_pieces(dovecot: DovecotServer, reader: Reader) -> None:
    large = mail(1, body="0123456789abcde\r\n" * 740_000)
    dovecot.deliver(large)
    dovecot.deliver(mail(2))

    reader.poll()

    assert sorted(map(len, reader.raw())) == sorted([len(large), len(mail(2))])
    assert large in reader.raw()
    assert len(reader.batches[0].messages) == 1


def test_p02_three_messages_without_an_id_are_three(dovecot: DovecotServer, reader: Reader) -> None:
    for number in range(3):
        dovecot.deliver(make_message(message_id=None, body=f"{number}\r\n"))

    reader.poll()

    assert len(reader.raw()) == 3


def test_p01_the_same_id_with_other_content_is_two(dovecot: DovecotServer, reader: Reader) -> None:
    dovecot.deliver(make_message(body="one\r\n"))
    dovecot.deliver(make_message(body="two\r\n"), folder="Junk")
    dovecot.deliver(make_message(body="one\r\n"), folder="Archive")

    reader.poll()

    assert len(reader.raw()) == 2
    assert len(reader.all(Sighting)) == 3


def test_the_same_message_in_three_mailboxes_is_one(dovecot: DovecotServer, reader: Reader) -> None:
    first = reader.mailbox
    for name in ("cps", "ssl", "abuse"):
        dovecot.deliver(mail(1), user=name)
        reader.mailbox = first.model_copy(update={"name": name, "username": name})
        reader.poll()

    assert len(reader.all(Message)) == len(reader.all(Job)) == 1
    assert [one.mailbox for one in reader.all(Sighting)] == ["cps", "ssl", "abuse"]
    assert len(reader.all(WatchedMailbox)) == 3


def test_internal_date_is_an_instant_whatever_the_local_zone(
    dovecot: DovecotServer, reader: Reader
) -> None:
    received = datetime(2017, 8, 13, 4, 45, 12, tzinfo=UTC)
    dovecot.append(mail(1, received=()), internal_date=received)

    reader.poll()

    [message] = reader.all(Message)
    assert (message.received_at, message.received_from) == (received, "internal_date")


def test_a_folder_that_goes_away_and_comes_back_loses_nothing(
    dovecot: DovecotServer, reader: Reader
) -> None:
    dovecot.create_folder("Cases")
    dovecot.append(mail(1), folder="Cases")
    reader.poll()
    with dovecot.client() as client:
        client.rename_folder("Cases", "Old cases")

    reader.poll()

    assert len(reader.raw()) == 1
    places = {one.folder: one.gone_since is None for one in reader.all(Sighting)}
    assert places == {"Cases": False, "Old cases": True}
    assert [event.detail["folder"] for event in reader.events("folder_gone")] == ["Cases"]

    with dovecot.client() as client:
        client.rename_folder("Old cases", "Cases")
    dovecot.append(mail(2), folder="Cases")
    reader.poll()
    reader.poll()

    assert len(reader.raw()) == 2
    live = {(one.folder, one.uid) for one in reader.all(Sighting) if one.gone_since is None}
    assert live == {("Cases", 1), ("Cases", 2)}
    assert reader.all(UidGap) == []


def test_a_folder_made_while_we_watch_is_covered_from_the_beginning(
    dovecot: DovecotServer, reader: Reader
) -> None:
    reader.poll()
    begun = reader.now
    dovecot.create_folder("New")

    reader.poll()

    [coverage] = [one for one in reader.all(Coverage) if one.source.endswith("New")]
    assert (coverage.from_at, coverage.to_at) == (begun, reader.now)


def test_the_first_poll_begins_the_watch(dovecot: DovecotServer, reader: Reader) -> None:
    reader.mailbox = reader.mailbox.model_copy(update={"watch_from": None})
    reader.poll()
    first = reader.now

    reader.poll()

    [watched] = reader.all(WatchedMailbox)
    assert (watched.watch_from, watched.last_good_poll_at) == (first, reader.now)


def test_p51_a_message_that_was_skipped_is_noticed_and_fetched(
    dovecot: DovecotServer, reader: Reader
) -> None:
    """Whatever made us miss one below the cursor, the count of the server tells."""
    for number in range(3):
        dovecot.append(mail(number))
    keep = reader.keep

    def skip_the_second(batch: FolderBatch) -> None:
        kept = tuple(one for one in batch.messages if one.uid != 2)
        keep(replace(batch, messages=kept, exists=None))

    reader.keep = skip_the_second  # type: ignore[method-assign]
    reader.poll()
    reader.keep = keep  # type: ignore[method-assign]

    reader.poll()

    assert len(reader.raw()) == 3
    assert [event.detail["uids"] for event in reader.events("uids_missed")] == [[2]]


def test_p20_a_full_disk_leaves_the_cursor_where_it_is(
    dovecot: DovecotServer, reader: Reader
) -> None:
    dovecot.deliver(mail(1))
    keep = reader.keep

    def no_space(batch: FolderBatch) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    reader.keep = no_space  # type: ignore[method-assign]
    with pytest.raises(OSError, match="No space"):
        reader.poll()
    assert reader.all(Folder) == []

    reader.keep = keep  # type: ignore[method-assign]
    reader.poll()

    assert reader.raw() == [mail(1)]
