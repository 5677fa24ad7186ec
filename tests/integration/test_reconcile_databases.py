"""The second reader with either database, and as an auditor who may only read."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from intake.archive.received import OurHosts
from intake.archive.seal import ArchiveKey
from intake.archive.store import archive_batch
from intake.cli.main import main
from intake.config import Config
from intake.database import Database
from intake.mailbox.folder import FolderBatch
from intake.mailbox.poll import poll_mailbox
from intake.reconcile.run import Manner, Reconciled, reconcile_mailbox
from intake.reconcile.tell import record
from intake.tables import Event, Folder, Notice, Reconciliation, Sighting, WatchedMailbox
from tests.accounts import assert_accounts_balance
from tests.builders import NOW, make_config, make_message
from tests.servers import DovecotServer

KEY = ArchiveKey(b"k" * 32)


def poll(database: Database, config: Config) -> None:
    def keep(batch: FolderBatch) -> None:
        with database.write() as session:
            archive_batch(session, KEY, batch, our_hosts=OurHosts.parse([]), now=NOW)

    poll_mailbox(database, config.mailbox[0], keep=keep, clock=lambda: NOW)


def filled(database: Database, dovecot: DovecotServer, folder: Path) -> Config:
    """Return a configuration whose mailbox of three messages is archived."""
    config = make_config(folder, **dovecot.mailbox_options())
    for number in range(3):
        dovecot.deliver(make_message(message_id=f"<{number}@x>", body=f"{number}"))
    poll(database, config)
    return config


def lose(database: Database, uid: int) -> None:
    with database.write() as session:
        session.delete(session.exec(select(Sighting).where(Sighting.uid == uid)).one())


def reconcile(database: Database, config: Config) -> Reconciled:
    result = reconcile_mailbox(database, config.mailbox[0], Manner(), clock=lambda: NOW)
    with database.write() as session:
        record(session, result, channel="C0CPR", actor="service", now=NOW)
    return result


@pytest.mark.both_databases
def test_differences_are_found_told_and_put_right_by_the_next_poll(
    database: Database, dovecot: DovecotServer, tmp_path: Path
) -> None:
    config = filled(database, dovecot, tmp_path)
    assert reconcile(database, config).differences == ()
    lose(database, 2)

    (difference,) = reconcile(database, config).differences

    assert (difference.kind, difference.folder, difference.uids) == ("not_archived", "INBOX", (2,))
    with database.read() as session:
        row = session.get_one(Reconciliation, ("cps", "INBOX"))
        assert (row.compared_to, row.again) == (3, [])
        assert session.get_one(WatchedMailbox, "cps").reconciled_at == NOW
        assert session.exec(select(Notice.kind)).all() == ["trouble"]
        assert session.exec(select(Folder.exists).where(Folder.name == "INBOX")).one() is None
    poll(database, config)
    assert reconcile(database, config).differences == ()
    assert_accounts_balance(database, now=NOW + timedelta(minutes=1), all_decided=False)


@pytest.mark.postgresql
@pytest.mark.parametrize("database_kind", ["postgresql"], scope="session")
def test_an_auditor_needs_no_right_to_write(
    database: Database,
    postgres: object,
    dovecot: DovecotServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = filled(database, dovecot, tmp_path)
    url = database.engine.url.render_as_string()
    name = database.engine.url.database
    postgres.execute(  # type: ignore[attr-defined]
        "DO $$ BEGIN CREATE ROLE auditor LOGIN; EXCEPTION WHEN duplicate_object THEN END $$;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO auditor",
        database=name,
    )
    path = config.path
    address = url.replace("//intake@", "//auditor@")
    path.write_text(path.read_text().replace("sqlite:///intake.db", address))
    command = ["--config", str(path), "reconcile", "--full", "--read-only", "--json"]

    assert main(command) == 0
    lose(database, 2)
    assert main(command) == 1

    found = capsys.readouterr().out
    assert json.loads(found[found.rindex("\n[") :])[0]["differences"][0]["uids"] == [2]
    with database.read() as session:
        assert (
            session.exec(select(Event.action).where(Event.action == "mailbox_differs")).all() == []
        )
