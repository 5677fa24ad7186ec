"""`intake init`, `check`, `audit` and `backup`: an installation made, looked at, proved, copied."""

import csv
import io
import json
import sqlite3
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from intake.archive.seal import ArchiveKey
from intake.cli.audit import csv_cell
from intake.cli.main import main
from intake.events import record_event
from intake.tables import Fact
from tests.builders import make_config, make_message
from tests.desk import Installation, make_installation

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setenv("INTAKE_NOW", NOW.isoformat())
    made = make_installation(tmp_path)
    yield made
    made.database.close()


# ---- init --------------------------------------------------------------------------------------


def test_init_makes_key_and_database_readable_by_their_owner_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_config(tmp_path)

    assert main(["--config", str(config.path), "init"]) == 0

    assert stat.S_IMODE((tmp_path / "archive.key").stat().st_mode) == 0o400
    assert stat.S_IMODE((tmp_path / "intake.db").stat().st_mode) == 0o600
    assert "intake check --live" in capsys.readouterr().out


def test_init_again_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = make_config(tmp_path)
    main(["--config", str(config.path), "init"])
    key = (tmp_path / "archive.key").read_bytes()
    capsys.readouterr()

    assert main(["--config", str(config.path), "init"]) == 0

    assert (tmp_path / "archive.key").read_bytes() == key
    assert capsys.readouterr().out.count("was there; left as it is") == 2


def test_init_makes_no_new_key_for_an_archive_that_has_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_config(tmp_path)
    main(["--config", str(config.path), "init"])
    (tmp_path / "archive.key").unlink()

    assert main(["--config", str(config.path), "init"]) == 3

    assert not (tmp_path / "archive.key").exists()
    assert "put the copy of the key file back" in capsys.readouterr().err


