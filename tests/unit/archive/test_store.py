"""Keeping messages: one message per sequence of bytes, many sightings, many Message-IDs."""

import hashlib
from datetime import timedelta

import pytest
from sqlmodel import Session, select

from intake.archive.received import OurHosts, Receipt
from intake.archive.seal import ArchiveKey
from intake.archive.store import (
    Place,
    add_sighting,
    archive_batch,
    archive_message,
    body_digest,
    copies_of,
    message_by_digest,
    others_with_same_id,
    raw_bytes,
)
from intake.database import Database
from intake.errors import UsageError, VerificationError
from intake.mailbox.folder import FetchedMessage, FolderBatch, UidRange
from intake.tables import (
    Event,
    Folder,
    Job,
    Message,
    MessageIdEntry,
    SealedMessage,
    Sighting,
    UidGap,
)
from tests.builders import NOW, make_message

pytestmark = pytest.mark.both_databases

KEY = ArchiveKey(b"k" * 32)
OURS = OurHosts.parse(["mx1.ca.example"])


def batch(*raws: bytes, first: int = 1, folder: str = "INBOX", **values: object) -> FolderBatch:
    messages = tuple(FetchedMessage(first + at, NOW, raw) for at, raw in enumerate(raws))
    defaults: dict[str, object] = {
        "is_junk": False,
        "uidvalidity": 1,
        "cursor": first + len(raws) - 1,
        "first_uid": 1,
        "read_at": NOW,
    }
    return FolderBatch(mailbox="cps", folder=folder, messages=messages, **(defaults | values))  # type: ignore[arg-type]


def keep(session: Session, one: FolderBatch, *, later: int = 0) -> list[Message]:
    rows = archive_batch(session, KEY, one, our_hosts=OURS, now=NOW + timedelta(minutes=later))
    return [session.get_one(Message, row) for row in rows]


def count(session: Session, table: type) -> int:
    return len(session.exec(select(table)).all())


@pytest.fixture
def session(database: Database):
    with database.write() as session:
        yield session


def test_p01_the_same_id_with_other_content_is_another_message(session: Session) -> None:
    first, second = make_message(body="one"), make_message(body="two")

    one, two = keep(session, batch(first, second))

    assert [other.id for other in others_with_same_id(session, two)] == [one.id]
    assert copies_of(session, two) == []


def test_p01_the_same_bytes_are_one_message_with_two_sightings(session: Session) -> None:
    raw = make_message()

    new = [keep(session, batch(raw, raw)), keep(session, batch(raw, folder="Junk", is_junk=True))]

    assert [len(one) for one in new] == [1, 0]
    assert count(session, Message) == count(session, Job) == count(session, SealedMessage) == 1
    assert [(one.folder, one.uid, one.in_junk) for one in session.exec(select(Sighting))] == [
        ("INBOX", 1, False), ("INBOX", 2, False), ("Junk", 1, True),
    ]  # fmt: skip


def test_p02_messages_without_an_id_are_not_equal(session: Session) -> None:
    raws = [make_message(message_id=None, body=str(at)) for at in range(3)]

    messages = keep(session, batch(*raws))

    assert len(messages) == 3
    assert count(session, MessageIdEntry) == 0
    assert all(others_with_same_id(session, one) == [] for one in messages)


def test_p03_the_same_sender_subject_and_second_is_no_reason_to_drop(session: Session) -> None:
    raws = [make_message(message_id=None, body="one"), make_message(message_id=None, body="two")]

    for _ in range(10):
        keep(session, batch(*raws))

    assert count(session, Message) == count(session, Sighting) == 2


def test_copies_have_the_same_id_and_body_whatever_their_line_ends(session: Session) -> None:
    first = make_message(body="a\r\nb\r\n")
    second = make_message(body="a\nb\n", headers=(("X-Alias", "ssl@ca.example"),))

    one, two = keep(session, batch(first, second))

    assert copies_of(session, two) == [one]
    assert body_digest(b"a\r\nb") == body_digest(b"a\nb") == body_digest(b"a\rb")
    assert body_digest(b"a\r\nb") != body_digest(b"a\r\n\r\nb")


def test_p29_the_bytes_come_back_exactly(session: Session) -> None:
    raws = [b"", b"\x00\xff\r\n\n\r", make_message(body="caf\xe9"), b"no header at all"]

    messages = keep(session, batch(*raws))

    assert [raw_bytes(session, KEY, one.id) for one in messages] == raws
    assert [one.sha256 for one in messages] == [hashlib.sha256(raw).hexdigest() for raw in raws]


def test_bytes_that_are_not_there_are_an_error(session: Session) -> None:
    with pytest.raises(VerificationError, match="backup"):
        raw_bytes(session, KEY, 99)


def test_every_message_id_is_indexed_as_it_stands_and_normalised(session: Session) -> None:
    raw = make_message(message_id="<A b@X>\r\nMessage-ID: <second@x>")

    keep(session, batch(raw))

    found = [
        (one.original, one.normalised, one.folded) for one in session.exec(select(MessageIdEntry))
    ]
    assert found == [("<A b@X>", "Ab@X", "ab@x"), ("<second@x>", "second@x", "second@x")]


