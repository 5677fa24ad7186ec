"""The report of 2017, had this program been there: found in Junk, ticketed, escalated, traced."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.world import SEED_ID, World, arrived

SENT = datetime(2017, 8, 13, 0, 45, 12, tzinfo=UTC) + timedelta(hours=4)  # 00:45:12 -0400
T0 = SENT + timedelta(seconds=8)


def seed_report() -> bytes:
    body = "https://crt.sh/?id=19429431&opt=cablint\r\n"
    return (
        f"Received: {arrived(T0)}\r\n"
        "From: Jo Researcher <jo@reporter.example>\r\n"
        "Subject: Misissuance - invalid dnsNames\r\n"
        f"Message-Id: {SEED_ID}\r\n"
        "Date: Sun, 13 Aug 2017 00:45:12 -0400\r\n"
        "To: cps@ca.example\r\n\r\n" + body
    ).encode()


def test_report_in_junk_becomes_a_ticket_that_says_so(world_of_2017: World) -> None:
    """A report that a filter put into Junk is a ticket with its certificate, and the card says Junk."""
    world = world_of_2017
    world.dovecot.append(seed_report(), folder="Junk", internal_date=T0)

    world.poll()

    ticket = world.ticket()
    assert ticket["received_at"] == "2017-08-13T04:45:20Z"
    assert "in_junk" in ticket["labels"]
    assert ticket["certificates"][0]["ours"] == "yes"
    assert ticket["certificates"][0]["crtsh_ids"] == [19429431]
    assert ticket["certificates"][0]["findings"]["error"] >= 1
    card = world.texts()[0]
    assert "Junk" in card
    assert "jo@reporter.example" in card


def test_nobody_acts_and_every_step_is_told(world_of_2017: World) -> None:
    """Unacknowledged, the report climbs: channel, on-call group, managers, breach, hourly."""
    world = world_of_2017
    world.dovecot.append(seed_report(), folder="Junk", internal_date=T0)
    world.poll()

    told = {}
    for hour in range(1, 28):
        world.clock.now = T0 + timedelta(hours=hour)
        before = len(world.ticket()["notices"])
        world.poll()
        told[hour] = world.ticket()["notices"][before:]

    def to(hour: int) -> set[str]:
        return {part for one in told[hour] for part in one["to"].split(",")}

    assert to(1) == to(4) == {"C0CPR"}
    assert not told[2]
    assert "C0CPR" in to(12)
    assert "S0ONCALL" in to(18)
    assert {"U0MIRA", "U0NOAH"} <= to(22)
    assert {"C0CPR", "S0ONCALL", "U0MIRA", "U0NOAH"} <= to(24)
    assert {"C0CPR", "S0ONCALL", "U0MIRA", "U0NOAH"} <= to(25)
    assert {"C0CPR", "S0ONCALL", "U0MIRA", "U0NOAH"} <= to(27)
    assert any("<!subteam^S0ONCALL" in text for text in world.texts())
    assert all(one["sent_at"] is not None for hour in told for one in told[hour])
    assert world.texts("U0MIRA")


def test_trace_says_in_junk(world_of_2017: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked years later, the answer is where it lay, when it came, and which ticket it became."""
    world = world_of_2017
    world.dovecot.append(seed_report(), folder="Junk", internal_date=T0)
    world.poll()
    capsys.readouterr()

    status = world.intake("trace", f"Message-Id: {SEED_ID.upper()}", "--json")

    answer = json.loads(capsys.readouterr().out)
    assert status == 0
    assert answer["verdict"] == "IN_JUNK"
    assert answer["messages"][0]["ticket"] == 1
    assert answer["messages"][0]["received_at"] == "2017-08-13T04:45:20Z"
    assert answer["messages"][0]["sightings"][0]["folder"] == "Junk"


def test_message_that_never_came_is_answered_with_its_gaps(
    world_of_2017: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the message never arrived, the answer names what was read and what was not."""
    world = world_of_2017
    world.poll()
    world.advance_and_poll(hours=5)
    capsys.readouterr()

    status = world.intake("trace", SEED_ID, "--around", "2017-08-13T04:45:12Z", "--json")

    answer = json.loads(capsys.readouterr().out)
    assert status == 1
    assert answer["verdict"] == "NOT_SEEN_WITH_COVERAGE_GAPS"
    assert answer["messages"] == []
    assert any("INBOX" in one["source"] for one in answer["coverage"])
    assert world.intake("trace", SEED_ID) == 1
    text = capsys.readouterr().out
    assert "the logs of our mail servers" in text
    assert "Words that could be sent" in text
