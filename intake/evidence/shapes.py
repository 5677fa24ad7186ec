"""Finds runs of characters of one class far quicker than trying a pattern at each place.

A text becomes bytes of the same length that name each character's class; finding a run in these
is one call. Most mail has no such run at all, and is then done.
"""

import re
from collections.abc import Iterator

HEX, SEPARATOR, BASE64 = b"h", b"s", b"b"
SHA1_DIGITS, SHA256_DIGITS = 40, 64


def _table(characters: str, name: bytes, others: dict[str, bytes] | None = None) -> bytes:
    classes = dict.fromkeys(characters, name) | (others or {})
    return b"".join(classes.get(chr(code), b"\0") for code in range(256))


_DIGITS, _LETTERS = "0123456789", "abcdefghijklmnopqrstuvwxyz"
_HEX_TABLE = _table(_DIGITS + "abcdefABCDEF", HEX, dict.fromkeys(":- \t\xa0", SEPARATOR))
_BASE64_TABLE = _table(_DIGITS + _LETTERS + _LETTERS.upper() + "+/", BASE64)


def lowered(text: str) -> str:
    """Return a text in lower case, every character at its place: some letters have a longer one."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(char.lower() if char.isascii() else char for char in text)


def hex_shape(text: str) -> bytes:
    """Return the classes of a text: `HEX` digits, `SEPARATOR`s between them, and others."""
    return text.encode("latin-1", "replace").translate(_HEX_TABLE)


def base64_shape(text: str) -> bytes:
    """Return the classes of a text: characters of `BASE64`, and others."""
    return text.encode("latin-1", "replace").translate(_BASE64_TABLE)


def runs_of(shape: bytes, name: bytes, shortest: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of each run of one class that is long enough."""
    rest = re.compile(name + b"*+")
    unit = name * shortest
    at = shape.find(unit)
    while at >= 0:
        match = rest.match(shape, at)
        end = match.end() if match else at + shortest
        yield at, end
        at = shape.find(unit, end)
