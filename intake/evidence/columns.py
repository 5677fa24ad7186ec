"""Tables in text: what stands in a column is what its heading says.

Spreadsheets come as lines of cells with tabs, commas, semicolons or bars between them; people also
align columns with blanks. A heading must say no more than the label, so a sentence is no table.
"""

import re
from dataclasses import dataclass

from intake.evidence.links import MOST
from intake.evidence.serials import HINTS, LABEL, Serial, places_of, read_cells, search_near

DELIMITERS = ("\t", ";", ",", "|", "│", "┃", "  ")
LONGEST_HEADING = 60
MOST_COLUMNS = 400
MOST_LABELS = 20_000  # words that may be headings; the columns of a table need one each
LINES_OF_A_CELL = 20  # a quoted cell may hold line ends

_SERIAL = re.compile(rf"(?:[\w.]+[ _-]){{0,3}}{LABEL}", re.IGNORECASE)
_CRTSH = re.compile(
    r"(?:[\w.]+[ _-])?crt\.?sh(?:[ _-]?(?:cert(?:ificate)?[ _-])?(?:ids?|nos?|numbers?))?",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"(?:[\w.-]+[ _-]){0,3}(?:spki|(?:subject[ _-]?)?public[ _-]?key|pubkey|key|pin)s?[ _-]?(?:info)?[ _-]?"
    r"(?:sha-?256|hash|fingerprint|digest|pin)?(?:[ _-]?sha-?256)?", re.IGNORECASE,
)  # fmt: skip
_OTHER = re.compile(
    r"(?:[\w.]+[ _-]){0,3}(?:key[ _-]?id(?:entifier)?|ski|aki|log[ _-]?id|uuid|guid|md5|commit|modulus)",
    re.IGNORECASE,
)
_BASE = re.compile(r"[\s_]*\(?\b(hex(?:adecimal)?|dec(?:imal)?)\b\)?", re.IGNORECASE)
_WORDS = ("crt.sh", "crtsh", "spki", "public", "key", "log")
_ANY = re.compile(rf"{LABEL}|crt\.?sh|spki|public[ _-]?key|key[ _-]?id|log[ _-]?id", re.IGNORECASE)
_RULE = re.compile(r"[-=+|:_ \t│┃─━┼╋>]+\Z")
_ID = re.compile(r"\d{1,19}")
_QUOTED_CELL = {
    one: re.compile(rf'\s*"((?>(?:[^"]|"")*))"\s*(?={re.escape(one)}|\Z)') for one in DELIMITERS
}


@dataclass(frozen=True)
class Columns:
    """What the columns of a text's tables hold, each in order of appearance."""

    serials: tuple[Serial, ...] = ()
    crtsh_ids: tuple[tuple[int, int], ...] = ()  # start and end
    labels: tuple[tuple[int, int, str], ...] = ()  # start, end, and "key" or "other"


def find_columns(text: str, *, most: int = MOST) -> Columns:
    """Return the cells of columns whose headings say what they hold."""
    serials: list[Serial] = []
    ids: list[tuple[int, int]] = []
    labels: list[tuple[int, int, str]] = []
    at = 0
    places = places_of(text, (*HINTS, *_WORDS))[:MOST_LABELS]
    while len(serials) + len(ids) < most and (word := search_near(_ANY, text, places, at)):
        start, end = _line_of(text, word.start())
        table = _heading(text[start:end]) if end - start < MOST_COLUMNS * LONGEST_HEADING else None
        if table is None:
            at = word.end()
            continue
        cells, at = _cells_below(text, end, table)
        for meaning, base, spans in cells:
            if meaning == "serial":
                serials += read_cells(text, spans, base)
            elif meaning == "crtsh":
                ids += [
                    (one.start(), one.end())
                    for span in spans
                    if (one := _ID.fullmatch(text, *_inner(text, span)))
                ]
            else:
                labels += [(*span, meaning) for span in spans]
    return Columns(
        tuple(sorted(serials, key=lambda one: one.start)), tuple(sorted(ids)), tuple(sorted(labels))
    )


