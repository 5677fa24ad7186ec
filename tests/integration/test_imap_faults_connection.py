"""Wherever the connection to a real server breaks, the next poll has everything, and once."""

import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from intake.database import Database
from intake.errors import OutsideUnavailableError
from intake.mailbox.poll import MOST_LOSSES
from intake.tables import Message, Sighting, UidGap, WatchedMailbox
from tests.accounts import assert_accounts_balance
from tests.builders import NOW, make_config, make_message
from tests.conftest import need
from tests.faulty_imap import faulty_server
from tests.imap_proxy import ALWAYS, Fault, ImapProxy, imap_proxy
from tests.reading import QUICK, Reader
from tests.servers import DovecotServer

MESSAGES = 5
LITERAL = rb"BODY\[\] \{\d+\}\r\n.{40}"

FAULTS = {
    "connecting": Fault(rb"\(connects\)"),
    "greeting": Fault(rb"\* OK", by="server"),
    "half_a_greeting": Fault(rb"\* O", by="server"),
    "greeting_bye": Fault(rb"\* OK[^\n]*\n", then="say", by="server", say=b"* BYE too busy\r\n"),
    "login": Fault(rb"AUTHENTICATE|LOGIN"),
    "login_unavailable": Fault(
        rb"AUTHENTICATE|LOGIN", then="say", say=b"TAG NO [UNAVAILABLE] try later\r\n"
    ),
    "capabilities": Fault(rb"CAPABILITY\r\n"),
    "list": Fault(rb"LIST "),
    "after_list": Fault(rb"OK List completed[^\n]*\n", by="server"),
    "status": Fault(rb"STATUS "),
    "status_unavailable": Fault(rb"STATUS ", then="say", say=b"TAG NO [UNAVAILABLE] later\r\n"),
    "examine": Fault(rb"EXAMINE "),
    "after_examine": Fault(rb"OK \[READ-ONLY\][^\n]*\n", by="server"),
    "search": Fault(rb"SEARCH "),
    "sizes": Fault(rb"RFC822\.SIZE"),
    "sizes_refused": Fault(rb"RFC822\.SIZE", then="say", say=b"TAG NO [SERVERBUG] oops\r\n"),
    "fetch": Fault(rb"BODY\.PEEK"),
    "fetch_bye": Fault(rb"BODY\.PEEK", then="say", say=b"* BYE shutting down\r\n"),
    "fetch_unavailable": Fault(rb"BODY\.PEEK", then="say", say=b"TAG NO [UNAVAILABLE] later\r\n"),
    "literal": Fault(LITERAL, by="server"),
    "literal_silence": Fault(LITERAL, then="silence", by="server"),
    "body_nil": Fault(
        rb"BODY\.PEEK\[\]\)",
        then="say",
        say=b"* 1 FETCH (UID 1 BODY[] NIL)\r\nTAG OK Fetch completed.\r\n",
    ),
    "fetch_answers_nothing": Fault(
        rb"BODY\.PEEK\[\]\)", then="say", say=b"TAG OK Fetch completed.\r\n"
    ),
    "untagged_no": Fault(rb"\* 1 FETCH", then="say", by="server", say=b"* NO weird\r\n* 1 FETCH"),
    "untagged_bad": Fault(
        rb"\* 1 FETCH", then="say", by="server", say=b"* BAD what\r\n* 7 EXISTS\r\n* 1 FETCH"
    ),
    "untagged_expunge": Fault(
        rb"\* 1 FETCH", then="say", by="server", say=b"* 5 EXPUNGE\r\n* 1 FETCH"
    ),
    "garbage": Fault(rb"\* 1 FETCH", then="say", by="server", say=b"\xff\x00 what?\r\n* 1 FETCH"),
    "unbalanced": Fault(rb"\* 1 FETCH \(", then="say", by="server", say=b"* 1 FETCH ((((("),
    "logout": Fault(rb"LOGOUT"),
    "connect_silence": Fault(rb"\* OK", then="silence", by="server"),
    "examine_silence": Fault(rb"EXAMINE ", then="silence"),
    "fetch_silence": Fault(rb"BODY\.PEEK", then="silence"),
}


@pytest.fixture(scope="module")
def server(test_ca: trustme.CA) -> Iterator[DovecotServer]:
    """One server for all tests of this file; each has a mailbox of its own."""
    need("Dovecot", DovecotServer.installed())
    server = DovecotServer(test_ca)
    try:
        server.start()
        yield server
    finally:
        server.close()


@dataclass
class Box:
    """A mailbox on the server, for one test."""

    server: DovecotServer
    user: str

    def append(self, raw: bytes) -> None:
        self.server.append(raw, user=self.user)


@pytest.fixture
def box(server: DovecotServer) -> Box:
    box = Box(server, f"u{secrets.token_hex(4)}")
    with server.client(box.user) as client:
        for number in range(MESSAGES):
            client.append("INBOX", mail(number))
    return box


@pytest.fixture
def proxy(box: Box) -> Iterator[ImapProxy]:
    with imap_proxy(box.server.host, box.server.port) as proxy:
        yield proxy


@pytest.fixture
def reader(proxy: ImapProxy, box: Box, database: Database, tmp_path: Path) -> Iterator[Reader]:
    mailbox = make_config(tmp_path, imap_port=proxy.port).mailbox[0]
    yield Reader(database, mailbox.model_copy(update={"username": box.user}), timeouts=QUICK)
    proxy.close()
    assert_accounts_balance(database, now=NOW, all_decided=False)


def mail(number: int) -> bytes:
    return make_message(message_id=f"<{number}@x>", body=f"number {number}\r\n" * 200)


def poll(reader: Reader) -> list[str]:
    """Poll once and return what was wrong."""
    try:
        return list(reader.poll().troubles)
    except OutsideUnavailableError as error:
        return [str(error)]


