"""Messages are found by any form of their Message-ID, and by words that are never syntax."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from intake.archive.received import Receipt
from intake.archive.seal import ArchiveKey
from intake.archive.search import (
    IndexedText,
    index_text,
    messages_with_id,
    search_text,
)
from intake.archive.store import archive_message
from intake.database import Database
from intake.tables import Message, MessageIdEntry
from tests.builders import NOW, make_message

pytestmark = pytest.mark.both_databases

KEY = ArchiveKey(b"k" * 32)


@pytest.fixture
def session(database: Database):
    with database.write() as session:
        yield session


def stored(session: Session, message_id: str | None, **values: str) -> Message:
    raw = make_message(message_id=message_id, **values)  # type: ignore[arg-type]
    message, _ = archive_message(session, KEY, raw, receipt=Receipt(NOW, "import"), seen_at=NOW)
    return message


@pytest.mark.parametrize(
    "pasted",
    [
        "<Ab.C@X.example>",
        "Ab.C@X.example",
        "ab.c@x.EXAMPLE",
        "Message-ID: <Ab.C@X.example>",
        "mid:Ab.C%40X.example",
    ],
)
def test_p05_any_form_of_an_id_finds_its_message(session: Session, pasted: str) -> None:
    message = stored(session, "<Ab.C@X.example>")

    assert messages_with_id(session, pasted) == [message]


def test_p06_either_of_two_ids_finds_the_message(session: Session) -> None:
    message = stored(session, "<one@x>\r\nMessage-ID: <two@x>")

    assert messages_with_id(session, "one@x") == messages_with_id(session, "two@x") == [message]


def test_p07_a_long_id_finds_its_message(session: Session) -> None:
    message = stored(session, f"<{'a' * 900}@x>")
    other = stored(session, f"<{'a' * 900}@y>")

    assert messages_with_id(session, f"<{'a' * 900}@x>") == [message]
    assert messages_with_id(session, f"<{'a' * 900}@y>") == [other]
    assert messages_with_id(session, f"<{'a' * 900}@z>") == []


def test_an_exact_hit_goes_before_one_in_another_case(session: Session) -> None:
    lower, upper = stored(session, "<a@x>"), stored(session, "<A@x>", body="other")

    assert messages_with_id(session, "<A@x>") == [upper]
    assert messages_with_id(session, "<a@X>") == [lower, upper]


def test_an_unknown_or_empty_id_finds_nothing(session: Session) -> None:
    stored(session, None)

    assert messages_with_id(session, "<unknown@x>") == messages_with_id(session, "") == []


def test_p52_mentioned_ids_are_found_only_when_asked_for(session: Session) -> None:
    message = stored(session, "<own@x>")
    session.add(
        MessageIdEntry(
            message=message.id, source="mentioned", original="<m@x>", normalised="m@x", folded="m@x"
        )
    )

    assert messages_with_id(session, "<m@x>") == []
    assert messages_with_id(session, "<m@x>", source="mentioned") == [message]


def test_words_are_found_in_subject_sender_and_body(session: Session) -> None:
    message = stored(session, "<a@x>")
    index_text(
        session, message.id, "Misissued certificate", "Rita <rita@x.example>", "Café crt.sh/?id=1"
    )

    for words in (
        "misissued",
        "RITA",
        "cafe",
        "certificate rita",
        "crt.sh/?id=1",
        "rita@x.example",
    ):
        assert search_text(session, words) == [message]
    assert search_text(session, "misissued absent") == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.text(max_size=60))
def test_what_people_type_is_never_syntax(session: Session, text: str) -> None:
    search_text(session, text)


@pytest.mark.parametrize(
    "text", ['"', "a AND", "NEAR(", "subject:", "*", "-", "(", "^a", "\x00", "a\x00b", "{a b}:"]
)
def test_syntax_is_text(session: Session, text: str) -> None:
    assert search_text(session, text) == []


def test_a_message_is_indexed_once_and_can_be_replaced(session: Session) -> None:
    message = stored(session, "<a@x>")
    index_text(session, message.id, "first", "", "")
    index_text(session, message.id, "second", "", "")
    assert search_text(session, "second") == []

    index_text(session, message.id, "second", "", "", replacing=IndexedText("first", "", ""))

    assert search_text(session, "first") == []
    assert search_text(session, "second") == [message]


def test_the_newest_messages_come_first_and_not_too_many(session: Session) -> None:
    messages = [stored(session, f"<{at}@x>") for at in range(4)]
    for message in messages:
        index_text(session, message.id, "word", "", "")

    assert search_text(session, "word", limit=2) == [messages[3], messages[2]]
