"""`intake check --live` against real servers: what works, what does not, and the way in."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope

from intake.database import one_writer
from tests.servers import DovecotServer, SmtpPeer
from tests.world import World, make_world


@dataclass
class DeliveringPeer(SmtpPeer):
    """A mail relay whose mail arrives in the mailbox."""

    dovecot: DovecotServer | None = None
    folder: str = "INBOX"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Envelope) -> str:  # noqa: N802
        answer = await super().handle_DATA(server, session, envelope)
        if self.dovecot is not None and answer.startswith("250"):
            self.dovecot.deliver(self.messages[-1].raw, folder=self.folder)
        return answer


@pytest.fixture
def relay(dovecot: DovecotServer) -> Iterator[DeliveringPeer]:
    peer = DeliveringPeer(dovecot=dovecot)
    peer.start()
    yield peer
    peer.stop()


@pytest.fixture
def world(tmp_path: Path, dovecot: DovecotServer, relay: DeliveringPeer) -> Iterator[World]:
    with make_world(tmp_path, dovecot, relay) as made:
        yield made


def checked(
    world: World, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    capsys.readouterr()
    status = world.intake("check", "--live", "--json", *arguments)
    items: dict[str, list[dict[str, Any]]] = {}
    for item in json.loads(capsys.readouterr().out):
        items.setdefault(item["item"], []).append(item)
    return status, items


def failed(items: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [
        f"{one['item']}: {one['detail']}"
        for many in items.values()
        for one in many
        if one["result"] == "failed"
    ]


def test_where_all_is_well_the_test_message_shows_in_slack(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    status, items = checked(world, capsys, "--wait", "20")

    assert failed(items) == []
    assert status == 0
    assert items["way in"][0]["detail"] == "it arrived, and its notice is in Slack"
    assert items["mailbox cps"][-1]["detail"] == "Junk"
    assert items["smtp"][0]["result"] == "ok"
    assert items["crt.sh"][0]["result"] == "ok"
    assert items["socket mode"][0]["result"] == "ok"
    assert items["service"][0]["detail"].startswith("no service runs")
    assert any("test message" in text for text in world.texts())


def test_a_test_message_opens_no_ticket(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    checked(world, capsys, "--wait", "20")
    _, items = checked(world, capsys, "--wait", "20")

    assert items["accounts"][0]["detail"].endswith("+ 1 own_probe")


def test_a_test_message_in_junk_is_a_warning(
    world: World, relay: DeliveringPeer, capsys: pytest.CaptureFixture[str]
) -> None:
    relay.folder = "Junk"

    status, items = checked(world, capsys, "--wait", "20")

    assert status == 0
    assert items["way in"][0]["result"] == "warning"
    assert "JUNK" in items["way in"][0]["detail"]


def test_a_service_that_runs_is_left_to_its_work(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with one_writer(world.database):
        status, items = checked(world, capsys, "--wait", "1")

    assert status == 1
    assert items["service"][0]["detail"] == "the service is at work"


def test_mail_that_does_not_arrive_is_a_failure_with_what_to_do(
    world: World, relay: DeliveringPeer, capsys: pytest.CaptureFixture[str]
) -> None:
    relay.dovecot = None

    status, items = checked(world, capsys, "--wait", "1")

    assert status == 1
    assert items["way in"][0]["detail"] == "it did not arrive within 1 s"
    assert "intake trace '<" in items["way in"][0]["fix"]


def test_a_relay_that_refuses_is_named(
    world: World, relay: DeliveringPeer, capsys: pytest.CaptureFixture[str]
) -> None:
    relay.refuse = "554 5.7.1 no"

    status, items = checked(world, capsys, "--wait", "1")

    assert status == 1
    assert "554" in items["way in"][0]["detail"]


def test_what_is_away_is_failed_item_by_item(
    world: World, relay: DeliveringPeer, capsys: pytest.CaptureFixture[str]
) -> None:
    relay.stop()
    world.slack.is_down = True
    world.dovecot.stop()

    status, items = checked(world, capsys, "--wait", "1")

    # Every item is tried, whatever became of the one before it.
    assert status == 1
    for name in ("mailbox cps", "slack", "socket mode", "smtp", "way in"):
        assert items[name][-1]["result"] == "failed", items[name]
        assert items[name][-1]["fix"], items[name]
