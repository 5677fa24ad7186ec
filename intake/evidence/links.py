"""Links in text; link_meaning.py says what a link to crt.sh and its like names.

Links are found without scheme, defanged (`hxxps`, `crt[.]sh`), broken over lines and inside the
wrappers of mail gateways (wrappers.py).
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from urllib.parse import unquote

from intake.evidence.pattern_set import PatternSet
from intake.evidence.shapes import SHA1_DIGITS, SHA256_DIGITS, lowered
from intake.evidence.wrappers import may_be_wrapped, unwrap

MOST = 200_000  # links, or values of one kind, in one text
LONGEST_LINK = 4000  # characters; what is longer is cut


@dataclass(frozen=True, slots=True)
class Link:
    """A link as it stands in a text."""

    start: int
    end: int
    written: str
    url: str  # joined, refanged and unwrapped
    defanged: bool = False
    wrapped: bool = False  # in the wrapper of a mail gateway

    @property
    def shown(self) -> str:
        """Return the link as written, unwrapped."""
        return self.url if self.wrapped or "\n" in self.written else self.written


_SCHEME = re.compile(r"h(?:tt|xx)ps?\Z", re.IGNORECASE)
_BEFORE_HOST = re.compile(r"[\w.@%/-]\Z")
_ANCHORS = ("://", "%3a%2f%2fcrt.sh", "crt.sh")
_REST = re.compile(r"[^\s<>\"`|\\^\u00a0\u200b]*")
_GLUED = re.compile(r"[,;|)\]'*]+(?=h(?:tt|xx)ps?://|(?:www\.)?crt\.sh[/?])", re.IGNORECASE)
_DEFANGED = re.compile(r"\[\.\]|\(\.\)|\{\.\}|[\[({]dot[\])}]|\[:\](?=//)|\[://\]", re.IGNORECASE)
_DEFANGED_HINTS = ("[.]", "(.)", "{.}", "[dot]", "(dot)", "{dot}", "[:]", "[://]")
_SOFT_BREAK = re.compile(r"=?[ \t]*\r?\n[ \t>|]*(?=[^\s<>\"])")
_CONTINUED_HEX = re.compile(r"[ \t]*\r?\n[ \t>|]*([0-9A-Fa-f]+)(?![0-9A-Za-z])")
_HEX_END = re.compile(r"[=/]([0-9A-Fa-f]+)\Z")
_IN_BRACKETS = re.compile(r"<((?:[^\s<>]+[ \t]*\r?\n[ \t>|]*){1,8}[^\s<>]+)>")
_CLEAN = re.compile(r"[\w:/?&=%.+#@-]*[\w/]\Z")  # nothing to cut
_CLOSING = {")": "(", "]": "[", "}": "{"}
# What may make a target of HTML name a certificate, or need mending; nearly all have none of it.
_TELLING = (
    "crt",
    "censys",
    "pwnedkeys",
    "hxx",
    "safelinks",
    "urldefense",
    ".sophos.com",
    "%3a",
    "=http",
)
_ODD = r"[ \t\r<>\"`|\\^\[\](){}*]"
_SIGNS = PatternSet({"telling": "|".join(map(re.escape, _TELLING)), "odd": _ODD})


def ordinary_links(targets: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the plain targets of links, to places that name no certificate, and all others."""
    ordinary: list[str] = []
    others: list[str] = []
    for one in targets:
        (ordinary if one[:8].lower().startswith(("https://", "http://")) else others).append(one)
    if _tells("\n".join(ordinary)):
        plain = [one for one in ordinary if not _tells(one)]
        others += set(ordinary).difference(plain)
        ordinary = plain
    return ordinary, others


def _tells(text: str) -> bool:
    """Tell whether targets of links may name a certificate or need mending."""
    return not text.isascii() or _SIGNS.found_in(text) != frozenset()


def find_links(text: str, *, most: int = MOST) -> list[Link]:
    """Return the links of a text in order, those to crt.sh also without a scheme."""
    return list(stream_links(text, most=most))


def stream_links(text: str, *, most: int = MOST) -> Iterator[Link]:
    """Yield the links of a text one by one: a list of 100,000 need not stand in memory."""
    lower = lowered(text)
    if not _may_be_defanged(text, lower):
        return islice(_find(text, lower), most)
    refanged, places = _refang(text)
    found = islice(_find(refanged, lowered(refanged)), most)
    return (_moved(link, text, places) for link in found)


def _may_be_defanged(text: str, lower: str) -> bool:
    has_bracket = "[" in text or "(" in text or "{" in text
    return has_bracket and any(hint in lower for hint in _DEFANGED_HINTS)


def _moved(link: Link, text: str, places: list[tuple[int, int]]) -> Link:
    start, end = original_place(places, link.start), original_place(places, link.end)
    written = text[start:end]
    defanged = link.defanged or written != link.written
    return replace(link, start=start, end=end, written=written, defanged=defanged)


