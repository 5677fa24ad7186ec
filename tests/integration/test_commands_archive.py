"""`intake search`, `message`, `import` and `reprocess` on a real archive."""

import hashlib
import json
import mailbox
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from intake.cli.mail_files import split_mbox
from intake.events import broken_links
from intake.tables import Event, Job, Message, Ticket
from tests.builders import make_message
from tests.desk import Installation, make_installation

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
T0 = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
FINGERPRINT = hashlib.sha256(b"a certificate").hexdigest()
BODY = (
    "Please look at https://crt.sh/?id=19429431&opt=cablint and at the certificate with the\r\n"
    f"SHA-256 fingerprint {FINGERPRINT}, serial number 0a:1b:2c:3d:4e:5f:60:71,\r\n"
    "for shop.subscriber.example.\r\n"
)
KEY = (
    "-----BEGIN PRIVATE KEY-----\r\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgw2oBaQuCpzXcmJrL\r\n"
    "-----END PRIVATE KEY-----\r\n"
)


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setenv("INTAKE_NOW", NOW.isoformat())
    made = make_installation(tmp_path)
    yield made
    made.database.close()


def messages(installation: Installation) -> list[Message]:
    with installation.database.read() as session:
        return list(session.exec(select(Message).order_by(Message.id)).all())


def events(installation: Installation, action: str) -> list[Event]:
    with installation.database.read() as session:
        assert list(broken_links(session)) == []
        return list(session.exec(select(Event).where(Event.action == action)).all())


# ---- search ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<report-1@reporter.example>", "Message-ID"),
        ("Message-ID: report-1@reporter.example", "Message-ID"),
        ("rita@reporter.example", "sender"),
        ("Rita", "words"),
        ("Misissued certificate", "words"),
        ("shop.subscriber.example", "words"),
        ("19429431", "crt.sh id"),
        ("https://crt.sh/?id=19429431&opt=cablint", "crt.sh id"),
        (FINGERPRINT.upper(), "fingerprint"),
        (re.sub("(..)(?=.)", r"\1:", FINGERPRINT.upper()), "fingerprint"),
        ("0A:1B:2C:3D:4E:5F:60:71", "serial number"),
        (str(0x0A1B2C3D4E5F6071), "serial number"),
    ],
)
def test_a_message_and_its_ticket_are_found_by_what_is_known_of_them(
    installation: Installation, capsys: pytest.CaptureFixture[str], text: str, why: str
) -> None:
    message = installation.receive(make_message(body=BODY), at=T0)

    assert installation.intake("search", text, "--json") == 0

    found = json.loads(capsys.readouterr().out)
    assert [one["sha256"] for one in found["messages"]] == [message.sha256]
    assert [one["number"] for one in found["tickets"]] == [1]
    assert why in found["messages"][0]["why"]


