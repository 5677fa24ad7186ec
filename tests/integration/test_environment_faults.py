"""The machine or the database fails for a while: the cursor stays, nothing is lost, it heals."""

import hashlib
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import col, func, select

from intake import pipeline
from intake.archive.store import raw_bytes
from intake.database import NoLongerTheWriterError, is_environment_error, one_writer, open_database
from intake.database.writer_lock import WRITER_LOCK
from intake.errors import OutsideUnavailableError
from intake.events import broken_links
from intake.loop import Loop
from intake.service import Service
from intake.tables import Event, Folder, Job, Message, Notice, Ticket
from intake.workers import Worker
from tests.builders import make_message
from tests.postgres import PostgresServer
from tests.servers import DovecotServer, SmtpPeer
from tests.world import World, make_world, wait_for


def mail(number: int, *, size: int = 0) -> bytes:
    noise = random.Random(number).randbytes(size // 2).hex()  # noqa: S311 - does not compress well
    lines = "\r\n".join(noise[at : at + 70] for at in range(0, len(noise), 70))
    return make_message(
        message_id=f"<fault-{number}@reporter.example>",
        subject=f"Report {number}",
        body=f"Wrong: https://crt.sh/?id=19429431\r\n{lines}\r\n",
    )


def archived(world: World) -> set[str]:
    """Digests of what the archive holds, each opened again."""
    with world.database.read() as session:
        rows = session.exec(select(Message.id)).all()
        return {
            hashlib.sha256(raw_bytes(session, world.parts.key, row or 0)).hexdigest()
            for row in rows
        }


def on_server(world: World) -> set[str]:
    with world.dovecot.client() as client:
        client.select_folder("INBOX", readonly=True)
        found = client.fetch(client.search(), ["BODY.PEEK[]"])
        return {hashlib.sha256(one[b"BODY[]"]).hexdigest() for one in found.values()}


def cursor(world: World) -> int:
    with world.database.read() as session:
        return session.exec(select(Folder.cursor).where(Folder.name == "INBOX")).one()


def count(world: World, table: type) -> int:
    with world.database.read() as session:
        return session.exec(select(func.count()).select_from(table)).one()


def nothing_is_lost(world: World, messages: int) -> None:
    """Archive and mailbox are the same bytes; one ticket each, one card each, one chain."""
    assert archived(world) == on_server(world)
    assert count(world, Message) == count(world, Ticket) == messages
    with world.database.read() as session:
        assert list(broken_links(session)) == []
        cards = select(Notice).where(Notice.kind == "card")
        assert [one.sent_at is not None for one in session.exec(cards)] == [True] * messages
        problems = session.exec(select(Message.reading_problems).order_by(col(Message.id))).all()
        assert problems == [[]] * messages  # each was read whole
    posted = [text for text in world.texts() if "Report " in text]
    assert len(posted) >= messages


# ---- the disk is full --------------------------------------------------------------------------


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of its own in memory, as root only."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder = Path(tempfile.mkdtemp(prefix="intake-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        folder.rmdir()
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
        with suppress(OSError):
            folder.rmdir()


def fill(disk: Path, *, leave: int) -> Path:
    """Take all space but some bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file, suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
            file.flush()
    size = ballast.stat().st_size
    os.truncate(ballast, max(size - leave, 0))
    return ballast


def test_a_full_disk_loses_nothing_and_heals(dovecot: DovecotServer, smtp_peer: SmtpPeer) -> None:
    with small_disk(64) as disk, make_world(disk, dovecot, smtp_peer) as world:
        dovecot.deliver(mail(0))
        assert world.poll() == []
        before = cursor(world)
        ballast = fill(disk, leave=300_000)
        for number in range(1, 8):
            dovecot.deliver(mail(number, size=200_000))

        loop = Loop("mailbox cps", lambda: pipeline.poll(world.parts, world.config.mailbox[0]), 1)
        waits = [loop.once() for _ in range(3)]

        assert "full" in (loop.trouble or "")
        assert waits[-1] >= 1  # it backs off
        assert cursor(world) - before == count(world, Message) - 1 < 7  # what is in was kept whole
        ballast.unlink()
        assert world.poll() == []
        nothing_is_lost(world, 8)


def test_a_disk_that_fills_while_messages_are_read_leaves_them_waiting(
    dovecot: DovecotServer, smtp_peer: SmtpPeer
) -> None:
    with small_disk(64) as disk, make_world(disk, dovecot, smtp_peer) as world:
        for number in range(3):
            dovecot.deliver(mail(number, size=20_000))
        pipeline.poll(world.parts, world.config.mailbox[0])
        with world.database.engine.connect() as connection:  # nothing is left to reuse
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        ballast = fill(disk, leave=0)

        with pytest.raises(OperationalError) as caught:
            pipeline.process_waiting(world.parts)

        assert is_environment_error(caught.value)
        assert count(world, Ticket) == 0
        ballast.unlink()
        world.clock.advance(minutes=6)  # leases that could not be given back ran out
        assert world.poll() == []
        nothing_is_lost(world, 3)


# ---- the database is locked, or away -----------------------------------------------------------


def test_a_locked_database_is_tried_again(
    tmp_path: Path, dovecot: DovecotServer, smtp_peer: SmtpPeer
) -> None:
    with make_world(tmp_path, dovecot, smtp_peer, busy_timeout=0.02) as world:
        dovecot.deliver(mail(0))
        world.poll()
        other = sqlite3.connect(tmp_path / "intake.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        dovecot.deliver(mail(1))
        service = Service(world.parts)
        loops = (service.polls[0], service.process, service.deliver, service.tick)

        for _ in range(4):
            for loop in loops:
                loop.once()

        assert all("locked" in (loop.trouble or "") for loop in (service.polls[0], service.tick))
        assert service.troubles()
        other.execute("ROLLBACK")
        other.close()
        for loop in loops:
            loop.once()
        assert service.troubles() == []
        nothing_is_lost(world, 2)


class LockingReader(Worker):
    """A reader during whose work somebody else locks the database."""

    def __init__(self, path: Path) -> None:
        super().__init__(memory_bytes=1_500_000_000)
        self.other = sqlite3.connect(path, isolation_level=None)
        self.is_locking = True

    def call(self, function: str, *arguments: Any, **limits: Any) -> Any:
        if self.is_locking:
            self.other.execute("BEGIN IMMEDIATE")
            self.is_locking = False
        return super().call(function, *arguments, **limits)


def test_what_was_held_when_the_database_went_away_does_not_wait_for_its_lease(
    tmp_path: Path, dovecot: DovecotServer, smtp_peer: SmtpPeer
) -> None:
    with make_world(tmp_path, dovecot, smtp_peer, busy_timeout=0.02) as world:
        dovecot.deliver(mail(0))
        pipeline.poll(world.parts, world.config.mailbox[0])
        reader = LockingReader(tmp_path / "intake.db")
        service = Service(replace(world.parts, reader=reader))
        service.process.once()
        assert "locked" in (service.process.trouble or "")
        with world.database.read() as session:
            assert session.exec(select(Job.leased_until)).one() is not None

        reader.other.execute("ROLLBACK")
        reader.other.close()
        service.process.once()  # in the same minute, long before the lease ends
        reader.close()

        assert count(world, Ticket) == 1
        world.poll()
        nothing_is_lost(world, 1)


def test_postgresql_restarted_while_the_service_runs(
    tmp_path: Path, dovecot: DovecotServer, smtp_peer: SmtpPeer, own_postgres: PostgresServer
) -> None:
    address = own_postgres.empty_database()
    with make_world(tmp_path, dovecot, smtp_peer, database_url=address) as world:
        with one_writer(world.database) as leader:
            service = Service(world.parts, leader)
            service.start()
            try:
                dovecot.deliver(mail(0))
                wait_for(lambda: count(world, Ticket) == 1, 60)
                for number, stop in enumerate((own_postgres.stop, own_postgres.kill), start=1):
                    stop()
                    dovecot.deliver(mail(number))
                    for loop in (service.process, service.polls[0], service.deliver):
                        loop.wake.set()
                    wait_for(lambda: len(service.troubles()) >= 3, 60)
                    own_postgres.start()
                    wait_for(lambda number=number: count(world, Ticket) == number + 1, 60)
                    wait_for(lambda: service.troubles() == [], 60)
                wait_for(lambda: count(world, Ticket) == count_sent(world) == 3, 60)
                wait_for(lambda: writer_locks(own_postgres), 60)  # with the next piece of work
                other = open_database(address)
                with pytest.raises(OutsideUnavailableError), one_writer(other):
                    pass
                other.close()
            finally:
                service.stop()
        nothing_is_lost(world, 3)


def writer_locks(postgres: PostgresServer) -> list[tuple[object, ...]]:
    statement = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = "
    return postgres.execute(f"{statement} {WRITER_LOCK}")


def count_sent(world: World) -> int:
    with world.database.read() as session:
        sent = select(func.count()).where(Notice.kind == "card", col(Notice.sent_at).is_not(None))
        return session.exec(sent).one()


def test_a_service_that_another_host_took_over_from_ends(
    tmp_path: Path, dovecot: DovecotServer, smtp_peer: SmtpPeer, own_postgres: PostgresServer
) -> None:
    address = own_postgres.empty_database()
    ended = []
    with make_world(tmp_path, dovecot, smtp_peer, database_url=address) as world:
        other = open_database(address)
        with one_writer(world.database, monotonic=iter(range(0, 10_000, 10)).__next__) as leader:
            service = Service(world.parts, leader, on_lost=lambda: ended.append(True))
            own_postgres.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            )

            def take_over() -> bool:
                with suppress(OutsideUnavailableError), one_writer(other):
                    dovecot.deliver(mail(0))
                    service.polls[0].once()
                    return True
                return False

            wait_for(take_over)
        other.close()

        assert ended == [True]
        assert isinstance(service.lost, NoLongerTheWriterError)
        assert count(world, Message) == 0  # it did not work behind the other one's back


# ---- no more open files ------------------------------------------------------------------------

OUT_OF_FILES = """
import json, os, resource, sys
from pathlib import Path
from intake import pipeline
from intake.clock import wall_clock
from intake.config import load_config
from intake.database import open_database
from intake.loop import Loop
from intake.reading import read_evidence
from intake.service import assemble

config = load_config(Path(sys.argv[1]))
database = open_database(config.database.url)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

def without_files(loop):
    # Descriptors are given out lowest first: no free one below the limit, none to be had.
    spare = []
    while True:
        spare.append(os.open("/dev/null", os.O_RDONLY))
        if spare[-1] > 200:
            break
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare[-1] + 1, hard))
    loop.once()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for one in spare:
        os.close(one)
    return loop.trouble

