"""Reading the answers of an IMAP server as `imaplib` hands them out. Pure.

Source: RFC 3501 5.1.3; RFC 9051 7.3.1, 7.5.2; RFC 6154.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

LIST_LINE = re.compile(rb'\(([^)]*)\) (?:NIL|"((?:[^"\\]|\\.)*)") (.*)', re.DOTALL)
NAMESPACE = re.compile(rb'\("((?:[^"\\]|\\.)*)" (?:NIL|"(?:[^"\\]|\\.)*")')
UID = re.compile(rb"\bUID (\d+)")
QUOTED_BODY = re.compile(rb'BODY\[\](?:<\d+>)? "((?:[^"\\]|\\.)*)"')
BODY = re.compile(rb"BODY\[\](?:<\d+>)? \{\d+\}$")

OUTGOING = {
    "\\drafts": ("drafts",),
    "\\sent": ("sent", "sent items", "sent mail", "sent messages"),
}


@dataclass(frozen=True)
class Listed:
    """A folder as the server lists it."""

    name: str  # as people read it
    wire: bytes  # as the server writes it
    separator: str
    attributes: frozenset[str]  # lower case


def read_list(data: Iterable[Any]) -> list[Listed]:
    """Read the lines of LIST; a name may be an atom, quoted, or a literal."""
    found = []
    for item in data:
        line, literal = item if isinstance(item, tuple) else (item, None)
        match = LIST_LINE.match(line or b"")
        if match is None:
            continue
        attributes, separator, name = match.groups()
        wire = literal if literal is not None else unquote(name.strip())
        found.append(
            Listed(
                name=readable(wire),
                wire=wire,
                separator=_unescape(separator or b"").decode("latin-1"),
                attributes=frozenset(attributes.decode("latin-1").lower().split()),
            )
        )
    return found


def read_namespaces(data: Iterable[Any]) -> list[bytes]:
    """Return the prefixes of other namespaces than the one without a prefix."""
    text = b" ".join(item for item in data if isinstance(item, bytes))
    prefixes = (_unescape(match[1]) for match in NAMESPACE.finditer(text))
    return [prefix for prefix in dict.fromkeys(prefixes) if prefix]


def read_uids(data: Iterable[Any]) -> list[int]:
    """Read the answers to `FETCH (UID)`; lines about anything else are passed over."""
    return [
        int(match[1])
        for item in data
        if isinstance(item, bytes) and (match := UID.search(item)) is not None
    ]


def read_bodies(data: Sequence[Any]) -> dict[int, bytes]:
    """Read the answers to `FETCH BODY.PEEK[]`, or to a part of it; what is NIL is left out."""
    found = {}
    for head, literal, tail in _messages(data):
        uid = UID.search(head) or UID.search(tail)
        if uid is None:
            continue
        if literal is not None and BODY.search(head):
            found[int(uid[1])] = literal
        elif literal is None and (quoted := QUOTED_BODY.search(head)) is not None:
            found[int(uid[1])] = _unescape(quoted[1])
    return found


def _messages(data: Sequence[Any]) -> Iterator[tuple[bytes, bytes | None, bytes]]:
    """Yield what stands before a literal, the literal, and what stands behind it."""
    for place, item in enumerate(data):
        if isinstance(item, tuple):
            behind = data[place + 1] if place + 1 < len(data) else b""
            yield item[0], item[1], behind if isinstance(behind, bytes) else b""
        elif isinstance(item, bytes):
            yield item, None, b""


def to_read(listed: Iterable[Listed], skip: Iterable[str]) -> list[Listed]:
    """Return the folders that must be archived: all that can be opened but Drafts and Sent."""
    folders = list(listed)
    named = {attribute for folder in folders for attribute in folder.attributes}
    skipped = {_as_compared(name) for name in skip}
    return sorted(
        (
            folder
            for folder in folders
            if not folder.attributes & {"\\noselect", "\\nonexistent"}
            and not _is_outgoing(folder, named)
            and not {_as_compared(folder.name), _as_compared(folder.wire.decode("latin-1"))}
            & skipped
        ),
        key=lambda folder: folder.name,
    )


def _is_outgoing(folder: Listed, named: set[str]) -> bool:
    """Say whether it is Drafts or Sent: by attribute; by name only where none has that attribute."""
    if folder.attributes & OUTGOING.keys():
        return True
    parts = folder.name.split(folder.separator) if folder.separator else [folder.name]
    path = [part.casefold() for part in parts]
    below_top = path[1:] if path[0] == "inbox" else path
    return any(
        below_top == [name]
        for attribute, names in OUTGOING.items()
        if attribute not in named
        for name in names
    )


def _as_compared(name: str) -> str:
    return "INBOX" if name.upper() == "INBOX" else name


def readable(wire: bytes) -> str:
    """Decode modified UTF-7; a name that is none stays as it is."""
    plain = wire.decode("latin-1")
    try:
        name = re.sub(r"&([A-Za-z0-9+,]*)-", _shifted, plain)
        return name if to_wire(name) == wire else plain
    except ValueError:
        return plain


def to_wire(name: str) -> bytes:
    """Encode a folder's name in modified UTF-7."""
    parts = re.split(r"([^\x20-\x7e]+)", name.replace("&", "&-"))
    return b"".join(
        _shift(part) if place % 2 else part.encode("ascii") for place, part in enumerate(parts)
    )


def _shift(text: str) -> bytes:
    packed = b64encode(text.encode("utf-16-be")).rstrip(b"=")
    return b"&" + packed.replace(b"/", b",") + b"-"


def _shifted(match: "re.Match[str]") -> str:
    packed = match[1].replace(",", "/")
    if not packed:
        return "&"
    return b64decode(packed + "=" * (-len(packed) % 4)).decode("utf-16-be")


def quote(text: bytes) -> bytes:
    """Return an IMAP quoted string."""
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def unquote(text: bytes) -> bytes:
    """Return what a quoted string or an atom stands for."""
    return _unescape(text[1:-1]) if len(text) > 1 and text[:1] == text[-1:] == b'"' else text


def _unescape(text: bytes) -> bytes:
    return re.sub(rb"\\(.)", rb"\1", text)
