"""The story of `intake demo`: eight messages arrive, and everything happens for real.

The service is the real one; only what can't run here is a stand-in: the IMAP server, Slack,
crt.sh and the mail relay. The clock of the demo can be moved on from the page.
"""

import hashlib
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import partial
from importlib.resources import files
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlmodel import col, select

from intake.archive.seal import ArchiveKey, remember_key
from intake.clock import wall_clock
from intake.config import Config, load_config
from intake.database import Database, initialise_database
from intake.demo.crtsh import CrtshStandIn
from intake.demo.imap import PASSWORD, USER, ImapStandIn
from intake.demo.mail import MailStandIn, RelayedMail
from intake.demo.slack import SlackStandIn
from intake.notices.view import TicketView, ticket_views
from intake.pipeline import run_once
from intake.service import Service, assemble
from intake.tables import Event

DATA = files("intake.demo") / "data"
BOT_TOKEN = "xoxb-demo"  # noqa: S105 - of the stand-in
APP_TOKEN = "xapp-demo"  # noqa: S105 - of the stand-in
SEED_ID = "<A7B38FB3-EC73-444F-9DD8-78A9A784CAE5@titanous.com>"
ADDRESS = "cps@ca.example"
ABSENT_ID = "<nobody-sent-this@example.com>"

MESSAGES = (  # file, folder, how long before the start it arrived
    ("7_before_watch.eml", "INBOX", timedelta(days=30)),
    ("1_invalid_dns_name.eml", "Junk", timedelta(minutes=50)),
    ("2_private_key.eml", "INBOX", timedelta(minutes=12)),
    ("3_precertificate_and_final.eml", "INBOX", timedelta(minutes=9)),
    ("4_not_ours.eml", "INBOX", timedelta(minutes=6)),
    ("6_newsletter.eml", "INBOX", timedelta(minutes=4)),
    ("8_nothing_in_it.eml", "INBOX", timedelta(minutes=3)),
    ("5_reply.eml", "INBOX", timedelta(minutes=1)),
)
CRTSH = {
    19429431: "internal_name.pem",
    9000001: "precertificate.pem",
    9000002: "final.pem",
    9000003: "clean.pem",
    9000004: "other_ca_leaf.pem",
}
EVENT_WORDS = {
    "messages_archived": "messages were sealed into the archive",
    "ticket_opened": "a ticket was opened, with all its deadlines",
    "follow_up_joined": "a reply joined its ticket",
    "notice_sent": "Slack was told",
    "notice_handed_over": "Slack failed, so it went by mail",
    "items_merged": "two names turned out to be one certificate",
    "ticket_acknowledged": "somebody acknowledged",
    "step_told": "nobody did what was due in time: the next people are told",
}

CONFIG = """
[database]
url = "sqlite:///intake.db"
[archive]
key_file = "archive.key"
[[mailbox]]
name = "cps"
addresses = ["cps@ca.example"]
host = "127.0.0.1"
port = {imap_port}
security = "none"
username = "{user}"
password_file = "cps.password"
junk_folders = ["Junk"]
our_hosts = ["mx1.ca.example"]
watch_from = "{watch_from}"
poll_every = "5s"
[slack]
bot_token_file = "slack-bot.token"
app_token_file = "slack-app.token"
channel = "C0CPR"
base_url = "{slack_url}"
responders = ["U0ALICE", "S0RESPONDERS"]
on_call = ["S0ONCALL"]
managers = ["U0MIRA", "U0NOAH"]
[smtp]
host = "127.0.0.1"
port = {smtp_port}
security = "none"
sender = "cpr-intake@ca.example"
fallback_to = ["oncall@ca.example"]
[crtsh]
base_url = "{crtsh_url}"
[certificates]
issuing_cas = ["issuing_ca.pem"]
"""


@dataclass
class MovableClock:
    """The real clock, moved on by as much as one likes."""

    offset: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        """Return the present instant of the demo, UTC."""
        return wall_clock() + self.offset

    def move(self, step: timedelta) -> None:
        """Move the clock on."""
        self.offset += step


@dataclass(frozen=True)
class Stage:
    """Everything that a demo or a test of the whole needs, running."""

    config: Config
    database: Database
    clock: MovableClock
    imap: ImapStandIn
    slack: SlackStandIn
    crtsh: CrtshStandIn
    mail: MailStandIn


@contextmanager
def set_stage(folder: Path) -> Iterator[Stage]:
    """Start the stand-ins and make an installation in a folder that uses them."""
    clock = MovableClock()
    with ExitStack() as stack:
        imap = stack.enter_context(ImapStandIn())
        slack = stack.enter_context(SlackStandIn(bot_token=BOT_TOKEN, app_token=APP_TOKEN))
        crtsh = stack.enter_context(CrtshStandIn())
        mail = stack.enter_context(MailStandIn(partial(hand_over, imap, clock)))
        for number, name in CRTSH.items():
            crtsh.add(number, read_certificate(name))
        text = CONFIG.format(
            imap_port=imap.port,
            user=USER,
            watch_from=(clock() - timedelta(days=1)).isoformat(timespec="seconds"),
            slack_url=slack.base_url,
            smtp_port=mail.port,
            crtsh_url=crtsh.base_url,
        )
        config = write_installation(folder, text)
        database, _ = initialise_database(config.database.url)
        stack.callback(database.close)
        with database.write() as session:
            remember_key(session, ArchiveKey.create(folder / "archive.key"))
        yield Stage(config, database, clock, imap, slack, crtsh, mail)


