"""The header fields that people read, decoded whatever state they are in.

Values come as the raw bytes in latin-1 (archive/header.py). The library's modern header classes
are never used: they raise on what Outlook sends and take minutes on what an attacker sends.

Source: RFC 2047 (encoded words), RFC 5322 3.4, 3.6.
"""

import binascii
import codecs
import re
from datetime import UTC, datetime
from email.utils import getaddresses, parsedate_to_datetime

LONGEST_VALUE = 64 * 1024  # characters of one field
MOST_ADDRESSES = 1000
# Names that Python knows and that are no charset of text, or take the square of the length.
NO_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})

_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?\r\n]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?[^?\s]{1,60}\?[bBqQ]\?)")
_HEX_OCTET = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
_COMMENT_ZONE = re.compile(r"\s*\([^()]*\)\s*\Z")


def decode_bytes(data: bytes, charset: str | None) -> str:
    """Return text from bytes: by its charset where that is one, else UTF-8, else Windows-1252."""
    for name in (_charset(charset), "utf-8"):
        if name:
            try:
                return data.decode(name)
            except (UnicodeError, ValueError):
                continue
    name = _charset(charset)
    if name and name not in ("ascii", "utf-8"):
        return data.decode(name, "replace")
    return data.decode("cp1252", "replace")


def _charset(name: str | None) -> str | None:
    """Return Python's name of a charset, or None if it is no charset of text."""
    try:
        info = codecs.lookup((name or "").strip(" \"'")[:60])
    except (LookupError, ValueError, TypeError):
        return None
    is_text = getattr(info, "_is_text_encoding", True)
    return info.name if is_text and info.name.replace("-", "_") not in NO_CHARSETS else None


def decode_value(value: str) -> str:
    """Return a field as people read it: encoded words and raw 8-bit text decoded, one line."""
    value = value[:LONGEST_VALUE]
    text = decode_bytes(value.encode("latin-1", "replace"), None) if not value.isascii() else value
    if "=?" in text:
        text = _WORD.sub(_decode_word, _BETWEEN_WORDS.sub(r"\1", text))
    return " ".join(text.split())


def _decode_word(match: re.Match[str]) -> str:
    charset, encoding, text = match[1].partition("*")[0], match[2], match[3]
    if encoding in "bB":
        plain = _NOT_BASE64.sub("", text)
        plain = plain[:-1] if len(plain) % 4 == 1 else plain
        data = binascii.a2b_base64(plain + "=" * (-len(plain) % 4))
    else:
        coded = text.replace("_", " ").encode("utf-8", "replace")
        data = _HEX_OCTET.sub(lambda octet: bytes.fromhex(octet[1].decode()), coded)
    return decode_bytes(data, charset)


def read_addresses(values: list[str]) -> list[tuple[str, str]]:
    """Return pairs of display name and address (lower case) of fields such as From."""
    joined = [value[:LONGEST_VALUE] for value in values[:20]]
    simple = _SIMPLE_ADDRESS.match(joined[0]) if len(joined) == 1 else None
    if simple:
        return [(" ".join((simple[1] or "").split()), (simple[2] or simple[3]).lower())]
    try:
        pairs = getaddresses(joined)[:MOST_ADDRESSES]
    except (ValueError, IndexError, TypeError, RecursionError):
        pairs = []
    found = [(decode_value(name), _clean(address)) for name, address in pairs]
    found = [(name, address) for name, address in found if address]
    if not found:
        found = [("", match[0].lower()) for value in joined for match in _ADDRESS.finditer(value)]
    return list(dict.fromkeys(found))


# `Name <address>` in plain characters: most fields, and a tenth of the library's time.
_SIMPLE_ADDRESS = re.compile(
    r"[ \t]*(?:\"?([A-Za-z0-9 _'&/-]*)\"?[ \t]*<([\w.+=-]{1,64}@[\w.-]{1,255})>|([\w.+=-]{1,64}@[\w.-]{1,255}))[ \t]*\Z",
    re.ASCII,
)
_ADDRESS = re.compile(r"(?<![\w.+-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w.-]{1,255}")


def _clean(address: str) -> str:
    address = decode_value(address).strip("<> \t").lower()
    local, at, domain = address.rpartition("@")
    return address if local and at and domain and not re.search(r"\s", address) else ""


def read_date(values: list[str]) -> datetime | None:
    """Return the first Date that can be read, in UTC; without an offset it is taken as UTC."""
    for value in values[:5]:
        try:
            date = parsedate_to_datetime(_COMMENT_ZONE.sub("", value[:200]))
            aware = date.replace(tzinfo=UTC) if date.tzinfo is None else date
            return aware.astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
            continue
    return None
