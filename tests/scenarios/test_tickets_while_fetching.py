"""A commit wakes the next stage at once: tickets open while the rest of the mailbox is fetched."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import col, func, select

from intake import pipeline
from intake.service import Service
from intake.tables import Message, Ticket
from tests.builders import make_message
from tests.world import World, arrived

MESSAGES = 250  # more than one batch


def test_the_first_messages_are_read_before_the_last_are_fetched(world: World) -> None:
    """Of 250 messages, those of the first batch have tickets while the others are on their way."""
    for number in range(MESSAGES):
        world.dovecot.deliver(
            make_message(
                message_id=f"<{number}@reporter.example>",
                subject=f"Report {number}",
                received=(arrived(world.clock()),),
            )
        )
    stood: list[tuple[int, int]] = []

    def kept() -> None:
        pipeline.process_waiting(world.parts)
        with world.database.read() as session:
            stood.append(tuple(session.exec(select(func.count(col(one.id)))).one() for one in (Message, Ticket)))  # type: ignore[arg-type]  # fmt: skip

    pipeline.poll(world.parts, world.config.mailbox[0], kept=kept)

    assert len(stood) > 1
    assert all(messages == tickets for messages, tickets in stood)
    assert 0 < stood[0][0] < stood[-1][0] == MESSAGES


def test_the_service_wakes_reading_with_each_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the mailbox is still read, the loop that reads messages is awake already."""
    service = Service(world.parts)
    service.process.wake.clear()
    awake: list[bool] = []
    poll = pipeline.poll

    def noted_poll(*arguments: Any, kept: Callable[[], None]) -> Any:
        def noted_kept() -> None:
            kept()
            awake.append(service.process.wake.is_set())

        return poll(*arguments, kept=noted_kept)

    monkeypatch.setattr(pipeline, "poll", noted_poll)
    world.dovecot.deliver(make_message(received=(arrived(world.clock()),)))
    service.polls[0].once()

    assert awake
    assert all(awake)
