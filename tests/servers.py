"""Real mail servers for tests, each in its own temporary folder on free loopback ports.

Dovecot 2.3 (Debian 12) and 2.4 (Debian 13) want configurations of different forms; both are made
here. A server runs as root with mail owned by the user `mail`, or wholly as the user who tests.
"""

import contextlib
import itertools
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from imapclient import IMAPClient

from tests.dovecot_configuration import dovecot_configuration

pytest_plugins = ["tests.mail_system"]

HOST = "127.0.0.1"
FIRST_PORT, PORTS = 15_000, 17_000
PATIENCE = 10.0  # seconds for a server to come up or to go


SERVERS = {"dovecot": "dovecot", "postfix": "postfix", "postgres": "postgresql"}  # fixture, marker
_port_steps = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses a server, so that `-m "not dovecot"` leaves them out."""
    for item in items:
        needed = {name.removeprefix("own_") for name in getattr(item, "fixturenames", ())}
        for server, marker in SERVERS.items():
            if server in needed:
                item.add_marker(marker)


def free_port() -> int:
    """Return a loopback port that nobody listens on and that no other test process tries now.

    It lies below the range from which the system takes ports for outgoing connections.
    """
    for step in _port_steps:
        port = FIRST_PORT + (os.getpid() * 97 + step) % PORTS
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((HOST, port))
            return port
    raise AssertionError


def listens(port: int) -> bool:
    """Say whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def wait_until(what: str, is_so: Any) -> None:
    """Poll a condition of the outside world with a short deadline."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {PATIENCE:g} seconds")
        time.sleep(0.005)


@pytest.fixture(scope="session")
def test_ca(tmp_path_factory: pytest.TempPathFactory) -> trustme.CA:
    """A certificate authority that only these tests trust."""
    return trustme.CA()


@pytest.fixture
def dovecot(test_ca: trustme.CA) -> Iterator["DovecotServer"]:
    """An empty Dovecot, for one test."""
    from tests.conftest import need

    need("Dovecot", DovecotServer.installed())
    server = DovecotServer(test_ca)
    try:
        server.start()
        yield server
    finally:
        server.close()


class DovecotServer:
    """A private Dovecot: any user, password `secret`, a Maildir for each."""

    host = HOST
    user = "cps"
    password = "secret"

    def __init__(self, ca: trustme.CA, *, names: tuple[str, ...] = ("localhost", HOST)) -> None:
        """Write certificates and configuration into a new folder; start nothing yet."""
        # Short path: Unix sockets allow 107 bytes. 755: the server's own users must enter it.
        self.folder = Path(tempfile.mkdtemp(prefix="intake-dovecot-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.port, self.tls_port = free_port(), free_port()
        self.owner = pwd.getpwnam("mail") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self.ca_file = self.folder / "ca.pem"
        ca.cert_pem.write_to_path(str(self.ca_file))
        self.present_certificate(ca, *names)
        for name in ("run", "state", "mail", "home"):
            self._make_folder(self.folder / name)
        self.token_key: bytes | None = None  # with it the server takes OAuth 2 tokens (HS256)
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def program() -> str | None:
        """Return the path of Dovecot; sbin is not in everybody's PATH."""
        return shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")

    @classmethod
    def installed(cls) -> bool:
        """Say whether Dovecot with its IMAP part is there."""
        return cls.program() is not None and Path("/usr/lib/dovecot/imap").exists()

    @classmethod
    def version(cls) -> tuple[int, ...]:
        """Return Dovecot's version as numbers."""
        output = subprocess.run([cls.program() or "", "--version"], capture_output=True, check=True)
        return tuple(int(number) for number in re.findall(rb"\d+", output.stdout.split()[0]))

    def present_certificate(self, ca: trustme.CA, *names: str) -> None:
        """Write the certificate that the server shows from its next start on."""
        issued = ca.issue_cert(*names)
        issued.private_key_and_cert_chain_pem.write_to_path(str(self.folder / "server.pem"))

    def start(self) -> None:
        """Start, with the ports and the mail of before, and wait until it answers."""
        self.wait_until_gone()
        configuration = self.folder / "dovecot.conf"
        configuration.write_text(dovecot_configuration(self), encoding="utf-8")
        with (self.folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                [self.program() or "", "-F", "-c", str(configuration)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        wait_until("Dovecot starts", lambda: self._has_ended() or listens(self.tls_port))
        if self._has_ended():
            pytest.fail(f"Dovecot {self.version()} did not start:\n{self.log()}")

    def stop(self) -> None:
        """Stop as an administrator would; sessions are cut too."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop at once, as if the machine had lost its power."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop and remove everything."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        os.killpg(process.pid, how)  # all its processes at once, as systemd does
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.3)  # long enough for a BYE to every session
        with contextlib.suppress(ProcessLookupError):  # the master alone lingers for seconds
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=PATIENCE)
        self.wait_until_gone()

    def wait_until_gone(self) -> None:
        """Wait until the ports are free; a killed session closes them with its last breath."""
        wait_until("Dovecot ends", lambda: not listens(self.port) and not listens(self.tls_port))

    def log(self) -> str:
        """Return what the server had to say."""
        files = (self.folder / "output.log", self.folder / "dovecot.log")
        return "".join(path.read_text(errors="replace") for path in files if path.exists())

    def deliver(
        self,
        raw: bytes,
        *,
        folder: str = "INBOX",
        user: str = "cps",
        internal_date: datetime | None = None,
    ) -> None:
        """Drop a message into the Maildir, as a mail system would: whole or not at all.

        It is stored with bare LF, as Postfix and Dovecot's own delivery do, and served with CRLF.
        Of a large file with CRLF, Dovecot 2.4.1 (Debian 13) serves wrong bytes when it is asked for
        pieces (BODY[]<offset.length>, offset over 0); 2.3 does not, and the whole is right in both.
        """
        maildir = self.maildir(folder, user)
        for name in ("tmp", "new", "cur"):
            self._make_folder(maildir / name)
        name = f"{time.time_ns()}.{secrets.token_hex(4)}.mx1"
        path = maildir / "tmp" / name
        path.write_bytes(raw.replace(b"\r\n", b"\n"))
        os.chown(path, self.owner.pw_uid, self.owner.pw_gid)
        if internal_date is not None:  # Dovecot takes INTERNALDATE from the time of the file
            os.utime(path, (internal_date.timestamp(), internal_date.timestamp()))
        path.rename(maildir / "new" / name)

    def append(
        self,
        raw: bytes,
        *,
        folder: str = "INBOX",
        internal_date: datetime | None = None,
        user: str = "cps",
    ) -> None:
        """Append a message over IMAP, as a mail program would."""
        with self.client(user) as client:
            client.append(folder, raw, (), internal_date)

    @contextlib.contextmanager
    def client(self, user: str = "cps") -> Iterator[IMAPClient]:
        """Yield a session that may write, for arranging what a test is about."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        client = IMAPClient(HOST, self.tls_port, ssl_context=context, timeout=PATIENCE)
        client.normalise_times = False
        client.login(user, self.password)
        try:
            yield client
        finally:
            try:
                client.logout()
            except (client.Error, OSError):  # the server is gone, or the test said good-bye
                client.shutdown()

    def create_folder(self, folder: str, user: str = "cps") -> None:
        """Make a folder."""
        with self.client(user) as client:
            client.create_folder(folder)

    def move(self, folder: str, to: str, user: str = "cps") -> None:
        """Move all messages of a folder into another one."""
        with self.client(user) as client:
            client.select_folder(folder)
            client.move(client.search(), to)

    def expunge(self, folder: str, *uids: int, user: str = "cps") -> None:
        """Delete messages for good; all of the folder if none is named."""
        with self.client(user) as client:
            client.select_folder(folder)
            client.delete_messages(list(uids) or client.search())
            client.expunge()

    def forget_uids(self, folder: str = "INBOX", user: str = "cps") -> None:
        """Make the folder come back with another UIDVALIDITY and UIDs from 1."""
        # Dovecot makes UIDVALIDITY from the clock's seconds: within one second it would be equal.
        with self.client(user) as client:
            before = client.folder_status(folder, ["UIDVALIDITY"])[b"UIDVALIDITY"]
        wait_until("the second passes", lambda: int(time.time()) > before)  # noqa: TID251
        for path in self.maildir(folder, user).glob("dovecot*"):
            path.unlink()
        (self.maildir("INBOX", user) / "dovecot-uidvalidity").unlink(missing_ok=True)

    def flags(self, folder: str = "INBOX", user: str = "cps") -> dict[int, tuple[bytes, ...]]:
        """Return the flags of every message, to prove that reading left no trace."""
        with self.client(user) as client:
            client.select_folder(folder, readonly=True)
            found = client.fetch(client.search(), ["FLAGS"])
            return {uid: tuple(data[b"FLAGS"]) for uid, data in found.items()}

    def maildir(self, folder: str, user: str = "cps") -> Path:
        """Return where a folder's messages lie (Maildir++)."""
        root = self.folder / "mail" / user
        return root if folder.upper() == "INBOX" else root / ("." + folder.replace("/", "."))

    def mailbox_options(self) -> dict[str, Any]:
        """Return the values with which `tests.builders.make_config` reads this server."""
        return {
            "imap_host": HOST,
            "imap_port": self.tls_port,
            "imap_security": "tls",
            "imap_ca": f'ca_file = "{self.ca_file}"',
        }

    def _make_folder(self, path: Path) -> None:
        missing = [one for one in (path, *path.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir()
            one.chmod(0o755)
            if self.folder / "mail" in (one, *one.parents) or one == self.folder / "home":
                os.chown(one, self.owner.pw_uid, self.owner.pw_gid)


@dataclass(frozen=True)
class ReceivedMail:
    """One message that the SMTP peer took."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes


@dataclass
class SmtpPeer:
    """A mail relay that keeps what it gets; set `refuse` to a reply to have it say no."""

    host: str = HOST
    port: int = 0
    messages: list[ReceivedMail] = field(default_factory=list)
    refuse: str | None = None  # e.g. "451 4.3.0 try again later"
    _controller: Controller | None = None

    def start(self) -> None:
        """Listen, on the port of before if there was one."""
        self.port = self.port or free_port()
        self._controller = Controller(self, hostname=self.host, port=self.port)
        self._controller.start()

    def stop(self) -> None:
        """Stop listening; the next connection is refused."""
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        """Keep a message, or refuse it (aiosmtpd calls this by its name)."""
        if self.refuse is not None:
            return self.refuse
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        sender = envelope.mail_from or ""
        self.messages.append(ReceivedMail(sender, tuple(map(str, envelope.rcpt_tos)), raw))
        return "250 2.0.0 kept"


@pytest.fixture
def smtp_peer() -> Iterator[SmtpPeer]:
    """A mail relay that records what it is given."""
    peer = SmtpPeer()
    peer.start()
    try:
        yield peer
    finally:
        peer.stop()
