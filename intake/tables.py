"""Every stored thing, one class each.

Datetimes are aware and in UTC; digests are lower-case hex. A column named after another table
(`message`, `ticket`, `item`) holds that row's id. Rows are never deleted.

An index with the remark "hash" is over text of any length that others wrote. On PostgreSQL, whose
usual kind bounds it, the migration makes it one of hashes; said here, every command would load
PostgreSQL's dialect for it.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel


def _json_list() -> Any:  # noqa: ANN401
    return Field(default_factory=list, sa_column=Column(JSON, nullable=False))


def _json_object() -> Any:  # noqa: ANN401
    return Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


def _unsigned(**values: Any) -> Any:  # noqa: ANN401
    """A number of IMAP: 32 bits without a sign, for which PostgreSQL's INTEGER is too short."""
    return Field(sa_type=BigInteger, **values)


class Fact(SQLModel, table=True):
    """Something the installation remembers about itself, e.g. that it was used for testing."""

    name: str = Field(primary_key=True)
    value: str


# ---- archive -----------------------------------------------------------------------------------


class Message(SQLModel, table=True):
    """One sequence of raw bytes, identified by its SHA-256."""

    id: int | None = Field(default=None, primary_key=True)
    sha256: str = Field(unique=True)
    size: int = _unsigned()  # bytes, as served
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
    reading_problems: list[str] = _json_list()  # limits hit, unreadable parts
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
    size: int = _unsigned()  # bytes before sealing
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Sighting(SQLModel, table=True):
    """A message seen at one place of one mailbox."""

    __table_args__ = (UniqueConstraint("mailbox", "folder", "uidvalidity", "uid"),)

    id: int | None = Field(default=None, primary_key=True)
    message: int = Field(foreign_key="message.id", index=True)
    mailbox: str
    folder: str
    uidvalidity: int = _unsigned()
    uid: int = _unsigned()
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
    uidvalidity: int = _unsigned()
    cursor: int = _unsigned(default=0)  # every UID up to here is accounted for
    first_uid: int | None = _unsigned(default=None)  # lowest UID ever listed under this UIDVALIDITY
    exists: int | None = _unsigned(default=None)  # on the server when the accounts last balanced
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
    again: list[int] = _json_list()  # UIDs whose bytes differed: compared each time


class UidGap(SQLModel, table=True):
    """UIDs that the server assigned and whose messages we don't have, or not whole."""

    __table_args__ = (UniqueConstraint("mailbox", "folder", "uidvalidity", "uid_from"),)

    id: int | None = Field(default=None, primary_key=True)
    mailbox: str
    folder: str
    uidvalidity: int = _unsigned()
    uid_from: int = _unsigned()
    uid_to: int = _unsigned()
    # gone: before we looked | unreadable: listed, tried again | oversized: fetched in pieces
    reason: str = "gone"
    after: datetime | None = None  # last poll before they were assigned; None: before the first one
    noticed_at: datetime
    resolved_at: datetime | None = None  # when we got them after all
    tried_at: datetime | None = None  # last time that the server did not hand it out
    stub: int | None = Field(default=None, foreign_key="message.id")  # stands for it meanwhile
    beginning_sha256: str | None = None  # of the bytes that the stub has of it
    size: int | None = _unsigned(default=None)  # bytes, as the server states
    stream: str | None = None  # of the pieces that we have already


class Coverage(SQLModel, table=True):
    """An interval for which a source was read without a gap; each poll extends the newest one."""

    id: int | None = Field(default=None, primary_key=True)
    source: str = Field(index=True)  # e.g. "mailbox cps folder INBOX"
    from_at: datetime
    to_at: datetime
    uidvalidity: int | None = _unsigned(default=None)
    uid_to: int | None = _unsigned(default=None)
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


# ---- tickets -----------------------------------------------------------------------------------


