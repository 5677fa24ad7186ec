"""A report that can't be fetched whole has its ticket and its clock all the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from intake.database import Database
from intake.tables import Message
from tests.accounts import assert_accounts_balance
from tests.builders import make_message
from tests.servers import DovecotServer, SmtpPeer
from tests.world import World, arrived, make_world, wait_for

REPORT = "The key of this certificate is out: https://crt.sh/?id=19429431\r\n"


@pytest.fixture
def world(tmp_path: Path, dovecot: DovecotServer, smtp_peer: SmtpPeer) -> Iterator[World]:
    more = '[service]\noversize = "1MB"'
    with make_world(tmp_path, dovecot, smtp_peer, more=more) as made:
        yield made
        assert_accounts_balance(made.database)


def decisions(database: Database) -> list[tuple[str | None, int | None]]:
    with database.read() as session:
        rows = session.exec(select(Message).order_by(Message.id)).all()  # type: ignore[arg-type]
        return [(one.decision, one.ticket) for one in rows]


def lock_away(world: World, *, readable: bool = False) -> None:
    """Take from Dovecot the right to read the bytes of what lies in INBOX."""
    for path in [*world.dovecot.maildir("INBOX").glob("*/*.mx1*")]:
        path.chmod(0o644 if readable else 0)


def test_a_message_that_the_server_never_hands_out_becomes_a_ticket(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten minutes after it was first refused, people are told what is known of it."""
    world.dovecot.deliver(make_message(body=REPORT, received=(arrived(world.clock()),)))
    lock_away(world)
    for _ in range(3):
        world.advance_and_poll(minutes=1)
    assert decisions(world.database) == []

    world.advance_and_poll(minutes=10)

    assert {"limits_hit", "not_fetched", "sender_unknown"} <= set(world.ticket(1)["labels"])
    assert decisions(world.database) == [("ticket", 1)]
    assert any("does not hand this message out" in one for one in world.texts())
    assert world.intake("ticket", "show", "1") == 0
    assert "could not be fetched: the server lists UID 1 in INBOX" in capsys.readouterr().out


def test_what_is_handed_out_later_joins_that_ticket(world: World) -> None:
    """The report's own clock and certificates come with it."""
    world.dovecot.deliver(make_message(body=REPORT, received=(arrived(world.clock()),)))
    lock_away(world)
    world.poll()
    world.advance_and_poll(minutes=11)
    lock_away(world, readable=True)

    world.advance_and_poll(minutes=11)

    ticket = world.ticket(1)
    assert decisions(world.database) == [("ticket", 1), ("follow_up", 1)]
    assert "not_fetched" not in ticket["labels"]
    assert ticket["received_at"] == "2026-11-24T12:00:00Z"
    assert [one["state"] for one in ticket["certificates"]] == ["resolved"]


def test_an_oversized_report_is_ticketed_by_its_beginning(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """What its first quarter megabyte names is looked up; the rest brings a second certificate."""
    filler = "nothing of interest stands in this line, nor in the next\r\n" * 100_000
    last = "And this one too: https://crt.sh/?id=9000001\r\n"
    body = REPORT + filler + last
    world.dovecot.deliver(make_message(body=body, received=(arrived(world.clock()),)))

    world.poll()

    ticket = world.ticket(1)
    assert decisions(world.database) == [("ticket", 1), ("follow_up", 1)]
    assert "oversized" in ticket["labels"]
    assert "reused_message_id" not in ticket["labels"]
    assert world.intake("trace", "<report-1@reporter.example>") == 0
    assert "Near misses" not in capsys.readouterr().out
    assert len(ticket["certificates"]) == 2
    assert world.intake("ticket", "show", "1") == 0
    assert "the rest is being fetched" in capsys.readouterr().out
    with world.database.read() as session:
        whole = session.exec(select(Message).where(Message.completes == 1)).one()
        assert whole.size > 5_000_000


def test_the_service_goes_on_with_a_large_message_by_itself(world: World) -> None:
    """Nobody waits a minute for each part."""
    from intake.service import Service

    body = REPORT + "filler " * 6_000_000
    world.dovecot.deliver(make_message(body=body, received=(arrived(world.clock()),)))
    service = Service(world.parts)
    service.start()
    try:
        wait_for(lambda: ("follow_up", 1) in decisions(world.database), 30)
    finally:
        service.stop()
