"""`intake archive verify` and `intake archive rekey`, as an administrator calls them."""

import json
import random
import re
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlmodel import select

from intake.archive.seal import KEY_CHANGE, ArchiveKey, key_id
from intake.archive.store import raw_bytes
from intake.config import Secret
from intake.database import one_writer
from intake.tables import Event, Fact, Message, SealedMessage
from tests.accounts import assert_accounts_balance
from tests.builders import make_message
from tests.desk import Installation, make_installation

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setenv("INTAKE_NOW", NOW.isoformat())
    made = make_installation(tmp_path)
    yield made
    made.database.close()


def mail(number: int) -> bytes:
    return make_message(message_id=f"<{number}@x>", body=f"message {number}\r\n")


def receive(installation: Installation, count: int) -> None:
    for number in range(1, count + 1):
        installation.receive(mail(number), at=NOW, uid=number)


def folder(installation: Installation) -> Path:
    return installation.config.path.parent


def events(installation: Installation, action: str) -> list[Event]:
    with installation.database.read() as session:
        return list(session.exec(select(Event).where(Event.action == action)))


# ---- verify ------------------------------------------------------------------------------------


def test_a_whole_archive_verifies_and_that_is_an_event(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    receive(installation, 2)

    assert installation.intake("archive", "verify") == 0

    assert "2 messages and 0 certificates" in capsys.readouterr().out
    assert [one.detail["messages"] for one in events(installation, "archive_verified")] == [2]
    assert_accounts_balance(installation.database)


def test_one_bit_that_flipped_on_the_disk_is_named_and_status_5(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    receive(installation, 3)
    connection = sqlite3.connect(folder(installation) / "intake.db")
    (sealed,) = connection.execute("SELECT sealed FROM sealedmessage WHERE message = 2").fetchone()
    flipped = bytearray(sealed)
    flipped[len(sealed) // 2] ^= 0x10
    connection.execute("UPDATE sealedmessage SET sealed = ? WHERE message = 2", [bytes(flipped)])
    connection.commit()
    connection.close()

    assert installation.intake("archive", "verify", "--json") == 5

    said = capsys.readouterr()
    answer = json.loads(said.out)
    with installation.database.read() as session:
        sha256 = session.get_one(Message, 2).sha256
    assert answer["ok"] is False
    assert [(one["row"], one["sha256"]) for one in answer["damaged"]] == [(2, sha256)]
    assert "1 of 3 do not verify" in said.err
    assert [one.detail["damaged"] for one in events(installation, "archive_damaged")] == [[sha256]]
    assert installation.intake("archive", "verify") == 5
    assert f"message {sha256} (row 2)" in capsys.readouterr().out


def test_it_verifies_while_the_service_is_at_work(installation: Installation) -> None:
    receive(installation, 1)

    with one_writer(installation.database):
        assert installation.intake("archive", "verify") == 0


# ---- rekey -------------------------------------------------------------------------------------


def test_a_new_key_is_made_and_everything_is_under_it(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    receive(installation, 3)
    new = folder(installation) / "new.key"

    assert installation.intake("archive", "rekey", str(new)) == 0

    said = capsys.readouterr().out
    assert stat.S_IMODE(new.stat().st_mode) == 0o400
    assert f'key_file = "{new}"' in said
    assert "Keep the old key too" in said
    assert installation.intake("check") == 5  # until the configuration names the new key
    point_to(installation, new)
    assert installation.intake("archive", "verify") == 0
    assert installation.intake("message", "show", "1@x", "--raw") == 0
    assert installation.intake("archive", "rekey", str(new)) == 0
    assert "nothing is left to do" in capsys.readouterr().out
    assert_accounts_balance(installation.database)


def point_to(installation: Installation, key: Path) -> None:
    path = installation.config.path
    path.write_text(path.read_text().replace('"archive.key"', f'"{key}"'))


def test_a_key_file_that_is_there_is_used_and_not_overwritten(installation: Installation) -> None:
    receive(installation, 1)
    new = folder(installation) / "new.key"
    key = ArchiveKey.create(new)

    assert installation.intake("archive", "rekey", str(new)) == 0

    with installation.database.read() as session:
        assert raw_bytes(session, key, 1) == mail(1)


def test_what_is_no_key_is_refused_before_anything_is_changed(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    receive(installation, 1)
    (folder(installation) / "new.key").write_text("password\n", encoding="utf-8")

    assert installation.intake("archive", "rekey", str(folder(installation) / "new.key")) == 5

    assert "64 hex digits" in capsys.readouterr().err
    assert installation.intake("archive", "verify") == 0


def test_it_refuses_beside_the_running_service(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    receive(installation, 1)
    new = folder(installation) / "new.key"

    with one_writer(installation.database):
        assert installation.intake("archive", "rekey", str(new)) == 4

    assert not new.exists()
    assert "intake" in capsys.readouterr().err


def begin(installation: Installation, key: ArchiveKey) -> None:
    with installation.database.write() as session:
        session.add(Fact(name=KEY_CHANGE, value=key.fingerprint()))


def test_a_change_whose_key_file_is_lost_makes_no_third_key(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    receive(installation, 1)
    begin(installation, ArchiveKey(b"n" * 32))
    new = folder(installation) / "new.key"

    assert installation.intake("archive", "rekey", str(new)) == 2

    assert not new.exists()
    assert "open with that key only" in capsys.readouterr().err


def test_a_change_that_is_not_finished_is_named_by_every_command(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    receive(installation, 1)
    begin(installation, ArchiveKey(b"n" * 32))

    for command in (
        ("check",),
        ("archive", "verify"),
        ("message", "show", "1@x"),
        ("reprocess",),
        ("poll",),
    ):
        assert installation.intake(*command) == 5, command
        assert "intake archive rekey" in re.sub(r"\s+", " ", "".join(capsys.readouterr())), command


def resealed(installation: Installation) -> int:
    with installation.database.read() as session:
        rows = session.exec(select(SealedMessage.sealed)).all()
    return sum(key_id(one) != installation.key.id for one in rows)


def test_killed_again_and_again_it_comes_to_its_end(installation: Installation) -> None:
    receive(installation, 120)
    new = folder(installation) / "new.key"
    moments = random.Random(7)  # noqa: S311
    program = (
        "import sys, intake.archive.rekey as rekey; rekey.ROWS_AT_ONCE = 3;"
        "from intake.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "--config", str(installation.config.path)]
    command += ["archive", "rekey", str(new)]

    kills = 0
    while kills < 4:
        before = resealed(installation)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while resealed(installation) == before and process.poll() is None:
            time.sleep(0.001)
        time.sleep(moments.uniform(0.0, 0.01))
        process.kill()
        if process.wait() == 0:
            break  # it was faster
        kills += 1

    assert kills > 0
    assert subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0
    key = ArchiveKey.load(Secret(file=new))
    with installation.database.read() as session:
        kept = [raw_bytes(session, key, row) for row in range(1, 121)]
    assert kept == [mail(number) for number in range(1, 121)]
    point_to(installation, new)
    assert installation.intake("archive", "verify") == 0
    assert_accounts_balance(installation.database)
