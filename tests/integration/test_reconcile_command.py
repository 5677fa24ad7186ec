"""The second reader against a real Dovecot: all well is said, and every difference is found."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from sqlmodel import select

from intake.cli.main import main
from intake.tables import (
    Event,
    Folder,
    Message,
    Notice,
    Reconciliation,
    SealedMessage,
    Sighting,
    UidGap,
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
            query = select(table).order_by(*table.__table__.primary_key)
            return list(session.exec(query).all())


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


def test_it_leaves_no_trace_in_the_mailbox(box: Mailbox) -> None:
    for number in range(3):
        box.dovecot.append(mail(number))
    box.poll()
    before = box.dovecot.flags()

    box.reconcile("--full")

    assert box.dovecot.flags() == before


def test_names_in_any_writing_are_read(box: Mailbox) -> None:
    names = ["Entwürfe & Co", 'a "quoted" one', "日本語", "Sub/Ordner", "Sent/2024", "back\\slash"]
    for name in names:
        box.dovecot.create_folder(name)
        box.dovecot.append(mail(1), folder=name)
    box.poll()

    status, found = box.reconcile()

    assert (status, found["differences"]) == (0, [])
    compared = {one["folder"]: one["compared"] for one in found["folders"]}
    assert {name: compared.get(name) for name in names} == dict.fromkeys(names, 1)
    assert not compared.keys() & {"Sent", "Drafts"}


def test_messages_of_any_size_and_content_are_compared(box: Mailbox) -> None:
    for raw in (
        b"",
        b"\r\n",
        b"Subject: only a header\r\n\r\n",
        mail(1, body="\x00\x01 \xff" * 10),
        mail(2, body="(UID 7 BODY[] {3}\r\nabc)\r\n"),
        mail(3, body="x" * 76 + "\r\n" + "y" * 5_000_000),
    ):
        box.dovecot.deliver(raw)
    box.poll()

    status, found = box.reconcile()

    inbox = next(one for one in found["folders"] if one["folder"] == "INBOX")
    assert status == 0
    assert inbox["compared"] + inbox["not_served"] == inbox["on_server"] == 6
    assert inbox["compared"] >= 5


# ---- differences -------------------------------------------------------------------------------


def deliver_and_poll(box: Mailbox, count: int = 3) -> None:
    for number in range(count):
        box.dovecot.deliver(mail(number))
    box.poll()


def test_p51_a_message_that_was_skipped_is_found(box: Mailbox) -> None:
    deliver_and_poll(box)
    with box.database.write() as session:
        session.delete(session.exec(select(Sighting).where(Sighting.uid == 2)).one())

    assert box.kinds() == {"not_archived": [2]}


def test_p51_a_cursor_that_ran_ahead_is_found(box: Mailbox) -> None:
    deliver_and_poll(box)
    box.dovecot.deliver(mail(7))
    with box.database.write() as session:
        session.exec(select(Folder).where(Folder.name == "INBOX")).one().cursor = 4

    assert box.kinds() == {"not_archived": [4]}


def test_archived_bytes_that_are_not_the_served_ones_are_found_each_time(box: Mailbox) -> None:
    deliver_and_poll(box)
    assert box.kinds() == {}
    with box.database.write() as session:
        box_message = session.exec(select(Message).where(Message.id == 2)).one()
        box_message.sha256 = "0" * 64
        session.add(box_message)

    assert box.kinds("--full") == {"bytes_differ": [2]}
    assert box.kinds() == {"bytes_differ": [2]}


def test_a_message_whose_bytes_are_lost_is_found(box: Mailbox) -> None:
    deliver_and_poll(box)
    with box.database.write() as session:
        session.delete(session.get_one(SealedMessage, 1))

    assert box.kinds() == {"no_bytes": [1]}


def test_two_messages_that_were_mixed_up_are_found(box: Mailbox) -> None:
    deliver_and_poll(box)
    with box.database.write() as session:
        one, two = session.exec(select(Sighting).where(Sighting.uid <= 2)).all()  # type: ignore[operator]
        one.message, two.message = two.message, one.message
        session.add_all((one, two))

    assert box.kinds() == {"bytes_differ": [1, 2]}


# What a poll will put right is no difference, as long as the polls go on.


def test_what_arrived_since_the_last_poll_is_said_and_tolerated(box: Mailbox) -> None:
    deliver_and_poll(box)
    box.dovecot.deliver(mail(7))

    status, found = box.reconcile()

    assert (status, found["differences"]) == (0, [])
    assert [one["waiting"] for one in found["folders"] if one["folder"] == "INBOX"] == [1]
    box.intake("reconcile")
    assert "INBOX: 1 not polled yet" in box.capsys.readouterr().out
    box.poll()
    assert box.kinds() == {}


def test_p42_what_arrived_is_a_difference_when_nobody_polls(box: Mailbox) -> None:
    deliver_and_poll(box)
    box.dovecot.deliver(mail(7))
    box.later(minutes=3)

    assert box.kinds() == {"not_archived": [4]}


def test_what_went_away_since_the_last_poll_is_tolerated_for_as_long(box: Mailbox) -> None:
    deliver_and_poll(box)
    box.dovecot.expunge("INBOX", 1, 3)

    assert box.kinds() == {}
    box.later(minutes=3)
    assert box.kinds() == {"not_gone": [1, 3]}
    box.poll()
    assert box.kinds() == {}


def test_what_was_noted_as_gone_and_is_there_is_found(box: Mailbox) -> None:
    deliver_and_poll(box)
    with box.database.write() as session:
        session.exec(select(Sighting).where(Sighting.uid == 2)).one().gone_since = NOW
    box.later(minutes=3)

    assert box.kinds() == {"wrongly_gone": [2]}


def test_a_folder_that_nobody_reads_is_found(box: Mailbox) -> None:
    deliver_and_poll(box)
    box.dovecot.create_folder("Quarantine")

    assert box.kinds() == {}
    box.later(minutes=3)
    assert box.kinds() == {"folder_unknown": []}
    box.poll()
    assert box.kinds() == {}


def test_a_folder_that_is_no_longer_there_is_found(box: Mailbox) -> None:
    box.dovecot.create_folder("Old")
    deliver_and_poll(box)
    with box.dovecot.client() as client:
        client.delete_folder("Old")

    assert box.kinds() == {}
    box.later(minutes=3)
    assert box.kinds() == {"folder_not_listed": []}
    box.poll()
    assert box.kinds() == {}


def test_p09_another_uidvalidity_is_found(box: Mailbox) -> None:
    deliver_and_poll(box)
    box.kinds()
    box.dovecot.forget_uids()

    assert box.kinds() == {}
    box.later(minutes=3)
    assert box.kinds() == {"other_uidvalidity": []}
    box.poll()
    assert box.kinds() == {}
    assert_accounts_balance(box.database, all_decided=False)


def test_a_poll_that_leaves_it_as_it_was_makes_it_a_difference_at_once(box: Mailbox) -> None:
    deliver_and_poll(box)
    box.dovecot.deliver(mail(7))

    def blind_poll() -> None:
        with box.database.write() as session:
            session.get_one(WatchedMailbox, "cps").last_good_poll_at = box.now + timedelta(
                seconds=1
            )

    timer = Timer(0.3, blind_poll)
    timer.start()
    found = box.kinds("--wait", "20")
    timer.join()

    assert found == {"not_archived": [4]}


def test_a_poll_that_puts_it_right_is_waited_for(box: Mailbox) -> None:
    deliver_and_poll(box)
    box.dovecot.deliver(mail(7))
    now = box.now
    timer = Timer(0.3, box.poll)
    timer.start()
    box.monkeypatch.setenv("INTAKE_NOW", now.isoformat())
    found = box.kinds("--wait", "20")
    timer.join()

    assert found == {}


def test_a_message_that_is_not_handed_out_for_a_day_is_found(box: Mailbox) -> None:
    deliver_and_poll(box)
    with box.database.write() as session:
        session.delete(session.exec(select(Sighting).where(Sighting.uid == 2)).one())
        session.add(
            UidGap(
                mailbox="cps", folder="INBOX", uidvalidity=box.all(Folder)[0].uidvalidity,
                uid_from=2, uid_to=2, reason="unreadable", noticed_at=box.now,
            )
        )  # fmt: skip
    uidvalidity = next(one.uidvalidity for one in box.all(Folder) if one.name == "INBOX")
    with box.database.write() as session:
        session.exec(select(UidGap)).one().uidvalidity = uidvalidity

    assert box.kinds() == {}
    box.later(hours=25)
    assert box.kinds() == {"not_whole": [2]}


# ---- what is remembered, and who is told -------------------------------------------------------


def test_new_messages_are_compared_once_and_older_ones_by_and_by(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intake.reconcile.compare.SAMPLE_LEAST", 2)
    deliver_and_poll(box, 5)

    def compared(*arguments: str) -> int:
        _, found = box.reconcile(*arguments)
        return next(one["compared"] for one in found["folders"] if one["folder"] == "INBOX")

    assert compared() == 5
    assert [compared(), compared(), compared()] == [2, 2, 2]
    assert compared("--full") == 5
    box.dovecot.deliver(mail(9))
    box.poll()
    assert compared() == 3
    (row,) = (one for one in box.all(Reconciliation) if one.folder == "INBOX")
    assert row.compared_to == 6


def test_a_difference_is_an_event_and_a_notice_once_a_day(box: Mailbox) -> None:
    deliver_and_poll(box)
    with box.database.write() as session:
        session.delete(session.exec(select(Sighting).where(Sighting.uid == 2)).one())

    for _ in range(2):
        assert box.kinds() == {"not_archived": [2]}

    notices = [one for one in box.all(Notice) if one.kind == "trouble"]
    assert len(notices) == 1
    assert notices[0].to == "C0CPR"
    assert "INBOX: 1 message on the server and not archived (UID 2)" in notices[0].text
    assert "intake poll" in notices[0].text
    events = [one for one in box.all(Event) if one.action == "mailbox_differs"]
    assert events[0].detail["differences"] == [
        {"kind": "not_archived", "folder": "INBOX", "count": 1, "uids": [2]}
    ]
    box.later(days=1)
    box.poll()
    assert box.kinds() == {}  # the next poll looked whether it lacks something, and fetched it
    with box.database.write() as session:
        session.delete(session.exec(select(Sighting).where(Sighting.uid == 2)).one())
    box.kinds()
    assert len([one for one in box.all(Notice) if one.kind == "trouble"]) == 2


def test_all_well_is_an_event_and_no_notice(box: Mailbox) -> None:
    deliver_and_poll(box)

    box.reconcile()

    assert [one.action for one in box.all(Event)][-1] == "mailbox_reconciled"
    assert box.all(WatchedMailbox)[0].reconciled_at == box.now
    assert box.all(Notice) == []


def test_read_only_writes_nothing(box: Mailbox) -> None:
    deliver_and_poll(box)
    with box.database.write() as session:
        session.delete(session.exec(select(Sighting).where(Sighting.uid == 2)).one())
    events = len(box.all(Event))

    assert box.kinds("--read-only", "--full") == {"not_archived": [2]}

    assert len(box.all(Event)) == events
    assert box.all(Notice) == []
    assert box.all(Reconciliation) == []


# ---- what is away ------------------------------------------------------------------------------


def test_a_mailbox_that_is_away_is_status_4(box: Mailbox) -> None:
    deliver_and_poll(box)
    box.dovecot.stop()

    status, found = box.reconcile()

    assert status == 4
    assert "Fix: `intake check --live`" in found["error"]


def test_a_refused_password_is_status_4_and_not_shown(box: Mailbox) -> None:
    (box.config.path.parent / "cps.password").write_text("hunter2-wrong\n", encoding="utf-8")

    assert box.intake("reconcile") == 4

    said = "".join(box.capsys.readouterr())
    assert "logging in" in said
    assert "hunter2" not in said


def test_a_server_that_is_not_trusted_gets_no_password(box: Mailbox) -> None:
    path = box.config.path
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if not line.startswith("ca_file")))

    assert box.intake("reconcile") == 4

    assert "connecting" in box.capsys.readouterr().err
    assert "Login" not in box.dovecot.log()


def test_starttls_is_spoken_too(box: Mailbox) -> None:
    deliver_and_poll(box)
    path = box.config.path
    text = path.read_text().replace('security = "tls"', 'security = "starttls"')
    path.write_text(text.replace(f"port = {box.dovecot.tls_port}", f"port = {box.dovecot.port}"))

    assert box.reconcile()[0] == 0


def test_a_mailbox_that_is_not_configured_is_wrong_usage(box: Mailbox) -> None:
    assert box.intake("reconcile", "--mailbox", "other") == 2


def test_other_credentials_come_from_another_configuration(box: Mailbox) -> None:
    deliver_and_poll(box)
    other = box.config.path.with_name("auditor.toml")
    (other.parent / "auditor.password").write_text("secret\n", encoding="utf-8")
    other.write_text(box.config.path.read_text().replace("cps.password", "auditor.password"))
    (other.parent / "cps.password").unlink()
    (other.parent / "archive.key").unlink()  # the second reader needs no archive key

    assert main(["--config", str(other), "reconcile"]) == 0


def test_it_shares_no_code_with_the_first_reader() -> None:
    program = (
        "import sys, intake.reconcile.run, intake.reconcile.tell; "
        "print(*[name for name in sys.modules if name.startswith(('imapclient', 'intake.mailbox.',"
        " 'intake.archive'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["intake.mailbox.token"]
