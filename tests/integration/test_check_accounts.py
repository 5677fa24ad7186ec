"""`intake check` adds up messages and UIDs, and says what does not fit."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from intake.mailbox.folder import FetchedMessage, UidRange
from intake.tables import Sighting, WatchedMailbox
from tests.builders import make_message
from tests.desk import Installation, make_installation

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setenv("INTAKE_NOW", NOW.isoformat())
    made = make_installation(tmp_path)
    yield made
    made.database.close()


def checked(
    installation: Installation, capsys: pytest.CaptureFixture[str], item: str
) -> tuple[int, dict[str, Any]]:
    """Return the status and the item of this name."""
    capsys.readouterr()
    status = installation.intake("check", "--json")
    (found,) = (one for one in json.loads(capsys.readouterr().out) if one["item"] == item)
    return status, found


def fetched(*uids: int) -> tuple[FetchedMessage, ...]:
    return tuple(
        FetchedMessage(uid, NOW, make_message(message_id=f"<{uid}@x>", body=f"{uid}"))
        for uid in uids
    )


def test_both_sums_are_printed(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.read_folder(NOW, messages=fetched(1, 2, 5), cursor=5, gaps=(UidRange(3, 4),))
    installation.process(NOW)

    status, accounts = checked(installation, capsys, "accounts")
    _, uids = checked(installation, capsys, "UID accounts")

    assert status == 0
    assert accounts["detail"] == "3 messages = 3 that opened a ticket"
    assert uids["detail"] == (
        "1 folders, 5 UIDs = 3 stored + 0 gone since + 2 gone before we looked + 0 not handed out"
    )


def test_a_message_may_wait_for_minutes(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.read_folder(NOW - timedelta(minutes=14), messages=fetched(1), cursor=1)

    status, accounts = checked(installation, capsys, "accounts")

    assert (status, accounts["result"]) == (0, "ok")
    assert accounts["detail"] == "1 messages = 0 that opened a ticket + 1 not looked into yet"


def test_a_message_that_waits_for_longer_is_a_failure(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.read_folder(NOW - timedelta(minutes=16), messages=fetched(1), cursor=1)

    status, accounts = checked(installation, capsys, "accounts")

    assert (status, accounts["result"]) == (1, "failed")
    assert "longer than 15 minutes" in accounts["detail"]


def test_p51_a_uid_that_nothing_accounts_for_is_a_failure(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.read_folder(NOW, messages=fetched(1, 2, 3), cursor=3)
    installation.process(NOW)
    with installation.database.write() as session:
        session.delete(session.exec(select(Sighting).where(Sighting.uid == 2)).one())

    status, uids = checked(installation, capsys, "UID accounts")

    assert (status, uids["result"]) == (1, "failed")
    assert "1 UNACCOUNTED FOR" in uids["detail"]
    assert "intake reconcile" in uids["fix"]


# ---- the second reader -------------------------------------------------------------------------


def watched(installation: Installation, **values: Any) -> None:
    installation.read_folder(NOW - timedelta(hours=1), messages=fetched(1), cursor=1)
    installation.process(NOW)
    with installation.database.write() as session:
        row = WatchedMailbox(name="cps", watch_from=NOW, last_good_poll_at=NOW, **values)
        session.add(row)


@pytest.mark.parametrize(
    ("values", "status", "result", "text"),
    [
        ({}, 0, "ok", "for the first time at 2026-11-25 03:30 UTC"),
        ({"reconciled_at": NOW - timedelta(hours=8)}, 0, "ok", "it looked at 2026-11-24 04:00"),
        (
            {"reconciled_at": NOW - timedelta(days=3)},
            0,
            "warning",
            "it should have looked at 2026-11-22 03:30",
        ),
        (
            {"reconciled_at": NOW - timedelta(hours=8), "differences": 2},
            1,
            "failed",
            "and found 2 differences",
        ),
    ],
)
def test_what_the_second_reader_found_and_when(
    installation: Installation,
    capsys: pytest.CaptureFixture[str],
    values: dict[str, Any],
    status: int,
    result: str,
    text: str,
) -> None:
    watched(installation, **values)

    got, item = checked(installation, capsys, "second reader")

    assert (got, item["result"]) == (status, result)
    assert text in item["detail"]
