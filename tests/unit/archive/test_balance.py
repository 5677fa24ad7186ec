"""The sums of UIDs and of messages: right at every commit, and wrong as soon as a row is missing."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, select

from intake.archive.balance import FolderAccount, account_of_messages, account_of_uids
from intake.archive.received import OurHosts
from intake.archive.seal import ArchiveKey
from intake.archive.store import archive_batch
from intake.database import Database
from intake.mailbox.folder import FetchedMessage, FolderBatch, UidRange
from intake.tables import Folder, Job, Message, Sighting, Ticket, UidGap
from tests.accounts import assert_accounts_balance
from tests.builders import NOW, make_message

pytestmark = pytest.mark.both_databases

KEY = ArchiveKey(b"k" * 32)
OURS = OurHosts.parse(["mx1.ca.example"])


@pytest.fixture
def session(database: Database):
    with database.write() as session:
        yield session


def keep(session: Session, *uids: int, cursor: int | None = None, **values: object) -> None:
    """Keep one message for each UID."""
    messages = tuple(
        FetchedMessage(uid, NOW, make_message(message_id=f"<{uid}@x>", body=f"{uid}"))
        for uid in uids
    )
    given: dict[str, object] = {"uidvalidity": 1, "first_uid": 1, "folder": "INBOX"}
    batch = FolderBatch(
        mailbox="cps",
        is_junk=False,
        messages=messages,
        cursor=cursor or uids[-1],
        **(given | values),
    )  # type: ignore[arg-type]
    archive_batch(session, KEY, batch, our_hosts=OURS, now=NOW)


def account(session: Session) -> FolderAccount:
    (found,) = account_of_uids(session, "cps")
    return found


def sighting(session: Session, uid: int) -> Sighting:
    return session.exec(select(Sighting).where(Sighting.uid == uid)).one()


def gap(session: Session, first: int, last: int, reason: str, **values: object) -> UidGap:
    row = UidGap(
        mailbox="cps", folder="INBOX", uidvalidity=1, uid_from=first, uid_to=last, reason=reason,
        noticed_at=NOW, **values,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


# ---- UIDs --------------------------------------------------------------------------------------


def test_p51_every_uid_is_stored_gone_or_gone_before_we_looked(session: Session) -> None:
    keep(session, 5, 6, 9, first_uid=5, gaps=(UidRange(7, 8),))
    sighting(session, 6).gone_since = NOW

    found = account(session)

    assert (found.assigned, found.stored, found.gone, found.gone_unseen) == (5, 2, 1, 2)
    assert found.balanced
    assert str(found) == ("cps/INBOX: 5 UIDs = 2 stored + 1 gone since + 2 gone before we looked")


def test_p51_a_uid_that_was_skipped_is_unaccounted_for(session: Session) -> None:
    keep(session, 1, 2, 4)

    found = account(session)

    assert found.unaccounted == 1
    assert not found.balanced
    assert "1 UNACCOUNTED FOR" in str(found)


def test_a_sighting_that_is_lost_is_unaccounted_for(session: Session) -> None:
    keep(session, 1, 2, 3)
    session.delete(sighting(session, 2))
    session.flush()

    assert account(session).unaccounted == 1


def test_a_sighting_above_the_cursor_does_not_balance(session: Session) -> None:
    keep(session, 1, 2, 3)
    session.exec(select(Folder)).one().cursor = 2
    session.flush()

    assert not account(session).balanced


def test_an_empty_folder_balances(session: Session) -> None:
    keep(session, cursor=4, first_uid=5)

    assert account(session).assigned == 0
    assert account(session).balanced


def test_what_lies_below_the_first_uid_is_no_gap(session: Session) -> None:
    keep(session, 100, 101, first_uid=100)

    assert account(session).assigned == 2
    assert account(session).balanced


def test_gaps_that_overlap_count_once(session: Session) -> None:
    keep(session, 1, 10, gaps=(UidRange(2, 9),))
    gap(session, 5, 9, "gone")

    assert account(session).gone_unseen == 8
    assert account(session).balanced


def test_what_came_late_into_a_gap_is_stored_and_no_gap(session: Session) -> None:
    keep(session, 1, 10, gaps=(UidRange(2, 9),))
    keep(session, 4, cursor=10)

    found = account(session)

    assert (found.stored, found.gone_unseen, found.unaccounted) == (3, 7, 0)


def test_a_message_that_is_not_handed_out_is_named_as_such(session: Session) -> None:
    keep(session, 1, 3, unreadable=(2,))

    found = account(session)

    assert found.lacking == 1
    assert found.balanced
    assert "1 not handed out" in str(found)


def test_a_stub_of_a_large_message_counts_once(session: Session) -> None:
    keep(session, 1, 2)
    gap(session, 2, 2, "oversized", stub=2)

    found = account(session)

    assert (found.stored, found.lacking, found.unaccounted) == (2, 0, 0)


def test_what_was_got_after_all_is_no_gap(session: Session) -> None:
    keep(session, 1, 2)
    gap(session, 2, 2, "unreadable", resolved_at=NOW)

    assert account(session).balanced


def test_p09_a_new_uidvalidity_has_an_account_of_its_own(session: Session) -> None:
    keep(session, 1, 2, 3, gaps=())
    gap(session, 2, 2, "gone")
    keep(session, 1, 2, uidvalidity=2)

    found = account(session)

    assert (found.uidvalidity, found.assigned, found.stored) == (2, 2, 2)
    assert found.balanced


def test_folders_and_mailboxes_have_accounts_of_their_own(session: Session) -> None:
    keep(session, 1, 2)
    keep(session, 1, folder="Junk")

    assert [one.folder for one in account_of_uids(session, "cps")] == ["INBOX", "Junk"]
    assert account_of_uids(session, "other") == []


# ---- messages ----------------------------------------------------------------------------------


def decide(session: Session, row: int, decision: str, ticket: int | None = None) -> None:
    message = session.get_one(Message, row)
    message.decision, message.ticket = decision, ticket
    session.add(message)
    session.flush()


def open_ticket(session: Session, number: int) -> None:
    session.add(Ticket(id=number, token=f"t{number}", received_at=NOW, opened_at=NOW))
    session.flush()


def later(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def test_messages_are_tickets_and_decisions(session: Session) -> None:
    keep(session, 1, 2, 3)
    open_ticket(session, 1)
    decide(session, 1, "ticket", 1)
    decide(session, 2, "follow_up", 1)
    decide(session, 3, "before_watch")

    found = account_of_messages(session, later(60))

    assert found.balanced
    assert str(found) == "3 messages = 1 that opened a ticket + 1 before_watch + 1 follow_up"


def test_what_is_undecided_for_minutes_waits_and_for_longer_is_a_fault(session: Session) -> None:
    keep(session, 1)

    assert account_of_messages(session, later(14)).balanced
    overdue = account_of_messages(session, later(16))

    assert not overdue.balanced
    assert overdue.faults == ("1 messages wait for longer than 15 minutes to be looked into",)


def test_a_message_that_no_job_will_ever_decide_is_a_fault_at_once(session: Session) -> None:
    keep(session, 1)
    session.exec(select(Job)).one().state = "done"
    session.flush()

    found = account_of_messages(session, NOW)

    assert found.faults == ("1 messages are undecided, and no job is queued for them",)


def test_a_ticket_that_no_message_opened_is_a_fault(session: Session) -> None:
    open_ticket(session, 7)

    found = account_of_messages(session, NOW)

    assert not found.balanced
    assert "no message opened ticket 7" in found.faults


def test_a_message_whose_ticket_is_lost_is_a_fault(session: Session) -> None:
    keep(session, 1)
    decide(session, 1, "copy", None)

    assert account_of_messages(session, NOW).faults == (
        "1 messages belong to a ticket, and to none that is there",
    )


def test_the_helper_of_all_tests_notices_what_does_not_balance(database: Database) -> None:
    with database.write() as session:
        keep(session, 1, 2, 4)

    with pytest.raises(AssertionError, match="UNACCOUNTED"):
        assert_accounts_balance(database, all_decided=False)

    with database.write() as session:
        gap(session, 3, 3, "gone")
    assert_accounts_balance(database, all_decided=False)
    with pytest.raises(AssertionError, match="not looked into yet"):
        assert_accounts_balance(database)
