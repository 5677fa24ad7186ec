"""`intake reprocess`: derive everything again from the raw bytes, and say what differs.

What a message shows (sender, subject, kind, mentioned Message-IDs, full text) is written anew.
What people work with is never changed behind their backs: an identifier that a ticket lacks and
an earlier T0 are told, for a person to act on. Status 1 if anything differed.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from intake.cli.context import Context, add_command, open_context
from intake.cli.output import print_json, print_line
from intake.clock import render_instant
from intake.errors import UsageError

if TYPE_CHECKING:
    from sqlmodel import Session

    from intake.archive.received import OurHosts
    from intake.archive.seal import ArchiveKey
    from intake.evidence.values import Evidence
    from intake.tables import Message
    from intake.workers import Worker

COLUMNS = ("sender", "subject", "sent_at", "kind", "reading_problems", "holds_private_key")
NAMES = ("crtsh_id", "sha256", "sha1", "serial_number")  # identifiers that become items


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `reprocess`."""
    summary = "derive everything again from the raw bytes; says what differs"
    parser = add_command(commands, "reprocess", run, summary)
    parser.add_argument("messages", metavar="MESSAGE", nargs="*", help="digests or Message-IDs")
    parser.add_argument("--json", action="store_true", help="one JSON document")


@dataclass(frozen=True)
class Difference:
    """Something that is stored otherwise than it would be derived now."""

    sha256: str
    what: str
    stored: Any  # a JSON value
    derived: Any
    is_mended: bool  # False: a person must act


def run(options: argparse.Namespace) -> int:
    """Go through the messages one by one; status 1 if anything differed."""
    context = open_context(options)
    rows = _rows(context, options.messages)
    differences: list[Difference] = []
    with _tools(context) as (key, our_hosts, reader), _progress(len(rows)) as advance:
        for row in rows:
            differences += reprocess(context, row, key=key, our_hosts=our_hosts, reader=reader)
            advance()
    if options.json:
        print_json({"messages": len(rows), "differences": [vars(one) for one in differences]})
    else:
        _say(len(rows), differences)
    return 1 if differences else 0


def _rows(context: Context, names: Sequence[str]) -> list[int]:
    from sqlmodel import col, select

    from intake.cli.message import find_messages
    from intake.tables import Message

    with context.database.read() as session:
        if not names:
            ids = session.exec(select(Message.id).order_by(col(Message.id))).all()
            return [one for one in ids if one is not None]
        found = {name: find_messages(session, name) for name in names}
    unknown = [name for name in names if not found[name]]
    if unknown:
        message = f"No archived message is {', '.join(map(repr, unknown))}."
        raise UsageError(message)
    return sorted({one.id or 0 for messages in found.values() for one in messages})


@contextmanager
def _tools(context: Context) -> "Iterator[tuple[ArchiveKey, OurHosts, Worker]]":
    from intake.archive.received import OurHosts
    from intake.archive.seal import ArchiveKey, check_key
    from intake.cli.message import READER_MEMORY
    from intake.workers import Worker

    key = ArchiveKey.load(context.config.archive.key)
    with context.database.read() as session:
        check_key(session, key)
    hosts = sorted({host for mailbox in context.config.mailbox for host in mailbox.our_hosts})
    reader = Worker(memory_bytes=READER_MEMORY)
    try:
        yield key, OurHosts.parse(hosts), reader
    finally:
        reader.close()


def reprocess(
    context: Context, row: int, *, key: "ArchiveKey", our_hosts: "OurHosts", reader: "Worker"
) -> list[Difference]:
    """Derive one message again; write what it shows, and return what differed."""
    from intake.archive.partial import what_is_lacking
    from intake.archive.store import raw_bytes
    from intake.evidence.extract import Limits
    from intake.reading import read_evidence
    from intake.tables import Message

    with context.database.read() as session:
        raw = raw_bytes(session, key, row, most=Limits().raw_bytes + 1)
        lacking = what_is_lacking(session, session.get_one(Message, row))
    evidence = read_evidence(reader, raw)
    if lacking is not None:
        evidence = replace(evidence, limits_hit=(lacking, *evidence.limits_hit))
    with context.database.write() as session:
        message = session.get_one(Message, row)
        if message.decision is None:
            return []  # it was never looked into; the service does that
        return [
            *_write_anew(session, message, evidence),
            *_missing_items(session, message, evidence),
            *_missing_proofs(session, message, evidence),
            *_receipt_difference(session, message, raw, our_hosts),
        ]


