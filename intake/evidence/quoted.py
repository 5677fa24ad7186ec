"""Message-IDs and ticket tokens that a text mentions.

A forwarded report is found by its original Message-ID, so the header that a mail program quotes
into the text is read for it.
"""

import re

from intake.archive.message_id import ids_in

_FIELD = re.compile(
    r"^[ \t>|*]*(?:original-|resent-)?(?:message-id|in-reply-to|references)\b[ \t*]*:[ \t*]*"
    r"((?:[^\s<>]+@[^\s<>]+)|(?:(?:[\s>|]*+<[^<>]{1,1000}>)+))",
    re.IGNORECASE | re.MULTILINE,
)
_TOKEN = re.compile(r"\[CPR-([1-9]\d{0,8})-([0-9a-f]{8})\]", re.IGNORECASE)


def find_quoted_ids(text: str) -> list[str]:
    """Return Message-IDs in header fields that stand in a text, as `<…@…>`."""
    if "@" not in text:
        return []
    lower = text.lower()
    if "message-id" not in lower and "in-reply-to" not in lower and "references" not in lower:
        return []
    found: list[str] = []
    for match in _FIELD.finditer(text):
        found += ids_in(match[1]) if "<" in match[1] else [f"<{match[1]}>"]
    return found


def find_tokens(text: str) -> list[tuple[int, str]]:
    """Return number and token of each `[CPR-12-abcdef01]`."""
    return [(int(match[1]), match[2].lower()) for match in _TOKEN.finditer(text)]
