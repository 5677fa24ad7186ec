"""Serial numbers: values that the text itself calls so, alone or in lists.

Source: BR 7.1 (serial numbers); RFC 5280 4.1.2.2 (at most 20 octets).
"""

import re
from dataclasses import dataclass

from intake.evidence.links import MOST

LONGEST_SERIAL = 42  # hex digits: 20 octets, and one for the sign
SHORTEST_BARE = 6  # digits of a value whose label has no colon
SHORTEST_LISTED = 12  # hex digits of the second and later values of a list
MOST_DIGITS = 51  # decimal digits of 21 octets

_LABEL = re.compile(
    r"(?<![a-z])(?:serial(?:[ _-]?numbers?|[ _-]?nos?\.?|s)?(?!i)|seriennummern?|num[eé]ros? de s[eé]rie"
    r"|n[uú]meros? de s[eé]rie|numer[oi] di serie|серийн\w+ номер\w*|シリアル番号|序列号)(?![a-z])",
    re.IGNORECASE,
)
# In a subject name this is the number in a trade register.
_ATTRIBUTE = re.compile(r"serialNumber\s?=")
_HINTS = ("serial", "serien", "série", "serie", "серийн", "シリアル番号", "序列号")
_LEAD = re.compile(
    r"[\"'*`]?[\s>|]{0,80}+(?:\(?(?P<base>hex(?:adecimal)?|dec(?:imal)?)\)?[\s>|]{0,20})?(?:is|are|was|were|of)?[\s>|]{0,20}"
    r"(?P<mark>[:=#]|\bis\b)?[\s>|*`'\"(-]{0,80}",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"(?P<ox>0[xX][0-9A-Fa-f]{1,64}+)(?![0-9A-Za-z])"
    r"|(?P<pairs>[0-9A-Fa-f]{2}(?:(?:[:-](?:[ \t]*\r?\n[ \t>|]*)?|[ \t\u00a0])[0-9A-Fa-f]{2}(?![0-9A-Za-z])){2,40}+)"
    r"|(?P<groups>[0-9A-Fa-f]{4}(?:[ -][0-9A-Fa-f]{4}(?![0-9A-Za-z])){2,10}+)"
    r"|(?P<run>[0-9A-Fa-f]{1,64}+)(?![0-9A-Za-z@.]\w|[0-9A-Za-z])"
)
_BETWEEN = re.compile(r"(?:[\s>|,;\"'`*•&)]|-\s|\band\b|\bund\b|\bet\b|\by\b){1,80}+")


@dataclass(frozen=True)
class Serial:
    """A labelled serial number: hex without leading zeros, and where it stands."""

    value: str
    start: int
    end: int


def find_serials(text: str, *, most: int = MOST) -> list[Serial]:
    """Return the labelled serial numbers of a text in order."""
    lower = text.lower()
    if not any(hint in lower for hint in _HINTS):
        return []
    found: list[Serial] = []
    at = 0
    while len(found) < most and (label := _LABEL.search(text, at)):
        at = label.end()
        if _ATTRIBUTE.match(text, label.start()):
            continue
        for serial in _values(text, at):
            found.append(serial)
            at = serial.end
    return found


def _values(text: str, at: int) -> list[Serial]:
    """Read the value after a label, and the list that goes on from it."""
    lead = _LEAD.match(text, at)
    if lead is None:
        return []
    base = (lead["base"] or "")[:3].lower()
    marked = lead["mark"] is not None
    found: list[Serial] = []
    at = lead.end()
    while value := _VALUE.match(text, at):
        serial = _read(value, base)
        shortest = SHORTEST_LISTED if found else (1 if marked else SHORTEST_BARE)
        digits = len(re.sub(r"[^0-9A-Fa-f]", "", value[0]))
        if (
            serial is None
            or (digits < shortest and not value["ox"])
            or _is_word(value[0], marked=marked)
        ):
            break
        found.append(serial)
        between = _BETWEEN.match(text, value.end())
        if between is None:
            break
        at = between.end()
    return found


def _is_word(written: str, *, marked: bool) -> bool:
    """Tell whether a value without digits is rather a word, such as `added` or `face`."""
    return not any(char.isdigit() for char in written) and not (
        marked and len(written) >= SHORTEST_LISTED
    )


def _read(value: re.Match[str], base: str) -> Serial | None:
    digits = re.sub(r"[^0-9a-f]", "", value[0].lower().removeprefix("0x"))
    decimal = value["run"] is not None and digits.isdigit() and base != "hex"
    # A decimal number has no leading zero; a hex one of even length may well be all digits.
    if decimal and (base == "dec" or digits[:1] != "0" or digits == "0"):
        if len(digits) > MOST_DIGITS:
            return None
        digits = f"{int(digits):x}"
    if len(digits) > LONGEST_SERIAL:
        return None
    return Serial(digits.lstrip("0") or "0", value.start(), value.end())
