"""Every stored message against its digest: one bit that flipped is named."""

import hashlib
import threading

import pytest
from sqlmodel import select, update

from intake.archive.received import Receipt
from intake.archive.seal import KEY_CHANGE, ArchiveKey, PieceList, remember_key
from intake.archive.store import archive_message
from intake.archive.verify import rows_to_verify, verify_archive
from intake.database import Database
from intake.errors import VerificationError
from intake.tables import Certificate, Fact, Message, SealedMessage, SealedPiece
from tests.builders import NOW, make_message

pytestmark = pytest.mark.both_databases

KEY = ArchiveKey(b"k" * 32)


def store(database: Database, count: int, *, first: int = 0) -> None:
    with database.write() as session:
        remember_key(session, KEY)
        for number in range(first, first + count):
            raw = make_message(message_id=f"<{number}@x>", body=f"message {number}")
            archive_message(session, KEY, raw, receipt=Receipt(NOW, "received"), seen_at=NOW)


def flip(database: Database, row: int, at: int, bit: int = 1) -> str:
    """Flip one bit of what is sealed; return the digest of the message."""
    with database.write() as session:
        stored = session.get_one(SealedMessage, row)
        damaged = bytearray(stored.sealed)
        damaged[at] ^= bit
        stored.sealed = bytes(damaged)
        session.add(stored)
        return session.get_one(Message, row).sha256


def add_certificate(database: Database, der: bytes, sha256: str) -> None:
    with database.write() as session:
        session.add(
            Certificate(sha256=sha256, sha1="0" * 40, der=der, origin="mail", first_seen_at=NOW)
        )


def store_in_pieces(database: Database, *parts: bytes) -> str:
    """Store a message as a large one is stored; return its digest."""
    raw, stream = b"".join(parts), "ab" * 16
    sha256 = hashlib.sha256(raw).hexdigest()
    with database.write() as session:
        remember_key(session, KEY)
        message, _ = archive_message(
            session, KEY, raw, receipt=Receipt(NOW, "received"), seen_at=NOW
        )
        listed = KEY.seal_list(PieceList(stream, len(parts), len(raw)), sha256)
        session.execute(
            update(SealedMessage).where(SealedMessage.message == message.id).values(sealed=listed)
        )
        for number, part in enumerate(parts):
            sealed = KEY.seal_piece(part, stream, number)
            session.add(SealedPiece(stream=stream, number=number, size=len(part), sealed=sealed))
    return sha256


def test_a_whole_archive_verifies(database: Database) -> None:
    store(database, 3)
    add_certificate(database, b"der", hashlib.sha256(b"der").hexdigest())
    advanced: list[int] = []

    found = verify_archive(database, KEY, advance=advanced.append)

    assert (found.messages, found.certificates, found.damages) == (3, 1, ())
    assert sum(advanced) == rows_to_verify(database) == 4


@pytest.mark.parametrize("at", [0, 3, 8, 20, -1])
@pytest.mark.parametrize("bit", [1, 128])
def test_one_flipped_bit_is_named_by_digest_and_row(database: Database, at: int, bit: int) -> None:
    store(database, 3)
    sha256 = flip(database, 2, at, bit)

    found = verify_archive(database, KEY)

    (damage,) = found.damages
    assert (damage.kind, damage.row, damage.sha256) == ("message", 2, sha256)
    assert sha256 in str(damage)
    assert found.messages == 3  # the others were looked at all the same


def test_bytes_that_are_missing_are_named(database: Database) -> None:
    store(database, 2)
    with database.write() as session:
        session.delete(session.get_one(SealedMessage, 1))

    (damage,) = verify_archive(database, KEY).damages

    assert (damage.row, damage.why) == (1, "its bytes are missing")


def test_seals_that_were_swapped_are_both_named(database: Database) -> None:
    store(database, 2)
    with database.write() as session:
        one, two = (session.get_one(SealedMessage, row) for row in (1, 2))
        one.sealed, two.sealed = two.sealed, one.sealed
        session.add_all((one, two))

    assert [one.row for one in verify_archive(database, KEY).damages] == [1, 2]


def test_a_certificate_with_another_digest_is_named(database: Database) -> None:
    add_certificate(database, b"der", "a" * 64)

    (damage,) = verify_archive(database, KEY).damages

    assert (damage.kind, damage.sha256) == ("certificate", "a" * 64)


def test_a_size_that_was_changed_is_named(database: Database) -> None:
    store(database, 1)
    with database.write() as session:
        session.get_one(Message, 1).size = 5

    (damage,) = verify_archive(database, KEY).damages

    assert "and 5 were noted" in damage.why


def test_a_message_in_pieces_verifies_piece_by_piece(database: Database) -> None:
    store_in_pieces(database, b"a" * 1000, b"b" * 1000, b"c")

    assert verify_archive(database, KEY).damages == ()


@pytest.mark.parametrize("what", ["flipped", "missing"])
def test_a_message_with_a_damaged_piece_is_named(database: Database, what: str) -> None:
    sha256 = store_in_pieces(database, b"a" * 1000, b"b" * 1000)
    with database.write() as session:
        piece = session.exec(select(SealedPiece).where(SealedPiece.number == 1)).one()
        if what == "missing":
            session.delete(piece)
        else:
            piece.sealed = piece.sealed[:-1] + bytes([piece.sealed[-1] ^ 1])
            session.add(piece)

    assert [one.sha256 for one in verify_archive(database, KEY).damages] == [sha256]


def test_another_key_is_refused_and_not_taken_for_damage(database: Database) -> None:
    store(database, 1)

    with pytest.raises(VerificationError, match="not the one that sealed"):
        verify_archive(database, ArchiveKey(b"o" * 32))


def test_a_key_that_is_being_changed_is_named(database: Database) -> None:
    store(database, 1)
    with database.write() as session:
        session.add(Fact(name=KEY_CHANGE, value="x"))

    with pytest.raises(VerificationError, match="rekey"):
        verify_archive(database, KEY)


def test_it_works_while_somebody_writes(database: Database) -> None:
    store(database, 600)
    done = threading.Event()

    def write() -> None:
        number = 1000
        while not done.is_set():
            store(database, 1, first=number)
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = verify_archive(database, KEY)
    finally:
        done.set()
        writer.join()

    assert found.messages >= 600
    assert found.damages == ()
