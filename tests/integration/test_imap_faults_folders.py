"""Folders, UIDs and clocks that change under our feet: nothing lost, nothing doubled."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from intake.database import Database
from intake.tables import Coverage, Folder, Job, Message, Sighting, UidGap
from tests.accounts import assert_accounts_balance
from tests.builders import NOW, make_config, make_message
from tests.conftest import need
from tests.faulty_imap import faulty_server
from tests.reading import Reader
from tests.servers import DovecotServer


@pytest.fixture(scope="module")
def server(test_ca: trustme.CA) -> Iterator[DovecotServer]:
    need("Dovecot", DovecotServer.installed())
    server = DovecotServer(test_ca)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def reader(server: DovecotServer, database: Database, tmp_path: Path) -> Iterator[Reader]:
    mailbox = make_config(tmp_path, **server.mailbox_options()).mailbox[0]
    user = f"u{secrets.token_hex(4)}"
    yield Reader(database, mailbox.model_copy(update={"username": user}))
    assert_accounts_balance(database, now=NOW - timedelta(days=2), all_decided=False)


def mail(number: int, **values: object) -> bytes:
    return make_message(message_id=f"<m{number}@x>", **values)  # type: ignore[arg-type]


def append(server: DovecotServer, reader: Reader, *numbers: int, folder: str = "INBOX") -> None:
    with server.client(reader.mailbox.username) as client:
        for number in numbers:
            client.append(folder, mail(number))


def live(reader: Reader) -> set[tuple[str, int]]:
    return {(one.folder, one.uid) for one in reader.all(Sighting) if one.gone_since is None}


def test_p09_uidvalidity_that_changes_again_and_again_doubles_nothing(
    server: DovecotServer, reader: Reader
) -> None:
    append(server, reader, 1, 2, 3)
    for number in range(4, 7):
        reader.poll()
        server.forget_uids(user=reader.mailbox.username)
        append(server, reader, number)
    reader.poll()

    assert len(reader.raw()) == len(reader.all(Job)) == 6
    assert len(reader.events("uidvalidity_changed")) == 3
    assert len(live(reader)) == 6
    assert reader.all(UidGap) == []


def test_p09_a_folder_that_is_deleted_and_made_again_begins_anew(
    server: DovecotServer, reader: Reader
) -> None:
    user = reader.mailbox.username
    server.create_folder("Cases", user)
    append(server, reader, 1, 2, folder="Cases")
    reader.poll()
    with server.client(user) as client:
        before = client.folder_status("Cases", ["UIDVALIDITY"])[b"UIDVALIDITY"]
        client.delete_folder("Cases")
        client.create_folder("Cases")
        after = client.folder_status("Cases", ["UIDVALIDITY"])[b"UIDVALIDITY"]
    assert before != after
    append(server, reader, 3, folder="Cases")

    reader.poll()
    reader.poll()

    assert len(reader.raw()) == 3
    assert live(reader) == {("Cases", 1)}
    assert len(reader.events("uidvalidity_changed")) == 1


def test_a_folder_that_is_away_for_one_poll_has_a_new_interval_of_coverage(
    server: DovecotServer, reader: Reader
) -> None:
    user = reader.mailbox.username
    server.create_folder("Cases", user)
    append(server, reader, 1, folder="Cases")
    reader.poll()
    with server.client(user) as client:
        client.delete_folder("Cases")
    reader.poll()
    server.create_folder("Cases", user)
    append(server, reader, 2, folder="Cases")
    reader.poll()

    assert len(reader.raw()) == 2
    intervals = [one for one in reader.all(Coverage) if one.source.endswith("Cases")]
    assert len(intervals) == 2
    assert intervals[0].to_at < intervals[1].from_at


def test_p10_what_others_flag_or_delete_is_read_all_the_same(
    server: DovecotServer, reader: Reader
) -> None:
    append(server, reader, *range(6))
    with server.client(reader.mailbox.username) as client:
        client.select_folder("INBOX")
        client.set_flags([1, 2], [rb"\Seen", rb"\Answered"])
        client.set_flags([3, 4], [rb"\Deleted"])
        client.set_flags([5], ["$Junk", "handled"])
    reader.poll()
    with server.client(reader.mailbox.username) as client:
        client.select_folder("INBOX")
        client.expunge()
    reader.poll()

    assert len(reader.raw()) == 6
    assert live(reader) == {("INBOX", uid) for uid in (1, 2, 5, 6)}
    assert reader.all(UidGap) == []


def test_p22_gaps_of_any_size_are_one_note_each(server: DovecotServer, reader: Reader) -> None:
    append(server, reader, 0)
    reader.poll()
    append(server, reader, *range(1, 30))
    server.expunge("INBOX", *range(3, 12), 20, *range(25, 29), user=reader.mailbox.username)

    result = reader.poll()

    assert result.gone_unseen == 14
    assert [(gap.uid_from, gap.uid_to) for gap in reader.all(UidGap)] == [
        (3, 11), (20, 20), (25, 28),
    ]  # fmt: skip
    assert len(reader.events("uids_gone_unseen")) == 1
    assert len(reader.raw()) == 16


def test_p18_from_inbox_to_junk_and_back_is_one_message_and_one_job(
    server: DovecotServer, reader: Reader
) -> None:
    append(server, reader, 1)
    reader.poll()
    for way in ("INBOX Junk", "Junk INBOX") * 3:
        server.move(*way.split(), user=reader.mailbox.username)
        reader.poll()

    assert len(reader.raw()) == len(reader.all(Job)) == 1
    assert live(reader) == {("INBOX", 4)}
    assert len(reader.all(Sighting)) == 7


def test_a_thousand_folders_are_read_in_one_poll(database: Database, tmp_path: Path) -> None:
    """And a second poll without news opens none of them."""
    with faulty_server() as faulty:
        for number in range(1000):
            faulty.folders[f"Case {number}"] = {1: mail(number)} if number % 50 == 0 else {}
        mailbox = make_config(tmp_path, imap_port=faulty.server_address[1]).mailbox[0]
        reader = Reader(database, mailbox)

        first = reader.poll()
        faulty.commands.clear()
        second = reader.poll()

        assert (first.folders, first.new_messages) == (1002, 20)
        assert (second.folders, second.new_messages) == (1002, 0)
        assert not [one for one in faulty.commands if one.startswith(("EXAMINE", "UID"))]
        assert faulty.connections == 2
    assert len(reader.all(Folder)) == 1002
    assert_accounts_balance(database, now=NOW - timedelta(days=2), all_decided=False)


@pytest.mark.parametrize("hours", [-30, -5, 5, 30])
def test_t0_is_the_stamp_of_our_own_host_where_the_servers_clock_is_wrong(
    server: DovecotServer, reader: Reader, hours: int
) -> None:
    """INTERNALDATE comes from the IMAP server's clock; `Received` from that of our border."""
    wrong = NOW + timedelta(hours=hours)
    with server.client(reader.mailbox.username) as client:
        client.append("INBOX", mail(1), (), wrong)

    reader.poll()

    [message] = reader.all(Message)
    assert message.received_at == datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
    assert message.received_from == "received"


