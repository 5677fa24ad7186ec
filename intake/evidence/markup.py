"""Text and links of HTML and XML, read without ever rendering anything.

The tree builder needs time that grows with the square of the nesting: the depth is counted first,
and what is too deep or too large is read without building a tree.
"""

import html
import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser

MOST_WORK = 2_000_000  # tags times depth; an ordinary page has some thousands times ten
FEW_TAGS = 1000

_BLOCK = re.compile(
    r"<(?=/?(?:p|div|br|hr|td|th|tr|li|ul|ol|dl|dt|dd|pre|table|blockquote|h[1-6]|section|article|option)\b)",
    re.IGNORECASE,
)
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_ANY_TAG = re.compile(r"<[^<>]*>?")
_HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"<>]*)\"|'([^'<>]*)'|([^\s\"'<>]+))", re.IGNORECASE)
# Their end tags may be left out, so they count for nothing.
_MAY_STAY_OPEN = "p li td th tr dt dd option br img input meta link hr col area base wbr param source thead tbody tfoot"
_SHALLOW = frozenset(_MAY_STAY_OPEN.split())


@dataclass(frozen=True)
class Markup:
    """What a person would read in a document, and where its links go."""

    text: str
    links: tuple[str, ...]
    whole: bool = True  # False: too deep or too large for a tree, so read tag by tag


def read_html(source: str, *, largest: int) -> Markup:
    """Return text and links of HTML; blocks stand on lines of their own."""
    source = source.replace("\0", "")
    if len(source) > largest or not _is_harmless(source):
        return _read_flat(source)
    tree = LexborHTMLParser(_BLOCK.sub("\n<", source))
    tree.strip_tags(["script", "style", "template", "title"])
    links = [node.attributes.get("href") for node in tree.css("a[href], area[href]")]
    root = tree.root
    text = root.text(deep=True, separator="") if root is not None else ""
    return Markup(text, tuple(dict.fromkeys(link for link in links if link)))


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
    """Return the text of XML, each element's on a line of its own."""
    return html.unescape(_ANY_TAG.sub("\n", source))
