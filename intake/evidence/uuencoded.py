"""Files that stand in a text as uuencode wrote them: `begin 644 name`, lines, `end`.

Mail programs sent attachments so before MIME, and some tools still do. Such a file may be a key, so
what encodes it is no text to be searched or shown. The first in the part "1.2" is the part "1.2.1".

Source: POSIX.1 (uuencode).
"""

import binascii
import re
from collections.abc import Iterator

from intake.evidence.armour import decode_base64
from intake.evidence.keys import blank
from intake.evidence.parts import Piece, clean_name

MOST_FILES = 100  # in one text
_BEGIN = re.compile(
    r"^((?:[>|] ?){0,20})begin(-base64)? 0?[0-7]{3} ([^\r\n]{1,200}?)[ \t]*\r?\n", re.MULTILINE
)
_LINE = re.compile(r"([^\r\n]*)(?:\r?\n|\Z)")
_BASE64_LINE = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")
_GAP = re.compile(r" {80,}")
_LONGEST_LINE = 100
END, BASE64_END = "end", "===="


def may_hold_files(text: str) -> bool:
    """Tell whether it is worth looking for such files."""
    return "begin " in text or "begin-base64 " in text


def take_out_files(text: str, piece: Piece) -> tuple[str, list[Piece]]:
    """Return the text with blanks where such files stand, and the files."""
    spans: list[tuple[int, int]] = []
    found: list[Piece] = []
    for begin in _BEGIN.finditer(text):
        if len(found) >= MOST_FILES or (spans and begin.start() < spans[-1][1]):
            continue
        data, end = _decode(text, begin)
        if data:
            spans.append((begin.start(), end))
            found.append(
                Piece(
                    f"{piece.path}.{len(found) + 1}", piece.depth + 1, data=data,
                    media_type="application/octet-stream", name=clean_name(begin[3]), attached=True,
                    shown=piece.shown, archive_depth=piece.archive_depth,
                )
            )  # fmt: skip
    return blank(text, spans), found


def close_up(text: str) -> str:
    """Return a text without the long gaps where files stood."""
    return _GAP.sub(" ", text)


def _decode(text: str, begin: re.Match[str]) -> tuple[bytes, int]:
    """Return what a file holds, as far as its lines are sound, and where it ends in the text."""
    is_base64 = begin[2] is not None
    pieces: list[bytes] = []
    at = begin.end()
    for line, end in _lines(text, at, begin[1]):
        if line.strip() == (BASE64_END if is_base64 else END):
            at = end
            break
        decoded = _base64_line(line) if is_base64 else _line(line)
        if decoded is None:
            break
        pieces.append(decoded)
        at = end
    return b"".join(pieces), at


def _lines(text: str, at: int, quoted: str) -> Iterator[tuple[str, int]]:
    """Yield the lines from a place on without the quote marks of the first, and where each ends."""
    mark = quoted.rstrip()
    while at < len(text):
        match = _LINE.match(text, at)
        if match is None or len(match[1]) > _LONGEST_LINE or not match[1].startswith(mark):
            return
        line = match[1]
        yield line[len(quoted) :] if line.startswith(quoted) else line[len(mark) :], match.end()
        at = match.end()


def _line(line: str) -> bytes | None:
    """Decode a line; blanks at its end may be lost, and a check character may follow."""
    if not line or not " " <= line[0] <= "`":
        return None
    octets = (ord(line[0]) - 32) & 63
    digits = (octets + 2) // 3 * 4
    if len(line) > digits + 2:
        return None
    try:
        return binascii.a2b_uu(line[0] + line[1 : digits + 1].ljust(digits))
    except (binascii.Error, ValueError):
        return None


def _base64_line(line: str) -> bytes | None:
    return decode_base64(line) if _BASE64_LINE.match(line.strip()) else None
