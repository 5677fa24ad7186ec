"""Kills the real service at random moments, again and again, while mail arrives; then counts.

`python -m tests.torture` runs a whole campaign and prints its figures as Markdown (`make torture`);
`tests/scenarios/test_killed_at_random_moments.py` is the short form of it.
"""

import argparse
import hashlib
import json
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from sqlmodel import Session, col, func, select

from intake.archive.balance import account_of_messages, account_of_uids
from intake.archive.store import raw_pieces
from intake.clock import wall_clock
from intake.events import broken_links
from intake.tables import Job, Message, Notice, Sighting, Ticket
from tests.builders import make_message
from tests.servers import DovecotServer, SmtpPeer
from tests.world import World, arrived, make_world

FOLDERS = ("INBOX", "Junk", "Cases")
CRTSH_IDS = (19429431, 9000001, 9000002, 9000004)
OVERSIZE = "2MB"
LARGE_BODY = 5_000_000  # bytes; such a message comes in pieces
PATIENCE = 1800.0  # seconds for the last run to do what is left


@dataclass
class Campaign:
    """How often, at which moments, and over how many messages."""

    kills: int = 200
    messages: int = 5000
    earliest: float = 0.1  # seconds after the start of the process
    latest: float = 2.5
    seed: int = 4
    rate: float = 15.0  # messages that arrive in a second
    large_every: int = 1000
    at_work_every: int = 2  # one kill of so many counts from the first sign of life


@dataclass
class Report:
    """What came of it."""

    campaign: Campaign
    kills_at_work: int = 0  # of them, those after the service had begun to read
    seconds: float = 0.0
    messages: int = 0
    tickets: int = 0
    stubs: int = 0
    cards: int = 0
    faults: list[str] = field(default_factory=list)

    def check(self, holds: bool, what: str) -> None:
        if not holds:
            self.faults.append(what)


def run_campaign(world: World, campaign: Campaign) -> Report:
    """Kill the service as often as asked, let it finish once, and count what there is."""
    report = Report(campaign)
    began = time.monotonic()
    world.stack.close()
    world.dovecot.create_folder("Cases")
    moments = random.Random(campaign.seed)  # noqa: S311
    sender = threading.Thread(target=deliver_slowly, args=(world, campaign))
    sender.start()
    log = Path(world.config.path).parent / "service.log"
    for number in range(campaign.kills):
        report.kills_at_work += kill_once(world, log, moments, campaign, number)
        if number % 20 == 19:  # a sign of life
            print(f"{number + 1} kills after {time.monotonic() - began:.0f} s", file=sys.stderr)  # noqa: T201
    sender.join()
    move_some(world)
    finish(world, log)
    report.seconds = time.monotonic() - began
    world.restart()
    with world.database.read() as session:
        count_messages(world, session, report)
        count_tickets(world, session, report)
    return report


def deliver_slowly(world: World, campaign: Campaign) -> None:
    """Drop messages into the mailbox's folders, as a mail system would."""
    due = time.monotonic()
    for number in range(campaign.messages):
        world.dovecot.deliver(message(number, campaign), folder=FOLDERS[number % 7 % 3])
        due += 1 / campaign.rate
        time.sleep(max(0.0, due - time.monotonic()))


