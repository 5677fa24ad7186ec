"""Steps told from the database, with time moved by hand."""

import random
from datetime import timedelta

import pytest

from intake.tables import Fact, Notice
from intake.tickets import actions
from intake.tickets.escalate import digest_due, due_tickets
from intake.tickets.tell import recipients_of
from tests.unit.tickets.room import CHANNEL, HOUR, MANAGERS, T0, Room, crtsh

pytestmark = pytest.mark.both_databases


def run(room: Room, hours: float, until: float, minutes: int = 15) -> None:
    """Look every quarter of an hour, as the service does every few seconds."""
    now = T0 + hours * HOUR
    while now <= T0 + until * HOUR:
        room.tick(now)
        now += timedelta(minutes=minutes)


def told(room: Room) -> list[tuple[str, str]]:
    return [(one.step, one.to) for one in room.steps()]


def test_the_default_chain_is_told_step_by_step(room: Room) -> None:
    room.receive()
    run(room, 0, 25)

    everybody = [f"{CHANNEL},S0ONCALL", *MANAGERS]
    assert told(room) == [
        ("acknowledgement 1h", CHANNEL),
        ("acknowledgement 4h", CHANNEL),
        ("acknowledgement 12h", CHANNEL),
        ("acknowledgement 18h", f"{CHANNEL},S0ONCALL"),  # the channel: nobody has the ticket
        *(("acknowledgement 22h", one) for one in (CHANNEL, *MANAGERS)),
        *(("acknowledgement 24h", one) for one in everybody),
        *(("acknowledgement 25h", one) for one in everybody),
    ]
    assert [one.due_at - T0 for one in room.steps()][:3] == [HOUR, 4 * HOUR, 12 * HOUR]


def test_a_message_seen_20_hours_late_has_4_hours_left_and_one_notice(room: Room) -> None:
    now = T0 + 20 * HOUR
    room.receive(now=now)
    room.tick(now)
    (notice,) = room.steps()

    assert room.owed("acknowledgement")[0].due_at - now == 4 * HOUR
    assert (notice.step, notice.to) == ("acknowledgement 18h", f"{CHANNEL},S0ONCALL")
    assert [one for one in notice.covers if "acknowledgement" in one] == [
        "acknowledgement 1h",
        "acknowledgement 4h",
        "acknowledgement 12h",
        "acknowledgement 18h",
    ]
    assert notice.due_at == T0 + 18 * HOUR
    assert "told 2 h 0 min late" in notice.text
    assert room.ticket().next_action_at == T0 + 22 * HOUR


def test_a_pause_of_30_hours_is_told_once_to_each_and_then_goes_on_hourly(room: Room) -> None:
    room.receive()
    now = T0 + 30 * HOUR + timedelta(minutes=30)
    room.tick(now)

    assert told(room) == [
        ("acknowledgement 24h", one) for one in (f"{CHANNEL},S0ONCALL", *MANAGERS)
    ]
    assert room.steps()[0].covers[-1] == "preliminary report 24h"
    assert len(room.steps()[0].covers) == 10
    assert room.tick(now + timedelta(minutes=1)) == 0
    assert room.ticket().next_action_at == T0 + 31 * HOUR


def test_a_restart_at_any_moment_loses_and_repeats_nothing(room: Room) -> None:
    """The same chain comes out, wherever between two looks the process ended."""
    room.receive()
    chance = random.Random(7)  # noqa: S311
    for minute in sorted(chance.sample(range(26 * 60), 200)):
        room.tick(T0 + timedelta(minutes=minute))
    steps = [one.step for one in room.steps() if one.to.startswith(CHANNEL)]

    assert steps == [f"acknowledgement {n}h" for n in (1, 4, 12, 18, 22, 24, 25)]


def test_acknowledging_stops_its_steps_but_not_those_of_the_reports(room: Room) -> None:
    room.receive()
    room.do(actions.acknowledge, now=T0 + 2 * HOUR)
    run(room, 2, 29)

    assert told(room) == [
        ("preliminary report 12h", "U0ALICE"),
        ("preliminary report 18h", "U0ALICE"),
        *(("preliminary report 22h", one) for one in ("U0ALICE", *MANAGERS)),
        *(("preliminary report 24h", one) for one in ("U0ALICE", *MANAGERS)),
        *(("preliminary report 28h", one) for one in ("U0ALICE", *MANAGERS)),
    ]


def test_an_assignee_without_slack_is_told_in_the_channel(room: Room) -> None:
    room.receive()
    room.do(actions.acknowledge, now=T0)
    room.do(actions.assign, now=T0, who="alice")
    run(room, 12, 13)

    assert told(room) == [("preliminary report 12h", CHANNEL)]


def test_reports_to_both_end_the_reminders_one_does_not(room: Room) -> None:
    room.receive()
    room.do(actions.acknowledge, now=T0)
    for to, hours in (("reporter", 13), ("subscriber", 19)):
        run(room, hours - 1, hours)
        at = T0 + hours * HOUR
        room.do(actions.record_report, now=at, to=to, at=at, message_id=f"<{to}@ca.example>")
    run(room, 19, 40)

    assert [one.step for one in room.steps()] == [
        "preliminary report 12h",
        "preliminary report 18h",
    ]
    assert room.ticket().next_action_at is None


