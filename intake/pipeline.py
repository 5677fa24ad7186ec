"""The way of a message, top to bottom: poll, keep, read, decide, tell, resolve, lint, escalate.

Each function does what is due in one step and returns how much that was; `service.py` calls them
for ever, `intake poll` once. Nothing here waits for another step: what a step owes the next one
is a row.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from sqlmodel import col, select

from intake.ahead import one_ahead
from intake.archive.partial import what_is_lacking
from intake.archive.received import OurHosts
from intake.archive.seal import ArchiveKey
from intake.archive.search import IndexedText, index_texts
from intake.archive.store import archive_batch, raw_bytes_of
from intake.certificates.crtsh import CrtshClient
from intake.certificates.lint_pool import AT_ONCE, LintPool
from intake.certificates.outside_linters import OutsideLinter
from intake.certificates.revocation_check import RevocationClient
from intake.clock import Clock
from intake.config import Config, MailboxSection
from intake.database import Database
from intake.errors import OutsideUnavailableError
from intake.evidence.extract import Evidence, Limits, unread_evidence
from intake.jobs import Handler, do_each, finish_each, mark_done, run_due, run_together
from intake.logs import log_work
from intake.mailbox.poll import FolderBatch, PollResult, poll_mailbox
from intake.notices.outbox import Media, deliver_due
from intake.notices.trouble import tell_trouble
from intake.reading import read_each
from intake.tables import Job, Message, Ticket
from intake.tickets.desk import Desk
from intake.tickets.escalate import digest_due, due_tickets, escalate_ticket
from intake.tickets.lint_jobs import OUTSIDE_LIMIT, lint_certificates, lint_outside
from intake.tickets.lookup import resolve_item
from intake.tickets.open import decide_messages
from intake.tickets.revocation_watch import KIND as WATCH
from intake.tickets.revocation_watch import (
    Rhythm,
    has_unwatched,
    queue_watches,
    watch_revocation,
)
from intake.tickets.triage import Decision
from intake.workers import Worker

logger = logging.getLogger(__name__)

MESSAGES_AT_ONCE = 1000
# What is decided on in one transaction at most: messages, their bytes, and seconds of reading.
GROUP_MESSAGES = 100
GROUP_BYTES = 4_000_000
GROUP_SECONDS = 1.0
# What is read in one call of the worker at most.
CALL_MESSAGES = 16
CALL_BYTES = 500_000
LINT_CALLS = 4  # of each worker between two looks at the queue: tickets take turns
WATCHED_AT_ONCE = 10  # certificates whose revocation is looked at in a row
WATCHED_SECONDS = 30.0  # in one pass of everything
LOOK_AGAIN = timedelta(minutes=1)
TOLD_EVERY = 20  # look-ups in one pass: steps that fall due meanwhile are told, cards shown anew
SHORT_PAUSES = 3  # that one pass waits for when crt.sh asks for them
SHORT_PAUSE_SECONDS = 15.0


@dataclass(frozen=True)
class Parts:
    """Everything that the steps work with; made in `service.py`."""

    config: Config
    database: Database
    key: ArchiveKey
    desk: Desk
    clock: Clock
    reader: Worker
    linter: LintPool
    crtsh: CrtshClient
    media: Media
    revocation: RevocationClient
    outside: Mapping[str, OutsideLinter] = field(default_factory=dict)  # linters outside, by name


# ---- 1 and 2: mailbox → archive ----------------------------------------------------------------


def nobody_waits() -> None:
    """Wake nobody: what was kept is read when its turn comes."""


def poll(
    parts: Parts, mailbox: MailboxSection, *, kept: Callable[[], None] = nobody_waits
) -> PollResult:
    """Read what is new in all folders of a mailbox into the archive.

    Args:
        parts: what the steps work with.
        mailbox: which one.
        kept: called when messages were kept, while others are still to be fetched.

    Raises:
        OutsideUnavailableError: if the mailbox can't be read; what was read so far is kept.
    """
    our_hosts = OurHosts.parse(mailbox.our_hosts)

    def keep(batch: FolderBatch) -> None:
        with parts.database.write() as session:
            archive_batch(session, parts.key, batch, our_hosts=our_hosts, now=parts.clock())
        kept()

    started = time.monotonic()
    result = poll_mailbox(
        parts.database,
        mailbox,
        keep=keep,
        clock=parts.clock,
        oversize=parts.config.service.oversize,
    )
    if result.new_messages or result.gone_unseen or result.unfinished:
        log_work(
            logger, "mailbox read", mailbox=mailbox.name, folders=result.folders,
            new=result.new_messages, gone_unseen=result.gone_unseen,
            unfinished=result.unfinished, ms=_ms(started),
        )  # fmt: skip
    return result


# ---- 3: archive → evidence → ticket ------------------------------------------------------------


def process_waiting(parts: Parts) -> int:
    """Read archived messages and decide what each becomes; return how many were taken."""
    return run_due(
        parts.database,
        ("process_message",),
        partial(process_message, parts),
        clock=parts.clock,
        limit=MESSAGES_AT_ONCE,
        together=partial(process_messages, parts),
        fallback=partial(process_unread, parts),
    )


def process_messages(parts: Parts, jobs: Sequence[Job]) -> None:
    """Read archived messages in the worker and decide on them, many in one transaction 2.

    While some are decided on the next ones are read. Memory is bounded, and a message that takes
    long to read does not hold up those before it.
    """
    with ThreadPoolExecutor(1, "deciding") as deciding:
        before: Future[None] | None = None
        for read in _read_in_groups(parts, jobs):
            if before is not None:
                before.result()
            before = deciding.submit(_decide, parts, read)
        if before is not None:
            before.result()


def process_message(parts: Parts, job: Job) -> None:
    """Read one archived message in the worker and decide on it: transaction 2."""
    for read in _read_in_groups(parts, [job]):
        _decide(parts, read)


def process_unread(parts: Parts, job: Job) -> None:
    """Open a ticket from the headers alone, for a message whose evidence breaks our program."""
    (raw,) = _load(parts, [int(job.subject)]).values()
    evidence = unread_evidence(raw, "our program failed on what this message holds")
    _decide(parts, [ReadMessage(job, evidence)])


@dataclass(frozen=True)
class ReadMessage:
    """A message that was read and is to be decided on."""

    job: Job
    evidence: Evidence

    @property
    def row(self) -> int:
        """Return the message's row."""
        return int(self.job.subject)