def assert_everything_once(reader: Reader, count: int = MESSAGES) -> None:
    assert sorted(reader.raw()) == sorted(mail(number) for number in range(count))
    live = [one for one in reader.all(Sighting) if one.gone_since is None]
    assert sorted(one.uid for one in live) == list(range(1, count + 1))
    assert all(gap.resolved_at is not None for gap in reader.all(UidGap))
    assert reader.all(WatchedMailbox)[0].trouble is None


@pytest.mark.parametrize("name", FAULTS)
def test_p13_p17_after_any_fault_the_next_poll_has_everything(
    proxy: ImapProxy, reader: Reader, name: str
) -> None:
    fault = FAULTS[name]
    proxy.fault(fault.at, then=fault.then, by=fault.by, say=fault.say)

    poll(reader)
    after_the_fault = proxy.connections
    assert proxy.faults[0].times == 0, "the fault did not happen"
    assert poll(reader) == []

    assert_everything_once(reader)
    assert after_the_fault <= 3
    changes = [one for one in reader.actions() if one.startswith("mailbox_")]
    assert changes in (
        ["mailbox_watched"],
        ["mailbox_watched", "mailbox_in_trouble", "mailbox_recovered"],
    )


@pytest.mark.parametrize(
    "name",
    ["connecting", "greeting", "login", "login_unavailable", "list", "status", "examine", "fetch",
     "literal", "body_nil", "fetch_unavailable", "untagged_no", "unbalanced", "fetch_silence"],
)  # fmt: skip
def test_p17_a_fault_that_stays_is_said_once_and_never_spins(
    proxy: ImapProxy, reader: Reader, name: str
) -> None:
    fault = FAULTS[name]
    proxy.fault(fault.at, then=fault.then, by=fault.by, say=fault.say, times=ALWAYS)
    for _ in range(3):
        poll(reader)

    assert proxy.connections <= 3 * (2 * MOST_LOSSES)
    troubles = [one for one in reader.actions() if one == "mailbox_in_trouble"]
    assert len(troubles) <= 1
    assert len(reader.all(Message)) == len({one.sha256 for one in reader.all(Message)})

    proxy.faults.clear()
    poll(reader)
    assert_everything_once(reader)


def test_p16_two_hundred_drops_leave_no_thread_behind(database: Database, tmp_path: Path) -> None:
    with faulty_server() as faulty:
        faulty.folders["INBOX"] = {number + 1: mail(number) for number in range(MESSAGES)}
        mailbox = make_config(tmp_path, imap_port=faulty.server_address[1]).mailbox[0]
        reader = Reader(database, mailbox, timeouts=QUICK)
        reader.poll()
        before = threading.active_count()
        faulty.broken_folders["INBOX"] = "cut"
        while faulty.connections < 200:
            poll(reader)
        faulty.broken_folders.clear()

        assert poll(reader) == []
        assert threading.active_count() <= before + 1  # the server's own for our last connection
        assert_everything_once(reader)


def while_cutting(proxy: ImapProxy, arrange: Callable[[], None]) -> None:
    """Do something at the instant at which the connection is cut."""
    take = proxy.take

    def taken(by: str, data: bytes) -> object:
        found = take(by, data)
        if found is not None:
            arrange()
        return found

    proxy.take = taken  # type: ignore[method-assign,assignment]


def test_p13_mail_that_arrives_during_the_reconnect_is_stored(
    proxy: ImapProxy, reader: Reader, box: Box
) -> None:
    proxy.fault(LITERAL, by="server")
    while_cutting(proxy, lambda: box.append(mail(MESSAGES)))

    poll(reader)
    poll(reader)

    assert_everything_once(reader, MESSAGES + 1)


def test_a_message_that_vanishes_between_search_and_fetch_is_a_gap(
    proxy: ImapProxy, reader: Reader, box: Box
) -> None:
    """Assigned, and gone before we had it: an event says so, and the others come."""
    proxy.fault(rb"RFC822\.SIZE", then="say", say=b"TAG NO [SERVERBUG] oops\r\n")
    while_cutting(proxy, lambda: box.server.expunge("INBOX", 3, user=box.user))

    assert poll(reader) == []

    assert reader.uids() == [1, 2, 4, 5]
    assert [(gap.uid_from, gap.reason) for gap in reader.all(UidGap)] == [(3, "gone")]
    assert len(reader.events("uids_gone_unseen")) == 1
    assert poll(reader) == []


def test_a_restart_of_the_server_in_the_middle_loses_nothing(
    proxy: ImapProxy, reader: Reader, server: DovecotServer
) -> None:
    restarted = threading.Event()

    def restart() -> None:
        server.kill()
        server.start()
        restarted.set()

    proxy.fault(LITERAL, by="server")
    while_cutting(proxy, restart)

    poll(reader)
    assert restarted.is_set()
    poll(reader)

    assert_everything_once(reader)


def test_p08_p10_p18_p21_nothing_but_reading_is_ever_asked_for(
    proxy: ImapProxy, reader: Reader, box: Box
) -> None:
    """No flag is set, nothing is copied, moved or deleted, whatever else goes wrong."""
    poll(reader)
    box.server.move("INBOX", "Junk", user=box.user)
    proxy.fault(LITERAL, by="server")
    poll(reader)
    poll(reader)

    words = {word for line in proxy.heard for word in line.upper().split()[1:3]}
    writing = {b"STORE", b"COPY", b"MOVE", b"EXPUNGE", b"APPEND", b"SELECT", b"DELETE", b"CLOSE"}
    assert not writing & words
    assert {b"EXAMINE", b"FETCH"} <= words
    assert not any(rb"\Seen" in flags for flags in box.server.flags("Junk", user=box.user).values())
