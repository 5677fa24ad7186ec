"""Finding header fields in raw bytes, however malformed they are.

The libraries stop at the first odd line, drop 8-bit bytes or raise; an index of what was received
must not. So: lines may end in CRLF, LF or CR, a line without a colon ends nothing, and the block
ends at the first empty line.
"""

import re
from functools import cache

LONGEST_HEADER = 1_000_000  # bytes; what stands beyond is not searched

# One line end; CR CR LF is what some gateways make of CRLF.
LINE_END = rb"(?>\r*\n|\r)"
_EMPTY_LINE = re.compile(LINE_END + LINE_END)
_FOLD = re.compile(LINE_END + rb"(?=[ \t])")

# What nearly all headers are: fields, each on lines that end in CRLF, and nothing between them.
USUAL_FIELDS = re.compile(rb"(?>(?:[!-9;-~]++:[^\r\n]*+(?>(?:\r\n[ \t][^\r\n]*+)*)(?:\r\n|\Z))+)\Z")


def split_header(raw: bytes) -> tuple[bytes, bytes]:
    """Return the header block at the top of a message, and the body below the first empty line."""
    start = 0
    while start < len(raw) and raw[start] in b"\r\n":  # empty lines before the header
        start += 1
    end = raw.find(b"\r\n\r\n", start, LONGEST_HEADER)
    if end >= 0:
        header = raw[start:end]
        if header.count(b"\n") == header.count(b"\r") == header.count(b"\r\n"):  # as a rule
            return header, raw[end + 4 :]
    empty = _EMPTY_LINE.search(raw, start, LONGEST_HEADER)
    if empty is None:
        return raw[start:LONGEST_HEADER], b"" if len(raw) <= LONGEST_HEADER else raw[
            LONGEST_HEADER:
        ]
    return raw[start : empty.start()], raw[empty.end() :]


def field_values(header: bytes, name: str) -> list[str]:
    """Return the values of a field in order, unfolded and trimmed, bytes as latin-1."""
    return [
        _FOLD.sub(b"", match[1]).decode("latin-1").strip(" \t\r\n\x00")
        for match in _field(name).finditer(b"\n" + header)
    ]


@cache
def _field(name: str) -> re.Pattern[bytes]:
    return re.compile(
        rb"[\r\n]"
        + re.escape(name.encode("ascii"))
        + rb"[ \t\x00]*:((?>(?:[^\r\n]++|"
        + LINE_END
        + rb"[ \t])*))",
        re.IGNORECASE,
    )
