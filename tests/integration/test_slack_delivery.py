"""The outbox against a Slack and a mail relay over real sockets."""

import email
import email.policy
import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import select

from intake.database import Database
from intake.demo.slack import SlackStandIn
from intake.notices.outbox import Media, backlog, claim, deliver_due, release_notice_leases
from intake.notices.slack import SlackMedium
from intake.tables import Event, Notice, SentMessageId, Ticket
from intake.tickets.actions import acknowledge
from intake.tickets.tell import want_card
from tests.builders import NOW, make_config
from tests.notice_builders import add_card, add_message, add_notice, add_step, add_ticket

pytestmark = pytest.mark.both_databases

HARD_ERRORS = (
    "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired",
    "no_permission", "missing_scope", "channel_not_found", "not_in_channel", "is_archived",
    "restricted_action", "msg_too_long", "invalid_blocks", "fatal_error", "internal_error",
    "team_access_not_granted", "ekm_access_denied", "org_login_required", "some_new_error",
)  # fmt: skip


class MovableTime:
    """A clock that moves only when someone sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def monotonic(self) -> float:
        return self.seconds

    def __call__(self):
        return NOW + timedelta(seconds=self.seconds)


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn(clock=lambda: NOW) as stand_in:
        yield stand_in


@pytest.fixture
def time() -> MovableTime:
    return MovableTime()


@pytest.fixture
def media(tmp_path, slack, smtp_peer, time) -> Media:
    config = make_config(tmp_path, slack_url=slack.base_url, smtp_port=smtp_peer.port)
    opened = Media.open(config)
    return Media(opened.slack, opened.smtp, config, sleep=time.sleep)


def add_report(database: Database, **values) -> int:
    with database.write() as session:
        ticket = add_ticket(session, owed=True, **values)
        add_message(session, ticket, message_id="<report-1@reporter.example>")
        add_card(session, ticket)
        return ticket.id


def notices(database: Database) -> list[Notice]:
    with database.read() as session:
        return list(session.exec(select(Notice).order_by(Notice.id)).all())


def letters(smtp_peer) -> list[email.message.EmailMessage]:
    return [
        email.message_from_bytes(one.raw, policy=email.policy.default) for one in smtp_peer.messages
    ]


def test_a_card_is_posted_once_and_then_updated(database, slack, media, time):
    number = add_report(database)
    assert deliver_due(database, media, clock=time) == 1
    with database.write() as session:
        acknowledge(session, number, "U0ALICE", NOW)
    assert deliver_due(database, media, clock=time) == 1

    (message,) = slack.messages
    (notice,) = notices(database)
    assert message["edits"] == 1
    assert "Acknowledged by <@U0ALICE>" in message["blocks"][0]["text"]["text"]
    assert (notice.state, notice.sent_version) == ("sent", notice.wanted_version)
    assert (notice.slack_channel, notice.slack_ts) == ("C0CPR", message["ts"])
    assert [one.method for one in slack.calls] == ["chat.postMessage", "chat.update"]


def test_nothing_is_unfurled_or_parsed(database, slack, media, time):
    add_report(database)
    deliver_due(database, media, clock=time)
    arguments = slack.calls[0].arguments

    assert (arguments["unfurl_links"], arguments["unfurl_media"]) == (False, False)
    assert (arguments["parse"], arguments["link_names"]) == ("none", False)


def test_a_card_that_changed_while_it_was_being_sent_is_sent_again(database, slack, media, time):
    number = add_report(database)
    claimed = claim(database, NOW)
    with database.write() as session:
        want_card(session, session.get(Ticket, number), NOW)
        notice = session.get(Notice, claimed[0].id)
        notice.leased_until = None
        session.add(notice)
    deliver_due(database, media, clock=time)

    assert notices(database)[0].state == "sent"
    assert notices(database)[0].sent_version == 2


def test_a_deleted_card_is_posted_anew(database, slack, media, time):
    number = add_report(database)
    deliver_due(database, media, clock=time)
    slack.messages.clear()
    with database.write() as session:
        want_card(session, session.get(Ticket, number), NOW)
    deliver_due(database, media, clock=time)

    assert [one["ts"] for one in slack.messages] == [notices(database)[0].slack_ts]


def test_a_post_whose_answer_was_lost_is_found_and_not_doubled(
    database, slack, media, time, smtp_peer
):
    add_report(database)
    slack.fail("chat.postMessage", loses_answer=True)
    deliver_due(database, media, clock=time)
    time.seconds += 3600
    deliver_due(database, media, clock=time)

    assert len(slack.messages) == 1
    assert notices(database)[0].slack_ts == slack.messages[0]["ts"]


def test_a_killed_process_delivers_again_and_only_updates(database, slack, media, time):
    add_report(database)
    notice, _ = claim(database, NOW)
    media.slack.post("C0CPR", [], "the card", key=notice.key)
    with database.write() as session:
        release_notice_leases(session)
    deliver_due(database, media, clock=time)

    assert len(slack.messages) == 1
    assert notices(database)[0].state == "sent"


def test_a_lease_that_ran_out_is_taken_again(database, slack, media, time):
    add_report(database)
    claim(database, NOW)
    assert deliver_due(database, media, clock=time) == 0
    time.seconds = 301
    assert deliver_due(database, media, clock=time) == 1


def test_steps_go_to_the_channel_and_to_each_person(database, slack, media, time):
    number = add_report(database)
    with database.write() as session:
        ticket = session.get(Ticket, number)
        add_step(session, ticket, "acknowledgement 18h", to="channel,S0ONCALL")
        add_step(session, ticket, "acknowledgement 22h", to="U0MIRA")
        add_step(session, ticket, "acknowledgement 22h", to="U0NOAH")
    assert deliver_due(database, media, clock=time) == 4

    card, step = slack.in_channel("C0CPR")
    assert "<!subteam^S0ONCALL>" in step["blocks"][0]["text"]["text"]
    assert "<!subteam^S0ONCALL>" in step["text"]
    assert card["ts"].replace(".", "") in str(step["blocks"])
    assert len(slack.in_channel("U0MIRA")) == len(slack.in_channel("U0NOAH")) == 1


def test_a_group_alone_is_called_in_the_channel(database, slack, media, time):
    number = add_report(database)
    with database.write() as session:
        add_step(session, session.get(Ticket, number), "acknowledgement 18h", to="S0ONCALL")
    deliver_due(database, media, clock=time)

    assert len(slack.in_channel("C0CPR")) == 2


def test_an_address_in_a_step_gets_a_mail(database, slack, media, time, smtp_peer):
    number = add_report(database)
    with database.write() as session:
        add_step(
            session, session.get(Ticket, number), "acknowledgement 22h", to="mailto:boss@ca.example",
            medium="smtp",
        )  # fmt: skip
    deliver_due(database, media, clock=time)
    (letter,) = letters(smtp_peer)

    assert smtp_peer.messages[0].recipients == ("boss@ca.example",)
    assert "because Slack did not take it" not in letter.get_content()
    assert (notices(database)[1].medium, notices(database)[1].state) == ("smtp", "sent")


def test_a_step_that_was_overtaken_calls_nobody(database, slack, media, time):
    number = add_report(database)
    with database.write() as session:
        add_step(session, session.get(Ticket, number), "acknowledgement 18h", to="U0MIRA")
        acknowledge(session, number, "U0ALICE", NOW)
    deliver_due(database, media, clock=time)

    assert slack.in_channel("U0MIRA") == []
    assert notices(database)[1].state == "withdrawn"
    assert notices(database)[1].sent_at is None


def test_steps_go_before_updates_of_cards(database, slack, media, time):
    number = add_report(database)
    deliver_due(database, media, clock=time)
    with database.write() as session:
        ticket = session.get(Ticket, number)
        want_card(session, ticket, NOW)
        add_step(session, ticket, "acknowledgement 1h")
    deliver_due(database, media, clock=time)

    methods = [one.method for one in slack.calls if one.method.startswith("chat")]
    assert methods == ["chat.postMessage", "chat.postMessage", "chat.update"]


@pytest.mark.parametrize("error", HARD_ERRORS)
def test_a_step_goes_by_mail_whatever_slack_answers(database, slack, media, time, smtp_peer, error):
    number = add_report(database)
    deliver_due(database, media, clock=time)
    slack.fail("chat.postMessage", error, times=None)
    with database.write() as session:
        add_step(session, session.get(Ticket, number), "acknowledgement 18h", to="C0CPR,S0ONCALL")
    deliver_due(database, media, clock=time)
    (letter,) = letters(smtp_peer)
    step = notices(database)[1]

    assert letter["Subject"].startswith(f"[CPR-{number}-")
    assert error in letter.get_content()
    assert (step.state, step.medium, step.sent_at) == ("sent", "smtp", NOW)
    assert error in (step.last_error or "")
    with database.read() as session:
        told = session.exec(select(Event).where(Event.action == "notice_handed_over")).one()
    assert told.detail["because"] == error


def outage(slack: SlackStandIn, kind: str) -> None:
    """Break Slack in one of the ways in which it is away."""
    match kind:
        case "503":
            slack.is_down = True
        case "500":
            slack.fail("chat.postMessage", status=500, times=None)
        case "no json":
            slack.fail("chat.postMessage", status=200, error="", retry_after=None, times=None)
            slack.failures[-1].status = 404
        case "refused":
            slack.stop()
        case "long wait":
            slack.fail("chat.postMessage", retry_after=300, times=None)
        case "archived":
            slack.archived.add("C0CPR")
        case "revoked":
            slack.bot_token = "xoxb-another"


@pytest.mark.parametrize(
    "kind", ["503", "500", "no json", "refused", "long wait", "archived", "revoked"]
)
def test_a_new_card_goes_by_mail_once_and_into_slack_when_it_works_again(
    database, slack, media, time, smtp_peer, kind
):
    add_report(database)
    outage(slack, kind)
    assert deliver_due(database, media, clock=time) == 1
    for _ in range(3):
        time.seconds += 3600
        deliver_due(database, media, clock=time)
    first = notices(database)[0]
    if kind == "refused":
        slack.start()
    slack.bot_token = "xoxb-test"
    slack.archived.clear()
    slack.heal()
    time.seconds += 3600
    deliver_due(database, media, clock=time)
    then = notices(database)[0]

    assert len(letters(smtp_peer)) == 1
    assert (first.state, first.medium, first.handed_over_at) == ("waiting", "smtp", NOW)
    assert (then.state, then.medium) == ("sent", "slack")
    assert len(slack.messages) == 1


def test_a_slow_slack_is_given_up_and_not_asked_again_in_this_pass(
    database, slack, tmp_path, smtp_peer, time
):
    config = make_config(tmp_path, slack_url=slack.base_url, smtp_port=smtp_peer.port)
    opened = Media.open(config)
    media = Media(SlackMedium(config.slack, timeout=1), opened.smtp, config, sleep=time.sleep)
    for _ in range(5):
        add_report(database)
    slack.fail("chat.postMessage", delay=3, times=None)
    assert deliver_due(database, media, clock=time) == 5

    assert len(letters(smtp_peer)) == 5
    assert [one.method for one in slack.calls] == ["chat.postMessage"]
    assert "no answer in time" in notices(database)[0].last_error


def test_a_failing_update_is_retried_and_mails_nobody(database, slack, media, time, smtp_peer):
    number = add_report(database)
    deliver_due(database, media, clock=time)
    slack.is_down = True
    with database.write() as session:
        want_card(session, session.get(Ticket, number), NOW)
    deliver_due(database, media, clock=time)
    slack.heal()
    time.seconds += 60
    deliver_due(database, media, clock=time)

    assert smtp_peer.messages == []
    assert slack.messages[0]["edits"] == 1


def test_with_slack_and_mail_away_everything_is_retried_and_nothing_lost(
    database, slack, media, time, smtp_peer
):
    number = add_report(database)
    with database.write() as session:
        add_step(session, session.get(Ticket, number), "acknowledgement 18h")
    slack.is_down, smtp_peer.refuse = True, "451 4.3.0 try again later"
    assert deliver_due(database, media, clock=time) == 0
    with database.read() as session:
        waiting = backlog(session, time())
    slack.heal()
    smtp_peer.refuse = None
    time.seconds += 60
    assert deliver_due(database, media, clock=time) == 2

    assert (waiting.waiting, waiting.oldest_due_at) == (2, NOW)
    assert "answered 451" in (waiting.last_error or "")
    assert len(slack.messages) == 2


def test_a_dead_mail_relay_is_asked_once_in_a_pass(database, slack, media, time, smtp_peer):
    for _ in range(3):
        add_report(database)
    slack.is_down = True
    smtp_peer.stop()
    deliver_due(database, media, clock=time)

    assert all("Connection refused" in one.last_error for one in notices(database))
    smtp_peer.start()


def test_one_manager_who_left_does_not_double_the_message_to_others(
    database, slack, media, time, smtp_peer
):
    number = add_report(database)
    with database.write() as session:
        add_step(session, session.get(Ticket, number), "acknowledgement 22h", to="U0MIRA,U0GONE")
    smtp_peer.refuse = "451 later"
    deliver_due(database, media, clock=time)
    smtp_peer.refuse = None
    time.seconds += 60
    deliver_due(database, media, clock=time)

    assert len(slack.in_channel("U0MIRA")) == 1
    assert len(letters(smtp_peer)) == 1
    assert notices(database)[1].state == "sent"


def test_what_slack_says_to_wait_is_waited_in_this_pass(database, slack, media, time, smtp_peer):
    add_report(database)
    slack.fail("chat.postMessage", retry_after=30, times=2)
    assert deliver_due(database, media, clock=time) == 1

    assert time.slept == [30, 30]
    assert len(slack.messages) == 1
    assert smtp_peer.messages == []


def test_three_hundred_posts_against_one_a_second_all_arrive_in_order(
    database, slack, media, time, smtp_peer
):
    with database.write() as session:
        for number in range(300):
            add_notice(session, f"trouble:{number}", "trouble", text=f"trouble {number:03}")
    slack.limit("chat.postMessage", 1.0, time.monotonic)
    assert deliver_due(database, media, clock=time) == 300

    shown = [one["text"] for one in slack.messages]
    assert shown == [f"trouble {number:03}" for number in range(300)]
    assert 290 <= time.seconds <= 310
    assert smtp_peer.messages == []


def test_a_hostile_subject_is_shown_literally(database, slack, media, time):
    add_report(database, subject="<!channel> <https://x|ok> @here")
    deliver_due(database, media, clock=time)
    (message,) = slack.messages

    assert "&lt;!channel&gt; &lt;https://x|ok&gt;" in str(message["blocks"])
    assert "<!channel>" not in str(message)
    assert "<https://x|ok>" not in str(message)


def test_an_endless_subject_and_thousands_of_links_are_posted(database, slack, media, time):
    number = add_report(database, subject="https://x.example/" * 600)
    with database.write() as session:
        ticket = session.get(Ticket, number)
        for one in range(50):
            add_message(session, ticket, sender="x" * 200 + f"{one}@reporter.example")
    deliver_due(database, media, clock=time)

    assert len(slack.messages) == 1
    assert slack.messages[0]["blocks"]


def test_blocks_that_slack_does_not_take_leave_the_text(database, slack, media, time):
    add_report(database)
    slack.fail("chat.postMessage", "invalid_blocks", times=1)
    deliver_due(database, media, clock=time)
    (message,) = slack.messages

    assert message["blocks"] == []
    assert message["text"].startswith("CPR-1: Acknowledge by")


def test_mails_have_our_message_id_and_stop_automatic_replies(
    database, slack, media, time, smtp_peer
):
    number = add_report(database)
    slack.is_down = True
    deliver_due(database, media, clock=time)
    (letter,) = letters(smtp_peer)
    with database.read() as session:
        sent = session.exec(select(SentMessageId)).one()

    assert letter["Message-ID"] == f"<{sent.message_id}>"
    assert (sent.ticket, sent.purpose) == (number, "notice")
    assert letter["Auto-Submitted"] == "auto-generated"
    assert "intake ticket acknowledge 1" in letter.get_content()


def test_no_secret_reaches_a_log_or_an_error(database, slack, media, time, caplog):
    caplog.set_level(logging.DEBUG)
    add_report(database)
    slack.fail("*", "invalid_auth", times=None)
    deliver_due(database, media, clock=time)
    slack.stop()
    time.seconds += 3600
    deliver_due(database, media, clock=time)

    assert "xoxb" not in caplog.text + str(notices(database)[0].last_error)


def test_the_log_tells_each_change_of_state_once(database, slack, media, time, caplog):
    caplog.set_level(logging.INFO, "intake.notices")
    for _ in range(3):
        add_report(database)
    slack.is_down = True
    for _ in range(3):
        deliver_due(database, media, clock=time)
        time.seconds += 3600
    slack.heal()
    deliver_due(database, media, clock=time)
    lines = [one.getMessage() for one in caplog.records if one.name.startswith("intake.notices")]
    changes = [line for line in lines if line != "notice taken"]  # that is said of each notice

    assert changes == ["slack does not take notices: HTTP 503", "slack takes notices again"]


def test_without_a_mail_relay_slack_alone_is_retried(database, slack, media, time):
    add_report(database)
    slack.is_down = True
    alone = Media(media.slack, None, media.config, sleep=time.sleep)
    assert deliver_due(database, alone, clock=time) == 0

    assert "there is no [smtp]" in notices(database)[0].last_error
