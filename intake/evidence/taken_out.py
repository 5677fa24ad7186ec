"""A text without the blocks that are read already, so that nothing else is sought in them.

Reports bring thousands of certificates in PEM: the few lines between them are all that is left.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

# In place of a block: as much as any search looks around what it finds, and nothing that goes on.
GAP = " " + "\0" * 400 + " "


@dataclass(frozen=True)
class Rest:
    """What is left of a text, and where it stood."""

    text: str
    _here: list[int] = field(default_factory=lambda: [0])  # first places after what was taken out
    _there: list[int] = field(default_factory=lambda: [0])  # where these stood

    def original(self, at: int) -> int:
        """Return where a place stood before."""
        last = bisect_right(self._here, at) - 1
        return at - self._here[last] + self._there[last]

    def place_of(self, original: int) -> int:
        """Return where a place of the whole text, outside of what was taken out, is now."""
        last = bisect_right(self._there, original) - 1
        return original - self._there[last] + self._here[last]


def take_out(text: str, spans: Iterable[tuple[int, int]]) -> Rest:
    """Return what is left of a text without spans that are in order, apart and none short."""
    pieces: list[str] = []
    here, there = [0], [0]
    for start, end in spans:
        pieces += [text[there[-1] : start], GAP]
        here.append(here[-1] + start - there[-1] + len(GAP))
        there.append(end)
    return Rest("".join([*pieces, text[there[-1] :]]), here, there)
