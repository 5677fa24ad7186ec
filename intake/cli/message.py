"""`intake message show`: one archived message, by digest or Message-ID.

Private keys are radioactive: the text view leaves them out, and the exact bytes of a message that
holds one come out only with `--reveal-keys`, which is an event.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from intake.cli.context import Context, add_command, open_context
from intake.cli.output import print_json, print_line, print_table, print_warning
from intake.clock import render_instant
from intake.errors import UsageError

if TYPE_CHECKING:
    from sqlmodel import Session

    from intake.archive.seal import ArchiveKey
    from intake.evidence.values import Evidence
    from intake.tables import Message, Sighting

SHORTEST_PREFIX = 4  # hex digits of a digest
READ_SECONDS = 20.0
READER_MEMORY = 1_500_000_000  # bytes of address space
MOST_LISTED = 50


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `message`."""
    parser = add_command(commands, "message", show, "one archived message")
    actions = parser.add_subparsers(dest="action", required=True, metavar="show")
    one = add_command(actions, "show", show, "show a message, or write its exact bytes")
    one.add_argument("id", metavar="ID", help="SHA-256 (a prefix serves) or Message-ID")
    one.add_argument("--raw", action="store_true", help="write the exact bytes to stdout")
    one.add_argument(
        "--reveal-keys",
        action="store_true",
        help="with --raw: even if they hold a private key; this is recorded",
    )
    one.add_argument("--json", action="store_true", help="one JSON document")


def show(options: argparse.Namespace) -> int:
    """Show one message; several or none is status 1."""
    if options.reveal_keys and not options.raw:
        message = "--reveal-keys belongs to --raw"
        raise UsageError(message)
    context = open_context(options)
    key = _archive_key(context)
    with context.database.read() as session:
        found = find_messages(session, options.id)
    if len(found) != 1:
        return _say_which(options.id, found)
    if options.raw:
        return _write_raw(context, key, found[0], reveal_keys=options.reveal_keys)
    _show_one(context, key, found[0], as_json=options.json)
    return 0


def _archive_key(context: Context) -> "ArchiveKey":
    from intake.archive.seal import ArchiveKey, check_key

    key = ArchiveKey.load(context.config.archive.key)
    with context.database.read() as session:
        check_key(session, key)
    return key


def find_messages(session: "Session", text: str) -> list["Message"]:
    """Return the messages whose digest begins so, or that carry this Message-ID."""
    from sqlmodel import col, select

    from intake.archive.search import messages_with_id
    from intake.tables import Message

    prefix = text.strip().removeprefix("sha256:").casefold()
    if re.fullmatch(rf"[0-9a-f]{{{SHORTEST_PREFIX},64}}", prefix):
        statement = select(Message).where(
            col(Message.sha256) >= prefix, col(Message.sha256) < prefix + "g"
        )
        by_digest = session.exec(statement.order_by(col(Message.id)).limit(MOST_LISTED)).all()
        if by_digest:
            return list(by_digest)
    return messages_with_id(session, text)


def _say_which(text: str, found: Sequence["Message"]) -> int:
    if not found:
        print_warning(f"No archived message is {text!r}. Next: intake trace, or intake search.")
        return 1
    print_warning(f"{text!r} names {len(found)} messages; name one of them by its digest:")
    print_messages(found)
    return 1


def print_messages(messages: Sequence["Message"]) -> None:
    """Print messages in a table, the digest first."""
    print_table(
        ("MESSAGE", "RECEIVED", "TICKET", "FROM", "SUBJECT"),
        [
            (
                message.sha256[:16],
                render_instant(message.received_at) or "",
                str(message.ticket or message.decision or "waiting"),
                (message.sender or "unknown")[:40],
                (message.subject or "")[:60],
            )
            for message in messages
        ],
    )


# ---- the exact bytes ---------------------------------------------------------------------------


def _write_raw(
    context: Context, key: "ArchiveKey", message: "Message", *, reveal_keys: bool
) -> int:
    from intake.archive.store import raw_bytes
    from intake.events import record_event

    with context.database.read() as session:
        raw = raw_bytes(session, key, message.id or 0)
    if holds_private_key(message, raw):
        if not reveal_keys:
            print_warning(
                f"Message {message.sha256[:16]} holds a private key, so its bytes are not shown. "
                "If you must have them: --raw --reveal-keys, which is recorded under your name."
            )
            return 1
        allowed = may_reveal(context)
        with context.database.write() as session:
            record_event(
                session,
                "private_key_revealed" if allowed else "private_key_reveal_refused",
                actor=context.actor,
                now=context.now,
                message=message.id,
                ticket=message.ticket,
                sha256=message.sha256,
            )
        if not allowed:
            print_warning(
                f"{context.actor} may not see private keys: archive.reveal_keys names others. "
                "That it was asked for is recorded."
            )
            return 1
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()
    return 0


def may_reveal(context: Context) -> bool:
    """Say whether who acts has the role to see private keys; without a list, any who can act."""
    allowed = context.config.archive.reveal_keys
    return allowed is None or context.actor in allowed


