"""What each message becomes."""

from datetime import timedelta

import pytest

from intake.evidence.values import FoundKey, UnreadablePart
from intake.tables import Event, Message, MessageIdEntry, Notice, Probe, SentMessageId, Ticket
from intake.tickets import actions
from tests.unit.tickets.room import HOUR, T0, Room, add, crtsh, token

pytestmark = pytest.mark.both_databases

OURS = "<report-7@ca.example>"


def send(room: Room, purpose: str, ticket: int | None = 1) -> None:
    with room.write() as session:
        add(
            session,
            SentMessageId(message_id=OURS.strip("<>"), ticket=ticket, purpose=purpose, sent_at=T0),
        )


# ---- tickets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "label"),
    [
        ({"kind": "unparsed"}, "unparsed"),
        ({"senders": ()}, "sender_unknown"),
        ({"subject": "", "text": ""}, None),
        ({"kind": "auto_reply"}, "automatic"),
        ({"kind": "delivery_status"}, "automatic"),
        ({"unreadable_parts": (UnreadablePart("1.2", "encrypted"),)}, "unreadable_parts"),
        ({"limits_hit": ("parts",)}, "limits_hit"),
        ({"unclassified_hex": ("ab" * 9,)}, "unclassified_hex"),
        ({"private_keys": (FoundKey("pkcs8", False, None, "1"),)}, "private_key"),
    ],
)
def test_whatever_is_no_recorded_decision_opens_a_ticket(room, shown, label) -> None:
    decision = room.receive(**shown)

    assert (decision.kind, decision.ticket) == ("ticket", 1)
    assert room.ticket().labels == ([label] if label else [])


@pytest.mark.parametrize(
    ("shown", "priority"),
    [
        ({}, "normal"),
        ({"kind": "auto_reply"}, "low"),
        ({"kind": "auto_reply", "identifiers": crtsh(1)}, "normal"),
        ({"private_keys": (FoundKey("pkcs8", True, None, "1"),)}, "critical"),
    ],
)
def test_priority_follows_from_what_the_message_shows(room, shown, priority) -> None:
    room.receive(**shown)

    assert room.ticket().priority == priority


def test_a_ticket_is_complete_in_the_transaction_that_opens_it(room: Room) -> None:
    room.receive(identifiers=crtsh(19429431), now=T0 + timedelta(minutes=1))
    ticket = room.ticket()

    assert (ticket.state, ticket.received_at, ticket.opened_at) == (
        "open",
        T0,
        T0 + timedelta(minutes=1),
    )
    assert ticket.next_action_at == T0 + HOUR
    assert [one.due_at - T0 for one in room.owed("acknowledgement")] == [24 * HOUR]
    assert [one.key for one in room.all(Notice)] == ["card:1"]
    assert [one.state for one in room.items()] == ["unresolved"]
    assert [one.action for one in room.all(Event)] == ["ticket_opened"]


def test_deciding_twice_does_nothing_the_second_time(room: Room) -> None:
    row, ids = room.archive()
    evidence = room.shown(row, ids, identifiers=crtsh(1))
    first = room.decide(row, evidence, now=T0)
    again = room.decide(row, evidence, now=T0 + HOUR)

    assert (first.ticket, again.ticket) == (1, 1)
    assert len(room.all(Ticket)) == len(room.items()) == len(room.all(Event)) == 1


def test_three_messages_without_an_id_are_three_tickets(room: Room) -> None:
    for _ in range(3):
        room.receive(message_id=None, body="the same")

    assert len(room.all(Ticket)) == 3


def test_what_a_message_shows_stands_in_its_row(room: Room) -> None:
    room.receive(
        subject="nul \0 and \ud800",
        limits_hit=("parts",),
        unreadable_parts=(UnreadablePart("1.2", "encrypted"),),
        mentioned_message_ids=("<inner@x.example>", "<>"),
    )
    (message,) = room.all(Message)

    assert (message.sender, message.subject) == ("rita@reporter.example", "nul  and ?")
    assert message.reading_problems == ["parts", "1.2: encrypted"]
    assert [
        (one.source, one.normalised) for one in room.all(MessageIdEntry) if one.source != "header"
    ] == [("mentioned", "inner@x.example")]


