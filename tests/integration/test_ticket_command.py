"""`intake ticket` and `intake escalation` as a person calls them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from intake.events import broken_links
from intake.tables import WatchedMailbox
from tests.builders import make_message
from tests.desk import Installation, make_installation

T0 = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)  # the stamp of our own host in `make_message`
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """An installation with one ticket, an hour after its T0."""
    set_clock(monkeypatch, NOW)
    monkeypatch.setenv("SUDO_USER", "alice")
    made = make_installation(tmp_path)
    made.receive(make_message(), at=T0)
    yield made
    made.database.close()


def set_clock(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    monkeypatch.setenv("INTAKE_NOW", now.isoformat())


@pytest.fixture
def call(desk: Installation, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `intake …` and return status, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        status = desk.intake(*arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def shown(call: Any, number: int = 1) -> dict[str, Any]:
    status, out, _ = call("ticket", "show", str(number), "--json")
    assert status == 0
    document: dict[str, Any] = json.loads(out)
    return document


def test_show_has_every_key_of_the_contract(call: Any) -> None:
    document = shown(call)

    assert set(document) == {
        "number", "state", "disposition", "priority", "subject", "received_at", "opened_at",
        "acknowledged_at", "acknowledged_by", "assignee", "closed_at", "closed_by",
        "closed_reason", "labels", "message_ids", "reporters", "obligations", "certificates",
        "notices",
    }  # fmt: skip
    assert document["received_at"] == "2026-11-24T11:00:00Z"
    assert document["message_ids"] == ["<report-1@reporter.example>"]
    assert [
        (one["kind"], one["item"], one["due_at"], one["basis"]) for one in document["obligations"]
    ] == [
        ("acknowledgement", None, "2026-11-25T11:00:00Z", "company rule"),
        ("preliminary_report_to_reporter", None, "2026-11-25T11:00:00Z", "BR 4.9.5 (2.2.6)"),
        ("preliminary_report_to_subscriber", None, "2026-11-25T11:00:00Z", "BR 4.9.5 (2.2.6)"),
        (
            "revocation", 1, "2026-11-25T11:00:00Z",
            "BR 4.9.1.1 (2.2.6), the strictest limit until classified",
        ),
    ]  # fmt: skip
    (certificate,) = document["certificates"]
    assert certificate["crtsh_ids"] == [19429431]
    assert certificate["named_as"] == ["https://crt.sh/?id=19429431&opt=cablint"]


def test_the_whole_work_on_a_ticket(call: Any, desk: Installation) -> None:
    steps = [
        ("acknowledge", "1"),
        ("assign", "1", "U0BOB"),
        ("note", "1", "asked", "the", "RA"),
        ("classify", "1", "1", "not_issued_in_accordance"),
        (
            "report",
            "1",
            "--to",
            "reporter",
            "--at",
            "2026-11-24T11:30:00Z",
            "--message-id",
            "<r@c>",
        ),
        ("close", "1", "--reason", "revoked", "--as", "duplicate"),
    ]
    for step in steps:
        status, out, err = call("ticket", *step)
        assert (status, err) == (0, "")
        assert "Next: " in out
    document = shown(call)

    assert document["state"] == "closed"
    assert (document["acknowledged_by"], document["assignee"]) == ("alice", "U0BOB")
    assert (document["disposition"], document["closed_by"]) == ("duplicate", "alice")
    by_kind = {one["kind"]: one for one in document["obligations"]}
    assert by_kind["preliminary_report_to_reporter"]["met_at"] == "2026-11-24T11:30:00Z"
    assert by_kind["preliminary_report_to_subscriber"]["waived_at"] == "2026-11-24T12:00:00Z"
    assert by_kind["revocation"]["due_at"] == "2026-11-29T11:00:00Z"
    with desk.database.read() as session:
        assert list(broken_links(session)) == []


def test_closing_says_loudly_what_is_given_up(call: Any) -> None:
    _, out, _ = call("ticket", "close", "1", "--reason", "done")

    assert "ATTENTION, this was still owed and is owed no more: acknowledgement due" in out


def test_dismissing_and_reopening(call: Any) -> None:
    assert call("ticket", "dismiss", "1", "--reason", "spam")[0] == 0
    assert shown(call)["disposition"] == "not_a_problem_report"
    assert call("ticket", "reopen", "1", "--reason", "no spam")[0] == 0

    assert shown(call)["state"] == "open"


@pytest.mark.parametrize(
    "words",
    [
        ("ticket", "show", "77"),
        ("ticket", "show", "77", "--json"),
        ("ticket", "acknowledge", "99999999999999999999999"),
        ("ticket", "note", "0", "text"),
        ("escalation", "preview", "77"),
    ],
)
def test_an_unknown_ticket_is_status_1_and_a_clear_line(call: Any, words: tuple[str, ...]) -> None:
    status, out, err = call(*words)

    assert (status, out) == (1, "")
    assert err.startswith("There is no ticket ")


def test_acting_on_a_closed_ticket_says_how_to_go_on(call: Any) -> None:
    call("ticket", "close", "1", "--reason", "done")
    status, _, err = call("ticket", "acknowledge", "1")

    assert status == 1
    assert "closed by alice" in err
    assert "intake ticket reopen 1" in err


@pytest.mark.parametrize(
    ("at", "status"), [("yesterday", 2), ("2026-11-24T12:00:00", 2), ("2026-11-24T13:00:00Z", 1)]
)
def test_a_report_at_an_impossible_time_is_refused(call: Any, at: str, status: int) -> None:
    words = ("report", "1", "--to", "reporter", "--at", at, "--message-id", "<r@c>")

    assert call("ticket", *words)[0] == status


def test_the_list_for_people_begins_each_line_with_the_number(call: Any) -> None:
    status, out, _ = call("ticket", "list")
    first = out.splitlines()[1]

    assert status == 0
    assert first.startswith("1 ")
    assert "2026-11-25T11:00:00Z (23 h 00 min left)" in first


def test_people_see_what_is_open_and_programs_see_all(call: Any, desk: Installation) -> None:
    desk.receive(make_message(message_id="<b@x.example>", body="b"), at=T0, uid=2)
    call("ticket", "close", "1", "--reason", "done")
    _, people, _ = call("ticket", "list")
    _, everything, _ = call("ticket", "list", "--all")
    _, program, _ = call("ticket", "list", "--json")
    _, closed, _ = call("ticket", "list", "--state", "closed", "--json")

    assert [line.split()[0] for line in people.splitlines()] == ["TICKET", "2", "Closed:"]
    assert [line.split()[0] for line in everything.splitlines()] == ["TICKET", "2", "1"]
    assert [one["number"] for one in json.loads(program)] == [1, 2]
    assert [one["number"] for one in json.loads(closed)] == [1]


def test_text_from_mail_can_not_move_the_cursor(call: Any, desk: Installation) -> None:
    desk.receive(make_message(message_id="<e@x.example>", subject="\x1b[2Jgone"), at=T0, uid=2)
    _, listed, _ = call("ticket", "list")
    _, one, _ = call("ticket", "show", "2")

    assert "\x1b" not in listed + one


def test_a_late_ticket_is_said_to_be_late(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, T0 + timedelta(hours=26, minutes=5))
    _, out, _ = call("ticket", "show", "1")

    assert "(LATE by 2 h 05 min)" in out
    assert "Next: intake ticket acknowledge 1" in out


def test_the_preview_names_who_is_told_what_when(call: Any) -> None:
    status, out, _ = call("escalation", "preview", "1", "--json")
    document = json.loads(out)
    steps = {one["at"]: one for one in document["steps"]}

    assert (status, document["now"]) == (0, "2026-11-24T12:00:00Z")
    assert steps["2026-11-24T12:00:00Z"]["steps"] == ["acknowledgement 1h"]
    assert steps["2026-11-25T05:00:00Z"] == {
        "at": "2026-11-25T05:00:00Z",
        "hours_after_receipt": 18.0,
        "steps": ["acknowledgement 18h", "preliminary report 18h"],
        "to": ["S0ONCALL", "C0CPR"],
    }
    assert steps["2026-11-25T09:00:00Z"]["to"] == ["U0MIRA", "U0NOAH", "C0CPR"]


def test_the_preview_changes_nothing_and_says_so_for_a_closed_ticket(call: Any) -> None:
    before = shown(call)
    _, out, _ = call("escalation", "preview", "1")
    assert "now" in out
    assert "goes on every 1 h" in out
    assert shown(call) == before
    call("ticket", "close", "1", "--reason", "done")

    assert "Nobody would be told anything" in call("escalation", "preview", "1")[1]


def test_what_was_imported_and_then_arrives_opens_a_ticket_after_all(
    call: Any, desk: Installation, tmp_path: Path
) -> None:
    raw = make_message(message_id="<early@x.example>", body="imported first")
    (tmp_path / "early.eml").write_bytes(raw)
    assert call("import", str(tmp_path / "early.eml"))[0] == 0
    with desk.database.write() as session:
        session.merge(WatchedMailbox(name="cps", watch_from=T0 - timedelta(days=1)))
    before = json.loads(call("ticket", "list", "--json")[1])
    arrived = desk.receive(raw, at=NOW, uid=9)

    assert [one["number"] for one in before] == [1]
    assert (arrived.decision, arrived.ticket) == ("ticket", 2)


def test_what_was_imported_from_before_the_watch_stays_without_a_ticket(
    call: Any, desk: Installation, tmp_path: Path
) -> None:
    raw = make_message(message_id="<old@x.example>", body="imported first")
    (tmp_path / "old.eml").write_bytes(raw)
    call("import", str(tmp_path / "old.eml"))
    with desk.database.write() as session:
        session.merge(WatchedMailbox(name="cps", watch_from=T0 + timedelta(minutes=1)))
    arrived = desk.receive(raw, at=NOW, uid=9)

    assert (arrived.decision, arrived.ticket) == ("before_watch", None)
