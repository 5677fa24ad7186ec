"""Text of RTF, also of the compressed form that Outlook keeps messages in.

Read for what it names, not for how it looks: pictures, fonts and objects are left out, targets of
links stay in.

Source: MS-OXRTFCP 2.1, 2.2 (compression); MS-OXRTFEX 2.1 (HTML within); RTF 1.9.1.
"""

import re
import struct

MAGIC = b"{\\rtf"
COMPRESSED, UNCOMPRESSED = b"LZFu", b"MELA"
HEADER = struct.Struct("<II4sI")
LARGEST = 16 * 1024 * 1024
RING = 4096
HTML_WITHIN = 500  # bytes
_PRIMER = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n\0]+|([^\\{}\r\n\0]+)",
    re.DOTALL,
)
_BREAKS = {
    b"par": "\n",
    b"line": "\n",
    b"row": "\n",
    b"sect": "\n",
    b"page": "\n",
    b"tab": "\t",
    b"cell": "\t",
}
_LEFT_OUT = frozenset(
    (b"fonttbl", b"colortbl", b"stylesheet", b"pict", b"objdata", b"themedata", b"colorschememapping", b"datastore",
     b"latentstyles", b"listtable", b"rsidtbl", b"generator", b"info", b"blipuid", b"mmathPr", b"xmlnstbl"),
)  # fmt: skip


def decompress(data: bytes) -> bytes:
    """Return the RTF of Outlook's compressed form; as much as can be read.

    Raises:
        ValueError: for other data.
    """
    if len(data) < HEADER.size:
        message = "too short"
        raise ValueError(message)
    _, size, kind, _ = HEADER.unpack_from(data)
    if kind == UNCOMPRESSED:
        return data[HEADER.size :][:LARGEST]
    if kind != COMPRESSED:
        message = "no compressed RTF"
        raise ValueError(message)
    return _inflate(data, min(size, LARGEST))


def _inflate(data: bytes, size: int) -> bytes:
    ring = bytearray(_PRIMER.ljust(RING, b"\0"))
    write, at = len(_PRIMER), HEADER.size
    out = bytearray()
    while at < len(data) and len(out) < size:
        control = data[at]
        at += 1
        for bit in range(8):
            if control >> bit & 1:
                if at + 2 > len(data):
                    return bytes(out)
                word = data[at] << 8 | data[at + 1]
                at += 2
                offset, length = word >> 4, (word & 15) + 2
                if offset == write:
                    return bytes(out)
            elif at < len(data):
                offset, length = -1, 1
            else:
                break
            for step in range(length):
                octet = data[at] if offset < 0 else ring[(offset + step) % RING]
                out.append(octet)
                ring[write] = octet
                write = (write + 1) % RING
            at += offset < 0
    return bytes(out)


def rtf_text(data: bytes) -> str:
    """Return the text of RTF; what is malformed is read as it comes."""
    reader = _Reader()
    at = 0
    while match := _TOKEN.match(data, at):
        at = match.end() + reader.take(match)
    return "".join(reader.pieces)


def is_html(data: bytes) -> bool:
    """Tell whether RTF only carries HTML, which `rtf_text` then returns."""
    return b"\\fromhtml" in data[:HTML_WITHIN]


class _Reader:
    """The state between the tokens: which group is left out, and what a Unicode escape has yet to skip."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.charset = "cp1252"
        self.depth = 0
        self.silent = 0  # depth of the group that is left out; 0 for none
        self.fallback = 1  # characters that stand for one `\u`
        self.skip = 0
        self.double = False  # within what repeats the HTML for readers of RTF

    def take(self, match: re.Match[bytes]) -> int:
        """Take a token; return how many bytes of binary data follow it."""
        word, number, octet, symbol, brace, text = match.groups()
        if brace:
            self._brace(brace)
        elif word:
            return self._word(word, int(number) if number else None)
        elif octet:
            self._add(bytes.fromhex(octet.decode()).decode(self.charset, "replace"))
        elif symbol:
            self._add(
                {b"~": " ", b"_": "-", b"-": ""}.get(symbol, symbol.decode("latin-1"))
                if symbol not in b"*\r\n"
                else ""
            )
        elif text:
            self._add(text.decode(self.charset, "replace"))
        return 0

    def _brace(self, brace: bytes) -> None:
        if brace == b"{":
            self.depth += 1
            return
        if self.depth <= self.silent:
            self.silent = 0
        self.depth -= 1

    def _word(self, word: bytes, number: int | None) -> int:
        if word == b"bin":
            return max(number or 0, 0)
        if word == b"htmlrtf":
            self.double = number != 0
        elif word in _LEFT_OUT and not self.silent:
            self.silent = self.depth
        elif word == b"u" and number is not None:
            self._add(chr(number % 0x10000), counts=False)
            self.skip = self.fallback
        elif word == b"uc" and number is not None:
            self.fallback = min(max(number, 0), 8)
        elif word == b"ansicpg" and number:
            self.charset = _charset(number)
        elif word in _BREAKS:
            self._add(_BREAKS[word], counts=False)
        return 0

    def _add(self, text: str, *, counts: bool = True) -> None:
        if self.skip and counts:
            skipped = min(self.skip, len(text))
            self.skip -= skipped
            text = text[skipped:]
        if not (self.silent or self.double) and text:
            self.pieces.append(text)


def _charset(number: int) -> str:
    try:
        return b"".decode(f"cp{number}") or f"cp{number}"
    except LookupError:
        return "cp1252"