def test_junk_is_a_label_only_where_every_place_is_junk(room: Room) -> None:
    room.receive(in_junk=True)

    assert room.ticket().labels == ["in_junk"]


# ---- before the watch ----------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "kind"), [(-1, "before_watch"), (0, "ticket"), (1, "ticket")])
def test_mail_from_before_the_watch_opens_nothing(room: Room, hours: int, kind: str) -> None:
    room.watch(T0)

    assert room.receive(at=T0 + hours * HOUR).kind == kind
    assert len(room.all(Notice)) == (kind == "ticket")


def test_the_mailbox_watched_earliest_counts(room: Room) -> None:
    room.watch(T0, "cps")
    room.watch(T0 - 2 * HOUR, "abuse")
    row, ids = room.archive(at=T0 - HOUR, mailbox="abuse")

    assert room.decide(row, room.shown(row, ids), now=T0).kind == "ticket"


def test_an_import_is_searchable_only_unless_tickets_are_asked_for(room: Room) -> None:
    for wanted, kind in ((False, "before_watch"), (True, "ticket")):
        row, ids = room.archive(mailbox=None, source="import")
        decision = room.decide(row, room.shown(row, ids), now=T0, open_tickets=wanted)
        assert decision.kind == kind


def test_what_was_imported_and_then_arrives_is_decided_again(room: Room) -> None:
    room.watch(T0)
    row, ids = room.archive(at=T0 + HOUR, mailbox=None, source="import")
    evidence = room.shown(row, ids)
    room.decide(row, evidence, now=T0)
    from intake.tables import Sighting

    with room.write() as session:
        add(
            session,
            Sighting(
                message=row, mailbox="cps", folder="INBOX", uidvalidity=1, uid=99, first_seen_at=T0
            ),
        )

    assert room.decide(row, evidence, now=T0 + 2 * HOUR).kind == "ticket"


def test_a_reply_to_what_was_before_the_watch_is_a_new_ticket(room: Room) -> None:
    room.watch(T0)
    room.receive(message_id="<old@x.example>", at=T0 - HOUR)

    assert room.receive(kind="reply", in_reply_to=("<old@x.example>",)).kind == "ticket"


# ---- copies --------------------------------------------------------------------------------------


def test_a_copy_joins_the_ticket_of_the_first(room: Room) -> None:
    room.receive(message_id="<a@x.example>", body="same", identifiers=crtsh(1))
    decision = room.receive(message_id="<a@x.example>", body="same", identifiers=crtsh(1))

    assert (decision.kind, decision.ticket) == ("copy", 1)
    assert len(room.items()) == 1
    assert len(room.owed("acknowledgement")) == 1
    assert len(room.events("copy_joined")) == 1


def test_an_earlier_copy_moves_every_clock_with_it(room: Room) -> None:
    room.receive(message_id="<a@x.example>", body="same", identifiers=crtsh(1, 2))
    room.do(actions.classify, now=T0, item=1, reason="misuse")
    earlier = T0 - 2 * HOUR
    room.receive(message_id="<a@x.example>", body="same", at=earlier, now=T0 + HOUR)

    assert room.ticket().received_at == earlier
    assert {one.received_at for one in room.items()} == {earlier}
    assert [one.due_at - earlier for one in room.owed("acknowledgement")] == [24 * HOUR]
    assert [one.due_at - earlier for one in room.owed("revocation")] == [120 * HOUR, 24 * HOUR]
    assert room.ticket().next_action_at == earlier + HOUR
    assert len(room.events("received_at_moved")) == 1


def test_a_later_copy_moves_nothing(room: Room) -> None:
    room.receive(message_id="<a@x.example>", body="same")
    room.receive(message_id="<a@x.example>", body="same", at=T0 + HOUR)

    assert room.ticket().received_at == T0
    assert room.events("received_at_moved") == []


