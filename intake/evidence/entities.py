"""Parses a message into its MIME entities.

The usual shape (clean lines, known boundaries, no message within) is split by hand, in a third of
the time of the library, which looks at every line. Everything else is parsed by `email` with its
compat32 policy: the modern one raises on real mail. Both give the same entities.

Source: RFC 2045 5.1, RFC 2046 5.1.
"""

import binascii
import re
from base64 import b64decode
from email.errors import InvalidBase64LengthDefect, MissingHeaderBodySeparatorDefect
from email.message import Message
from email.parser import BytesParser
from email.policy import Policy, compat32
from typing import Any, cast

from intake.archive.header import USUAL_FIELDS, split_header
from intake.evidence.armour import decode_base64

LONGEST_FIELD = 10_000  # characters; the time for parameters grows with their square
DEEPEST_USUAL = 10  # levels of multiparts that are split by hand
_FIELD_OR_FOLD = re.compile(rb"[!-9;-~]+[ \t]*:|[ \t]|From |>From ")
_MAY_HAVE_PARTS = re.compile(rb"multipart|message/", re.IGNORECASE)
_BOUNDARY = re.compile(
    rb"boundary\s{0,20}=\s{0,20}(?:\"([^\"\r\n]{1,200})\"|([^\s\";]{1,200}))", re.IGNORECASE
)
_BOUNDARY_LINE = re.compile(rb"^--([^\r\n]{1,220})", re.MULTILINE)
# What is split by hand: fields and nothing else, and parameters without comments or escapes.
_NEXT_FIELD = re.compile(r"\r\n(?![ \t])")
_USUAL_MULTIPART = re.compile(
    r"multipart/(?!digest)[a-z-]+((?:\s*;\s*[a-z-]+=(?:\"[^\"\\\r\n]*\"|[^\s;\"()<>@,\\]+))*);?\s*\Z",
    re.IGNORECASE,
)
_USUAL_BOUNDARY = re.compile(
    r";\s*boundary=(?:\"([\w'()+,./:=?-]+)\"|([\w'+./=?-]+))(?=[\s;]|\Z)",
    re.IGNORECASE | re.ASCII,
)
_BOUNDARY_END = re.compile(rb"(--)?[ \t]*(?:\r\n|\Z)")


class Entity(Message):
    """A parsed message or part whose fields are cut where the library's reading of them gets slow."""

    body: bytes | None = None  # of a part that was split by hand and has no parts

    def __init__(self, policy: "Policy[Any]" = compat32) -> None:
        """Make an entity without fields; the parser calls this too."""
        super().__init__(policy=policy)
        self._first: dict[str, str] = {}  # value of each field by its name in lower case

    def set_raw(self, name: str, value: str) -> None:
        """Keep one field; the parser calls this for each."""
        value = value[:LONGEST_FIELD]
        super().set_raw(name, value)
        self._first.setdefault(name.lower(), value)

    def __setitem__(self, name: str, value: str) -> None:
        """Add one field."""
        self.set_raw(name, value)

    def get(self, name: str, failobj: Any = None) -> Any:  # noqa: ANN401
        """Return the first value of a field, without looking at all of them."""
        value = self._first.get(name.lower())
        return failobj if value is None else self.policy.header_fetch_parse(name, value)

    def content(self) -> bytes:
        """Return the bytes of a part without parts, its transfer encoding undone."""
        body = self.body
        if body is not None:
            encoding = str(self.get("content-transfer-encoding", "")).strip().lower()
            if encoding in _IDENTITY:
                return body
            if encoding == "quoted-printable":
                return binascii.a2b_qp(body)
            if encoding == "base64":
                try:
                    return b64decode(b"".join(body.split()), validate=True)
                except binascii.Error:
                    pass
            self.set_payload(body.decode("ascii", "surrogateescape"))
        payload = self.get_payload(decode=True)
        if any(isinstance(one, InvalidBase64LengthDefect) for one in self.defects):
            # Cut off: the library gives up on all of it.
            return decode_base64(str(self.get_payload()))
        return payload if isinstance(payload, bytes) else b""


_IDENTITY = ("", "7bit", "8bit", "binary")