class Ticket(SQLModel, table=True):
    """Our record of one report and what follows; its number is its id."""

    id: int | None = Field(default=None, primary_key=True)
    token: str = Field(unique=True)  # stands in subjects as [CPR-<number>-<token>]
    state: str = Field(default="open", index=True)  # open | acknowledged | closed
    disposition: str | None = None  # handled | not_a_problem_report | duplicate
    priority: str = "normal"  # critical | high | normal | low
    subject: str = ""
    received_at: datetime  # the earliest T0 of its messages
    opened_at: datetime
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    assignee: str | None = None
    closed_at: datetime | None = None
    closed_by: str | None = None
    closed_reason: str | None = None
    labels: list[str] = _json_list()
    next_action_at: datetime | None = Field(default=None, index=True)


class Item(SQLModel, table=True):
    """One certificate that a ticket is about, however it was named."""

    __table_args__ = (UniqueConstraint("ticket", "number"),)

    id: int | None = Field(default=None, primary_key=True)
    ticket: int = Field(foreign_key="ticket.id", index=True)
    number: int  # counts within the ticket
    received_at: datetime  # T0 of the message that first named it
    state: str = "unresolved"  # unresolved | resolved | not_found
    serial_number: str | None = None  # hex, no leading zeros
    issuer: str | None = None  # RFC 4514
    ours: str = "unknown"  # yes | no | unknown
    lint: str = "not_checked"  # not_checked | done | failed
    revocation: str = "not_checked"  # not_checked | good | revoked | unknown
    reason: str | None = None  # the classification, key of tickets/rules.py
    reason_by: str | None = None  # who classified it; "service": a proof did
    suggested: str | None = None  # the classification that findings point to; nobody's word
    proved_key: str | None = None  # key_match of the proof that this item was classified by
    claimed_revoked_at: datetime | None = None  # when somebody said that it is revoked
    claimed_revoked_by: str | None = None
    alarms: list[str] = _json_list()  # what is wrong with its revocation, told once each
    merged_into: int | None = Field(default=None, foreign_key="item.id")
    problem: str | None = None  # why it is not resolved yet


class ItemName(SQLModel, table=True):
    """A name by which a message called an item."""

    __table_args__ = (
        UniqueConstraint("item", "kind", "value", "message"),
        Index("ix_itemname_kind_value", "kind", "value"),
    )

    id: int | None = Field(default=None, primary_key=True)
    item: int = Field(foreign_key="item.id", index=True)
    message: int = Field(foreign_key="message.id")
    kind: str  # crtsh_id | sha256 | sha1 | serial_number | spki_sha256 | certificate
    value: str
    named_as: str  # as written, e.g. the whole link


class ItemCertificate(SQLModel, table=True):
    """A certificate or precertificate that an item turned out to be."""

    item: int = Field(primary_key=True, foreign_key="item.id")
    sha256: str = Field(primary_key=True, foreign_key="certificate.sha256", index=True)