def message(number: int, campaign: Campaign) -> bytes:
    """Return one report; every so often one that is too large to be fetched at once."""
    body = f"shop-{number}.example is made to look like mine, with a certificate of yours.\r\n"
    if number % 5 == 0:
        body += f"It is https://crt.sh/?id={CRTSH_IDS[number // 5 % len(CRTSH_IDS)]}\r\n"
    if campaign.large_every and number % campaign.large_every == campaign.large_every // 2:
        body += f"line of message {number}\r\n" * (LARGE_BODY // 24)
    elif number % 50 == 0:
        body += "x" * 76 + "\r\n" + "more text\r\n" * 20_000
    return make_message(
        message_id=f"<torture-{number}@reporter.example>" if number % 11 else None,
        subject=f"Report {number}",
        body=body,
        received=(arrived(wall_clock()),),
    )


def kill_once(
    world: World, log: Path, moments: random.Random, campaign: Campaign, number: int
) -> bool:
    """Start the service and kill it; say whether it had begun to read by then."""
    delay = moments.uniform(campaign.earliest, campaign.latest)
    log.write_bytes(b"")
    process = start_service(world, log)
    if number % campaign.at_work_every == 0:
        deadline = time.monotonic() + 30
        while not is_reading(log) and time.monotonic() < deadline:
            time.sleep(0.01)
    time.sleep(delay)
    process.kill()
    process.wait()
    return is_reading(log)


def start_service(world: World, log: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "intake.cli.main", "--config", str(world.config.path), "run"]
    with log.open("ab") as stream:
        return subprocess.Popen(command, stdout=stream, stderr=stream)


def is_reading(log: Path) -> bool:
    return b"reading 1 mailbox" in log.read_bytes()


def move_some(world: World) -> None:
    """Move, flag and copy what lies there, as people and filters do."""
    with world.dovecot.client() as client:
        client.select_folder("INBOX")
        uids = client.search()
        client.move(uids[::40] or uids, "Junk")
        client.set_flags(client.search(), [rb"\Seen"])
        client.copy(client.search()[::40], "Cases")


def finish(world: World, log: Path) -> None:
    """Let the service do all that is left, and stop it as an administrator would."""
    log.write_bytes(b"")
    process = start_service(world, log)
    deadline = time.monotonic() + PATIENCE
    try:
        while not is_all_done(world):
            if time.monotonic() > deadline or process.poll() is not None:
                tail = log.read_text(errors="replace")[-3000:]
                message = f"the service did not finish what was left:\n{tail}"
                raise AssertionError(message)
            time.sleep(0.2)
    finally:
        process.terminate()
        process.wait(30)
    if process.returncode != 0:
        message = f"the service ended with {process.returncode}"
        raise AssertionError(message)


def is_all_done(world: World) -> bool:
    """Say whether everything that lies in the mailbox is in the archive and told."""
    served = 0
    with world.dovecot.client() as client:
        for folder in FOLDERS:
            served += client.folder_status(folder, ["MESSAGES"])[b"MESSAGES"]
    with world.database.read() as session:
        whole = select(Message.id).where(col(Message.stands_for).is_(None))
        seen = select(func.count()).where(
            col(Sighting.gone_since).is_(None), col(Sighting.message).in_(whole)
        )
        undecided = select(func.count()).where(col(Message.decision).is_(None))
        unsent = select(func.count()).where(
            Notice.state == "waiting", Notice.next_try_at <= wall_clock()
        )
        waiting = select(func.count()).where(
            Job.state == "waiting",
            col(Job.kind).in_(("process_message", "resolve_item")),
            Job.due_at <= wall_clock(),
        )
        return session.exec(seen).one() == served and not any(
            session.exec(query).one() for query in (undecided, unsent, waiting)
        )


# ---- counting ----------------------------------------------------------------------------------


def count_messages(world: World, session: Session, report: Report) -> None:
    """Compare the archive with the server's literals, byte for byte, and add up the accounts."""
    served = Counter(served_digests(world))
    rows = session.exec(select(Message).order_by(col(Message.id))).all()
    whole = [one for one in rows if one.stands_for is None]
    report.messages, report.stubs = len(whole), len(rows) - len(whole)
    report.check({one.sha256 for one in whole} == set(served), "archive and mailbox differ")
    for one in whole:
        digest = hashlib.sha256()
        for piece in raw_pieces(session, world.parts.key, one.id or 0):
            digest.update(piece)
        report.check(digest.hexdigest() == one.sha256, f"message {one.id} has other bytes")
    report.check(len(whole) == report.campaign.messages, f"{len(whole)} messages are archived")
    live = Counter(
        sha256
        for sha256, _ in session.exec(
            select(Message.sha256, Sighting.id)
            .join(Sighting, col(Sighting.message) == col(Message.id))
            .where(col(Sighting.gone_since).is_(None))
        )
    )
    report.check(live == served, "places and mailbox differ")
    for account in account_of_uids(session, "cps"):
        report.check(account.balanced, str(account))
    messages = account_of_messages(session, wall_clock())
    report.check(messages.balanced and not messages.undecided, str(messages))
    report.faults += messages.faults
    report.faults += list(broken_links(session))


def count_tickets(world: World, session: Session, report: Report) -> None:
    """Each report has one ticket, and each ticket its card; doubles only from what was cut."""
    report.tickets = session.exec(select(func.count()).select_from(Ticket)).one()
    report.check(report.tickets == report.campaign.messages, f"{report.tickets} tickets")
    unsent = session.exec(select(Notice.key).where(col(Notice.sent_at).is_(None))).all()
    report.check(not unsent, f"never sent: {unsent[:5]}")
    cards = Counter(
        json.dumps(one["blocks"]).partition("*CPR-")[2].partition("*")[0]
        for one in world.slack.in_channel("C0CPR")
        if "blocks" in one and "*CPR-" in json.dumps(one["blocks"])
    )
    report.cards = sum(cards.values())
    numbers = {str(number) for number in session.exec(select(Ticket.id)).all()}
    report.check(set(cards) == numbers, "cards and tickets differ")
    doubled = report.cards - len(cards)
    report.check(doubled <= report.campaign.kills, f"{doubled} cards are doubled")


def served_digests(world: World) -> Iterator[str]:
    """Yield the digest of every literal that the server hands out."""
    with world.dovecot.client() as client:
        for folder in FOLDERS:
            client.select_folder(folder, readonly=True)
            uids = client.search()
            for at in range(0, len(uids), 50):
                found = client.fetch(uids[at : at + 50], ["BODY.PEEK[]"])
                yield from (hashlib.sha256(one[b"BODY[]"]).hexdigest() for one in found.values())


# ---- the whole campaign ------------------------------------------------------------------------


@contextmanager
def lone_world() -> Iterator[World]:
    """An installation outside of pytest."""
    dovecot = DovecotServer(trustme.CA())
    mail = SmtpPeer()
    more = f'[service]\noversize = "{OVERSIZE}"'
    with tempfile.TemporaryDirectory(prefix="intake-torture-") as folder:
        try:
            dovecot.start()
            mail.start()
            with make_world(Path(folder), dovecot, mail, more=more) as world:
                yield world
        finally:
            mail.stop()
            dovecot.close()


def main(arguments: list[str] | None = None) -> int:
    """Run a campaign as the options say; status 1 if anything was lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    defaults = Campaign()
    parser.add_argument("--kills", type=int, default=defaults.kills)
    parser.add_argument("--messages", type=int, default=defaults.messages)
    parser.add_argument("--rate", type=float, default=defaults.rate, help="messages a second")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    campaign = Campaign(**vars(parser.parse_args(arguments)))
    with lone_world() as world:
        report = run_campaign(world, campaign)
    print(render(report))  # noqa: T201 - a script
    return 1 if report.faults else 0


def render(report: Report) -> str:
    """Return the figures as a Markdown list."""
    campaign = report.campaign
    doubled = report.cards - report.tickets
    lines = [
        f"{wall_clock():%d %B %Y}, {platform.machine()}, Python {platform.python_version()}, seed {campaign.seed}",
        f"{campaign.kills} kills between {campaign.earliest} and {campaign.latest} s, "
        f"{report.kills_at_work} of them at work; {report.seconds:.0f} s in all",
        f"{report.messages} of {campaign.messages} messages in the archive, equal byte for byte; "
        f"{report.stubs} of them had a stub before they were whole",
        f"{report.tickets} tickets; {report.cards} cards, {doubled} of them doubled",
        "UIDs, messages and events add up" if not report.faults else "FAULTS:",
        *report.faults,
    ]
    return "\n".join(f"- {line}" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
