"""One pass over the folders of a mailbox: what is new, what is late, what went away.

A folder or a message that can't be read is recorded and tried again at the next pass; the others go
on. What the server did not hand out before is tried again, and large messages are gone on with.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from intake.ahead import one_ahead
from intake.clock import Clock
from intake.database import Database
from intake.errors import OutsideUnavailableError
from intake.mailbox import accounts
from intake.mailbox.accounts import KnownFolder
from intake.mailbox.coverage import note_read
from intake.mailbox.fetch import Fetched, ask_about, fetch_step, hands_out_pieces, sizes_of
from intake.mailbox.folder import (
    OVERSIZED,
    Beginning,
    FolderBatch,
    FolderInfo,
    FolderStatus,
    MessagePiece,
    UidRange,
)
from intake.mailbox.imap import ImapSession
from intake.mailbox.lacking import Lacking
from intake.mailbox.plan import (
    LARGE_BYTES,
    OVERSIZE_BYTES,
    PIECE_BYTES,
    PIECES_AT_ONCE,
    Cursor,
    FetchPlan,
    FetchStep,
    compare,
    fetch_steps,
    has_news,
    plan_fetch,
    search_from,
)
from intake.mailbox.trouble import ImapLostError

Keep = Callable[[FolderBatch], None]

MOST_LOSSES = 10  # connections that one poll may lose before it gives up


@dataclass
class Tally:
    """What a pass has come to so far."""

    new_messages: int = 0
    unfinished: bool = False
    gone_unseen: int = 0
    losses: int = 0
    quiet: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


class Pass:
    """The state of one pass; not used again."""

    def __init__(
        self,
        database: Database,
        server: ImapSession,
        mailbox: str,
        known: dict[str, KnownFolder],
        *,
        keep: Keep,
        clock: Clock,
    ) -> None:
        self.database = database
        self.server = server
        self.mailbox = mailbox
        self.known = known
        self.keep = keep
        self.clock = clock
        self.tally = Tally()
        self.oversize = OVERSIZE_BYTES
        self.pieces_left = PIECES_AT_ONCE

    def read(self, folders: Sequence[FolderInfo]) -> None:
        """Read the folders one after the other, then go on with large messages.

        Trouble in one folder does not stop the next.
        """
        for work in (self._read_folder, self._continue_large):
            self._each(folders, work)

    def _each(self, folders: Sequence[FolderInfo], work: Callable[[FolderInfo], None]) -> None:
        for folder in folders:
            try:
                work(folder)
            except OutsideUnavailableError as error:
                self.tally.troubles.append(str(error))
                if isinstance(error, ImapLostError):
                    self._reconnect(error)

    def finish(self, folders: Sequence[FolderInfo], now: datetime) -> None:
        """Write what needs no transaction of its own: quiet and vanished folders, the outcome."""
        listed = {folder.name for folder in folders}
        vanished = [name for name, one in self.known.items() if name not in listed and not one.gone]
        trouble = "; ".join(self.tally.troubles) or None
        with self.database.write() as session:
            note_read(session, self.mailbox, self.tally.quiet, now)
            accounts.note_gone_folders(session, self.mailbox, vanished, now)
            accounts.note_outcome(session, self.mailbox, trouble=trouble, now=now)

    def _reconnect(self, error: ImapLostError) -> None:
        self.tally.losses += 1
        if self.tally.losses > MOST_LOSSES:
            raise error
        self.server.drop()
        self.server.reopen()

    def _read_folder(self, folder: FolderInfo) -> None:
        known = self.known.get(folder.name)
        read_at = self.clock()
        status = self.server.status(folder)
        if known is not None and not known.lacking and not known.gone:
            same_kind = known.is_junk == folder.is_junk
            if same_kind and not has_news(known.cursor, known.exists, status):
                self.tally.quiet.append(folder.name)
                return
        status = self.server.examine(folder)
        plan = self._plan(known, status)
        balanced = self._fetch(folder, known, status, plan=plan, read_at=read_at)
        if known is not None and not plan.restart:
            self._retry(folder, status, plan=plan, lacking=known.lacking, read_at=read_at)
        if not balanced:
            self._compare(folder, status, plan, read_at)

    def _plan(self, known: KnownFolder | None, status: FolderStatus) -> FetchPlan:
        cursor = known.cursor if known is not None else None
        first = search_from(cursor, status)
        last = None if status.uidnext is None else status.uidnext - 1
        return plan_fetch(cursor, status, self.server.uids(first, last, exists=status.exists))

    def _fetch(
        self,
        folder: FolderInfo,
        known: KnownFolder | None,
        status: FolderStatus,
        *,
        plan: FetchPlan,
        read_at: datetime,
    ) -> bool:
        """Fetch and keep a plan batch by batch; say whether the accounts balance afterwards."""
        expected = _expected(known, plan)
        steps = self._steps(plan)
        missing = 0
        for step, got in one_ahead(((step, self._fetch_step(step)) for step in steps), "fetch"):
            self.tally.unfinished |= bool(got.beginnings)
            missing += len(got.vanished)
            is_last = step.cursor == plan.cursor
            self._keep(
                self._batch(
                    folder,
                    status,
                    plan,
                    got=got,
                    step=step,
                    read_at=read_at if is_last else None,
                    exists=status.exists - missing
                    if is_last and expected == status.exists
                    else None,
                )
            )
        return expected == status.exists

    def _steps(self, plan: FetchPlan) -> Iterator[FetchStep]:
        large = min(LARGE_BYTES, self.oversize)
        return fetch_steps(plan, partial(sizes_of, self.server), large=large)

    def _fetch_step(self, step: FetchStep) -> Fetched:
        return fetch_step(self.server, step, oversize=self.oversize)

    def _retry(
        self,
        folder: FolderInfo,
        status: FolderStatus,
        *,
        plan: FetchPlan,
        lacking: Sequence[Lacking],
        read_at: datetime,
    ) -> None:
        """Try again what the server did not hand out before."""
        for one in lacking:
            if one.why == OVERSIZED or not one.is_due(read_at):
                continue
            again = FetchPlan((one.uid,), (), plan.first_uid, plan.cursor, restart=False)
            for step in self._steps(again):
                got = self._fetch_step(step)
                stub: tuple[Beginning, ...] = ()
                if got.unreadable and one.needs_stub(read_at):
                    stub = (ask_about(self.server, one.uid),)
                has_ticket = one.has_stub or bool(stub)
                got = replace(
                    got,
                    beginnings=got.beginnings + stub,
                    reasons=() if has_ticket else got.reasons,
                )
                batch = self._batch(folder, status, plan, got=got, read_at=read_at)
                self._keep(replace(batch, is_late=True))

    def _continue_large(self, folder: FolderInfo) -> None:
        """Fetch the next pieces of messages that are too large to be held in memory."""
        known = self.known.get(folder.name)
        large = [one for one in known.lacking if one.why == OVERSIZED] if known is not None else []
        if known is None or not large:
            return
        status = self.server.examine(folder)
        if status.uidvalidity != known.cursor.uidvalidity:
            return  # read again from the beginning
        plan = FetchPlan((), (), known.cursor.first_uid or 1, known.cursor.uid, restart=False)
        for one in large:
            if hands_out_pieces(self.server, one.uid):
                self._fetch_pieces(folder, status, plan, one)
            elif self.server.still_listed([one.uid]):
                self._fetch_undivided(folder, status, plan, one)

    def _fetch_pieces(
        self, folder: FolderInfo, status: FolderStatus, plan: FetchPlan, one: Lacking
    ) -> None:
        offset = one.kept_bytes
        while self.pieces_left > 0:
            self.pieces_left -= 1
            raw, internal_date = self.server.fetch_piece(one.uid, offset, PIECE_BYTES)
            if raw is None:
                if self.server.still_listed([one.uid]):
                    what = f"the server lists message {one.uid} but hands it out in part only"
                    self.tally.troubles.append(f"{folder.name}: {what}")
                return
            is_last = len(raw) < PIECE_BYTES
            piece = MessagePiece(one.uid, internal_date, offset, raw, is_last)
            batch = self._batch(folder, status, plan, got=Fetched(), read_at=None)
            self._keep(replace(batch, piece=piece))
            offset += len(raw)
            if is_last:
                self.tally.new_messages += 1
                return
        self.tally.unfinished = True

    def _fetch_undivided(
        self, folder: FolderInfo, status: FolderStatus, plan: FetchPlan, one: Lacking
    ) -> None:
        """Fetch a message in one go, however large: the server's pieces of it are wrong."""
        whole = next(iter(self.server.fetch([one.uid])), None)
        if whole is None:
            return
        rest = whole.raw[one.kept_bytes :]
        piece = MessagePiece(one.uid, whole.internal_date, one.kept_bytes, rest, is_last=True)
        batch = self._batch(folder, status, plan, got=Fetched(), read_at=None)
        self._keep(replace(batch, piece=piece))
        self.tally.new_messages += 1

    def _compare(
        self, folder: FolderInfo, status: FolderStatus, plan: FetchPlan, read_at: datetime
    ) -> None:
        """Compare the whole list of UIDs with ours, since the counts differ."""
        validity = status.uidvalidity
        listed = self.server.uids(1, plan.cursor, exists=status.exists)
        with self.database.read() as session:
            ours = accounts.our_uids(session, self.mailbox, folder.name, validity)
        known = Cursor(validity, plan.cursor, plan.first_uid)
        difference = compare(listed, ours.live, ours.gone, known=known)
        vanished = self._fetch_missed(folder, status, plan, difference.missed)
        counted = sum(1 for uid in listed if uid <= plan.cursor) - vanished
        with self.database.write() as session:
            accounts.settle(
                session,
                self.mailbox,
                folder.name,
                difference,
                uidvalidity=validity,
                exists=counted,
                now=read_at,
            )

    def _fetch_missed(
        self, folder: FolderInfo, status: FolderStatus, plan: FetchPlan, missed: Sequence[int]
    ) -> int:
        """Fetch what the server lists below the cursor and we lack; return how many vanished."""
        if not missed:
            return 0
        with self.database.write() as session:
            accounts.note_missed(session, self.mailbox, folder.name, missed, self.clock())
        late = FetchPlan(tuple(missed), (), plan.first_uid, plan.cursor, restart=False)
        vanished = 0
        for step in self._steps(late):
            got = self._fetch_step(step)
            vanished += len(got.vanished)
            self._keep(self._batch(folder, status, plan, got=got, read_at=None))
        return vanished

    def _batch(
        self,
        folder: FolderInfo,
        status: FolderStatus,
        plan: FetchPlan,
        *,
        got: Fetched,
        read_at: datetime | None,
        step: FetchStep | None = None,
        exists: int | None = None,
    ) -> FolderBatch:
        vanished = () if step is None else got.vanished  # a late message has its gap already
        gaps = [*(step.gaps if step else ()), *(UidRange(uid, uid) for uid in vanished)]
        self.tally.troubles += [f"{folder.name}: {reason}" for reason in got.reasons]
        return FolderBatch(
            mailbox=self.mailbox,
            folder=folder.name,
            is_junk=folder.is_junk,
            uidvalidity=status.uidvalidity,
            messages=got.messages,
            cursor=step.cursor if step else plan.cursor,
            first_uid=plan.first_uid,
            gaps=tuple(sorted(gaps, key=lambda gap: gap.first)),
            unreadable=got.unreadable,
            beginnings=got.beginnings,
            read_at=read_at,
            exists=exists,
        )

    def _keep(self, batch: FolderBatch) -> None:
        self.keep(batch)
        self.tally.new_messages += len(batch.messages)
        self.tally.gone_unseen += sum(gap.last - gap.first + 1 for gap in batch.gaps)


def _expected(known: KnownFolder | None, plan: FetchPlan) -> int | None:
    """Return how many messages the server should count now, if nothing went away."""
    if plan.restart:
        return len(plan.uids)
    if known is None or known.exists is None:
        return None
    return known.exists + len(plan.uids)
