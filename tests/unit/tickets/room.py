"""A room to test tickets in: a database, a desk, and messages that arrive when a test says so."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlmodel import Session, col, select

from intake.archive.message_id import fold, normalise
from intake.database import Database
from intake.evidence.values import Evidence, Identifier
from intake.tables import (
    Event,
    Item,
    Message,
    MessageIdEntry,
    Notice,
    Obligation,
    Sighting,
    Ticket,
    WatchedMailbox,
)
from intake.tickets import actions
from intake.tickets.desk import Chains, Desk
from intake.tickets.escalate import escalate_due
from intake.tickets.escalation import Step, report_steps
from intake.tickets.open import decide_message
from intake.tickets.triage import Decision

T0 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHANNEL = "C0CPR"
MANAGERS = ("U0MIRA", "U0NOAH")


def token(purpose: str, text: str) -> str:
    """Stand for the archive key: hex digits that depend on purpose and text."""
    return hashlib.sha256(f"{purpose}:{text}".encode()).hexdigest()


def make_steps() -> tuple[Step, ...]:
    return (
        Step(HOUR, (CHANNEL,)),
        Step(4 * HOUR, (CHANNEL,)),
        Step(12 * HOUR, (CHANNEL,)),
        Step(18 * HOUR, ("S0ONCALL",)),
        Step(22 * HOUR, MANAGERS),
        Step(24 * HOUR, (CHANNEL, "S0ONCALL", *MANAGERS), every=HOUR),
    )


def make_desk(**values: Any) -> Desk:
    chains = Chains(CHANNEL, make_steps(), report_steps(MANAGERS))
    addresses = frozenset({"cps@ca.example", "cpr-intake@ca.example"})
    return Desk(**({"chains": chains, "token": token, "addresses": addresses} | values))


def crtsh(*numbers: int) -> tuple[Identifier, ...]:
    return tuple(Identifier("crtsh_id", str(n), "1", 0, f"https://crt.sh/?id={n}") for n in numbers)


@dataclass
class Room:
    """The tickets under test."""

    database: Database
    desk: Desk = field(default_factory=make_desk)
    numbers: Any = field(default_factory=lambda: count(1))

    def archive(
        self,
        *,
        message_id: str | None = "",
        at: datetime = T0,
        body: str | None = None,
        in_junk: bool = False,
        mailbox: str | None = "cps",
        source: str = "received",
    ) -> tuple[int, tuple[str, ...]]:
        """Store a message as transaction 1 does; return its row and its Message-IDs."""
        n = next(self.numbers)
        if message_id == "":
            message_id = f"<m{n}@reporter.example>"
        with self.database.write() as session:
            message = Message(
                sha256=hashlib.sha256(f"raw {n}".encode()).hexdigest(),
                size=1,
                body_sha256=hashlib.sha256((body or f"body {n}").encode()).hexdigest(),
                received_at=at,
                received_from=source,
                first_seen_at=at,
            )
            session.add(message)
            session.flush()
            if mailbox is not None:
                session.add(
                    Sighting(
                        message=message.id, mailbox=mailbox, folder="INBOX", uidvalidity=1, uid=n,
                        first_seen_at=at, in_junk=in_junk,
                    )
                )  # fmt: skip
            if message_id is not None:
                short = normalise(message_id)
                session.add(
                    MessageIdEntry(
                        message=message.id, source="header", original=message_id,
                        normalised=short, folded=fold(short),
                    )
                )  # fmt: skip
            return message.id or 0, (() if message_id is None else (message_id,))

    def decide(
        self, row: int, evidence: Evidence, *, now: datetime, open_tickets: bool = False
    ) -> Decision:
        with self.database.write() as session:
            message = session.get_one(Message, row)
            return decide_message(
                session, message, evidence, desk=self.desk, now=now, open_tickets=open_tickets
            )

    def receive(
        self,
        *,
        message_id: str | None = "",
        at: datetime = T0,
        now: datetime | None = None,
        body: str | None = None,
        in_junk: bool = False,
        mailbox: str | None = "cps",
        **shown: Any,
    ) -> Decision:
        """Let a message arrive and decide on it."""
        row, ids = self.archive(
            message_id=message_id, at=at, body=body, in_junk=in_junk, mailbox=mailbox
        )
        return self.decide(row, self.shown(row, ids, **shown), now=now or at)

    @staticmethod
    def shown(row: int, ids: tuple[str, ...], **shown: Any) -> Evidence:
        defaults: dict[str, Any] = {
            "sha256": f"{row:064x}",
            "size": 1,
            "kind": "report",
            "message_ids": ids,
            "senders": ("rita@reporter.example",),
            "subject": "Misissued certificate",
        }
        return Evidence(**(defaults | shown))

    def watch(self, since: datetime, mailbox: str = "cps") -> None:
        with self.database.write() as session:
            session.add(WatchedMailbox(name=mailbox, watch_from=since))

    def do(self, action: Any, ticket: int = 1, *, now: datetime, **words: Any) -> actions.Outcome:
        with self.database.write() as session:
            outcome: actions.Outcome = action(session, ticket, "U0ALICE", now, **words)
            return outcome

    def tick(self, now: datetime) -> int:
        with self.database.write() as session:
            return escalate_due(session, self.desk, now)

    def all(self, table: Any, *conditions: Any) -> list[Any]:
        with self.database.read() as session:
            query = select(table).where(*conditions)
            if hasattr(table, "id"):
                query = query.order_by(col(table.id))
            return list(session.exec(query).all())

    def ticket(self, number: int = 1) -> Ticket:
        with self.database.read() as session:
            return session.get_one(Ticket, number)

    def owed(self, kind: str, ticket: int = 1) -> list[Obligation]:
        return self.all(Obligation, Obligation.ticket == ticket, Obligation.kind == kind)

    def items(self, ticket: int = 1) -> list[Item]:
        return self.all(Item, Item.ticket == ticket)

    def events(self, action: str) -> list[Event]:
        return self.all(Event, Event.action == action)

    def steps(self) -> list[Notice]:
        return self.all(Notice, Notice.kind == "step")

    def write(self) -> Any:
        return self.database.write()


def add(session: Session, *rows: Any) -> None:
    for row in rows:
        session.add(row)
        session.flush()
