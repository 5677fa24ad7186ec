"""For which time a source was read, and where the gaps are."""

from datetime import timedelta

import pytest

from intake.archive.coverage import Gap, Span, coverage_between, gaps_in
from intake.database import Database
from intake.tables import Coverage, Folder
from tests.builders import NOW

pytestmark = pytest.mark.both_databases


def at(minutes: int):
    return NOW + timedelta(minutes=minutes)


def test_intervals_that_touch_leave_no_gap() -> None:
    assert gaps_in([(at(0), at(5)), (at(5), at(9)), (at(2), at(4))], at(1), at(8)) == ()


def test_what_lies_before_between_and_after_is_a_gap() -> None:
    found = gaps_in([(at(2), at(4)), (at(6), at(8))], at(0), at(10))

    assert found == (Gap(at(0), at(2)), Gap(at(4), at(6)), Gap(at(8), at(10)))


def test_a_source_that_was_never_read_is_one_gap() -> None:
    assert gaps_in([], at(0), at(3)) == (Gap(at(0), at(3)),)


def test_an_incomplete_interval_covers_nothing(database: Database) -> None:
    with database.write() as session:
        session.add(
            Coverage(source="mailbox cps folder INBOX", from_at=at(0), to_at=at(9), complete=False)
        )
        session.add(Coverage(source="mailbox cps folder Junk", from_at=at(0), to_at=at(9)))

    with database.read() as session:
        inbox, junk = coverage_between(session, at(1), at(3))

    assert inbox == Span("mailbox cps folder INBOX", at(1), at(3), (Gap(at(1), at(3)),))
    assert not inbox.complete
    assert junk.complete


def test_a_folder_owes_nothing_after_it_was_gone(database: Database) -> None:
    with database.write() as session:
        session.add(
            Folder(
                mailbox="cps",
                name="Old",
                uidvalidity=1,
                first_polled_at=at(0),
                last_polled_at=at(4),
                gone_since=at(5),
            )
        )
        session.add(Coverage(source="mailbox cps folder Old", from_at=at(0), to_at=at(4)))

    with database.read() as session:
        [span] = coverage_between(session, at(0), at(9))
        assert coverage_between(session, at(6), at(9)) == []

    assert span.gaps == (Gap(at(4), at(5)),)
