"""Finding header fields in raw bytes, however malformed they are.

The libraries stop at the first odd line, drop 8-bit bytes or raise; an index of what was received
must not. So: lines may end in CRLF, LF or CR, a line without a colon ends nothing, and the block
ends at the first empty line.
"""

import re

LONGEST_HEADER = 1_000_000  # bytes; what stands beyond is not searched

# One line end; CR CR LF is what some gateways make of CRLF.
LINE_END = rb"(?>\r*\n|\r)"
_EMPTY_LINE = re.compile(LINE_END + LINE_END)
_FIELD = re.compile(rb"[\r\n]([!-9;-~]++)[ \t\x00]*+:((?>(?:[^\r\n]++|" + LINE_END + rb"[ \t])*))")
_FOLD = re.compile(LINE_END + rb"(?=[ \t])")
_BLANKS = " \t\r\n\x00"
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
        if has_crlf_only(header):  # as a rule
            return header, raw[end + 4 :]
    empty = _EMPTY_LINE.search(raw, start, LONGEST_HEADER)
    if empty is None:
        return raw[start:LONGEST_HEADER], b"" if len(raw) <= LONGEST_HEADER else raw[
            LONGEST_HEADER:
        ]
    return raw[start : empty.start()], raw[empty.end() :]


def read_fields(header: bytes) -> dict[str, list[str]]:
    """Return the values of all fields by lower-case name, unfolded and trimmed, bytes as latin-1."""
    fields: dict[str, list[str]] = {}
    lines = _usual_lines(header)
    if lines is not None:
        for line in lines:
            name, _, value = line.partition(":")
            fields.setdefault(name.lower(), []).append(value.strip(_BLANKS))
        return fields
    for match in _FIELD.finditer(b"\n" + header):
        value = _FOLD.sub(b"", match[2]).decode("latin-1").strip(_BLANKS)
        fields.setdefault(match[1].decode("ascii").lower(), []).append(value)
    return fields


def _usual_lines(header: bytes) -> list[str] | None:
    """Return the fields of a header that has fields and CRLF only, unfolded; None of any other."""
    if not USUAL_FIELDS.match(header):
        return None
    text = header.decode("latin-1").replace("\r\n ", " ").replace("\r\n\t", "\t")
    return text.removesuffix("\r\n").split("\r\n")


def has_crlf_only(data: bytes) -> bool:
    """Tell whether every line ends in CRLF, and no CR or LF stands elsewhere."""
    rest = data.replace(b"\r\n", b"")
    return b"\n" not in rest and b"\r" not in rest
