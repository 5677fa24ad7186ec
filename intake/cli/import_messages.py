"""`intake import`: old mail into the archive, from `.eml`, mbox, Maildir or folders of them.

Searchable only, unless tickets are asked for. A message that is there already changes nothing, so
an import that broke off is simply run again.
"""

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from intake.cli.context import Context, add_command, open_context
from intake.cli.output import print_line, print_warning
from intake.errors import UsageError

if TYPE_CHECKING:
    from sqlmodel import Session

    from intake.archive.received import OurHosts, Receipt
    from intake.archive.seal import ArchiveKey
    from intake.cli.mail_files import FoundMail, MailFile
    from intake.evidence.values import Evidence
    from intake.tables import Message
    from intake.tickets.desk import Desk
    from intake.workers import Worker

MESSAGES_AT_ONCE = 100  # in one transaction
BYTES_AT_ONCE = 32_000_000
READER_MEMORY = 1_500_000_000  # bytes of address space
MOST_NAMED = 10


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `import`."""
    parser = add_command(commands, "import", run, ".eml, mbox or Maildir into the archive")
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="files and folders")
    parser.add_argument(
        "--received-at",
        metavar="TIME",
        help="T0 of messages that no host of ours has stamped, e.g. 2017-08-13T04:45:12Z",
    )
    parser.add_argument(
        "--open-tickets",
        action="store_true",
        help="treat them like mail that arrived; else they are searchable only",
    )


@dataclass
class Tally:
    """What became of the messages."""

    new: int = 0
    known: int = 0
    opened: set[int] = field(default_factory=set)
    unstamped: int = 0
    empty: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Desks:
    """What an import works with."""

    context: Context
    key: "ArchiveKey"
    our_hosts: "OurHosts"
    desk: "Desk"
    reader: "Worker"
    received_at: datetime | None
    open_tickets: bool


def run(options: argparse.Namespace) -> int:
    """Import every message of the paths."""
    from intake.cli.mail_files import find_mail_files

    received_at = _received_at(options.received_at)
    missing = [str(path) for path in options.paths if not path.exists()]
    if missing:
        message = f"There is no such file or folder: {', '.join(missing)}"
        raise UsageError(message)
    context = open_context(options)
    if received_at is not None and received_at > context.now:
        message = f"--received-at {options.received_at} lies in the future"
        raise UsageError(message)
    files, passed_over = find_mail_files(options.paths)
    tally = Tally()
    with _desks(context, received_at, open_tickets=options.open_tickets) as desks:
        for batch in _batches(files):
            _import_batch(desks, batch, tally)
        if tally.new or tally.opened:
            _record(desks, tally)
    _say(tally, passed_over, options)
    return 0


def _received_at(text: str | None) -> datetime | None:
    from intake.cli.trace import read_instant

    return None if text is None else read_instant("--received-at", text)


@contextmanager
def _desks(
    context: Context, received_at: datetime | None, *, open_tickets: bool
) -> "Iterator[Desks]":
    from intake.archive.received import OurHosts
    from intake.archive.seal import ArchiveKey, check_key
    from intake.certificates.ownership import IssuingCas
    from intake.tickets.desk import Desk
    from intake.workers import Worker

    config = context.config
    key = ArchiveKey.load(config.archive.key)
    with context.database.read() as session:
        check_key(session, key)
    hosts = sorted({host for mailbox in config.mailbox for host in mailbox.our_hosts})
    reader = Worker(memory_bytes=READER_MEMORY)
    try:
        yield Desks(
            context=context,
            key=key,
            our_hosts=OurHosts.parse(hosts),
            desk=Desk.from_config(config, key, IssuingCas.load(config.certificates.issuing_cas)),
            reader=reader,
            received_at=received_at,
            open_tickets=open_tickets,
        )
    finally:
        reader.close()


def _batches(files: Sequence["MailFile"]) -> Iterator[list["FoundMail"]]:
    """Yield messages in batches of bounded size, and show how far we are."""
    from intake.cli.mail_files import messages_in

    batch: list[FoundMail] = []
    size = 0
    with _progress(files) as advance:
        for file in files:
            for found in messages_in(file):
                batch.append(found)
                size += len(found.raw)
                if len(batch) >= MESSAGES_AT_ONCE or size >= BYTES_AT_ONCE:
                    yield batch
                    advance(size, len(batch))
                    batch, size = [], 0
        if batch:
            yield batch
            advance(size, len(batch))


def _import_batch(desks: Desks, batch: Sequence["FoundMail"], tally: Tally) -> None:
    """Read the messages in the worker, then keep and decide them in one transaction.

    Nothing is decided without being kept; what breaks the reader is kept all the same.
    """
    from intake.archive.store import archive_message

    read = [found for found in batch if found.raw.strip()]
    tally.empty += [found.where for found in batch if not found.raw.strip()]
    settled = _settled(desks, read)
    evidence = [
        None if digest(found) in settled else _read(desks.reader, found.raw) for found in read
    ]
    now = desks.context.now
    with desks.context.database.write() as session:
        for found, shown in zip(read, evidence, strict=True):
            receipt = _receipt(desks, found.raw, now)
            message, is_new = archive_message(
                session, desks.key, found.raw, receipt=receipt, seen_at=now
            )
            tally.new += is_new
            tally.known += not is_new
            tally.unstamped += is_new and receipt.source == "import"
            if shown is not None:
                _decide(session, desks, message, shown, is_new=is_new, now=now, tally=tally)


def digest(found: "FoundMail") -> str:
    """Return what the archive knows a message by."""
    return hashlib.sha256(found.raw).hexdigest()


def _settled(desks: Desks, batch: Sequence["FoundMail"]) -> set[str]:
    """Return the digests of messages that are there already and need no second look."""
    from sqlmodel import col, select

    from intake.tables import Message
    from intake.tickets.triage import BEFORE_WATCH

    digests = [digest(found) for found in batch]
    with desks.context.database.read() as session:
        known = session.exec(
            select(Message.sha256, Message.decision).where(col(Message.sha256).in_(digests))
        ).all()
    return {
        sha256
        for sha256, decision in known
        if not (desks.open_tickets and decision == BEFORE_WATCH)
    }


def _read(reader: "Worker", raw: bytes) -> "Evidence":
    from intake.reading import read_evidence

    return read_evidence(reader, raw)


def _receipt(desks: Desks, raw: bytes, now: datetime) -> "Receipt":
    """Return T0: the stamp of our own hosts, else what was stated, else now; never `Date`."""
    from intake.archive.received import Receipt, find_receipt

    receipt = find_receipt(raw, our_hosts=desks.our_hosts, internal_date=None, seen_at=now)
    if receipt.source == "received":
        return receipt
    if desks.received_at is not None:
        return Receipt(desks.received_at, "stated")
    return Receipt(now, "import")


def _decide(
    session: "Session",
    desks: Desks,
    message: "Message",
    evidence: "Evidence",
    *,
    is_new: bool,
    now: datetime,
    tally: Tally,
) -> None:
    """Decide on a message unless it is decided, or waits for the service, already."""
    from intake.archive.search import index_text
    from intake.tickets.describe import describe_message
    from intake.tickets.open import decide_message
    from intake.tickets.triage import BEFORE_WATCH

    if desks.open_tickets and (is_new or message.decision == BEFORE_WATCH):
        before = message.ticket
        decide_message(session, message, evidence, desk=desks.desk, now=now, open_tickets=True)
        if message.ticket is not None and message.ticket != before:
            tally.opened.add(message.ticket)
    elif is_new:
        describe_message(session, message, evidence)
        message.decision = BEFORE_WATCH
        session.add(message)
    else:
        return
    _finish_job(session, message)
    index_text(
        session,
        message.id or 0,
        subject=evidence.subject,
        sender=" ".join((evidence.sender_name, *evidence.senders)),
        body=evidence.text,
    )


def _finish_job(session: "Session", message: "Message") -> None:
    """Take the message off the service's list: it is decided here, in the same transaction."""
    from sqlmodel import select

    from intake.jobs import finish
    from intake.tables import Job

    job = session.exec(select(Job).where(Job.key == f"process_message:{message.id}")).first()
    if job is not None:
        finish(session, job)


