"""Which object a run of DER bytes is, told by its shape alone.

Misissued certificates are malformed ones, so this must recognise what no library loads: lengths
that are not minimal, indefinite lengths, and contents of any kind are accepted.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

SEQUENCE, SET, INTEGER, BIT_STRING, OCTET_STRING, OID = 0x30, 0x31, 0x02, 0x03, 0x04, 0x06
ENUMERATED = 0x0A
VERSION = 0xA0
TIMES = (0x17, 0x18)
PKCS7_DATA = bytes.fromhex("2a864886f70d010701")
PKCS7_SIGNED = bytes.fromhex("2a864886f70d010702")
PKCS7_ENVELOPED = bytes.fromhex("2a864886f70d010703")
PASSWORD_BASED = (bytes.fromhex("2a864886f70d0105"), bytes.fromhex("2a864886f70d010c01"))
RSA_ALGORITHM = bytes.fromhex("300d06092a864886f70d0101010500")
RSA_FIELDS = 9
DSA_FIELDS = 6
MOST_IN_PKCS7 = 10_000
LONGEST_LENGTH = 4  # octets of a length: 4 GiB are enough
PRIVATE_KEYS = frozenset({"pkcs1", "pkcs8", "sec1", "dsa", "encrypted_pkcs8"})

_LENGTH = rb"(?:[\x00-\x7f]|\x81.|\x82..|\x83...)"
_KEY_START = re.compile(
    rb"\x30" + _LENGTH + rb"(?:\x02\x01[\x00\x01][\x02\x30\x04]"
    rb"|\x30" + _LENGTH + rb"\x06[\x09\x0a]\x2a\x86\x48\x86\xf7\x0d\x01(?:\x05|\x0c\x01))",
    re.DOTALL,
)

MOST_TRIED_WITHIN = 10_000


class Element(NamedTuple):
    """One tag-length-value: positions within the bytes that it was read from."""

    tag: int
    start: int
    body: int
    end: int


def read_element(data: bytes, start: int, limit: int) -> Element | None:
    """Return the element at a position, or None where there is none that fits."""
    if start + 2 > limit:
        return None
    first = data[start + 1]
    if first < 0x80:  # noqa: PLR2004 - short form
        end = start + 2 + first
        return Element(data[start], start, start + 2, end) if end <= limit else None
    if first == 0x80:  # noqa: PLR2004 - indefinite length: not DER, and seen
        end = _end_of_indefinite(data, start + 2, limit)
        return Element(data[start], start, start + 2, end) if end else None
    count = first & 0x7F
    body = start + 2 + count
    if count > LONGEST_LENGTH or body > limit:
        return None
    end = body + int.from_bytes(data[start + 2 : body], "big")
    return Element(data[start], start, body, end) if end <= limit else None


def _end_of_indefinite(data: bytes, at: int, limit: int) -> int:
    """Return where an indefinite length ends (after its two zero octets), or 0."""
    open_ones = 1
    while at + 2 <= limit:
        if data[at] == 0 and data[at + 1] == 0:
            at += 2
            open_ones -= 1
            if open_ones == 0:
                return at
        elif data[at + 1] == 0x80:  # noqa: PLR2004 - another one within
            at += 2
            open_ones += 1
        else:
            element = read_element(data, at, limit)
            if element is None:
                return 0
            at = element.end
    return 0


def children(data: bytes, element: Element, *, most: int = 12) -> list[Element]:
    """Return the first elements within one, as far as they can be read."""
    found: list[Element] = []
    at = element.body
    while at < element.end and len(found) < most:
        child = read_element(data, at, element.end)
        if child is None:
            break
        found.append(child)
        at = child.end
    return found


def recognise(data: bytes, start: int = 0) -> tuple[str, int] | None:
    """Return what stands at a position and where it ends, or None.

    The names are certificate, csr, crl, ocsp, pkcs7, enveloped, pkcs12 and those in `PRIVATE_KEYS`.
    """
    outer = read_element(data, start, len(data)) if data[start : start + 1] == b"\x30" else None
    if outer is None:
        return None
    inner = children(data, outer)
    tags = [child.tag for child in inner]
    what = None
    if tags[:2] == [SEQUENCE, SEQUENCE] and len(tags) > 2:  # noqa: PLR2004 - and a signature
        what = _signed_object([child.tag for child in children(data, inner[0])])
    elif tags[:1] == [INTEGER]:
        what = _versioned_object(data, inner, tags)
    elif tags[:2] == [SEQUENCE, OCTET_STRING]:
        what = "encrypted_pkcs8" if _oid(data, inner[0]).startswith(PASSWORD_BASED) else None
    elif tags[:2] == [OID, VERSION]:
        oid = data[inner[0].body : inner[0].end]
        what = {PKCS7_SIGNED: "pkcs7", PKCS7_ENVELOPED: "enveloped"}.get(oid)
    elif tags == [ENUMERATED, VERSION] and inner[0].end - inner[0].body == 1:
        what = "ocsp"
    return (what, outer.end) if what else None


def _signed_object(tags: list[int]) -> str | None:
    if tags[:2] == [VERSION, INTEGER]:
        return "certificate"
    if tags[:1] == [INTEGER] and any(tag in TIMES for tag in tags[:5]):
        return "crl"
    if tags[:5] == [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE]:
        return "certificate"
    if tags[:3] == [INTEGER, SEQUENCE, SEQUENCE]:
        return "csr"
    if tags[:2] == [SEQUENCE, SEQUENCE] and any(tag in TIMES for tag in tags[:4]):
        return "crl"
    return None


def _versioned_object(data: bytes, inner: list[Element], tags: list[int]) -> str | None:
    version = int.from_bytes(data[inner[0].body : inner[0].end][:8], "big")
    if version == 3 and tags[1:2] == [SEQUENCE] and _oid(data, inner[1]) == PKCS7_DATA:  # noqa: PLR2004
        return "pkcs12"
    if version > 1:
        return None
    if all(tag == INTEGER for tag in tags) and len(tags) >= DSA_FIELDS:
        return "pkcs1" if len(tags) >= RSA_FIELDS else "dsa"
    if tags[1:3] == [SEQUENCE, OCTET_STRING]:
        return "pkcs8"
    if tags[1:2] == [OCTET_STRING] and version == 1:
        return "sec1"
    return None


def _oid(data: bytes, sequence: Element) -> bytes:
    first = children(data, sequence, most=1)
    return data[first[0].body : first[0].end] if first and first[0].tag == OID else b""


def begins_like_a_key(data: bytes) -> bool:
    """Tell whether bytes, perhaps cut off, begin as a private key does."""
    return _KEY_START.match(data) is not None


def keys_within(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield private keys that stand in bytes of any kind: which they are, and their bytes."""
    at = 0
    for _ in range(MOST_TRIED_WITHIN):
        start = _KEY_START.search(data, at)
        if start is None:
            return
        at = start.start() + 1
        found = recognise(data, start.start())
        if found and found[0] in PRIVATE_KEYS:
            yield found[0], data[start.start() : found[1]]
            at = found[1]