class Obligation(SQLModel, table=True):
    """Something we owe by an instant, with the rule that says so."""

    # What a ticket owes of a kind, the earliest first, stands together.
    __table_args__ = (
        Index("ix_obligation_owed", "ticket", "kind", "met_at", "waived_at", "received_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    ticket: int = Field(foreign_key="ticket.id")
    kind: str  # acknowledgement | preliminary_report_to_reporter | …_to_subscriber | revocation
    item: int | None = Field(default=None, foreign_key="item.id")
    message: int | None = Field(default=None, foreign_key="message.id")  # whose T0 started it
    received_at: datetime  # that T0
    due_at: datetime
    basis: str  # e.g. "BR 4.9.5 (2.2.6)"
    met_at: datetime | None = None
    met_by: str | None = None
    met_message_id: str | None = None  # of the report that was sent
    waived_at: datetime | None = None
    waived_reason: str | None = None
    # Up to which step of the escalation it was told that this is owed.
    told_seconds: int | None = None  # of that step, after T0
    told_at: datetime | None = None


# ---- certificates ------------------------------------------------------------------------------


class Certificate(SQLModel, table=True):
    """The DER bytes of a certificate or precertificate that we have seen, kept for ever."""

    sha256: str = Field(primary_key=True)
    sha1: str = Field(index=True)
    der: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    origin: str  # "mail" | "crtsh"
    first_seen_at: datetime
    serial_number: str | None = Field(default=None, index=True)  # hash
    issuer: str | None = None  # RFC 4514
    # Of the issuer name's DER; where a precertificate signing CA issued, of the CA's behind it.
    issuer_sha256: str | None = Field(default=None, index=True)
    subject: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    spki_sha256: str | None = Field(default=None, index=True)
    key_match: str | None = Field(default=None, index=True)  # see evidence/public_keys.py
    precertificate: bool = False
    read_by: str = "none"  # which reader gave the fields
    ours: str = "unknown"  # yes | no | unknown
    ours_why: str = ""
    names_us: bool = False  # it names our CA as its issuer, and none of our keys signed it


class CrtshEntry(SQLModel, table=True):
    """What crt.sh answered about an identifier, cached for ever."""

    __table_args__ = (UniqueConstraint("kind", "value", "sha256"),)

    id: int | None = Field(default=None, primary_key=True)
    kind: str  # crtsh_id | sha256 | sha1 | serial_number
    value: str
    sha256: str = Field(foreign_key="certificate.sha256")
    answered_at: datetime


class LintRun(SQLModel, table=True):
    """One linter over one certificate; never repeated for the same linter version."""

    __table_args__ = (UniqueConstraint("certificate", "linter", "version"),)

    id: int | None = Field(default=None, primary_key=True)
    certificate: str = Field(foreign_key="certificate.sha256")
    linter: str
    version: str
    profile: str | None = None
    state: str  # done | failed | timed_out | absent
    at: datetime


class LintFinding(SQLModel, table=True):
    """One result of one lint rule."""

    id: int | None = Field(default=None, primary_key=True)
    run: int = Field(foreign_key="lintrun.id", index=True)
    code: str = Field(index=True)
    severity: str  # fatal | error | warning | notice | info
    message: str = ""
    citation: str | None = None
    effective_from: datetime | None = None
    in_force_at_issuance: bool | None = None


# ---- keys --------------------------------------------------------------------------------------


class ProvenKey(SQLModel, table=True):
    """A key that is proved to be compromised, by its first proof; nothing secret stands here."""

    key_match: str = Field(primary_key=True)  # SHA-256 of RSA modulus or x coordinate
    spki_sha256: str  # as the proof encodes the key
    kind: str  # private_key | marked_request | kca | pock | jws | signed_statement
    method: str  # what was verified, in words
    verifier: str  # the version of what verified it
    proof_sha256: str
    part: str  # of the message
    message: int = Field(foreign_key="message.id")
    ticket: int | None = Field(default=None, foreign_key="ticket.id")
    proved_at: datetime


class KeyStatement(SQLModel, table=True):
    """Something signed that says its key is lost, kept until the key is known that verifies it."""

    __table_args__ = (UniqueConstraint("sha256", "message"),)

    id: int | None = Field(default=None, primary_key=True)
    spki_sha256: str = Field(index=True)  # as it claims; "": any key that its ticket is about
    algorithm: str
    signed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signature: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sha256: str
    part: str
    message: int = Field(foreign_key="message.id")
    ticket: int | None = Field(default=None, foreign_key="ticket.id")
    proved_at: datetime | None = None


# ---- revocation --------------------------------------------------------------------------------


class RevocationStatus(SQLModel, table=True):
    """What is known of the revocation of one certificate of ours, its precertificate included."""

    __table_args__ = (UniqueConstraint("issuer_sha256", "serial_number"),)

    id: int | None = Field(default=None, primary_key=True)
    issuer_sha256: str
    serial_number: str
    certificate: str = Field(foreign_key="certificate.sha256")  # whose addresses are asked
    watched: bool = True
    state: str = "not_checked"  # not_checked | good | revoked | unknown
    # What each source said last (good | revoked | unknown | on_hold | split), and until when.
    crl_state: str | None = None
    crl_until: datetime | None = None
    ocsp_state: str | None = None
    ocsp_until: datetime | None = None
    crl_revoked_at: datetime | None = None  # first observed there, by our clock
    ocsp_revoked_at: datetime | None = None
    first_observed_revoked_at: datetime | None = None  # on every source that there is
    asserted_revoked_at: datetime | None = None  # the revocationDate that the CA states
    reason: int | None = None  # CRLReason; 0 where none is given
    crl_number: str | None = None  # the highest that was seen; decimal
    last_good_until: datetime | None = (
        None  # nextUpdate of the last good answer: so long it may live on
    )
    checked_at: datetime | None = None
    problems: list[str] = _json_list()  # what is wrong now: codes of certificates/revocation.py
    detail: str = ""  # why a source gave no sound answer


class RevocationDocument(SQLModel, table=True):
    """A CRL or an OCSP response, byte for byte, zstd-compressed."""

    sha256: str = Field(primary_key=True)  # of the bytes as received
    compressed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class RevocationEvidence(SQLModel, table=True):
    """One answer of one source for one certificate; a repeat of it only moves `confirmed_at`."""

    id: int | None = Field(default=None, primary_key=True)
    status: int = Field(foreign_key="revocationstatus.id", index=True)
    source: str  # crl | ocsp
    url: str
    answer: str  # good | revoked | unknown | on_hold | unusable | unavailable
    detail: str = ""  # why it is no sound answer
    reason: int | None = None
    asserted_revoked_at: datetime | None = None
    this_update: datetime | None = None
    next_update: datetime | None = None
    number: str | None = None  # CRLNumber
    document: str | None = Field(default=None, foreign_key="revocationdocument.sha256")
    headers: dict[str, Any] = _json_object()
    fetched_at: datetime
    confirmed_at: datetime  # the same answer was last given
    confirmations: int = 1


# ---- work and notices --------------------------------------------------------------------------


class Job(SQLModel, table=True):
    """Work that is owed to a message, an item or a certificate, with its own retries."""

    __table_args__ = (Index("ix_job_ready", "state", "kind", "due_at"),)

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)  # e.g. "resolve_item:17": nothing is queued twice
    kind: str  # process_message | resolve_item | lint_certificate | watch_revocation
    subject: str  # id of the row it is about
    ticket: int | None = Field(default=None, index=True)  # for fairness between tickets
    state: str = "waiting"  # waiting | done | failed
    due_at: datetime
    leased_until: datetime | None = None
    attempts: int = 0
    last_error: str | None = None
    served_at: datetime | None = None  # last attempt; the ticket served longest ago goes first


class Notice(SQLModel, table=True):
    """One thing told to someone, a row in the outbox before it is anything else."""

    __table_args__ = (Index("ix_notice_ready", "state", "next_try_at"),)

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)  # idempotency: "card:12", "step:12:24h", …
    kind: str  # card | step | digest | probe | trouble | refusal
    ticket: int | None = Field(default=None, foreign_key="ticket.id", index=True)
    step: str = ""  # for people and the JSON, e.g. "acknowledgement 18h"
    covers: list[str] = _json_list()  # every step told with it, the missed ones too
    due_at: datetime
    medium: str = "slack"  # slack | smtp
    to: str  # channel, user or user-group ids, or an address; several are comma-separated
    text: str = ""  # what can't be made again from the ticket
    delivered_to: list[str] = _json_list()  # those of several who have it, while others lack it
    state: str = "waiting"  # waiting | sent | withdrawn (overtaken before it could be told)
    wanted_version: int = 1  # raised when the card must show something new
    sent_version: int = 0
    created_at: datetime
    next_try_at: datetime
    leased_until: datetime | None = None
    attempts: int = 0
    last_error: str | None = None
    sent_at: datetime | None = None
    handed_over_at: datetime | None = None  # mailed because Slack failed
    slack_channel: str | None = None
    slack_ts: str | None = None


class SlackAction(SQLModel, table=True):
    """An interaction that was carried out, so that Slack's redelivery does nothing twice."""

    key: str = Field(primary_key=True)
    at: datetime


class Event(SQLModel, table=True):
    """Something that happened; the chain of hashes shows that none was changed or taken out."""

    id: int | None = Field(default=None, primary_key=True)
    at: datetime
    actor: str
    action: str
    ticket: int | None = Field(default=None, foreign_key="ticket.id", index=True)
    message: int | None = Field(default=None, foreign_key="message.id", index=True)
    detail: dict[str, Any] = _json_object()  # digests, ids and instants; never mail text
    previous_hash: str
    hash: str
