"""What people do to tickets."""

import threading

import pytest

from intake.errors import IntakeError
from intake.tables import Event, Notice, SentMessageId
from intake.tickets import actions
from intake.tickets.resolution import NOT_OURS
from tests.unit.tickets.room import HOUR, T0, Room, crtsh

pytestmark = pytest.mark.both_databases

REPORTER = "preliminary_report_to_reporter"
SUBSCRIBER = "preliminary_report_to_subscriber"
MAIL = "<our-report@ca.example>"


@pytest.fixture
def opened(room: Room) -> Room:
    """A desk with one ticket about two certificates."""
    room.receive(identifiers=crtsh(1, 2), message_id="<a@x.example>")
    return room


def test_acknowledging_takes_the_ticket(opened: Room) -> None:
    outcome = opened.do(actions.acknowledge, now=T0 + HOUR)
    ticket = opened.ticket()

    assert outcome.changed
    assert (ticket.state, ticket.acknowledged_by, ticket.assignee) == (
        "acknowledged",
        "U0ALICE",
        "U0ALICE",
    )
    assert opened.owed("acknowledgement")[0].met_at == T0 + HOUR
    assert opened.owed(REPORTER)[0].met_at is None


def test_acknowledging_twice_says_who_did_it_and_is_one_event(opened: Room) -> None:
    opened.do(actions.acknowledge, now=T0 + HOUR)
    again = opened.do(actions.acknowledge, now=T0 + 2 * HOUR)

    assert not again.changed
    assert again.text == ("Ticket 1 was already acknowledged by U0ALICE at 2026-11-24T13:00:00Z.")
    assert len(opened.events("ticket_acknowledged")) == 1
    assert opened.ticket().acknowledged_at == T0 + HOUR


def test_a_late_acknowledgement_counts_and_stays_visible_as_late(opened: Room) -> None:
    outcome = opened.do(actions.acknowledge, now=T0 + 25 * HOUR)
    (owed,) = opened.owed("acknowledgement")

    assert "late" in outcome.text
    assert owed.met_at > owed.due_at


def test_one_acknowledgement_takes_all_replies_and_keeps_the_assignee(opened: Room) -> None:
    opened.do(actions.assign, now=T0, who="<@U0BOB|bob>")
    opened.receive(in_reply_to=("<a@x.example>",), at=T0 + HOUR)
    opened.do(actions.acknowledge, now=T0 + 2 * HOUR)

    assert [one.met_at for one in opened.owed("acknowledgement")] == [T0 + 2 * HOUR] * 2
    assert opened.ticket().assignee == "U0BOB"


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (actions.acknowledge, {}),
        (actions.assign, {"who": "bob"}),
        (actions.classify, {"item": 1, "reason": "misuse"}),
        (actions.record_report, {"to": "reporter", "at": T0, "message_id": MAIL}),
        (actions.dismiss, {"reason": "spam"}),
        (actions.close, {"reason": "done"}),
    ],
)
def test_a_closed_or_unknown_ticket_takes_no_action(opened: Room, action, words) -> None:
    opened.do(actions.close, now=T0 + HOUR, reason="done")
    before = len(opened.all(Event))

    with pytest.raises(IntakeError, match="was closed by U0ALICE at 2026-11-24T13:00:00Z"):
        opened.do(action, now=T0 + 2 * HOUR, **words)
    for number in (77, 0, -1, 2**80):
        with pytest.raises(IntakeError, match="There is no ticket"):
            opened.do(action, number, now=T0, **words)
    assert len(opened.all(Event)) == before


def test_assigning_twice_is_once(opened: Room) -> None:
    assert opened.do(actions.assign, now=T0, who="bob").changed
    assert not opened.do(actions.assign, now=T0, who=" bob ").changed
    with pytest.raises(IntakeError, match="Nobody"):
        opened.do(actions.assign, now=T0, who=" ")


def test_a_note_is_an_event_on_a_closed_ticket_too(opened: Room) -> None:
    opened.do(actions.close, now=T0, reason="done")
    opened.do(actions.note, now=T0, text="called them")

    assert opened.events("note_added")[0].detail == {"text": "called them"}
    assert opened.ticket().state == "closed"
    with pytest.raises(IntakeError):
        opened.do(actions.note, now=T0, text="")


