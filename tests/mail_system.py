"""A real Postfix for tests: genuine `Received` stamps and mail log lines, into the test's Dovecot."""

import contextlib
import os
import pwd
import shutil
import signal
import smtplib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import HOST, PATIENCE, DovecotServer, free_port, listens, wait_until


@pytest.fixture
def postfix(dovecot: DovecotServer) -> Iterator["PostfixServer"]:
    """A mail system on the way into the test's Dovecot, for one test."""
    from tests.conftest import need

    need("Postfix", PostfixServer.program() is not None)
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only")
    server = PostfixServer(dovecot)
    try:
        server.start()
        yield server
    finally:
        server.close()


class PostfixServer:
    """A private Postfix that takes mail for ca.example into a Dovecot's Maildirs."""

    host = HOST
    name = "mx1.ca.example"

    def __init__(
        self, dovecot: DovecotServer, *, addresses: tuple[str, ...] = ("cps@ca.example",)
    ) -> None:
        """Write the configuration into a new folder; start nothing yet."""
        self.folder = Path(tempfile.mkdtemp(prefix="intake-postfix-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.port = free_port()
        for name in ("etc", "spool", "log", "lib"):
            (self.folder / name).mkdir()
        daemon = pwd.getpwnam("postfix")
        os.chown(self.folder / "lib", daemon.pw_uid, daemon.pw_gid)
        values = {
            "base": self.folder, "name": self.name, "port": self.port,
            "mail": dovecot.folder / "mail",
            "uid": dovecot.owner.pw_uid, "gid": dovecot.owner.pw_gid,
        }  # fmt: skip
        for name, text in (("main.cf", POSTFIX_MAIN), ("master.cf", POSTFIX_MASTER)):
            (self.folder / "etc" / name).write_text(text.format(**values), encoding="utf-8")
        lines = [f"{address} {address.partition('@')[0]}/\n" for address in addresses]
        (self.folder / "etc" / "mailboxes").write_text("".join(lines), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def program() -> str | None:
        """Return the path of Postfix."""
        return shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")

    def start(self) -> None:
        """Start and wait until it answers."""
        with (self.folder / "log" / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [self.program() or "", "-c", str(self.folder / "etc"), "start-fg"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        process = self._process
        wait_until("Postfix starts", lambda: process.poll() is not None or listens(self.port))
        if process.poll() is not None:
            pytest.fail(f"Postfix did not start:\n{self.log()}")

    def close(self) -> None:
        """Stop and remove everything."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError, ValueError):  # its master leads a group of its own
                master = int((self.folder / "spool/pid/master.pid").read_text())
                os.killpg(master, signal.SIGKILL)
            process.kill()
            process.wait(timeout=PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """Return the mail log, in Postfix's own lines."""
        files = sorted((self.folder / "log").iterdir())
        return "".join(path.read_text(errors="replace") for path in files)

    def send(
        self,
        raw: bytes,
        *,
        sender: str = "rita@reporter.example",
        recipients: tuple[str, ...] = ("cps@ca.example",),
        client: str = "mail.reporter.example",
    ) -> None:
        """Hand in a message over SMTP, as a mail system from outside would."""
        with smtplib.SMTP(HOST, self.port, local_hostname=client, timeout=PATIENCE) as connection:
            connection.sendmail(sender, list(recipients), raw)


POSTFIX_MAIN = """
compatibility_level = 3.6
config_directory = {base}/etc
queue_directory = {base}/spool
data_directory = {base}/lib
mail_owner = postfix
setgid_group = postdrop
maillog_file = {base}/log/mail.log
maillog_file_prefixes = {base}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = {name}
mydestination =
mynetworks = 127.0.0.2/32
smtpd_peername_lookup = no
disable_dns_lookups = yes
smtp_dns_support_level = disabled
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = ca.example
virtual_mailbox_base = {mail}
virtual_mailbox_maps = texthash:{base}/etc/mailboxes
virtual_mailbox_limit = 0
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
smtpd_relay_restrictions = reject_unauth_destination
message_size_limit = 100000000
"""

POSTFIX_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
