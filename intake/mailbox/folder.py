"""What a server says about a folder and its messages, as values."""

from dataclasses import dataclass
from datetime import datetime

OVERSIZED = "oversized"  # why a message is not there whole: fetched in pieces
UNREADABLE = "unreadable"  # listed, but not handed out


@dataclass(frozen=True)
class FolderInfo:
    """A folder that is to be read."""

    name: str  # as people read it
    wire: str  # as the server writes it, modified UTF-7
    is_junk: bool = False


@dataclass(frozen=True)
class FolderStatus:
    """Where a folder stands at one instant."""

    uidvalidity: int
    uidnext: int | None  # None: the server does not say
    exists: int


@dataclass(frozen=True)
class FetchedMessage:
    """One message as the server handed it out."""

    uid: int
    internal_date: datetime | None  # aware
    raw: bytes


@dataclass(frozen=True)
class Beginning:
    """What is known of a message that is not there whole."""

    uid: int
    internal_date: datetime | None
    raw: bytes  # its first bytes as served, or header fields that the server remembers, or nothing
    size: int | None  # of the whole, as the server states
    why: str  # OVERSIZED | UNREADABLE


@dataclass(frozen=True)
class MessagePiece:
    """A piece of a message that is too large to be held in memory."""

    uid: int
    internal_date: datetime | None
    offset: int  # bytes before it
    raw: bytes
    is_last: bool


@dataclass(frozen=True)
class UidRange:
    """UIDs from the first to the last, both included."""

    first: int
    last: int


@dataclass(frozen=True)
class FolderBatch:
    """What one transaction has to keep: messages, and how far the accounts of UIDs got with them."""

    mailbox: str
    folder: str
    is_junk: bool
    uidvalidity: int
    messages: tuple[FetchedMessage, ...]
    cursor: int  # every UID up to here is accounted for once this is kept
    first_uid: int  # lowest UID ever listed; what lies below it is not counted as gone
    gaps: tuple[UidRange, ...] = ()  # assigned, but gone before we looked
    unreadable: tuple[int, ...] = ()  # listed, but the server does not hand them out
    beginnings: tuple[Beginning, ...] = ()  # of messages that are not there whole
    piece: MessagePiece | None = None
    is_late: bool = False  # what was lacking before
    read_at: datetime | None = None  # when the folder was looked at, if nothing more is to be read
    exists: int | None = None  # messages on the server, where the accounts balance with this batch
