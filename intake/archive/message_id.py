"""Message-IDs: found in raw bytes, normalised, and read from whatever people paste.

A Message-ID is an index into messages, never an identity: senders forge, repeat and omit it.
"""

import re
from urllib.parse import unquote

from intake.archive.header import read_fields, split_header

LONGEST_ID = 1000  # characters that are indexed; the raw bytes hold all of them
LONGEST_ID_BYTES = 2000  # of these in UTF-8: an index of PostgreSQL takes no more than 2,704
LONGEST_PART = 2000  # characters on either side of the @ of what is taken for a Message-ID
MOST_IDS = 100  # in one message; more is an attack, and the raw bytes keep them all

_BRACKETED = re.compile(r"<[^<>]*>")
_BLANKS = re.compile(r"[\s\x00-\x20\x7f]+")
# What nearly all of them are: in brackets, without a blank. A thread names dozens of them.
_USUAL = re.compile(r"<[^<>\s\x00-\x20\x7f]++>")
_ADDRESS_LIKE = re.compile(rf"<[^<>]{{0,{LONGEST_PART}}}@[^<>]{{0,{LONGEST_PART}}}>")
_QUERY_PREFIX = re.compile(
    r"(?:(?:resent-|x-)?message-id\s*[:=]|in-reply-to\s*:|references\s*:|mid:(?://)?|mailto:"
    r"|message:(?://)?|msgid\s*[:=]|id\s*[:=])\s*",
    re.IGNORECASE,
)
_QUOTES = "\"'`´‘’“”„«»"
_PROSE_END = ".,;:!?)]}"


def scan_message_ids(raw: bytes) -> list[str]:
    """Return every Message-ID of the top header block, as it stands there, in order.

    Unfolded and trimmed, bytes as latin-1, each once. Total: any bytes give a list.
    """
    header, _ = split_header(raw)
    return message_ids_of(read_fields(header))


def message_ids_of(fields: dict[str, list[str]]) -> list[str]:
    """Return the Message-IDs in the fields of a header block; see `scan_message_ids`."""
    found: dict[str, None] = {}
    for value in fields.get("message-id", ()):
        bracketed = _BRACKETED.findall(value)
        for original in bracketed if len(bracketed) > 1 else [value]:
            if normalise(original):
                found[original] = None
    return list(found)[:MOST_IDS]


def normalise(text: str) -> str:
    """Return a Message-ID without brackets and blanks; the case is kept."""
    if _USUAL.fullmatch(text):
        return text[1:-1]
    inside = _BRACKETED.search(text)
    if inside is not None and inside[0] != "<>":
        text = inside[0]
    return _BLANKS.sub("", text).lstrip("<").rstrip(">")


def fold(text: str) -> str:
    """Return a normalised Message-ID as it is compared when case must not matter."""
    return text.casefold()


def indexed(text: str) -> str:
    """Return a form of a Message-ID as far as it is indexed, and sought."""
    if _is_indexed_as_it_is(text):
        return text
    kept = text.replace("\x00", "\ufffd")[:LONGEST_ID]
    return kept.encode("utf-8", "replace")[:LONGEST_ID_BYTES].decode("utf-8", "ignore")


def _is_indexed_as_it_is(text: str) -> bool:
    """Tell whether nothing of a Message-ID must be cut or replaced, as a rule."""
    return len(text) <= LONGEST_ID and text.isascii() and "\x00" not in text


def index_entry(original: str) -> dict[str, str]:
    """Return the columns under which a message with this Message-ID is found."""
    normalised = normalise(original)
    if _is_indexed_as_it_is(original):
        folded = normalised.lower()  # of ASCII the same as folded
        return {"original": original, "normalised": normalised, "folded": folded}
    return {
        "original": indexed(original),
        "normalised": indexed(normalised),
        "folded": indexed(fold(normalised)),
    }


def parse_query(text: str) -> str:
    """Return the normalised Message-ID in what a person pasted.

    Brackets or none, folded, percent-encoded, in quotes, after `Message-ID:`, `mid:` or `mailto:`,
    with the full stop of the sentence it stood in.
    """
    text = _without_wrapping(_unfolded(text))
    if _is_percent_encoded(text):
        text = _without_wrapping(unquote(text, errors="replace"))
    if "<" in text and ">" in text:
        return normalise(text)
    return normalise(text.rstrip(_PROSE_END) or text)


def ids_in(text: str) -> list[str]:
    """Return all `<…@…>` of a header value such as References, in order, blanks taken out."""
    if "@" in text and len(text) <= LONGEST_PART and _USUAL.fullmatch(text):
        return [text]
    found = dict.fromkeys(_ADDRESS_LIKE.findall(text))
    together = "".join(found)
    if " " in together or not together.isprintable():  # few have blanks; a pattern is slow here
        found = dict.fromkeys(_BLANKS.sub("", one) for one in found)
    return list(found)


def _unfolded(text: str) -> str:
    return re.sub(r"[\r\n]+\s*", "", text).strip()


def _without_wrapping(text: str) -> str:
    """Take off quotes, opening brackets of prose and prefixes, in whatever order they came."""
    before = None
    while text != before:
        before = text
        text = text.strip().strip(_QUOTES).lstrip("([{")
        prefix = _QUERY_PREFIX.match(text)
        # A Message-ID may begin with "id:" itself only where nothing would be left.
        text = text[prefix.end() :] if prefix and prefix.end() < len(text) else text
    return text


def _is_percent_encoded(text: str) -> bool:
    """Say whether percent signs are an encoding; a Message-ID may hold them in its own right."""
    lower = text.lower()
    return lower.startswith("%3c") or ("@" not in text and "%40" in lower)