@pytest.mark.parametrize(("hours", "source"), [(-5, "internal_date"), (30, "internal_date")])
def test_without_a_stamp_of_ours_t0_is_never_after_we_saw_it(
    server: DovecotServer, reader: Reader, hours: int, source: str
) -> None:
    wrong = NOW + timedelta(hours=hours)
    with server.client(reader.mailbox.username) as client:
        client.append("INBOX", mail(1, received=()), (), wrong)

    reader.poll()

    [message] = reader.all(Message)
    assert message.received_at == min(wrong, reader.now)
    assert message.received_from == source


@pytest.mark.parametrize("days", [-1, 1])
def test_a_step_of_our_own_clock_loses_and_doubles_nothing(
    server: DovecotServer, reader: Reader, days: int
) -> None:
    """Cursors are UIDs and no times; coverage never runs backwards."""
    append(server, reader, 1)
    reader.poll()
    before = max(one.to_at for one in reader.all(Coverage))
    append(server, reader, 2)

    reader.poll(minutes=days * 24 * 60)
    append(server, reader, 3)
    reader.poll()
    reader.poll(minutes=-days * 24 * 60)

    assert len(reader.raw()) == 3
    assert reader.all(UidGap) == []
    assert all(one.from_at <= one.to_at for one in reader.all(Coverage))
    assert max(one.to_at for one in reader.all(Coverage)) >= before