def _record(desks: Desks, tally: Tally) -> None:
    from intake.events import record_event

    with desks.context.database.write() as session:
        record_event(
            session,
            "messages_imported",
            actor=desks.context.actor,
            now=desks.context.now,
            new=tally.new,
            known=tally.known,
            tickets=sorted(tally.opened),
        )


# ---- for people --------------------------------------------------------------------------------


@contextmanager
def _progress(files: Sequence["MailFile"]) -> "Iterator[Callable[[int, int], None]]":
    """Yield what is called with bytes and messages done; shows a bar on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _size, _count: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("importing"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[messages]} messages, {task.fields[rate]:.0f} a second"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=sum(file.size for file in files), messages=0, rate=0.0)
        done = 0

        def advance(size: int, count: int) -> None:
            nonlocal done
            done += count
            elapsed = progress.tasks[0].elapsed or 1.0
            progress.update(task, advance=size, messages=done, rate=done / elapsed)

        yield advance


def _say(tally: Tally, passed_over: Sequence[Path], options: argparse.Namespace) -> None:
    print_line(f"{tally.new} new, {tally.known} there already")
    if tally.unstamped:
        print_line(
            f"{tally.unstamped} carry no stamp of our own hosts: their T0 is the time of this "
            "import. --received-at says when they were received, if that is known."
        )
    if tally.opened:
        print_line(f"tickets: {', '.join(map(str, sorted(tally.opened)))}")
        print_line("Next: the service tells people within seconds; without it, intake poll.")
    elif tally.new and not options.open_tickets:
        print_line("They are searchable, and opened no tickets (before_watch).")
    for where in tally.empty[:MOST_NAMED]:
        print_warning(f"{where}: empty, left out")
    for path in passed_over[:MOST_NAMED]:
        print_warning(f"{path}: not called .eml or .mbox, left out; name it to take it anyway")
    if len(passed_over) > MOST_NAMED:
        print_warning(f"and {len(passed_over) - MOST_NAMED} more files were left out")
