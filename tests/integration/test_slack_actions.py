"""Buttons, modals and `/cpr` through the real Slack library over a WebSocket."""

import logging
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import select

from intake.database import Database
from intake.demo.slack import SlackStandIn
from intake.notices.outbox import Media, deliver_due
from intake.notices.socket_mode import Pace, SlackListener
from intake.notices.view import ticket_view
from intake.tables import Event, Obligation, SlackAction, Ticket
from tests.builders import NOW, make_config
from tests.notice_builders import add_card, add_items, add_message, add_step, add_ticket
from tests.servers import wait_until


class Desk:
    """A workspace with a ticket's card in it, and the app listening."""

    def __init__(self, slack: SlackStandIn, database: Database, config) -> None:
        self.slack, self.database, self.config = slack, database, config
        self.asked: list[str] = []
        self.media = Media.open(config)
        self.listener = SlackListener(
            config.slack, database, clock=lambda: NOW, answer=self.answer,
            changed=self.deliver, pace=Pace(0.3),
        )  # fmt: skip
        self.thread = threading.Thread(target=self.listener.run, daemon=True)

    def answer(self, query: str) -> str:
        self.asked.append(query)
        return f"Verdict: RECEIVED\n*{query}* <!channel> `x`"

    def deliver(self) -> None:
        deliver_due(self.database, self.media, clock=lambda: NOW)

    def start(self) -> None:
        self.thread.start()
        wait_until("connected to Slack", lambda: self.listener.is_connected)

    @property
    def card(self):
        return self.slack.messages[0]

    def press(self, action: str, user: str = "U0ALICE", **how) -> None:
        self.slack.press(action, self.card["ts"], user, **how)

    def choose(self, action: str) -> None:
        self.press("more", option=f"{action}:1")
        wait_until("the modal opens", lambda: self.slack.views)

    def ticket(self) -> Ticket:
        with self.database.read() as session:
            return session.get(Ticket, 1)

    def events(self, action: str) -> list[Event]:
        with self.database.read() as session:
            return list(session.exec(select(Event).where(Event.action == action)).all())

    def said_to(self, user: str) -> list[str]:
        return [one["text"] for one in self.slack.ephemerals if one["user"] == user]


@pytest.fixture
def desk(tmp_path, database) -> Iterator[Desk]:
    with database.write() as session:
        ticket = add_ticket(session, owed=True)
        message = add_message(session, ticket, message_id="<report-1@reporter.example>")
        add_items(session, ticket, message, 2)
        add_card(session, ticket)
    with SlackStandIn(clock=lambda: NOW) as slack:
        desk = Desk(slack, database, make_config(tmp_path, slack_url=slack.base_url))
        desk.deliver()
        desk.start()
        try:
            yield desk
        finally:
            desk.listener.stop()
            slack.stop()  # the library's threads then end by themselves within a second


def test_a_press_on_acknowledge_changes_the_ticket_and_then_the_card(desk):
    desk.press("acknowledge")
    wait_until("the card changes", lambda: desk.card["edits"])

    assert (desk.ticket().state, desk.ticket().acknowledged_by) == ("acknowledged", "U0ALICE")
    assert "Acknowledged by <@U0ALICE>" in str(desk.card["blocks"])
    assert "'action_id': 'acknowledge'" not in str(desk.card["blocks"])
    assert desk.said_to("U0ALICE") == []


def test_the_same_envelope_four_times_is_one_action(desk):
    desk.press("acknowledge", times=4)
    wait_until("the card changes", lambda: desk.card["edits"])
    desk.listener.stop()

    assert len(desk.events("ticket_acknowledged")) == 1
    with desk.database.read() as session:
        assert len(session.exec(select(SlackAction)).all()) == 1


def test_acknowledging_twice_says_who_was_first(desk):
    ts = desk.card["ts"]
    blocks = desk.card["blocks"]
    desk.press("acknowledge")
    wait_until("the card changes", lambda: desk.card["edits"])
    desk.slack.messages.append({**desk.card, "ts": ts + "1", "blocks": blocks})
    desk.slack.press("acknowledge", ts + "1", "U0ALICE")
    wait_until("the answer comes", lambda: desk.said_to("U0ALICE"))

    assert "already acknowledged by <@U0ALICE>" in desk.said_to("U0ALICE")[0]
    assert len(desk.events("ticket_acknowledged")) == 1


def test_somebody_else_is_refused_politely_and_on_record(desk):
    desk.press("acknowledge", "U0MALLORY", times=2)
    wait_until("the refusal comes", lambda: desk.said_to("U0MALLORY"))
    desk.listener.stop()
    (refused,) = desk.events("refused")

    assert desk.ticket().state == "open"
    assert (refused.actor, refused.ticket) == ("U0MALLORY", 1)
    assert refused.detail["asked"] == "acknowledge"
    assert len(desk.said_to("U0MALLORY")) == 1
    assert desk.said_to("U0MALLORY")[0].startswith("Sorry,")


