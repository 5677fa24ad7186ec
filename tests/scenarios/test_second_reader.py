"""The second reader looks once a day by itself, and what it finds reaches Slack."""

from datetime import UTC, datetime

from sqlmodel import select

from intake.reconcile.tell import next_time
from intake.service import Service
from intake.tables import Event, Sighting
from tests.accounts import assert_accounts_balance
from tests.builders import make_message
from tests.world import World


def looks(world: World) -> list[Event]:
    with world.database.read() as session:
        actions = ("mailbox_reconciled", "mailbox_differs")
        events = session.exec(select(Event).order_by(Event.id)).all()
        return [event for event in events if event.action in actions]


def due_at(world: World) -> datetime | None:
    with world.database.read() as session:
        return next_time(session, "cps", world.config.service.reconcile_at)


def test_the_second_reader_looks_once_a_day(world: World) -> None:
    """At 03:30 UTC, from the first night on; a night that was missed is made up for."""
    (loop,) = Service(world.parts).second_readers
    loop.once()
    assert looks(world) == []  # before the first poll there is nothing to compare with
    world.dovecot.deliver(make_message())
    world.poll()
    loop.once()
    assert looks(world) == []
    assert due_at(world) == datetime(2026, 11, 25, 3, 30, tzinfo=UTC)

    world.advance_and_poll(hours=15, minutes=31)
    loop.once()
    loop.once()
    assert [one.detail["compared"] for one in looks(world)] == [1]

    world.advance_and_poll(days=3)
    loop.once()
    assert len(looks(world)) == 2
    assert due_at(world) == datetime(2026, 11, 29, 3, 30, tzinfo=UTC)
    assert loop.trouble is None
    assert_accounts_balance(world.database)


def test_a_lost_message_is_told_in_slack_and_fetched_by_the_next_poll(world: World) -> None:
    """The alarm names the folder and the UID; the poll that follows puts the loss right."""
    (loop,) = Service(world.parts).second_readers
    for number in range(3):
        world.dovecot.deliver(make_message(message_id=f"<{number}@x>", body=f"{number}"))
    world.poll()
    with world.database.write() as session:
        session.delete(session.exec(select(Sighting).where(Sighting.uid == 2)).one())

    world.advance_and_poll(days=1)
    loop.once()
    world.poll()

    told = [text for text in world.texts() if "The archive and the mailbox cps differ" in text]
    assert len(told) == 1
    assert "INBOX: 1 message on the server and not archived (UID 2)" in told[0]
    assert_accounts_balance(world.database)
    with world.database.read() as session:
        assert len(session.exec(select(Sighting)).all()) == 3