def test_a_copy_of_a_reply_moves_only_the_clocks_of_the_reply(room: Room) -> None:
    room.receive(message_id="<a@x.example>")
    room.receive(
        message_id="<b@x.example>", body="r", at=T0 + 5 * HOUR, in_reply_to=("<a@x.example>",)
    )
    room.receive(message_id="<b@x.example>", body="r", at=T0 + 4 * HOUR, now=T0 + 6 * HOUR)

    assert room.ticket().received_at == T0
    assert [one.received_at - T0 for one in room.owed("acknowledgement")] == [0 * HOUR, 4 * HOUR]


def test_a_better_source_of_t0_moves_the_clocks_when_the_message_is_looked_at_again(
    room: Room,
) -> None:
    row, ids = room.archive()
    evidence = room.shown(row, ids, identifiers=crtsh(1))
    room.decide(row, evidence, now=T0)
    with room.write() as session:
        message = session.get_one(Message, row)
        message.received_at = T0 - 5 * HOUR
        session.add(message)
    room.decide(row, evidence, now=T0 + HOUR)

    assert room.ticket().received_at == T0 - 5 * HOUR
    assert room.owed("revocation")[0].due_at == T0 + 19 * HOUR
    assert room.ticket().next_action_at == T0 - 4 * HOUR


def test_a_message_id_used_again_hides_nothing(room: Room) -> None:
    room.receive(message_id="<a@x.example>", body="one")
    decision = room.receive(message_id="<a@x.example>", body="two")

    assert (decision.kind, decision.ticket) == ("ticket", 2)
    assert [one.labels for one in room.all(Ticket)] == [["reused_message_id"]] * 2
    assert [one.ticket for one in room.events("message_id_reused")] == [1]


# ---- replies -------------------------------------------------------------------------------------


def first(room: Room) -> str:
    room.receive(message_id="<a@x.example>", identifiers=crtsh(1))
    return f"[CPR-1-{room.ticket().token}]"


@pytest.mark.parametrize(
    "shown",
    [
        {"in_reply_to": ("<a@x.example>",)},
        {"references": ("<nobody@x.example>", "<a@x.example>", "<else@x.example>")},
        {"in_reply_to": ("<nobody@x.example>",), "references": ("<a@x.example>",)},
    ],
)
def test_a_reply_joins_by_the_ids_that_it_answers(room: Room, shown) -> None:
    first(room)
    decision = room.receive(kind="reply", at=T0 + 3 * HOUR, **shown)

    assert (decision.kind, decision.ticket) == ("follow_up", 1)
    assert [one.received_at - T0 for one in room.owed("acknowledgement")] == [0 * HOUR, 3 * HOUR]
    assert len(room.owed("preliminary_report_to_reporter")) == 1


def test_in_reply_to_goes_before_references_and_the_last_reference_before_the_first(
    room: Room,
) -> None:
    for name in ("a", "b", "c"):
        room.receive(message_id=f"<{name}@x.example>")
    by_reference = room.receive(references=("<a@x.example>", "<b@x.example>"))
    by_reply = room.receive(in_reply_to=("<c@x.example>",), references=("<a@x.example>",))

    assert (by_reference.ticket, by_reply.ticket) == (2, 3)


def test_a_reply_to_a_reply_and_to_our_own_mail_joins_too(room: Room) -> None:
    first(room)
    send(room, "notice")
    room.receive(message_id="<b@x.example>", in_reply_to=("<a@x.example>",))

    assert room.receive(in_reply_to=("<b@x.example>",)).ticket == 1
    assert room.receive(in_reply_to=(OURS,)).ticket == 1


def test_a_ticket_token_joins_and_a_guessed_one_does_not(room: Room) -> None:
    first(room)
    right = room.receive(ticket_tokens=((1, room.ticket().token.upper()),))
    guessed = room.receive(ticket_tokens=((1, "00000000"), (2**70, "00000000"), (-1, "x")))

    assert (right.kind, right.ticket) == ("follow_up", 1)
    assert guessed.kind == "ticket"


