"""Characters that nobody sees and that stand within links, hashes and names of hosts.

Office programs and chat put them where a line may break, and some people to keep links from being
opened. What they split is read both ways: as it looks, and as it is written, for some of them
stand between two things.
"""

import re
from bisect import bisect_left
from collections.abc import Callable

from intake.evidence.links import original_place
from intake.evidence.named import Named

# Zero-width space, non-joiner, joiner, word joiner, no-break space, and the soft hyphen.
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_RUN = re.compile(f"[{INVISIBLE}]+")
_SPACE = re.compile(r"[^!-~]")
_REACH = 100  # characters of a word that are looked at, on either side
# What a word must hold that may name anything or be a key: a host, a path, a number, base64.
_TELLING = re.compile(
    r"\w\.\w|/|[0-9A-Fa-f]{8}|[0-9]{4}|(?:[0-9A-Fa-f]{2}[:-]){2}[0-9A-Fa-f]{2}|----|[A-Za-z0-9+]{40}"
)
_SIGNS_OF_KEYS = ("PRIVATE KEY", "MII", "MHcC", "MC4C", "b3BlbnNzaC1rZXk", '"kty"', "Private-Lines")
MOST_AT_ONE_PLACE = 8  # things that one link names
_UNNAMED = ("url", "domain", "hex")  # kinds that identify no certificate and no key


def read_both_ways(text: str, read: Callable[[str], list[Named]]) -> list[Named]:
    """Return what a text names as it is written, and as it looks without invisible characters."""
    found = read(text)
    if not splits_words(text):
        return found
    looks, places = _without(text)
    seen = [_moved(one, text, places) for one in read(looks)]
    split = sorted((one.offset, one) for one in seen if _RUN.search(one.named_as))
    kept = [one for one in found if not _is_replaced(one, split)]
    return sorted(dict.fromkeys([*kept, *seen]), key=lambda one: one.offset)


def unmasked(text: str) -> str:
    """Return a text as it looks if only so a key in it can be told, which must never be shown."""
    if not splits_words(text):
        return text
    looks = without_invisible(text)
    return looks if any(looks.count(one) > text.count(one) for one in _SIGNS_OF_KEYS) else text


def head_of(written: str) -> tuple[str, ...]:
    """Return what stands before the first invisible character, if there is one."""
    if written.isascii():
        return ()
    head = _RUN.split(written, maxsplit=1)[0]
    return (head,) if head and head != written else ()


def splits_words(text: str) -> bool:
    """Tell whether invisible characters stand within words that may name something."""
    if text.isascii() or not any(one in text for one in INVISIBLE):
        return False
    for run in _RUN.finditer(text):
        before = _SPACE.split(without_invisible(text[max(0, run.start() - _REACH) : run.start()]))[
            -1
        ]
        after = _SPACE.split(without_invisible(text[run.end() : run.end() + _REACH]), maxsplit=1)[0]
        if before and after and _TELLING.search(before + after):
            return True
    return False


def without_invisible(text: str) -> str:
    """Return a text as it looks."""
    return text if text.isascii() else _RUN.sub("", text)


def _without(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return a text without them, and pairs of position there and characters taken out so far."""
    places = [(0, 0)]
    out = 0
    for run in _RUN.finditer(text):
        out += run.end() - run.start()
        places.append((run.end() - out, out))
    return without_invisible(text), places


def _moved(named: Named, text: str, places: list[tuple[int, int]]) -> Named:
    """Give what was found its place in the text, and the form in which it is written there."""
    start = original_place(places, named.offset)
    end = original_place(places, named.offset + max(len(named.named_as), 1) - 1) + 1
    written = text[start:end]
    fits = without_invisible(written) == named.named_as
    return named._replace(offset=start, named_as=written if fits else named.named_as)


def _is_replaced(one: Named, split: list[tuple[int, Named]]) -> bool:
    """Tell whether something that was found as it looks stands in place of this piece of it."""
    after = bisect_left(split, (one.offset + max(len(one.named_as), 1),))
    return any(
        _replaces(whole, one) for _, whole in split[max(0, after - MOST_AT_ONE_PLACE) : after]
    )


def _replaces(whole: Named, one: Named) -> bool:
    """Tell whether one replaces the other.

    A link or a long number that names nothing may be two things in a row, so it replaces none.
    """
    if whole.offset + len(whole.named_as) <= one.offset:
        return False
    if whole.kind == "domain":
        return one.kind == "domain"
    return whole.kind not in _UNNAMED and one.kind != "domain"