def _find(text: str, lower: str) -> Iterator[Link]:
    done = 0
    if "://" not in lower and "crt.sh" not in lower:
        return
    wrapped = may_be_wrapped(lower)
    for anchor, after in _anchors(lower):
        start = _start(text, anchor, lower)
        if start is None or start < done:
            continue
        end, joined = _extent(text, start)
        done = max(end, after)
        if end > after:
            url, defanged = _scheme(joined)
            inner = unwrap(url) if wrapped else url
            yield Link(start, end, text[start:end], inner, defanged, wrapped=inner != url)


def _anchors(lower: str) -> Iterator[tuple[int, int]]:
    """Yield where `://` and `crt.sh` stand in order, and where each ends; far quicker than a pattern."""
    found: list[int] = []  # place and number of the anchor in one
    for number, anchor in enumerate(_ANCHORS):
        at = lower.find(anchor)
        while at >= 0:
            found.append(at << 2 | number)
            at = lower.find(anchor, at + len(anchor))
    found.sort()
    for one in found:
        at = one >> 2
        yield at, at + len(_ANCHORS[one & 3])


def _start(text: str, anchor: int, lower: str) -> int | None:
    """Return where the link begins that has an anchor there, or None if there is no link."""
    if lower[anchor] != "c":
        scheme = _SCHEME.search(text, max(0, anchor - 5), anchor)
        return scheme.start() if scheme else None
    if lower[anchor + 6 : anchor + 7] not in ("/", "?", ":"):
        return None
    start = anchor - 4 if lower[max(0, anchor - 4) : anchor] == "www." else anchor
    return None if _BEFORE_HOST.search(text, max(0, start - 1), start) else start


def _scheme(url: str) -> tuple[str, bool]:
    """Return a link with a proper scheme, and whether it was defanged."""
    if url[:3].lower() == "hxx":
        return "htt" + url[3:], True
    if url[:4].lower() != "http":
        return "https://" + url, False
    return (url if "://" in url[:8] else unquote(url)), False


def _extent(text: str, start: int) -> tuple[int, str]:
    """Return where the link ends and the link itself, line breaks taken out."""
    bracketed = _IN_BRACKETS.match(text, start - 1, start + LONGEST_LINK) if start else None
    if bracketed:
        return bracketed.end() - 1, re.sub(r"[ \t]*\r?\n[ \t>|]*", "", bracketed[1])
    rest = _REST.match(text, start, start + LONGEST_LINK)
    end = rest.end() if rest else start
    joined = text[start:end]
    while joined.endswith("=") and len(joined) < LONGEST_LINK:
        broken = _SOFT_BREAK.match(text, end - 1)
        rest = _REST.match(text, broken.end(), broken.end() + LONGEST_LINK) if broken else None
        if rest is None or not rest[0]:
            break
        # A soft break of quoted-printable that nobody decoded: `id=19=` or, cut at `id=`, the sign
        # itself.
        joined = (joined[:-1] if "=" in joined[:-1].partition("?")[2] else joined) + rest[0]
        end = rest.end()
    return _trimmed(text, end, joined)


def _trimmed(text: str, end: int, joined: str) -> tuple[int, str]:
    """Cut what belongs to the sentence, and add the rest of a hash that was broken over lines."""
    cut = joined
    if not _CLEAN.match(joined):
        glued = _GLUED.search(joined)
        cut = joined[: glued.start()] if glued else joined
        cut = _balanced(_balanced(cut).rstrip(".,;:!?'*_~"))
    if len(cut) < len(joined):
        return end - (len(joined) - len(cut)), cut
    hexadecimal = _HEX_END.search(cut)
    more = _CONTINUED_HEX.match(text, end) if hexadecimal else None
    if hexadecimal and more and len(hexadecimal[1]) + len(more[1]) in (SHA1_DIGITS, SHA256_DIGITS):
        return more.end(), cut + more[1]
    return end, cut


def _balanced(url: str) -> str:
    """Cut a link at the first bracket that closes what the link did not open."""
    if not any(closing in url for closing in _CLOSING):
        return url
    opened: list[str] = []
    for at, char in enumerate(url):
        if char in "([{":
            opened.append(char)
        elif char in _CLOSING and (not opened or opened.pop() != _CLOSING[char]):
            return url[:at]
    return url


def _refang(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the text with `[.]` as `.`, and pairs of position there and characters taken out."""
    pieces: list[str] = []
    places: list[tuple[int, int]] = [(0, 0)]
    last = length = 0
    for match in _DEFANGED.finditer(text):
        plain = "://" if "/" in match[0] else (":" if ":" in match[0] else ".")
        pieces += [text[last : match.start()], plain]
        length += match.start() - last + len(plain)
        last = match.end()
        places.append((length, last - length))
    pieces.append(text[last:])
    return "".join(pieces), places


def original_place(places: list[tuple[int, int]], at: int) -> int:
    """Return where a place stood before characters were taken out; see `_refang` for the pairs."""
    return at + places[bisect_right(places, (at, 1 << 62)) - 1][1]