def test_init_refuses_another_key(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    main(["--config", str(config.path), "init"])
    (tmp_path / "archive.key").unlink()
    ArchiveKey.create(tmp_path / "archive.key")

    assert main(["--config", str(config.path), "init"]) == 5


def test_init_remembers_testing(installation: Installation) -> None:
    with installation.database.read() as session:
        assert session.get_one(Fact, "testing").value == "true"


def test_init_where_nothing_may_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_config(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    path = config.path
    path.write_text(path.read_text().replace('"archive.key"', '"file/archive.key"'))

    assert main(["--config", str(path), "init"]) == 3
    assert "archive.key_file" in capsys.readouterr().err


# ---- check -------------------------------------------------------------------------------------


def checked(
    installation: Installation, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Return the status, and the items by name."""
    capsys.readouterr()
    status = installation.intake("check", "--json", *arguments)
    items: dict[str, list[dict[str, Any]]] = {}
    for item in json.loads(capsys.readouterr().out):
        items.setdefault(item["item"], []).append(item)
    return status, items


def test_warnings_leave_status_0(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.receive(make_message(), at=NOW)

    status, items = checked(installation, capsys)

    assert status == 0
    assert items["configuration"][0]["result"] == "ok"
    assert items["event log"][0]["result"] == "ok"
    assert items["accounts"][0]["detail"] == "1 messages = 1 that opened a ticket"
    assert items["issuing CAs"][0]["result"] == "warning"
    assert [item["result"] for item in items["archive key"]] == ["warning", "ok"]
    assert all(
        set(item) >= {"item", "tried", "result", "fix"} for one in items.values() for item in one
    )


def test_people_get_an_item_a_line(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installation.intake("check") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok        configuration: reading ")
    assert any(line.startswith("WARNING   issuing CAs: ") for line in lines)
    assert any(line.strip().startswith("fix: ") for line in lines)


def test_secrets_that_everybody_can_read_are_a_warning(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    (installation.config.path.parent / "cps.password").chmod(0o644)

    status, items = checked(installation, capsys)

    assert status == 0
    assert items["mailbox[0].password_file"][0]["fix"].startswith("chmod 0400 ")


def test_a_configuration_with_a_fault_is_status_3_and_named(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    path = installation.config.path
    path.write_text(path.read_text().replace('poll_every = "60s"', 'poll_every = "2h"'))

    status, items = checked(installation, capsys)

    assert status == 3
    assert "mailbox[0].poll_every" in items["configuration"][0]["detail"]
    installation.intake("check")
    assert "mailbox[0].poll_every = '2h': must be between 1s and 1h" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "key"),
    [("cps.password", "mailbox[0].password_file"), ("archive.key", "archive.key_file")],
)
def test_a_missing_file_is_status_3_and_the_rest_is_looked_at(
    installation: Installation, capsys: pytest.CaptureFixture[str], name: str, key: str
) -> None:
    (installation.config.path.parent / name).unlink()

    status, items = checked(installation, capsys)

    assert status == 3
    assert items["files"][0]["detail"].startswith(f"{key} = ")
    assert items["event log"][0]["result"] == "ok"


def test_no_database_is_status_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = make_config(tmp_path)

    assert main(["--config", str(config.path), "check"]) == 3
    assert "run `intake init`" in capsys.readouterr().err


def test_another_archive_key_is_status_5(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    (installation.config.path.parent / "archive.key").unlink()
    ArchiveKey.create(installation.config.path.parent / "archive.key")

    status, items = checked(installation, capsys)

    assert status == 5
    assert items["archive key"][-1]["result"] == "failed"


def test_accounts_that_do_not_add_up_are_a_failure(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.receive(make_message(), at=NOW)
    with installation.database.write() as session:
        session.execute(text("UPDATE message SET decision = 'follow_up'"))

    status, items = checked(installation, capsys)

    assert status == 1
    assert "there are 1 tickets" in items["accounts"][0]["detail"]


# ---- audit -------------------------------------------------------------------------------------


def test_an_unbroken_log_verifies(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.receive(make_message(), at=NOW)

    assert installation.intake("audit", "verify", "--json") == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    assert answer["events"] > 1
    assert len(answer["head"]) == 64


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE event SET actor = 'nobody' WHERE id = 1",
        "DELETE FROM event WHERE id = 1",
        "UPDATE event SET hash = 'f' WHERE id = 2",
    ],
)
def test_a_changed_log_is_status_5(
    installation: Installation, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    installation.receive(make_message(), at=NOW)
    with installation.database.write() as session:
        session.execute(text("PRAGMA foreign_keys=OFF"))
        session.execute(text(change))

    assert installation.intake("audit", "verify") == 5
    assert "does not verify" in capsys.readouterr().err


def test_the_export_is_one_json_list(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.receive(make_message(), at=NOW)

    assert installation.intake("audit", "export") == 0

    events = json.loads(capsys.readouterr().out)
    assert events[0]["action"] == "installation_initialised"
    assert "ticket_opened" in {event["action"] for event in events}
    assert "Misissued" not in json.dumps(events)


def test_the_csv_has_no_formula_in_it(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    with installation.database.write() as session:
        record_event(session, "noted", actor='=HYPERLINK("http://x")', now=NOW)

    assert installation.intake("audit", "export", "--csv") == 0

    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0][:3] == ["id", "at", "actor"]
    assert rows[-1][2] == '\'=HYPERLINK("http://x")'


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\tx", "\rx"])
def test_cells_that_would_calculate_are_quoted(cell: str) -> None:
    assert csv_cell(cell) == f"'{cell}"


# ---- backup ------------------------------------------------------------------------------------


def test_a_backup_is_whole_private_and_verifies(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.receive(make_message(), at=NOW)
    target = tmp_path / "backups" / "intake.db"
    target.parent.mkdir()

    assert installation.intake("backup", str(target)) == 0

    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in target.parent.iterdir()] == ["intake.db"]
    before = target.read_bytes()
    status, items = checked(installation, capsys, "--backup", str(target))
    assert status == 0
    assert items["messages"][0]["detail"] == "1, each with its digest"
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == ["intake.db"]


def test_a_backup_while_somebody_writes_is_of_one_instant(
    installation: Installation, tmp_path: Path
) -> None:
    with installation.database.write() as session:
        record_event(session, "noted", actor="x", now=NOW)
        session.flush()

        assert installation.intake("backup", str(tmp_path / "copy.db")) == 0

    copy = sqlite3.connect(tmp_path / "copy.db")
    assert copy.execute("SELECT count(*) FROM event WHERE action = 'noted'").fetchone() == (0,)
    copy.close()


def test_a_backup_overwrites_nothing(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there.db").write_text("mine", encoding="utf-8")

    assert installation.intake("backup", str(tmp_path / "there.db")) == 2

    assert (tmp_path / "there.db").read_text(encoding="utf-8") == "mine"
    assert "is there already" in capsys.readouterr().err


def test_a_backup_into_nowhere_is_told(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installation.intake("backup", str(tmp_path / "no" / "such.db")) == 4
    assert "can't be written" in capsys.readouterr().err


def test_a_backup_with_changed_bytes_is_status_5(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.receive(make_message(), at=NOW)
    target = tmp_path / "copy.db"
    installation.intake("backup", str(target))
    damaged = sqlite3.connect(target)
    damaged.execute("UPDATE sealedmessage SET sealed = x'01' || zeroblob(60)")
    damaged.commit()
    damaged.close()

    status, items = checked(installation, capsys, "--backup", str(target))

    assert status == 5
    assert "1 of 1 messages do not verify" in items["messages"][0]["detail"]


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_what_is_no_backup_is_status_5(
    installation: Installation,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
) -> None:
    (tmp_path / "copy.db").write_bytes(content)

    status, _ = checked(installation, capsys, "--backup", str(tmp_path / "copy.db"))

    assert status == 5


def test_postgresql_is_backed_up_with_its_own_tool(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    from intake.cli.audit import refuse_postgresql
    from intake.errors import UsageError

    with pytest.raises(UsageError, match="pg_dump"):
        refuse_postgresql("postgresql+psycopg://intake@db/intake")


@pytest.mark.parametrize("url", ["postgresql+psycopg://me:hunter2@db:port/x"])
def test_a_database_address_that_can_not_be_used_is_status_3_without_its_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    config = make_config(tmp_path)
    config.path.write_text(config.path.read_text().replace("sqlite:///intake.db", url))

    assert main(["--config", str(config.path), "trace", "<a@b>"]) == 3
    assert "hunter2" not in capsys.readouterr().err


def test_a_locked_database_is_status_4(
    installation: Installation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intake.database.engine.BUSY_TIMEOUT_SECONDS", 0)
    raw = installation.config.path.parent / "one.eml"
    raw.write_bytes(make_message())

    with installation.database.write():
        status = installation.intake("import", str(raw))

    assert status == 4
    assert "database is locked" in capsys.readouterr().err
