"""What was found about a query: plain values, gathered once and judged without a database."""

from dataclasses import dataclass, field
from datetime import datetime

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class SightingFound:
    """A place where a message was seen."""

    mailbox: str
    folder: str
    uidvalidity: int
    uid: int
    internal_date: datetime | None
    first_seen_at: datetime
    gone_since: datetime | None
    in_junk: bool


@dataclass(frozen=True)
class TicketFound:
    """The ticket that a message became or joined."""

    number: int
    state: str
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None


@dataclass(frozen=True)
class MessageFound:
    """An archived message that carries the Message-ID asked for."""

    sha256: str
    received_at: datetime
    received_from: str
    first_seen_at: datetime
    sent_at: datetime | None  # the sender's claim
    sender: str | None
    subject: str | None
    decision: str | None
    ticket: TicketFound | None
    sightings: tuple[SightingFound, ...]


@dataclass(frozen=True)
class UidGapFound:
    """UIDs that were assigned and that we don't have."""

    uidvalidity: int
    uid_from: int
    uid_to: int
    after: datetime | None
    noticed_at: datetime
    # gone: before we looked | unreadable: the server does not hand them out | oversized: in part only
    reason: str = "gone"

    def __str__(self) -> str:
        """Name them as a person would."""
        if self.uid_from == self.uid_to:
            return f"UID {self.uid_from}"
        return f"UIDs {self.uid_from} to {self.uid_to}"


@dataclass(frozen=True)
class SourceCoverage:
    """How far a source was read within the time asked about."""

    source: str
    spans: tuple[Span, ...]  # read without a gap, in order
    gaps: tuple[Span, ...]  # not read, within the time asked about
    uid_gaps: tuple[UidGapFound, ...] = ()
    kind: str = "folder"  # folder | mail_log

    @property
    def is_complete(self) -> bool:
        """Say whether nothing can have slipped past it."""
        return bool(self.spans) and not self.gaps and not self.uid_gaps


@dataclass(frozen=True)
class ProbeFound:
    """A test message that we sent through the same way in."""

    sent_at: datetime
    arrived_at: datetime | None
    address: str


@dataclass(frozen=True)
class NearMiss:
    """Another message that may be the one that is meant."""

    sha256: str
    why: str
    received_at: datetime
    sender: str | None
    subject: str | None
    ticket: int | None


@dataclass(frozen=True)
class MailboxRead:
    """A configured mailbox, for people: its addresses, and where its mail comes through."""

    name: str
    addresses: tuple[str, ...]
    hosts: tuple[str, ...]  # of our own mail system, by name
    watch_from: datetime | None
    trouble: str | None


@dataclass(frozen=True)
class Question:
    """What was asked."""

    query: str
    message_id: str | None  # normalised, without brackets; None if it holds no Message-ID
    sender: str | None
    around: datetime | None
    asked_from: datetime | None  # None: nothing was ever read
    asked_to: datetime
    now: datetime


@dataclass(frozen=True)
class Findings:
    """Everything that speaks for or against the message having reached us."""

    question: Question
    messages: tuple[MessageFound, ...] = ()
    coverage: tuple[SourceCoverage, ...] = ()
    not_read: tuple[str, ...] = ()  # what could hold it and was not read, in words
    set_aside: tuple[str, ...] = ()  # what is left out on purpose, since nothing arrives there
    probes: tuple[ProbeFound, ...] = ()
    near_misses: tuple[NearMiss, ...] = ()
    mailboxes: tuple[MailboxRead, ...] = field(default=())
