"""Messages decided on together become what they would have become one by one, and cost no more."""

import random
from dataclasses import replace
from datetime import timedelta
from functools import cache
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import col, select

from intake.certificates.ownership import IssuingCas
from intake.evidence.values import Evidence, FoundCertificate, FoundKey, Identifier
from intake.tables import (
    Event,
    Item,
    ItemCertificate,
    ItemName,
    Job,
    Message,
    Notice,
    Obligation,
    Ticket,
)
from intake.tickets import actions, correlate, items
from intake.tickets.open import decide_message, decide_messages
from tests.issue import make_certificate
from tests.unit.tickets.room import HOUR, T0, Room, crtsh

pytestmark = pytest.mark.both_databases

STORED = (Ticket, Item, ItemName, ItemCertificate, Obligation, Notice)


@cache
def certificates() -> list[bytes]:
    return [make_certificate(f"leaf{n}.example", serial_number=n + 9) for n in range(3)]


def a_mailbox(room: Room, count: int) -> list[tuple[int, Evidence]]:
    """Archive messages that answer, repeat and contradict each other."""
    chance = random.Random(7)  # noqa: S311 - the same mailbox each time
    read: list[tuple[int, Evidence]] = []
    for n in range(count):
        own = chance.randrange(count)  # some are used again, with the same body or another
        body = f"body {own if chance.random() < 0.6 else n}"
        at = T0 + timedelta(minutes=n)
        row, ids = room.archive(message_id=f"<b{own}@x.example>", at=at, body=body)
        shown: dict[str, Any] = {}
        if chance.random() < 0.5:
            shown["in_reply_to"] = (f"<b{chance.randrange(count)}@x.example>",)
        if chance.random() < 0.3:
            thread = (chance.randrange(2 * count) for _ in range(4))  # half of them nobody has
            shown["references"] = tuple(f"<b{one}@x.example>" for one in thread)
        if chance.random() < 0.3:
            shown["identifiers"] = crtsh(*(chance.randrange(1, 9) for _ in range(3)))
        if chance.random() < 0.2:
            shown["certificates"] = (found(chance.choice(certificates())),)
        if chance.random() < 0.1:
            shown["private_keys"] = (FoundKey("pkcs8", False, f"{n:064x}", "1"),)
        if chance.random() < 0.1:
            shown["kind"] = "auto_reply"
        read.append((row, room.shown(row, ids, **shown)))
    return read


def found(der: bytes) -> FoundCertificate:
    return FoundCertificate(der, sha256(der).hexdigest(), "1.2")


def decide_in_batches(room: Room, read: list[tuple[int, Evidence]], size: int) -> None:
    now = T0 + 3 * HOUR
    for start in range(0, len(read), size):
        with room.write() as session:
            chunk = read[start : start + size]
            query = select(Message).where(col(Message.id).in_([row for row, _ in chunk]))
            messages = {one.id: one for one in session.exec(query)}
            pairs = [(messages[row], evidence) for row, evidence in chunk]
            if size == 1:
                decide_message(session, *pairs[0], desk=room.desk, now=now)
            else:
                decide_messages(session, pairs, desk=room.desk, now=now)


def what_stands(room: Room) -> dict[str, list[Any]]:
    """Return everything that people work with, without the numbers that the database gave."""
    ids = {item.id: (item.ticket, item.number) for item in room.all(Item)}
    stands: dict[str, list[Any]] = {
        table.__name__: sorted(
            repr(sorted(_without_ids(row.model_dump(), ids).items())) for row in room.all(table)
        )
        for table in STORED
    }
    stands["decisions"] = [(one.decision, one.ticket) for one in room.all(Message)]
    stands["jobs"] = sorted(
        (one.kind, one.subject if one.kind != "resolve_item" else "", one.state)
        for one in room.all(Job)
    )
    stands["events"] = sorted((one.action, one.ticket, one.message) for one in room.all(Event))
    return stands


def _without_ids(row: dict[str, Any], items: dict[int | None, Any]) -> dict[str, Any]:
    row.pop("id", None) if "token" not in row else None
    row.pop("wanted_version", None)  # how often a card was wanted before it was sent once
    return row | ({"item": items.get(row["item"])} if "item" in row else {})