def holds_private_key(message: "Message", raw: bytes) -> bool:
    """Say whether the bytes hold a private key; one that nobody has read yet is read now."""
    if message.holds_private_key or b"PRIVATE KEY-----" in raw:
        return True
    if message.kind not in {None, "unparsed"}:  # what broke the reader was never looked through
        return False
    evidence = read_evidence(raw)
    return evidence is None or bool(evidence.private_keys)  # what can't be read may hold one


# ---- for people and programs -------------------------------------------------------------------


def _show_one(context: Context, key: "ArchiveKey", message: "Message", *, as_json: bool) -> None:
    from sqlmodel import col, select

    from intake.archive.partial import what_is_lacking
    from intake.archive.store import raw_bytes
    from intake.evidence.extract import Limits
    from intake.tables import MessageIdEntry, Sighting

    with context.database.read() as session:
        sightings = session.exec(select(Sighting).where(Sighting.message == message.id)).all()
        entries = session.exec(
            select(MessageIdEntry)
            .where(MessageIdEntry.message == message.id)
            .order_by(col(MessageIdEntry.id))
        ).all()
        raw = raw_bytes(session, key, message.id or 0, most=Limits().raw_bytes + 1)
        lacking = what_is_lacking(session, message)
    ids = {source: [one.original for one in entries if one.source == source] for source in SOURCES}
    if as_json:
        print_json(_as_json(message, sightings, ids))
        return
    _print_head(message, ids)
    _print_sightings(sightings)
    if lacking is not None:
        print_line(f"This stands for a message: {lacking}.")
    evidence = read_evidence(raw)
    print_line()
    if evidence is None:
        print_line("The text could not be read within its limits; --raw gives the bytes.")
        return
    for found in evidence.private_keys:
        print_line(f"[a private key ({found.kind}) in part {found.part} is left out]")
    print_line(evidence.text)


SOURCES = ("header", "mentioned")


def read_evidence(raw: bytes) -> "Evidence | None":
    """Read a message in a process of its own; None if it broke the reader."""
    from intake.evidence.extract import Limits
    from intake.workers import Worker, WorkerFailure

    worker = Worker(memory_bytes=READER_MEMORY)
    try:
        evidence: Evidence = worker.call(
            "intake.evidence.extract:extract_evidence", raw, Limits(), seconds=READ_SECONDS
        )
    except WorkerFailure:
        return None
    finally:
        worker.close()
    return evidence


def _as_json(
    message: "Message", sightings: Sequence["Sighting"], ids: dict[str, list[str]]
) -> dict[str, Any]:
    return {
        "sha256": message.sha256,
        "size": message.size,
        "received_at": render_instant(message.received_at),
        "received_from": message.received_from,
        "first_seen_at": render_instant(message.first_seen_at),
        "sent_at": render_instant(message.sent_at),
        "decision": message.decision,
        "ticket": message.ticket,
        "from": message.sender,
        "subject": message.subject,
        "kind": message.kind,
        "message_ids": ids["header"],
        "mentioned_message_ids": ids["mentioned"],
        "holds_private_key": message.holds_private_key,
        "reading_problems": message.reading_problems,
        "sightings": [
            {
                "mailbox": sighting.mailbox,
                "folder": sighting.folder,
                "uidvalidity": sighting.uidvalidity,
                "uid": sighting.uid,
                "internal_date": render_instant(sighting.internal_date),
                "first_seen_at": render_instant(sighting.first_seen_at),
                "gone_since": render_instant(sighting.gone_since),
                "in_junk": sighting.in_junk,
            }
            for sighting in sightings
        ],
    }


def _print_head(message: "Message", ids: dict[str, list[str]]) -> None:
    ticket = "" if message.ticket is None else f"ticket {message.ticket}"
    rows = [
        ("message", f"{message.sha256}  ({message.size} bytes)"),
        ("Message-ID", ", ".join(ids["header"]) or "none"),
        ("mentions", ", ".join(ids["mentioned"])),
        ("from", message.sender or "unknown"),
        ("subject", message.subject or "(none)"),
        ("sent", f"{render_instant(message.sent_at) or 'unknown'}  (the sender's claim)"),
        ("received", f"{render_instant(message.received_at)}  (T0, from {message.received_from})"),
        ("first seen", render_instant(message.first_seen_at) or ""),
        ("became", ", ".join(part for part in (message.decision or "waiting", ticket) if part)),
        ("problems", "; ".join(message.reading_problems)),
    ]
    for name, value in rows:
        if value:
            print_line(f"{name:<11} {value}")


def _print_sightings(sightings: Sequence["Sighting"]) -> None:
    for sighting in sightings:
        junk = ", JUNK" if sighting.in_junk else ""
        gone = (
            "" if sighting.gone_since is None else f", gone {render_instant(sighting.gone_since)}"
        )
        place = f"{sighting.mailbox} / {sighting.folder}{junk}"
        seen = render_instant(sighting.first_seen_at)
        print_line(f"{'lay in':<11} {place}, UID {sighting.uid}, seen {seen}{gone}")
