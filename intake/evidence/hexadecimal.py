"""Long hex in text: fingerprints, hashes of keys, and what is neither.

Noise must not become a report: hex within addresses, Message-IDs and pasted mail headers names
nothing, nor does what the text calls a commit, a key identifier or a log id. Long hex that fits
nothing is listed as such and never dropped.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from intake.evidence.columns import Columns
from intake.evidence.labels import KEY, OTHER, label_of
from intake.evidence.named import Named
from intake.evidence.serials import Serial
from intake.evidence.shapes import HEX, SHA1_DIGITS, SHA256_DIGITS, hex_shape, runs_of

SHORTEST_HEX = 16
LONGEST_HEX = 4096  # digits; a longer run is cut

_RUN = re.compile(r"(?<![0-9A-Za-z])(?>(?:0[xX])?)[0-9A-Fa-f]{16,}+(?![0-9A-Za-z])")
# What the text's shape (shapes.py) must hold for a pattern to be tried at all.
_SHAPES_OF_PAIRS = (b"hhshhshhshh",)
_SHAPES_OF_GROUPS = (b"hhhhshhhhshhhh", b"hhhhhhhhshhhhhhhh")
_WRAP = r"[ \t]*\r?\n[ \t>|]*"
_PAIRS = re.compile(
    rf"(?<![0-9A-Za-z])[0-9A-Fa-f]{{2}}(?>(?:(?:[:-](?:{_WRAP})?|[ \t\u00a0]{{1,2}}|{_WRAP})"
    r"[0-9A-Fa-f]{2}(?![0-9A-Za-z])){7,4096})"
)
_GROUPS = re.compile(
    rf"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{{4}}|[0-9A-Fa-f]{{8}})(?>(?:(?:[ -]|{_WRAP})"
    r"(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{4})(?![0-9A-Za-z])){3,2048})"  # bounded: each round costs memory
)
_CONTINUED = re.compile(rf"{_WRAP}([0-9A-Fa-f]+)(?![0-9A-Za-z])")
_HEX_LINE = re.compile(r"[0-9A-Fa-f][^\r\n]*")
_GOES_ON = re.compile(r"[:-][ \t]*\r?\n")
_FRACTION = re.compile(r"\d\.\Z")
_LETTER = re.compile(r"[A-Fa-f]")
_DIGIT = re.compile(r"[0-9]")

_MAIL_HEADER = re.compile(
    r"[ \t>|]*(?:--+[^\s-]|(?:dkim-|domainkey-|arc-|x-(?!509)|received|message-id|references|in-reply-to|return-path"
    r"|list-|content-|authentication-results|feedback-id|thread-)[\w-]*:)",
    re.IGNORECASE,
)
_LINE_REACH = 400
_FOLDS = 6  # lines of a folded header that are looked back
_APART = " \t\r\n,;\"|'"


@dataclass(frozen=True, slots=True)
class Run:
    """Long hex in a text: its place, and its digits in lower case."""

    start: int
    end: int
    digits: str
    contiguous: bool = True


def name_runs(
    text: str, runs: Iterable[Run], serials: list[Serial], columns: Columns
) -> list[Named]:
    """Say what each run of hex is; those that are serial numbers are left out."""
    found: list[Named] = []
    starts = [one.start for one in serials]
    labels = {start: (end, meaning) for start, end, meaning in columns.labels}
    places = sorted(labels)
    for run in runs:
        before = bisect_right(starts, run.start) - 1
        if before >= 0 and run.start < serials[before].end and len(run.digits) != SHA1_DIGITS:
            continue
        column = ""
        if places and (at := bisect_right(places, run.start)):
            end, meaning = labels[places[at - 1]]
            column = meaning if run.start < end else ""
        named = _classify(text, run, column)
        if named:
            found.append(named)
    return found


def find_runs(text: str, most: int) -> Iterator[Run]:
    """Yield the long hex of a text, also that in pairs and groups, over line ends or not."""
    shape = hex_shape(text)
    done = 0
    for start, _ in islice(runs_of(shape, HEX, SHORTEST_HEX), most):
        prefixed = start > 1 and text[start - 2 : start] in ("0x", "0X")
        match = _RUN.match(text, start - 2 if prefixed else start) if start >= done else None
        if match:
            run = _joined(text, match)
            yield run
            done = run.end
    for pattern, hints in ((_PAIRS, _SHAPES_OF_PAIRS), (_GROUPS, _SHAPES_OF_GROUPS)):
        if any(hint in shape for hint in hints):
            for match in islice(pattern.finditer(text), most):
                yield from _split_lines(match)


def _joined(text: str, match: re.Match[str]) -> Run:
    """Add the rest of a fingerprint that was broken at the end of a line."""
    digits = match[0].lower().removeprefix("0x")
    if len(digits) < SHA256_DIGITS and len(digits) != SHA1_DIGITS:
        more = _CONTINUED.match(text, match.end())
        if more and len(digits) + len(more[1]) in (SHA1_DIGITS, SHA256_DIGITS):
            return Run(match.start(), more.end(), digits + more[1].lower())
    return Run(match.start(), match.end(), digits)


def _split_lines(match: re.Match[str]) -> list[Run]:
    """Return one run, or one for each line where lines are values of their own."""
    whole = _digits(match[0])
    one = [Run(match.start(), match.end(), whole, contiguous=False)]
    if (
        len(whole) in (SHA1_DIGITS, SHA256_DIGITS)
        or "\n" not in match[0]
        or _GOES_ON.search(match[0])
    ):
        return one
    start = match.start()
    lines = [
        Run(start + line.start(), start + line.end(), _digits(line[0]), contiguous=False)
        for line in _HEX_LINE.finditer(match[0])
    ]
    lengths = {len(line.digits) for line in lines}
    alike = len(lengths) == 1 and min(lengths) >= SHORTEST_HEX
    return lines if alike or lengths & {SHA1_DIGITS, SHA256_DIGITS} else one


def _digits(text: str) -> str:
    return re.sub(r"[^0-9A-Fa-f]+", "", text).lower()


def _classify(text: str, run: Run, column: str) -> Named | None:
    written = text[run.start : run.end]
    if not column and _is_noise(text, run):
        return None
    value = run.digits[:LONGEST_HEX]
    written = value if written == value else written  # one string for both: lists are long
    if not (_LETTER.search(value) and _DIGIT.search(value)):
        # A row of plain numbers is a phone number, a table or an amount.
        is_decimal = _FRACTION.search(text, max(0, run.start - 2), run.start) is not None
        return (
            Named("hex", value, run.start, written) if run.contiguous and not is_decimal else None
        )
    length = len(value)
    if length not in (SHA1_DIGITS, SHA256_DIGITS):
        return Named("hex", value, run.start, written)
    label = column or label_of(text, run.start, run.end, digits=length)
    if label == OTHER or _is_address(text, run):
        return Named("hex", value, run.start, written)
    if length == SHA1_DIGITS:
        return Named("sha1", value, run.start, written)
    return Named("spki_sha256" if label == KEY else "sha256", value, run.start, written)


def _is_address(text: str, run: Run) -> bool:
    """Tell whether a value has the form of an address of cryptocurrency: nobody writes hashes so."""
    return text[run.start : run.start + 2].lower() == "0x"


def _is_noise(text: str, run: Run) -> bool:
    """Tell whether a value belongs to an address, a Message-ID, a path or a pasted mail header."""
    left, right = text[run.start - 1 : run.start], text[run.end : run.end + 1]
    if (left not in _APART or right not in _APART) and _is_part_of_name(text, run):
        return True
    line = _line_start(text, run.start)
    for _ in range(_FOLDS):
        if line is None or line == 0 or not text[line].isspace():
            break
        line = _line_start(text, line - 1)  # a folded header: look at the line above
    return line is not None and _MAIL_HEADER.match(text, line) is not None


def _is_part_of_name(text: str, run: Run) -> bool:
    before = re.split(r"[\s<>,;]", text[max(0, run.start - 80) : run.start])[-1]
    before = before.removesuffix("@sha256:")  # of an image of a container
    after = re.split(r"[\s<>,;]", text[run.end : run.end + 80])[0]
    return "@" in before or "@" in after or before.startswith("cid:")


def _line_start(text: str, at: int) -> int | None:
    """Return where the line begins that holds a position; None if that is far off."""
    floor = max(0, at - _LINE_REACH)
    found = text.rfind("\n", floor, at)
    if found >= 0:
        return found + 1
    return 0 if floor == 0 else None
