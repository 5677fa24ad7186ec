"""Polling a mailbox: every folder, what is new in it, and what went away.

Cursors come from the database only, and move in the transaction that keeps the messages.
"""

from dataclasses import dataclass
from datetime import datetime

from imapclient import SocketTimeout
from sqlmodel import Session, col, select

from intake.clock import Clock
from intake.config import MailboxSection
from intake.database import Database
from intake.errors import OutsideUnavailableError
from intake.mailbox import accounts
from intake.mailbox.folder import FolderBatch
from intake.mailbox.imap import TIMEOUTS, ImapSession
from intake.mailbox.one_pass import MOST_LOSSES, Keep, Pass
from intake.mailbox.plan import OVERSIZE_BYTES
from intake.tables import Folder

__all__ = ["MOST_LOSSES", "FolderBatch", "PollResult", "hinted_folders", "poll_mailbox"]

MOST_HINTED = 5  # connections for IDLE per mailbox


@dataclass(frozen=True)
class PollResult:
    """What one poll of a mailbox did."""

    mailbox: str
    polled_at: datetime
    folders: int  # read, those without news included
    new_messages: int  # fetched and kept; some may be known from another place
    gone_unseen: int  # UIDs that were assigned and gone before we looked
    troubles: tuple[str, ...]  # folders and messages that could not be read
    unfinished: bool = False  # more of a large message can be fetched at once


def poll_mailbox(
    database: Database,
    mailbox: MailboxSection,
    *,
    keep: Keep,
    clock: Clock,
    oversize: int = OVERSIZE_BYTES,
    timeouts: SocketTimeout = TIMEOUTS,
) -> PollResult:
    """Read what is new in every folder of a mailbox; `keep` is called for each batch, in order.

    Args:
        database: where the cursors are.
        mailbox: which one.
        keep: stores a batch whole, or raises.
        clock: says when a folder was looked at.
        oversize: bytes above which a message is fetched in pieces over several polls.
        timeouts: for the connection.

    Raises:
        OutsideUnavailableError: if the mailbox can't be read; what was kept until then stays.
    """
    now = clock()
    with database.write() as session:
        accounts.watch(session, mailbox, now)
        known = accounts.known_folders(session, mailbox.name)
    try:
        with ImapSession(mailbox, timeouts=timeouts) as server:
            poll = Pass(database, server, mailbox.name, known, keep=keep, clock=clock)
            poll.oversize = oversize
            folders = server.folders()
            poll.read(folders)
    except OutsideUnavailableError as error:
        with database.write() as session:
            accounts.note_outcome(session, mailbox.name, trouble=str(error), now=clock())
        raise
    poll.finish(folders, now)
    tally = poll.tally
    return PollResult(
        mailbox=mailbox.name,
        polled_at=now,
        folders=len(folders),
        new_messages=tally.new_messages,
        gone_unseen=tally.gone_unseen,
        troubles=tuple(tally.troubles),
        unfinished=tally.unfinished,
    )


def hinted_folders(session: Session, mailbox: MailboxSection) -> list[str]:
    """Return the folders in which new mail should be noticed at once: INBOX and Junk."""
    rows = session.exec(
        select(Folder).where(Folder.mailbox == mailbox.name, col(Folder.gone_since).is_(None))
    ).all()
    inbox = [row.name for row in rows if row.name.upper() == "INBOX"]
    junk = sorted(row.name for row in rows if row.is_junk and row.name not in inbox)
    return (inbox + junk)[:MOST_HINTED]