@dataclass(frozen=True)
class _Table:
    delimiter: str
    columns: dict[int, tuple[str, str]]  # number to meaning and base


def _line_of(text: str, at: int) -> tuple[int, int]:
    """Return the line around a place, or as much of a long one as is too long for a heading."""
    longest = MOST_COLUMNS * LONGEST_HEADING
    first, last = max(0, at - longest), min(len(text), at + longest)
    start, end = text.rfind("\n", first, at) + 1, text.find("\n", at, last)
    return start or first, last if end < 0 else end


def _heading(line: str) -> _Table | None:
    """Return the table that a line is the heading of."""
    for delimiter in DELIMITERS:
        if delimiter not in line:
            continue
        cells = _split(line, delimiter)
        if not 2 <= len(cells) <= MOST_COLUMNS:  # noqa: PLR2004 - one column is a list
            continue
        columns = {
            number: meaning
            for number, (start, end) in enumerate(cells)
            if (meaning := _meaning(line[start:end]))
        }
        if columns:
            return _Table(delimiter, columns)
    return None


def _meaning(cell: str) -> tuple[str, str] | None:
    cell = cell.strip(" \t\r\"'*>`#\ufeff\u00a0")
    if not cell or len(cell) > LONGEST_HEADING:
        return None
    base = _BASE.search(cell)
    plain = " ".join(
        (cell[: base.start()] + cell[base.end() :] if base else cell).strip(" :_-()").split()
    )
    for pattern, meaning in (
        (_OTHER, "other"),
        (_SERIAL, "serial"),
        (_CRTSH, "crtsh"),
        (_KEY, "key"),
    ):
        if pattern.fullmatch(plain):
            return meaning, base[1][:3].lower() if base else ""
    return None


def _cells_below(
    text: str, at: int, table: _Table
) -> tuple[list[tuple[str, str, list[tuple[int, int]]]], int]:
    """Return the cells of each column that has a meaning, and where the table ends."""
    spans: dict[int, list[tuple[int, int]]] = {number: [] for number in table.columns}
    while at < len(text):
        start = at + 1
        end = _end_of_row(text, start)
        line = text[start:end]
        if table.delimiter not in line:
            if not _RULE.match(line.rstrip("\r")):
                break
        elif not _RULE.match(line.rstrip("\r")):
            cells = _split(line, table.delimiter)
            for number, column in spans.items():
                if number < len(cells):
                    column.append((start + cells[number][0], start + cells[number][1]))
        at = end
    return [(*table.columns[number], column) for number, column in spans.items()], at


def _end_of_row(text: str, start: int) -> int:
    end = _line_of(text, start)[1]
    first = end
    for _ in range(LINES_OF_A_CELL):
        if end >= len(text) or text.count('"', start, end) % 2 == 0:
            return end
        end = _line_of(text, end + 1)[1]
    return first


def _split(line: str, delimiter: str) -> list[tuple[int, int]]:
    """Return start and end of each cell."""
    if delimiter == "  ":
        return [(one.start(), one.end()) for one in re.finditer(r"\S+(?:[ \t]\S+)*", line)]
    if '"' not in line:
        return _split_plain(line, delimiter)
    cells: list[tuple[int, int]] = []
    at = 0
    pattern = _QUOTED_CELL[delimiter]
    while at <= len(line):
        quoted = pattern.match(line, at)
        end = quoted.end() if quoted else line.find(delimiter, at)
        end = len(line) if end < 0 else end
        cells.append(quoted.span(1) if quoted else (at, end))
        at = end + len(delimiter)
    return cells


def _split_plain(line: str, delimiter: str) -> list[tuple[int, int]]:
    cells: list[tuple[int, int]] = []
    at = 0
    for cell in line.split(delimiter):
        cells.append((at, at + len(cell)))
        at += len(cell) + 1
    return cells


def _inner(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """Return the place of a cell without its blanks and quotes."""
    start, end = span
    while start < end and text[start] in " \t\r\"'=\u00a0":
        start += 1
    while end > start and text[end - 1] in " \t\r\"'\u00a0":
        end -= 1
    return start, end