def test_only_so_many_references_are_looked_up(room: Room) -> None:
    first(room)
    many = tuple(f"<{n}@x.example>" for n in range(100))

    assert room.receive(references=("<a@x.example>", *many)).kind == "ticket"
    assert room.receive(references=(*many, "<a@x.example>")).kind == "follow_up"


def test_a_reply_reopens_what_is_closed(room: Room) -> None:
    first(room)
    room.do(actions.acknowledge, now=T0 + HOUR)
    room.do(actions.close, now=T0 + 2 * HOUR, reason="revoked")
    room.receive(kind="reply", at=T0 + 30 * HOUR, in_reply_to=("<a@x.example>",))
    ticket = room.ticket()

    assert (ticket.state, ticket.disposition, ticket.closed_at) == ("open", None, None)
    assert all(one.waived_at is None for one in room.owed("preliminary_report_to_reporter"))
    assert ticket.acknowledged_by == "U0ALICE"
    (event,) = room.events("ticket_reopened")
    assert event.detail["disposition"] == "handled"


def test_a_reply_to_a_dismissed_ticket_counts_from_its_own_t0(room: Room) -> None:
    first(room)
    room.do(actions.dismiss, now=T0 + HOUR, reason="spam")
    reply = T0 + 72 * HOUR
    room.receive(kind="reply", at=reply, in_reply_to=("<a@x.example>",))
    due = [one.due_at for one in room.owed("acknowledgement") if one.waived_at is None]

    assert due == [reply + 24 * HOUR]


def test_new_certificates_in_a_reply_have_their_own_clocks(room: Room) -> None:
    first(room)
    reply = T0 + 5 * HOUR
    room.receive(kind="reply", at=reply, in_reply_to=("<a@x.example>",), identifiers=crtsh(1, 2))

    assert [one.received_at for one in room.items()] == [T0, reply]
    assert [one.due_at for one in room.owed("revocation")] == [T0 + 24 * HOUR, reply + 24 * HOUR]
    assert [one.due_at for one in room.owed("preliminary_report_to_subscriber")] == [
        T0 + 24 * HOUR,
        reply + 24 * HOUR,
    ]


def test_a_private_key_in_a_reply_raises_the_priority_and_starts_reports(room: Room) -> None:
    first(room)
    key = FoundKey("pkcs8", False, "ab" * 32, "1.2")
    room.receive(in_reply_to=("<a@x.example>",), private_keys=(key,))

    assert room.ticket().priority == "critical"
    assert room.ticket().labels == ["private_key"]
    assert len(room.owed("preliminary_report_to_reporter")) == 2


def test_an_automatic_reply_reopens_and_starts_nothing(room: Room) -> None:
    first(room)
    room.do(actions.dismiss, now=T0, reason="spam")
    decision = room.receive(
        kind="auto_reply", in_reply_to=("<a@x.example>",), identifiers=crtsh(1), at=T0 + HOUR
    )

    assert (decision.kind, decision.ticket) == ("follow_up", 1)
    assert room.ticket().state == "closed"
    assert room.ticket().labels == []
    assert len(room.owed("acknowledgement")) == 1


def test_an_automatic_reply_that_names_another_certificate_is_a_report(room: Room) -> None:
    first(room)
    room.do(actions.dismiss, now=T0, reason="spam")
    room.receive(kind="auto_reply", in_reply_to=("<a@x.example>",), identifiers=crtsh(2))

    assert room.ticket().state == "open"
    assert len(room.items()) == 2


def test_an_automatic_reply_to_nothing_is_a_ticket(room: Room) -> None:
    assert room.receive(kind="auto_reply", in_reply_to=("<gone@x.example>",)).kind == "ticket"


# ---- our own mail --------------------------------------------------------------------------------


def report_sent(room: Room) -> None:
    first(room)
    room.do(actions.acknowledge, now=T0 + HOUR)
    room.do(
        actions.record_report, now=T0 + 3 * HOUR, to="reporter", at=T0 + 2 * HOUR, message_id=OURS
    )


