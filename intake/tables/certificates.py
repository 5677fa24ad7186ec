"""Certificates and what is known of them: findings, lost keys, revocation."""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from intake.tables.columns import json_list, json_object


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


# ---- keys ----------------------------------------------------------------------------------------


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


# ---- revocation ----------------------------------------------------------------------------------


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
    problems: list[str] = json_list()  # what is wrong now: codes of certificates/revocation.py
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
    headers: dict[str, Any] = json_object()
    fetched_at: datetime
    confirmed_at: datetime  # the same answer was last given
    confirmations: int = 1
