"""`intake search`: messages and tickets by whatever a person knows of them.

Message-ID, sender, subject, words, fingerprint, serial number, crt.sh id, domain.
"""

import argparse
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from intake.cli.context import add_command, open_context
from intake.cli.output import print_json, print_line, print_table
from intake.clock import render_instant
from intake.errors import UsageError

if TYPE_CHECKING:
    from sqlmodel import Session

    from intake.tables import Message, Ticket

MOST = 50


@dataclass
class Hits:
    """Rows and why each was found, in the order of finding."""

    messages: dict[int, set[str]] = field(default_factory=dict)
    tickets: dict[int, set[str]] = field(default_factory=dict)


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `search`."""
    parser = add_command(commands, "search", run, "messages and tickets by what is known of them")
    parser.add_argument("text", metavar="TEXT", nargs="+", help="Message-ID, address, words, …")
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(options: argparse.Namespace) -> int:
    """Search and print what was found; status 1 if that is nothing."""
    text = " ".join(options.text).strip()
    if not text:
        message = "say what to search for"
        raise UsageError(message)
    context = open_context(options)
    with context.database.read() as session:
        hits = find(session, text)
        messages, tickets = _rows(session, hits)
    if options.json:
        print_json(_as_json(text, messages, tickets, hits=hits))
    else:
        _print_found(text, messages, tickets)
    return 0 if messages or tickets else 1


def find(session: "Session", text: str) -> Hits:
    """Look in every index that the text could be in."""
    from intake.archive.search import messages_with_id, search_text

    hits = Hits()
    for source, why in (("header", "Message-ID"), ("mentioned", "mentions the Message-ID")):
        for message in messages_with_id(session, text, source=source):
            _note(hits.messages, message.id, why)
    for message in _by_sender(session, text):
        _note(hits.messages, message.id, "sender")
    _find_names(session, text, hits)
    _find_number(session, text, hits)
    for message in search_text(session, text, limit=MOST):
        _note(hits.messages, message.id, "words")
    return hits


def _note(found: dict[int, set[str]], row: int | None, why: str) -> None:
    if row is not None:
        found.setdefault(row, set()).add(why)


def _by_sender(session: "Session", text: str) -> Iterable["Message"]:
    from sqlmodel import col, select

    from intake.tables import Message

    address = text.strip("<> ").casefold()
    statement = select(Message).where(Message.sender == address)
    return session.exec(statement.order_by(col(Message.received_at).desc()).limit(MOST)).all()


def _find_number(session: "Session", text: str, hits: Hits) -> None:
    """Find a ticket by `[CPR-12-1a2b3c4d]`, `CPR-12` or `#12`."""
    from intake.tables import Ticket

    match = re.fullmatch(r"\[?(?:CPR-|#)(\d{1,9})(?:-[0-9a-f]+)?\]?", text, re.IGNORECASE)
    ticket = session.get(Ticket, int(match[1])) if match else None
    if ticket is not None:
        _note(hits.tickets, ticket.id, "number")


# ---- certificates ------------------------------------------------------------------------------


def names_in(text: str) -> Iterator[tuple[str, str]]:
    """Yield what a text could mean as a certificate's name: kind and stored value."""
    link = re.search(r"[?&](?:id|d)=(\d{1,19})\b", text)
    if link or re.fullmatch(r"\d{1,19}", text):
        number = link[1] if link else text
        yield "crtsh_id", str(int(number))
    plain = re.sub(r"[:\s]", "", text).casefold().removeprefix("0x")
    if re.fullmatch(r"[0-9a-f]{2,64}", plain):
        yield from _hex_names(plain)
    if re.fullmatch(r"\d{8,60}", text):
        yield "serial_number", f"{int(text):x}"


def _hex_names(plain: str) -> Iterator[tuple[str, str]]:
    for kind, length in (("sha256", 64), ("spki_sha256", 64), ("certificate", 64), ("sha1", 40)):
        if len(plain) == length:
            yield kind, plain
    yield "serial_number", plain.lstrip("0") or "0"