def parse(raw: bytes) -> Entity:
    """Parse a message; a line in its header that is no field is left out instead of ending it.

    Raises:
        RecursionError and others of `MAIL_ERRORS` in parts.py: on hostile structure.
    """
    usual = _split_entity(raw, 0)
    return parse_thoroughly(raw) if usual is None else usual


def parse_thoroughly(raw: bytes) -> Entity:
    """Parse a message with the library, whatever it looks like."""
    message = _parse(raw)
    if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in message.defects):
        header, body = split_header(raw)
        lines = [line for line in header.splitlines(keepends=True) if _FIELD_OR_FOLD.match(line)]
        message = _parse(b"".join(lines).rstrip(b"\r\n") + b"\r\n\r\n" + body)
    return message


def _parse(raw: bytes) -> Entity:
    # What has no parts needs no line of its body looked at.
    is_flat = _MAY_HAVE_PARTS.search(split_header(raw)[0]) is None
    parser = BytesParser(Entity, policy=compat32)
    return cast("Entity", parser.parsebytes(raw, headersonly=is_flat))


def without_excess(raw: bytes, most: int) -> bytes:
    """Cut a message after so many boundary lines: the parser makes an object for each part."""
    shortest = len(b"--b\r\n")
    if len(raw) < shortest * most or raw.count(b"\n--") + raw.startswith(b"--") <= most:
        return raw
    boundaries = {quoted or plain for quoted, plain in _BOUNDARY.findall(raw)}
    count = 0
    for line in _BOUNDARY_LINE.finditer(raw) if boundaries else ():
        text = line[1].rstrip()
        count += text in boundaries or text.removesuffix(b"--") in boundaries
        if count > most:
            return raw[: line.start()]
    return raw


# ---- the usual shape ---------------------------------------------------------------------------


def _split_entity(raw: bytes, depth: int) -> Entity | None:
    """Return the entity that these bytes are, or None if its shape is not a usual one."""
    if raw.startswith(b"\r\n"):
        header, body = b"", raw[2:]
    else:
        header, empty, body = raw.partition(b"\r\n\r\n")
        if not empty and not header.endswith(b"\r\n"):
            return None
    if header and not USUAL_FIELDS.match(header):
        return None
    return _with_body(_with_fields(header.decode("ascii", "surrogateescape")), body, depth)


def _with_fields(header: str) -> Entity:
    entity = Entity(policy=compat32)
    for field in _NEXT_FIELD.split(header):
        name, _, value = field.partition(":")
        if name:
            entity.set_raw(name, value.lstrip(" \t"))
    return entity


def _with_body(entity: Entity, body: bytes, depth: int) -> Entity | None:
    """Return the entity with its body or its parts, or None if they are not in the usual shape."""
    content_type = str(entity.get("content-type", "")).lstrip()
    main_type = content_type[:10].lower()
    if main_type.startswith("message/"):
        return None
    if not main_type.startswith("multipart/"):
        entity.body = body
        return entity
    parts = _split_parts(content_type, body, depth)
    if parts is None:
        return None
    preamble, children = parts
    entity.preamble = preamble.decode("ascii", "surrogateescape")
    entity.set_payload(cast("list[Message | str]", children))
    return entity


def _split_parts(content_type: str, body: bytes, depth: int) -> tuple[bytes, list[Entity]] | None:
    """Return the preamble and the parts of a multipart, or None if its shape is not a usual one."""
    usual = _USUAL_MULTIPART.match(content_type)
    boundaries = _USUAL_BOUNDARY.findall(usual[1]) if usual else []
    if len(boundaries) != 1 or depth >= DEEPEST_USUAL:
        return None
    line = b"--" + "".join(boundaries[0]).encode("ascii")
    pieces = (b"\r\n" + body).split(b"\r\n" + line)
    if body.count(line) != len(pieces) - 1:  # it stands elsewhere too
        return None
    children: list[Entity] = []
    for number, piece in enumerate(pieces[1:], start=1):
        end = _BOUNDARY_END.match(piece)
        if end is None:
            return None
        if end[1]:  # the last line; what follows is no part
            is_last = number == len(pieces) - 1 and not piece[end.end() :].strip()
            return (pieces[0][2:], children) if children and is_last else None
        child = _split_entity(piece[end.end() :], depth + 1)
        if child is None:
            return None
        children.append(child)
    return None
