"""How long from the delivery in Dovecot to the card at the Slack stand-in, message by message.

Run: .venv/bin/python -m benchmarks.delivery_to_card [COUNT]
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Row, at_most, machine, median, print_table, say

if TYPE_CHECKING:
    from tests.servers import DovecotServer
    from tests.world import World

COUNT = 200
TELL_EVERY = 50
CHANNEL = "C0CPR"
SETTLING_SECONDS = 2.0  # until the IDLE connections stand


def time_deliveries(count: int) -> list[float]:
    """Deliver messages one at a time; return the seconds until each card was posted."""
    # Here, since each worker imports this module again.
    import trustme

    from intake.clock import wall_clock
    from tests.servers import DovecotServer, SmtpPeer
    from tests.world import make_world

    dovecot, mail = DovecotServer(trustme.CA()), SmtpPeer()
    dovecot.start()
    mail.start()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            make_world(Path(folder), dovecot, mail, now=wall_clock()) as world,
        ):
            return _deliver_each(world, dovecot, count)
    finally:
        dovecot.close()
        mail.stop()


def _deliver_each(world: "World", dovecot: "DovecotServer", count: int) -> list[float]:
    from intake.clock import wall_clock
    from intake.service import Service
    from tests.builders import make_message
    from tests.world import arrived, wait_for

    def has_card(subject: str, known: int) -> bool:
        return any(subject in str(card) for card in world.slack.in_channel(CHANNEL)[known:])

    service = Service(world.parts)
    service.start()
    wait_for(lambda: world.slack.connections)
    time.sleep(SETTLING_SECONDS)
    seconds = []
    for number in range(count):
        subject = f"Misissued certificate, report {number:04d} of many"
        raw = make_message(
            message_id=f"<speed-{number}@reporter.example>",
            subject=subject,
            received=(arrived(wall_clock()),),
        )
        world.clock.now = wall_clock()
        known = len(world.slack.in_channel(CHANNEL))
        begun = time.monotonic()
        dovecot.deliver(raw, folder="Junk" if number % 4 == 0 else "INBOX")
        wait_for(lambda text=subject, known=known: has_card(text, known))
        seconds.append(time.monotonic() - begun)
        if (number + 1) % TELL_EVERY == 0:
            say(f"  {number + 1} of {count}: median {median(seconds):.2f} s")
    service.stop()
    return seconds


def measure(count: int = COUNT) -> list[Row]:
    """Return the figures."""
    say(f"delivering {count} messages one at a time …")
    seconds = sorted(time_deliveries(count))
    p95 = statistics.quantiles(seconds, n=20)[-1]
    what = f"delivery → card, {count} messages one at a time"
    return [
        at_most(f"{what}, p95", p95, 1.5, 0.7, "s"),
        Row("its median, minimum and maximum", f"{median(seconds):.2f}, {seconds[0]:.2f}, {seconds[-1]:.2f} s"),
    ]  # fmt: skip


def main() -> None:
    """Print the table."""
    say(machine())
    print_table(measure(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT))


if __name__ == "__main__":
    main()
