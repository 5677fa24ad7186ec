"""A session is encrypted and verified, or there is none; what went wrong is said in plain words."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from imapclient import SocketTimeout

from intake.config import MailboxSection
from intake.errors import ConfigError, OutsideUnavailableError
from intake.mailbox.imap import ImapSession, wait_for_hint, watch_folder
from intake.mailbox.trouble import ImapLostError
from tests.builders import make_config, make_message
from tests.servers import DovecotServer

QUICK = SocketTimeout(connect=1, read=0.3)


def section(folder: Path, **options: Any) -> MailboxSection:
    return make_config(folder, **options).mailbox[0]


@pytest.fixture
def mailbox(dovecot: DovecotServer, tmp_path: Path) -> MailboxSection:
    return section(tmp_path, **dovecot.mailbox_options())


@contextmanager
def peer(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that sends its answers one after the other, and notes what it is told.

    `TAG` in an answer is the tag of the command that it answers.
    """
    heard: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for answer in answers:
                tag = heard[-1].split()[0] if heard and heard[-1] else b""
                connection.sendall(answer.replace(b"TAG", tag))
                heard.append(connection.recv(4096))
            while data := connection.recv(4096):
                heard.append(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], heard
        thread.join(10)


def test_starttls_is_verified_and_reads(dovecot: DovecotServer, tmp_path: Path) -> None:
    options = dovecot.mailbox_options() | {"imap_port": dovecot.port, "imap_security": "starttls"}

    with ImapSession(section(tmp_path, **options)) as session:
        assert session.client.socket().version().startswith("TLS")
        assert "INBOX" in [one.name for one in session.folders()]


@pytest.mark.parametrize(
    ("greeting", "problem"),
    [
        (b"* OK ready\r\n", "offers no STARTTLS, so no password was sent"),
        (b"* PREAUTH welcome\r\n", "connecting"),
    ],
)
def test_p30_no_password_is_sent_where_starttls_was_taken_out(
    tmp_path: Path, greeting: bytes, problem: str
) -> None:
    capabilities = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nTAG OK done\r\n"
    with peer(greeting, capabilities, capabilities) as (port, heard):
        mailbox = section(tmp_path, imap_port=port, imap_security="starttls")
        with pytest.raises(ImapLostError, match=problem):
            ImapSession(mailbox, timeouts=QUICK).__enter__()

    said = b"".join(heard).upper()
    assert b"CAPABILITY" in said
    assert b"LOGIN" not in said
    assert b"AUTHENTICATE" not in said


def test_clear_text_is_refused_beyond_this_machine(mailbox: MailboxSection) -> None:
    remote = mailbox.model_copy(update={"host": "imap.ca.example", "security": "none"})

    with pytest.raises(ConfigError, match="clear text"):
        ImapSession(remote).__enter__()


