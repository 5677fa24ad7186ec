"""The parts of a message, taken apart without recursion and within limits.

A part's path counts from 1, the message itself being "1": "1.2" is the second part of a multipart
message, "1.2.1" the message within it if it is a nested one. Members of archives follow with
slashes: "1.2/report.zip/leaf.der". Subjects are the part "subject" (of a nested message
"1.2.subject").
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from intake.archive.message_id import ids_in
from intake.evidence.entities import Entity, parse
from intake.evidence.gathering import Gathering
from intake.evidence.headers import decode_value, read_addresses

# What the standard library was seen to raise on hostile mail. Errors of the environment (memory,
# disk) are not among them and end the worker.
MAIL_ERRORS = (
    RecursionError, ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError,
)  # fmt: skip
LONGEST_NAME = 120
LONGEST_CACHED = 200
_BOILERPLATE = (
    200  # characters of a preamble such as `This is a multi-part message in MIME format.`
)
_LOST_BOUNDARY = re.compile(rb"(?:\A|\n)--([^\s\"]{1,200})[ \t]*\r?\n(?=content-)", re.IGNORECASE)
_MENTIONING = (
    "message-id",
    "references",
    "in-reply-to",
    "resent-message-id",
    "original-message-id",
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class Piece:
    """Something still to be read: a MIME entity, or bytes of some kind."""

    path: str
    depth: int = 0
    entity: Entity | None = field(default=None, repr=False)
    data: bytes = field(default=b"", repr=False)
    media_type: str = "text/plain"
    charset: str | None = None
    name: str = ""
    attached: bool = False
    shown: bool = True  # False: says the same as another part
    is_message: bool = False  # the entity is a nested message with fields of its own
    raw: bool = False  # not taken apart: may hold encoded parts
    archive_depth: int = 0


def open_entity(piece: Piece, gathering: Gathering) -> list[Piece]:
    """Take one MIME entity apart and return what stands in it, in order."""
    entity = piece.entity
    if entity is None:
        return []
    if piece.is_message:
        _read_nested_fields(entity, gathering)
    media_type = entity.get_content_type()
    if media_type == "multipart/encrypted":
        gathering.unread(piece.path, "encrypted")
    if media_type.startswith("message/"):
        return _open_message(entity, piece, media_type, gathering)
    if entity.is_multipart():
        return _open_multipart(entity, piece, media_type)
    if media_type.startswith("multipart/"):
        return _open_without_boundary(entity, piece)
    return [_leaf(entity, piece, media_type)]


def _open_multipart(entity: Entity, piece: Piece, media_type: str) -> list[Piece]:
    found = [] if not entity.preamble else _around(entity.preamble, piece, "preamble")
    has_text = False
    for number, child in enumerate(_payload(entity), start=1):
        shown = piece.shown
        if media_type == "multipart/alternative":
            shown = shown and not has_text
            has_text = has_text or (
                child.get_content_type() == "text/plain" and bool(child.content().strip())
            )
        found.append(Piece(f"{piece.path}.{number}", piece.depth + 1, child, shown=shown))
    if entity.epilogue:
        found += _around(entity.epilogue, piece, "epilogue")
    return found


def deep_leaves(piece: Piece, depth: int) -> list[Piece]:
    """Return the parts within one that have none of their own, however deeply they are nested."""
    found: list[Piece] = []
    waiting = [piece.entity] if piece.entity is not None else []
    while waiting:
        entity = waiting.pop()
        children = _payload(entity)
        waiting += reversed(children)
        if not children:
            path = f"{piece.path}.deep.{len(found) + 1}"
            found.append(Piece(path, depth, entity, shown=piece.shown))
    return found


def _payload(entity: Entity) -> list[Entity]:
    payload = entity.get_payload()
    return (
        [child for child in payload if isinstance(child, Entity)]
        if isinstance(payload, list)
        else []
    )


def _around(text: str, piece: Piece, where: str) -> list[Piece]:
    """Return the text before or after the parts of a multipart, unless it is the usual remark."""
    if not text.strip() or (len(text) < _BOILERPLATE and "MIME" in text):
        return []
    data = text.encode("ascii", "surrogateescape")
    return [Piece(f"{piece.path}.{where}", piece.depth + 1, data=data, raw=True, shown=piece.shown)]


def _open_without_boundary(entity: Entity, piece: Piece) -> list[Piece]:
    """Read a multipart whose boundary is missing or wrong, by the boundary that its body shows."""
    body = entity.content()
    lost = _LOST_BOUNDARY.search(body)
    if lost is None:
        return [Piece(piece.path, piece.depth, data=body, raw=True)]
    header = b'Content-Type: multipart/mixed; boundary="' + lost[1] + b'"\r\n\r\n'
    again = parse(header + body)
    if not again.is_multipart():
        return [Piece(piece.path, piece.depth, data=body, raw=True)]
    return [Piece(piece.path, piece.depth + 1, again)]


def _open_message(
    entity: Entity, piece: Piece, media_type: str, gathering: Gathering
) -> list[Piece]:
    children = _payload(entity)
    if media_type.endswith("delivery-status"):
        gathering.has_delivery_status = True
        for block in children:
            gathering.add_text(
                "\n".join(
                    f"{name}: {decode_value(_latin(value))}" for name, value in block.raw_items()
                )
            )
        return []
    encoding = str(entity.get("content-transfer-encoding", "")).strip().lower()
    if len(children) == 1 and not children[0].keys() and encoding in ("base64", "quoted-printable"):
        coded = Entity()
        coded["Content-Transfer-Encoding"] = encoding
        coded.set_payload(children[0].get_payload())
        return [Piece(piece.path, piece.depth, data=coded.content(), media_type="message/rfc822")]
    if not children:
        return [Piece(piece.path, piece.depth, data=entity.content(), raw=True)]
    return [
        Piece(f"{piece.path}.{number}", piece.depth + 1, child, is_message=True, shown=piece.shown)
        for number, child in enumerate(children, start=1)
    ]


def _leaf(entity: Entity, piece: Piece, media_type: str) -> Piece:
    says = _says(entity)
    attached = says.disposition == "attachment" or (
        bool(says.name) and says.disposition != "inline"
    )
    return Piece(
        piece.path, piece.depth, data=entity.content(), media_type=media_type, charset=says.charset,
        name=says.name, attached=attached and not entity.get("content-id"), shown=piece.shown,
    )  # fmt: skip


class _Says(NamedTuple):
    """What the fields of a part say of it."""

    charset: str | None
    disposition: str
    name: str


def _says(entity: Entity) -> _Says:
    """Read Content-Type and Content-Disposition; the same few values come again and again."""
    values = entity.get("content-type"), entity.get("content-disposition")
    plain = all(
        value is None or (type(value) is str and len(value) <= LONGEST_CACHED) for value in values
    )
    return _read_cached(*values) if plain else _read_fields(entity)


@lru_cache(maxsize=1024)
def _read_cached(content_type: str | None, disposition: str | None) -> _Says:
    entity = Entity()
    for name, value in (("Content-Type", content_type), ("Content-Disposition", disposition)):
        if value is not None:
            entity.set_raw(name, value)
    return _read_fields(entity)


def _read_fields(entity: Entity) -> _Says:
    """Read what the fields say; parameters that the library fails on hide no content."""
    disposition = _asked(entity.get_content_disposition) or ""
    return _Says(_asked(entity.get_content_charset), disposition, _name(entity))


def _asked(question: Callable[[], str | None]) -> str | None:
    try:
        return question()
    except MAIL_ERRORS:
        return None


def _name(entity: Entity) -> str:
    try:
        return clean_name(decode_value(_latin(entity.get_filename() or "")))
    except MAIL_ERRORS:
        return ""


def clean_name(name: str) -> str:
    """Return a file name as a label of one line; it never becomes a path on disk."""
    return _CONTROL.sub("·", name).replace("/", "⁄")[:LONGEST_NAME]


def _read_nested_fields(entity: Entity, gathering: Gathering) -> None:
    for name, value in entity.raw_items():
        lower = name.lower()
        if lower in _MENTIONING:
            gathering.mention(ids_in(_latin(value)), enclosed=lower == "message-id")


def nested_subject(entity: Entity) -> str:
    """Return the decoded Subject of a nested message."""
    for name, value in entity.raw_items():
        if name.lower() == "subject":
            return decode_value(_latin(value))
    return ""


def nested_senders(entity: Entity) -> list[str]:
    """Return the addresses in From of a nested message."""
    values = [_latin(value) for name, value in entity.raw_items() if name.lower() == "from"]
    return [address for _, address in read_addresses(values[:1])]


def nested_summary(entity: Entity) -> str:
    """Return the fields of a nested message that people look for."""
    wanted = ("from", "to", "date", "subject", "message-id")
    return "\n".join(
        f"{name}: {decode_value(_latin(value))}"
        for name, value in entity.raw_items()
        if name.lower() in wanted
    )


def _latin(value: object) -> str:
    """Return a field of a parsed message with its raw bytes as latin-1."""
    return str(value).encode("utf-8", "surrogateescape").decode("latin-1")
