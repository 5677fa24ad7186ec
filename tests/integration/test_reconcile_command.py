"""The second reader against a real Dovecot: all well is said, and every difference is found."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from intake.archive.seal import ArchiveKey, remember_key
from intake.pipeline import Parts
from intake.tables import (
    Event,
    Folder,
    Message,
    Notice,
    Reconciliation,
    SealedMessage,
    Sighting,
    WatchedMailbox,
)
from tests.accounts import assert_accounts_balance
from tests.builders import NOW, make_message
from tests.desk import Installation, make_installation
from tests.servers import DovecotServer


class Mailbox(Installation):
    """An installation with a real mailbox, polled by hand; time moves with each poll."""

    dovecot: DovecotServer
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    now = NOW

    def poll(self) -> None:
        from functools import partial

        from intake.archive.received import OurHosts
        from intake.archive.store import archive_batch
        from intake.mailbox.poll import poll_mailbox

        self.later(minutes=1)

        def keep(batch: Any) -> None:
            with self.database.write() as session:
                hosts = OurHosts.parse([])
                archive_batch(session, self.key, batch, our_hosts=hosts, now=self.now)

        poll_mailbox(self.database, self.config.mailbox[0], keep=keep, clock=lambda: self.now)

    def later(self, **step: float) -> None:
        self.now += timedelta(**step)
        self.monkeypatch.setenv("INTAKE_NOW", self.now.isoformat())

    def reconcile(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        self.capsys.readouterr()
        status = self.intake("reconcile", "--json", *arguments)
        (found,) = json.loads(self.capsys.readouterr().out)
        return status, found

    def kinds(self, *arguments: str) -> dict[str, list[int]]:
        """Return the differences by kind."""
        status, found = self.reconcile(*arguments)
        assert status == (1 if found["differences"] else 0)
        assert found["ok"] == (status == 0)
        return {one["kind"]: one["uids"] for one in found["differences"]}

    def all(self, table: type) -> list[Any]:
        with self.database.read() as session:
            return list(session.exec(select(table)).all())


@pytest.fixture
def box(
    tmp_path: Path,
    dovecot: DovecotServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Mailbox]:
    made = make_installation(tmp_path, **dovecot.mailbox_options())
    box = Mailbox(made.config, made.database, made.key)
    box.dovecot, box.capsys, box.monkeypatch = dovecot, capsys, monkeypatch
    box.later()
    yield box
    made.database.close()


def mail(number: int, **values: Any) -> bytes:
    return make_message(message_id=f"<m{number}@reporter.example>", **values)


def test_all_well_says_what_was_compared(box: Mailbox) -> None:
    for number in range(3):
        box.dovecot.deliver(mail(number))
    box.dovecot.deliver(mail(9), folder="Junk")
    box.poll()

    status, found = box.reconcile()

    assert status == 0
    assert found["ok"] is True
    folders = {one["folder"]: one for one in found["folders"]}
    assert (folders["INBOX"]["on_server"], folders["INBOX"]["archived"]) == (3, 3)
    assert folders["INBOX"]["compared"] == 3
    assert folders["Junk"]["compared"] == 1
    assert set(folders) == {"Archive", "INBOX", "Junk"}