def test_a_member_of_a_responding_group_may_act(desk):
    desk.slack.groups["S0RESPONDERS"] = ("cpr-responders", ["U0MIRA"])
    desk.press("acknowledge", "U0MIRA")
    wait_until("the card changes", lambda: desk.card["edits"])

    assert desk.ticket().acknowledged_by == "U0MIRA"


def test_nobody_may_act_because_slack_did_not_answer(desk):
    desk.slack.fail("usergroups.users.list", "fatal_error", times=None)
    desk.press("acknowledge", "U0MIRA")
    wait_until("the answer comes", lambda: desk.said_to("U0MIRA"))

    assert "did not say who belongs to the user group" in desk.said_to("U0MIRA")[0]
    assert desk.ticket().state == "open"


def test_not_a_problem_report_asks_for_a_reason(desk):
    desk.press("dismiss")
    wait_until("the modal opens", lambda: desk.slack.views)
    empty = desk.slack.submit({"reason": "  "})
    desk.slack.submit({"reason": "A newsletter <!here>"}, times=3)
    wait_until("the card changes", lambda: desk.card["edits"])

    assert empty["response_action"] == "errors"
    assert desk.ticket().disposition == "not_a_problem_report"
    assert desk.ticket().closed_reason == "A newsletter <!here>"
    assert "A newsletter &lt;!here&gt;" in str(desk.card["blocks"])
    assert len(desk.events("ticket_closed")) == 1
    assert desk.slack.views == []


def test_dismissing_tells_whoever_did_it_what_is_owed_no_more(desk):
    desk.press("dismiss")
    wait_until("the modal opens", lambda: desk.slack.views)
    desk.slack.submit({"reason": "A newsletter"})
    wait_until("the answer comes", lambda: desk.said_to("U0ALICE"))

    assert "this was still owed and is owed no more" in desk.said_to("U0ALICE")[0]


def test_what_was_closed_can_be_reopened(desk):
    desk.choose("close")
    desk.slack.submit({"disposition": "handled", "reason": "all done"})
    wait_until("the card changes", lambda: desk.card["edits"] == 1)
    desk.choose("reopen")
    desk.slack.submit({"reason": "not all"})
    wait_until("the card changes", lambda: desk.card["edits"] == 2)

    assert desk.ticket().state == "open"
    assert desk.events("ticket_reopened")[0].actor == "U0ALICE"


def test_details_open_in_a_modal(desk):
    desk.press("details")
    wait_until("the modal opens", lambda: desk.slack.views)
    text = str(desk.slack.views[0])

    assert "https://crt.sh/?id=1001" in text
    assert "&lt;report-1@reporter.example&gt;" in text
    assert "intake ticket show 1" in text


def test_a_note_stands_in_the_history(desk):
    desk.choose("note")
    desk.slack.submit({"text": "called the Subscriber"})
    wait_until("the note is there", lambda: desk.events("note_added"))
    with desk.database.read() as session:
        view = ticket_view(session, 1)

    assert "called the Subscriber" in [one.detail.get("text") for one in view.events]


def test_a_ticket_is_assigned(desk):
    desk.choose("assign")
    desk.slack.submit({"who": "U0MIRA"})
    wait_until("the card changes", lambda: desk.card["edits"])

    assert desk.ticket().assignee == "U0MIRA"
    assert "*Assignee* <@U0MIRA>" in str(desk.card["blocks"])


def test_certificates_are_classified(desk):
    desk.choose("classify")
    desk.slack.submit({"item": "2", "reason": "not_issued_in_accordance"})
    wait_until("it is classified", lambda: desk.events("items_classified"))
    with desk.database.read() as session:
        due = session.exec(select(Obligation.due_at).where(Obligation.kind == "revocation")).all()

    assert sorted(due) == [NOW + timedelta(hours=24), NOW + timedelta(days=5)]


def test_a_preliminary_report_is_recorded(desk):
    desk.choose("report")
    at = int(NOW.timestamp())
    desk.slack.submit({"to": "reporter", "at": at, "message_id": "<our-report@ca.example>"})
    wait_until("the card changes", lambda: desk.card["edits"])
    with desk.database.read() as session:
        met = session.exec(
            select(Obligation).where(Obligation.kind == "preliminary_report_to_reporter")
        ).one()

    assert (met.met_at, met.met_message_id) == (NOW, "our-report@ca.example")


