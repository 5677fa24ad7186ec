"""The proof that the way in works: a test message from outside, until it shows in Slack.

It goes to each published address by the mail relay, comes back through the mailbox, and is known
again by its token. Where no service runs, this command polls by itself.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from intake.cli.check import Item, Report
from intake.cli.context import Context
from intake.errors import IntakeError, OutsideUnavailableError

if TYPE_CHECKING:
    from intake.archive.seal import ArchiveKey
    from intake.config import SmtpSection

PROBE = "probe"
LOOK_EVERY_SECONDS = 0.25
BODY = (
    "This is a test message of the problem-report intake. It proves that mail to this\n"
    "address still arrives. Nobody has to do anything.\n"
)


@dataclass(frozen=True)
class Sent:
    """A test message on its way."""

    address: str
    message_id: str  # in its brackets


@dataclass(frozen=True)
class Seen:
    """How far a test message got."""

    arrived_at: datetime | None
    is_told: bool
    in_junk: bool = False


def check_way_in(report: Report, context: Context, *, seconds: int) -> None:
    """Send a test message to each published address and wait for all of them together."""
    smtp = context.config.smtp
    if smtp is None:
        found = "there is no [smtp] to send a test message with"
        fix = "add [smtp], or send a mail to the published address and look for its card"
        report.add([Item("way in", "sending a test message", "not_tried", found, fix)])
        return
    report.step("way in", "sending a test message", lambda: _way_in(context, smtp, seconds))


def _way_in(context: Context, smtp: "SmtpSection", seconds: int) -> Iterator[Item]:
    from intake.archive.seal import ArchiveKey

    key = ArchiveKey.load(context.config.archive.key)
    sent: list[Sent] = []
    for mailbox in context.config.mailbox:
        for address in mailbox.addresses:
            tried = f"sending a test message to {address}"
            try:
                sent.append(send_probe(context, smtp, key, address))
            except OutsideUnavailableError as error:
                yield Item("way in", tried, "failed", str(error), "mend the mail relay in [smtp]")
    poller = Poller(context)
    seen = _wait(context, sent, seconds, poller=poller)
    yield poller.item()
    for one in sent:
        yield _judge(one, seen[one], seconds)


def send_probe(context: Context, smtp: "SmtpSection", key: "ArchiveKey", address: str) -> Sent:
    """Send one test message; it is written down before it goes, so that it is known when it comes."""
    from intake.archive.message_id import normalise
    from intake.events import record_event
    from intake.notices.smtp import PROBE_HEADER, SmtpMedium, compose
    from intake.tables import Probe, SentMessageId

    medium, now = SmtpMedium(smtp), context.now
    subject = "Test of the problem-report mailbox"
    mail = compose(medium, [address], subject=subject, body=BODY, now=now)
    message_id = str(mail["Message-ID"])
    name = normalise(message_id)
    mail[PROBE_HEADER] = key.token(PROBE, name)
    with context.database.write() as session:
        session.add(Probe(address=address, message_id=name, sent_at=now))
        session.add(SentMessageId(message_id=name, purpose=PROBE, sent_at=now))
        record_event(
            session, "probe_sent", actor=context.actor, now=now, address=address, message_id=name
        )
    medium.send(mail, [address])
    return Sent(address, message_id)


def _wait(
    context: Context, sent: list[Sent], seconds: int, *, poller: "Poller"
) -> dict[Sent, Seen]:
    """Wait until every message arrived and was told, or the time is over."""
    end = time.monotonic() + seconds
    while True:
        poller.poll()
        seen = {one: how_far(context, one) for one in sent}
        left = end - time.monotonic()
        if all(one.arrived_at and one.is_told for one in seen.values()) or left <= 0:
            _show("")
            return seen
        _show(f"waiting for the test message, {left:.0f} s at most")
        time.sleep(min(LOOK_EVERY_SECONDS, max(left, 0)))


class Poller:
    """Polls by itself where no service does; a service that holds the lock is left to its work."""

    def __init__(self, context: Context) -> None:
        """Prepare; the first poll finds out whether a service runs."""
        self._context = context
        self._next_at = float("-inf")
        self._is_alone = False

    def poll(self) -> None:
        """Do one pass, at most one every second."""
        from intake.service import poll_once

        if time.monotonic() < self._next_at:
            return
        try:
            poll_once(self._context.config, self._context.database, self._context.clock)
            self._is_alone = True
        except OutsideUnavailableError:
            self._is_alone = False  # a service holds the lock and does the work
        except IntakeError as error:
            _show(f"polling: {error}")
        self._next_at = time.monotonic() + 1

    def item(self) -> Item:
        """Say who polled."""
        tried = "looking who reads the mailboxes"
        if self._is_alone:
            found = "no service runs; this command polled by itself"
            return Item("service", tried, "warning", found, "start it: systemctl start intake")
        return Item("service", tried, "ok", "the service is at work")


def how_far(context: Context, sent: Sent) -> Seen:
    """Look in the database how far a test message got."""
    from sqlmodel import select

    from intake.archive.message_id import normalise
    from intake.tables import Notice, Probe, Sighting

    name = normalise(sent.message_id)
    with context.database.read() as session:
        probe = session.exec(select(Probe).where(Probe.message_id == name)).first()
        notice = session.exec(select(Notice).where(Notice.key == f"{PROBE}:{name}")).first()
        message = None if probe is None else probe.message
        places = session.exec(select(Sighting.in_junk).where(Sighting.message == message)).all()
    return Seen(
        arrived_at=None if probe is None else probe.arrived_at,
        is_told=notice is not None and notice.state == "sent",
        in_junk=bool(places) and all(places),
    )


def _judge(sent: Sent, seen: Seen, seconds: int) -> Item:
    tried = f"sending a test message to {sent.address}"
    if seen.arrived_at is None:
        found = f"it did not arrive within {seconds} s"
        fix = (
            f"follow it: intake trace '{sent.message_id}', and grep the logs of the mail servers; "
            "see that the address ends in a mailbox that is configured"
        )
        return Item("way in", tried, "failed", found, fix)
    if not seen.is_told:
        found = "it arrived, but its notice did not reach Slack"
        return Item("way in", tried, "failed", found, "mend Slack (see above), then check again")
    if seen.in_junk:
        found = "it arrived and is told, but in JUNK: reports may go there too"
        fix = "exempt the published address from the spam filter"
        return Item("way in", tried, "warning", found, fix)
    return Item("way in", tried, "ok", "it arrived, and its notice is in Slack")


def _show(text: str) -> None:
    """Show progress on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()
