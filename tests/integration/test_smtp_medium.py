"""Mail out, against real SMTP servers on loopback."""

import ssl
from collections.abc import Iterator

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from intake.config import SmtpSection
from intake.notices.smtp import MailError, SmtpMedium, compose
from tests.builders import NOW
from tests.servers import free_port

HOST = "localhost"
RIGHT = "right"


class TlsPeer(Controller):
    """A relay that insists on STARTTLS and a login."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self.received: list[Envelope] = []
        super().__init__(self, hostname=HOST, port=port)
        self.context = context

    def factory(self) -> SMTP:
        return SMTP(
            self, tls_context=self.context, require_starttls=True, auth_required=True,
            authenticator=self.authenticate,
        )  # fmt: skip

    def authenticate(self, _server, _session, _envelope, _mechanism, login) -> AuthResult:
        known = isinstance(login, LoginPassword) and login.password == RIGHT.encode()
        return AuthResult(success=known, handled=False)

    async def handle_DATA(self, _server, _session, envelope: Envelope) -> str:  # noqa: N802
        self.received.append(envelope)
        return "250 kept"


@pytest.fixture
def relay(test_ca: trustme.CA) -> Iterator[TlsPeer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    test_ca.issue_cert(HOST).configure_cert(context)
    peer = TlsPeer(context, free_port())
    peer.start()
    yield peer
    peer.stop()


def section(port: int, **values) -> SmtpSection:
    defaults = {
        "host": HOST, "port": port, "sender": "cpr-intake@ca.example",
        "fallback_to": ["oncall@ca.example"],
    }  # fmt: skip
    return SmtpSection.model_validate(defaults | values)


def send(medium: SmtpMedium, *to: str) -> None:
    mail = compose(medium, to or ["a@ca.example"], subject="s", body="b\n", now=NOW)
    medium.send(mail, to or ["a@ca.example"])


def with_tls(relay: TlsPeer, test_ca: trustme.CA, tmp_path, secret: str = RIGHT):
    (tmp_path / "ca.pem").write_bytes(test_ca.cert_pem.bytes())
    (tmp_path / "password").write_text(secret)
    return SmtpMedium(
        section(
            relay.port, security="starttls", ca_file=str(tmp_path / "ca.pem"),
            username="cpr", password_file=str(tmp_path / "password"),
        )
    )  # fmt: skip


def test_starttls_is_verified_and_the_login_sent_inside(relay, test_ca, tmp_path):
    send(with_tls(relay, test_ca, tmp_path))

    assert len(relay.received) == 1


def test_an_unknown_authority_is_not_trusted(relay, test_ca, tmp_path):
    medium = SmtpMedium(section(relay.port, security="starttls"))

    with pytest.raises(MailError, match="could not be trusted"):
        send(medium)
    assert relay.received == []


def test_a_wrong_password_is_named_without_showing_it(relay, test_ca, tmp_path):
    with pytest.raises(MailError, match="does not accept the user name") as raised:
        send(with_tls(relay, test_ca, tmp_path, "wr0ng"))

    assert "wr0ng" not in str(raised.value)


def test_a_missing_password_file_is_an_error_of_the_mail_not_of_the_pass(relay, test_ca, tmp_path):
    medium = with_tls(relay, test_ca, tmp_path)
    (tmp_path / "password").unlink()

    with pytest.raises(MailError, match="password_file"):
        send(medium)


def test_a_relay_without_starttls_gets_neither_password_nor_mail(smtp_peer, tmp_path):
    medium = SmtpMedium(section(smtp_peer.port, host="127.0.0.1", security="starttls"))

    with pytest.raises(MailError, match="offers no STARTTLS"):
        send(medium)
    assert smtp_peer.messages == []


def test_nobody_listening_is_said_in_plain_words(tmp_path):
    port = free_port()

    with pytest.raises(MailError, match=rf"localhost:{port} can't be used: Connection refused"):
        send(SmtpMedium(section(port)))


def test_a_refused_mail_is_no_dead_relay(smtp_peer, tmp_path):
    smtp_peer.refuse = "550 5.7.1 no"

    with pytest.raises(MailError, match="answered 550") as raised:
        send(SmtpMedium(section(smtp_peer.port, host="127.0.0.1")))
    assert not raised.value.is_down