# ---- reports -------------------------------------------------------------------------------------


def report(room: Room, now=T0 + 3 * HOUR, **words) -> actions.Outcome:
    return room.do(
        actions.record_report,
        now=now,
        **({"to": "reporter", "at": T0 + 2 * HOUR, "message_id": MAIL} | words),
    )


def test_a_report_meets_what_is_owed_to_that_party_only(opened: Room) -> None:
    outcome = report(opened)

    assert opened.owed(REPORTER)[0].met_at == T0 + 2 * HOUR
    assert opened.owed(SUBSCRIBER)[0].met_at is None
    assert "Still owed: preliminary report to subscriber" in outcome.text
    assert [one.message_id for one in opened.all(SentMessageId)] == ["our-report@ca.example"]


def test_one_mail_may_be_the_report_to_both(opened: Room) -> None:
    report(opened)
    report(opened, to="subscriber")

    assert opened.owed(SUBSCRIBER)[0].met_message_id == "our-report@ca.example"


def test_the_same_report_twice_is_once(opened: Room) -> None:
    report(opened)

    assert not report(opened).changed
    assert len(opened.events("report_recorded")) == 1


def test_a_report_does_not_answer_what_came_after_it(opened: Room) -> None:
    opened.receive(in_reply_to=("<a@x.example>",), at=T0 + 5 * HOUR, identifiers=crtsh(3))
    report(opened, now=T0 + 6 * HOUR)

    assert [one.met_at is not None for one in opened.owed(REPORTER)] == [True, False]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"at": T0 + 4 * HOUR}, "future"),
        ({"at": T0 - HOUR}, "before the problem report arrived"),
        ({"to": "press"}, "reporter or subscriber"),
        ({"message_id": " "}, "Message-ID"),
    ],
)
def test_an_implausible_report_is_refused(opened: Room, words, problem) -> None:
    with pytest.raises(IntakeError, match=problem):
        report(opened, **words)


def test_a_late_report_is_said_to_be_an_incident(opened: Room) -> None:
    outcome = report(opened, now=T0 + 30 * HOUR, at=T0 + 25 * HOUR)

    assert "incident" in outcome.text


# ---- classifying ---------------------------------------------------------------------------------


def test_classifying_sets_the_due_time_from_t0(opened: Room) -> None:
    outcome = opened.do(
        actions.classify, now=T0 + 20 * HOUR, item=2, reason="not_issued_in_accordance"
    )
    one, two = opened.owed("revocation")

    assert (one.due_at, two.due_at) == (T0 + 24 * HOUR, T0 + 120 * HOUR)
    assert two.basis == "BR 4.9.1.1(12) (2.2.6), not_issued_in_accordance"
    assert outcome.text.endswith("published by 2026-11-29T12:00:00Z.")


def test_all_items_are_classified_at_once_and_once(opened: Room) -> None:
    assert opened.do(actions.classify, now=T0, item="all", reason="Key_Compromise").changed
    assert not opened.do(actions.classify, now=T0, item="all", reason="key_compromise").changed
    assert {one.reason for one in opened.items()} == {"key_compromise"}
    assert len(opened.events("items_classified")) == 1


def test_what_needs_no_revocation_is_waived_until_classified_anew(opened: Room) -> None:
    opened.do(actions.classify, now=T0, item=1, reason="expired")
    waived = opened.owed("revocation")[0].waived_reason
    opened.do(actions.classify, now=T0, item=1, reason="weak_key")

    assert waived == "classified: expired, it had expired before the report"
    assert opened.owed("revocation")[0].waived_at is None


@pytest.mark.parametrize(
    ("item", "reason", "problem"),
    [
        (1, "nonsense", "Known are: subscriber_request"),
        (9, "misuse", "has no item 9"),
        ("x", "misuse", "is no item"),
    ],
)
def test_a_classification_that_can_not_be_is_refused(opened: Room, item, reason, problem) -> None:
    with pytest.raises(IntakeError, match=problem):
        opened.do(actions.classify, now=T0, item=item, reason=reason)