def _read_in_groups(parts: Parts, jobs: Sequence[Job]) -> Iterator[list[ReadMessage]]:
    """Yield messages as they are read, the oldest first, in groups that are decided on at once."""
    by_row = {int(job.subject): job for job in jobs}
    sizes, stubs = _sizes(parts, by_row)
    read: list[ReadMessage] = []
    groups = _groups(sizes, GROUP_MESSAGES, GROUP_BYTES)
    for raw in one_ahead((_load(parts, rows) for rows in groups), "loading"):
        began_at = time.monotonic()
        for some in _groups({row: sizes[row] for row in raw}, CALL_MESSAGES, CALL_BYTES):
            evidence = read_each(parts.reader, [raw[row] for row in some])
            for row, shown in zip(some, evidence, strict=True):
                read.append(ReadMessage(by_row[row], _with_what_lacks(shown, stubs.get(row))))
            if time.monotonic() - began_at > GROUP_SECONDS:
                yield read
                read, began_at = [], time.monotonic()
        yield read
        read = []


def _with_what_lacks(evidence: Evidence, lacking: str | None) -> Evidence:
    if lacking is None:
        return evidence
    return replace(evidence, limits_hit=(lacking, *evidence.limits_hit))


def _sizes(parts: Parts, rows: Collection[int]) -> tuple[dict[int, int], dict[int, str]]:
    """Return the sizes of messages in bytes, and what stubs among them lack."""
    with parts.database.read() as session:
        columns = select(Message.id, Message.size, Message.stands_for)
        found = session.exec(columns.where(col(Message.id).in_(rows)).order_by(col(Message.id)))
        sizes, stubs = {}, {}
        for row, size, stands_for in found.all():
            sizes[row or 0] = size
            if stands_for is not None:
                message = session.get_one(Message, row)
                stubs[row or 0] = what_is_lacking(session, message) or ""
        return sizes, stubs