def test_a_ca_that_nobody_trusts_is_named(dovecot: DovecotServer, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    options = dovecot.mailbox_options() | {"imap_ca": f'ca_file = "{other}"'}

    for one in (options, options | {"imap_ca": ""}):
        with pytest.raises(ImapLostError, match=r"not trusted .*mailbox\.ca_file"):
            ImapSession(section(tmp_path, **one)).__enter__()


def test_a_certificate_for_another_name_is_named(
    dovecot: DovecotServer, test_ca: trustme.CA, tmp_path: Path
) -> None:
    dovecot.stop()
    dovecot.present_certificate(test_ca, "mail.elsewhere.example")
    dovecot.start()

    with pytest.raises(ImapLostError, match=r"for another name than 127\.0\.0\.1"):
        ImapSession(section(tmp_path, **dovecot.mailbox_options())).__enter__()


def test_a_ca_file_without_a_certificate_is_a_fault_of_configuration(
    mailbox: MailboxSection, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    ca = mailbox.password.model_copy(update={"file": tmp_path / "empty.pem"})

    with pytest.raises(ConfigError, match="ca_file"):
        ImapSession(mailbox.model_copy(update={"ca": ca})).__enter__()


def test_a_wrong_password_is_said_and_not_shown(mailbox: MailboxSection) -> None:
    assert mailbox.password.file is not None
    mailbox.password.file.write_text("hunter2 is wrong\n")

    with pytest.raises(ImapLostError, match="refused user name or password") as caught:
        ImapSession(mailbox).__enter__()

    assert "hunter2" not in str(caught.value)


def test_a_password_that_the_server_echoes_is_not_shown(tmp_path: Path) -> None:
    answers = (
        b"* OK [CAPABILITY IMAP4rev1] ready\r\n",
        b"* BYE what is this: secret?\r\n",
    )
    with peer(*answers) as (port, _), pytest.raises(ImapLostError) as caught:
        ImapSession(section(tmp_path, imap_port=port), timeouts=QUICK).__enter__()

    assert "secret" not in str(caught.value)
    assert "…" in str(caught.value)


def test_a_password_beyond_ascii_logs_in(test_ca: trustme.CA, tmp_path: Path) -> None:
    from tests.conftest import need

    need("Dovecot", DovecotServer.installed())
    server = DovecotServer(test_ca)
    server.password = "pässwörd€"
    try:
        server.start()
        mailbox = section(tmp_path, **server.mailbox_options())
        assert mailbox.password.file is not None
        mailbox.password.file.write_text(server.password + "\n", encoding="utf-8")
        with ImapSession(mailbox) as session:
            assert session.folders()
    finally:
        server.close()


def test_a_refused_connection_is_said(dovecot: DovecotServer, mailbox: MailboxSection) -> None:
    dovecot.stop()

    with pytest.raises(ImapLostError, match=r"connection refused.*Fix: start the IMAP server"):
        ImapSession(mailbox).__enter__()


@pytest.mark.parametrize(
    "answers",
    [
        (b"",),
        (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", b""),
        (b"* OK ready\r\n", b"* NO weird\r\n"),
    ],
)
def test_p14_a_black_hole_is_left_after_the_time_out(
    tmp_path: Path, answers: tuple[bytes, ...]
) -> None:
    with peer(*answers) as (port, _), pytest.raises(ImapLostError, match="did not answer in time"):
        ImapSession(section(tmp_path, imap_port=port), timeouts=QUICK).__enter__()


@pytest.mark.parametrize(
    "greeting", [b"garbage\r\n", b"* BYE go away\r\n", b"* NO weird\r\n", b"\x00\xff\r\n"]
)
def test_p17_a_peer_that_is_no_imap_server_is_an_error_for_people(
    tmp_path: Path, greeting: bytes
) -> None:
    with peer(greeting) as (port, _), pytest.raises(OutsideUnavailableError, match="Mailbox cps"):
        ImapSession(section(tmp_path, imap_port=port), timeouts=QUICK).__enter__()


def test_a_session_that_ended_says_so(mailbox: MailboxSection) -> None:
    session = ImapSession(mailbox)
    with session:
        pass

    with pytest.raises(ImapLostError, match="no connection"):
        session.folders()


# ---- IDLE is a hint ----


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except OutsideUnavailableError as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_p15_a_new_message_is_hinted_at_within_a_second(
    dovecot: DovecotServer, mailbox: MailboxSection
) -> None:
    stopping, started = threading.Event(), threading.Event()
    hints: list[float] = []

    def on_hint() -> None:
        hints.append(time.monotonic())
        started.set()

    thread, found = in_thread(
        lambda: watch_folder(mailbox, "INBOX", stopping=stopping, on_hint=on_hint)
    )
    assert started.wait(10)
    time.sleep(0.2)  # for the IDLE command to arrive
    dovecot.append(make_message())
    appended = time.monotonic()
    until(lambda: len(hints) > 1)
    stopping.set()
    thread.join(10)

    assert hints[1] - appended < 1.5  # Dovecot itself takes half a second
    assert found == [None]


def test_waiting_ends_after_its_time_and_at_a_stop(mailbox: MailboxSection) -> None:
    stopping = threading.Event()
    assert wait_for_hint(mailbox, "INBOX", stopping=stopping, seconds=0.2) is False

    stopping.set()

    assert wait_for_hint(mailbox, "INBOX", stopping=stopping, seconds=60) is False


def test_a_server_that_goes_away_ends_the_wait_with_an_error(
    dovecot: DovecotServer, mailbox: MailboxSection
) -> None:
    """The library itself would answer "nothing new" for ever, as fast as it can."""
    for end in (dovecot.stop, dovecot.kill):
        thread, found = in_thread(
            lambda: wait_for_hint(mailbox, "INBOX", stopping=threading.Event(), seconds=60)
        )
        time.sleep(0.5)
        end()
        thread.join(10)
        assert [type(one) for one in found] == [ImapLostError]
        dovecot.start()


def test_a_folder_that_is_not_there_can_not_be_waited_for(mailbox: MailboxSection) -> None:
    with pytest.raises(OutsideUnavailableError, match="opening Nowhere"):
        wait_for_hint(mailbox, "Nowhere", stopping=threading.Event(), seconds=1)
