"""Blocks of base64 in text that hold certificates, requests and keys, armoured (PEM) or not.

Reporters quote them with `>`, wrap them hard, cut them off and paste them without their first
line. A block is told apart by its content; its label is only a hint, for it may lie.
"""

import base64
import binascii
import re
from functools import lru_cache
from typing import NamedTuple

from intake.evidence.der import INTEGER, LONGEST_LENGTH, OID, SEQUENCE, begins_like_a_key, recognise
from intake.evidence.shapes import BASE64, base64_shape, lowered, runs_of

LONGEST_BLOCK = 512 * 1024  # characters between BEGIN and END
LONGEST_TOKEN_OF_PROSE = 20  # what is longer and looks like base64 is taken for base64
SHORTEST_BARE = 24  # characters on the first line of a block without armour
SHORTEST_HEAD = 3 + LONGEST_LENGTH  # octets: a tag, its length, and the tag of what is first within
WORK_PER_CHARACTER = 4  # bounds the looking for blocks without armour

FEWEST_DASHES, MOST_DASHES = 2, 10  # on either side of BEGIN and END

_DASHES = "-–—"
_BEGIN = re.compile(
    r"[-–—]{2,10}+[ \t]?BEGIN[ \t\r\n>|]([A-Za-z0-9 \t\r\n>|]{0,60}?)[ \t]?[-–—]{2,10}+",
    re.IGNORECASE,
)
_END = re.compile(
    r"[-–—]{2,10}+[ \t]?END[ \t\r\n>|][A-Za-z0-9 \t\r\n>|]{0,60}?[ \t]?[-–—]{2,10}+", re.IGNORECASE
)
_LINES = {"begin": _BEGIN, "end": _END}
_KNOWN_LABEL = re.compile(
    r"\b(?:CERTIFICATE|CRL|KEY|REQUEST|PKCS7|PKCS12|CMS|PGP|SSH|PARAMETERS)\b"
)
_BARE = re.compile(
    r"(?<![A-Za-z0-9+/=])(?:M[A-P][A-Za-z0-9+/]{22}|b3BlbnNzaC1rZXktdjE|LS0tLS1CRUdJTi)"
)
# A key whose base64 stands in short groups or lines.
_BARE_IN_GROUPS = re.compile(
    r"M(?<![A-Za-z0-9+/=]M)(?:I[GHI]|H[cQ]|C4|EE)[A-Za-z0-9+/]{1,20}[ \t\r\n>|]{1,6}(?=[A-Za-z0-9+/]{2})"
)
_BARE_FOR_URLS = re.compile(r"M[A-P][A-Za-z0-9_-]{22}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]++")  # of both alphabets
_FOR_URLS = str.maketrans("-_", "+/")
_GAP = re.compile(r"(?>(?:[\s>|\u00a0\u200b]|\\r|\\n)*)")
_TOKEN = re.compile(r"(?>(?:[\s>|\u00a0\u200b]|\\r|\\n)*)([^\s>|\\\u00a0\u200b]++)")
_HEADER = re.compile(r"[ \t>|]*(?:Proc-Type|DEK-Info|Comment|Version|Hash|Charset): ?[^\r\n]*")
_NUMBERED = re.compile(r"^[ \t>|]*\d{1,4}[.:)]?[ \t]+(?=[A-Za-z0-9+/]|\Z)", re.MULTILINE)
_FIRST_WITHIN = (SEQUENCE, INTEGER, OID)
_NOT_BASE64 = re.compile(r"</?[A-Za-z][^<>]{0,40}>|[^A-Za-z0-9+/\\]+|\\[rn]?")
_ONLY_BASE64 = re.compile(r"[A-Za-z0-9+/]*+={0,2}")
_HEX_ONLY = re.compile(r"[0-9A-Fa-f]{32,}\Z")
_BASE64_TOKEN = re.compile(r"[A-Za-z0-9+/](?:[A-Za-z0-9+/_-]*[A-Za-z0-9+/_])?={0,2}\Z")


class Block(NamedTuple):
    """A block of base64 and what it decodes to."""

    start: int
    end: int
    label: str  # words between BEGIN and the dashes in upper case; "" without armour
    data: bytes  # b"" if it can't be decoded
    found: tuple[str, int] | None  # which object of DER it is, and where that ends
    secret: bool  # whether it is, or begins as, a private key
    complete: bool
    password: bool  # its headers say that it is encrypted

    @property
    def is_known(self) -> bool:
        """Tell whether it is read as what it is, so that nothing else is looked for in it."""
        return "PGP" in self.label or "PUBLIC KEY" in self.label or self.found is not None


