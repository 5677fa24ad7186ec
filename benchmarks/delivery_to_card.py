"""How long from the delivery in Dovecot to the card at the Slack stand-in, message by message.

Run: .venv/bin/python -m benchmarks.delivery_to_card [COUNT]
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import trustme

from intake.clock import wall_clock
from intake.service import Service
from tests.builders import make_message
from tests.servers import DovecotServer, SmtpPeer
from tests.world import arrived, make_world, wait_for


def measure(count: int) -> list[float]:
    """Deliver messages one at a time; return the seconds until each card was posted."""
    dovecot = DovecotServer(trustme.CA())
    mail = SmtpPeer()
    dovecot.start()
    mail.start()
    seconds = []
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            make_world(Path(folder), dovecot, mail, now=wall_clock()) as world,
        ):
            service = Service(world.parts)
            service.start()
            wait_for(lambda: world.slack.connections)
            time.sleep(2)  # IDLE connections stand
            for number in range(count):
                raw = make_message(
                    message_id=f"<speed-{number}@reporter.example>",
                    received=(arrived(wall_clock()),),
                )
                world.clock.now = wall_clock()
                begun = time.monotonic()
                dovecot.deliver(raw, folder="Junk" if number % 4 == 0 else "INBOX")
                wait_for(lambda n=number: len(world.slack.in_channel("C0CPR")) > n)
                seconds.append(time.monotonic() - begun)
            service.stop()
    finally:
        dovecot.close()
        mail.stop()
    return seconds


def main() -> None:
    """Print minimum, median, p95 and maximum."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seconds = sorted(measure(count))
    p95 = statistics.quantiles(seconds, n=20)[-1]
    print(
        f"{count} messages: min {seconds[0]:.2f} s, median {statistics.median(seconds):.2f} s, "
        f"p95 {p95:.2f} s, max {seconds[-1]:.2f} s"
    )


if __name__ == "__main__":
    main()
