"""Every stored thing, one class each.

Datetimes are aware and in UTC; digests are lower-case hex. A column named after another table
(`message`, `ticket`, `item`) holds that row's id. Rows are never deleted.

An index with the remark "hash" is over text of any length that others wrote. On PostgreSQL, whose
usual kind bounds it, the migration makes it one of hashes; said here, every command would load
PostgreSQL's dialect for it.
"""

from intake.tables.archive import (
    Coverage,
    Folder,
    Message,
    MessageIdEntry,
    Probe,
    Reconciliation,
    SealedMessage,
    SealedPiece,
    SentMessageId,
    Sighting,
    UidGap,
    WatchedMailbox,
)
from intake.tables.certificates import (
    Certificate,
    CrtshEntry,
    KeyStatement,
    LintFinding,
    LintRun,
    ProvenKey,
    RevocationDocument,
    RevocationEvidence,
    RevocationStatus,
)
from intake.tables.tickets import (
    Item,
    ItemCertificate,
    ItemName,
    Obligation,
    Ticket,
)
from intake.tables.work import (
    Event,
    Fact,
    Job,
    Notice,
    SlackAction,
)

__all__ = [
    "Certificate",
    "Coverage",
    "CrtshEntry",
    "Event",
    "Fact",
    "Folder",
    "Item",
    "ItemCertificate",
    "ItemName",
    "Job",
    "KeyStatement",
    "LintFinding",
    "LintRun",
    "Message",
    "MessageIdEntry",
    "Notice",
    "Obligation",
    "Probe",
    "ProvenKey",
    "Reconciliation",
    "RevocationDocument",
    "RevocationEvidence",
    "RevocationStatus",
    "SealedMessage",
    "SealedPiece",
    "SentMessageId",
    "Sighting",
    "SlackAction",
    "Ticket",
    "UidGap",
    "WatchedMailbox",
]
