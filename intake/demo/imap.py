"""A local IMAP server for the demo: pymap, in memory, in a process of its own."""

import logging
import socket
import subprocess
import sys
import time
from datetime import datetime
from types import TracebackType
from typing import Self

from imapclient import IMAPClient

logger = logging.getLogger(__name__)

USER = "cps"
PASSWORD = "demo"  # noqa: S105 - of a server that lives in memory on loopback
START_SECONDS = 20.0


class ImapStandIn:
    """An IMAP server on loopback with an empty INBOX and a folder Junk."""

    def __init__(self) -> None:
        """Choose a free port; the server starts with `start` or as a context manager."""
        self.host = "127.0.0.1"
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [
            sys.executable,
            "-c",
            "from pymap.main import main; main()",
            "--host",
            self.host,
            "--port",
            str(self.port),
        ]
        command += ["--no-tls", "dict", "--demo-data", "--demo-user", USER]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, fixed arguments
            [*command, "--demo-password", PASSWORD],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._empty()
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def deliver(self, raw: bytes, *, folder: str = "INBOX", internal_date: datetime) -> None:
        """Put a message into a folder, as the mail system would."""
        with self._login() as client:
            client.append(folder, raw, msg_time=internal_date)

    def stop(self) -> None:
        """Stop the server; its mail is gone."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self.stop()

    def _login(self) -> IMAPClient:
        client = IMAPClient(self.host, self.port, ssl=False, timeout=10)
        client.login(USER, PASSWORD)
        return client

    def _empty(self) -> None:
        """Take out the sample mail that pymap brings and make the folder Junk."""
        with self._login() as client:
            for _, _, name in client.list_folders():
                if name != "INBOX":
                    client.delete_folder(name)
            client.select_folder("INBOX")
            client.delete_messages(client.search())
            client.expunge()
            client.create_folder("Junk")


def free_port() -> int:
    """Return a port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
