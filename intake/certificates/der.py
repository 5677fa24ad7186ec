"""A minimal walk over DER and BER that opens what stricter readers refuse.

It knows only where an element begins and ends. Misissued certificates are malformed ones: this
walk finds serial number, names, validity, key and the signed bytes as long as the outer shape of
a certificate is there.

Source: X.690 8.1; RFC 5280 4.1.
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

SEQUENCE, SET, INTEGER, BIT_STRING, OID = 0x30, 0x31, 0x02, 0x03, 0x06
VERSION, EXTENSIONS = 0xA0, 0xA3  # context tags in TBSCertificate
LONG_TAG = 0x1F  # X.690 8.1.2.4: the tag number follows in octets of its own
INDEFINITE = 0x80  # X.690 8.1.3.6
MOST_LENGTH_OCTETS = 4
DEEPEST = 40  # of elements with indefinite length inside each other
END_OF_CONTENTS = b"\x00\x00"


class DerError(ValueError):
    """The bytes are not what was expected at this place."""


class Element(NamedTuple):  # a third of the time of a frozen dataclass, and there are millions
    """One tag, length and value inside `data`."""

    data: bytes
    tag: int  # first identifier octet
    start: int
    content_start: int
    content_end: int
    end: int  # after the end-of-contents octets, if there are any

    @property
    def content(self) -> bytes:
        """Return the value without tag and length."""
        return self.data[self.content_start : self.content_end]

    @property
    def whole(self) -> bytes:
        """Return the exact bytes, tag and length included."""
        return self.data[self.start : self.end]

    def children(self) -> Iterator["Element"]:
        """Yield the elements inside; raise DerError at the first that has no sound length."""
        at = self.content_start
        while at < self.content_end:
            child = element_at(self.data, at, self.content_end)
            yield child
            at = child.end


@dataclass(frozen=True)
class CertificateParts:
    """Where the parts of a certificate lie; each is exactly as the CA signed it."""

    end: int  # of the whole certificate, in `data`
    tbs: bytes
    serial_number: bytes  # content octets
    inner_algorithm: Element
    issuer: Element
    validity: Element
    subject: Element
    spki: bytes
    after_key: tuple[Element, ...]  # what follows the key: unique ids and extensions
    algorithm: Element
    signature: bytes

    @functools.cached_property
    def extensions(self) -> tuple[tuple[str, bytes], ...]:
        """Return type with dots and content of extnValue of each extension, in order."""
        return _extensions(self.after_key)

    @property
    def extension_oids(self) -> tuple[str, ...]:
        """Return the types of the extensions, in order."""
        return tuple(oid for oid, _ in self.extensions)

    def extension(self, oid: str) -> bytes | None:
        """Return the content of the first extension of a type; None if there is none."""
        return next((value for one, value in self.extensions if one == oid), None)


def element_at(data: bytes, at: int, end: int, *, depth: int = 0) -> Element:
    """Read the element that begins at `at` and ends no later than `end`.

    Raises:
        DerError: if there is none.
    """
    if at >= end:
        raise DerError("ends too early")
    position = _after_tag(data, at, end)
    first, position = data[position], position + 1
    if first == INDEFINITE:
        content_end = _end_of_contents(data, position, end, depth=depth)
        return Element(data, data[at], at, position, content_end, content_end + 2)
    length = first
    if first & 0x80:
        octets = first & 0x7F
        if octets > MOST_LENGTH_OCTETS:
            raise DerError("has a length that nobody could send")
        length = int.from_bytes(data[position : position + octets], "big")
        position += octets
    if position + length > end:
        raise DerError("is longer than what holds it")
    return Element(data, data[at], at, position, position + length, position + length)


def _after_tag(data: bytes, at: int, end: int) -> int:
    position = at + 1
    if data[at] & LONG_TAG == LONG_TAG:
        while position < end and data[position] & 0x80:
            position += 1
        position += 1
    if position >= end:
        raise DerError("ends inside an element's header")
    return position


def _end_of_contents(data: bytes, at: int, end: int, *, depth: int) -> int:
    if depth > DEEPEST:
        raise DerError("is nested too deeply")
    while data[at : at + 2] != END_OF_CONTENTS:
        at = element_at(data, at, end, depth=depth + 1).end
    return at


def split_certificate(data: bytes, start: int = 0) -> CertificateParts:
    """Find the parts of the certificate that begins at `start`.

    Raises:
        DerError: if it does not have the shape of a certificate.
    """
    outer = _expect(element_at(data, start, len(data)), SEQUENCE, "a certificate")
    parts = list(as_many_as_sound(outer))
    if not parts:
        raise DerError("an empty SEQUENCE is no certificate")
    tbs = _expect(parts[0], SEQUENCE, "TBSCertificate")
    fields = list(as_many_as_sound(tbs))
    if fields and fields[0].tag == VERSION:
        fields.pop(0)
    if len(fields) < 6 or len(parts) < 3:  # noqa: PLR2004 - the fields of RFC 5280 4.1
        raise DerError("fields of a certificate are missing")
    serial, inner, issuer, validity, subject, spki = fields[:6]
    _expect(serial, INTEGER, "serialNumber")
    for element in (inner, issuer, validity, subject, spki):
        _expect(element, SEQUENCE, "a field of TBSCertificate")
    return CertificateParts(
        end=outer.end,
        tbs=tbs.whole,
        serial_number=serial.content,
        inner_algorithm=inner,
        issuer=issuer,
        validity=validity,
        subject=subject,
        spki=spki.whole,
        after_key=tuple(fields[6:]),
        algorithm=parts[1],
        signature=parts[2].content[1:],  # the first octet counts unused bits
    )


def _expect(element: Element, tag: int, what: str) -> Element:
    if element.tag != tag:
        message = f"{what} begins with tag {element.tag:#04x}, not {tag:#04x}"
        raise DerError(message)
    return element


def as_many_as_sound(element: Element) -> Iterator[Element]:
    """Yield the elements inside, up to the first that has no sound length."""
    try:
        yield from element.children()
    except DerError:
        return


def _extensions(fields: Iterable[Element]) -> tuple[tuple[str, bytes], ...]:
    found = []
    for field in fields:
        if field.tag != EXTENSIONS:
            continue
        for extensions in as_many_as_sound(field):
            for extension in as_many_as_sound(extensions):
                inside = list(as_many_as_sound(extension))
                if inside and inside[0].tag == OID:
                    value = inside[-1].content if len(inside) > 1 else b""
                    found.append((decode_oid(inside[0].content), value))
    return tuple(found)


def decode_oid(content: bytes) -> str:
    """Write the content octets of an OBJECT IDENTIFIER with dots; "?" for none at all."""
    numbers, value = [], 0
    for octet in content[:64]:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(value)
            value = 0
    if not numbers:
        return "?"
    first = min(numbers[0] // 40, 2)
    return ".".join(str(number) for number in (first, numbers[0] - first * 40, *numbers[1:]))


def decode_integer(content: bytes) -> int:
    """Read the content octets of an INTEGER, padded ones too."""
    return int.from_bytes(content, "big", signed=True)
