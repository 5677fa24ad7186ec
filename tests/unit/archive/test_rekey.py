"""A change of the archive key: broken off at any moment, it goes on; nothing is lost in between."""

from datetime import datetime
from pathlib import Path

import pytest
from sqlmodel import Session, select

from intake.archive.received import Receipt
from intake.archive.rekey import next_step, rekey_archive, rows_to_reseal
from intake.archive.seal import KEY_CHANGE, ArchiveKey, check_key, key_id, remember_key
from intake.archive.store import archive_message, raw_bytes
from intake.archive.verify import verify_archive
from intake.database import Database
from intake.errors import UsageError, VerificationError
from intake.events import broken_links
from intake.tables import Event, Fact, Message, SealedMessage, SealedPiece
from tests.builders import NOW, make_message
from tests.unit.archive.test_verify import flip, store_in_pieces

pytestmark = pytest.mark.both_databases

OLD, NEW, OTHER = (ArchiveKey(letter * 32) for letter in (b"k", b"n", b"o"))


class KilledError(Exception):
    """Stands for the end of the process."""


def mail(number: int) -> bytes:
    return make_message(message_id=f"<{number}@x>", body=f"message {number}")


def store(database: Database, count: int) -> None:
    with database.write() as session:
        remember_key(session, OLD)
        for number in range(count):
            archive_message(
                session, OLD, mail(number), receipt=Receipt(NOW, "received"), seen_at=NOW
            )


def clock() -> datetime:
    return NOW


def rekey(database: Database, old: ArchiveKey = OLD, new: ArchiveKey = NEW, **more: object):
    return rekey_archive(database, old, new, actor="alice", clock=clock, **more)  # type: ignore[arg-type]


def keys_in_use(database: Database) -> set[bytes]:
    with database.read() as session:
        tables = (SealedMessage.sealed, SealedPiece.sealed)
        return {key_id(one) for column in tables for one in session.exec(select(column))}


def raw(session: Session, key: ArchiveKey) -> list[bytes]:
    rows = session.exec(select(Message.id).order_by(Message.id)).all()  # type: ignore[arg-type]
    return [raw_bytes(session, key, row or 0) for row in rows]


def test_everything_opens_with_the_new_key_and_nothing_with_the_old(database: Database) -> None:
    store(database, 5)

    done = rekey(database)

    assert (done.resealed, done.damaged) == (5, [])
    assert keys_in_use(database) == {NEW.id}
    with database.read() as session:
        assert raw(session, NEW) == [mail(number) for number in range(5)]
        check_key(session, NEW)
        with pytest.raises(VerificationError):
            check_key(session, OLD)
        with pytest.raises(VerificationError):
            raw_bytes(session, OLD, 1)
    assert verify_archive(database, NEW).damages == ()


def test_messages_in_pieces_are_under_the_new_key_too(database: Database) -> None:
    sha256 = store_in_pieces(database, b"a" * 1000, b"b" * 1000, b"c")

    done = rekey(database)

    assert done.resealed == 4
    assert keys_in_use(database) == {NEW.id}
    with database.read() as session:
        assert raw(session, NEW) == [b"a" * 1000 + b"b" * 1000 + b"c"]
        assert session.exec(select(Message.sha256)).all() == [sha256]
    assert verify_archive(database, NEW).damages == ()


def test_it_is_an_event_without_the_keys(database: Database) -> None:
    store(database, 1)

    rekey(database)

    with database.read() as session:
        in_order = select(Event).where(Event.actor == "alice").order_by(Event.id)  # type: ignore[arg-type]
        events = session.exec(in_order).all()
        assert [one.action for one in events] == ["archive_key_change_begun", "archive_key_changed"]
        assert events[1].detail["new_key"] == NEW.id.hex()
        assert list(broken_links(session)) == []


