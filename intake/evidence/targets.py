"""Links whose text says one place and whose target is another.

A reader sees the text; the program follows neither, but a person must know that they differ, since
one of them may name the wrong certificate.
"""

from dataclasses import dataclass

from intake.evidence.invisible import without_invisible
from intake.evidence.link_meaning import read_link
from intake.evidence.links import find_links
from intake.evidence.urls import split_link

LONGEST_SHOWN = 300


@dataclass(frozen=True)
class DifferingLink:
    """A link of HTML that does not lead where its text says."""

    part: str
    shown: str  # the text
    target: str  # unwrapped


def differing_link(text: str, href: str, part: str) -> DifferingLink | None:
    """Return the difference between text and target of a link; None where they say the same.

    They differ if they name other certificates, or, where neither names any, lead to another host.
    """
    text, href = without_invisible(text).strip(), "".join(href.split())
    if len(text.split()) != 1 or "…" in text or "..." in text:
        return None
    shown = _link(text) or _link("https://" + text)
    target = _link(href)
    if shown is None or target is None:
        return None
    named = sorted(read_link(shown)), sorted(read_link(target))
    same = named[0] == named[1] if any(named) else _host(shown) == _host(target)
    return None if same else DifferingLink(part, text[:LONGEST_SHOWN], target)


def _link(text: str) -> str | None:
    links = find_links(text)
    return links[0].url if links and links[0].start == 0 else None


def _host(url: str) -> str:
    return split_link(url)[0].removeprefix("www.")