def _find_names(session: "Session", text: str, hits: Hits) -> None:
    from sqlmodel import select

    from intake.tables import Item, ItemName, Message

    for kind, value in names_in(text):
        named = select(ItemName).where(ItemName.kind == kind, ItemName.value == value).limit(MOST)
        for name in session.exec(named).all():
            item = session.get(Item, name.item)
            _note(hits.tickets, item.ticket if item else None, WHY[kind])
            _note(hits.messages, name.message, WHY[kind])
        for item in _items_known_as(session, kind, value):
            _note(hits.tickets, item.ticket, WHY[kind])
        if kind == "sha256":
            digest = select(Message.id).where(Message.sha256 == value)
            for row in session.exec(digest).all():
                _note(hits.messages, row, "digest of the message")


def _items_known_as(session: "Session", kind: str, value: str) -> Iterable[Any]:
    """Return items whose certificate turned out to have this fingerprint or serial number."""
    from sqlmodel import col, select

    from intake.tables import Certificate, Item, ItemCertificate

    column = {
        "sha256": Certificate.sha256,
        "sha1": Certificate.sha1,
        "spki_sha256": Certificate.spki_sha256,
        "serial_number": Certificate.serial_number,
    }.get(kind)
    if column is None:
        return []
    statement = (
        select(Item)
        .join(ItemCertificate, col(ItemCertificate.item) == col(Item.id))
        .join(Certificate, col(Certificate.sha256) == col(ItemCertificate.sha256))
        .where(col(column) == value)
        .limit(MOST)
    )
    return session.exec(statement).all()


WHY = {
    "crtsh_id": "crt.sh id",
    "sha256": "fingerprint",
    "sha1": "fingerprint",
    "spki_sha256": "public key",
    "certificate": "fingerprint",
    "serial_number": "serial number",
}


# ---- what was found ----------------------------------------------------------------------------


def _rows(session: "Session", hits: Hits) -> tuple[list["Message"], list["Ticket"]]:
    """Load what was found, newest first; a message brings its ticket along."""
    from sqlmodel import col, select

    from intake.tables import Message, Ticket

    by_id = col(Message.id).in_(list(hits.messages))
    messages = session.exec(select(Message).where(by_id).order_by(col(Message.received_at).desc()))
    found = list(messages.all())
    for message in found:
        if message.ticket is not None:
            for why in hits.messages[message.id or 0]:
                _note(hits.tickets, message.ticket, why)
    numbers = col(Ticket.id).in_(list(hits.tickets))
    tickets = session.exec(select(Ticket).where(numbers).order_by(col(Ticket.id).desc()))
    return found, list(tickets.all())


def _as_json(
    text: str, messages: Iterable["Message"], tickets: Iterable["Ticket"], *, hits: Hits
) -> dict[str, Any]:
    return {
        "query": text,
        "messages": [
            {
                "sha256": message.sha256,
                "received_at": render_instant(message.received_at),
                "from": message.sender,
                "subject": message.subject,
                "decision": message.decision,
                "ticket": message.ticket,
                "why": sorted(hits.messages[message.id or 0]),
            }
            for message in messages
        ],
        "tickets": [
            {
                "number": ticket.id,
                "state": ticket.state,
                "received_at": render_instant(ticket.received_at),
                "subject": ticket.subject,
                "why": sorted(hits.tickets[ticket.id or 0]),
            }
            for ticket in tickets
        ],
    }


def _print_found(text: str, messages: list["Message"], tickets: list["Ticket"]) -> None:
    from intake.cli.message import print_messages

    if not messages and not tickets:
        print_line(f"Nothing was found for {text!r}.")
        print_line("Next: intake trace TEXT says how strong that answer is.")
        return
    print_table(
        ("TICKET", "STATE", "RECEIVED", "SUBJECT"),
        [
            (str(one.id), one.state, render_instant(one.received_at) or "", one.subject[:70])
            for one in tickets
        ],
    )
    if tickets and messages:
        print_line()
    print_messages(messages)
