"""A message, a folder or a connection that fails costs only itself, and is tried again."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from intake.archive.received import OurHosts
from intake.archive.seal import ArchiveKey
from intake.archive.store import archive_batch
from intake.config import MailboxSection
from intake.database import Database
from intake.errors import OutsideUnavailableError
from intake.mailbox.folder import FolderBatch
from intake.mailbox.poll import PollResult, poll_mailbox
from intake.tables import Coverage, Event, Folder, Message, Sighting, UidGap, WatchedMailbox
from tests.builders import NOW, make_config, make_message
from tests.faulty_imap import FaultyServer, faulty_server

KEY = ArchiveKey(b"k" * 32)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with faulty_server() as server:
        yield server


class Reader:
    """A mailbox on the faulty server, and the archive that it is read into."""

    def __init__(self, server: FaultyServer, database: Database, folder: Path) -> None:
        self.database = database
        self.mailbox: MailboxSection = make_config(
            folder, imap_port=server.server_address[1]
        ).mailbox[0]
        self.now = NOW

    def keep(self, batch: FolderBatch) -> None:
        with self.database.write() as session:
            archive_batch(session, KEY, batch, our_hosts=OurHosts.parse([]), now=self.now)

    def poll(self) -> PollResult:
        self.now += timedelta(minutes=1)
        return poll_mailbox(self.database, self.mailbox, keep=self.keep, clock=lambda: self.now)

    def all(self, table: type) -> list:
        with self.database.read() as session:
            query = select(table).order_by(*table.__table__.primary_key)
            return list(session.exec(query).all())

    def uids(self, folder: str = "INBOX") -> list[int]:
        return sorted(one.uid for one in self.all(Sighting) if one.folder == folder)

    def actions(self) -> list[str]:
        return [event.action for event in self.all(Event)]


@pytest.fixture
def reader(server: FaultyServer, database: Database, tmp_path: Path) -> Reader:
    for uid in range(1, 11):
        server.folders["INBOX"][uid] = make_message(message_id=f"<{uid}@x>")
    server.folders["Other"][1] = make_message(message_id="<other@x>")
    return Reader(server, database, tmp_path)


@pytest.mark.parametrize("fault", ["no", "cut", "nil"])
def test_p19_one_poisonous_message_stops_no_other(
    server: FaultyServer, reader: Reader, fault: str
) -> None:
    server.faults[4] = fault

    result = reader.poll()

    assert reader.uids() == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert reader.uids("Other") == [1]
    assert len(result.troubles) == 1
    [gap] = reader.all(UidGap)
    assert (gap.uid_from, gap.uid_to, gap.reason) == (4, 4, "unreadable")
    assert reader.actions().count("message_unreadable") == 1
    complete = {one.source: one.complete for one in reader.all(Coverage)}
    assert complete == {"mailbox cps folder INBOX": False, "mailbox cps folder Other": True}
    assert reader.all(WatchedMailbox)[0].trouble is not None


def test_p19_an_unreadable_message_is_tried_again_until_it_comes(
    server: FaultyServer, reader: Reader
) -> None:
    server.faults[4] = "no"
    reader.poll()
    reader.poll()
    server.faults.clear()

    result = reader.poll()

    assert result.new_messages == 1
    assert reader.uids() == list(range(1, 11))
    assert [gap.resolved_at for gap in reader.all(UidGap)] == [reader.now]
    assert all(one.complete for one in reader.all(Coverage))
    assert reader.actions().count("message_unreadable") == 1
    assert reader.actions()[-1] == "mailbox_recovered"
    assert reader.poll().new_messages == 0


def test_an_unreadable_message_that_goes_away_is_a_gap(
    server: FaultyServer, reader: Reader
) -> None:
    server.faults[4] = "no"
    reader.poll()
    del server.folders["INBOX"][4]

    result = reader.poll()

    assert result.troubles == ()
    assert [(gap.uid_from, gap.reason) for gap in reader.all(UidGap)] == [(4, "gone")]
    assert reader.poll().troubles == ()


def test_a_connection_that_never_holds_marks_no_message(
    server: FaultyServer, reader: Reader
) -> None:
    """The cursor stays where it is: not the messages are at fault."""
    server.cut_every_fetch = True
    server.folders["Other"].clear()

    result = reader.poll()

    assert len(result.troubles) == 1
    assert [one.name for one in reader.all(Folder)] == ["Other"]
    assert reader.all(UidGap) == reader.all(Message) == []

    server.cut_every_fetch = False
    reader.poll()

    assert len(reader.all(Message)) == 10


@pytest.mark.parametrize("fault", ["NO [UNAVAILABLE] later", "BAD what", "cut"])
def test_a_folder_that_can_not_be_read_stops_no_other(
    server: FaultyServer, reader: Reader, fault: str
) -> None:
    server.broken_folders["INBOX"] = fault

    result = reader.poll()

    assert reader.uids("Other") == [1]
    assert len(result.troubles) == 1
    assert [one.name for one in reader.all(Folder)] == ["Other"]

    server.broken_folders.clear()

    assert reader.poll().new_messages == 10


def test_coverage_goes_on_across_an_outage_since_the_uids_account_for_it(
    server: FaultyServer, reader: Reader
) -> None:
    reader.poll()
    begun = reader.now
    server.broken_folders["INBOX"] = "NO [UNAVAILABLE] later"
    reader.poll()
    [inbox] = [one for one in reader.all(Coverage) if one.source.endswith("INBOX")]
    assert inbox.to_at == begun

    server.broken_folders.clear()
    reader.poll()

    [inbox] = [one for one in reader.all(Coverage) if one.source.endswith("INBOX")]
    assert (inbox.from_at, inbox.to_at) == (begun, reader.now)


def test_p17_trouble_is_an_event_once_per_change_of_state(
    server: FaultyServer, reader: Reader
) -> None:
    reader.poll()
    good = reader.now
    mailbox = reader.mailbox
    reader.mailbox = mailbox.model_copy(update={"port": 1})
    for _ in range(5):
        with pytest.raises(OutsideUnavailableError, match="connection refused"):
            reader.poll()
    [watched] = reader.all(WatchedMailbox)
    assert watched.last_good_poll_at == good
    assert watched.trouble_since == good + timedelta(minutes=1)

    reader.mailbox = mailbox
    reader.poll()

    changes = [one for one in reader.actions() if one.startswith("mailbox_")]
    assert changes == ["mailbox_watched", "mailbox_in_trouble", "mailbox_recovered"]


def test_p08_only_uid_commands_are_used_and_nothing_is_written(
    server: FaultyServer, reader: Reader
) -> None:
    reader.poll()

    verbs = {re.sub(r"^(UID \w+|\w+).*", r"\1", command) for command in server.commands}
    assert verbs == {
        "CAPABILITY",
        "LOGIN",
        "LIST",
        "STATUS",
        "EXAMINE",
        "UID SEARCH",
        "UID FETCH",
        "LOGOUT",
    }
    assert all("PEEK" in one or "SIZE" in one for one in server.commands if "FETCH" in one)


def test_a_mailbox_without_news_is_not_opened(server: FaultyServer, reader: Reader) -> None:
    reader.poll()
    server.commands.clear()
    reader.poll()

    assert not [one for one in server.commands if "EXAMINE" in one or "UID" in one.split()[:1]]
