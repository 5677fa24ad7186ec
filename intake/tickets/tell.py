"""Notices as rows: written in the transaction that decided them, delivered by `notices/`.

`Notice.text` is plain text and may quote a subject: who renders it escapes it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import case
from sqlmodel import Session, SQLModel, col, select, update

from intake.clock import EPOCH, render_instant
from intake.database import insert_rows
from intake.tables import Notice, Ticket
from intake.tickets.escalation import DueStep
from intake.tickets.obligations import ACKNOWLEDGEMENT
from intake.tickets.owed import number_of

CARD_CHANNEL = "channel"  # stands for the configured channel where none was given
MAILTO = "mailto:"


@dataclass(frozen=True)
class Recipient:
    """Where one notice goes."""

    medium: str  # slack | smtp
    to: str


def want_card(session: Session, ticket: Ticket, now: datetime, *, channel: str = "") -> None:
    """Have the ticket's card posted, or shown anew: one row, however often it is wanted."""
    want_cards(session, [number_of(ticket)], now, channel=channel)


def want_cards(
    session: Session, numbers: Sequence[int], now: datetime, *, channel: str = ""
) -> None:
    """Have the cards of tickets posted, or shown anew, as `want_card` does for one."""
    _want_cards(session, numbers, now, channel=channel, at=now)


def want_card_by(session: Session, ticket: Ticket, at: datetime, *, now: datetime) -> None:
    """Have a card shown anew at an instant, or before if something else asks for it."""
    _want_cards(session, [number_of(ticket)], now, channel="", at=at)


def _want_cards(
    session: Session, numbers: Sequence[int], now: datetime, *, channel: str, at: datetime
) -> None:
    keys = {f"card:{number}": number for number in numbers}
    query = select(Notice.key, Notice.state).where(col(Notice.key).in_(list(keys)))
    states = dict(session.exec(query).all())
    want_first_cards(
        session, [keys[one] for one in keys if one not in states], now, channel=channel
    )
    again = {"wanted_version": Notice.wanted_version + 1}
    # One that failed keeps its back-off.
    is_later = (col(Notice.attempts) == 0) & (col(Notice.next_try_at) > at)
    sooner = again | {"next_try_at": case((is_later, at), else_=col(Notice.next_try_at))}
    anew = again | {"state": "waiting", "next_try_at": at, "attempts": 0}
    for values, is_waiting in ((sooner, True), (anew, False)):
        changed = [one for one in states if (states[one] == "waiting") == is_waiting]
        if changed:
            session.exec(
                update(Notice)
                .where(col(Notice.key).in_(changed))
                .values(**values)
                .execution_options(synchronize_session="fetch")
            )


def want_first_cards(
    session: Session, numbers: Sequence[int], now: datetime, *, channel: str = ""
) -> None:
    """Have the cards of new tickets posted."""
    shared = _blank_card() | {
        "to": channel or CARD_CHANNEL, "due_at": now, "created_at": now, "next_try_at": now,
    }  # fmt: skip
    rows = [shared | {"key": f"card:{number}", "ticket": number} for number in numbers]
    insert_rows(session, SQLModel.metadata.tables["notice"], rows)


@cache
def _blank_card() -> dict[str, Any]:
    """Return the columns of a card's notice; one object for all: they are slow to make."""
    blank = _notice("", "card", to="", due_at=EPOCH, now=EPOCH)
    return blank.model_dump(exclude={"id"})


def recipients_of(ids: Iterable[str]) -> list[Recipient]:
    """Make notices of the people who are told.

    Channel and user groups are one post that mentions the groups; each person gets a direct
    message, each address a mail.
    """
    everybody = list(dict.fromkeys(ids))
    mails = [one.removeprefix(MAILTO) for one in everybody if one.startswith(MAILTO)]
    slack = [one for one in everybody if not one.startswith(MAILTO)]
    people = [one for one in slack if one[:1] in {"U", "W"}]
    groups = [one for one in slack if one[:1] == "S"]
    channels = [one for one in slack if one not in people and one not in groups]
    posts = [",".join([*channels[:1], *groups])] if channels or groups else []
    return [
        *(Recipient("slack", one) for one in [*posts, *channels[1:], *people]),
        *(Recipient("smtp", one) for one in mails),
    ]


