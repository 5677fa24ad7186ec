"""What a plain text names: links, fingerprints, serial numbers, key hashes and domain names."""

import re

from intake.evidence.addresses import find_addresses
from intake.evidence.columns import find_columns
from intake.evidence.domains import find_domains
from intake.evidence.hexadecimal import find_runs, name_runs
from intake.evidence.hints import CERTIFICATE_ID, HEX, LINK, PIN, SERIAL, look
from intake.evidence.invisible import INVISIBLE, read_both_ways
from intake.evidence.keys import blank
from intake.evidence.link_meaning import pin_digest, read_link
from intake.evidence.links import MOST, Link, find_links, stream_links
from intake.evidence.named import Named
from intake.evidence.serials import find_serials

_NUMBERS = frozenset((SERIAL, HEX, CERTIFICATE_ID))
MOST_NAMES = 25_000  # links and domain names of one text; a few more than are kept
_PINS = re.compile(r"sha256(?:/|=\"|:)([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048])=", re.IGNORECASE)
# In prose, as a key of JSON and the like, and as the heading of a list.
_CRTSH_ID = re.compile(
    r"crt[._]?sh(?:[ \t_-]*(?:cert(?:ificate)?[ \t_-]*)?ids?(?![A-Za-z0-9])[\"'*`]{0,3}[ \t]*[:=#|]?"
    r"|[ \t]{0,3}[:#][ \t]{0,3}#?(?=\d{5,19}(?![\w.-])))[ \t]*\[?"
    r"(?:[ \t]*\r?\n[ \t>|]*(?=[\"'*`]{0,3}\d{5}))?[ \t]*[\"'*`]{0,3}"
    r"(\d{1,3}(?:,\d{3}){1,6}(?![\w,])|\d{1,3}(?:[ '.\u2009]\d{3}){2,6}(?!\w)|\d{1,19}(?!\w))",
    re.IGNORECASE,
)
_NEXT_ID = re.compile(r"(?>(?:[\s,;&>|\"'`]|and\b|ids?\b){1,40})(\d{5,19})(?!\w|\.\d)")


# Blanks of every width, as office programs put between label and value, the wide letters and digits
# of East Asian keyboards, and what nobody sees: each becomes the plain character, so that places
# stay the same.
_PLAIN = {
    ord(wide): " "
    for wide in "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
}
_PLAIN |= {wide: chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F)}
_PLAIN |= dict.fromkeys(map(ord, INVISIBLE), "\u200b")
_NOT_PLAIN = re.compile(f"[{''.join(map(re.escape, map(chr, _PLAIN)))}]")  # far quicker to seek
_UNSEEN = dict.fromkeys(map(ord, INVISIBLE))


def find_named(text: str, *, most: int = MOST, hints: frozenset[str] | None = None) -> list[Named]:
    """Return everything that a text names, in order; at most so many of each form.

    Args:
        text: where it is sought.
        most: how many of each form.
        hints: what the text may hold (hints.py), if that is known.
    """
    if text.isascii() or not _NOT_PLAIN.search(text):
        return _find_named(text, most, look(text) if hints is None else hints)
    plain = text.translate(_PLAIN)
    found = read_both_ways(plain, lambda one: _find_named(one, most, look(one)))
    return found if plain == text else [_as_written(one, plain, text) for one in found]


def _as_written(named: Named, plain: str, text: str) -> Named:
    end = named.offset + len(named.named_as)
    if plain[named.offset : end] != named.named_as:
        return named
    return named._replace(named_as=text[named.offset : end])


def _find_named(text: str, most: int, hints: frozenset[str]) -> list[Named]:
    found: list[Named] = []
    spans: list[tuple[int, int]] = []
    for link in stream_links(text, most=most) if LINK in hints else ():
        found += _of_link(link)[len(spans) >= MOST_NAMES :]  # without the link itself
        spans.append((link.start, link.end))
    if spans and len(spans) >= most:
        text = text[: spans[-1][1]]  # more than is looked at; so is what follows
    plain = blank(text, spans)
    hints = look(plain) if spans and hints & _NUMBERS else hints  # links are full of numbers
    del spans
    found += find_pins(plain) if PIN in hints else []
    found += find_written_ids(plain) if CERTIFICATE_ID in hints else []
    found += _find_numbers(plain, hints, most) if hints & _NUMBERS else []
    found += [
        Named("domain", name, at, name)
        for name, at in find_domains(plain, most=min(most, MOST_NAMES))
    ]
    found += [Named("domain", value, at, written) for value, written, at in find_addresses(plain)]
    found.sort(key=lambda named: named.offset)
    return found


def named_by_link(href: str) -> list[Named]:
    """Return what the target of a link in HTML names."""
    href = "".join(href.split())
    href = href if href.isascii() else href.translate(_UNSEEN)
    if href[:2] == "//":
        href = "https:" + href
    return [named for link in find_links(href)[:1] if link.start == 0 for named in _of_link(link)]


def _of_link(link: Link) -> list[Named]:
    named = [Named("url", link.shown, link.start, link.shown)]
    named += [Named(kind, value, link.start, link.written) for kind, value in read_link(link.url)]
    if link.defanged:
        named += _defanged_host(link)
    return named


def _defanged_host(link: Link) -> list[Named]:
    """A link that was made harmless is what the report is about, so its host is named."""
    host = link.url.partition("://")[2].partition("/")[0].partition("?")[0].lower()
    return [Named("domain", name, link.start, link.written) for name, _ in find_domains(host)]


def find_pins(text: str) -> list[Named]:
    """Return key hashes in base64 as `sha256/…=` and `pin-sha256="…="`."""
    return [
        Named("spki_sha256", pin_digest(match[1]), match.start(), match[0])
        for match in _PINS.finditer(text)
    ]


def find_written_ids(text: str) -> list[Named]:
    """Return crt.sh ids that are written out, as in `crt.sh IDs 19429431, 626981823`."""
    found: list[Named] = []
    for first in _CRTSH_ID.finditer(text):
        match: re.Match[str] | None = first
        while match:
            number = int("".join(filter(str.isdigit, match[1])))  # its thousands may stand apart
            if number:
                found.append(Named("crtsh_id", str(number), match.start(1), match[1]))
            match = _NEXT_ID.match(text, match.end())
    return found


def _find_numbers(text: str, hints: frozenset[str], most: int) -> list[Named]:
    """Return serial numbers, crt.sh ids in tables, and long hex."""
    columns = find_columns(text, most=most)
    places = {one.start: one for one in find_serials(text, most=most)} if SERIAL in hints else {}
    places |= {one.start: one for one in columns.serials}  # a column knows more than a list
    serials = sorted(places.values(), key=lambda one: one.start)
    found = [
        Named("serial_number", one.value, one.start, text[one.start : one.end]) for one in serials
    ]
    found += [
        Named("crtsh_id", str(int(text[start:end])), start, text[start:end])
        for start, end in columns.crtsh_ids
        if int(text[start:end])
    ]
    runs = find_runs(text, most) if HEX in hints else ()
    return found + name_runs(text, runs, serials, columns)