def test_a_person_is_believed_over_a_signature(opened: Room) -> None:
    from intake.tables import Obligation

    with opened.write() as session:
        row = session.get_one(Obligation, opened.owed("revocation")[0].id)
        row.waived_at, row.waived_reason = T0, f"{NOT_OURS}issuer CN=Other"
        session.add(row)
    opened.do(actions.classify, now=T0, item=1, reason="misuse")

    assert opened.owed("revocation")[0].waived_at is None


# ---- closing -------------------------------------------------------------------------------------


def test_closing_names_what_is_given_up(opened: Room) -> None:
    outcome = opened.do(actions.close, now=T0 + HOUR, reason="revoked", disposition="duplicate")
    ticket = opened.ticket()

    assert (ticket.state, ticket.disposition, ticket.closed_by) == (
        "closed",
        "duplicate",
        "U0ALICE",
    )
    assert ticket.next_action_at is None
    assert outcome.given_up == (
        "acknowledgement due 2026-11-25T12:00:00Z",
        "preliminary report to reporter due 2026-11-25T12:00:00Z",
        "preliminary report to subscriber due 2026-11-25T12:00:00Z",
        "2 revocations, the first due 2026-11-25T12:00:00Z",
    )
    assert "ATTENTION" in outcome.text


def test_dismissing_needs_a_reason_and_is_reversible(opened: Room) -> None:
    with pytest.raises(IntakeError):
        opened.do(actions.dismiss, now=T0, reason="  ")
    opened.do(actions.dismiss, now=T0 + HOUR, reason="spam")
    disposition = opened.ticket().disposition
    opened.do(actions.reopen, now=T0 + 2 * HOUR, reason="no spam")
    ticket = opened.ticket()

    assert disposition == "not_a_problem_report"
    assert (ticket.state, ticket.closed_reason) == ("open", None)
    assert opened.owed("acknowledgement")[0].waived_at is None
    assert all(one.waived_at is None for one in opened.owed("revocation"))


def test_reopening_what_was_acknowledged_keeps_it_acknowledged(opened: Room) -> None:
    opened.do(actions.acknowledge, now=T0)
    opened.do(actions.close, now=T0, reason="done")

    assert opened.ticket().acknowledged_by == "U0ALICE"
    opened.do(actions.reopen, now=T0, reason="more")
    assert opened.ticket().state == "acknowledged"
    assert not opened.do(actions.reopen, now=T0, reason="more").changed


def test_closing_waives_nothing_a_second_time(opened: Room) -> None:
    opened.do(actions.classify, now=T0, item="all", reason="expired")
    opened.do(actions.close, now=T0, reason="done")
    opened.do(actions.reopen, now=T0, reason="more")

    assert all(one.waived_reason.startswith("classified") for one in opened.owed("revocation"))


def test_an_unknown_way_to_close_is_refused(opened: Room) -> None:
    with pytest.raises(IntakeError, match="handled or duplicate"):
        opened.do(actions.close, now=T0, reason="x", disposition="not_a_problem_report")


def test_closing_and_acknowledging_at_once_ends_closed_with_an_event_each_at_most(
    opened: Room,
) -> None:
    refusals: list[str] = []

    def run(action, **words) -> None:
        try:
            opened.do(action, now=T0 + HOUR, **words)
        except IntakeError as error:
            refusals.append(str(error))

    threads = [
        threading.Thread(target=run, args=(actions.acknowledge,)),
        threading.Thread(target=run, args=(actions.close,), kwargs={"reason": "done"}),
        threading.Thread(target=run, args=(actions.acknowledge,)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert opened.ticket().state == "closed"
    assert len(opened.events("ticket_closed")) == 1
    assert len(opened.events("ticket_acknowledged")) <= 1


def test_each_action_has_the_card_shown_anew_and_the_ticket_looked_at(opened: Room) -> None:
    opened.do(actions.acknowledge, now=T0 + HOUR)
    (card,) = opened.all(Notice, Notice.kind == "card")

    assert (card.wanted_version, card.state) == (2, "waiting")
    assert opened.ticket().next_action_at == T0 + HOUR