def _write_anew(
    session: "Session", message: "Message", evidence: "Evidence"
) -> Iterator[Difference]:
    """Write what the message shows, and yield what was stored otherwise."""
    from intake.archive.search import index_text
    from intake.tickets.describe import describe_message

    stored = {name: _json_value(getattr(message, name)) for name in COLUMNS}
    mentioned = _mentioned(session, message)
    describe_message(session, message, evidence)
    session.flush()
    index_text(
        session,
        message.id or 0,
        subject=evidence.subject,
        sender=" ".join((evidence.sender_name, *evidence.senders)),
        body=evidence.text,
    )
    for name in COLUMNS:
        derived = _json_value(getattr(message, name))
        if derived != stored[name]:
            yield Difference(message.sha256, name, stored[name], derived, is_mended=True)
    new = sorted(set(_mentioned(session, message)) - set(mentioned))
    if new:
        yield Difference(message.sha256, "mentioned_message_ids", [], new, is_mended=True)


def _mentioned(session: "Session", message: "Message") -> Sequence[str]:
    from sqlmodel import select

    from intake.tables import MessageIdEntry

    statement = select(MessageIdEntry.original).where(
        MessageIdEntry.message == message.id, MessageIdEntry.source == "mentioned"
    )
    return session.exec(statement).all()


def _missing_items(
    session: "Session", message: "Message", evidence: "Evidence"
) -> Iterator[Difference]:
    """Yield identifiers in the message that its ticket knows under no name at all."""
    if message.decision not in {"ticket", "follow_up"} or message.ticket is None:
        return
    known = _known_values(session, message.ticket)
    missing = sorted(
        {
            f"{one.kind} {one.value}"
            for one in evidence.identifiers
            if one.kind in NAMES and one.value not in known
        }
    )
    if missing:
        what = f"items of ticket {message.ticket}"
        yield Difference(message.sha256, what, [], missing, is_mended=False)


def _missing_proofs(
    session: "Session", message: "Message", evidence: "Evidence"
) -> Iterator[Difference]:
    """Yield keys that the message proves compromised, and that were never carried out."""
    from intake.tables import ProvenKey

    matches = sorted({one.key_match for one in evidence.key_proofs})
    missing = [one for one in matches if session.get(ProvenKey, one) is None]
    if missing:
        yield Difference(message.sha256, "keys proved compromised", [], missing, is_mended=False)


def _known_values(session: "Session", ticket: int) -> set[str]:
    """Return every name and fingerprint under which the ticket knows its certificates."""
    from sqlmodel import col, select

    from intake.tables import Certificate, Item, ItemCertificate, ItemName

    items = select(Item.id).where(Item.ticket == ticket)
    names = select(ItemName.value).where(col(ItemName.item).in_(items))
    certificates = (
        select(Certificate.sha256, Certificate.sha1, Certificate.serial_number)
        .join(ItemCertificate, col(ItemCertificate.sha256) == col(Certificate.sha256))
        .where(col(ItemCertificate.item).in_(items))
    )
    known = set(session.exec(names).all())
    return known.union(*(filter(None, row) for row in session.exec(certificates).all()))


def _receipt_difference(
    session: "Session", message: "Message", raw: bytes, our_hosts: "OurHosts"
) -> Iterator[Difference]:
    """Yield an earlier T0 than the stored one, if the present rule and hosts give one."""
    from sqlalchemy import func
    from sqlmodel import col, select

    from intake.archive.received import find_receipt
    from intake.tables import Sighting

    earliest = select(func.min(col(Sighting.internal_date))).where(Sighting.message == message.id)
    receipt = find_receipt(
        raw,
        our_hosts=our_hosts,
        internal_date=session.exec(earliest).one(),
        seen_at=message.first_seen_at,
    )
    if receipt.source != "first_seen" and receipt.at < message.received_at:
        stored, derived = render_instant(message.received_at), render_instant(receipt.at)
        yield Difference(message.sha256, "received_at (T0)", stored, derived, is_mended=False)


def _json_value(value: Any) -> Any:  # noqa: ANN401 - a column's value
    return render_instant(value) if hasattr(value, "tzinfo") else value


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """Yield what is called after each message; shows a bar on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("reading again", total=total)
        yield lambda: progress.advance(task)


def _say(total: int, differences: Sequence[Difference]) -> None:
    for one in differences:
        mended = "written anew" if one.is_mended else "NOT CHANGED, for a person to act on"
        print_line(
            f"{one.sha256[:16]}  {one.what}: {one.stored!r} is now {one.derived!r} ({mended})"
        )
    number = len({one.sha256 for one in differences})
    print_line(f"{total} messages read again; {number} differed")