@pytest.mark.parametrize("kill_after", range(5))
def test_broken_off_at_any_moment_it_goes_on(
    database: Database, kill_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intake.archive.rekey.ROWS_AT_ONCE", 2)
    store(database, 7)
    batches = 0

    def die(_count: int) -> None:
        nonlocal batches
        batches += 1
        if batches > kill_after:
            raise KilledError

    try:
        rekey(database, advance=die)
    except KilledError:
        with database.read() as session, pytest.raises(VerificationError, match="not finished"):
            check_key(session, OLD)
        with database.read() as session, pytest.raises(VerificationError, match="not finished"):
            check_key(session, NEW)

    rekey(database)

    assert keys_in_use(database) == {NEW.id}
    with database.read() as session:
        assert raw(session, NEW) == [mail(number) for number in range(7)]
        check_key(session, NEW)
        assert session.get(Fact, KEY_CHANGE) is None
    assert rows_to_reseal(database) == 7


def test_nothing_is_archived_while_the_key_is_changed(database: Database) -> None:
    store(database, 1)
    with database.write() as session:
        session.add(Fact(name=KEY_CHANGE, value=NEW.fingerprint()))

    for key in (OLD, NEW):
        with pytest.raises(VerificationError), database.write() as session:
            archive_message(session, key, mail(9), receipt=Receipt(NOW, "received"), seen_at=NOW)

    assert rows_to_reseal(database) == 1


def test_who_still_has_the_old_key_archives_nothing_afterwards(database: Database) -> None:
    store(database, 1)
    rekey(database)

    with pytest.raises(VerificationError), database.write() as session:
        archive_message(session, OLD, mail(9), receipt=Receipt(NOW, "received"), seen_at=NOW)

    assert keys_in_use(database) == {NEW.id}


def test_a_damaged_message_holds_up_nothing_and_is_named(database: Database) -> None:
    store(database, 3)
    sha256 = flip(database, 2, -1)

    done = rekey(database)

    assert (done.resealed, done.damaged) == (2, [sha256])
    with database.read() as session:
        check_key(session, NEW)
        assert raw_bytes(session, NEW, 3) == mail(2)
    assert [one.sha256 for one in verify_archive(database, NEW).damages] == [sha256]


def test_large_messages_go_in_transactions_of_bounded_size(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intake.archive.rekey.BYTES_AT_ONCE", 10)
    store(database, 3)
    batches: list[int] = []

    rekey(database, advance=batches.append)

    assert batches == [1, 1, 1]


# ---- wrong states ------------------------------------------------------------------------------


def step(database: Database, old: ArchiveKey, new: ArchiveKey) -> str:
    with database.read() as session:
        return next_step(session, old, new)


def begun(database: Database) -> None:
    store(database, 1)
    with database.write() as session:
        session.add(Fact(name=KEY_CHANGE, value=NEW.fingerprint()))


def test_it_begins_goes_on_and_is_done(database: Database) -> None:
    store(database, 1)
    assert step(database, OLD, NEW) == "begin"

    with database.write() as session:
        session.add(Fact(name=KEY_CHANGE, value=NEW.fingerprint()))
    assert step(database, OLD, NEW) == "go on"

    rekey(database)
    assert step(database, OLD, NEW) == "done"  # the configuration names the old key still
    assert step(database, NEW, NEW) == "done"


def test_the_key_that_it_has_already_changes_nothing(database: Database) -> None:
    store(database, 1)

    assert rekey(database, OLD, OLD).resealed == 0
    with database.read() as session:
        assert raw(session, OLD) == [mail(0)]
        assert not [one for one in session.exec(select(Event)) if one.actor == "alice"]


def test_a_wrong_old_key_is_refused(database: Database) -> None:
    store(database, 1)

    with pytest.raises(VerificationError, match="not the one that sealed"):
        step(database, OTHER, NEW)


def test_a_third_key_is_refused_while_a_change_is_not_finished(database: Database) -> None:
    begun(database)

    with pytest.raises(UsageError, match="another new key was begun"):
        step(database, OLD, OTHER)


def test_a_configuration_that_names_the_new_key_too_early_is_told(database: Database) -> None:
    begun(database)

    with pytest.raises(VerificationError, match="old key file once more"):
        step(database, NEW, NEW)


def test_nothing_under_the_old_key_is_left_in_the_files(tmp_path: Path) -> None:
    from intake.database import initialise_database

    database, _ = initialise_database(f"sqlite:///{tmp_path}/one.db")
    store(database, 300)
    with database.read() as session:
        sealed = [one[:24] for one in session.exec(select(SealedMessage.sealed))]

    rekey(database)

    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    database.close()
    assert [one for one in sealed if one in files] == []
