"""The running service: a mail arrives, the card comes, a press on it acknowledges the ticket."""

from intake.service import Service
from tests.builders import make_message
from tests.world import World, arrived, wait_for


def test_press_on_acknowledge_changes_the_card(world: World) -> None:
    """IDLE brings the mail, the WebSocket brings the press, and the card says who acknowledged."""
    service = Service(world.parts)
    service.start()
    try:
        wait_for(lambda: world.slack.connections)
        raw = make_message(received=(arrived(world.clock.now),))
        world.dovecot.deliver(raw, folder="Junk")
        card = wait_for(lambda: world.slack.in_channel("C0CPR"))[0]

        world.slack.press("acknowledge", card["ts"], "U0ALICE")

        wait_for(lambda: world.ticket()["state"] == "acknowledged")
        wait_for(lambda: "U0ALICE" in str(world.slack.in_channel("C0CPR")[0]["blocks"]))
        assert world.ticket()["acknowledged_by"] == "U0ALICE"
        assert len(world.slack.in_channel("C0CPR")) == 1
    finally:
        service.stop()


def test_somebody_else_is_refused_politely_and_that_is_recorded(world: World) -> None:
    """Who is not configured may look, not act; the attempt is an event."""
    service = Service(world.parts)
    service.start()
    try:
        wait_for(lambda: world.slack.connections)
        world.dovecot.deliver(make_message(received=(arrived(world.clock.now),)))
        card = wait_for(lambda: world.slack.in_channel("C0CPR"))[0]

        world.slack.press("acknowledge", card["ts"], "U0MALLORY")

        wait_for(lambda: world.slack.ephemerals)
        assert world.ticket()["state"] == "open"
    finally:
        service.stop()


def test_message_id_is_traced_from_slack(world: World) -> None:
    """`/cpr <Message-ID>` answers the person who asks, and nobody else."""
    world.dovecot.append(
        make_message(received=(arrived(world.clock.now),)), internal_date=world.clock.now
    )
    world.poll()
    service = Service(world.parts)
    service.start()
    try:
        wait_for(lambda: world.slack.connections)

        answer = world.slack.command("/cpr <report-1@reporter.example>", "U0ALICE")

        text = wait_for(lambda: str(answer) + str(world.slack.ephemerals))
        assert wait_for(lambda: "report-1@reporter.example" in str(world.slack.ephemerals) + text)
    finally:
        service.stop()
