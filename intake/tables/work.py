"""What is to be done and told, and what happened."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from intake.tables.columns import json_list, json_object


class Fact(SQLModel, table=True):
    """Something the installation remembers about itself, e.g. that it was used for testing."""

    name: str = Field(primary_key=True)
    value: str


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
    covers: list[str] = json_list()  # every step told with it, the missed ones too
    due_at: datetime
    medium: str = "slack"  # slack | smtp
    to: str  # channel, user or user-group ids, or an address; several are comma-separated
    text: str = ""  # what can't be made again from the ticket
    delivered_to: list[str] = json_list()  # those of several who have it, while others lack it
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
    detail: dict[str, Any] = json_object()  # digests, ids and instants; never mail text
    previous_hash: str
    hash: str