def test_a_monstrous_id_is_indexed_by_its_beginning(session: Session) -> None:
    keep(session, batch(make_message(message_id=f"<{'a' * 5000}@x>")))

    [entry] = session.exec(select(MessageIdEntry))
    assert len(entry.original) == 1000


def test_t0_comes_from_our_own_host(session: Session) -> None:
    [message] = keep(session, batch(make_message()))

    assert (message.received_at, message.received_from) == (NOW - timedelta(hours=1), "received")


def test_a_better_source_moves_t0_earlier_with_an_event(session: Session) -> None:
    raw = make_message(received=())
    imported, _ = archive_message(
        session, KEY, raw, receipt=Receipt(NOW, "first_seen"), seen_at=NOW
    )
    earlier = FetchedMessage(1, NOW - timedelta(hours=3), raw)

    keep(session, _with(earlier), later=5)

    assert imported.received_at == NOW - timedelta(hours=3)
    assert "received_at_moved" in [event.action for event in session.exec(select(Event))]


def test_t0_never_moves_later_or_to_a_worse_source(session: Session) -> None:
    raw = make_message()
    [message] = keep(session, batch(raw))

    keep(session, _with(FetchedMessage(7, NOW - timedelta(days=9), raw), cursor=7), later=5)

    assert message.received_at == NOW - timedelta(hours=1)


def _with(*messages: FetchedMessage, cursor: int = 1) -> FolderBatch:
    return FolderBatch("cps", "INBOX", False, 1, messages, cursor, 1, read_at=NOW)


def test_an_import_is_idempotent(session: Session) -> None:
    receipt = Receipt(NOW, "import")

    first, is_new = archive_message(session, KEY, make_message(), receipt=receipt, seen_at=NOW)
    again, is_new_again = archive_message(
        session, KEY, make_message(), receipt=receipt, seen_at=NOW
    )

    assert (is_new, is_new_again) == (True, False)
    assert first is again
    assert first.received_from == "import"
    assert count(session, Job) == 1


def test_a_sighting_can_be_added_and_comes_back(session: Session) -> None:
    message, _ = archive_message(session, KEY, b"x", receipt=Receipt(NOW, "import"), seen_at=NOW)
    place = Place("cps", "INBOX", 1, 5)
    add_sighting(session, message, place, now=NOW)
    [sighting] = session.exec(select(Sighting))
    sighting.gone_since = NOW

    add_sighting(session, message, place, now=NOW)

    assert sighting.gone_since is None
    assert count(session, Sighting) == 1


def test_a_uid_that_shows_another_message_is_told(session: Session) -> None:
    keep(session, batch(b"one"))
    [second] = keep(session, batch(b"two"))

    [sighting] = session.exec(select(Sighting))
    assert sighting.message == second.id
    assert "uid_reused" in [event.action for event in session.exec(select(Event))]


def test_a_message_is_found_by_the_beginning_of_its_digest(session: Session) -> None:
    [message] = keep(session, batch(b"x"))

    assert message_by_digest(session, message.sha256[:8].upper()) == message
    assert message_by_digest(session, "0" * 64) is None
    assert message_by_digest(session, "not hex") is None
    assert message_by_digest(session, message.sha256[:3]) is None


def test_a_digest_that_fits_several_messages_is_refused(session: Session) -> None:
    [message] = keep(session, batch(b"x"))
    twin = Message(
        **message.model_dump(exclude={"id", "sha256"}), sha256=message.sha256[:8] + "0" * 56
    )
    session.add(twin)

    with pytest.raises(UsageError, match="Several"):
        message_by_digest(session, message.sha256[:8])


def test_p12_an_error_leaves_neither_message_nor_cursor(database: Database) -> None:
    def keep_and_fail() -> None:
        with database.write() as session:
            keep(session, batch(make_message()))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        keep_and_fail()

    with database.read() as session:
        assert count(session, Message) == count(session, Folder) == count(session, Event) == 0


def test_gaps_and_cursor_are_kept_with_the_batch(session: Session) -> None:
    keep(session, batch(b"x", cursor=9, gaps=(UidRange(2, 4), UidRange(6, 9)), exists=1))

    [folder] = session.exec(select(Folder))
    assert (folder.cursor, folder.exists, folder.last_polled_at) == (9, 1, NOW)
    assert [(gap.uid_from, gap.uid_to, gap.after) for gap in session.exec(select(UidGap))] == [
        (2, 4, None),
        (6, 9, None),
    ]
    [event] = [one for one in session.exec(select(Event)) if one.action == "uids_gone_unseen"]
    assert event.detail["count"] == 7


def test_a_uidvalidity_that_comes_back_does_not_stop_the_folder(session: Session) -> None:
    """As after a restored backup of the server: places and gaps of then are there already."""
    gaps = (UidRange(2, 2),)
    for uidvalidity in (1, 2, 1):
        keep(session, batch(b"x", cursor=2, gaps=gaps, uidvalidity=uidvalidity))

    live = [one.uidvalidity for one in session.exec(select(Sighting)) if one.gone_since is None]
    assert live == [1]
    assert count(session, Message) == 1