def _groups(sizes: Mapping[int, int], most: int, most_bytes: int) -> Iterator[list[int]]:
    """Yield messages by their rows in groups of so many and so many bytes at most, or of one."""
    group: list[int] = []
    total = 0
    for row, size in sizes.items():
        if group and (len(group) == most or total + size > most_bytes):
            yield group
            group, total = [], 0
        group.append(row)
        total += size
    yield group


def _load(parts: Parts, rows: Sequence[int]) -> dict[int, bytes]:
    """Return as much of messages as is read, by their rows, the oldest first."""
    with parts.database.read() as session:
        raw = raw_bytes_of(session, parts.key, rows, most=Limits().raw_bytes + 1)
    return {row: raw[row] for row in sorted(raw)}


def _decide(parts: Parts, read: Sequence[ReadMessage]) -> None:
    """Decide on messages in one transaction 2, with their words and the end of their jobs."""
    if not read:
        return
    now = parts.clock()
    with parts.database.write() as session:
        query = select(Message).where(col(Message.id).in_([one.row for one in read]))
        messages = {one.id: one for one in session.exec(query)}
        pairs = [(messages[one.row], one.evidence) for one in read]
        decisions = decide_messages(session, pairs, desk=parts.desk, now=now)
        index_texts(session, {one.row: _words_of(one.evidence) for one in read})
        finish_each(session, [one.job for one in read])
    mark_done(one.job for one in read)
    for (message, evidence), decision in zip(pairs, decisions, strict=True):
        _log_decision(message, evidence, decision, now)


def _words_of(evidence: Evidence) -> IndexedText:
    sender = " ".join((evidence.sender_name, *evidence.senders))
    return IndexedText(evidence.subject, sender, evidence.text)


def _log_decision(message: Message, evidence: Evidence, decision: Decision, now: datetime) -> None:
    log_work(
        logger, "message decided", message=message.id, sha256=message.sha256[:16],
        bytes=message.size, decision=decision.kind, ticket=decision.ticket, kind=evidence.kind,
        identifiers=len(evidence.identifiers), certificates=len(evidence.certificates),
        private_keys=len(evidence.private_keys), unreadable=len(evidence.unreadable_parts),
        limits=len(evidence.limits_hit), seconds_after_receipt=_seconds(message.received_at, now),
    )  # fmt: skip


def _ms(since: float) -> int:
    return round((time.monotonic() - since) * 1000)


def _seconds(since: datetime, now: datetime) -> int:
    return round((now - since).total_seconds())


def logged(handle: Handler) -> Handler:
    """Return a handler that says in the log what it did, whether it was finished or put off."""

    def handle_and_say(job: Job) -> None:
        started = time.monotonic()
        handle(job)
        log_work(
            logger, "job taken", kind=job.kind, subject=job.subject[:16], ticket=job.ticket,
            state=job.state, attempts=job.attempts, error=job.last_error, ms=_ms(started),
        )  # fmt: skip

    return handle_and_say


# ---- 4: items → certificates → findings --------------------------------------------------------


def resolve_waiting(parts: Parts) -> int:
    """Look up items that were only named; return how many were taken.

    While crt.sh refuses, nothing is taken: what waits keeps its turn.
    """
    if parts.crtsh.pause_left() > 0:
        return 0
    return run_due(
        parts.database,
        ("resolve_item",),
        logged(partial(resolve_item, parts.database, parts.crtsh, parts.desk, parts.clock)),
        clock=parts.clock,
    )


def lint_waiting(parts: Parts) -> int:
    """Lint certificates that were not linted yet; return how many were taken."""
    work = partial(lint_certificates, parts.database, parts.linter, parts.desk, parts.clock)
    limit = LINT_CALLS * AT_ONCE * parts.linter.size
    return run_together(parts.database, ("lint_certificate",), work, clock=parts.clock, limit=limit)


