"""IP addresses that a text names, as reports on certificates for private addresses do.

Kept as modest as names of hosts are: version numbers, and addresses of mail servers that quoted
headers hold in brackets, are left out.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

MOST_ADDRESSES = 20_000
LONGEST = 45  # characters of an IPv6 address
# Found by its dot, as few characters are one.
_LAST_TWO = re.compile(r"\.(\d{1,3})\.(\d{1,3})(?!\.?\w|[@/]\w)")
_FIRST_TWO = re.compile(r"(?<![\w.@/-])\d{1,3}\.\d{1,3}\Z")
_VERSION = re.compile(r"(?:version|release|build|\bver|\bv)[ .:]{0,2}\Z", re.IGNORECASE)
LONGEST_LABEL = 16
_LABEL = re.compile(r"(?<![\w\[])(?:ip(?:v6|6)?|(?:ip ?|inet6? )?addr(?:ess)?)\Z", re.IGNORECASE)
_COLONS = re.compile(r"::|:[0-9A-Fa-f]{3,4}:|\b[0-9A-Fa-f]{3,4}:[0-9A-Fa-f]{1,4}:")
_SIX = frozenset("0123456789abcdefABCDEF:")
_SIX_OR_FOUR = _SIX | {"."}


def find_addresses(text: str, *, most: int = MOST_ADDRESSES) -> list[tuple[str, str, int]]:
    """Return addresses, each with what is written and where."""
    found = _of_four(text, most) if "." in text else []
    return found + (_of_six(text, most) if ":" in text else [])


def _of_four(text: str, most: int) -> list[tuple[str, str, int]]:
    found: list[tuple[str, str, int]] = []
    for last in _LAST_TWO.finditer(text):
        first = _FIRST_TWO.search(text, max(0, last.start() - 8), last.start())
        if first is None or len(found) >= most:
            continue
        start = first.start()
        written = text[start : last.end()]
        if text[max(0, start - 1) : start] in ("[", "(") or _VERSION.search(
            text, max(0, start - 12), start
        ):
            continue
        try:
            found.append((str(IPv4Address(written)), written, start))
        except AddressValueError:
            continue
    return found


def _of_six(text: str, most: int) -> list[tuple[str, str, int]]:
    found: list[tuple[str, str, int]] = []
    done = 0
    for colons in _COLONS.finditer(text):
        if colons.start() < done or len(found) >= most:
            continue
        start, end = _around(text, colons.start(), colons.end(), done)
        start = _after_label(text, start)
        done = end
        written = text[start:end].rstrip(".:")
        beside = text[max(0, start - 1) : start], text[end : end + 1]
        if any(one.isalnum() or one in ("_", "[", "]") for one in beside if one):
            continue
        if not any(char.isdigit() for char in written):
            continue  # a name of a programming language
        try:
            found.append((str(IPv6Address(written)), written, start))
        except AddressValueError:
            continue
    return found


def _after_label(text: str, start: int) -> int:
    """Return where an address begins: behind the colon of a label such as `IP:`, if there is one."""
    colon = text.find(":", start, start + 2)
    if colon < 0 or not _LABEL.search(text, max(0, colon - LONGEST_LABEL), colon):
        return start
    return colon + 1


def _around(text: str, start: int, end: int, done: int) -> tuple[int, int]:
    """Return where the hex digits and colons around a place begin and end."""
    lowest, highest = max(done, start - LONGEST), min(len(text), end + LONGEST)
    while start > lowest and text[start - 1] in _SIX:
        start -= 1
    while end < highest and text[end] in _SIX_OR_FOUR:
        end += 1
    return start, end