@pytest.mark.parametrize("text", ["#1", "CPR-1", "[CPR-1-0a1b2c3d]"])
def test_a_ticket_is_found_by_its_number(
    installation: Installation, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    installation.receive(make_message(), at=T0)

    assert installation.intake("search", text, "--json") == 0

    assert [one["number"] for one in json.loads(capsys.readouterr().out)["tickets"]] == [1]


def test_nothing_found_is_status_1_and_says_what_next(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installation.intake("search", "nothing", "like", "this") == 1
    assert "intake trace" in capsys.readouterr().out


def test_people_see_tickets_and_messages_as_tables(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = make_message(subject="Turn \u202e me \x1b[31m round")
    message = installation.receive(raw, at=T0)

    assert installation.intake("search", "rita@reporter.example") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("TICKET")
    assert any(line.startswith(message.sha256[:16]) for line in lines)
    assert not any("\x1b" in line or "\u202e" in line for line in lines)


# ---- message show ------------------------------------------------------------------------------


def test_a_message_is_shown_by_a_prefix_of_its_digest_and_by_its_id(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    message = installation.receive(make_message(body=BODY), at=T0, folder="Junk")

    for name in (message.sha256[:8], "<report-1@reporter.example>", f"sha256:{message.sha256}"):
        assert installation.intake("message", "show", name) == 0
        text = capsys.readouterr().out
        assert message.sha256 in text
        assert "cps / Junk, JUNK, UID 1" in text
        assert "shop.subscriber.example" in text


def test_raw_writes_the_exact_bytes(
    installation: Installation, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    raw = make_message(body="8 bit: \xff\r\n", subject="bytes").replace(b"\xc3\xbf", b"\xff\x00")
    message = installation.receive(raw, at=T0)
    capfdbinary.readouterr()

    assert installation.intake("message", "show", message.sha256[:12], "--raw") == 0

    assert capfdbinary.readouterr().out == raw


def test_a_private_key_is_never_shown_as_text(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    message = installation.receive(make_message(body=f"Found this:\r\n{KEY}"), at=T0)

    assert installation.intake("message", "show", message.sha256) == 0

    text = capsys.readouterr().out
    assert "MIGHAgEAMBMG" not in text
    assert "a private key" in text


def test_raw_bytes_with_a_private_key_need_a_word_and_are_recorded(
    installation: Installation, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    raw = make_message(body=f"Found this:\r\n{KEY}")
    message = installation.receive(raw, at=T0)
    capfdbinary.readouterr()

    assert installation.intake("message", "show", message.sha256, "--raw") == 1
    refused = capfdbinary.readouterr()
    assert refused.out == b""
    assert b"holds a private key" in refused.err
    assert events(installation, "private_key_revealed") == []

    assert installation.intake("message", "show", message.sha256, "--raw", "--reveal-keys") == 0
    assert capfdbinary.readouterr().out == raw
    (event,) = events(installation, "private_key_revealed")
    assert event.detail == {"sha256": message.sha256}


def test_several_messages_of_one_id_are_listed_with_status_1(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    one = installation.receive(make_message(), at=T0)
    other = installation.receive(make_message(body="something else"), at=T0, uid=2)

    assert installation.intake("message", "show", "<report-1@reporter.example>") == 1

    text = capsys.readouterr().out
    assert one.sha256[:16] in text
    assert other.sha256[:16] in text


def test_an_unknown_message_is_status_1(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installation.intake("message", "show", "<no@such.example>") == 1
    assert "intake trace" in capsys.readouterr().err


def test_message_as_json(installation: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    message = installation.receive(make_message(), at=T0)

    assert installation.intake("message", "show", message.sha256, "--json") == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["sha256"] == message.sha256
    assert shown["message_ids"] == ["<report-1@reporter.example>"]
    assert shown["ticket"] == 1


# ---- import ------------------------------------------------------------------------------------


def test_an_eml_is_searchable_and_opens_no_ticket(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.eml").write_bytes(make_message(body=BODY))

    assert installation.intake("import", str(tmp_path / "one.eml")) == 0

    assert "1 new, 0 there already" in capsys.readouterr().out
    (message,) = messages(installation)
    assert (message.decision, message.ticket) == ("before_watch", None)
    assert (message.received_at, message.received_from) == (T0, "received")
    with installation.database.read() as session:
        assert session.exec(select(Ticket)).all() == []
        assert {job.state for job in session.exec(select(Job)).all()} == {"done"}
    assert installation.intake("search", "shop.subscriber.example") == 0
    (event,) = events(installation, "messages_imported")
    assert event.detail == {"new": 1, "known": 0, "tickets": []}


def test_a_second_import_changes_nothing(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.eml").write_bytes(make_message())
    installation.intake("import", str(tmp_path / "one.eml"))
    before = messages(installation)
    capsys.readouterr()

    assert installation.intake("import", str(tmp_path / "one.eml")) == 0

    assert "0 new, 1 there already" in capsys.readouterr().out
    assert messages(installation) == before


def test_open_tickets_opens_them(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(make_message(body=BODY))
    (tmp_path / "two.eml").write_bytes(
        make_message(message_id="<2@r.example>", body="no stamp", received=())
    )

    assert (
        installation.intake(
            "import", "--open-tickets", str(tmp_path / "one.eml"), str(tmp_path / "two.eml")
        )
        == 0
    )

    assert [(one.decision, one.ticket) for one in messages(installation)] == [
        ("ticket", 1),
        ("ticket", 2),
    ]


def test_tickets_may_be_opened_later_for_what_was_only_archived(
    installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "one.eml").write_bytes(make_message(received=()))
    installation.intake("import", str(tmp_path / "one.eml"))

    installation.intake("import", "--open-tickets", str(tmp_path / "one.eml"))

    assert [(one.decision, one.ticket) for one in messages(installation)] == [("ticket", 1)]


@pytest.mark.parametrize(
    ("options", "at", "source"),
    [
        (["--received-at", "2026-11-01T00:00:00Z"], datetime(2026, 11, 1, tzinfo=UTC), "stated"),
        ([], NOW, "import"),
    ],
)
def test_without_a_stamp_of_ours_t0_is_stated_or_now_and_never_the_date_header(
    installation: Installation,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    at: datetime,
    source: str,
) -> None:
    (tmp_path / "one.eml").write_bytes(make_message(received=()))

    assert installation.intake("import", str(tmp_path / "one.eml"), *options) == 0

    (message,) = messages(installation)
    assert (message.received_at, message.received_from) == (at, source)
    assert ("no stamp of our own hosts" in capsys.readouterr().out) == (source == "import")


def test_a_stamp_of_ours_goes_before_what_is_stated(
    installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "one.eml").write_bytes(make_message())

    installation.intake(
        "import", str(tmp_path / "one.eml"), "--received-at", "2026-11-01T00:00:00Z"
    )

    assert messages(installation)[0].received_at == T0


def test_an_mbox_is_split_and_its_quoting_taken_off(
    installation: Installation, tmp_path: Path
) -> None:
    one = make_message(body="Hello\r\n\r\n>From here on\r\n").replace(b"\r\n", b"\n")
    two = make_message(message_id="<2@r.example>", body="Bye\r\n").replace(b"\r\n", b"\n")
    box = mailbox.mbox(tmp_path / "old.mbox")
    box.add(one.replace(b">From here", b"From here"))
    box.add(two)
    box.close()

    installation.intake("import", str(tmp_path / "old.mbox"))

    found = messages(installation)
    assert [message.size for message in found] == [len(one) - 1, len(two)]


def test_a_maildir_and_a_folder_of_files_are_walked(
    installation: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mail").mkdir()
    maildir = mailbox.Maildir(tmp_path / "mail" / "box")
    maildir.add(make_message(message_id="<1@r.example>"))
    maildir.add_folder("Old").add(make_message(message_id="<2@r.example>"))
    maildir.close()
    (tmp_path / "mail" / "more").mkdir()
    (tmp_path / "mail" / "more" / "a.eml").write_bytes(make_message(message_id="<3@r.example>"))
    (tmp_path / "mail" / "more" / "empty.eml").write_bytes(b"")
    (tmp_path / "mail" / "more" / "notes.txt").write_text("no mail", encoding="utf-8")

    assert installation.intake("import", str(tmp_path / "mail")) == 0

    said = capsys.readouterr()
    assert "3 new" in said.out
    assert "empty.eml: empty" in said.err
    assert "notes.txt" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.eml"], "no such file"),
        (["--received-at", "soon"], "is not an instant"),
        (["--received-at", "2030-01-01T00:00:00Z"], "lies in the future"),
    ],
)
def test_wrong_usage_of_import(
    installation: Installation,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    (tmp_path / "one.eml").write_bytes(make_message())

    assert installation.intake("import", str(tmp_path / "one.eml"), *arguments) == 2
    assert words in capsys.readouterr().err


def test_junk_bytes_are_archived_all_the_same(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "junk.eml").write_bytes(bytes(range(256)) * 40)

    assert installation.intake("import", str(tmp_path / "junk.eml")) == 0

    assert len(messages(installation)) == 1


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b"From a\nX: 1\n\nbody\n\nFrom b\nY: 2\n\nb\n", [b"X: 1\n\nbody\n", b"Y: 2\n\nb\n"]),
        (b"From a\nX: 1\n\nno\nFrom here\n", [b"X: 1\n\nno\nFrom here\n"]),
        (b"From a\nX: 1\n\n>From x\n>>From y\n", [b"X: 1\n\nFrom x\n>From y\n"]),
        (b"From a\r\nX: 1\r\n\r\nb\r\n\r\nFrom b\r\n\r\n", [b"X: 1\r\n\r\nb\r\n", b"\r\n"]),
        (b"no mbox\n", []),
    ],
)
def test_splitting_an_mbox(text: bytes, parts: list[bytes]) -> None:
    assert list(split_mbox(text.splitlines(keepends=True))) == parts


# ---- reprocess ---------------------------------------------------------------------------------


def test_reprocessing_what_is_derived_right_differs_in_nothing(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    installation.receive(make_message(body=BODY), at=T0)

    assert installation.intake("reprocess") == 0
    assert "1 messages read again; 0 differed" in capsys.readouterr().out


def test_reprocessing_writes_what_a_message_shows_anew_and_says_so(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    message = installation.receive(make_message(body=BODY), at=T0)
    with installation.database.write() as session:
        stored = session.get_one(Message, message.id)
        stored.subject, stored.sender = "wrong", None
        session.add(stored)

    assert installation.intake("reprocess", message.sha256[:12], "--json") == 1

    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [(one["what"], one["derived"]) for one in answer["differences"]] == [
        ("sender", "rita@reporter.example"),
        ("subject", "Misissued certificate"),
    ]
    assert messages(installation)[0].subject == "Misissued certificate"
    assert installation.intake("reprocess") == 0


def test_reprocessing_tells_an_earlier_t0_and_leaves_it_to_a_person(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    message = installation.receive(make_message(), at=T0)
    with installation.database.write() as session:
        stored = session.get_one(Message, message.id)
        stored.received_at = T0 + timedelta(minutes=30)
        session.add(stored)

    assert installation.intake("reprocess") == 1

    assert "NOT CHANGED" in capsys.readouterr().out
    assert messages(installation)[0].received_at == T0 + timedelta(minutes=30)


def test_reprocessing_what_is_not_there_is_wrong_usage(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installation.intake("reprocess", "<no@such.example>") == 2
