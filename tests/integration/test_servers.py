"""The servers that other tests stand on do what those tests believe."""

import smtplib
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from imapclient import IMAPClient

from tests.builders import make_config, make_message
from tests.mail_system import PostfixServer
from tests.servers import HOST, DovecotServer, SmtpPeer, wait_until


def test_dovecot_shows_a_delivered_message_with_its_date(dovecot: DovecotServer) -> None:
    received_at = datetime(2017, 8, 13, 4, 45, 12, tzinfo=UTC)
    dovecot.deliver(make_message(), folder="Junk", internal_date=received_at)

    with dovecot.client() as client:
        client.select_folder("Junk", readonly=True)
        (found,) = client.fetch(client.search(), ["BODY.PEEK[]", "INTERNALDATE"]).values()
    assert found[b"BODY[]"] == make_message()
    assert found[b"INTERNALDATE"] == received_at


def test_dovecot_has_the_special_folders(dovecot: DovecotServer) -> None:
    with dovecot.client() as client:
        listed = {name: flags for flags, _, name in client.list_folders()}

    assert set(listed) == {"INBOX", "Junk", "Archive", "Sent", "Drafts"}
    assert b"\\Junk" in listed["Junk"]
    assert b"\\Drafts" in listed["Drafts"]


def test_dovecot_offers_starttls_on_the_clear_port(dovecot: DovecotServer) -> None:
    with IMAPClient(HOST, dovecot.port, ssl=False, timeout=10) as client:
        client.starttls(ssl.create_default_context(cafile=str(dovecot.ca_file)))
        client.login("anybody", "secret")

        assert client.folder_exists("INBOX")


def test_dovecot_keeps_mail_and_ports_over_a_kill(dovecot: DovecotServer) -> None:
    dovecot.append(make_message(), internal_date=datetime(2026, 1, 1, tzinfo=UTC))
    dovecot.kill()
    dovecot.start()
    dovecot.stop()
    dovecot.start()

    assert dovecot.flags() == {1: ()} or dovecot.flags() == {1: (b"\\Recent",)}


def test_dovecot_cuts_open_sessions_when_it_is_killed(dovecot: DovecotServer) -> None:
    with dovecot.client() as client:
        dovecot.kill()
        with pytest.raises((client.AbortError, OSError)):
            client.noop()


def test_dovecot_changes_uidvalidity_on_demand(dovecot: DovecotServer) -> None:
    dovecot.deliver(make_message())
    with dovecot.client() as client:
        before = client.select_folder("INBOX", readonly=True)[b"UIDVALIDITY"]

    dovecot.forget_uids()

    with dovecot.client() as client:
        assert client.select_folder("INBOX", readonly=True)[b"UIDVALIDITY"] != before
        assert client.search() == [1]


def test_dovecot_tells_an_idle_session_of_a_delivery(dovecot: DovecotServer) -> None:
    with dovecot.client() as client:
        client.select_folder("INBOX", readonly=True)
        client.idle()
        dovecot.deliver(make_message())
        deadline = time.monotonic() + 5
        told: list[object] = []
        while not any(b"EXISTS" in str(line).encode() for line in told):
            told += client.idle_check(timeout=max(0.1, deadline - time.monotonic()))
            assert time.monotonic() < deadline
        client.idle_done()


def test_dovecot_moves_and_expunges(dovecot: DovecotServer) -> None:
    dovecot.deliver(make_message())
    dovecot.deliver(make_message(message_id="<report-2@reporter.example>"))
    dovecot.expunge("INBOX", 1)
    dovecot.move("INBOX", "Archive")

    assert dovecot.flags("INBOX") == {}
    assert list(dovecot.flags("Archive")) == [1]


def test_mailbox_options_make_a_valid_configuration(dovecot: DovecotServer, tmp_path: Path) -> None:
    config = make_config(tmp_path, **dovecot.mailbox_options())

    assert config.mailbox[0].port == dovecot.tls_port
    assert config.mailbox[0].ca is not None
    assert config.mailbox[0].ca.path() == dovecot.ca_file


def test_smtp_peer_keeps_what_it_takes_and_can_refuse(smtp_peer: SmtpPeer) -> None:
    with smtplib.SMTP(smtp_peer.host, smtp_peer.port, timeout=5) as client:
        client.sendmail("a@ca.example", ["b@ca.example"], b"Subject: x\r\n\r\nhello\r\n")
        smtp_peer.refuse = "451 4.3.0 try again later"
        with pytest.raises(smtplib.SMTPDataError):
            client.sendmail("a@ca.example", ["b@ca.example"], b"Subject: y\r\n\r\nhello\r\n")

    assert [(one.sender, one.recipients) for one in smtp_peer.messages] == [
        ("a@ca.example", ("b@ca.example",))
    ]


def test_a_stopped_smtp_peer_refuses_connections(smtp_peer: SmtpPeer) -> None:
    smtp_peer.stop()

    with pytest.raises(ConnectionRefusedError):
        smtplib.SMTP(smtp_peer.host, smtp_peer.port, timeout=5)


def test_postfix_stamps_and_delivers_into_the_mailbox(
    dovecot: DovecotServer, postfix: PostfixServer
) -> None:
    postfix.send(make_message(received=()))
    wait_until("the message arrives", lambda: dovecot.flags() != {})

    with dovecot.client() as client:
        client.select_folder("INBOX", readonly=True)
        (found,) = client.fetch(client.search(), ["BODY.PEEK[]"]).values()
    assert b"Received: from mail.reporter.example" in found[b"BODY[]"]
    assert b"by mx1.ca.example (Postfix)" in found[b"BODY[]"]
    assert "message-id=<report-1@reporter.example>" in postfix.log()