def test_a_bounced_report_is_owed_again(room: Room) -> None:
    report_sent(room)
    decision = room.receive(
        kind="delivery_status", delivery_status_of=(OURS,), senders=(), at=T0 + 4 * HOUR
    )

    assert (decision.kind, decision.ticket) == ("delivery_status", 1)
    assert room.owed("preliminary_report_to_reporter")[0].met_at is None
    assert room.ticket().labels == ["bounced"]
    assert room.ticket().next_action_at == T0 + 12 * HOUR
    assert len(room.events("report_bounced")) == 1


def test_a_bounced_report_reopens_a_closed_ticket(room: Room) -> None:
    report_sent(room)
    room.do(actions.close, now=T0 + 4 * HOUR, reason="done")
    room.receive(kind="delivery_status", delivery_status_of=(OURS,), at=T0 + 5 * HOUR)

    assert room.ticket().state == "acknowledged"


def test_a_forged_bounce_changes_nothing_and_is_a_ticket(room: Room) -> None:
    report_sent(room)
    decision = room.receive(
        kind="delivery_status", delivery_status_of=("<never-sent@ca.example>",), at=T0 + 4 * HOUR
    )

    assert (decision.kind, decision.ticket) == ("ticket", 2)
    assert room.owed("preliminary_report_to_reporter")[0].met_at == T0 + 2 * HOUR


def test_a_bounced_notice_is_noted_on_its_ticket(room: Room) -> None:
    first(room)
    send(room, "notice")
    decision = room.receive(kind="delivery_status", delivery_status_of=(OURS,))

    assert (decision.kind, decision.ticket) == ("delivery_status", 1)
    assert len(room.events("mail_bounced")) == 1


def test_a_bounced_probe_is_an_event_and_no_ticket(room: Room) -> None:
    send(room, "probe", ticket=None)
    decision = room.receive(kind="delivery_status", delivery_status_of=(OURS,))

    assert (decision.kind, decision.ticket) == ("delivery_status", None)
    assert len(room.events("mail_bounced")) == 1


def test_our_own_mail_is_known_by_sender_and_message_id(room: Room) -> None:
    first(room)
    send(room, "notice")
    ours = room.receive(message_id=OURS, senders=("cps@ca.example",))
    forged_sender = room.receive(senders=("cps@ca.example",))
    forged_id = room.receive(message_id=OURS, senders=("mallory@x.example",))

    assert (ours.kind, ours.ticket) == ("own_outgoing", 1)
    assert (forged_sender.kind, forged_id.kind) == ("ticket", "ticket")


PROBE = "<probe-1@ca.example>"


def test_our_probe_is_known_by_its_token_and_told_once(room: Room) -> None:
    with room.write() as session:
        add(session, Probe(address="cps@ca.example", message_id=PROBE, sent_at=T0))
    for _ in range(2):
        decision = room.receive(
            message_id=PROBE, body="probe", probe_token=token("probe", PROBE),
            at=T0 + timedelta(seconds=3), senders=("cpr-intake@ca.example",),
        )  # fmt: skip
        assert decision.kind == "own_probe"

    assert [one.kind for one in room.all(Notice)] == ["probe"]
    assert room.all(Probe)[0].arrived_at == T0 + timedelta(seconds=3)
    assert room.all(Ticket) == []


@pytest.mark.parametrize("forged", ["", "00", token("probe", "<other@ca.example>"), "ÿ"])
def test_a_forged_probe_is_a_ticket(room: Room, forged: str) -> None:
    send(room, "probe", ticket=None)

    decision = room.receive(message_id=OURS, probe_token=forged, senders=("cps@ca.example",))

    assert decision.kind == "ticket"


def test_a_stolen_probe_token_hides_no_other_message(room: Room) -> None:
    stolen = token("probe", "probe-1@ca.example")
    room.receive(message_id=PROBE, body="probe", probe_token=stolen)

    assert room.receive(message_id=PROBE, body="a report", probe_token=stolen).kind == "ticket"