def block_of(
    start: int, end: int, label: str, data: bytes, *, complete: bool = True, password: bool = False
) -> Block:
    """Return a block, told apart by its content."""
    return Block(
        start, end, label, data, recognise(data), _is_secret(label, data), complete, password
    )


def _is_secret(label: str, data: bytes) -> bool:
    if "PRIVATE" in label or data.startswith(b"openssh-key-v1\0"):
        return True
    return begins_like_a_key(data) or data.startswith(b"-----BEGIN")


def find_blocks(text: str) -> list[Block]:
    """Return the blocks of a text in order."""
    armoured = find_armoured(text)
    return sorted([*armoured, *find_bare(text, armoured)], key=lambda block: block.start)


def find_armoured(text: str) -> list[Block]:
    """Return the blocks between `BEGIN` and `END`, in order."""
    found: list[Block] = []
    lower = lowered(text)
    done = 0
    following = _line("begin", text, lower, 0, len(text))
    while begin := following:
        following = _line("begin", text, lower, begin.end(), len(text))
        label = _label(begin[1])
        if not label:
            continue
        limit = min(following.start() if following else len(text), begin.end() + LONGEST_BLOCK)
        end = _line("end", text, lower, begin.end(), limit)
        body_end = end.start() if end else _end_of_base64(text, begin.end())
        body = text[begin.end() : body_end]
        at = end.end() if end else body_end
        if following and following.start() < at:
            following = _line("begin", text, lower, at, len(text))
        data = _decode_body(_without_headers(body))
        start = begin.start()
        if "PRIVATE" in label and not data:
            start = _start_of_base64(text, start, done)
        found.append(
            block_of(start, at, label, data,
                     complete=end is not None, password="ENCRYPTED" in body[:400])
        )  # fmt: skip
        done = at
    return found


def _line(word: str, text: str, lower: str, at: int, limit: int) -> re.Match[str] | None:
    """Return the next line that begins or ends armour; its word is sought first, which is quick."""
    place = lower.find(word, at, limit)
    while place >= 0:
        end = place - 1 if lower[place - 1 : place] in (" ", "\t") else place
        start = end
        while start > at and end - start < MOST_DASHES and text[start - 1] in _DASHES:
            start -= 1
        match = _LINES[word].match(text, start, limit) if end - start >= FEWEST_DASHES else None
        if match:
            return match
        place = lower.find(word, place + 1, limit)
    return None


@lru_cache(maxsize=64)
def _label(written: str) -> str:
    """Return the label of armour in upper case; "" for prose such as `Begin forwarded message`."""
    label = " ".join(re.sub(r"[^A-Z0-9]+", " ", written.upper()).split())
    return label if _KNOWN_LABEL.search(label) and label != "PGP SIGNED MESSAGE" else ""


def _decode_body(body: str) -> bytes:
    """Return the bytes of a body, whose lines an editor may have numbered."""
    data = decode_base64(body)
    has_blanks = " " in body or "\t" in body
    if has_blanks and _NUMBERED.search(body) and recognise(data) is None:
        plain = decode_base64(_NUMBERED.sub("", body))
        return plain if recognise(plain) else data
    return data


def _without_headers(body: str) -> str:
    """Drop lines such as `Proc-Type: 4,ENCRYPTED` and the checksum line of PGP."""
    if ":" not in body:
        return body
    return _HEADER.sub("", body)


def _end_of_base64(text: str, start: int) -> int:
    """Return where the base64 after a BEGIN without an END stops, headers included.

    Prose is told by its short words; at most one short token is taken, as the last of the block.
    """
    at = start
    limit = min(len(text), start + LONGEST_BLOCK)
    while header := _HEADER.match(text, _GAP.match(text, at, limit).end(), limit):  # type: ignore[union-attr]  # matches always
        at = header.end()
    while token := _TOKEN.match(text, at, limit):
        word = token[1]
        if not _BASE64_TOKEN.match(word) or _HEX_ONLY.match(word):
            break
        if len(word) < LONGEST_TOKEN_OF_PROSE:
            alone = text[token.end() : token.end() + 1] in ("", "\r", "\n")
            return token.end() if alone and at > start else at
        at = token.end()
    return at


def _start_of_base64(text: str, at: int, floor: int) -> int:
    """Return where the base64 begins that stands between `END` and a `BEGIN` at a place.

    So it does where the lines of a key are in reverse; elsewhere the place itself is returned.
    """
    start = at
    while start > floor:
        line_start = max(text.rfind("\n", floor, start - 1) + 1, floor)
        line = text[line_start:start].strip(" \t\r\n>|")
        if _END.match(line):
            return start if "PRIVATE" in line.upper() else at
        is_own_line = start == at and not line  # what quotes the line that the place is on
        if not is_own_line and not _BASE64_TOKEN.match(line):
            return at
        start = line_start
    return at


