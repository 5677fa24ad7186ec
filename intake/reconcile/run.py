"""One comparison of a mailbox with the archive: lists of UIDs of all folders, bytes of many.

Every message is compared byte for byte once after it was archived, and again within 30 days,
a part of them each day.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from intake.clock import Clock
from intake.config import MailboxSection
from intake.database import Database
from intake.reconcile import kept as archive
from intake.reconcile.answers import Listed
from intake.reconcile.compare import (
    NOTHING,
    WHOLE_FOLDER,
    Comparison,
    Difference,
    Found,
    Kept,
    Kind,
    Served,
    choose,
    compare,
    count,
    differences,
    in_both,
    without,
)
from intake.reconcile.server import Server
from intake.tables import Reconciliation

POLLS_LATE = 2  # that a mailbox may be, in intervals between polls
SAVED_EVERY = 1000  # messages that were compared, so that a long comparison can be broken off
LOOK_SECONDS = 1.0
MOST_AGAIN = 1000  # messages that differed, remembered for the next time

Advance = Callable[[int], object]
"""Is told how many more messages were compared."""


@dataclass(frozen=True)
class FolderResult:
    """How one folder compares."""

    folder: str
    on_server: int
    archived: int  # and still there, as far as the archive knows
    compared: int  # byte for byte, this time
    waiting: int  # for the next poll, which will put it right
    not_served: int = 0  # listed, and not handed out to be compared


@dataclass(frozen=True)
class Reconciled:
    """How a mailbox compares."""

    mailbox: str
    at: datetime
    folders: tuple[FolderResult, ...]
    differences: tuple[Difference, ...]

    @property
    def waiting(self) -> int:
        """Return how much waits for the next poll."""
        return sum(folder.waiting for folder in self.folders)


@dataclass(frozen=True)
class Manner:
    """How a comparison is done."""

    full: bool = False  # compare the bytes of every message
    remember: bool = True  # write down how far it got
    wait_seconds: float = 0.0  # for a poll to put right what it will
    pause: Callable[[float], object] = time.sleep  # returns what is true to stop waiting
    advance: Advance = lambda _count: None


def reconcile_mailbox(
    database: Database, mailbox: MailboxSection, manner: Manner, *, clock: Clock
) -> Reconciled:
    """Compare a mailbox with the archive.

    Raises:
        OutsideUnavailableError: if the mailbox can't be read; what was compared is remembered.
    """
    return _Comparing(database, mailbox, manner, clock).run()


@dataclass
class _Folder:
    """One folder while it is compared."""

    name: str
    found: Comparison
    listed: Listed | None = None  # None: the server does not list it
    served: Served | None = None
    kept: Kept | None = None
    bytes_found: Found = field(default_factory=dict)
    confirmed: Found = field(default_factory=dict)
    waiting: int = 0
    compared: int = 0
    not_served: int = 0


class _Comparing:
    """The state of one comparison; not used again."""

    def __init__(
        self, database: Database, mailbox: MailboxSection, manner: Manner, clock: Clock
    ) -> None:
        self.database = database
        self.mailbox = mailbox
        self.manner = manner
        self.clock = clock

    def run(self) -> Reconciled:
        began_at = self.clock()
        with Server(self.mailbox) as server:
            folders = self._look(server)
            looked_at = self.clock()
            for folder in folders:
                if folder.kept is not None and folder.served is not None:
                    self._compare_bytes(server, folder, folder.kept, folder.served)
        self._confirm([folder for folder in folders if folder.found.pending], looked_at)
        found = [
            difference
            for folder in folders
            for difference in differences(
                folder.name, folder.found.certain, folder.confirmed, folder.bytes_found
            )
        ]
        results = tuple(_result(folder) for folder in folders)
        return Reconciled(self.mailbox.name, began_at, results, tuple(found))

    # ---- lists ----

    def _look(self, server: Server) -> list[_Folder]:
        """Compare the lists of all folders."""
        folders = [self._look_into(server, listed) for listed in server.folders()]
        listed = {folder.name for folder in folders}
        with self.database.read() as session:
            known = archive.folders_kept(session, self.mailbox.name)
        away = Comparison({}, {"folder_not_listed": WHOLE_FOLDER})
        return folders + [_Folder(name, away) for name in known if name not in listed]

    def _look_into(self, server: Server, listed: Listed) -> _Folder:
        at = self.clock()
        opened = server.open(listed)
        served = Served(opened.uidvalidity, opened.uidnext, opened.uids, at)
        with self.database.read() as session:
            kept = archive.kept(session, self.mailbox.name, listed.name, listed_at=at)
        return _Folder(listed.name, compare(served, kept), listed, served, kept)

    def _confirm(self, folders: Sequence[_Folder], looked_at: datetime) -> None:
        """Look again at what the next poll should put right, after it if we may wait so long."""
        if not folders:
            return
        self._wait_for_poll(looked_at)
        with Server(self.mailbox) as server:
            again = {folder.name: folder.found for folder in self._look(server)}
        polled_at = self._last_poll()
        oldest = self.clock() - POLLS_LATE * self.mailbox.poll_every
        is_due = polled_at is None or polled_at > looked_at or polled_at < oldest
        for folder in folders:
            now = again.get(folder.name, Comparison({}, {}))
            folder.confirmed = in_both(folder.found.pending, now) if is_due else {}
            folder.waiting = count(without(now.pending, folder.confirmed))

    def _wait_for_poll(self, looked_at: datetime) -> None:
        """Wait until a poll that began after our look has ended, or for as long as we may."""
        until = time.monotonic() + self.manner.wait_seconds
        while time.monotonic() < until:
            polled_at = self._last_poll()
            if polled_at is not None and polled_at > looked_at:
                return
            if self.manner.pause(LOOK_SECONDS):
                return

    def _last_poll(self) -> datetime | None:
        with self.database.read() as session:
            return archive.last_poll(session, self.mailbox.name)

    # ---- bytes ----

    def _compare_bytes(self, server: Server, folder: _Folder, kept: Kept, served: Served) -> None:
        """Compare new messages, and a part of the older ones, with what is archived."""
        if kept.uidvalidity != served.uidvalidity or folder.listed is None:
            return
        with self.database.read() as session:
            memory = archive.remembered(session, self.mailbox.name, folder.name, served.uidvalidity)
        sample = choose(
            sorted(kept.live & served.uids),
            compared_to=memory.compared_to,
            sample_from=memory.sample_from,
            again=memory.again,
            full=self.manner.full,
        )
        if not sample.older and not sample.new:
            return
        if server.open(folder.listed).uidvalidity != served.uidvalidity:
            return  # it was made anew this moment
        again = set(memory.again)
        for uids in (*_parts(sample.older), *_parts(sample.new)):
            again -= set(uids)
            again |= self._compare_part(server, folder, served.uidvalidity, uids)
            memory.again = sorted(again)[:MOST_AGAIN]
            memory.compared_to = max(memory.compared_to, uids[-1])
            if sample.older and uids[-1] >= sample.older[-1]:
                memory.sample_from = sample.next_from
            self._remember(memory)

    def _compare_part(
        self, server: Server, folder: _Folder, uidvalidity: int, uids: Sequence[int]
    ) -> set[int]:
        """Compare messages byte for byte; return those that could not be found to be the same."""
        with self.database.read() as session:
            wanted = archive.expected(
                session, self.mailbox.name, folder.name, uidvalidity=uidvalidity, uids=uids
            )
        lost = frozenset(one.uid for one in wanted if not one.has_bytes)
        open_still = {one.uid for one in wanted if one.is_stub} | lost
        digests = {one.uid: one.sha256 for one in wanted if not one.is_stub}
        sizes = [(one.uid, one.size) for one in wanted if one.uid in digests]
        differing: set[int] = set()
        for uid, digest in server.digests(sizes):
            self.manner.advance(1)
            if digest is None:
                folder.not_served += 1
                open_still.add(uid)
                continue
            folder.compared += 1
            if digest != digests[uid]:
                differing.add(uid)
        _add(folder, "no_bytes", lost)
        _add(folder, "bytes_differ", frozenset(differing))
        return open_still | differing

    def _remember(self, memory: Reconciliation) -> None:
        if self.manner.remember:
            with self.database.write() as session:
                session.merge(memory)


def _parts(uids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(uids), SAVED_EVERY):
        yield uids[start : start + SAVED_EVERY]


def _add(folder: _Folder, kind: Kind, uids: frozenset[int]) -> None:
    if uids:
        before = folder.bytes_found.get(kind, NOTHING)
        folder.bytes_found = {**folder.bytes_found, kind: before | uids}


def _result(folder: _Folder) -> FolderResult:
    return FolderResult(
        folder=folder.name,
        on_server=0 if folder.served is None else len(folder.served.uids),
        archived=0 if folder.kept is None else len(folder.kept.live),
        compared=folder.compared,
        waiting=folder.waiting,
        not_served=folder.not_served,
    )
