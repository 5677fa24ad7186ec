"""Where the server and the archive differ. Pure.

What a poll would put right is no difference yet: mail that arrived, went away or was moved since
the last poll. It becomes one when a poll that began after our look has left it as it was, or when
there was no poll for too long.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal[
    "folder_unknown",
    "folder_not_listed",
    "other_uidvalidity",
    "not_archived",
    "not_whole",
    "not_gone",
    "wrongly_gone",
    "bytes_differ",
    "no_bytes",
]
WHOLE_FOLDER = frozenset({0})  # UIDs begin at 1
NOTHING: frozenset[int] = frozenset()
SAMPLE_DAYS = 30  # within which every message is compared anew, once a day
SAMPLE_LEAST = 100
UIDS_SHOWN = 20

WORDS: dict[str, str] = {
    "folder_unknown": "the server lists this folder, and it was never read",
    "folder_not_listed": "the archive says that the folder is there, and the server does not list it",
    "other_uidvalidity": "the folder was made anew on the server (UIDVALIDITY), and not read since",
    "not_archived": "on the server and not archived",
    "not_whole": "could not be fetched whole for more than a day",
    "not_gone": "noted as being there, and not on the server",
    "wrongly_gone": "noted as gone, and on the server",
    "bytes_differ": "archived with other bytes than the server has",
    "no_bytes": "known to the archive, which has no bytes of them",
}

Uids = frozenset[int]
Found = Mapping[Kind, Uids]


@dataclass(frozen=True)
class Served:
    """What the server says about a folder."""

    uidvalidity: int
    uidnext: int | None
    uids: Uids
    listed_at: datetime


@dataclass(frozen=True)
class Kept:
    """What the archive says about a folder, read after the server was."""

    uidvalidity: int
    cursor: int
    live: Uids  # under this UIDVALIDITY, those that stubs stand for included
    gone: Uids = frozenset()
    lacking: Uids = frozenset()  # listed, and not fetched whole so far
    lacking_for_long: Uids = frozenset()
    is_gone: bool = False  # the folder itself


@dataclass(frozen=True)
class Comparison:
    """Where a folder differs: for sure, and as far as the next poll may put it right."""

    certain: Found
    pending: Found


@dataclass(frozen=True)
class Difference:
    """Something that must not be: an alarm."""

    kind: Kind
    folder: str
    uids: tuple[int, ...]  # none where it is the folder as a whole

    def __str__(self) -> str:
        """Return a sentence for people."""
        if not self.uids:
            return f"{self.folder}: {WORDS[self.kind]}"
        more = len(self.uids) - UIDS_SHOWN
        shown = ", ".join(str(uid) for uid in self.uids[:UIDS_SHOWN])
        shown += f" and {more} more" if more > 0 else ""
        messages = "1 message" if len(self.uids) == 1 else f"{len(self.uids)} messages"
        return f"{self.folder}: {messages} {WORDS[self.kind]} (UID {shown})"


def compare(served: Served, kept: Kept | None) -> Comparison:
    """Compare a folder that the server lists with what the archive has of it."""
    if kept is None or kept.is_gone:
        return Comparison({}, {"folder_unknown": WHOLE_FOLDER})
    if kept.uidvalidity != served.uidvalidity:
        return Comparison({}, {"other_uidvalidity": WHOLE_FOLDER})
    absent = served.uids - kept.live - kept.gone - kept.lacking
    new = frozenset(uid for uid in absent if uid > kept.cursor)
    highest = served.uidnext - 1 if served.uidnext else max(served.uids, default=0)
    there = frozenset(uid for uid in kept.live if uid <= highest)  # the rest came after our look
    return Comparison(
        certain=_some(not_archived=absent - new, not_whole=kept.lacking_for_long & served.uids),
        pending=_some(
            not_archived=new,
            not_gone=there - served.uids,
            wrongly_gone=kept.gone & served.uids,
        ),
    )


def _some(**found: Uids) -> Found:
    return {kind: uids for kind, uids in found.items() if uids}  # type: ignore[misc]


def in_both(before: Found, now: Comparison) -> Found:
    """Return what was pending before and is found again."""
    found = {
        kind: uids & (now.pending.get(kind, NOTHING) | now.certain.get(kind, NOTHING))
        for kind, uids in before.items()
    }
    return {kind: uids for kind, uids in found.items() if uids}


def without(found: Found, other: Found) -> Found:
    """Return what was found and is not in the other."""
    left = {kind: uids - other.get(kind, NOTHING) for kind, uids in found.items()}
    return {kind: uids for kind, uids in left.items() if uids}


def differences(folder: str, *found: Found) -> Iterator[Difference]:
    """Yield what was found as differences."""
    for one in found:
        for kind, uids in one.items():
            yield Difference(kind, folder, tuple(sorted(uids - WHOLE_FOLDER)))


def count(found: Found) -> int:
    """Return how many messages and folders were found."""
    return sum(map(len, found.values()))


@dataclass(frozen=True)
class Sample:
    """Which messages of a folder are compared byte for byte, and what to remember of it."""

    older: tuple[int, ...]
    new: tuple[int, ...]
    next_from: int


def choose(
    uids: Sequence[int], *, compared_to: int, sample_from: int, again: Iterable[int], full: bool
) -> Sample:
    """Choose from the UIDs of a folder, ascending, which to compare: new ones and some older ones.

    Args:
        uids: of what is archived and on the server.
        compared_to: up to here each was compared once.
        sample_from: where among the older ones to go on.
        again: those that differed the last time.
        full: to compare all.
    """
    border = bisect_left(uids, compared_to + 1)
    older, new = uids[:border], tuple(uids[border:])
    most = len(older) if full else max(SAMPLE_LEAST, -(-len(older) // SAMPLE_DAYS))
    start = bisect_left(older, sample_from)
    rolling = [*older[start:], *older[:start]][:most]
    wanted = {*rolling, *(set(again) & set(older))}
    next_from = rolling[-1] + 1 if rolling else 1
    return Sample(tuple(sorted(wanted)), new, next_from)
