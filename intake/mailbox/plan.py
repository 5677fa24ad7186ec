"""What to fetch from a folder, and which UIDs are missing from its accounts.

UIDs are handed out in rising order, so each one below UIDNEXT must be stored, seen and then gone,
or gone before we looked; the last is a rule, a filter or a colleague that was faster than we.

Source: RFC 9051 2.3.1.1.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from intake.mailbox.folder import FolderStatus, UidRange

BATCH_BYTES = 2_000_000
BATCH_COUNT = 100
LARGE_BYTES = 8_000_000  # a message above this is fetched alone and in pieces
SIZES_AT_ONCE = 500

OVERSIZE_BYTES = 60_000_000  # a message above this is never held in memory whole
BEGINNING_BYTES = 262_144  # of it, read at once, so that its ticket opens
PIECE_BYTES = 4_000_000
PIECES_AT_ONCE = 8  # in one poll, so that new mail does not wait for a large message

SizesOf = Callable[[Sequence[int]], Mapping[int, int]]  # bytes by UID, asked for as they are needed


@dataclass(frozen=True)
class Cursor:
    """How far a folder was read, from the database."""

    uidvalidity: int
    uid: int  # every UID up to here is accounted for
    first_uid: int | None = None


@dataclass(frozen=True)
class FetchPlan:
    """What is to be done in a folder."""

    uids: tuple[int, ...]  # to be fetched, oldest first
    gaps: tuple[UidRange, ...]
    first_uid: int
    cursor: int  # where the cursor stands when all of this is kept
    restart: bool  # the folder is new, or its UIDVALIDITY changed


@dataclass(frozen=True)
class FetchStep:
    """A part of a plan that is fetched and kept at once."""

    uids: tuple[int, ...]
    gaps: tuple[UidRange, ...]
    cursor: int
    large: int | None = None  # size of the only message, if it is fetched in pieces


@dataclass(frozen=True)
class Comparison:
    """Where the server's list of a folder differs from ours."""

    gone: tuple[int, ...]  # we have seen them, the server has them no more
    back: tuple[int, ...]  # we noted them as gone, and they are there
    missed: tuple[int, ...]  # listed below the cursor, and we do not have them


def has_news(cursor: Cursor | None, exists_before: int | None, status: FolderStatus) -> bool:
    """Say whether a folder must be opened: anything came, went, or was made anew."""
    if cursor is None or cursor.uidvalidity != status.uidvalidity:
        return True
    if status.uidnext is None or status.uidnext > cursor.uid + 1:
        return True
    return exists_before != status.exists


def search_from(cursor: Cursor | None, status: FolderStatus) -> int:
    """Return the lowest UID that is asked for: after the cursor, or 1 for a new UIDVALIDITY."""
    if cursor is None or cursor.uidvalidity != status.uidvalidity:
        return 1
    return cursor.uid + 1


def plan_fetch(cursor: Cursor | None, status: FolderStatus, uids: Sequence[int]) -> FetchPlan:
    """Plan a folder from its stored cursor and the UIDs that the server lists above it."""
    restart = cursor is None or cursor.uidvalidity != status.uidvalidity
    lowest = search_from(cursor, status)
    wanted = sorted({uid for uid in uids if uid >= lowest})
    highest = max((status.uidnext or 1) - 1, lowest - 1, wanted[-1] if wanted else 0)
    first_uid = None if restart or cursor is None else cursor.first_uid
    if first_uid is None:
        first_uid = wanted[0] if wanted else highest + 1
    gaps = gaps_between(wanted, max(lowest, first_uid), highest)
    return FetchPlan(tuple(wanted), tuple(gaps), first_uid, highest, restart)


def gaps_between(uids: Sequence[int], lowest: int, highest: int) -> list[UidRange]:
    """Return the ranges from lowest to highest that are missing from ascending UIDs."""
    gaps = []
    expected = lowest
    for uid in uids:
        if uid > expected:
            gaps.append(UidRange(expected, uid - 1))
        expected = max(expected, uid + 1)
    if expected <= highest:
        gaps.append(UidRange(expected, highest))
    return gaps


def fetch_steps(
    plan: FetchPlan, sizes_of: SizesOf, *, large: int = LARGE_BYTES
) -> Iterator[FetchStep]:
    """Cut a plan into steps of bounded size; each gap goes with the step that passes it."""
    gaps = list(plan.gaps)
    for uids, size in cut(plan.uids, sizes_of, large=large):
        last = uids[-1] == plan.uids[-1]
        cursor = plan.cursor if last else uids[-1]
        passed = tuple(gap for gap in gaps if gap.last <= cursor)
        gaps = gaps[len(passed) :]
        yield FetchStep(uids, passed, cursor, size)
    if not plan.uids:
        yield FetchStep((), tuple(gaps), plan.cursor)


def cut(
    uids: Sequence[int], sizes_of: SizesOf, *, large: int = LARGE_BYTES
) -> Iterator[tuple[tuple[int, ...], int | None]]:
    """Yield UIDs in batches of bounded count and bytes; a large message alone, with its size."""
    batch: list[int] = []
    total = 0
    for uid, size in _with_sizes(uids, sizes_of):
        full = len(batch) == BATCH_COUNT or total + size > BATCH_BYTES
        if batch and full:
            yield tuple(batch), None
            batch, total = [], 0
        if size > large:
            yield (uid,), size
            continue
        batch.append(uid)
        total += size
    if batch:
        yield tuple(batch), None


def _with_sizes(uids: Sequence[int], sizes_of: SizesOf) -> Iterator[tuple[int, int]]:
    for start in range(0, len(uids), SIZES_AT_ONCE):
        asked = uids[start : start + SIZES_AT_ONCE]
        sizes = sizes_of(asked)
        yield from ((uid, sizes.get(uid, 0)) for uid in asked)


def compare(
    listed: Sequence[int], live: Sequence[int], gone: Sequence[int], *, known: Cursor
) -> Comparison:
    """Compare the server's whole list with ours.

    Args:
        listed: every UID that the server has.
        live: UIDs of our sightings that are not gone, and of those that can't be read for now.
        gone: UIDs of our sightings that were noted as gone.
        known: our cursor; what lies above it is new, not missed.
    """
    on_server = {uid for uid in listed if uid <= known.uid}
    ours, left = set(live), set(gone)
    return Comparison(
        gone=tuple(sorted(ours - on_server)),
        back=tuple(sorted(left & on_server)),
        missed=tuple(sorted(on_server - ours - left)),
    )