def hand_over(imap: ImapStandIn, clock: MovableClock, mail: RelayedMail) -> None:
    """Put a mail to the published address into its mailbox, as the mail system would."""
    if ADDRESS in mail.recipients:
        imap.deliver(mail.content, internal_date=clock())


def write_installation(folder: Path, text: str) -> Config:
    """Write a configuration and the files that it names."""
    secrets = {"cps.password": PASSWORD, "slack-bot.token": BOT_TOKEN, "slack-app.token": APP_TOKEN}
    for name, secret in secrets.items():
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(secret + "\n", encoding="utf-8")
    (folder / "issuing_ca.pem").write_bytes((DATA / "issuing_ca.pem").read_bytes())
    (folder / "config.toml").write_text(text, encoding="utf-8")
    return load_config(folder / "config.toml")


def read_certificate(name: str) -> bytes:
    """Return a bundled certificate as DER."""
    return x509.load_pem_x509_certificate((DATA / name).read_bytes()).public_bytes(Encoding.DER)


def fill_in(template: bytes, arrived_at: datetime) -> bytes:
    """Return a bundled message as it arrives at an instant, with CRLF line ends."""
    text = template.decode()
    text = text.replace("@DATE@", format_datetime(arrived_at))
    text = text.replace("@QUEUE@", hashlib.sha256(template).hexdigest()[:11].upper())
    text = re.sub(r"@FILE:([\w.]+)@", lambda match: (DATA / match[1]).read_text(), text)
    text = re.sub(
        r"@SHA256:([\w.]+)@",
        lambda match: hashlib.sha256(read_certificate(match[1])).hexdigest(),
        text,
    )
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


def deliver_messages(stage: Stage) -> None:
    """Put the bundled messages where the mail system would have put them."""
    for name, folder, age in MESSAGES:
        arrived_at = stage.clock() - age
        raw = fill_in((DATA / name).read_bytes(), arrived_at)
        stage.imap.deliver(raw, folder=folder, internal_date=arrived_at)


def tell_story(*, once: bool) -> int:
    """Run the demo: until everything is handled, or until Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped demo leaves nothing
    with tempfile.TemporaryDirectory(prefix="intake-demo-") as name:
        say("Starting a local IMAP server, a Slack stand-in, a crt.sh stand-in and a mail relay …")
        with set_stage(Path(name)) as stage:
            deliver_messages(stage)
            say(f"{len(MESSAGES)} messages lie in the mailbox of {ADDRESS}, one of them in Junk.")
            with assemble(stage.config, stage.database, stage.clock) as parts:
                if once:
                    say("Reading, keeping, extracting, looking up, linting, telling …")
                    run_once(parts)
                else:
                    play(stage, Service(parts))
            if once:
                print_tickets(stage)
    return 0


def play(stage: Stage, service: Service) -> None:
    """Run the service and say what happens, until Ctrl-C."""
    for hours in (1, 4, 12, 24):
        stage.slack.clock_buttons[f"+{hours} h"] = partial(move_clock, stage, service, hours)
    stage.slack.shown_clock = stage.clock
    service.start()
    say(introduction(stage))
    stop = threading.Event()
    seen = 0
    try:
        while not stop.wait(0.3):
            seen = say_events(stage, seen)
    except KeyboardInterrupt:
        say("\nStopping.")
    finally:
        service.stop()


def move_clock(stage: Stage, service: Service, hours: int) -> None:
    """Move the demo's clock on and look at what is due."""
    stage.clock.move(timedelta(hours=hours))
    say(f"  — the clock was moved on by {hours} h —")
    service.tick_now()


def introduction(stage: Stage) -> str:
    """Return what a newcomer should know and try."""
    command = f"{Path(sys.argv[0])} --config {stage.config.path}"
    return f"""
Open this page, it shows what Slack would show:

    {stage.slack.page_url}

  · Press Acknowledge on a card: the press goes through the real Slack library, and the card changes.
  · Press +1 h, +4 h … there: reminders come, then the on-call group, the managers, a breach notice.

In another terminal, ask what became of a message that came, and of one that did not:

    {command} trace '{SEED_ID}'
    {command} trace '{ABSENT_ID}'
    {command} ticket list
    {command} check --live

What happens (Ctrl-C ends the demo and removes everything):
"""


def say_events(stage: Stage, seen: int) -> int:
    """Say the events after the one seen last; return the newest."""
    with stage.database.read() as session:
        events = session.exec(
            select(Event).where(col(Event.id) > seen).order_by(col(Event.id))
        ).all()
    for event in events:
        words = EVENT_WORDS.get(event.action)
        if words is not None:
            about = f" — ticket {event.ticket}" if event.ticket else ""
            say(f"  {event.at:%H:%M:%S} UTC  {words}{about}")
        seen = event.id or seen
    return seen


def print_tickets(stage: Stage) -> None:
    """Print the tickets, a line each, the number first."""
    with stage.database.read() as session:
        for view in ticket_views(session):
            sys.stdout.write(ticket_line(view) + "\n")


def ticket_line(view: TicketView) -> str:
    """Return one ticket in one line, its number first."""
    ticket = view.ticket
    due = [one.due_at for one in view.obligations if one.met_at is None and one.waived_at is None]
    when = f"due {min(due):%Y-%m-%d %H:%M} UTC" if due else "nothing due"
    counts = f"{view.counts.total} certificates, {view.counts.ours} ours"
    subject = " ".join(ticket.subject.split()) or "(no subject)"
    return f"{view.number:<3} {ticket.state:<13} {ticket.priority:<9} {when:<25} {counts:<23} {subject}"


def say(text: str) -> None:
    """Tell the person at the terminal."""
    sys.stderr.write(text + "\n")