@pytest.fixture
def room(room: Room) -> Room:
    """The usual room, whose desk knows no CA."""
    room.desk = replace(room.desk, issuing_cas=IssuingCas())
    return room


def test_a_batch_becomes_what_its_messages_become_one_by_one(room: Room, empty_room: Any) -> None:
    decide_in_batches(room, a_mailbox(room, 60), 1)
    one_by_one = what_stands(room)
    other = empty_room()
    decide_in_batches(other, a_mailbox(other, 60), 20)

    assert what_stands(other) == one_by_one
    kinds = {kind for kind, _ in one_by_one["decisions"]}
    assert {"ticket", "follow_up", "copy"} <= kinds  # there was something to compare


def test_a_reply_in_the_same_batch_joins_its_report(room: Room) -> None:
    report, ids = room.archive(message_id="<a@x.example>", body="one")
    reply, other = room.archive(message_id="<b@x.example>", body="two", at=T0 + HOUR)
    copy, _ = room.archive(message_id="<a@x.example>", body="one", at=T0 + HOUR)
    read = [
        (report, room.shown(report, ids, identifiers=crtsh(5))),
        (reply, room.shown(reply, other, in_reply_to=ids)),
        (copy, room.shown(copy, ids)),
    ]
    decide_in_batches(room, read, 3)

    assert [(one.decision, one.ticket) for one in room.all(Message)] == [
        ("ticket", 1),
        ("follow_up", 1),
        ("copy", 1),
    ]
    assert [one.received_at for one in room.owed("acknowledgement")] == [T0, T0 + HOUR]
    assert room.ticket().next_action_at == T0 + HOUR


def replies_that_show_more_and_more(room: Room) -> list[tuple[int, Evidence]]:
    """Archive a report that names a certificate, and replies that hold it, name it and others."""
    first, second, third = (found(one) for one in certificates())
    named = tuple(
        Identifier("sha256", one.sha256, "1", 0, one.sha256) for one in (first, second, third)
    )
    shows: list[dict[str, Any]] = [
        {"identifiers": named[:1]},
        {"identifiers": (*named[1:2], *crtsh(1, 2))},
        {"certificates": (first, second)},
        {"identifiers": (*named, *crtsh(2, 3))},
        {"certificates": (second, third)},
        {"certificates": (first, third), "identifiers": crtsh(3, 4)},
    ]
    read: list[tuple[int, Evidence]] = []
    for n, shown in enumerate(shows):
        row, ids = room.archive(message_id=f"<r{n}@x.example>", at=T0 + n * HOUR)
        reply = {"in_reply_to": ("<r0@x.example>",)} if n else {}
        read.append((row, room.shown(row, ids, **shown, **reply)))
    return read


