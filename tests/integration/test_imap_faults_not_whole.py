"""What can't be fetched whole gets its ticket at once, and is whole in the archive at last."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from intake.database import Database
from intake.errors import VerificationError
from intake.mailbox.lacking import AGAIN_AFTER, STUB_AFTER
from intake.tables import Coverage, Folder, Job, Message, MessageIdEntry, SealedPiece, UidGap
from tests.accounts import assert_accounts_balance
from tests.builders import NOW, make_config, make_message
from tests.faulty_imap import FaultyServer, faulty_server
from tests.reading import Reader
from tests.servers import DovecotServer

MINUTES = STUB_AFTER.total_seconds() / 60
MINUTES_AGAIN = AGAIN_AFTER.total_seconds() / 60
OVERSIZE = 1_000_000


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with faulty_server() as server:
        yield server


@pytest.fixture
def reader(server: FaultyServer, database: Database, tmp_path: Path) -> Iterator[Reader]:
    for uid in range(1, 4):
        server.folders["INBOX"][uid] = make_message(message_id=f"<{uid}@x>")
    config = make_config(tmp_path, imap_port=server.server_address[1])
    yield Reader(database, config.mailbox[0], oversize=OVERSIZE)
    assert_accounts_balance(database, now=NOW, all_decided=False)


def stubs(reader: Reader) -> list[Message]:
    return [one for one in reader.all(Message) if one.stands_for is not None]


# ---- refused for good --------------------------------------------------------------------------


def test_p19_a_message_that_is_refused_for_good_gets_a_stub_with_its_header(
    server: FaultyServer, reader: Reader
) -> None:
    server.faults[2] = "no"
    reader.poll()
    reader.poll()
    assert stubs(reader) == []

    reader.poll(minutes=MINUTES)

    [stub] = stubs(reader)
    raw = reader.raw_of(stub)
    assert raw.startswith(b"X-CPR-Intake-Stub: unreadable uid=2 uidvalidity=1 size=")
    assert b"\r\nMessage-ID: <2@x>\r\n" in raw
    assert stub.stands_for == "unreadable"
    assert stub.received_from == "received"
    assert f"process_message:{stub.id}" in {job.key for job in reader.all(Job)}
    assert reader.uids() == [1, 3]
    assert reader.actions().count("message_unreadable") == 1
    assert reader.actions().count("stub_kept") == 1


@pytest.mark.parametrize(
    ("fault", "known"), [("headless", b"Message-ID: <known@x>"), ("mute", b"")]
)
def test_p19_a_stub_holds_whatever_the_server_says(
    server: FaultyServer, reader: Reader, fault: str, known: bytes
) -> None:
    server.faults[2] = fault
    reader.poll()

    reader.poll(minutes=MINUTES)

    [stub] = stubs(reader)
    assert known in reader.raw_of(stub)
    assert stub.received_from == ("internal_date" if known else "first_seen")
    assert reader.uids() == [1, 3]


def test_p44_once_it_has_a_ticket_it_is_no_trouble_of_the_mailbox_any_more(
    server: FaultyServer, reader: Reader
) -> None:
    """Else the watchdog would stop the service for as long as that one message lies there."""
    server.faults[2] = "no"
    assert reader.poll().troubles
    assert reader.poll(minutes=MINUTES).troubles == ()

    server.commands.clear()
    for _ in range(5):
        assert reader.poll().troubles == ()

    assert not [one for one in server.commands if "BODY.PEEK[]" in one]
    assert len(stubs(reader)) == 1
    assert [one.complete for one in reader.all(Coverage) if one.source.endswith("INBOX")] == [False]


def test_what_is_handed_out_after_all_completes_its_stub(
    server: FaultyServer, reader: Reader
) -> None:
    server.faults[2] = "no"
    reader.poll()
    reader.poll(minutes=MINUTES)
    server.faults.clear()

    reader.poll(minutes=MINUTES_AGAIN)

    [stub] = stubs(reader)
    [whole] = [one for one in reader.all(Message) if one.completes is not None]
    assert whole.completes == stub.id
    assert reader.raw_of(whole) == server.folders["INBOX"][2]
    assert reader.uids() == [1, 2, 3]
    assert all(one.complete for one in reader.all(Coverage))
    sources = {one.source for one in reader.all(MessageIdEntry) if one.message == stub.id}
    assert sources == {"replaced"}


def test_a_size_that_is_refused_costs_only_its_message(
    server: FaultyServer, reader: Reader
) -> None:
    server.faults[1] = "mute"

    reader.poll()

    assert reader.uids() == [2, 3]
    assert [gap.reason for gap in reader.all(UidGap)] == ["unreadable"]


def test_uidvalidity_ends_what_was_lacking_under_the_old_one(
    server: FaultyServer, reader: Reader
) -> None:
    server.faults[2] = "no"
    reader.poll()
    server.faults.clear()
    server.uidvalidity = 2

    reader.poll()
    reader.poll()

    assert len(reader.raw()) == 3
    assert all(gap.resolved_at for gap in reader.all(UidGap))
    newest = {one.source: one.complete for one in reader.all(Coverage)}
    assert all(newest.values())


# ---- oversized ---------------------------------------------------------------------------------


def large(size: int, *, seed: int = 1) -> bytes:
    lines = random.Random(seed).randbytes(size // 2).hex()  # noqa: S311
    body = "\r\n".join(lines[at : at + 76] for at in range(0, len(lines), 76))
    return make_message(message_id=f"<large-{seed}@x>", body=body + "\r\n")


def test_p24_an_oversized_message_is_ticketed_by_its_beginning_and_then_whole(
    server: FaultyServer, reader: Reader
) -> None:
    raw = server.folders["INBOX"][4] = large(9_000_000)

    first = reader.poll()

    [stub] = stubs(reader)
    assert first.unfinished
    assert reader.raw_of(stub).partition(b"\r\n")[2] == raw[:262_144]
    assert stub.received_from == "received"
    assert reader.uids() == [1, 2, 3, 4]
    assert [gap.reason for gap in reader.all(UidGap)] == ["oversized"]
    assert reader.poll().unfinished is False

    [whole] = [one for one in reader.all(Message) if one.completes == stub.id]
    assert reader.raw_of(whole) == raw
    assert whole.sha256 == hashlib.sha256(raw).hexdigest()
    assert whole.size == len(raw)
    assert (whole.received_at, whole.received_from) == (stub.received_at, "received")
    assert max(one.size for one in reader.all(SealedPiece)) == 4_000_000
    assert f"process_message:{whole.id}" in {job.key for job in reader.all(Job)}
    assert reader.poll().new_messages == 0
    assert all(one.complete for one in reader.all(Coverage))


def test_p24_new_mail_goes_before_the_rest_of_a_large_message(
    server: FaultyServer, reader: Reader
) -> None:
    server.folders["INBOX"][4] = large(40_000_000)
    reader.poll()
    server.folders["INBOX"][5] = make_message(message_id="<5@x>")

    second = reader.poll()

    assert second.unfinished
    assert reader.uids() == [1, 2, 3, 4, 5]
    assert sum(one.size for one in reader.all(SealedPiece)) == 32_000_000
    assert reader.poll().unfinished is False
    assert hashlib.sha256(server.folders["INBOX"][4]).hexdigest() in {
        one.sha256 for one in reader.all(Message)
    }


def test_p24_a_cut_in_the_rest_goes_on_where_it_stopped(
    server: FaultyServer, reader: Reader
) -> None:
    raw = server.folders["INBOX"][4] = large(9_000_000)
    reader.poll()
    pieces = 0

    def cut_the_second(_: list[int]) -> None:
        nonlocal pieces
        is_piece = ".4000000>" in server.commands[-1]
        pieces += is_piece
        server.cut_every_fetch = is_piece and pieces == 2

    server.before_fetch = cut_the_second
    assert reader.poll().troubles
    assert sum(one.size for one in reader.all(SealedPiece)) == 4_000_000
    reader.poll()

    assert pieces == 4
    assert reader.raw()[-1] == raw


def test_p24_an_oversized_message_that_moves_gets_no_second_ticket(
    server: FaultyServer, reader: Reader
) -> None:
    raw = server.folders["INBOX"][4] = large(9_000_000)
    reader.poll()
    server.folders["Other"][1] = server.folders["INBOX"].pop(4)
    for _ in range(3):
        reader.poll()
    server.folders["INBOX"][5] = server.folders["Other"].pop(1)
    for _ in range(3):
        reader.poll()

    [stub] = stubs(reader)
    [whole] = [one for one in reader.all(Message) if one.completes == stub.id]
    assert reader.raw_of(whole) == raw
    assert reader.uids("INBOX") == [1, 2, 3, 4, 5]
    assert len({one.stream for one in reader.all(SealedPiece)}) == 1
    reasons = [(gap.folder, gap.reason, gap.resolved_at is None) for gap in reader.all(UidGap)]
    assert reasons == [
        ("INBOX", "gone", True), ("Other", "oversized", False), ("INBOX", "oversized", False),
    ]  # fmt: skip


def test_p24_a_size_that_was_stated_too_small_fills_no_memory(
    server: FaultyServer, reader: Reader
) -> None:
    """A message that is fetched in pieces anyway ends where it turns out to be oversized."""
    server.folders["INBOX"][4] = large(9_000_000)
    server.stated_size[4] = 900_000
    server.faults[4] = "whole"

    reader.poll()
    assert [one.stands_for for one in stubs(reader)] == ["oversized"]

    reader.poll()
    assert server.folders["INBOX"][4] in reader.raw()


def test_a_flipped_bit_in_a_piece_is_named(server: FaultyServer, reader: Reader) -> None:
    server.folders["INBOX"][4] = large(9_000_000)
    reader.poll()
    reader.poll()
    with reader.database.write() as session:
        piece = session.get_one(SealedPiece, (reader.all(SealedPiece)[0].stream, 1))
        piece.sealed = piece.sealed[:-1] + bytes([piece.sealed[-1] ^ 1])
        session.add(piece)

    with pytest.raises(VerificationError, match="do not verify"):
        reader.raw()


def test_p24_a_large_message_of_a_real_server_is_archived_byte_for_byte(
    dovecot: DovecotServer, database: Database, tmp_path: Path
) -> None:
    raw = large(13_000_000)
    dovecot.deliver(raw)
    config = make_config(tmp_path, **dovecot.mailbox_options())
    reader = Reader(database, config.mailbox[0], oversize=OVERSIZE)

    while reader.poll().unfinished:
        pass

    assert reader.raw() == [raw]
    assert [one.cursor for one in reader.all(Folder) if one.name == "INBOX"] == [1]
