"""IDLE is a hint: whatever becomes of its connection, new mail is stored by the next poll."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import func, select

from intake.config import MailboxSection
from intake.errors import OutsideUnavailableError
from intake.mailbox.imap import watch_folder
from intake.service import Service
from intake.tables import Message
from tests.builders import make_config, make_message
from tests.imap_proxy import ALWAYS, ImapProxy, imap_proxy
from tests.servers import DovecotServer, SmtpPeer
from tests.world import World, arrived, make_world, wait_for

IDLING = rb"\+ idling\r\n"
NEWS = rb"\* \d+ EXISTS\r\n"
MAILBOX = make_message(message_id="<first@x>", received=())


@pytest.fixture
def proxy(dovecot: DovecotServer) -> Iterator[ImapProxy]:
    with imap_proxy(dovecot.host, dovecot.port) as proxy:
        yield proxy


@pytest.fixture
def mailbox(proxy: ImapProxy, tmp_path: Path) -> MailboxSection:
    return make_config(tmp_path, imap_port=proxy.port).mailbox[0]


def watch(mailbox: MailboxSection) -> tuple[threading.Thread, list[Any]]:
    """Watch INBOX in a thread until something ends it; return what did."""
    ended: list[Any] = []

    def run() -> None:
        try:
            watch_folder(mailbox, "INBOX", stopping=threading.Event(), on_hint=lambda: None)
        except OutsideUnavailableError as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, ended


@pytest.mark.parametrize(
    "fault",
    [
        {"at": IDLING, "then": "cut"},
        {"at": IDLING, "then": "say", "say": b"+ idling\r\n* BYE shutting down\r\n"},
        {"at": IDLING, "then": "say", "say": b"A1 NO [UNAVAILABLE] no IDLE today\r\n"},
    ],
)
def test_p14_a_break_in_idle_ends_the_wait_with_an_error(
    proxy: ImapProxy, mailbox: MailboxSection, fault: dict[str, Any]
) -> None:
    proxy.fault(fault.pop("at"), by="server", **fault)

    thread, ended = watch(mailbox)
    thread.join(10)

    assert [isinstance(one, OutsideUnavailableError) for one in ended] == [True]
    assert proxy.connections == 1


def test_p17_garbage_in_idle_is_news_and_no_busy_loop(
    proxy: ImapProxy, mailbox: MailboxSection
) -> None:
    proxy.fault(IDLING, by="server", then="say", say=b"+ idling\r\n* NO weird\r\n")
    stopping, hints = threading.Event(), []

    def on_hint() -> None:
        hints.append(time.monotonic())
        if len(hints) == 2:
            stopping.set()

    watch_folder(mailbox, "INBOX", stopping=stopping, on_hint=on_hint)

    assert len(hints) == 2
    assert proxy.connections == 1


@pytest.mark.parametrize(
    "news", [b"* 2 EXISTS", b"* 1 RECENT", b"* 1 EXPUNGE", rb"* 1 FETCH (FLAGS (\Seen))"]
)
def test_p15_any_one_answer_is_news(proxy: ImapProxy, mailbox: MailboxSection, news: bytes) -> None:
    """A server may say EXISTS and nothing else; what came is the poll's to find out."""
    proxy.fault(IDLING, by="server", then="say", say=b"+ idling\r\n" + news + b"\r\n")
    stopping, hints = threading.Event(), []

    def on_hint() -> None:
        hints.append(None)
        if len(hints) == 2:  # the first is the beginning of the watch
            stopping.set()

    thread = threading.Thread(
        target=watch_folder,
        args=(mailbox, "INBOX"),
        kwargs={"stopping": stopping, "on_hint": on_hint},
        daemon=True,
    )
    thread.start()
    thread.join(10)

    assert len(hints) == 2


@dataclass
class Through:
    """A Dovecot that is reached through a proxy."""

    proxy: ImapProxy

    def mailbox_options(self) -> dict[str, Any]:
        return {"imap_port": self.proxy.port, "poll_every": "1s"}


@pytest.fixture
def world(tmp_path: Path, proxy: ImapProxy, smtp_peer: SmtpPeer) -> Iterator[World]:
    with make_world(tmp_path, Through(proxy), smtp_peer) as made:  # type: ignore[arg-type]
        yield made


def count(world: World) -> int:
    with world.database.read() as session:
        return session.exec(select(func.count()).select_from(Message)).one()


@pytest.mark.parametrize("then", ["silence", "cut"])
def test_p14_a_black_hole_in_idle_delays_new_mail_by_a_poll_at_most(
    world: World, proxy: ImapProxy, dovecot: DovecotServer, then: str
) -> None:
    """The polls have connections of their own; what is cut is opened again, with patience."""
    proxy.fault(IDLING, by="server", then=then, times=ALWAYS)
    service = Service(world.parts)
    service.start()
    try:
        wait_for(lambda: any(b"IDLE" in line for line in proxy.heard))
        for number in range(3):
            before, since = count(world), time.monotonic()
            stamp = (arrived(world.clock()),)
            dovecot.deliver(make_message(message_id=f"<{number}@x>", received=stamp))
            wait_for(lambda before=before: count(world) == before + 1, 5)
            assert time.monotonic() - since < 4
    finally:
        service.stop()
    idling = [line for line in proxy.heard if line.endswith(b"IDLE")]
    assert len(idling) <= 12
