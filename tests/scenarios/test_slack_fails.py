"""Whatever is broken, each step reaches a person."""

from datetime import UTC, datetime

import pytest

from tests.builders import make_message
from tests.world import World, arrived, wait_for

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def deliver_report(world: World) -> None:
    world.dovecot.append(make_message(received=(arrived(NOON),)), internal_date=NOON)


@pytest.mark.parametrize("error", ["invalid_auth", "is_archived"])
def test_each_step_goes_by_mail_when_slack_refuses(world: World, error: str) -> None:
    """Slack refuses everything; the card and every step go to the fallback addresses."""
    deliver_report(world)
    world.slack.fail("*", error, times=None)

    world.poll()
    mails = len(world.mail.messages)
    for hours in (1, 3, 8, 6, 4, 2):
        world.advance_and_poll(hours=hours)

    assert mails == 1
    steps = [one for one in world.ticket()["notices"] if one["step"] != "card"]
    assert steps
    assert all(one["medium"] == "smtp" and one["sent_at"] for one in steps)
    assert b"intake ticket acknowledge 1" in world.mail.messages[-1].raw


def test_slack_comes_back_and_gets_the_card_once(world: World) -> None:
    """After an outage the card is posted once, and nothing that was mailed comes again."""
    deliver_report(world)
    world.slack.is_down = True
    world.poll()
    world.advance_and_poll(hours=2)
    assert world.slack.messages == []

    world.slack.heal()
    world.advance_and_poll(hours=1)
    world.advance_and_poll(minutes=30)

    assert len(world.slack.in_channel("C0CPR")) == 1


def test_slack_and_mail_are_down_and_nothing_is_forgotten(world: World) -> None:
    """With both media away the notices wait, and go out when one of them is back."""
    deliver_report(world)
    world.slack.is_down = True
    world.mail.stop()
    world.poll()
    world.advance_and_poll(hours=18)
    assert world.slack.messages == []

    world.slack.heal()
    world.advance_and_poll(minutes=20)

    assert wait_for(lambda: len(world.slack.in_channel("C0CPR")) >= 2)
    assert any("S0ONCALL" in text for text in world.texts())