def test_a_closed_ticket_tells_nothing(room: Room) -> None:
    room.receive()
    room.do(actions.close, now=T0, reason="done")
    run(room, 0, 30)

    assert room.steps() == []


def test_a_reply_after_the_acknowledgement_has_steps_of_its_own(room: Room) -> None:
    room.receive(message_id="<a@x.example>")
    run(room, 0, 2)
    room.do(actions.acknowledge, now=T0 + 2 * HOUR)
    room.receive(in_reply_to=("<a@x.example>",), at=T0 + 3 * HOUR)
    run(room, 3, 4)

    assert told(room) == [("acknowledgement 1h", CHANNEL)] * 2


def test_an_earlier_copy_makes_the_passed_steps_due(room: Room) -> None:
    room.receive(message_id="<a@x.example>", body="same")
    run(room, 0, 1)
    earlier = T0 - 17 * HOUR
    room.receive(message_id="<a@x.example>", body="same", at=earlier, now=T0 + HOUR)
    room.tick(T0 + HOUR)

    assert room.steps()[-1].step == "acknowledgement 18h"
    assert [one for one in room.steps()[-1].covers if one.startswith("ack")] == [
        "acknowledgement 4h",
        "acknowledgement 12h",
        "acknowledgement 18h",
    ]


def test_a_bounced_report_is_reminded_of_again(room: Room) -> None:
    room.receive()
    room.do(actions.acknowledge, now=T0)
    for to in ("reporter", "subscriber"):
        room.do(actions.record_report, now=T0, to=to, at=T0, message_id="<r@ca.example>")
    room.receive(kind="delivery_status", delivery_status_of=("<r@ca.example>",), at=T0 + 20 * HOUR)
    room.tick(T0 + 20 * HOUR)

    assert [one.step for one in room.steps()] == ["preliminary report 18h"]


def test_only_tickets_that_are_due_are_looked_at(room: Room) -> None:
    room.receive()
    room.receive(at=T0 + HOUR)
    with room.database.read() as session:
        assert due_tickets(session, T0 + HOUR - timedelta(seconds=1)) == []
        assert due_tickets(session, T0 + HOUR) == [1]
        assert due_tickets(session, T0 + 9 * HOUR) == [1, 2]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["C1"], [("slack", "C1")]),
        (["S1"], [("slack", "S1")]),
        (["S1", "C1", "S2"], [("slack", "C1,S1,S2")]),
        (["C1", "C2", "S1"], [("slack", "C1,S1"), ("slack", "C2")]),
        (["U1", "W2", "U1"], [("slack", "U1"), ("slack", "W2")]),
        (["mailto:a@x.example", "U1"], [("slack", "U1"), ("smtp", "a@x.example")]),
        ([], []),
    ],
)
def test_channel_and_groups_are_one_post_people_and_addresses_their_own(ids, expected) -> None:
    assert [(one.medium, one.to) for one in recipients_of(ids)] == expected


def test_a_step_wants_the_card_shown_anew(room: Room) -> None:
    room.receive()
    run(room, 1, 1)

    assert room.all(Notice, Notice.kind == "card")[0].wanted_version == 2


# ---- the daily digest ----------------------------------------------------------------------------


def digest(room: Room, now) -> int:
    with room.write() as session:
        return digest_due(session, room.desk, now)


def test_dismissed_tickets_are_listed_once_at_the_time_of_the_digest(room: Room) -> None:
    digest(room, T0)  # the service starts at noon
    room.receive(subject="<!channel> buy now")
    room.receive(identifiers=crtsh(1))
    room.do(actions.dismiss, now=T0 + HOUR, reason="spam")
    eight = T0 + 20 * HOUR

    assert digest(room, eight - timedelta(seconds=1)) == 0
    assert digest(room, eight) == 1
    assert digest(room, eight + HOUR) == 0
    (notice,) = room.all(Notice, Notice.kind == "digest")
    assert "1: <!channel> buy now - U0ALICE: spam" in notice.text


def test_a_digest_without_dismissals_posts_nothing_and_remembers_the_day(room: Room) -> None:
    assert digest(room, T0) == 0
    assert room.all(Notice) == []
    assert [one.name for one in room.all(Fact) if one.name == "digest_until"] == ["digest_until"]


def test_a_digest_that_was_missed_is_made_up_for(room: Room) -> None:
    digest(room, T0)
    room.receive()
    room.do(actions.dismiss, now=T0 + HOUR, reason="spam")

    assert digest(room, T0 + 100 * HOUR) == 1


def test_what_was_taken_up_again_is_not_listed(room: Room) -> None:
    digest(room, T0)
    room.receive()
    room.do(actions.dismiss, now=T0, reason="spam")
    room.do(actions.reopen, now=T0 + HOUR, reason="no")

    assert digest(room, T0 + 24 * HOUR) == 0
