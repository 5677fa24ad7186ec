"""What is owed counts from T0, whatever the poller, the process or the people do."""

from datetime import UTC, datetime, timedelta

from tests.builders import make_message
from tests.world import World, arrived

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STEPS = (1, 3, 8, 6, 4, 2, 1, 3)  # hours from one step to the next: 1, 4, 12, 18, 22, 24, 25, 28


def report(at: datetime, **values: object) -> bytes:
    return make_message(received=(arrived(at),), **values)  # type: ignore[arg-type]


def test_message_first_seen_after_20_hours_has_4_hours_left(world: World) -> None:
    """The clock started when our mail system took the mail; the steps missed come in one notice."""
    t0 = NOON - timedelta(hours=20)
    world.dovecot.append(report(t0), internal_date=t0)

    world.poll()

    ticket = world.ticket()
    due = {one["kind"]: one["due_at"] for one in ticket["obligations"]}
    assert due["acknowledgement"] == "2026-11-24T16:00:00Z"
    assert due["preliminary_report_to_reporter"] == "2026-11-24T16:00:00Z"
    assert due["preliminary_report_to_subscriber"] == "2026-11-24T16:00:00Z"
    steps = [one for one in ticket["notices"] if one["step"] != "card"]
    in_channel = [one for one in steps if "C0CPR" in one["to"]]
    assert len(in_channel) == 1
    text = "".join(world.texts()[1:])
    for step in ("1h", "4h", "12h", "18h"):
        assert step in text or step.replace("h", " h") in text


def test_steps_survive_restarts(world: World) -> None:
    """Restarted before every step, the program tells each of them exactly once."""
    world.dovecot.append(report(NOON), internal_date=NOON)
    world.poll()

    for hours in STEPS:
        world.restart()
        world.advance_and_poll(hours=hours)
        world.restart()
        world.poll()

    covered = [name for one in world.ticket()["notices"] for name in one.get("covers", [])]
    acknowledgement = [name for name in covered if name.startswith("acknowledgement")]
    assert len({name for name in acknowledgement if name.endswith(" 1h")}) == 1
    assert sum(name.endswith(" 1h") for name in acknowledgement) == 1
    assert sum(name.endswith(" 18h") for name in acknowledgement) == 1


def test_stopped_for_30_hours_tells_what_was_missed_at_once(world: World) -> None:
    """After a long stop each recipient gets one notice that names the missed steps and how late."""
    world.dovecot.append(report(NOON), internal_date=NOON)
    world.poll()

    world.advance_and_poll(hours=30)
    world.poll()

    steps = [one for one in world.ticket()["notices"] if one["step"] != "card"]
    acknowledgement = [one for one in steps if one["step"].startswith("acknowledgement")]
    assert len({one["to"] for one in acknowledgement}) == len(acknowledgement)
    assert {"U0MIRA", "U0NOAH"} <= {one["to"] for one in acknowledgement}


def test_acknowledging_stops_the_chain_but_not_the_reports(world: World) -> None:
    """Once acknowledged nobody is called for that; the preliminary report is still asked for."""
    world.dovecot.append(report(NOON), internal_date=NOON)
    world.poll()
    assert world.intake("ticket", "acknowledge", "1") == 0

    for hours in STEPS:
        world.advance_and_poll(hours=hours)

    steps = [one["step"] for one in world.ticket()["notices"] if one["step"] != "card"]
    assert not [step for step in steps if step.startswith("acknowledgement")]
    assert [step for step in steps if step.startswith("preliminary")]


def test_recorded_reports_stop_their_reminders(world: World) -> None:
    """Reports to reporter and Subscriber are recorded apart; only both end the reminders."""
    world.dovecot.append(report(NOON), internal_date=NOON)
    world.poll()
    world.intake("ticket", "acknowledge", "1")
    world.clock.advance(hours=3)
    for whom in ("reporter", "subscriber"):
        status = world.intake(
            "ticket", "report", "1", "--to", whom, "--at", "2026-11-24T14:00:00Z",
            "--message-id", f"<{whom}-1@ca.example>",
        )  # fmt: skip
        assert status == 0

    for hours in STEPS:
        world.advance_and_poll(hours=hours)

    ticket = world.ticket()
    met = {one["kind"]: one["met_at"] for one in ticket["obligations"]}
    assert met["preliminary_report_to_reporter"] == "2026-11-24T14:00:00Z"
    assert met["preliminary_report_to_subscriber"] == "2026-11-24T14:00:00Z"
    assert [one["step"] for one in ticket["notices"]] == ["card"]


def test_reply_reopens_a_closed_ticket_and_an_automatic_one_does_not(world: World) -> None:
    """A person's reply starts a clock of its own; an out-of-office starts nothing."""
    world.dovecot.append(report(NOON), internal_date=NOON)
    world.poll()
    world.intake("ticket", "acknowledge", "1")
    world.intake("ticket", "close", "1", "--reason", "revoked and reported")
    assert world.ticket()["state"] == "closed"
    later = NOON + timedelta(hours=50)
    world.clock.now = later
    away = report(
        later,
        message_id="<away@reporter.example>",
        headers=(
            ("In-Reply-To", "<report-1@reporter.example>"),
            ("Auto-Submitted", "auto-replied"),
        ),
        body="I am on holiday.\r\n",
    )
    world.dovecot.append(away, internal_date=later)
    world.poll()
    assert world.ticket()["state"] == "closed"

    reply = report(
        later,
        message_id="<reply@reporter.example>",
        headers=(("References", "<report-1@reporter.example>"),),
        body="It is not revoked at all.\r\n",
    )
    world.dovecot.append(reply, internal_date=later)
    world.poll()

    ticket = world.ticket()
    assert ticket["state"] == "open"
    due = [one["due_at"] for one in ticket["obligations"] if one["kind"] == "acknowledgement"]
    assert (later + timedelta(hours=24)).strftime("%Y-%m-%dT%H:%M:%SZ") in due
    assert "<reply@reporter.example>" in ticket["message_ids"]


def test_mail_from_before_the_watch_opens_nothing(world: World, capsys: object) -> None:
    """What came before `watch_from` is kept and found, and starts no clock."""
    old = datetime(2016, 12, 31, tzinfo=UTC)
    world.dovecot.append(report(old), internal_date=old)

    world.poll()

    assert world.intake("trace", "<report-1@reporter.example>") == 0
    assert world.intake("ticket", "show", "1") == 1
    assert world.slack.messages == []
