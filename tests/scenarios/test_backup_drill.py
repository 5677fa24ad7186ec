"""The drill: a backup beside the running service, the machine lost, and a new one from the backup."""

import hashlib
import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlmodel import col, select

from intake import pipeline
from intake.database import initialise_database
from intake.notices.restored import NUMBERS_LEFT_OUT
from intake.service import poll_once
from intake.tables import Event, Message, Notice, Ticket
from tests.accounts import assert_accounts_balance
from tests.builders import make_config, make_message
from tests.world import CERTIFICATES, World, arrived


def deliver(world: World, *numbers: int) -> None:
    for number in numbers:
        raw = make_message(
            message_id=f"<drill-{number}@reporter.example>",
            subject=f"Report {number}",
            body=f"Certificate number {number} is wrong.\r\n",
            received=(arrived(world.clock()),),
        )
        world.dovecot.deliver(raw, folder="Junk" if number % 4 == 0 else "INBOX")


def served(world: World) -> Counter[str]:
    """The digests of what the server has."""
    found: Counter[str] = Counter()
    with world.dovecot.client() as client:
        for folder in ("INBOX", "Junk"):
            client.select_folder(folder, readonly=True)
            for one in client.fetch(client.search(), ["BODY.PEEK[]"]).values():
                found[hashlib.sha256(one[b"BODY[]"]).hexdigest()] += 1
    return found


def kept(world: World) -> Counter[str]:
    with world.database.read() as session:
        return Counter(session.exec(select(Message.sha256)))


def tickets(world: World) -> dict[int, str]:
    """Return the subjects of the tickets by number."""
    with world.database.read() as session:
        return {one.id or 0: one.subject for one in session.exec(select(Ticket))}


def cards(world: World) -> Counter[int]:
    """Return how many cards of each ticket stand in the channel."""
    keys = [
        one.get("metadata", {}).get("event_payload", {}).get("key", "")
        for one in world.slack.in_channel("C0CPR")
    ]
    return Counter(int(match[1]) for key in keys if (match := re.fullmatch(r"card:(\d+)", key)))


@contextmanager
def restored(world: World, backup: Path, folder: Path) -> Iterator[World]:
    """Yield a new machine: configuration, key and backup, and the same world outside."""
    folder.mkdir()
    config = make_config(
        folder,
        **world.dovecot.mailbox_options(),
        slack_url=world.slack.base_url,
        crtsh_url=world.crtsh.base_url,
        smtp_port=world.mail.port,
        issuing_cas=f'"{CERTIFICATES}/issuing_ca.pem"',
    )
    shutil.copy(world.config.path.parent / "archive.key", folder / "archive.key")
    shutil.copy(backup, folder / "intake.db")
    database, _ = initialise_database(config.database.url)
    anew = World(config, database, world.clock, world.dovecot, world.slack, world.crtsh, world.mail)
    try:
        yield anew
    finally:
        anew.stack.close()
        database.close()


def test_a_backup_beside_the_running_service_is_restored(world: World, tmp_path: Path) -> None:
    """Nothing in the mailbox is lost or doubled; only what came after the backup has a new number."""
    deliver(world, *range(1, 6))
    world.poll()
    backup, is_made, done = tmp_path / "backup.db", threading.Event(), threading.Event()

    def go_on() -> None:
        for number in range(6, 60):
            deliver(world, number)
            world.poll()
            if is_made.is_set() and number > 20:
                break
        done.set()

    service = threading.Thread(target=go_on)
    service.start()
    assert world.intake("backup", str(backup)) == 0
    is_made.set()
    service.join()
    assert done.is_set()
    assert world.intake("check", "--backup", str(backup)) == 0
    lost, cards_before = tickets(world), cards(world)
    world.clock.advance(hours=1)
    deliver(world, 100, 101, 102)

    with restored(world, backup, tmp_path / "new") as anew:
        known = tickets(anew)
        assert poll_once(anew.config, anew.database, anew.clock) == []
        assert poll_once(anew.config, anew.database, anew.clock) == []

        assert kept(anew) == served(world)
        assert set(kept(anew).values()) == {1}
        assert_accounts_balance(anew.database)
        assert anew.intake("check") == 0
        assert anew.intake("reconcile", "--full") == 0
        now = tickets(anew)
        assert {number: now[number] for number in known} == known
        assert Counter(now.values()) == Counter(lost.values()) + Counter(
            f"Report {number}" for number in (100, 101, 102)
        )
        opened = now.keys() - known.keys()
        assert min(opened) > max(known) + NUMBERS_LEFT_OUT
        assert not opened & lost.keys()
        assert {
            number: count for number, count in cards(anew).items() if number in known
        } == dict.fromkeys(known, 1)
        assert {
            number: count for number, count in cards(anew).items() if number in opened
        } == dict.fromkeys(opened, 1)
        assert cards(anew).keys() - opened == cards_before.keys()
        with anew.database.read() as session:
            (event,) = session.exec(select(Event).where(Event.action == "restored_from_backup"))
            assert event.detail["ticket_numbers_from"] == min(opened)
            assert session.exec(select(Notice).where(Notice.state == "waiting")).all() == []


def test_a_card_that_was_posted_right_after_the_backup_is_not_posted_again(
    world: World, tmp_path: Path
) -> None:
    """What the backup has still to tell is looked for in Slack first."""
    deliver(world, 1)
    pipeline.poll(world.parts, world.config.mailbox[0])
    while pipeline.process_waiting(world.parts):
        pass
    backup = tmp_path / "backup.db"
    assert world.intake("backup", str(backup)) == 0
    assert cards(world) == {}
    world.poll()
    assert cards(world) == {1: 1}

    with restored(world, backup, tmp_path / "new") as anew:
        poll_once(anew.config, anew.database, anew.clock)

        assert cards(anew) == {1: 1}
        with anew.database.read() as session:
            (card,) = session.exec(select(Notice).where(col(Notice.key) == "card:1"))
            assert card.state == "sent"
            assert card.slack_ts is not None


def test_a_reply_to_a_ticket_that_has_another_number_now_joins_it(
    world: World, tmp_path: Path
) -> None:
    """The token in the subject is that of the message, whatever number the ticket has."""
    backup = tmp_path / "backup.db"
    assert world.intake("backup", str(backup)) == 0
    deliver(world, 1)
    world.poll()
    with world.database.read() as session:
        token = session.exec(select(Ticket.token)).one()

    with restored(world, backup, tmp_path / "new") as anew:
        poll_once(anew.config, anew.database, anew.clock)
        (number,) = tickets(anew)
        assert number == NUMBERS_LEFT_OUT + 1
        anew.dovecot.deliver(
            make_message(
                message_id="<answer@reporter.example>",
                subject=f"Re: [CPR-1-{token}] Report 1",
                received=(arrived(anew.clock() + timedelta(minutes=1)),),
            )
        )
        anew.advance_and_poll(minutes=2)

        assert list(tickets(anew)) == [number]
        assert_accounts_balance(anew.database)
