"""Two hosts on one PostgreSQL: one works, the other is refused, and takes over when the first dies."""

import subprocess
import sys
from pathlib import Path

from sqlmodel import func, select

from intake.clock import wall_clock
from intake.events import broken_links
from intake.tables import Ticket
from tests.builders import make_message
from tests.postgres import PostgresServer
from tests.servers import DovecotServer, SmtpPeer
from tests.world import World, arrived, make_world, wait_for


def start_service(world: World) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "intake.cli.main", "--config", str(world.config.path), "run"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def deliver(world: World, number: int) -> None:
    raw = make_message(
        message_id=f"<host-{number}@reporter.example>",
        subject=f"Report {number}",
        received=(arrived(wall_clock()),),
    )
    world.dovecot.deliver(raw)


def tickets(world: World) -> int:
    with world.database.read() as session:
        return session.exec(select(func.count()).select_from(Ticket)).one()


def test_a_second_host_takes_over(
    tmp_path: Path, dovecot: DovecotServer, smtp_peer: SmtpPeer, postgres: PostgresServer
) -> None:
    """The mailbox is read by one host at a time, and by the other one once the first is dead."""
    address = postgres.empty_database()
    with make_world(tmp_path, dovecot, smtp_peer, database_url=address) as world:
        world.stack.close()
        deliver(world, 1)
        first = start_service(world)
        try:
            wait_for(lambda: tickets(world) == 1, 40)

            refused = start_service(world)
            _, said = refused.communicate(timeout=40)
            assert refused.returncode == 4
            assert "the service runs already" in said
        finally:
            first.kill()
            first.communicate()
        deliver(world, 2)
        second = start_service(world)
        try:
            wait_for(lambda: tickets(world) == 2, 40)
        finally:
            second.terminate()
            second.communicate(timeout=40)

        assert second.returncode == 0
        with world.database.read() as session:
            assert list(broken_links(session)) == []
