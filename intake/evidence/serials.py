"""Serial numbers: values that the text itself calls so, alone, in lists or in cells of a table.

Source: BR 7.1 (serial numbers); RFC 5280 4.1.2.2 (at most 20 octets).
"""

import re
from bisect import bisect_left
from dataclasses import dataclass

from intake.evidence.links import MOST
from intake.evidence.shapes import lowered

LONGEST_SERIAL = 42  # hex digits: 20 octets, and one for the sign
SHORTEST_BARE = 6  # digits of a value whose label has no colon
SHORTEST_LISTED = 12  # hex digits of the second and later values of a list
LABEL_BEFORE, LABEL_AFTER = 24, 40  # characters of a label around the word that it is found by
MOST_DIGITS = 51  # decimal digits of 21 octets

LABEL = (
    r"(?:s/n(?!\w)|serial(?:[ _-]?numbers?|[ _-]?nos?\.?|[ _-]?nrs?\.?|s|[ _-]?#)?(?!i)|serien[ -]?(?:nummern?|nr\.?)|serienummers?|seriennumre|serienumre"
    r"|(?:num[eé]ros?|n\s?[°º]|no\.?) de s[eé]rie|n[uú]m(?:ero)?s?\.? de s[eé]rie|n\.?\s?[°º] de s[eé]rie|num[aă]r(?:ul)? de serie"
    r"|numer[oi] (?:di serie|serial[ei]?)|numery? seryjn[ey]|sériov(?:é|á) čísl[oa]|sarjanumerot?|sorozatszám(?:ok)?|seri numara(?:sı|ları)"
    r"|сери(?:йн|јск|ен)\w* номер\w*|серійн\w* номер\w*|シリアル(?:番号|ナンバー)|序列[号號]|序號|일련 ?번호|시리얼 ?번호|الرقم التسلسلي|מספר סידורי"
    r"|σειριακ\w+ αριθμ\w+|serijsk[iae]\w* (?:broj\w*|številk\w*)|sērij\w+ numur\w*|serijos numer\w+|seeria ?numb\w+|n(?:omor|o\.?) seri"
    r"|số (?:sê|xê)[ -]?ri|หมายเลข(?:ซีเรียล|ประจำเครื่อง)|सीरियल (?:नंबर|नम्बर|संख्या)|क्रम ?संख्या)"
)
_LABEL = re.compile(rf"(?<![a-z]){LABEL}(?![a-z])", re.IGNORECASE)
# In a subject name this is the number in a trade register, and on goods it is one of another kind.
_OF_OTHERS_TOO = re.compile(r"serialNumber\s?=|[sS]/[nN]")
SHORTEST_UNLIKE_OTHERS = 14  # hex digits: 7 octets were seen in reports
HINTS = (
    "seri", "s/n", "seryjn", "sarjanum", "sorozat", "série", "sériov", "сери", "сері", "シリアル", "序列", "序號", "일련", "시리얼", "التسلسلي", "סידורי",
    "σειριακ", "sērij", "seeria", "số ", "ซีเรียล", "ประจำเครื่อง", "सीरियल", "संख्या",
)  # fmt: skip
_LEAD = re.compile(
    r"[\"'*`]?[\s>|]{0,80}+(?:\(?(?P<base>hex(?:adecimal)?|dec(?:imal)?)\)?[\s>|]{0,20})?"
    r"(?:is|are|was|were|of|ist|sind|lautet|lauten|est|sont|es|son|é|è|sono)?[\s>|]{0,20}"
    r"(?P<mark>[:=#：]|\bis\b)?[\s>|*`'\"(-]{0,80}",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"(?P<ox>0[xX][0-9A-Fa-f]{1,64}+)(?![0-9A-Za-z])"
    r"|(?P<pairs>[0-9A-Fa-f]{2}(?>(?:(?:[:-](?:[ \t]*\r?\n[ \t>|]*)?|[ \t\u00a0])[0-9A-Fa-f]{2}(?![0-9A-Za-z])){2,40}))"
    r"|(?P<groups>[0-9A-Fa-f]{4}(?>(?:[ -][0-9A-Fa-f]{4}(?![0-9A-Za-z])){2,10}))"
    r"|(?P<run>[0-9A-Fa-f]{1,64}+)(?![0-9A-Za-z@.]\w|[0-9A-Za-z])"
)
_BETWEEN = re.compile(
    r"(?>(?:[\s>|,;\"'`*•&)]|[-–]\s|\band\b|\bund\b|\bet\b|\by\b|\be\b|\bi\b){1,80})"
)
# The next line of a list whose lines go on after the value: `0973C18232DBBA (shop.example.org)`.
_NEXT_LINE = re.compile(r"[^\r\n]{0,200}+\r?\n[ \t>|]{0,40}+(?:[-*•–]|\d{1,6}[.)])?[ \t]{0,20}+")
_CELL_EDGE = re.compile(r"[\s\"'=*`>]{0,20}")


@dataclass(frozen=True, slots=True)
class Serial:
    """A labelled serial number: hex without leading zeros, and where it stands."""

    value: str
    start: int
    end: int