def test_what_an_action_refuses_is_said_and_changes_nothing(desk):
    desk.choose("report")
    later = int((NOW + timedelta(days=1)).timestamp())
    desk.slack.submit({"to": "reporter", "at": later, "message_id": "<x@ca.example>"})
    wait_until("the answer comes", lambda: desk.said_to("U0ALICE"))

    assert "in the future" in desk.said_to("U0ALICE")[0]
    assert desk.events("report_recorded") == []


def test_a_command_is_answered_privately_with_the_trace(desk):
    desk.slack.command("<a@b>")
    wait_until("the answer comes", lambda: desk.said_to("U0ALICE"))

    assert desk.asked == ["<a@b>"]
    assert desk.said_to("U0ALICE") == [
        "```\nVerdict: RECEIVED\n*&lt;a@b&gt;* &lt;!channel&gt; ˋxˋ\n```"
    ]
    assert len(desk.slack.messages) == 1


@pytest.mark.parametrize("text", ["1", "#1", "CPR-1"])
def test_a_command_with_a_ticket_number_answers_with_the_ticket(desk, text):
    desk.slack.command(text)
    wait_until("the answer comes", lambda: desk.said_to("U0ALICE"))

    assert desk.said_to("U0ALICE")[0].startswith("*Acknowledge by")


def test_a_command_about_a_ticket_that_is_not_there_says_so(desk):
    desk.slack.command("99")
    wait_until("the answer comes", lambda: desk.said_to("U0ALICE"))

    assert "There is no ticket 99" in desk.said_to("U0ALICE")[0]


def test_an_empty_command_says_how_to_ask(desk):
    desk.slack.command("")
    wait_until("the answer comes", lambda: desk.said_to("U0ALICE"))

    assert desk.said_to("U0ALICE")[0].startswith("Type `/cpr`")


def test_a_stranger_gets_no_trace(desk):
    desk.slack.command("<a@b>", "U0MALLORY")
    wait_until("the refusal comes", lambda: desk.said_to("U0MALLORY"))

    assert desk.asked == []
    assert desk.events("refused")[0].detail["asked"] == "/cpr"


def test_without_a_response_address_the_answer_comes_in_the_channel_or_directly(desk):
    desk.slack.state.responses.clear()
    desk.slack.fail("chat.postEphemeral", "user_not_in_channel")
    for text in ("<a@b>", "<c@d>"):
        desk.slack.command(text)
        desk.slack.state.responses.clear()
    wait_until(
        "both answers come",
        lambda: len(desk.slack.in_channel("U0ALICE")) + len(desk.slack.ephemerals) == 2,
    )


@pytest.mark.parametrize("politely", [True, False])
def test_a_lost_connection_is_opened_again(desk, politely):
    desk.slack.disconnect(politely=politely)
    wait_until(
        "it is connected again",
        lambda: (desk.slack.sockets.served, desk.slack.connections) == (2, 1),
    )
    desk.press("acknowledge")
    wait_until("the card changes", lambda: desk.card["edits"])


def test_a_slack_that_restarts_is_found_again(desk):
    desk.slack.stop()
    desk.slack.start()
    wait_until("it is connected again", lambda: desk.slack.connections)
    desk.press("acknowledge")
    wait_until("the card changes", lambda: desk.card["edits"])


def test_a_listener_that_starts_without_slack_connects_later(tmp_path, database, caplog):
    caplog.set_level(logging.INFO)
    slack = SlackStandIn(clock=lambda: NOW).start()
    slack.stop()
    config = make_config(tmp_path, slack_url=slack.base_url)
    listener = SlackListener(
        config.slack, database, clock=lambda: NOW, answer=str, pace=Pace(0.2, 0.05)
    )
    thread = threading.Thread(target=listener.run, daemon=True)
    thread.start()
    wait_until("it says so", lambda: "not connected to Slack" in caplog.text)
    slack.start()
    wait_until("it connects", lambda: slack.connections)
    wait_until("it says so", lambda: "buttons and /cpr work" in caplog.text)
    listener.stop()
    slack.stop()

    assert caplog.text.count("not connected to Slack") == 1
    assert "xapp" not in caplog.text


def test_every_envelope_is_receipted_even_if_nobody_knows_it(desk):
    receipt = desk.slack.deliver("interactive", {"type": "message_action", "user": {"id": "U1"}})

    assert receipt is None


def test_a_step_in_a_direct_message_has_a_button_that_works(desk):
    with desk.database.write() as session:
        add_step(session, session.get(Ticket, 1), "acknowledgement 22h", to="U0MIRA")
    desk.deliver()
    (step,) = desk.slack.in_channel("U0MIRA")
    desk.slack.press("acknowledge", step["ts"], "U0ALICE")
    wait_until("the card changes", lambda: desk.card["edits"])

    assert desk.ticket().acknowledged_by == "U0ALICE"
