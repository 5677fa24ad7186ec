"""What the message shows: the values that reading a message results in, and the limits it keeps.

All of them are frozen, hold plain Python values only and can be sent between processes.
"""

from dataclasses import dataclass
from datetime import datetime

from intake.evidence.key_statements import KeyClaim, KeyProof
from intake.evidence.targets import DifferingLink

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """How much of a hostile message is read; each limit that was hit is named in the evidence."""

    raw_bytes: int = 60 * MIB
    parts: int = 1000  # MIME parts, nested messages' parts included
    depth: int = 50  # nesting of parts, messages and archives together
    header_bytes: int = MIB
    html_bytes: int = 2 * MIB  # more is read without building its tree
    text_chars: int = (
        10 * MIB
    )  # searched for identifiers, all parts together; half as much again in one of 10 to 25 MB
    kept_text_chars: int = MIB  # kept for reading and for full-text search
    archive_depth: int = 4  # archives within archives
    archive_members: int = 2000  # of all archives together
    archive_bytes: int = 50 * MIB  # unpacked, all archives together
    archive_ratio: int = 200  # unpacked to packed, beyond the first MiB
    pdf_bytes: int = 2 * MIB  # that draw the pages of PDF files: some 1.3 s for each MiB
    identifiers: int = 150_000
    urls: int = 20_000
    keys: int = 200  # private keys of 2048 bits that are checked; larger ones count for more
    domains: int = 20_000
    documents: bool = True  # whether PDF, Outlook and old Office files are opened


# For a second try where the whole can't be read in time: the text counts more than the attachments.
LIGHT = Limits(
    raw_bytes=8 * MIB, parts=200, html_bytes=MIB // 4, text_chars=4 * MIB, archive_depth=0, identifiers=20_000,
    keys=20, documents=False,
)  # fmt: skip
NO_KNOWN_FILE = "a kind of file that is not read"
READ_AGAIN = "it was read again without what its attachments pack"


@dataclass(frozen=True, slots=True)  # there may be 150,000
class Identifier:
    """One place where the message names a certificate or a key."""

    kind: str  # crtsh_id | sha256 | sha1 | spki_sha256 | serial_number
    value: str  # hex in lower case without colons (serial numbers: no leading zeros), or digits
    part: str  # see parts.py
    offset: int  # of `named_as`, in the decoded text of the part
    named_as: str  # as written: a whole link, or the digits


@dataclass(frozen=True)
class FoundCertificate:
    """A certificate or precertificate that the message carries."""

    der: bytes
    sha256: str
    part: str


@dataclass(frozen=True)
class FoundKey:
    """A private key that the message carries; its bytes are never kept here."""

    kind: str  # pkcs1 | pkcs8 | sec1 | openssh | pkcs12 | dsa | jwk | openssl_text | ppk | pgp | xml | unknown
    encrypted: bool
    spki_sha256: str | None  # of the public key derived from the private part; None: can't be told
    part: str


@dataclass(frozen=True)
class FoundCsr:
    """A certificate signing request that the message carries."""

    der: bytes
    spki_sha256: str | None
    part: str


@dataclass(frozen=True)
class UnreadablePart:
    """A part that may hold something and could not be read."""

    part: str
    reason: str


@dataclass(frozen=True)
class Evidence:
    """What one message shows, before anybody judges it; all of it is claimed by the sender."""

    sha256: str
    size: int
    kind: str  # report | reply | auto_reply | delivery_status | unparsed
    message_ids: tuple[str, ...] = ()
    mentioned_message_ids: tuple[str, ...] = ()
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    delivery_status_of: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    sender_name: str = ""
    recipients: tuple[str, ...] = ()
    subject: str = ""
    date: datetime | None = None  # aware, UTC
    identifiers: tuple[Identifier, ...] = ()
    certificates: tuple[FoundCertificate, ...] = ()
    private_keys: tuple[FoundKey, ...] = ()
    csrs: tuple[FoundCsr, ...] = ()
    key_proofs: tuple[KeyProof, ...] = ()  # verified; of every key only the public half
    key_claims: tuple[KeyClaim, ...] = ()  # not verified: the key is needed for that
    unclassified_hex: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    differing_links: tuple[DifferingLink, ...] = ()
    unreadable_parts: tuple[UnreadablePart, ...] = ()
    limits_hit: tuple[str, ...] = ()
    text: str = ""  # for reading and full-text search, without key blocks
    grounds: tuple[str, ...] = ()  # why it may be a problem report; see grounds.py
    suggested_spam: tuple[
        str, ...
    ] = ()  # what speaks for spam: a label, and never a reason to skip
    forwarded_from: tuple[str, ...] = ()  # senders of messages within it, attached or quoted
    ticket_tokens: tuple[tuple[int, str], ...] = ()  # (ticket number, token)
    probe_token: str | None = None

    def values_of(self, kind: str) -> tuple[str, ...]:
        """Return the different values of one kind of identifier, in order of appearance."""
        return tuple(dict.fromkeys(found.value for found in self.identifiers if found.kind == kind))