def spki_of_csr(data: bytes) -> bytes | None:
    """Return the SubjectPublicKeyInfo of a signing request as its bytes stand there."""
    outer = read_element(data, 0, len(data))
    inner = children(data, outer, most=1) if outer else []
    fields = children(data, inner[0], most=3) if inner else []
    if len(fields) < 3:  # noqa: PLR2004 - version, subject, public key
        return None
    return data[fields[2].start : fields[2].end]


def spki_of_certificate(data: bytes) -> bytes | None:
    """Return the SubjectPublicKeyInfo of a certificate as its bytes stand there."""
    outer = read_element(data, 0, len(data))
    inner = children(data, outer, most=1) if outer else []
    fields = children(data, inner[0], most=7) if inner else []
    if fields[:1] and fields[0].tag == VERSION:
        fields = fields[1:]
    if len(fields) < 6:  # noqa: PLR2004 - serial number, algorithm, issuer, validity, subject, key
        return None
    return data[fields[5].start : fields[5].end]


def spki_of_public_key(data: bytes, *, bare: bool = False) -> bytes | None:
    """Return the SubjectPublicKeyInfo of a public key; `bare` ones are the numbers of RSA alone."""
    outer = read_element(data, 0, len(data)) if data[:1] == b"\x30" else None
    if outer is None:
        return None
    inner = children(data, outer, most=3)
    if [one.tag for one in inner] == [SEQUENCE, BIT_STRING] and _oid(data, inner[0]):
        return data[: outer.end]
    if bare and [one.tag for one in inner] == [INTEGER, INTEGER]:
        bits = _encode(BIT_STRING, b"\0" + data[: outer.end])
        return _encode(SEQUENCE, RSA_ALGORITHM + bits)
    return None


def _encode(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:  # noqa: PLR2004 - the short form
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def read_signed(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the certificates that a PKCS#7 object brings, and the content that it signs, if any.

    The certificates of a signature are those of whoever signed, so they are left out.
    """
    outer = read_element(data, 0, len(data))
    wrapped = children(data, outer, most=2) if outer else []
    inner = children(data, wrapped[1], most=1) if len(wrapped) > 1 else []
    fields = children(data, inner[0]) if inner else []
    certificates: list[bytes] = []
    content = b""
    for field in fields:
        if field.tag == SEQUENCE and not content:
            content = _octets_within(data, field)
        elif field.tag == VERSION:
            within = children(data, field, most=MOST_IN_PKCS7)
            certificates = [data[one.start : one.end] for one in within]
    is_signature = len(fields) > 1 and fields[-1].tag == SET and fields[-1].end > fields[-1].body
    return [] if is_signature else certificates, content


def _octets_within(data: bytes, info: Element) -> bytes:
    """Return the octets of an EncapsulatedContentInfo, which may come in pieces."""
    parts = children(data, info, most=2)
    wrapped = children(data, parts[1], most=1) if len(parts) > 1 else []
    if not wrapped:
        return b""
    if wrapped[0].tag == OCTET_STRING:
        return data[wrapped[0].body : wrapped[0].end]
    pieces = children(data, wrapped[0], most=MOST_IN_PKCS7)
    return b"".join(data[one.body : one.end] for one in pieces if one.tag == OCTET_STRING)
