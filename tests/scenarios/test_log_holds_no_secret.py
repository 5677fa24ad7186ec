"""The log of the real service tells of every unit of work, and of no mail and no secret."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import func, select

from intake.clock import wall_clock
from intake.tables import Message, Notice
from tests.builders import make_message
from tests.servers import DovecotServer, SmtpPeer
from tests.world import World, arrived, make_world, wait_for

CANARY = "canarywordofthereporter"
KEY_LINE = "MIIEowIBAAKCAQEA" + CANARY
SECRETS = ("secret", "xoxb-", "xapp-", CANARY, "PRIVATE KEY")


@pytest.fixture
def world(tmp_path: Path, dovecot: DovecotServer, smtp_peer: SmtpPeer) -> Iterator[World]:
    more = '[service]\nlog_format = "json"'
    with make_world(tmp_path, dovecot, smtp_peer, more=more) as made:
        yield made


def mails() -> list[bytes]:
    """Reports that hold the canary wherever text can stand, some of them odd."""
    stamp = (arrived(wall_clock()),)
    key = f"-----BEGIN RSA PRIVATE KEY-----\r\n{KEY_LINE}\r\n-----END RSA PRIVATE KEY-----\r\n"
    multipart = f'multipart/mixed; boundary="{CANARY}"'
    part = (
        f"--{CANARY}\r\nContent-Type: application/pdf; name={CANARY}.pdf\r\n"
        f"Content-Transfer-Encoding: base64\r\n\r\n{CANARY}!!\r\n--{CANARY}--\r\n"
    )
    return [
        make_message(message_id="<1@x>", subject=CANARY, body=f"{CANARY} {key}", received=stamp),
        make_message(
            message_id="<2@x>", sender=f"{CANARY} <{CANARY}@x.example>", received=stamp,
            headers=(("Content-Type", multipart), ("X-Odd", CANARY * 5000)), body=part,
        ),
        make_message(
            message_id="<3@x>", received=stamp, headers=(("Content-Type", "text/html"),),
            body=f"<p>{CANARY}<a href='https://crt.sh/?id=19429431&x={CANARY}'>{CANARY}</a>",
        ),
        make_message(message_id=None, headers=(("Date", CANARY),), received=stamp, body=CANARY),
    ]  # fmt: skip


def test_the_log_of_the_service_holds_no_secret_and_no_mail(world: World, tmp_path: Path) -> None:
    """Whatever stands in the mail, and while Slack and the mailbox fail too."""
    world.stack.close()
    for raw in mails():
        world.dovecot.deliver(raw)
    log = tmp_path / "log"
    command = [sys.executable, "-m", "intake.cli.main", "--config", str(world.config.path), "run"]
    world.slack.fail("chat.postMessage", "internal_error", times=3)
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
        try:
            wait_for(lambda: told(world) and "job taken" in log.read_text(), 40)
            world.dovecot.stop()
            wait_for(lambda: "trying again" in log.read_text(), 30)
        finally:
            process.terminate()
            process.wait(20)

    text = log.read_text()
    assert [secret for secret in SECRETS if secret.casefold() in text.casefold()] == []
    lines = [json.loads(line) for line in text.splitlines()]
    said = {line["event"] for line in lines}
    assert {"mailbox read", "message decided", "notice taken", "job taken"} <= said
    decided = [line for line in lines if line["event"] == "message decided"]
    assert [(one["decision"], one["ticket"]) for one in decided] == [
        ("ticket", number) for number in range(1, 5)
    ]
    assert len(decided) == 4


def told(world: World) -> bool:
    with world.database.read() as session:
        messages = session.exec(select(func.count()).where(Message.decision == "ticket")).one()
        sent = session.exec(
            select(func.count()).where(Notice.kind == "card", Notice.sent_at != None)  # noqa: E711
        ).one()
    return messages == sent == 4
