"""Links in text; link_meaning.py says what a link to crt.sh and its like names.

Links are found without scheme, defanged (`hxxps`, `crt[.]sh`), broken over lines and inside the
wrappers of mail gateways, which are undone here and never asked.
"""

import base64
import binascii
import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from urllib.parse import unquote

MOST = 200_000  # links, or values of one kind, in one text
LONGEST_LINK = 4000  # characters; what is longer is cut
SHA1_DIGITS, SHA256_DIGITS = 40, 64


@dataclass(frozen=True)
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


# ---- finding -----------------------------------------------------------------------------------

_SCHEME = re.compile(r"h(?:tt|xx)ps?\Z", re.IGNORECASE)
_BEFORE_HOST = re.compile(r"[\w.@%/-]\Z")
_ANCHORS = ("://", "%3a%2f%2fcrt.sh", "crt.sh")
_REST = re.compile(r"[^\s<>\"`|\\^\u00a0\u200b]*")
_GLUED = re.compile(r"[,;|)\]'*]+(?=h(?:tt|xx)ps?://|(?:www\.)?crt\.sh[/?])", re.IGNORECASE)
_DEFANGED = re.compile(r"\[\.\]|\(\.\)|\{\.\}|\[dot\]|\[:\](?=//)|\[://\]", re.IGNORECASE)
_DEFANGED_HINTS = ("[.]", "(.)", "{.}", "[dot]", "[:]", "[://]")
_SOFT_BREAK = re.compile(r"=?[ \t]*\r?\n[ \t>|]*(?=[^\s<>\"])")
_CONTINUED_HEX = re.compile(r"[ \t]*\r?\n[ \t>|]*([0-9A-Fa-f]+)(?![0-9A-Za-z])")
_HEX_END = re.compile(r"[=/]([0-9A-Fa-f]+)\Z")
_IN_BRACKETS = re.compile(r"<((?:[^\s<>]+[ \t]*\r?\n[ \t>|]*){1,8}[^\s<>]+)>")
_CLOSING = {")": "(", "]": "[", "}": "{"}


def find_links(text: str, *, most: int = MOST) -> list[Link]:
    """Return the links of a text in order, those to crt.sh also without a scheme."""
    lower = text.lower()
    if not any(hint in lower for hint in _DEFANGED_HINTS):
        return _find(text, lower, most)
    refanged, places = _refang(text)
    return [_moved(link, text, places) for link in _find(refanged, refanged.lower(), most)]


def _moved(link: Link, text: str, places: list[tuple[int, int]]) -> Link:
    start, end = _place(places, link.start), _place(places, link.end)
    written = text[start:end]
    defanged = link.defanged or written != link.written
    return replace(link, start=start, end=end, written=written, defanged=defanged)


def _find(text: str, lower: str, most: int) -> list[Link]:
    found: list[Link] = []
    done = 0
    if len(lower) != len(text):  # some letters have a longer lower case
        lower = "".join(char.lower() if char.isascii() else char for char in text)
    for anchor, after in _anchors(lower):
        start = _start(text, anchor, lower)
        if start is None or start < done:
            continue
        if len(found) >= most:
            break
        end, joined = _extent(text, start)
        done = max(end, after)
        if end > after:
            url, defanged = _scheme(joined)
            inner = unwrap(url)
            found.append(Link(start, end, text[start:end], inner, defanged, wrapped=inner != url))
    return found


def _anchors(lower: str) -> list[tuple[int, int]]:
    """Return where `://` and `crt.sh` stand, and where each ends; far quicker than a pattern."""
    found: list[tuple[int, int]] = []
    for anchor in _ANCHORS:
        at = lower.find(anchor)
        while at >= 0:
            found.append((at, at + len(anchor)))
            at = lower.find(anchor, at + len(anchor))
    return sorted(found)


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
    glued = _GLUED.search(joined)
    cut = joined[: glued.start()] if glued else joined
    cut = _balanced(cut).rstrip(".,;:!?'*_~")
    cut = _balanced(cut)
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


def _place(places: list[tuple[int, int]], at: int) -> int:
    return at + places[bisect_right(places, (at, 1 << 62)) - 1][1]


# ---- wrappers ----------------------------------------------------------------------------------


_WRAPPER_HINTS = ("safelinks.protection", "urldefense.", "google.com/url")


def unwrap(url: str) -> str:
    """Return the link inside the wrapper of a mail gateway, else the link itself."""
    if not any(hint in url.lower() for hint in _WRAPPER_HINTS):
        return url
    for _ in range(3):  # wrapped twice was seen where two companies forward to each other
        inner = _unwrapped(url)
        if inner is None:
            return url
        url = inner
    return url


def _unwrapped(url: str) -> str | None:
    host, path, query = split_link(url)
    if host.endswith(".safelinks.protection.outlook.com"):
        return _link_in(_first(query, "url"))
    if host.startswith("urldefense.") and path.startswith("/v2/"):
        coded = _first(query, "u", decode=False)
        return _link_in(unquote(coded.replace("-", "%").replace("_", "/")))
    if host.startswith("urldefense.") and path.startswith("/v3/__"):
        return _url_defense_v3(url)
    if host in ("www.google.com", "google.com") and path == "/url":
        return _link_in(_first(query, "q") or _first(query, "url"))
    return None


def _link_in(text: str) -> str | None:
    return text if text[:7].lower() == "http://" or text[:8].lower() == "https://" else None


def _url_defense_v3(url: str) -> str | None:
    match = re.search(r"/v3/__(.+?)__;([\w-]*)", url)
    if match is None:
        return None
    inner = re.sub(r"^(https?):/(?!/)", r"\1://", match[1])
    try:
        replaced = base64.urlsafe_b64decode(match[2] + "=" * (-len(match[2]) % 4)).decode()
    except (binascii.Error, ValueError):
        replaced = ""
    for char in replaced:
        inner = inner.replace("*", char, 1)
    return _link_in(inner)


def split_link(url: str) -> tuple[str, str, str]:
    """Return host (lower case, without user, port and final dot), path and query of a link."""
    rest = url.partition("://")[2].partition("#")[0]
    before, question, query = rest.partition("?")
    host, slash, path = before.partition("/")
    host = host.rpartition("@")[2].partition(":")[0].rstrip(".").lower()
    return host, slash + path, query if question else ""


def query_pairs(query: str, *, decode: bool = True) -> list[tuple[str, str]]:
    """Return names (lower case) and values of a query, also of one whose `&` were left escaped."""
    pairs = []
    for pair in query.split("&")[:200]:
        name, _, value = pair.partition("=")
        if decode:
            name, value = unquote(name), unquote(value.replace("+", " "))
        pairs.append((name.strip().lower().removeprefix("amp;"), value.strip()))
    return pairs


def _first(query: str, name: str, *, decode: bool = True) -> str:
    return next(
        (value for key, value in query_pairs(query, decode=decode) if key == name and value), ""
    )
