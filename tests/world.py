"""A whole installation for scenarios: real Dovecot, Slack and crt.sh stand-ins, a real SMTP peer.

Time stands still until a scenario moves it on.
"""

import atexit
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from intake.archive.seal import ArchiveKey, remember_key
from intake.certificates.lint_pool import LintPool
from intake.config import Config
from intake.database import Database
from intake.demo.crtsh import CrtshStandIn
from intake.demo.slack import SlackStandIn
from intake.notices.view import ticket_view, view_as_json
from intake.pipeline import Parts, run_once
from intake.service import assemble
from tests.builders import make_config
from tests.fresh import fresh_database
from tests.servers import DovecotServer, SmtpPeer

CERTIFICATES = Path(__file__).parent.parent / "fixtures" / "certificates"
SEED_ID = "<A7B38FB3-EC73-444F-9DD8-78A9A784CAE5@titanous.com>"


@dataclass
class StandingClock:
    """A clock that a test moves on."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **step: float) -> None:
        self.now += timedelta(**step)


@dataclass
class World:
    """An installation and everything outside it."""

    config: Config
    database: Database
    clock: StandingClock
    dovecot: DovecotServer
    slack: SlackStandIn
    crtsh: CrtshStandIn
    mail: SmtpPeer
    stack: ExitStack = field(default_factory=ExitStack)
    parts: Parts = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """End the program's memory and start it anew; only the database lives on."""
        self.stack.close()
        parts = self.stack.enter_context(assemble(self.config, self.database, self.clock))
        self.parts = replace(parts, linter=linter())

    def poll(self) -> list[str]:
        return run_once(self.parts)

    def advance_and_poll(self, **step: float) -> None:
        self.clock.advance(**step)
        self.poll()

    def ticket(self, number: int = 1) -> dict[str, Any]:
        with self.database.read() as session:
            view = ticket_view(session, number)
        assert view is not None, f"there is no ticket {number}"
        return view_as_json(view)

    def texts(self, place: str = "C0CPR") -> list[str]:
        """What stands in a channel, or in the direct messages to a user."""
        return [str(message) for message in self.slack.in_channel(place)]

    def intake(self, *arguments: str) -> int:
        """Run a command as a person would, at the instant of this world."""
        from intake.cli.main import main

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("INTAKE_NOW", self.clock.now.isoformat())
            return main(["--config", str(self._testing()), *arguments])

    def _testing(self) -> Path:
        """Write the configuration once more, as one that believes what time it is told."""
        text, testing = self.config.path.read_text(encoding="utf-8"), "[service]\ntesting = true\n"
        has_section = "[service]\n" in text
        path = self.config.path.with_name("testing.toml")
        path.write_text(text.replace("[service]\n", testing) if has_section else text + testing)
        return path


@cache
def linter() -> LintPool:
    """Real workers for every world of a test process: to start one takes longer than a scenario."""
    pool = LintPool(for_long=False, workers=1)
    atexit.register(pool.close)
    return pool


@contextmanager
def make_world(
    folder: Path, dovecot: DovecotServer, mail: SmtpPeer, **options: Any
) -> Iterator[World]:
    clock = StandingClock(options.pop("now", datetime(2026, 11, 24, 12, 0, tzinfo=UTC)))
    busy_timeout: float | None = options.pop("busy_timeout", None)
    with SlackStandIn() as slack, CrtshStandIn() as crtsh:
        crtsh.add(19429431, certificate("internal_name"))
        crtsh.add(9000001, certificate("precertificate"))
        crtsh.add(9000002, certificate("final"))
        crtsh.add(9000004, certificate("other_ca_leaf"))
        config = make_config(
            folder,
            **dovecot.mailbox_options(),
            slack_url=slack.base_url,
            crtsh_url=crtsh.base_url,
            smtp_port=mail.port,
            **({"issuing_cas": f'"{CERTIFICATES}/issuing_ca.pem"'} | options),
        )
        database = fresh_database(config.database.url, busy_timeout=busy_timeout)
        with database.write() as session:
            remember_key(session, ArchiveKey.create(folder / "archive.key"))
        world = World(config, database, clock, dovecot, slack, crtsh, mail)
        try:
            yield world
        finally:
            world.stack.close()
            database.close()


def certificate(name: str) -> bytes:
    pem = (CERTIFICATES / f"{name}.pem").read_bytes()
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def wait_for(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Wait until something outside has happened; fail if it does not."""
    import time

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    msg = f"did not happen within {seconds} s"
    raise AssertionError(msg)


def arrived(at: datetime, *, host: str = "mx1.ca.example") -> str:
    """A Received line of our border host."""
    return (
        "from mail.reporter.example (mail.reporter.example [198.51.100.7])\r\n"
        f"\tby {host} (Postfix) with ESMTPS id 4XyZ; {at:%a, %d %b %Y %H:%M:%S %z}"
    )
