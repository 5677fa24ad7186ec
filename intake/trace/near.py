"""Messages that may be the one that is meant: by mention, Message-ID, sender, time and words.

Each search is a bounded walk along an index, never a walk over the archive.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from intake.archive.search import messages_with_id, rows_with_text, search_text
from intake.tables import Message, MessageIdEntry
from intake.trace.findings import NearMiss, Question
from intake.trace.verdict import count, render_delay

MOST = 10  # near misses that are told
IDS_LOOKED_AT = 200
MESSAGES_LOOKED_AT = 300
NEAR_TIME = timedelta(hours=1)
NEARBY = timedelta(days=2)  # for the sender's domain, if a time is known
SHORTEST_PREFIX = 6  # of a Message-ID; less would be chance


@dataclass(frozen=True)
class Hint:
    """Why a message may be the one; a lower rank is a stronger reason."""

    rank: int
    message: int
    why: str


def find_near_misses(
    session: Session, question: Question, *, words: str | None, found: Iterable[int] = ()
) -> tuple[NearMiss, ...]:
    """Return up to `MOST` messages, the likeliest first, without those that were found anyway."""
    hints: dict[int, list[Hint]] = {}
    for hint in _all_hints(session, question, words):
        hints.setdefault(hint.message, []).append(hint)
    for message in found:
        hints.pop(message, None)
    likeliest = sorted(hints, key=lambda one: (min(hint.rank for hint in hints[one]), -one))[:MOST]
    rows = session.exec(select(Message).where(col(Message.id).in_(likeliest))).all()
    by_id = {message.id: message for message in rows}
    return tuple(
        _near_miss(by_id[one], hints[one], question.around) for one in likeliest if one in by_id
    )


def _near_miss(message: Message, hints: Sequence[Hint], around: datetime | None) -> NearMiss:
    reasons = list(dict.fromkeys(hint.why for hint in sorted(hints, key=lambda one: one.rank)))
    if around is not None:
        reasons.append(_when(message, around))
    return NearMiss(
        sha256=message.sha256,
        why="; ".join(reason for reason in reasons if reason),
        received_at=message.received_at,
        sender=message.sender,
        subject=message.subject,
        ticket=message.ticket,
    )


def _all_hints(session: Session, question: Question, words: str | None) -> Iterator[Hint]:
    yield from _mentions(session, question)
    yield from _like_ids(session, question)
    yield from _same_sender(session, question)
    yield from _same_domain(session, question)
    yield from _same_time(session, question)
    for text in {words, None if question.message_id else question.query} - {None, ""}:
        for message in search_text(session, text or "", limit=MOST):
            yield Hint(6, message.id or 0, "holds the words asked for")


def _mentions(session: Session, question: Question) -> Iterator[Hint]:
    if question.message_id is None:
        return
    for message in messages_with_id(session, question.message_id, source="mentioned"):
        yield Hint(0, message.id or 0, "mentions this Message-ID (answers, forwards or quotes it)")


def _like_ids(session: Session, question: Question) -> Iterator[Hint]:
    """Compare with Message-IDs that begin the same, and with those of the time and the sender."""
    if question.message_id is None:
        return
    wanted = question.message_id.casefold()
    local = wanted.partition("@")[0]
    begin = local[: max(SHORTEST_PREFIX, len(local) // 3)]
    entries: list[MessageIdEntry] = []
    if len(begin) >= SHORTEST_PREFIX:
        entries += _ids_between(session, f"{local}@", f"{local}A")  # 'A' follows '@'
        entries += _ids_between(session, begin, begin + "\U0010ffff")
    nearby = [one.id for one in _of_sender(session, question) + _around(session, question, NEARBY)]
    if nearby:
        entries += session.exec(
            select(MessageIdEntry).where(
                MessageIdEntry.source == "header", col(MessageIdEntry.message).in_(nearby)
            )
        ).all()
    for entry in entries:
        why = _likeness(wanted, entry.folded)
        if why is not None:
            yield Hint(1, entry.message, f"its Message-ID is <{entry.normalised}>: {why}")


def _ids_between(session: Session, begin: str, end: str) -> list[MessageIdEntry]:
    statement = (
        select(MessageIdEntry)
        .where(
            col(MessageIdEntry.folded) >= begin,
            col(MessageIdEntry.folded) < end,
            MessageIdEntry.source == "header",
        )
        .order_by(col(MessageIdEntry.folded))
        .limit(IDS_LOOKED_AT)
    )
    return list(session.exec(statement).all())


def _likeness(wanted: str, other: str) -> str | None:
    """Say how alike two Message-IDs are, or None if they are not."""
    limit = max(2, min(len(wanted) // 8, 6))
    distance = edit_distance(wanted, other, limit)
    if distance == 0:
        return "the same"
    if distance <= limit:
        return f"{count(distance, 'character')} differ" + ("s" if distance == 1 else "")
    if wanted.partition("@")[0] == other.partition("@")[0]:
        return "the same part before the @"
    if other.startswith(wanted) or wanted.startswith(other):
        return "one is the beginning of the other"
    return None


def _same_sender(session: Session, question: Question) -> Iterator[Hint]:
    for message in _of_sender(session, question)[:MOST]:
        yield Hint(2, message.id or 0, f"from {question.sender}")


def _of_sender(session: Session, question: Question) -> list[Message]:
    if not question.sender:
        return []
    statement = select(Message).where(Message.sender == question.sender.casefold())
    newest = statement.order_by(col(Message.received_at).desc()).limit(MOST)
    if question.around is None:
        return list(session.exec(newest).all())
    after = statement.where(col(Message.received_at) >= question.around)
    before = statement.where(col(Message.received_at) < question.around)
    rows = session.exec(after.order_by(col(Message.received_at)).limit(MOST)).all()
    rows = [
        *rows,
        *session.exec(before.order_by(col(Message.received_at).desc()).limit(MOST)).all(),
    ]
    return _nearest_first(rows, question.around)


def _same_domain(session: Session, question: Question) -> Iterator[Hint]:
    domains = {
        text.rpartition("@")[2].casefold()
        for text in (question.sender or "", question.message_id or "")
        if "@" in text
    } - {""}
    for domain in sorted(domains):
        same = [
            row
            for row, sender in _rows_and_senders(session, question, domain)
            if _is_of_domain(sender, domain) and sender != question.sender
        ]
        for row in same[:MOST]:
            yield Hint(3, row, f"from an address at {domain}")


def _rows_and_senders(
    session: Session, question: Question, domain: str
) -> list[tuple[int, str | None]]:
    """Return messages that may come from a domain: those of the time asked about, else by words."""
    if question.around is not None:
        near = _around(session, question, NEARBY)
        return [(message.id or 0, message.sender) for message in near]
    rows = rows_with_text(session, domain, limit=MESSAGES_LOOKED_AT)
    found = select(Message.id, Message.sender).where(col(Message.id).in_(rows))
    return [
        (row or 0, sender) for row, sender in session.exec(found.order_by(col(Message.id).desc()))
    ]


def _is_of_domain(sender: str | None, domain: str) -> bool:
    host = (sender or "").rpartition("@")[2]
    return (
        host == domain
        or host.endswith(f".{domain}")
        or domain.endswith(f".{host}" if host else "\n")
    )


def _same_time(session: Session, question: Question) -> Iterator[Hint]:
    for message in _around(session, question, NEAR_TIME)[:MOST]:
        yield Hint(4, message.id or 0, "")  # its time is told of every near miss


def _around(session: Session, question: Question, reach: timedelta) -> list[Message]:
    """Return messages received near the time asked about, the nearest first."""
    if question.around is None:
        return []
    received = col(Message.received_at)
    after = select(Message).where(received >= question.around, received <= question.around + reach)
    before = select(Message).where(received < question.around, received >= question.around - reach)
    rows = list(session.exec(after.order_by(received).limit(MESSAGES_LOOKED_AT)).all())
    rows += session.exec(before.order_by(received.desc()).limit(MESSAGES_LOOKED_AT)).all()
    return _nearest_first(rows, question.around)


def _nearest_first(messages: Iterable[Message], around: datetime) -> list[Message]:
    return sorted(messages, key=lambda message: abs(message.received_at - around))


def _when(message: Message, around: datetime) -> str:
    """Say how far a message is from the time asked about."""
    apart = message.received_at - around
    if abs(apart) < timedelta(minutes=1):
        return "received within a minute of the time asked about"
    side = "after" if apart > timedelta(0) else "before"
    return f"received {render_delay(abs(apart))} {side} the time asked about"


def edit_distance(one: str, other: str, limit: int) -> int:
    """Return how many characters must change to make one text the other; over `limit`: limit + 1.

    Work is bounded by the limit: only a band round the diagonal is looked at.
    """
    over = limit + 1
    if abs(len(one) - len(other)) > limit:
        return over
    one, other = _apart(*_apart(one, other))  # twice turned round: what both end with goes too
    row = [column if column <= limit else over for column in range(len(other) + 1)]
    for line, char in enumerate(one, start=1):
        begin, end = max(1, line - limit), min(len(other), line + limit)
        next_row = [over] * (len(other) + 1)
        next_row[0] = min(line, over)
        for column in range(begin, end + 1):
            change = row[column - 1] + (char != other[column - 1])
            next_row[column] = min(change, row[column] + 1, next_row[column - 1] + 1, over)
        row = next_row
        if min(row) > limit:
            return over
    return row[-1]


def _apart(one: str, other: str) -> tuple[str, str]:
    """Return two texts reversed, without what both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    shared = next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))
    return one[shared:][::-1], other[shared:][::-1]
