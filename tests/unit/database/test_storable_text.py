"""Text with NUL or half a surrogate pair is stored, and found under the same text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from intake.database import Database, storable
from intake.database.text import storable_parameters
from intake.tables import Certificate, Folder, Message, UidGap
from tests.builders import NOW

ANY_TEXT = st.text(st.characters(codec=None))


@given(ANY_TEXT)
def test_any_text_becomes_storable_and_stays_so(text: str) -> None:
    kept = storable(text)

    kept.encode()
    assert "\x00" not in kept
    assert storable(kept) == kept
    assert len(kept) == len(text)


def test_what_is_storable_is_left_alone() -> None:
    text = "plain, é, 日本, \ufffd, \U0001f600, \n\t\x01"

    assert storable(text) == text


def test_parameters_of_every_shape_are_gone_through() -> None:
    given_ = [{"a": "x\x00", "b": None}, {"a": ["\ud800", b"\x00"], "b": 1}]

    assert storable_parameters(given_) == [
        {"a": "x\ufffd", "b": None},
        {"a": ["\ufffd", b"\x00"], "b": 1},
    ]


@pytest.mark.both_databases
@pytest.mark.parametrize("text", ["a\x00b", "a\ud83db", "é\x00", "\U0001f600", "日本"])
def test_a_row_is_found_by_the_text_it_was_stored_with(database: Database, text: str) -> None:
    with database.write() as session:
        session.add(make_message(subject=text, reading_problems=[text, "x"]))

    with database.read() as session:
        [row] = session.exec(select(Message).where(Message.subject == text)).all()
    assert row.subject == storable(text)
    assert row.reading_problems == [text, "x"]  # JSON escapes what text can't hold


@pytest.mark.both_databases
def test_numbers_of_imap_have_no_sign(database: Database) -> None:
    most = 2**32 - 1
    with database.write() as session:
        session.add(
            Folder(
                mailbox="cps", name="INBOX", uidvalidity=most, cursor=most, first_uid=most,
                exists=most, first_polled_at=NOW, last_polled_at=NOW,
            )
        )  # fmt: skip
        session.add(
            UidGap(
                mailbox="cps", folder="INBOX", uidvalidity=most, uid_from=most, uid_to=most,
                noticed_at=NOW, size=2**62,
            )
        )  # fmt: skip

    with database.read() as session:
        assert session.exec(select(Folder.cursor)).one() == most


@pytest.mark.both_databases
def test_text_of_any_length_that_others_wrote_is_stored_and_found(database: Database) -> None:
    sender = "".join(f"{n:x}" for n in range(30_000)) + "@x.example"
    serial = "f" + "".join(f"{n:x}" for n in range(30_000))
    with database.write() as session:
        session.add(make_message(sender=sender))
        session.add(
            Certificate(
                sha256="c" * 64, sha1="d" * 40, der=b"", origin="mail", first_seen_at=NOW,
                serial_number=serial,
            )
        )  # fmt: skip

    with database.read() as session:
        assert session.exec(select(Message.id).where(Message.sender == sender)).one()
        found = select(Certificate.sha256).where(Certificate.serial_number == serial)
        assert session.exec(found).one() == "c" * 64


@pytest.mark.both_databases
def test_instants_come_back_in_utc_to_the_microsecond(database: Database) -> None:
    instant = NOW.replace(microsecond=123456)
    with database.write() as session:
        session.add(make_message(received_at=instant))

    with database.read() as session:
        [stored] = session.exec(select(Message.received_at)).all()
    assert stored.isoformat() == instant.isoformat() == "2026-11-24T12:00:00.123456+00:00"


def make_message(**values: object) -> Message:
    defaults: dict[str, object] = {
        "sha256": "a" * 64, "size": 1, "body_sha256": "b" * 64, "received_at": NOW,
        "received_from": "received", "first_seen_at": NOW,
    }  # fmt: skip
    return Message(**(defaults | values))
