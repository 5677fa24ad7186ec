"""`intake trace`: what became of a message, in JSON and for people."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from intake.mailbox.folder import UidRange
from intake.tables import Probe
from intake.trace.answer import trace_text
from tests.builders import make_message
from tests.desk import Installation, make_installation

SEED_ID = "<A7B38FB3-EC73-444F-9DD8-78A9A784CAE5@titanous.com>"
T0 = datetime(2017, 8, 13, 4, 45, 20, tzinfo=UTC)
SEEN = T0 + timedelta(minutes=2)
NOW = T0 + timedelta(days=1)
RECEIVED = (
    "from mail.titanous.com (mail.titanous.com [198.51.100.7])\r\n"
    "\tby mx1.ca.example (Postfix) with ESMTPS id 4Xy; Sun, 13 Aug 2017 04:45:20 +0000 (UTC)"
)
PASTED = [
    SEED_ID,
    SEED_ID.strip("<>"),
    f"Message-ID: {SEED_ID}",
    f"Message-Id:\r\n {SEED_ID}",
    SEED_ID.replace("<", "%3C").replace(">", "%3E"),
    f"mailto:{SEED_ID.strip('<>')}",
    f"mid:{SEED_ID.strip('<>')}",
    SEED_ID.lower(),
    SEED_ID.upper(),
    f"  {SEED_ID}\n",
]


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setenv("INTAKE_NOW", NOW.isoformat())
    made = make_installation(tmp_path)
    yield made
    made.database.close()


def seed_report(**more: Any) -> bytes:
    values = {
        "message_id": SEED_ID,
        "sender": "Jonathan Rudenberg <jonathan@titanous.com>",
        "subject": "Misissued certificates",
        "received": (RECEIVED,),
        **more,
    }
    return make_message(**values)


def traced(
    installation: Installation, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = installation.intake("trace", *arguments, "--json")
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("query", PASTED)
def test_every_pasted_form_finds_the_message(
    installation: Installation, capsys: pytest.CaptureFixture[str], query: str
) -> None:
    installation.receive(seed_report(), at=SEEN)

    status, answer = traced(installation, capsys, query)

    assert status == 0
    assert answer["verdict"] == "RECEIVED"
    assert answer["message_id"].casefold() == SEED_ID.casefold()


def test_the_json_has_the_keys_of_the_contract(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    message = installation.receive(seed_report(), at=SEEN)

    _, answer = traced(installation, capsys, SEED_ID)

    assert answer["messages"] == [
        {
            "sha256": message.sha256,
            "received_at": "2017-08-13T04:45:20Z",
            "received_from": "received",
            "sent_at": "2026-11-24T10:59:00Z",
            "decision": "ticket",
            "ticket": 1,
            "acknowledged_at": None,
            "sightings": [
                {
                    "mailbox": "cps", "folder": "INBOX", "uidvalidity": 7, "uid": 1,
                    "internal_date": "2017-08-13T04:47:20Z",
                    "first_seen_at": "2017-08-13T04:47:20Z",
                    "gone_since": None, "in_junk": False,
                }
            ],
        }
    ]  # fmt: skip
    assert {
        "query", "message_id", "verdict", "explanation", "messages", "mail_log", "probes",
        "coverage", "near_misses",
    } <= set(answer)  # fmt: skip
    assert answer["coverage"][0]["source"] == "mailbox cps folder INBOX"
    assert answer["near_misses"] == []


def test_a_message_that_lies_only_in_junk_is_in_junk(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.receive(seed_report(), at=SEEN, folder="Junk")

    status, answer = traced(installation, capsys, SEED_ID)

    assert (status, answer["verdict"]) == (0, "IN_JUNK")


def test_a_message_seen_later_than_fifteen_minutes_is_late(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.receive(seed_report(), at=T0 + timedelta(hours=20))

    status, answer = traced(installation, capsys, SEED_ID)

    assert (status, answer["verdict"]) == (0, "RECEIVED_LATE")
    assert "only 20 hours after it was received" in answer["explanation"]


def test_a_message_that_never_came_is_not_seen_and_status_1(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.read_folder(T0 - timedelta(days=3))
    installation.read_folder(NOW)

    status, answer = traced(installation, capsys, SEED_ID, "--around", "2017-08-13T00:45:12-04:00")

    assert status == 1
    assert answer["verdict"] == "NOT_SEEN_WITH_COVERAGE_GAPS"
    assert answer["messages"] == []
    assert answer["asked"] == {"from": "2017-08-11T04:45:12Z", "to": "2017-08-14T04:45:20Z"}
    assert answer["coverage"][0]["complete"] is True
    assert any("logs of our mail servers" in text for text in answer["not_read"])
    assert SEED_ID.strip("<>") in answer["words_to_send"]


def test_the_digest_of_a_message_is_a_query_too(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    message = installation.receive(seed_report(), at=SEEN)

    status, answer = traced(installation, capsys, message.sha256)

    assert (status, answer["message_id"]) == (0, SEED_ID)


def test_a_folder_that_was_not_read_in_time_is_a_gap(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.read_folder(T0 - timedelta(days=3))
    installation.read_folder(T0 - timedelta(days=1))

    _, answer = traced(installation, capsys, SEED_ID, "--around", T0.isoformat())

    assert answer["coverage"] == [
        {
            "source": "mailbox cps folder INBOX",
            "from": "2017-08-11T04:45:20Z",
            "to": "2017-08-12T04:45:20Z",
            "complete": False,
            "gaps": [{"from": "2017-08-12T04:45:20Z", "to": "2017-08-14T04:45:20Z"}],
            "uid_gaps": [],
        }
    ]


def test_what_the_first_poll_took_until_it_came_to_a_folder_is_no_gap(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each folder says itself from when on it was read."""
    later = T0 + timedelta(seconds=1)
    for at in (T0, NOW):
        installation.read_folder(at)
        installation.read_folder(max(at, later), folder="Junk")

    _, answer = traced(installation, capsys, SEED_ID)

    assert [(one["from"], one["complete"], one["gaps"]) for one in answer["coverage"]] == [
        ("2017-08-13T04:45:20Z", True, []), ("2017-08-13T04:45:21Z", True, []),
    ]  # fmt: skip
    asked = "--around", T0.isoformat()
    _, answer = traced(installation, capsys, SEED_ID, *asked)
    assert [one["complete"] for one in answer["coverage"]] == [False, False]