def decode_base64(text: str) -> bytes:
    """Return the bytes of base64 that may hold anything between its characters."""
    plain = "".join(text.split())
    if not _ONLY_BASE64.fullmatch(plain):
        plain = _NOT_BASE64.sub("", text)
    plain = plain.rstrip("=")
    plain = plain[: len(plain) - 1] if len(plain) % 4 == 1 else plain
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return b""


def find_bare(text: str, armoured: list[Block]) -> list[Block]:
    """Find blocks without armour, outside of armoured ones, by the length their first bytes announce."""
    found: list[Block] = []
    budget = WORK_PER_CHARACTER * len(text) + LONGEST_BLOCK
    done = 0
    within = iter([*armoured, block_of(len(text), len(text), "", b"")])
    block = next(within)
    for start in _starts(text):
        while block.end <= start and block.start < len(text):
            block = next(within)
        before = found[-1] if start < done else None
        if block.start <= start or budget <= 0 or (before and before.complete):
            continue
        bare, work = _bare_block(text, start)
        budget -= work
        if before and bare and bare.complete:
            found[-1] = before._replace(end=start)  # it was cut off, and this comes behind it
        elif before or not bare:
            continue
        found.append(bare)
        done = bare.end
    return found


def _starts(text: str) -> list[int]:
    """Return where blocks without armour may begin, in either alphabet of base64."""
    starts = [
        start
        for start, _ in runs_of(base64_shape(text), BASE64, SHORTEST_BARE)
        if _BARE.match(text, start)
    ]
    for match in _BARE_FOR_URLS.finditer(text):
        before = text[match.start() - 1 : match.start()]
        if ("-" in match[0] or "_" in match[0]) and not (before.isalnum() or before in ("+", "/")):
            starts.append(match.start())
    starts += [match.start() for match in _BARE_IN_GROUPS.finditer(text)]
    return sorted(starts)


def _bare_block(text: str, start: int) -> tuple[Block | None, int]:
    head = decode_base64(text[start : start + 40].translate(_FOR_URLS))
    if not head.startswith(b"\x30"):
        end = _end_of_base64(text, start)
        data = decode_base64(text[start:end])
        return block_of(start, end, "", data, complete=False), end - start
    if len(head) < SHORTEST_HEAD:
        return None, 0
    needed, first = _announced(head)
    if first not in _FIRST_WITHIN:
        return None, 0
    collected, end = _collect(text, start, -(-needed * 4 // 3))
    data = decode_base64(collected)[:needed]
    work = end - start
    if len(data) == needed and recognise(data):
        return block_of(start, end, "", data), work
    if begins_like_a_key(head):
        end = max(_end_of_base64(text, start), _end_of_groups(text, start), start + 42)
        data = decode_base64(text[start:end])
        return block_of(start, end, "", data, complete=False), work
    return None, work


def _end_of_groups(text: str, start: int) -> int:
    """Return where groups of base64 stop that are as long as the first."""
    at = start
    length = 0
    while token := _TOKEN.match(text, at, start + LONGEST_BLOCK):
        if len(token[1]) != (length or len(token[1])) or not _BASE64_TOKEN.match(token[1]):
            break
        length = len(token[1])
        at = token.end()
    return at


def _announced(head: bytes) -> tuple[int, int]:
    """Return how many bytes the first element says that it has, itself included, and what is first in it."""
    first = head[1]
    if first <= 0x80:  # noqa: PLR2004 - the short form
        return 2 + first, head[2]
    count = first & 0x7F
    if count > LONGEST_LENGTH:
        return LONGEST_BLOCK, 0
    return min(2 + count + int.from_bytes(head[2 : 2 + count], "big"), LONGEST_BLOCK), head[
        2 + count
    ]


def _collect(text: str, start: int, needed: int) -> tuple[str, int]:
    """Return the next base64 characters, over line ends and quote marks, and where they end."""
    pieces: list[str] = []
    have, at = 0, start
    while have < needed:
        match = _BASE64.match(text, at, at + needed - have)
        if match is None:
            break
        pieces.append(match[0])
        have += len(match[0])
        at = match.end()
        if have < needed:
            at = _GAP.match(text, at).end()  # type: ignore[union-attr]  # matches always
    while at < len(text) and text[at] == "=":
        at += 1
    return "".join(pieces).translate(_FOR_URLS), at