def want_steps(
    session: Session,
    ticket: Ticket,
    steps: Sequence[DueStep],
    recipients: Iterable[Recipient],
    *,
    source: int | None,
    now: datetime,
) -> int:
    """Write one notice for each recipient, all of which name every step that is due.

    Args:
        session: a write session.
        ticket: the ticket.
        steps: what is due, in the order in which it fell due; the acknowledgement's last step,
            if there is one, gives the notice its name.
        recipients: who is told.
        source: the message whose T0 the steps count from.
        now: when it was decided.
    """
    number, main = number_of(ticket), main_step(steps)
    written = 0
    for recipient in recipients:
        key = f"step:{number}:{main.track}:{source}:{main.label}:{recipient.to}"
        if session.exec(select(Notice.id).where(Notice.key == key)).first() is not None:
            continue
        notice = _notice(key, "step", to=recipient.to, due_at=main.due_at, now=now, ticket=number)
        notice.step, notice.text = main.label, step_text(number, steps, now)
        notice.medium = recipient.medium
        notice.covers = [one.label for one in steps]
        session.add(notice)
        written += 1
    session.flush()
    return written


def main_step(steps: Sequence[DueStep]) -> DueStep:
    """Return the step that a notice is named after: the newest one that asks for a person."""
    return max(steps, key=lambda one: (one.track == ACKNOWLEDGEMENT, one.due_at, one.after))


def step_text(number: int, steps: Sequence[DueStep], now: datetime) -> str:
    """Say in plain words what is due and how late that is."""
    lines = [f"Ticket {number}: what is owed was not done in time for these steps."]
    for one in steps:
        late = int((now - one.due_at).total_seconds() // 60)
        lines.append(
            f"{one.label}: due {render_instant(one.due_at)}"
            + (f", told {late // 60} h {late % 60} min late" if late > 1 else "")
        )
    return "\n".join(lines)


def want_probe(
    session: Session, *, channel: str, message_id: str, took_seconds: int, now: datetime
) -> None:
    """Tell the channel once that our test message arrived."""
    key = f"probe:{message_id}"
    if session.exec(select(Notice.id).where(Notice.key == key)).first() is not None:
        return
    text = f"The test message {message_id} arrived {took_seconds} s after it was sent."
    notice = _notice(key, "probe", to=channel, due_at=now, now=now)
    notice.text = text
    session.add(notice)
    session.flush()


def want_trouble(session: Session, ticket: Ticket, *, key: str, text: str, now: datetime) -> None:
    """Tell the channel of something about a ticket that is not as it should be, once for each key."""
    key = f"trouble:{key}"
    if session.exec(select(Notice.id).where(Notice.key == key)).first() is not None:
        return
    notice = _notice(key, "trouble", to=CARD_CHANNEL, due_at=now, now=now, ticket=number_of(ticket))
    notice.text = text
    session.add(notice)
    session.flush()


def want_digest(
    session: Session, *, channel: str, due_at: datetime, text: str, now: datetime
) -> None:
    """Post the daily list of dismissed tickets."""
    key = f"digest:{due_at.date().isoformat()}"
    if session.exec(select(Notice.id).where(Notice.key == key)).first() is not None:
        return
    notice = _notice(key, "digest", to=channel, due_at=due_at, now=now)
    notice.text = text
    session.add(notice)
    session.flush()


def _notice(
    key: str, kind: str, *, to: str, due_at: datetime, now: datetime, ticket: int | None = None
) -> Notice:
    return Notice(
        key=key,
        kind=kind,
        ticket=ticket,
        step=kind,
        due_at=due_at,
        to=to,
        created_at=now,
        next_try_at=now,
    )
