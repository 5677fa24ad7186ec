"""Text of office documents: sheets as lines of cells with tabs, other documents as paragraphs.

Read with patterns and without a tree: entities that multiply can't, and a sheet of 100,000 lines
takes a second or two. What a cell shows after a formula is read, formulas are not.

Source: ECMA-376 part 1, 18.3 (cells), 18.4 (shared strings); ODF 1.3 part 3, 9.1 (tables).
"""

import html
import re
from collections.abc import Iterator

from intake.evidence.markup import xml_links

MOST_COLUMNS = 400
MOST_REPEATED = 50  # empty cells that one element stands for

_OOXML, _ODF = "[Content_Types].xml", "mimetype"
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml\Z")
_SHARED = "xl/sharedStrings.xml"
_DOCUMENT = re.compile(
    r"(?:word/(?:document|footnotes|endnotes|comments|header\d*|footer\d*)|ppt/(?:slides|notesSlides)/[^/]+|content)\.xml\Z"
)
_WITHOUT_TEXT = re.compile(
    r"\[Content_Types\]\.xml\Z|mimetype\Z|(?:.*/)?(?:styles|settings|webSettings|fontTable|numbering|workbook|calcChain"
    r"|presProps|viewProps|tableStyles|theme\d*|printerSettings\d*|manifest|app|core|meta|thumbnail)\.(?:xml|rdf|bin|jpeg|png)\Z"
    r"|xl/theme/|ppt/(?:slideLayouts|slideMasters|theme)/|xl/sharedStrings\.xml\Z|Thumbnails/|Configurations2/"
)
_ITEM = re.compile(r"<(?:\w+:)?si\b[^>]*?(?:/>|>(.*?)</(?:\w+:)?si>)", re.DOTALL)
_RUN_OF_TEXT = re.compile(r"<(?:\w+:)?t\b[^>]*?(?:/>|>(.*?)</(?:\w+:)?t>)", re.DOTALL)
_READING_AID = re.compile(r"<(?:\w+:)?rPh\b.*?</(?:\w+:)?rPh>", re.DOTALL)
_CELL = re.compile(
    r"<(?:\w+:)?row\b|<(?:\w+:)?c(?:\s([^>]*?))?(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL
)
_TYPE, _PLACE = re.compile(r'\bt="(\w+)"'), re.compile(r'\br="([A-Z]{1,3})\d*"')
_VALUE = re.compile(r"<(?:\w+:)?v\b[^>]*>(.*?)</(?:\w+:)?v>", re.DOTALL)
_LAST_PARAGRAPH = re.compile(r"</(?:w|a|text):p>\s*(?=</(?:w:tc|a:tc|table:table-cell)>)")
_REPEATED = re.compile(
    r'<table:(?:covered-)?table-cell\b[^>]*?(?:number-columns-repeated="(\d+)")?[^>]*?/>'
)
_CELL_END = re.compile(r"</(?:w:tc|a:tc|table:table-cell)>")
_LINE_END = re.compile(
    r"</(?:w:p|w:tr|a:p|a:tr|text:p|text:h|table:table-row)>|<(?:w|a):br\b[^>]*>|<text:line-break\s*/>"
)
_TAB = re.compile(r"<w:tab\s*/>|<text:tab\s*/>")
_TAG = re.compile(r"<[^<>]*>")


def is_office(names: list[str]) -> bool:
    """Tell whether the members of a zip archive are those of an office document."""
    return _OOXML in names or (_ODF in names and "content.xml" in names)


def read_office(members: dict[str, bytes]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each sheet or document; `members` are those of the zip archive."""
    shared = _shared_strings(_text(members.get(_SHARED, b"")))
    sheets = 0
    for name, content in members.items():
        if _SHEET.match(name):
            sheets += 1
            yield name, _sheet(_text(content), shared)
        elif _DOCUMENT.match(name):
            yield name, _document(_text(content))
    if not sheets and shared:
        yield _SHARED, "\n".join(shared)


def is_read_otherwise(name: str) -> bool:
    """Tell whether a member is a sheet or document, or has no text of its own."""
    return bool(_SHEET.match(name) or _DOCUMENT.match(name) or _WITHOUT_TEXT.match(name))


def _text(content: bytes) -> str:
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    return content.decode("utf-16" if wide else "utf-8", "replace")


def _shared_strings(source: str) -> list[str]:
    return [_joined(match[1] or "") for match in _ITEM.finditer(source)]


def _joined(source: str) -> str:
    """Return the text of a string that may change its font midway."""
    if "rPh" in source:
        source = _READING_AID.sub("", source)
    runs = _RUN_OF_TEXT.findall(source)
    return " ".join(html.unescape("".join(runs)).split("\t"))


def _sheet(source: str, shared: list[str]) -> str:
    rows: list[str] = []
    cells: list[str] = []
    for match in _CELL.finditer(source):
        if match[1] is None and match[2] is None:
            rows.append("\t".join(cells))
            cells = []
            continue
        place = _PLACE.search(match[1] or "")
        column = _column(place[1]) if place else len(cells)
        cells += [""] * (min(column, MOST_COLUMNS) - len(cells))
        cells.append(_cell(match[1] or "", match[2] or "", shared).replace("\n", " "))
    rows.append("\t".join(cells))
    return "\n".join([*rows[1:], *xml_links(source)])


def _cell(attributes: str, content: str, shared: list[str]) -> str:
    kind = _TYPE.search(attributes)
    if kind and kind[1] == "inlineStr":
        return _joined(content)
    value = _VALUE.search(content)
    if value is None:
        return ""
    if kind and kind[1] == "s":
        return shared[int(value[1])] if value[1].isdigit() and int(value[1]) < len(shared) else ""
    return html.unescape(value[1])


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _document(source: str) -> str:
    text = _LAST_PARAGRAPH.sub("", " ".join(source.splitlines()))
    text = _REPEATED.sub(lambda match: "\t" * min(int(match[1] or 1), MOST_REPEATED), text)
    text = _CELL_END.sub("\t", text)
    text = _TAB.sub("\t", _LINE_END.sub("\n", text))
    return "\n".join([html.unescape(_TAG.sub("", text)), *xml_links(source)])