def test_uids_that_were_gone_before_we_looked_are_told(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.read_folder(T0 - timedelta(days=1), cursor=6)
    installation.read_folder(NOW, cursor=9, gaps=(UidRange(7, 9),))

    _, answer = traced(installation, capsys, SEED_ID)

    assert answer["coverage"][0]["complete"] is False
    assert answer["coverage"][0]["uid_gaps"][0]["uids"] == [7, 9]
    assert "3 messages may have come without our having them" in answer["explanation"]


def test_nothing_was_ever_read(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    status, answer = traced(installation, capsys, SEED_ID)

    assert status == 1
    assert "no mailbox has been read" in answer["explanation"]
    assert any("cps" in text and "never read" in text for text in answer["not_read"])


@pytest.mark.parametrize(
    ("other_id", "words"),
    [
        (SEED_ID.replace("A784", "A785"), "1 character differs"),
        (SEED_ID.replace("A784CAE5", "A784"), "4 characters differ"),
        (SEED_ID.replace("titanous.com", "elsewhere.example"), "the same part before the @"),
    ],
)
def test_a_message_id_that_is_nearly_the_same_is_a_near_miss(
    installation: Installation, capsys: pytest.CaptureFixture[str], other_id: str, words: str
) -> None:
    message = installation.receive(seed_report(message_id=other_id), at=SEEN)

    status, answer = traced(installation, capsys, SEED_ID)

    assert status == 1
    assert answer["near_misses"][0]["sha256"] == message.sha256
    assert words in answer["near_misses"][0]["why"]


def test_a_message_that_mentions_the_id_is_a_near_miss(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    reply = make_message(
        message_id="<reply@other.example>", headers=(("References", SEED_ID),), received=(RECEIVED,)
    )
    message = installation.receive(reply, at=SEEN)

    status, answer = traced(installation, capsys, SEED_ID)

    assert status == 1
    assert answer["near_misses"][0]["sha256"] == message.sha256
    assert "mentions this Message-ID" in answer["near_misses"][0]["why"]


def test_near_misses_by_sender_domain_and_time(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    senders = ("jonathan@titanous.com", "office@titanous.com", "someone@else.example")
    for uid, sender in enumerate(senders, start=1):
        raw = seed_report(sender=sender, message_id=f"<other-{uid}@{uid}.example>")
        installation.receive(raw, at=SEEN, uid=uid)

    _, answer = traced(
        installation, capsys, SEED_ID,
        "--from", "<Jonathan@titanous.com>", "--around", "2017-08-13T04:15:00Z",
    )  # fmt: skip

    near = {miss["from"]: miss["why"] for miss in answer["near_misses"]}
    assert [miss["from"] for miss in answer["near_misses"]] == list(senders)
    assert near[senders[0]] == (
        "from jonathan@titanous.com; received 30 minutes after the time asked about"
    )
    assert "from an address at titanous.com" in near[senders[1]]
    assert near[senders[2]] == "received 30 minutes after the time asked about"


def test_without_a_time_the_domain_of_the_id_finds_its_senders(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.receive(seed_report(message_id="<quite-another@host.example>"), at=SEEN)

    _, answer = traced(installation, capsys, SEED_ID)

    assert [miss["why"] for miss in answer["near_misses"]] == ["from an address at titanous.com"]


def test_words_that_are_no_message_id_find_near_misses(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.receive(seed_report(), at=SEEN)

    status, answer = traced(installation, capsys, "misissued certificates")

    assert status == 1
    assert answer["message_id"] is None
    assert [miss["from"] for miss in answer["near_misses"]] == ["jonathan@titanous.com"]


def test_words_of_the_subject_find_near_misses(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.receive(seed_report(sender="x@y.example", message_id="<z@z>"), at=SEEN)

    _, answer = traced(installation, capsys, SEED_ID, "--subject", "Misissued")

    assert [miss["why"] for miss in answer["near_misses"]] == ["holds the words asked for"]


def test_test_messages_of_the_time_are_listed(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    with installation.database.write() as session:
        session.add(Probe(address="cps@ca.example", message_id="p@x", sent_at=T0, arrived_at=SEEN))
        session.add(
            Probe(address="cps@ca.example", message_id="q@x", sent_at=T0 - timedelta(days=9))
        )

    _, answer = traced(installation, capsys, SEED_ID, "--around", T0.isoformat())

    assert answer["probes"] == [
        {
            "sent_at": "2017-08-13T04:45:20Z",
            "arrived_at": "2017-08-13T04:47:20Z",
            "address": "cps@ca.example",
        }
    ]


def test_people_read_the_verdict_first_and_the_next_commands_last(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    message = installation.receive(seed_report(), at=SEEN, folder="Junk")
    capsys.readouterr()

    assert installation.intake("trace", SEED_ID) == 0

    text = capsys.readouterr().out
    assert text.startswith("IN_JUNK: We have this message, but it lies in Junk; it is in ticket 1.")
    assert "2017-08-13 04:45:20  received (T0)" in text
    assert "seen in cps / Junk (JUNK)" in text
    assert "NOT ACKNOWLEDGED" in text
    assert "  intake ticket show 1\n" in text
    assert f"  intake message show {message.sha256[:16]}\n" in text
    assert "Words that could be sent" not in text


def test_people_who_get_a_negative_get_words_to_send_and_commands(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.read_folder(T0 - timedelta(days=3))
    capsys.readouterr()

    assert installation.intake("trace", SEED_ID) == 1

    text = capsys.readouterr().out
    bare = SEED_ID.strip("<>")
    assert text.startswith("NOT_SEEN_WITH_COVERAGE_GAPS: We have not seen a message with this")
    assert f"zgrep -hF -- {bare} /var/log/mail.log*   # on mx1.ca.example" in text
    assert f"intake trace '{SEED_ID}' --from ADDRESS --around TIME" in text
    assert "As of 14 August 2017, 04:45 UTC" in " ".join(text.replace("|", " ").split())
    assert "That the message was not sent." in text


def test_a_hostile_query_moves_no_cursor_and_breaks_no_quotes(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()

    assert installation.intake("trace", "<a'; rm -rf /\x1b[2J@x.example>") == 1

    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "'\"'\"'" in text


def test_a_time_that_is_none_is_wrong_usage(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installation.intake("trace", SEED_ID, "--around", "Sunday") == 2
    assert "--around 'Sunday' is not an instant" in capsys.readouterr().err


def test_slack_gets_the_same_text(installation: Installation) -> None:
    installation.receive(seed_report(), at=SEEN)

    text = trace_text(installation.database, installation.config, SEED_ID, now=NOW)

    assert text.startswith("RECEIVED: We have this message; it is in ticket 1.")
