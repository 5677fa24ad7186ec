"""What was received, where it lay, and how far it was read."""

from datetime import datetime

from sqlalchemy import Column, Index, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from intake.tables.columns import json_list, unsigned


class Message(SQLModel, table=True):
    """One sequence of raw bytes, identified by its SHA-256."""

    id: int | None = Field(default=None, primary_key=True)
    sha256: str = Field(unique=True)
    size: int = unsigned()  # bytes, as served
    body_sha256: str = Field(index=True)  # of the body with line ends normalised: finds copies
    received_at: datetime = Field(index=True)  # T0
    received_from: str  # "received" | "internal_date" | "first_seen" | "import" | "stated"
    first_seen_at: datetime
    decision: str | None = Field(default=None, index=True)  # None until processed; see Decision
    ticket: int | None = Field(default=None, foreign_key="ticket.id", index=True)
    # What the message shows, written when it is processed; claims of the sender.
    sender: str | None = Field(default=None, index=True)  # first address of From, lower case; hash
    subject: str | None = None
    sent_at: datetime | None = None  # the Date header
    kind: str | None = None  # report | reply | auto_reply | delivery_status | unparsed
    reading_problems: list[str] = json_list()  # limits hit, unreadable parts
    holds_private_key: bool = False
    # A stub stands for a message of which only the beginning, or nothing, could be fetched so far.
    stands_for: str | None = None  # why: "oversized" | "unreadable"; None: it is a whole message
    completes: int | None = Field(default=None, foreign_key="message.id")  # a stub


class SealedMessage(SQLModel, table=True):
    """The raw bytes of a message: zstd, then AES-256-GCM under the archive key."""

    message: int = Field(primary_key=True, foreign_key="message.id")
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))  # or a list of pieces


class SealedPiece(SQLModel, table=True):
    """A piece of a message that is too large to be held in memory, sealed by itself."""

    stream: str = Field(primary_key=True)  # hex, at random; the sealed list of pieces names it
    number: int = Field(primary_key=True)  # from 0
    size: int = unsigned()  # bytes before sealing
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Sighting(SQLModel, table=True):
    """A message seen at one place of one mailbox."""

    __table_args__ = (UniqueConstraint("mailbox", "folder", "uidvalidity", "uid"),)

    id: int | None = Field(default=None, primary_key=True)
    message: int = Field(foreign_key="message.id", index=True)
    mailbox: str
    folder: str
    uidvalidity: int = unsigned()
    uid: int = unsigned()
    internal_date: datetime | None = None
    first_seen_at: datetime
    gone_since: datetime | None = None
    in_junk: bool = False


class MessageIdEntry(SQLModel, table=True):
    """A Message-ID that a message carries or mentions: an index into messages, never an identity."""

    # The source stands in the indexes: an ID may be mentioned by every message of a long thread.
    __table_args__ = (
        UniqueConstraint("message", "source", "original"),
        Index("ix_messageidentry_normalised", "normalised", "source"),
        Index("ix_messageidentry_folded", "folded", "source"),
    )

    id: int | None = Field(default=None, primary_key=True)
    message: int = Field(foreign_key="message.id")
    # header: its own | mentioned: in References, a nested or quoted message
    # replaced: of a stub, since the whole message is there
    source: str
    original: str  # as the header has it, unfolded and trimmed, bytes as latin-1
    normalised: str  # without brackets and blanks, case kept
    folded: str  # normalised, case folded


class Folder(SQLModel, table=True):
    """Where reading of an IMAP folder stands: the stored cursor."""

    __table_args__ = (UniqueConstraint("mailbox", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    mailbox: str
    name: str
    uidvalidity: int = unsigned()
    cursor: int = unsigned(default=0)  # every UID up to here is accounted for
    first_uid: int | None = unsigned(default=None)  # lowest UID ever listed under this UIDVALIDITY
    exists: int | None = unsigned(default=None)  # on the server when the accounts last balanced
    is_junk: bool = False
    first_polled_at: datetime
    last_polled_at: datetime
    gone_since: datetime | None = None


class WatchedMailbox(SQLModel, table=True):
    """A configured mailbox and the instant from which it is watched."""

    name: str = Field(primary_key=True)
    watch_from: datetime
    last_good_poll_at: datetime | None = None
    trouble: str | None = None  # why it can't be read at the moment
    trouble_since: datetime | None = None
    reconciled_at: datetime | None = None  # when the second reader last compared it whole
    differences: int = 0  # that it found then


class Reconciliation(SQLModel, table=True):
    """How far the second reader has compared a folder with the server, byte for byte."""

    mailbox: str = Field(primary_key=True)
    folder: str = Field(primary_key=True)
    uidvalidity: int
    compared_to: int = 0  # every message up to this UID was compared once
    sample_from: int = 1  # where the rolling comparison of older ones goes on
    again: list[int] = json_list()  # UIDs whose bytes differed: compared each time


class UidGap(SQLModel, table=True):
    """UIDs that the server assigned and whose messages we don't have, or not whole."""

    __table_args__ = (UniqueConstraint("mailbox", "folder", "uidvalidity", "uid_from"),)

    id: int | None = Field(default=None, primary_key=True)
    mailbox: str
    folder: str
    uidvalidity: int = unsigned()
    uid_from: int = unsigned()
    uid_to: int = unsigned()
    # gone: before we looked | unreadable: listed, tried again | oversized: fetched in pieces
    reason: str = "gone"
    after: datetime | None = None  # last poll before they were assigned; None: before the first one
    noticed_at: datetime
    resolved_at: datetime | None = None  # when we got them after all
    tried_at: datetime | None = None  # last time that the server did not hand it out
    stub: int | None = Field(default=None, foreign_key="message.id")  # stands for it meanwhile
    beginning_sha256: str | None = None  # of the bytes that the stub has of it
    size: int | None = unsigned(default=None)  # bytes, as the server states
    stream: str | None = None  # of the pieces that we have already


class Coverage(SQLModel, table=True):
    """An interval for which a source was read without a gap; each poll extends the newest one."""

    id: int | None = Field(default=None, primary_key=True)
    source: str = Field(index=True)  # e.g. "mailbox cps folder INBOX"
    from_at: datetime
    to_at: datetime
    uidvalidity: int | None = unsigned(default=None)
    uid_to: int | None = unsigned(default=None)
    complete: bool = True


class Probe(SQLModel, table=True):
    """A message that we sent to ourselves from outside to prove that the way in works."""

    id: int | None = Field(default=None, primary_key=True)
    address: str
    message_id: str = Field(unique=True)
    sent_at: datetime
    arrived_at: datetime | None = None
    message: int | None = Field(default=None, foreign_key="message.id")


class SentMessageId(SQLModel, table=True):
    """The Message-ID of a mail that we sent, so that its bounce and its copy are known again."""

    message_id: str = Field(primary_key=True)  # normalised
    ticket: int | None = Field(default=None, foreign_key="ticket.id")
    purpose: str  # "notice" | "preliminary_report" | "probe"
    sent_at: datetime
