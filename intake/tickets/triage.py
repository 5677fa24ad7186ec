"""What a message becomes: pure, from what it shows and what we know around it.

Every message that is none of the recorded decisions opens a ticket: unparsed, without a sender,
empty, encrypted, automatic or bulk. Markers that a sender can forge suppress nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intake.evidence.values import Evidence
    from intake.tables import Message

TICKET = "ticket"
FOLLOW_UP = "follow_up"
COPY = "copy"
BEFORE_WATCH = "before_watch"
OWN_OUTGOING = "own_outgoing"
OWN_PROBE = "own_probe"
DELIVERY_STATUS = "delivery_status"

NOT_FETCHED = "not_fetched"  # label of a ticket whose message the server does not hand out

PRIORITIES = ("low", "normal", "high", "critical")  # the least first
AUTOMATIC_KINDS = ("auto_reply", "delivery_status")
SERIOUS = ("fatal", "error")  # severities of findings that raise the priority of what is ours


@dataclass(frozen=True)
class Context:
    """What is known around a message: other messages, tickets, what we sent, where it lay."""

    before_watch: bool = False
    valid_probe: bool = False  # carries the token of a probe that we sent
    sent_by_us: bool = False  # From is ours, and so is the Message-ID
    sent_ticket: int | None = None  # the ticket that our own mail was about
    bounced: tuple[str, ...] = ()  # Message-IDs of ours that it reports as not delivered
    bounced_ticket: int | None = None
    copy_of: int | None = None  # the message that it repeats
    copy_ticket: int | None = None
    completed_ticket: int | None = None  # of the stub that stood for this message
    answered_ticket: int | None = None  # by In-Reply-To, References or a ticket token
    reused_by: tuple[int, ...] = ()  # tickets of other messages under the same Message-ID
    is_id_reused: bool = False
    in_junk: bool = False  # in every place where it lies
    stands_for: str | None = None  # oversized | unreadable: it is not there whole


@dataclass(frozen=True)
class Decision:
    """What a message becomes."""

    kind: str
    ticket: int | None = None
    priority: str = "normal"
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decided:
    """A message with what it becomes and why."""

    message: "Message"
    evidence: "Evidence"
    context: Context
    decision: Decision

    @property
    def number(self) -> int:
        """Return the number of the ticket that it belongs to.

        Raises:
            ValueError: if it belongs to none.
        """
        if self.decision.ticket is None:
            text = f"message {self.message.id} has no ticket: it is {self.decision.kind}"
            raise ValueError(text)
        return self.decision.ticket


def triage(evidence: "Evidence", context: Context) -> Decision:
    """Decide what a message becomes; a new ticket has no number yet."""
    priority, labels = priority_of(evidence), labels_of(evidence, context)
    decisions = (
        (context.before_watch, Decision(BEFORE_WATCH)),
        (context.valid_probe, Decision(OWN_PROBE)),
        (context.sent_by_us, Decision(OWN_OUTGOING, context.sent_ticket)),
        (bool(context.bounced), Decision(DELIVERY_STATUS, context.bounced_ticket)),
        (context.completed_ticket, Decision(FOLLOW_UP, context.completed_ticket, priority, labels)),
        (context.copy_ticket, Decision(COPY, context.copy_ticket, priority, labels)),
        (context.answered_ticket, Decision(FOLLOW_UP, context.answered_ticket, priority, labels)),
    )
    otherwise = Decision(TICKET, None, priority, labels)
    return next((decision for holds, decision in decisions if holds), otherwise)


def priority_of(evidence: "Evidence") -> str:
    """Return the priority that the message alone justifies."""
    if evidence.private_keys or evidence.key_proofs:
        return "critical"
    names_something = evidence.identifiers or evidence.certificates or evidence.unclassified_hex
    if evidence.kind in AUTOMATIC_KINDS and not names_something:
        return "low"
    return "normal"


def higher(one: str, other: str) -> str:
    """Return the higher of two priorities."""
    return max(one, other, key=PRIORITIES.index)


def labels_of(evidence: "Evidence", context: Context) -> tuple[str, ...]:
    """Return what a person should know about the message before reading it."""
    marks = {
        "in_junk": context.in_junk,
        "reused_message_id": context.is_id_reused,
        "private_key": bool(evidence.private_keys),
        "key_compromise": bool(evidence.key_proofs),
        "automatic": evidence.kind in AUTOMATIC_KINDS,
        "unparsed": evidence.kind == "unparsed",
        "sender_unknown": not evidence.senders,
        "unreadable_parts": bool(evidence.unreadable_parts),
        "limits_hit": bool(evidence.limits_hit),
        "unclassified_hex": bool(evidence.unclassified_hex),
        "suggested_spam": bool(evidence.suggested_spam),
        "oversized": context.stands_for == "oversized",
        NOT_FETCHED: context.stands_for == "unreadable",
    }
    return tuple(sorted(label for label, holds in marks.items() if holds))


def with_labels(present: Iterable[str], more: Iterable[str]) -> list[str]:
    """Return labels sorted and each once."""
    return sorted({*present, *more})
