"""A ticket never waits for crt.sh."""

from datetime import UTC, datetime

from tests.builders import make_message
from tests.world import World, arrived

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_ticket_opens_on_time_and_certificates_follow(world: World) -> None:
    """With crt.sh down for two days the ticket is on time; its certificate comes later."""
    world.crtsh.stop()
    world.dovecot.append(make_message(received=(arrived(NOON),)), internal_date=NOON)

    world.poll()

    assert world.ticket()["certificates"][0]["state"] == "unresolved"
    assert len(world.slack.in_channel("C0CPR")) == 1
