"""An initialised installation for tests of commands, filled without any server."""

import atexit
import shutil
import tempfile
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from intake.archive.received import OurHosts
from intake.archive.seal import ArchiveKey
from intake.archive.search import index_text
from intake.archive.store import archive_batch
from intake.certificates.ownership import IssuingCas
from intake.cli.main import main
from intake.config import Config
from intake.database import Database, initialise_database
from intake.evidence.extract import Limits, extract_evidence
from intake.jobs import finish
from intake.mailbox.folder import FetchedMessage, FolderBatch, UidRange
from intake.tables import Job, Message
from intake.tickets.desk import Desk
from intake.tickets.open import decide_message
from tests.builders import make_config

TESTING = "[service]\ntesting = true\n"


@dataclass
class Installation:
    """A configuration and its database, with the commands that work on them."""

    config: Config
    database: Database
    key: ArchiveKey

    def intake(self, *arguments: str) -> int:
        """Run a command as a person would."""
        return main(["--config", str(self.config.path), *arguments])

    def receive(
        self,
        raw: bytes,
        *,
        at: datetime,
        folder: str = "INBOX",
        uid: int = 1,
        internal_date: datetime | None = None,
    ) -> Message:
        """Let one message be seen in a folder, as a poll does, and decide what it becomes."""
        message = FetchedMessage(uid, internal_date or at, raw)
        self.read_folder(at, folder=folder, messages=(message,), cursor=uid)
        self.process(at)
        with self.database.read() as session:
            from sqlmodel import col, select

            statement = select(Message).order_by(col(Message.id).desc()).limit(1)
            return session.exec(statement).one()

    def read_folder(
        self,
        at: datetime,
        *,
        folder: str = "INBOX",
        messages: tuple[FetchedMessage, ...] = (),
        cursor: int = 0,
        gaps: tuple[UidRange, ...] = (),
    ) -> None:
        """Keep what one poll of a folder found."""
        batch = FolderBatch(
            mailbox="cps", folder=folder, is_junk=folder == "Junk", uidvalidity=7,
            messages=messages, cursor=cursor, first_uid=1, gaps=gaps, read_at=at,
        )  # fmt: skip
        hosts = OurHosts.parse(self.config.mailbox[0].our_hosts)
        with self.database.write() as session:
            archive_batch(session, self.key, batch, our_hosts=hosts, now=at)

    def process(self, now: datetime) -> None:
        """Decide every message that waits, in this process."""
        from sqlmodel import select

        desk = Desk.from_config(self.config, self.key, IssuingCas())
        with self.database.write() as session:
            for job in session.exec(select(Job).where(Job.kind == "process_message")).all():
                if job.state == "waiting":
                    self._process(session, int(job.subject), desk, now)
                    finish(session, job)

    def _process(self, session: Any, row: int, desk: Desk, now: datetime) -> None:
        from intake.archive.store import raw_bytes

        message = session.get_one(Message, row)
        evidence = extract_evidence(raw_bytes(session, self.key, row), Limits())
        decide_message(session, message, evidence, desk=desk, now=now)
        sender = " ".join((evidence.sender_name, *evidence.senders))
        index_text(session, row, subject=evidence.subject, sender=sender, body=evidence.text)


def make_installation(folder: Path, **values: Any) -> Installation:
    """Make an initialised installation whose times are invented (INTAKE_NOW)."""
    config = make_config(folder, more=TESTING + values.pop("more", ""), **values)
    for name in ("archive.key", "intake.db"):
        shutil.copy(initialised() / name, folder / name)
    database, _ = initialise_database(config.database.url)
    return Installation(config, database, ArchiveKey.load(config.archive.key))


@cache
def initialised() -> Path:
    """Make key and database once, by the real command; each test gets a copy."""
    folder = Path(tempfile.mkdtemp(prefix="intake-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    config = make_config(folder, more=TESTING)
    with redirect_stdout(StringIO()):
        assert main(["--config", str(config.path), "init"]) == 0
    return folder
