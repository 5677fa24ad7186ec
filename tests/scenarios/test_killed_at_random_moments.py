"""kill -9 of the real service while mail arrives: nothing lost, nothing doubled, the chain holds."""

import hashlib
import random
import subprocess
import sys
import threading
import time
from collections import Counter

from sqlmodel import func, select

from intake.archive.store import raw_bytes
from intake.clock import wall_clock
from intake.events import broken_links
from intake.tables import Job, Message, Notice, Ticket
from tests.builders import make_message
from tests.world import World, arrived, wait_for

RUNS = 6
MESSAGES = 40


def start_service(world: World) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "intake.cli.main", "--config", str(world.config.path), "run"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def deliver_slowly(world: World, done: threading.Event) -> None:
    for number in range(MESSAGES):
        raw = make_message(
            message_id=f"<kill-{number}@reporter.example>",
            subject=f"Report {number}",
            body=f"This certificate is wrong: https://crt.sh/?id={19429431 if number % 2 else 9000001}\r\n",
            received=(arrived(wall_clock()),),
        )
        world.dovecot.deliver(raw, folder="Junk" if number % 5 == 0 else "INBOX")
        time.sleep(0.15)
    done.set()


def count(world: World, what: type) -> int:
    with world.database.read() as session:
        return session.exec(select(func.count()).select_from(what)).one()


def everything_is_told(world: World) -> bool:
    with world.database.read() as session:
        undecided = session.exec(select(func.count()).where(Message.decision == None)).one()  # noqa: E711
        unsent = session.exec(select(func.count()).where(Notice.sent_at == None)).one()  # noqa: E711
        waiting = session.exec(
            select(func.count()).where(Job.state == "waiting", Job.kind != "watch_revocation")
        ).one()
    return count(world, Message) == MESSAGES and not undecided and not unsent and not waiting


def test_killed_at_random_moments(world: World) -> None:
    """After any number of kills the archive is the mailbox, and each report has one ticket."""
    world.stack.close()
    moments = random.Random(4)  # noqa: S311
    done = threading.Event()
    sender = threading.Thread(target=deliver_slowly, args=(world, done))
    sender.start()
    for _ in range(RUNS):
        process = start_service(world)
        time.sleep(moments.uniform(0.8, 3.0))
        process.kill()
        process.wait()
    sender.join()
    process = start_service(world)
    try:
        wait_for(lambda: everything_is_told(world), 60)
    finally:
        process.terminate()
        assert process.wait(20) == 0
    world.restart()

    with world.dovecot.client() as client:
        served = []
        for folder in ("INBOX", "Junk"):
            client.select_folder(folder, readonly=True)
            served += [
                one[b"BODY[]"] for one in client.fetch(client.search(), ["BODY.PEEK[]"]).values()
            ]
    with world.database.read() as session:
        messages = session.exec(select(Message)).all()
        kept = [raw_bytes(session, world.parts.key, one.id or 0) for one in messages]
        assert list(broken_links(session)) == []
    assert Counter(map(digest, kept)) == Counter(map(digest, served))
    assert {one.sha256 for one in messages} == {digest(one) for one in served}
    assert count(world, Ticket) == MESSAGES
    cards = [one for one in world.slack.in_channel("C0CPR") if "blocks" in one]
    assert MESSAGES <= len(cards) <= MESSAGES + RUNS


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