def lint_outside_waiting(parts: Parts) -> int:
    """Have certificates linted by linters outside, if any are configured."""
    if not parts.outside:
        return 0
    work = partial(lint_outside, parts.database, parts.outside, parts.desk, parts.clock)
    return run_together(
        parts.database, ("lint_outside",), work, clock=parts.clock, limit=OUTSIDE_LIMIT
    )


def watch_waiting(parts: Parts) -> int:
    """Look at the revocation of certificates whose turn it is; return how many were looked at."""
    with parts.database.read() as session:
        is_new = has_unwatched(session, now=parts.clock())
    if is_new:
        with parts.database.write() as session:
            queue_watches(session, now=parts.clock())
    section = parts.config.revocation
    rhythm = Rhythm(section.every, section.urgent_every)
    work = partial(
        watch_revocation, parts.database, parts.revocation, parts.desk, parts.clock, rhythm
    )
    return run_due(parts.database, (WATCH,), logged(work), clock=parts.clock, limit=WATCHED_AT_ONCE)


# ---- 5: what is owed → notices → people --------------------------------------------------------


def escalate(parts: Parts) -> int:
    """Write the notices of every step that is due, ticket by ticket, and the daily digest.

    A ticket that breaks our program can't hold up the others: it is looked at again in a minute.
    """
    with parts.database.read() as session:
        numbers = due_tickets(session, parts.clock())
    do_each(numbers, partial(_escalate, parts), partial(_look_again, parts))
    with parts.database.write() as session:
        digest_due(session, parts.desk, parts.clock())
    return len(numbers)


def _escalate(parts: Parts, number: int) -> None:
    with parts.database.write() as session:
        escalate_ticket(session, number, parts.desk, now=parts.clock())


def _look_again(parts: Parts, number: int) -> None:
    now = parts.clock()
    with parts.database.write() as session:
        session.get_one(Ticket, number).next_action_at = now + LOOK_AGAIN
        text = f"Ticket {number} could not be escalated: our program failed. Look at it by hand."
        tell_trouble(session, f"ticket:{number}:{now:%Y%m%d%H}", parts.desk.channel, text, now=now)


def deliver(parts: Parts) -> int:
    """Send what stands in the outbox and is due."""
    return deliver_due(parts.database, parts.media, clock=parts.clock)


# ---- everything once ---------------------------------------------------------------------------


def run_once(parts: Parts) -> list[str]:
    """Do one pass of everything that is due now; return the mailboxes' troubles."""
    troubles: list[str] = []
    for mailbox in parts.config.mailbox:
        try:
            result = poll(parts, mailbox)
            while result.unfinished:  # a large message comes in pieces; its ticket does not wait
                settle(parts)
                result = poll(parts, mailbox)
            troubles += result.troubles
        except OutsideUnavailableError as error:
            troubles.append(str(error))
    settle(parts)
    return troubles


def settle(parts: Parts) -> None:
    """Do every job, step and notice that is due; people are told before certificates are sought."""
    while process_waiting(parts):
        pass
    _tell(parts)
    done = 0
    for _ in range(SHORT_PAUSES):
        while resolve_waiting(parts) + lint_waiting(parts) + lint_outside_waiting(parts):
            done += 1
            if done % TOLD_EVERY == 0:
                _tell(parts)
        _watch(parts)
        pause = parts.crtsh.pause_left()
        if not 0 < pause <= SHORT_PAUSE_SECONDS:
            break
        time.sleep(pause)
    _tell(parts)


def _watch(parts: Parts) -> None:
    """Look at revocations, for a bounded time; what is left keeps its turn."""
    ends_at = time.monotonic() + WATCHED_SECONDS
    while watch_waiting(parts) and time.monotonic() < ends_at:
        pass


def _tell(parts: Parts) -> None:
    escalate(parts)
    deliver(parts)