with assemble(config, database, wall_clock) as parts:
    troubles = []
    poll = Loop("mailbox", lambda: pipeline.poll(parts, config.mailbox[0]), 1)
    process = Loop("reading", lambda: pipeline.process_waiting(parts), 1)
    database.close()
    troubles.append(without_files(poll))
    poll.once()
    troubles.append(poll.trouble)
    database.close()
    troubles.append(without_files(process))  # no connection to the database
    reader = Loop("the reader", lambda: read_evidence(parts.reader, b"") and None, 1)
    troubles.append(without_files(reader))  # no process to read with
    process.once()
    troubles.append(process.trouble)
    pipeline.settle(parts)
database.close()
print(json.dumps(troubles))
"""


def test_no_more_open_files_leave_everything_for_later(
    tmp_path: Path, dovecot: DovecotServer, smtp_peer: SmtpPeer
) -> None:
    import json

    with make_world(tmp_path, dovecot, smtp_peer) as world:
        world.stack.close()
        for number in range(2):
            dovecot.deliver(mail(number))

        done = subprocess.run(
            [sys.executable, "-c", OUT_OF_FILES, str(world.config.path)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip

        first, healed, no_database, no_reader, read = json.loads(done.stdout)
        assert "unable to open database file" in first
        assert healed is None
        assert "unable to open database file" in no_database
        assert "Too many open files" in no_reader
        assert read is None
        world.restart()
        world.poll()
        nothing_is_lost(world, 2)
        with world.database.read() as session:
            jobs = session.exec(select(Job).where(Job.kind == "process_message")).all()
            assert [(job.state, job.attempts) for job in jobs] == [("done", 0)] * 2
            assert session.exec(select(func.count()).select_from(Event)).one() > 2
