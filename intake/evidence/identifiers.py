"""Fingerprints, serial numbers, key hashes and names in plain text, and what is none of them.

Noise must not become a report: hex within links, addresses, Message-IDs and pasted mail headers
names nothing, nor does what the text calls a commit, a key identifier or a log id. Long hex that
fits nothing is listed as such and never dropped.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import islice

from intake.evidence.domains import find_domains
from intake.evidence.keys import blank
from intake.evidence.link_meaning import pin_digest, read_link
from intake.evidence.links import MOST, SHA1_DIGITS, SHA256_DIGITS, Link, find_links
from intake.evidence.serials import find_serials
from intake.evidence.shapes import HEX, hex_shape, runs_of

SHORTEST_HEX = 16
LONGEST_HEX = 4096  # digits; a longer run is cut


@dataclass(frozen=True)
class Named:
    """Something that a text names; kinds as in `Identifier`, and "hex", "domain" and "url"."""

    kind: str
    value: str
    offset: int
    named_as: str


_RUN = re.compile(r"(?<![0-9A-Za-z])(?:0[xX])?+[0-9A-Fa-f]{16,}+(?![0-9A-Za-z])")
# What the text's shape (shapes.py) must hold for a pattern to be tried at all.
_SHAPES_OF_PAIRS = (b"hhshhshhshh",)
_SHAPES_OF_GROUPS = (b"hhhhshhhhshhhh", b"hhhhhhhhshhhhhhhh")
_WRAP = r"[ \t]*\r?\n[ \t>|]*"
_PAIRS = re.compile(
    rf"(?<![0-9A-Za-z])[0-9A-Fa-f]{{2}}(?:(?:[:-](?:{_WRAP})?|[ \t\u00a0]{{1,2}}|{_WRAP})"
    r"[0-9A-Fa-f]{2}(?![0-9A-Za-z])){7,}+"
)
_GROUPS = re.compile(
    rf"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{{4}}|[0-9A-Fa-f]{{8}})(?:(?:[ -]|{_WRAP})"
    r"(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{4})(?![0-9A-Za-z])){3,}+"
)
_CONTINUED = re.compile(rf"{_WRAP}([0-9A-Fa-f]+)(?![0-9A-Za-z])")
_PINS = re.compile(r"sha256(?:/|=\"|:)([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048])=", re.IGNORECASE)
_CRTSH_ID = re.compile(
    r"crt\.sh[ \t]*(?:certificate[ \t]*)?ids?[ \t]*[:=#]?[ \t]*(\d{1,19})(?!\w)", re.IGNORECASE
)
_HEX_LINE = re.compile(r"[0-9A-Fa-f][^\r\n]*")
_GOES_ON = re.compile(r"[:-][ \t]*\r?\n")
_NEXT_ID = re.compile(r"(?:[\s,;&>|]|and\b){1,40}+(\d{5,19})(?!\w|\.\d)")
_LETTER = re.compile(r"[A-Fa-f]")
_DIGIT = re.compile(r"[0-9]")

_KEY_HASH = re.compile(
    r"spki|public[ -]?key|pubkey|subject ?public ?key ?info|\bpins?\b|pin-sha256", re.IGNORECASE
)
_NOT_A_FINGERPRINT = re.compile(
    r"key ?id(?:entifier)?\b|keyid|log ?id\b|\bski\b|\baki\b|\bcommit|\bgit\b|revision|changeset|\btree\b"
    r"|\bpgp\b|\bgpg\b|\bmd5\b|\buuid\b|\bguid\b|transaction|\btxid\b|boundary|message-?id|modulus|\bnonce\b",
    re.IGNORECASE,
)
_FINGERPRINT = re.compile(r"finger ?print|thumb ?print|certificate|\bcert\b", re.IGNORECASE)
_MAIL_HEADER = re.compile(
    r"[ \t>|]*(?:--+[^\s-]|(?:dkim-|domainkey-|arc-|x-(?!509)|received|message-id|references|in-reply-to|return-path"
    r"|list-|content-|authentication-results|feedback-id|thread-)[\w-]*:)",
    re.IGNORECASE,
)
_LABEL_REACH = 44  # characters before a value, blanks collapsed
_LINE_REACH = 400


def find_named(text: str, *, most: int = MOST) -> list[Named]:
    """Return everything that a text names, in order; at most so many of each form."""
    links = find_links(text, most=most)
    found = [named for link in links for named in _of_link(link)]
    plain = blank(text, [(link.start, link.end) for link in links])
    found += find_pins(plain)
    found += find_written_ids(plain)
    found += _find_hex(plain, most)
    found += [Named("domain", name, at, name) for name, at in find_domains(plain, most=most)]
    found.sort(key=lambda named: named.offset)
    return found


def named_by_link(href: str) -> list[Named]:
    """Return what the target of a link in HTML names."""
    href = "".join(href.split())
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
    if "sha256" not in text.lower():
        return []
    return [
        Named("spki_sha256", pin_digest(match[1]), match.start(), match[0])
        for match in _PINS.finditer(text)
    ]


def find_written_ids(text: str) -> list[Named]:
    """Return crt.sh ids that are written out, as in `crt.sh IDs 19429431, 626981823`."""
    if "crt.sh" not in text.lower():
        return []
    found: list[Named] = []
    for first in _CRTSH_ID.finditer(text):
        match: re.Match[str] | None = first
        while match:
            if int(match[1]):
                found.append(Named("crtsh_id", str(int(match[1])), match.start(1), match[1]))
            match = _NEXT_ID.match(text, match.end())
    return found


@dataclass(frozen=True)
class _Run:
    start: int
    end: int
    digits: str
    contiguous: bool = True


def _find_hex(text: str, most: int) -> list[Named]:
    serials = find_serials(text, most=most)
    found = [
        Named("serial_number", one.value, one.start, text[one.start : one.end]) for one in serials
    ]
    starts = [one.start for one in serials]
    for run in _runs(text, most):
        before = bisect_right(starts, run.start) - 1
        if before >= 0 and run.start < serials[before].end and len(run.digits) != SHA1_DIGITS:
            continue
        named = _classify(text, run)
        if named:
            found.append(named)
    return found


def _runs(text: str, most: int) -> list[_Run]:
    shape = hex_shape(text)
    runs: list[_Run] = []
    done = 0
    for start, _ in islice(runs_of(shape, HEX, SHORTEST_HEX), most):
        prefixed = start > 1 and text[start - 2 : start] in ("0x", "0X")
        match = _RUN.match(text, start - 2 if prefixed else start) if start >= done else None
        if match:
            runs.append(_joined(text, match))
            done = runs[-1].end
    for pattern, hints in ((_PAIRS, _SHAPES_OF_PAIRS), (_GROUPS, _SHAPES_OF_GROUPS)):
        if any(hint in shape for hint in hints):
            for match in islice(pattern.finditer(text), most):
                runs += _split_lines(match)
    return runs


def _joined(text: str, match: re.Match[str]) -> _Run:
    """Add the rest of a fingerprint that was broken at the end of a line."""
    digits = match[0].lower().removeprefix("0x")
    if len(digits) < SHA256_DIGITS and len(digits) != SHA1_DIGITS:
        more = _CONTINUED.match(text, match.end())
        if more and len(digits) + len(more[1]) in (SHA1_DIGITS, SHA256_DIGITS):
            return _Run(match.start(), more.end(), digits + more[1].lower())
    return _Run(match.start(), match.end(), digits)


def _split_lines(match: re.Match[str]) -> list[_Run]:
    """Return one run, or one for each line where lines are values of their own."""
    whole = _digits(match[0])
    one = [_Run(match.start(), match.end(), whole, contiguous=False)]
    if (
        len(whole) in (SHA1_DIGITS, SHA256_DIGITS)
        or "\n" not in match[0]
        or _GOES_ON.search(match[0])
    ):
        return one
    start = match.start()
    lines = [
        _Run(start + line.start(), start + line.end(), _digits(line[0]), contiguous=False)
        for line in _HEX_LINE.finditer(match[0])
    ]
    lengths = {len(line.digits) for line in lines}
    alike = len(lengths) == 1 and min(lengths) >= SHORTEST_HEX
    return lines if alike or lengths & {SHA1_DIGITS, SHA256_DIGITS} else one


def _digits(text: str) -> str:
    return re.sub(r"[^0-9A-Fa-f]+", "", text).lower()


def _classify(text: str, run: _Run) -> Named | None:
    written = text[run.start : run.end]
    if _is_noise(text, run):
        return None
    value = run.digits[:LONGEST_HEX]
    if not (_LETTER.search(value) and _DIGIT.search(value)):
        # A row of plain numbers is a phone number, a table or an amount.
        return Named("hex", value, run.start, written) if run.contiguous else None
    label = _label(text, run.start)
    if len(value) not in (SHA1_DIGITS, SHA256_DIGITS) or label == "other":
        return Named("hex", value, run.start, written)
    if len(value) == SHA1_DIGITS:
        return Named("sha1", value, run.start, written)
    return Named("spki_sha256" if label == "key" else "sha256", value, run.start, written)


def _label(text: str, start: int) -> str:
    """Return what the words before a value call it: "key", "other" or "" for a fingerprint."""
    before = " ".join(text[max(0, start - 3 * _LABEL_REACH) : start].split())[-_LABEL_REACH:]
    if _KEY_HASH.search(before):
        return "key"
    others = [match.end() for match in _NOT_A_FINGERPRINT.finditer(before)]
    if not others:
        return ""
    fingerprints = [match.end() for match in _FINGERPRINT.finditer(before)]
    return "" if fingerprints and fingerprints[-1] > others[-1] else "other"


def _is_noise(text: str, run: _Run) -> bool:
    """Tell whether a value belongs to an address, a Message-ID, a path or a pasted mail header."""
    before = text[max(0, run.start - 80) : run.start]
    after = text[run.end : run.end + 80]
    word_before = before[-1:] and not before[-1:].isspace()
    if after[:1] not in ("", " ", "\n") or word_before:
        token = re.split(r"[\s<>,;]", before)[-1] + "·" + re.split(r"[\s<>,;]", after)[0]
        if "@" in token or token.startswith("cid:"):
            return True
    line = _line_start(text, run.start)
    for _ in range(6):
        if line is None or line == 0 or not text[line].isspace():
            break
        line = _line_start(text, line - 1)  # a folded header: look at the line above
    return line is not None and _MAIL_HEADER.match(text, line) is not None


def _line_start(text: str, at: int) -> int | None:
    """Return where the line begins that holds a position; None if that is far off."""
    floor = max(0, at - _LINE_REACH)
    found = text.rfind("\n", floor, at)
    if found >= 0:
        return found + 1
    return 0 if floor == 0 else None
