"""OAuth 2 against Dovecot's own check of tokens: the command is asked anew once, then people are."""

import base64
import hashlib
import hmac
import json
import logging
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from intake.config import MailboxSection
from intake.database import Database
from intake.errors import ConfigError, OutsideUnavailableError
from intake.mailbox import token
from intake.mailbox.imap import ImapSession
from intake.mailbox.token import bearer_token, forget_token
from intake.reconcile.server import Server
from tests.builders import make_config, make_message
from tests.conftest import need
from tests.reading import Reader
from tests.servers import DovecotServer

KEY = b"a secret that only the issuer of tokens and this server know"
ISSUER = "https://login.ca.example"


def jwt(*, user: str = "cps", valid: int = 300, key: bytes = KEY) -> str:
    """A token in the form of RFC 7519, signed with HS256."""

    def coded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    now = int(time.time())  # noqa: TID251 - Dovecot looks at the real clock
    claims = {"sub": user, "username": user, "iss": ISSUER, "iat": now - 10, "exp": now + valid}
    head = coded(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "default"}).encode())
    signed = f"{head}.{coded(json.dumps(claims).encode())}"
    return f"{signed}.{coded(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


@pytest.fixture(scope="module")
def server(test_ca: trustme.CA) -> Iterator[DovecotServer]:
    need("Dovecot", DovecotServer.installed())
    server = DovecotServer(test_ca)
    server.token_key = KEY
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(autouse=True)
def _no_token_kept() -> Iterator[None]:
    token._kept.clear()
    yield
    token._kept.clear()


class TokenProgram:
    """A program that prints what the test puts into its file, and counts how often it was run."""

    def __init__(self, folder: Path) -> None:
        self.output, self.runs = folder / "token", folder / "runs"
        self.script = folder / "print-token"
        self.script.write_text(
            f"#!{sys.executable}\nimport sys\n"
            f"open({str(self.runs)!r}, 'a').write('x')\n"
            f"lines = open({str(self.output)!r}).read().splitlines()\n"
            "print(lines[0])\n"
            f"open({str(self.output)!r}, 'w').write('\\n'.join(lines[1:] or lines))\n"
        )
        self.script.chmod(stat.S_IRWXU)

    def prints(self, *tokens: str) -> None:
        """Print these one after the other, the last one again and again."""
        self.output.write_text("\n".join(tokens))

    def count(self) -> int:
        return len(self.runs.read_text()) if self.runs.exists() else 0


@pytest.fixture
def program(tmp_path: Path) -> TokenProgram:
    return TokenProgram(tmp_path)


def section(
    server: DovecotServer, folder: Path, program: TokenProgram, *, auth: str
) -> MailboxSection:
    lines = f'auth = "{auth}"\ntoken_command = ["{program.script}"]'
    options = server.mailbox_options()
    options["imap_ca"] += "\n" + lines
    return make_config(folder, password="", **options).mailbox[0]


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_a_mailbox_is_read_with_a_token(
    server: DovecotServer, program: TokenProgram, database: Database, tmp_path: Path, auth: str
) -> None:
    program.prints(jwt())
    server.deliver(make_message(message_id=f"<{auth}@x>"))
    reader = Reader(database, section(server, tmp_path, program, auth=auth))

    assert reader.poll().new_messages >= 1
    reader.poll()

    assert program.count() == 1


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_an_expired_token_is_asked_for_anew_once(
    server: DovecotServer, program: TokenProgram, tmp_path: Path, auth: str
) -> None:
    program.prints(jwt(valid=-3600), jwt())

    with ImapSession(section(server, tmp_path, program, auth=auth)) as session:
        assert session.folders()

    assert program.count() == 2


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
@pytest.mark.parametrize("bad", [{"valid": -3600}, {"key": b"another"}, {"user": "mallory"}])
def test_tokens_that_stay_refused_are_an_error_for_people_and_are_not_shown(
    server: DovecotServer,
    program: TokenProgram,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    auth: str,
    bad: dict[str, object],
) -> None:
    refused = jwt(**bad)  # type: ignore[arg-type]
    program.prints(refused)
    caplog.set_level(logging.DEBUG)

    with pytest.raises(OutsideUnavailableError, match="refused the token of cps") as caught:
        ImapSession(section(server, tmp_path, program, auth=auth)).__enter__()

    assert program.count() == 2
    assert "Fix: check that the token command prints a fresh token" in str(caught.value)
    for told in (str(caught.value), caplog.text):
        assert refused not in told
        assert refused.split(".")[1] not in told


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("raise SystemExit(3)", "ended with status 3"),
        ("import time; print('secret-token'); time.sleep(60)", "took longer than 1 s"),
        ("print()", "printed no token"),
        ("print('two words')", "printed no token"),
        ("import sys; sys.stderr.write('secret-token'); raise SystemExit(1)", "status 1"),
    ],
)
def test_a_command_that_prints_no_token_is_named(tmp_path: Path, body: str, problem: str) -> None:
    script = tmp_path / "token"
    script.write_text(f"#!{sys.executable}\n{body}\n")
    script.chmod(stat.S_IRWXU)

    with pytest.raises(OutsideUnavailableError, match=problem) as caught:
        bearer_token([str(script)], seconds=1)

    assert str(script) in str(caught.value)
    assert "secret-token" not in str(caught.value)


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(OutsideUnavailableError, match="can't be run"):
        bearer_token(["/nowhere/token"])


def test_a_token_is_kept_for_some_minutes_or_until_it_is_refused(program: TokenProgram) -> None:
    program.prints("one", "two", "three")
    command, now = [str(program.script)], [0.0]

    def ask() -> str:
        return bearer_token(command, monotonic=lambda: now[0])

    assert [ask(), ask()] == ["one", "one"]
    now[0] = 301
    assert [ask(), ask()] == ["two", "two"]
    forget_token(command, "one")
    assert ask() == "two"
    forget_token(command, "two")
    assert ask() == "three"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('auth = "xoauth2"', "token_command"),
        ('token_command = ["x"]', "is not used with auth"),
        ('auth = "xoauth2"\ntoken_command = ["x"]\npassword_file = "p"', "is not used with auth"),
        ('auth = "kerberos"', "auth"),
    ],
)
def test_password_and_token_are_not_mixed(tmp_path: Path, lines: str, problem: str) -> None:
    keeps_password = 'auth = "' not in lines or "kerberos" in lines
    with pytest.raises(ConfigError, match=problem):
        make_config(tmp_path, imap_ca=lines, **({} if keeps_password else {"password": ""}))


@pytest.mark.parametrize("auth", ["xoauth2", "oauthbearer"])
def test_the_second_reader_logs_in_with_a_token_too_and_asks_for_a_new_one_once(
    server: DovecotServer, program: TokenProgram, tmp_path: Path, auth: str
) -> None:
    program.prints(jwt(valid=-60), jwt())

    with Server(section(server, tmp_path, program, auth=auth)) as reader:
        assert "INBOX" in [folder.name for folder in reader.folders()]

    assert program.count() == 2


def test_a_token_that_is_refused_twice_is_not_shown_by_the_second_reader(
    server: DovecotServer, program: TokenProgram, tmp_path: Path
) -> None:
    program.prints(jwt(valid=-60))

    with (
        pytest.raises(OutsideUnavailableError, match="logging in") as caught,
        Server(section(server, tmp_path, program, auth="xoauth2")),
    ):
        pass

    assert jwt(valid=-60)[:40] not in str(caught.value)
