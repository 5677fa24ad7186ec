"""Whatever is odd about a message, it becomes a ticket with its clock, or people are told."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import select

from intake.notices.undecided import tell_undecided
from intake.pipeline import settle
from intake.tables import Job, Message, Obligation
from tests.builders import make_message
from tests.world import World, arrived

ODD = {
    "no_sender": b"Subject: broken\r\nMessage-ID: <1@x>\r\n\r\nLook at https://crt.sh/?id=9000001\r\n",
    "no_subject_and_no_body": b"From: r@reporter.example\r\nMessage-ID: <1@x>\r\n\r\n",
    "only_a_header": b"From: r@reporter.example\r\nSubject: x",
    "no_header": b"just some words, https://crt.sh/?id=9000001\r\n",
    "one_line_end": b"\r\n",
    "nul_bytes": b"From: r@reporter.example\r\nSubject: a\x00b\r\n\r\n\x00\x00 words \x00\r\n",
    "utf_16": "From: r@reporter.example\r\nSubject: wide\r\n\r\nwords\r\n".encode("utf-16"),
    "encrypted": b"From: r@reporter.example\r\nContent-Type: multipart/encrypted; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: application/octet-stream\r\n\r\nAAAA\r\n--b--\r\n",
    "automatic": b"From: r@reporter.example\r\nAuto-Submitted: auto-replied\r\nPrecedence: bulk\r\n"
    b"List-Id: <x.example>\r\nX-Loop: yes\r\nX-Spam-Flag: YES\r\nSubject: away\r\n\r\nAway.\r\n",
    # Header access in the library's modern policy raises on these.
    "id_in_brackets": b"From: r@reporter.example\r\nMessage-ID: <[ABCDEF====@microsoft.com]>\r\n\r\nx",
    "id_of_outlook": b"From: r@reporter.example\r\nMessage-ID: <SMTPIN_ADDED_BROKEN@mx.example\r\n\r\nx",
    "open_comment": b"From: r@reporter.example\r\nTo: (c):\r\n\r\nx",
    "parameter_star": b"From: r@reporter.example\r\nContent-Type: text/plain; name*\r\n\r\nx",
    "line_end_in_a_word": b"From: =?utf-8?q?a=0Ab?= <r@reporter.example>\r\n\r\nx",
}


@pytest.mark.parametrize("name", ODD)
def test_p04_p23_p25_an_odd_message_is_a_ticket_with_a_clock(world: World, name: str) -> None:
    """No header, no sender, no body, a forged marker: none of it lets a report vanish."""
    stamp = f"Received: {arrived(world.clock())}\r\n".encode() if b":" in ODD[name][:20] else b""
    world.dovecot.deliver(stamp + ODD[name])

    world.poll()

    ticket = world.ticket(1)
    assert ticket["state"] == "open"
    with world.database.read() as session:
        owed = session.exec(select(Obligation).where(Obligation.ticket == 1)).all()
        assert {one.due_at - one.received_at for one in owed} == {timedelta(hours=24)}
    assert len(world.texts()) == 1


def broken(world: World) -> World:
    """Let deciding fail for every message, as a fault of our program would."""
    world.parts = replace(world.parts, desk=None)  # type: ignore[arg-type]
    return world


def test_p21_a_failure_of_ours_leaves_message_and_mailbox_alone(world: World) -> None:
    """What was not decided is archived, lies in the mailbox, and is decided later."""
    world.dovecot.deliver(make_message(received=(arrived(world.clock()),)))
    before = world.dovecot.flags()
    good = world.parts
    broken(world)
    try:
        settle_messages(world)
    finally:
        world.parts = good

    with world.database.read() as session:
        [message] = session.exec(select(Message)).all()
        assert message.decision is None
    assert world.dovecot.flags() == before
    world.advance_and_poll(minutes=3)
    assert world.ticket(1)["state"] == "open"


def settle_messages(world: World) -> None:
    from intake.pipeline import poll, process_waiting

    poll(world.parts, world.config.mailbox[0])
    process_waiting(world.parts)


def test_p44_messages_that_nobody_looked_into_are_told_every_hour(world: World) -> None:
    """A place where messages wait is no place where they are forgotten."""
    world.dovecot.deliver(make_message(received=(arrived(world.clock()),)))
    good = world.parts
    broken(world)
    settle_messages(world)
    world.parts = good

    def told(minutes: int) -> bool:
        world.clock.advance(minutes=minutes)
        with world.database.write() as session:
            return tell_undecided(session, "C0CPR", world.clock())

    assert [told(10), told(6), told(10), told(60)] == [False, True, False, True]
    with world.database.read() as session:
        [job] = session.exec(select(Job).where(Job.kind == "process_message")).all()
        assert (job.state, job.attempts) == ("waiting", 1)
    settle(world.parts)
    assert any("have no ticket and no decision yet" in one for one in world.texts())
    assert told(60) is False
