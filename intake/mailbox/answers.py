"""What a server's answers mean: statuses, dates, names and envelopes, whatever they look like."""

from datetime import UTC, datetime
from typing import Any

from imapclient.imap_utf7 import decode as decode_utf7
from imapclient.imap_utf7 import encode as encode_utf7
from imapclient.response_types import Address, Envelope

from intake.mailbox.folder import FolderStatus


def read_status(answer: dict[bytes, Any], count: bytes) -> FolderStatus:
    """Return where a folder stands, from the answer to STATUS or EXAMINE.

    Raises:
        ValueError: if the answer lacks what every server must say.
    """
    uidvalidity, uidnext = answer.get(b"UIDVALIDITY"), answer.get(b"UIDNEXT")
    exists = answer.get(count)
    if not isinstance(uidvalidity, int) or not isinstance(exists, int):
        message = f"no UIDVALIDITY or message count in the answer {sorted(answer)!r}"
        raise ValueError(message)  # noqa: TRY004 - a server's answer, not our caller's argument
    return FolderStatus(uidvalidity, uidnext if isinstance(uidnext, int) else None, exists)


def read_instant(instant: object) -> datetime | None:
    """Return an INTERNALDATE as an aware instant in UTC."""
    if not isinstance(instant, datetime):
        return None
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


def read_text(value: object) -> str:
    """Return bytes as text that turns back into the same bytes."""
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def read_name(name: object) -> str:
    """Decode modified UTF-7; a name that is none stays as it is, so that it goes back unchanged."""
    wire = read_text(name)
    try:
        decoded = str(decode_utf7(wire.encode("latin-1")))
        return decoded if encode_utf7(decoded).decode("ascii") == wire else wire
    except (ValueError, LookupError):
        return wire


def header_from(envelope: object) -> bytes:
    """Return header fields with what an envelope says; empty if there is none."""
    if not isinstance(envelope, Envelope):
        return b""
    sender = ", ".join(_address(one) for one in envelope.from_ or ())
    recipients = ", ".join(_address(one) for one in envelope.to or ())
    fields = (
        (
            "Date",
            envelope.date.strftime("%a, %d %b %Y %H:%M:%S %z").strip() if envelope.date else "",
        ),
        ("From", sender),
        ("To", recipients),
        ("Subject", read_text(envelope.subject or b"")),
        ("In-Reply-To", read_text(envelope.in_reply_to or b"")),
        ("Message-ID", read_text(envelope.message_id or b"")),
    )
    lines = [f"{name}: {' '.join(value.split())}\r\n" for name, value in fields if value]
    return "".join(lines).encode("latin-1", "replace")


def _address(one: Address) -> str:
    return f"{read_text(one.mailbox or b'')}@{read_text(one.host or b'')}"