def find_serials(text: str, *, most: int = MOST) -> list[Serial]:
    """Return the labelled serial numbers of a text in order."""
    found: list[Serial] = []
    places = places_of(text, HINTS)
    at = 0
    while len(found) < most and (label := search_near(_LABEL, text, places, at)):
        at = label.end()
        serials = _values(text, at)
        if _OF_OTHERS_TOO.match(text, label.start()):
            serials = [one for one in serials if _is_unlike_others(text, one)]
        for serial in serials:
            found.append(serial)
            at = serial.end
    return found


def _is_unlike_others(text: str, serial: Serial) -> bool:
    """Tell whether a value is as long as those of certificates, and written as they are."""
    written = text[serial.start : serial.end].lower().removeprefix("0x")
    digits = sum(map(str.isalnum, written))
    return digits >= SHORTEST_UNLIKE_OTHERS and not written.isdigit()


def places_of(text: str, hints: tuple[str, ...]) -> list[int]:
    """Return where words stand in a text, whatever their case; far quicker than a pattern."""
    lower = lowered(text)
    found: set[int] = set()
    for hint in hints:
        at = lower.find(hint)
        while at >= 0:
            found.add(at)
            at = lower.find(hint, at + len(hint))
    return sorted(found)


def search_near(
    pattern: re.Pattern[str], text: str, places: list[int], at: int
) -> re.Match[str] | None:
    """Return the first match from a position on that lies around one of the places."""
    for number in range(bisect_left(places, at), len(places)):
        place = places[number]
        found = pattern.search(text, max(at, place - LABEL_BEFORE), place + LABEL_AFTER)
        if found:
            return found
    return None


def read_cells(text: str, cells: list[tuple[int, int]], base: str) -> list[Serial]:
    """Return the serial numbers of a column whose heading says that it holds them.

    A column that only counts its lines ("Serial no." 1, 2, 3) holds none.
    """
    values = [value for start, end in cells for value in _in_cell(text, start, end)]
    if not base and _is_hex_list(values):
        base = "hex"
    if all(len(value[0]) < SHORTEST_BARE for value in values):
        return []
    found = [_read(value, base) for value in values if not _is_word(value[0], marked=True)]
    return [one for one in found if one is not None]


def _in_cell(text: str, start: int, end: int) -> list[re.Match[str]]:
    found: list[re.Match[str]] = []
    edge = _CELL_EDGE.match(text, start, end)
    at = edge.end() if edge else start
    while value := _VALUE.match(text, at, end):
        found.append(value)
        between = _BETWEEN.match(text, value.end(), end)
        if between is None:
            break
        at = between.end()
    return found


def _is_hex_list(values: list[re.Match[str]]) -> bool:
    """Tell whether one of several values shows that all of them are hex."""
    return len(values) > 1 and any(
        value["run"] and (value[0][0] == "0" or not value[0].isdigit()) and len(value[0]) > 1
        for value in values
    )


def _values(text: str, at: int) -> list[Serial]:
    """Read the value after a label, and the list that goes on from it."""
    lead = _LEAD.match(text, at)
    if lead is None:
        return []
    base = (lead["base"] or "")[:3].lower()
    marked = lead["mark"] is not None
    values = _listed(text, lead.end(), marked=marked)
    if not base and _is_hex_list(values):
        base = "hex"
    found: list[Serial] = []
    for value in values:
        serial = _read(value, base)
        if serial is None:
            break
        found.append(serial)
    return found


def _listed(text: str, at: int, *, marked: bool) -> list[re.Match[str]]:
    found: list[re.Match[str]] = []
    while value := _VALUE.match(text, at):
        shortest = SHORTEST_LISTED if found else (1 if marked else SHORTEST_BARE)
        if not _is_value(value, shortest, marked=marked):
            break
        found.append(value)
        between = _BETWEEN.match(text, value.end())
        at = between.end() if between else value.end()
        if _VALUE.match(text, at) is None:
            line = _NEXT_LINE.match(text, value.end())
            if line is None:
                break
            at = line.end()
    return found


def _is_value(value: re.Match[str], shortest: int, *, marked: bool) -> bool:
    digits = sum(char.isalnum() for char in value[0])
    if digits > LONGEST_SERIAL + 2:
        return digits <= MOST_DIGITS and value[0].isdigit()
    return (digits >= shortest or bool(value["ox"])) and not _is_word(value[0], marked=marked)


def _is_word(written: str, *, marked: bool) -> bool:
    """Tell whether a value without digits is rather a word, such as `added` or `face`."""
    return not any(char.isdigit() for char in written) and not (
        marked and len(written) >= SHORTEST_LISTED
    )


def _read(value: re.Match[str], base: str) -> Serial | None:
    digits = value[0].lower().removeprefix("0x")
    if not digits.isalnum():
        digits = re.sub(r"[^0-9a-f]", "", digits)
    decimal = value["run"] is not None and digits.isdigit() and base != "hex"
    # A decimal number has no leading zero; a hex one of even length may well be all digits.
    if decimal and (base == "dec" or digits[:1] != "0" or digits == "0"):
        if len(digits) > MOST_DIGITS:
            return None
        digits = f"{int(digits):x}"
    if len(digits) > LONGEST_SERIAL:
        return None
    return Serial(digits.lstrip("0") or "0", value.start(), value.end())
