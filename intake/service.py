"""The service: every step in a loop of its own, so that none waits for another.

What a step leaves behind is a row, and a commit wakes the next step at once; each loop also looks
by itself every few seconds. A loop that fails says so once, backs off, and goes on for ever.
Escalation runs beside everything else: it needs the database and nothing more.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from intake import garbage, pipeline
from intake.archive.seal import ArchiveKey, check_key
from intake.certificates.crtsh import CrtshClient
from intake.certificates.fetch import Fetcher
from intake.certificates.lint_pool import LintPool
from intake.certificates.outside_linters import outside_linters
from intake.certificates.ownership import IssuingCas
from intake.certificates.revocation_check import RevocationClient
from intake.clock import Clock, wall_clock
from intake.config import Config, MailboxSection
from intake.database import Database, NoLongerTheWriterError, WriterLock, one_writer
from intake.errors import OutsideUnavailableError
from intake.health import FiguresCollector, HealthServer
from intake.heartbeat import fetch_heartbeat, notify_systemd
from intake.jobs import release_leases
from intake.loop import LONGEST_BACKOFF_SECONDS, Loop, no_guard
from intake.mailbox.imap import watch_folder
from intake.mailbox.poll import hinted_folders
from intake.notices.direct import tell_directly
from intake.notices.outbox import Media, release_notice_leases
from intake.notices.restored import take_up_restored
from intake.notices.slack import SlackMedium
from intake.notices.smtp import SmtpMedium
from intake.notices.socket_mode import SlackListener
from intake.notices.trouble import tell_mailbox_troubles
from intake.notices.undecided import tell_undecided
from intake.pipeline import Parts
from intake.reading import read_evidence
from intake.reconcile.daily import reconcile_if_due
from intake.tickets.desk import Desk
from intake.tickets.revocation_watch import KIND as WATCH
from intake.trace.answer import trace_text
from intake.workers import Worker

logger = logging.getLogger(__name__)

READER_MEMORY = 1_500_000_000  # bytes of address space
TICK_SECONDS = 5
RECONCILE_LOOK_SECONDS = 30
CLOCK_STEP_SECONDS = 5.0  # wall clock against monotonic clock


@contextmanager
def assemble(config: Config, database: Database, clock: Clock) -> Iterator[Parts]:
    """Make everything that the steps work with, and end it afterwards.

    Raises:
        ConfigError: if the archive key or an issuing CA certificate is missing.
        VerificationError: if the archive key is not this database's.
    """
    key = ArchiveKey.load(config.archive.key)
    with database.read() as session:
        check_key(session, key)
    issuing_cas = IssuingCas.load(config.certificates.issuing_cas)
    parts = Parts(
        config=config,
        database=database,
        key=key,
        desk=Desk.from_config(config, key, issuing_cas),
        clock=clock,
        reader=Worker(memory_bytes=READER_MEMORY),
        linter=LintPool(for_long=True),
        crtsh=CrtshClient(
            config.crtsh.base_url,
            config.crtsh.timeout.total_seconds(),
            our_issuers=[ca.name for ca in issuing_cas.cas],
        ),
        media=Media(
            slack=SlackMedium(config.slack),
            smtp=None if config.smtp is None else SmtpMedium(config.smtp),
            config=config,
        ),
        revocation=RevocationClient(
            Fetcher(
                config.revocation.timeout.total_seconds(),
                allow_hosts=config.revocation.allow_hosts,
            )
        ),
        outside=outside_linters(config.linters),
    )
    try:
        yield parts
    finally:
        parts.reader.close()
        parts.linter.close()
        for linter in parts.outside.values():
            linter.close()
        parts.crtsh.close()
        parts.revocation.close()


def poll_once(config: Config, database: Database, clock: Clock) -> list[str]:
    """Do one pass of everything that is due; return the mailboxes' troubles.

    Raises:
        OutsideUnavailableError: if a service is at work on this database already.
    """
    with one_writer(database), assemble(config, database, clock) as parts:
        with database.write() as session:
            release_leases(session)
            release_notice_leases(session)
            take_up_restored(session, clock())
        return pipeline.run_once(parts)


class Service:
    """All loops of one installation."""

    def __init__(
        self,
        parts: Parts,
        leader: WriterLock | None = None,
        *,
        on_lost: Callable[[], None] = no_guard,
    ) -> None:
        """Make the loops; `on_lost` is called when another host has the lock, and we must end."""
        self.parts = parts
        self.leader = leader or WriterLock()
        self.on_lost = on_lost
        self.lost: NoLongerTheWriterError | None = None
        self.stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._last_good: dict[str, float] = {}  # monotonic, by mailbox
        self._clock_offset = self._measure_clock()
        self.deliver = Loop(
            "sending notices", lambda: pipeline.deliver(parts), 2, alarm=self._alarm
        )
        self.tick = Loop(
            "escalation", self._escalate, TICK_SECONDS, self.deliver.wake.set, alarm=self._alarm
        )
        self.lint = Loop("linting", lambda: pipeline.lint_waiting(parts), 5, self._after_lint)
        self.lint_outside = Loop(
            "linting outside",
            lambda: pipeline.lint_outside_waiting(parts),
            5,
            self.deliver.wake.set,
        )
        self.resolve = Loop(
            "certificate look-up", lambda: pipeline.resolve_waiting(parts), 5, self._wake_lint
        )
        self.watch = Loop(
            "revocation watch", lambda: pipeline.watch_waiting(parts), 15, self.deliver.wake.set
        )
        self.process = Loop(
            "reading messages",
            lambda: pipeline.process_waiting(parts),
            2,
            self._wake_all,
            alarm=self._alarm,
        )
        self.polls = [self._poll_loop(mailbox) for mailbox in parts.config.mailbox]
        self.second_readers = [self._second_reader(mailbox) for mailbox in parts.config.mailbox]
        for loop in (self.tick, *self._loops()):
            loop.guard = self._lead
        self._let_leases_go()
        self.listener = SlackListener(
            parts.config.slack,
            parts.database,
            parts.desk,
            clock=parts.clock,
            answer=self._answer,
            changed=self.deliver.wake.set,
        )
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self.health = self._make_health(parts)

    def start(self) -> None:
        """Start every loop; the first poll begins at once."""
        with self.parts.database.write() as session:
            release_leases(session)
            release_notice_leases(session)
            take_up_restored(session, self.parts.clock())
        read_evidence(self.parts.reader, b"")  # the first message must not wait for imports
        garbage.search_seldom()
        for loop in self._loops():
            self._spawn(loop.name, partial(loop.run, self.stopping))
        for mailbox, loop in zip(self.parts.config.mailbox, self.polls, strict=True):
            self._spawn(f"hints {mailbox.name}", partial(self._watch, mailbox, loop))
        self._spawn("slack", self.listener.run)
        self._scheduler.add_job(
            self.tick.once,
            "interval",
            seconds=TICK_SECONDS,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
            id="tick",
        )
        self._scheduler.start()
        self._spawn("clock watch", self._watch_clock)
        if self.health is not None:
            self.health.start()
        notify_systemd("READY=1")

    def stop(self) -> None:
        """Stop every loop between two pieces of work."""
        notify_systemd("STOPPING=1")
        self.stopping.set()
        self.listener.stop()
        if self.health is not None:
            self.health.stop()
        self._scheduler.shutdown(wait=True)
        for loop in self._loops():
            loop.wake.set()
        for thread in self._threads:
            thread.join(5)

    def tick_now(self) -> None:
        """Look at once at what is due, for example after the demo's clock was moved on."""
        self.tick.once()

    # ---- loops ----

    def _loops(self) -> tuple[Loop, ...]:
        """Return the loops that have a thread of their own."""
        first = (self.deliver, self.process, self.resolve, self.lint, self.lint_outside, self.watch)
        return (*first, *self.polls, *self.second_readers)

    def _let_leases_go(self) -> None:
        """Have what a loop held when the database went away taken again at once, not in minutes."""
        for loop, kind in (
            (self.process, "process_message"),
            (self.resolve, "resolve_item"),
            (self.lint, "lint_certificate"),
            (self.lint_outside, "lint_outside"),
            (self.watch, WATCH),
        ):
            loop.recover = partial(self._free, partial(release_leases, kinds=(kind,)))
        self.deliver.recover = partial(self._free, release_notice_leases)

    def _free(self, release: Callable[[Session], None]) -> None:
        with self.parts.database.write() as session:
            release(session)

    def _lead(self) -> None:
        """Make sure that no other host has taken over; if one has, this service ends."""
        try:
            self.leader.require()
        except NoLongerTheWriterError as error:
            self.lost = error
            self.stopping.set()
            self.on_lost()
            raise

    def _spawn(self, name: str, target: Callable[[], object]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _poll_loop(self, mailbox: MailboxSection) -> Loop:
        def work() -> bool:
            result = pipeline.poll(self.parts, mailbox, kept=self.process.wake.set)
            if result.troubles:
                raise OutsideUnavailableError("; ".join(result.troubles))
            self._last_good[mailbox.name] = time.monotonic()
            self._give_sign_of_life()
            return result.unfinished  # a large message: its next pieces at once

        return Loop(
            f"mailbox {mailbox.name}",
            work,
            mailbox.poll_every.total_seconds(),
            alarm=self._alarm,
        )

    def _second_reader(self, mailbox: MailboxSection) -> Loop:
        """Compare a mailbox with the archive once a day."""

        def work() -> None:
            differs = reconcile_if_due(
                self.parts.database,
                mailbox,
                at=self.parts.config.service.reconcile_at,
                channel=self.parts.config.slack.channel,
                clock=self.parts.clock,
                pause=self.stopping.wait,
            )
            if differs:
                self.deliver.wake.set()

        return Loop(f"second reader of {mailbox.name}", work, RECONCILE_LOOK_SECONDS)

    def _watch(self, mailbox: MailboxSection, loop: Loop) -> None:
        """Keep an IDLE connection on INBOX and on each Junk folder of a mailbox."""
        while not self.stopping.is_set() and not self._last_good.get(mailbox.name):
            self.stopping.wait(0.1)
        for folder in self._hinted(mailbox):
            self._spawn(f"idle {folder}", partial(self._idle, mailbox, folder, loop))

    def _hinted(self, mailbox: MailboxSection) -> list[str]:
        while not self.stopping.is_set():
            try:
                with self.parts.database.read() as session:
                    return hinted_folders(session, mailbox)
            except (SQLAlchemyError, OSError):  # the loops say so; polling goes on without hints
                self.stopping.wait(TICK_SECONDS)
        return []

    def _idle(self, mailbox: MailboxSection, folder: str, loop: Loop) -> None:
        work = partial(watch_folder, mailbox, folder, stopping=self.stopping, on_hint=loop.wake.set)
        Loop(f"IDLE on {mailbox.name}/{folder}", work, LONGEST_BACKOFF_SECONDS).run(self.stopping)

    def _escalate(self) -> int:
        now = self.parts.clock()
        with self.parts.database.write() as session:
            told = tell_mailbox_troubles(session, self.parts.config.slack.channel, now)
            told += tell_undecided(session, self.parts.config.slack.channel, now)
        return pipeline.escalate(self.parts) + told

    def _after_lint(self) -> None:
        self.lint_outside.wake.set()
        self.deliver.wake.set()

    def _wake_lint(self) -> None:
        self.lint.wake.set()
        self.deliver.wake.set()

    def _wake_all(self) -> None:
        for loop in (self.deliver, self.resolve, self.lint):
            loop.wake.set()

    # ---- clocks and signs of life ----

    def _measure_clock(self) -> float:
        return self.parts.clock().timestamp() - time.monotonic()

    def _watch_clock(self) -> None:
        """Look at once at what is due when the wall clock was set, forwards or back."""
        while not self.stopping.wait(1):
            offset = self._measure_clock()
            if abs(offset - self._clock_offset) > CLOCK_STEP_SECONDS:
                step = timedelta(seconds=round(offset - self._clock_offset))
                logger.warning("the clock of this machine was moved by %s", step)
                self._scheduler.modify_job("tick", next_run_time=wall_clock())
            self._clock_offset = offset

    def _make_health(self, parts: Parts) -> HealthServer | None:
        port = parts.config.service.health_port
        if port is None:
            return None
        collector = FiguresCollector(parts.database, parts.clock, self.troubles)
        return HealthServer(port, collector, troubles=self.troubles, unready=self.unready)

    def troubles(self) -> list[str]:
        """Say which steps fail at the moment, and why."""
        steps = (self.tick, self.process, self.deliver, self.resolve, self.lint)
        loops = (*steps, *self.polls, *self.second_readers)
        return [f"{one.name}: {one.trouble}" for one in loops if one.trouble is not None]

    def unready(self) -> list[str]:
        """Say which mailboxes were not read whole since the start."""
        names = [mailbox.name for mailbox in self.parts.config.mailbox]
        return [f"mailbox {one} was not read yet" for one in names if one not in self._last_good]

    def _alarm(self, text: str) -> None:
        tell_directly(self.parts.media, text, self.parts.clock())

    def _give_sign_of_life(self) -> None:
        """Tell the outside that every mailbox was read lately."""
        now = time.monotonic()
        for mailbox in self.parts.config.mailbox:
            limit = 3 * mailbox.poll_every.total_seconds()
            if now - self._last_good.get(mailbox.name, float("-inf")) > limit:
                return
        notify_systemd("WATCHDOG=1")
        url = self.parts.config.service.heartbeat_url
        if url is not None:
            threading.Thread(target=self._heartbeat, args=(url,), daemon=True).start()

    def _heartbeat(self, url: str) -> None:
        problem = fetch_heartbeat(url)
        if problem is not None:
            logger.warning("the heartbeat address did not answer: %s", problem)

    def _answer(self, query: str) -> str:
        return trace_text(self.parts.database, self.parts.config, query, now=self.parts.clock())
