"""The parts of a winmail.dat, in which Outlook packs messages for those who use Outlook.

Source: MS-OXTNEF 2.1 (attributes), 2.1.3 (properties).
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from intake.evidence.rich_text import decompress

MAGIC = b"\x78\x9f\x3e\x22"
MOST_ATTRIBUTES = 10_000
MOST_PROPERTIES = 10_000
_ATTRIBUTE = struct.Struct("<BII")
_PROPERTY = struct.Struct("<HH")
_U32 = struct.Struct("<I")
_BODY, _ATTACHMENT, _TITLE, _DATA = 0x0002800C, 0x00069002, 0x00018010, 0x0006800F
_MESSAGE_PROPERTIES, _ATTACHMENT_PROPERTIES = 0x00069003, 0x00069005
_FIXED = {
    0x02: 4,
    0x03: 4,
    0x04: 4,
    0x05: 8,
    0x06: 8,
    0x07: 8,
    0x0A: 4,
    0x0B: 4,
    0x14: 8,
    0x40: 8,
    0x48: 16,
}
STRING8, UNICODE, OBJECT, BINARY = 0x1E, 0x1F, 0x0D, 0x102
_VARIABLE = (STRING8, UNICODE, OBJECT, BINARY)
MULTIPLE = 0x1000
NAMED = 0x8000
INTERFACE = 16  # octets before an embedded object
PLAIN, COMPRESSED_RTF, HTML = 0x1000, 0x1009, 0x1013
HEADERS, ATTACHED, NAME, LONG_NAME, MEDIA_TYPE = 0x007D, 0x3701, 0x3704, 0x3707, 0x370E


@dataclass
class Content:
    """A text or an attachment of an Outlook message."""

    name: str = ""
    data: bytes = b""
    media_type: str = "application/octet-stream"


def read_tnef(data: bytes) -> list[Content]:
    """Return the texts and attachments of a winmail.dat, as far as it can be read."""
    found: list[Content] = []
    attachment: Content | None = None
    for name, value in _attributes(data):
        if name == _ATTACHMENT:
            attachment = Content()
            found.append(attachment)
        elif name == _BODY:
            found.append(Content(data=value.rstrip(b"\0"), media_type="text/plain"))
        elif name == _MESSAGE_PROPERTIES:
            found += message_texts(
                {key: one for key, kind, one in _properties(value) if kind != OBJECT}
            )
        elif attachment is not None:
            _describe(attachment, name, value)
    return [one for one in found if one.data]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = len(MAGIC) + 2
    for _ in range(MOST_ATTRIBUTES):
        if at + _ATTRIBUTE.size > len(data):
            return
        _, name, size = _ATTRIBUTE.unpack_from(data, at)
        at += _ATTRIBUTE.size
        yield name, data[at : at + size]
        at += size + 2  # and a checksum


def _describe(attachment: Content, name: int, value: bytes) -> None:
    if name == _TITLE:
        attachment.name = attachment.name or value.rstrip(b"\0").decode("cp1252", "replace")
    elif name == _DATA:
        attachment.data = value
    elif name == _ATTACHMENT_PROPERTIES:
        for key, kind, one in _properties(value):
            if key in (LONG_NAME, NAME) and one:
                attachment.name = text_of(one, kind) or attachment.name
            elif key == MEDIA_TYPE:
                attachment.media_type = text_of(one, kind).lower() or attachment.media_type
            elif key == ATTACHED:
                attachment.data = one[INTERFACE:] if kind == OBJECT else one


def message_texts(properties: dict[int, bytes]) -> list[Content]:
    """Return the header and the texts of a message by its properties, texts in UTF-16 or 8 bits."""
    found = []
    for key, media_type in (
        (HEADERS, "text/rfc822-headers"),
        (PLAIN, "text/plain"),
        (HTML, "text/html"),
    ):
        if properties.get(key):
            found.append(Content(data=_eight_bit(properties[key]), media_type=media_type))
    if properties.get(COMPRESSED_RTF) and not (properties.get(PLAIN) or properties.get(HTML)):
        with suppress(ValueError):
            text = decompress(properties[COMPRESSED_RTF])
            found.append(Content(data=text, media_type="text/rtf"))
    return found


def _eight_bit(value: bytes) -> bytes:
    """Return text without the zeros of UTF-16, if it has them."""
    wide = len(value) % 2 == 0 and value[1::2][:200].count(0) > len(value[1::2][:200]) // 2
    return (value.decode("utf-16-le", "replace").encode() if wide else value).rstrip(b"\0")


def text_of(value: bytes, kind: int) -> str:
    """Return a string property as text."""
    return value.decode("utf-16-le" if kind == UNICODE else "cp1252", "replace").rstrip("\0")


def _properties(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield id, type and value of each property."""
    try:
        (count,) = _U32.unpack_from(data)
        at = _U32.size
        for _ in range(min(count, MOST_PROPERTIES)):
            kind, key = _PROPERTY.unpack_from(data, at)
            at += _PROPERTY.size
            if key >= NAMED:
                at = _skip_name(data, at)
            values, at = _values(data, at, kind)
            yield from ((key, kind & ~MULTIPLE, one) for one in values)
    except (struct.error, ValueError):
        return


def _skip_name(data: bytes, at: int) -> int:
    at += 16  # the name's space
    (kind,) = _U32.unpack_from(data, at)
    at += _U32.size
    if kind == 0:
        return at + _U32.size
    (size,) = _U32.unpack_from(data, at)
    return at + _U32.size + _padded(size)


def _values(data: bytes, at: int, kind: int) -> tuple[list[bytes], int]:
    plain = kind & ~MULTIPLE
    count = 1
    if kind & MULTIPLE or plain in _VARIABLE:
        (count,) = _U32.unpack_from(data, at)
        at += _U32.size
    found = []
    for _ in range(min(count, MOST_PROPERTIES)):
        if plain in _VARIABLE:
            (size,) = _U32.unpack_from(data, at)
            at += _U32.size
            found.append(data[at : at + size])
            at += _padded(size)
        elif plain in _FIXED:
            at += _FIXED[plain]
        else:
            message = "a property of unknown type"
            raise ValueError(message)
    return found, at


def _padded(size: int) -> int:
    return -(-size // 4) * 4
