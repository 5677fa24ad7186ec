"""Text, links and tables of HTML and XML, read without ever rendering anything.

The tree builder needs time that grows with the square of the nesting: the depth is counted first,
and what is too deep or too large is read without building a tree.
"""

import html
import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from intake.evidence.pattern_set import PatternSet
from intake.evidence.serials import HINTS as SERIAL_WORDS

MOST_WORK = 2_000_000  # tags times depth; an ordinary page has some thousands times ten
FEW_TAGS = 1000
MOST_ROWS = 200_000
LONGEST_LABEL = 2000  # characters of a link's text that are compared with its target

_BLOCK = re.compile(
    r"<(?=/?(?:p|div|br|hr|td|th|tr|li|ul|ol|dl|dt|dd|pre|table|blockquote|h[1-6]|section|article|option)\b)",
    re.IGNORECASE,
)
_LOWER_BLOCK = re.compile(_BLOCK.pattern)  # half the time, where no tag is in capitals
_CAPITALS = re.compile(r"</?[A-Z]")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_ANY_TAG = re.compile(r"<[^<>]*>?")
_HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"<>]*)\"|'([^'<>]*)'|([^\s\"'<>]+))", re.IGNORECASE)
# In XML, links stand in attributes: of hyperlinks in the files of office programs, and of many forms.
_LINK_ATTRIBUTE = re.compile(
    r"\b(?:href|target|src|url|location|link)\s*=\s*(?:\"([^\"<>]*://[^\"<>]*)\"|'([^'<>]*://[^'<>]*)')",
    re.IGNORECASE,
)
# Their end tags may be left out, so they count for nothing.
_MAY_STAY_OPEN = "p li td th tr dt dd option br img input meta link hr col area base wbr param source thead tbody tfoot"
_SHALLOW = frozenset(_MAY_STAY_OPEN.split())
_LOOKS_LIKE_LINK = ("://", "www.", "crt.sh")
_LABELS = ("crt.sh", "spki", "public key", "key id", *SERIAL_WORDS)
_SIGNS = PatternSet({
    "link": "|".join(map(re.escape, _LOOKS_LIKE_LINK)), "label": "|".join(map(re.escape, _LABELS)),
})  # fmt: skip


@dataclass(frozen=True)
class Markup:
    """What a person would read in a document, and where its links go."""

    text: str
    links: tuple[str, ...]
    whole: bool = True  # False: too deep or too large for a tree, so read tag by tag
    labelled: tuple[tuple[str, str], ...] = ()  # text and target of links whose text is a link
    tables: tuple[str, ...] = ()  # that may have headings: a line a row, tabs between cells


def read_html(source: str, *, largest: int) -> Markup:
    """Return text and links of HTML; blocks stand on lines of their own."""
    source = source.replace("\0", "") if "\0" in source else source
    if len(source) > largest or not _is_harmless(source):
        return _read_flat(source)
    block = _BLOCK if _CAPITALS.search(source) else _LOWER_BLOCK
    tree = LexborHTMLParser(block.sub("\n<", source))
    tree.strip_tags(["script", "style", "template", "title"])
    nodes = tree.css("a[href], area[href]")
    links = [node.attributes.get("href") for node in nodes]
    root = tree.root
    text = root.text(deep=True, separator="") if root is not None else ""
    hints = _SIGNS.found_in(text)
    labelled = _labelled(nodes) if hints is None or "link" in hints else ()
    tables = _tables(tree) if hints is None or "label" in hints else ()
    return Markup(
        text, tuple(dict.fromkeys(link for link in links if link)), labelled=labelled, tables=tables
    )


def _labelled(nodes: list[LexborNode]) -> tuple[tuple[str, str], ...]:
    found: dict[tuple[str, str], None] = {}
    for node in nodes:
        text = node.text(deep=True)[:LONGEST_LABEL].strip()
        href = node.attributes.get("href")
        if href and any(sign in text.lower() for sign in _LOOKS_LIKE_LINK):
            found[text, href] = None
    return tuple(found)


def _tables(tree: LexborHTMLParser) -> tuple[str, ...]:
    """Return each table as lines of cells; the rows of a table within another count for it alone."""
    tables: dict[int, list[str]] = {}
    for row in tree.css("tr")[:MOST_ROWS]:
        cells = [
            " ".join(cell.text(deep=True).split())
            for cell in row.iter()
            if cell.tag in ("td", "th")
        ]
        table = row.parent
        while table is not None and table.tag in ("tbody", "thead", "tfoot"):
            table = table.parent
        if table is not None and len(cells) > 1:
            tables.setdefault(table.mem_id, []).append("\t".join(cells))
    return tuple("\n".join(rows) for rows in tables.values())


def _is_harmless(source: str) -> bool:
    """Tell whether building a tree takes time and memory in proportion to the document."""
    if source.count("<") <= FEW_TAGS:
        return True
    depth = deepest = tags = 0
    for match in _TAG.finditer(source):
        tags += 1
        if match[2].lower() in _SHALLOW:
            continue
        depth = max(0, depth - 1) if match[1] else depth + 1
        deepest = max(deepest, depth)
    return tags * deepest <= MOST_WORK


def _read_flat(source: str) -> Markup:
    links = tuple(html.unescape(a or b or c) for a, b, c in _HREF.findall(source))
    text = _ANY_TAG.sub("", _BLOCK.sub("\n<", source))
    return Markup(html.unescape(text), links, whole=False)


def read_xml(source: str) -> str:
    """Return the text of XML, each element's on a line of its own, and the links in attributes."""
    return "\n".join([html.unescape(_ANY_TAG.sub("\n", source)), *xml_links(source)])


def xml_links(source: str) -> list[str]:
    """Return the links in attributes of XML."""
    if "://" not in source:
        return []
    links = (html.unescape(a or b) for a, b in _LINK_ATTRIBUTE.findall(source))
    return list(dict.fromkeys(links))
