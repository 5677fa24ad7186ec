"""What people work with: tickets, their items, and what is owed."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from intake.tables.columns import json_list


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
    closed_at: datetime | None = Field(default=None, index=True)
    closed_by: str | None = None
    closed_reason: str | None = None
    labels: list[str] = json_list()
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
    alarms: list[str] = json_list()  # what is wrong with its revocation, told once each
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
        Index("ix_obligation_open", "met_at", "waived_at", "due_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    ticket: int = Field(foreign_key="ticket.id")
    kind: str  # acknowledgement | preliminary_report_to_reporter | …_to_subscriber | revocation
    item: int | None = Field(default=None, foreign_key="item.id", index=True)
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