@pytest.mark.parametrize("at_once", [correlate.AT_ONCE, 3])
def test_what_a_reply_shows_is_known_to_those_behind_it_in_the_batch(
    room: Room, empty_room: Any, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(items, "AT_ONCE", at_once)
    decide_in_batches(room, replies_that_show_more_and_more(room), 1)
    one_by_one = what_stands(room)
    other = empty_room()
    decide_in_batches(other, replies_that_show_more_and_more(other), 6)

    assert what_stands(other) == one_by_one
    assert [one.number for one in other.all(Item)] == [1, 2, 3, 4, 5, 6, 7]


def test_two_replies_in_a_batch_open_a_closed_ticket_once(room: Room) -> None:
    room.receive(message_id="<a@x.example>")
    room.do(actions.dismiss, now=T0 + HOUR, reason="spam")
    read = []
    for _ in range(2):
        row, ids = room.archive(at=T0 + 2 * HOUR)
        read.append((row, room.shown(row, ids, in_reply_to=("<a@x.example>",))))
    decide_in_batches(room, read, 2)

    assert room.ticket().state == "open"
    assert len(room.events("ticket_reopened")) == 1
    assert len(room.events("follow_up_joined")) == 2


def test_both_replies_of_a_batch_that_name_the_same_bring_one_item(room: Room) -> None:
    room.receive(message_id="<a@x.example>")
    read = []
    for _ in range(2):
        row, ids = room.archive(at=T0 + HOUR)
        shown = room.shown(row, ids, in_reply_to=("<a@x.example>",), identifiers=crtsh(7, 8))
        read.append((row, shown))
    decide_in_batches(room, read, 2)

    assert len(room.items()) == 2
    assert [one.detail["items"] for one in room.events("follow_up_joined")] == [2, 0]


def test_one_message_id_used_thousands_of_times_is_looked_at_so_far(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlate, "MOST_CARRIERS", 5)
    monkeypatch.setattr(correlate, "AT_ONCE", 2)
    for n in range(12):
        room.receive(message_id="<same@x.example>", body=f"body {n}")
    copy = room.receive(message_id="<same@x.example>", body="body 3")

    assert (copy.kind, copy.ticket) == ("copy", 4)
    assert len(room.all(Ticket)) == 12
    assert all("reused_message_id" in one.labels for one in room.all(Ticket)[:5])


def test_behind_an_answered_message_with_a_ticket_nothing_is_looked_up(room: Room) -> None:
    room.receive(message_id="<a@x.example>")
    row, ids = room.archive()
    near = room.shown(row, ids, references=("<far@x.example>", "<a@x.example>"))
    other, ids = room.archive()
    unknown = room.shown(other, ids, references=("<deep@x.example>", "<nobody@x.example>"))
    sought: list[str] = []

    def note(_conn: Any, _cursor: Any, _statement: str, parameters: Any, *_: Any) -> None:
        sought.append(repr(parameters))

    event.listen(room.database.engine, "before_cursor_execute", note)
    decide_in_batches(room, [(row, near), (other, unknown)], 2)
    event.remove(room.database.engine, "before_cursor_execute", note)

    assert [one.decision for one in room.all(Message)] == ["ticket", "follow_up", "ticket"]
    assert not any("far@x.example" in one for one in sought)
    assert any("deep@x.example" in one for one in sought)


def statements(room: Room, read: list[tuple[int, Evidence]]) -> int:
    """Return how many statements the decision on these messages takes."""
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(room.database.engine, "before_cursor_execute", note)
    try:
        decide_in_batches(room, read, len(read))
    finally:
        event.remove(room.database.engine, "before_cursor_execute", note)
    return len(seen)


def batch(room: Room, count: int, **shown: Any) -> list[tuple[int, Evidence]]:
    rows = [room.archive() for _ in range(count)]
    return [(row, room.shown(row, ids, **shown)) for row, ids in rows]


@pytest.mark.parametrize("shown", [{}, {"identifiers": crtsh(1, 2)}], ids=["plain", "named"])
def test_more_messages_in_a_batch_take_no_more_statements(room: Room, shown) -> None:
    statements(room, batch(room, 2, **shown))  # what is done once
    numbers = 1 if room.database.is_sqlite else 40  # PostgreSQL gives each number by itself
    few, many = (
        statements(room, batch(room, 5, **shown)),
        statements(room, batch(room, 45, **shown)),
    )

    assert many - few <= numbers
    assert few < 40


def test_a_reply_costs_the_same_however_many_there_were(room: Room) -> None:
    room.receive(message_id="<a@x.example>")
    answer = {"in_reply_to": ("<a@x.example>",), "identifiers": crtsh(1)}
    statements(room, batch(room, 1, **answer))
    first = statements(room, batch(room, 1, **answer))
    decide_in_batches(room, batch(room, 50, **answer), 50)

    assert statements(room, batch(room, 1, **answer)) == first


def test_what_a_new_ticket_is_planned_for_is_what_its_rows_say(room: Room) -> None:
    room.receive()
    planned = room.ticket().next_action_at
    with room.write() as session:
        from intake.tickets.tracks import plan_next

        ticket = session.get_one(Ticket, 1)
        plan_next(session, ticket, room.desk.chains)
        assert ticket.next_action_at == planned
