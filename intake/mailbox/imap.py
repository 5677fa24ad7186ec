"""A read-only session with an IMAP server.

`EXAMINE` and `UID FETCH BODY.PEEK[]` only: no flag is set, nothing is moved or deleted. Every
failure becomes an `ImapRefusedError` (the server said no; the session goes on) or an
`ImapLostError` (the connection is of no use any more), with what, where and fix, never a password.
"""

import imaplib
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from threading import Event
from types import TracebackType
from typing import Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.imap_utf7 import encode as encode_utf7

from intake.config import MailboxSection, is_loopback
from intake.errors import ConfigError, ConfigProblem
from intake.mailbox.answers import header_from, read_instant, read_name, read_status, read_text
from intake.mailbox.folder import FetchedMessage, FolderInfo, FolderStatus
from intake.mailbox.folders import ListedFolder, choose_folders
from intake.mailbox.login import log_in, read_credential, without_credential
from intake.mailbox.token import forget_token
from intake.mailbox.trouble import (
    LIBRARY_ERRORS,
    TRIED_AGAIN,
    ImapLostError,
    ImapRefusedError,
    explain,
    is_loss,
)
from intake.mailbox.trust import trust

__all__ = [
    "FetchedMessage",
    "FolderInfo",
    "FolderStatus",
    "ImapLostError",
    "ImapRefusedError",
    "ImapSession",
    "wait_for_hint",
    "watch_folder",
]

TIMEOUTS = SocketTimeout(connect=15, read=60)
IDLE_SECONDS = 10 * 60  # servers may end an idle connection after 30 minutes (RFC 2177)
IDLE_SLICE_SECONDS = 1.0  # how soon a stop is noticed
UIDS_AT_ONCE = 50_000  # imaplib refuses lines over 1,000,000 bytes
STATUS_ITEMS = ("MESSAGES", "UIDNEXT", "UIDVALIDITY")

# The library logs every line at DEBUG, credentials in base64 and mail text among them.
logging.getLogger("imapclient").setLevel(logging.WARNING)


class ImapSession:
    """One connection to a mailbox; a context manager that logs in and out."""

    def __init__(self, mailbox: MailboxSection, *, timeouts: SocketTimeout = TIMEOUTS) -> None:
        """Prepare a session; `with` opens it."""
        self._mailbox = mailbox
        self._timeouts = timeouts
        self._client: IMAPClient | None = None
        self._credential = ""
        self._examined: FolderInfo | None = None
        self._uidvalidity = 0  # of that folder

    def __enter__(self) -> "ImapSession":
        """Connect and log in; a bearer token that is refused is asked for anew, once.

        Raises:
            ImapLostError: if the server can't be reached, is not who it should be, or refuses us.
        """
        for is_last in (False, True):
            # First: its absence is a fault of configuration.
            self._credential = read_credential(self._mailbox)
            try:
                self._open()
            except ImapRefusedError as error:
                self.drop()
                forget_token(self._mailbox.token_command, self._credential)
                if is_last or self._mailbox.auth == "password":
                    raise ImapLostError(str(error)) from None
            except BaseException:
                self.drop()
                raise
            else:
                break
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Log out, or just hang up if something failed."""
        client = self._client
        if client is not None and kind is None:
            try:
                client.logout()
            except LIBRARY_ERRORS:
                pass  # the answer to LOGOUT changes nothing
            else:
                self._client = None
        self.drop()

    def drop(self) -> None:
        """Hang up without a word."""
        client, self._client, self._examined = self._client, None, None
        if client is not None:
            with suppress(imaplib.IMAP4.error, OSError, ValueError):  # it may be closed already
                client.shutdown()

    def reopen(self) -> None:
        """Connect anew after a loss, and open the folder again that was open.

        Raises:
            ImapLostError: if there is no connection to be had.
            ImapRefusedError: if the folder is not the same any more.
        """
        examined, uidvalidity = self._examined, self._uidvalidity
        self.drop()
        self.__enter__()
        if examined is not None and self.examine(examined).uidvalidity != uidvalidity:
            what = f"the UIDs of {examined.name} changed while it was read"
            raise ImapRefusedError(self._say(what, TRIED_AGAIN))

    def folders(self) -> list[FolderInfo]:
        """Return every folder that is to be read: INBOX first, then Junk, then the rest."""
        with self._explained("listing the folders"):
            listed = {one.wire: one for one in self._list("")}
            for prefix in self._namespaces():
                listed.update((one.wire, one) for one in self._list(prefix))
        return choose_folders(
            list(listed.values()), junk=self._mailbox.junk_folders, skip=self._mailbox.skip_folders
        )

    def status(self, folder: FolderInfo) -> FolderStatus:
        """Ask where a folder stands, without opening it."""
        with self._explained(f"asking for the status of {folder.name}"):
            return read_status(self.client.folder_status(folder.wire, STATUS_ITEMS), b"MESSAGES")

    def examine(self, folder: FolderInfo) -> FolderStatus:
        """Open a folder for reading only."""
        self._examined = None
        with self._explained(f"opening {folder.name}"):
            status = read_status(self.client.select_folder(folder.wire, readonly=True), b"EXISTS")
        self._examined, self._uidvalidity = folder, status.uidvalidity
        return status

    def uids(self, first: int, last: int | None, *, exists: int) -> list[int]:
        """List the UIDs of the open folder from first on; it holds `exists` messages up to last."""
        found: list[int] = []
        with self._explained("listing messages"):
            if last is None or exists <= UIDS_AT_ONCE:
                found = self.client.search(["UID", f"{first}:*"])
            else:
                for start in range(first, last + 1, UIDS_AT_ONCE):
                    end = min(start + UIDS_AT_ONCE - 1, last)
                    found += self.client.search(["UID", f"{start}:{end}"])
        return sorted(uid for uid in set(found) if first <= uid)  # n:* always names the newest one

    def still_listed(self, uids: Sequence[int]) -> set[int]:
        """Return which of these messages the server still has."""
        with self._explained("looking for messages again"):
            self.client.noop()  # tells the server to notice what other sessions removed
            return set(self.client.search(["UID", ",".join(map(str, uids))]))

    def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """Return the size that the server states for each message."""
        with self._explained("asking for the sizes of messages"):
            answer = self.client.fetch(uids, ["RFC822.SIZE"])
        return {
            uid: size
            for uid, one in answer.items()
            if isinstance(size := one.get(b"RFC822.SIZE"), int)
        }

    def fetch(self, uids: Sequence[int]) -> list[FetchedMessage]:
        """Fetch messages whole; one that the server does not hand out is left out."""
        with self._explained(f"fetching messages {uids[0]} to {uids[-1]}"):
            answer = self.client.fetch(uids, ["INTERNALDATE", "BODY.PEEK[]"])
        found = []
        for uid in uids:
            one = answer.get(uid, {})
            raw = one.get(b"BODY[]")
            if isinstance(raw, bytes):
                found.append(FetchedMessage(uid, read_instant(one.get(b"INTERNALDATE")), raw))
        return found

    def fetch_piece(
        self, uid: int, offset: int, length: int
    ) -> tuple[bytes | None, datetime | None]:
        """Fetch some bytes of a message, and its INTERNALDATE; None if it is not handed out."""
        item = f"BODY.PEEK[]<{offset}.{length}>"
        with self._explained(f"fetching message {uid}"):
            answer = self.client.fetch([uid], ["INTERNALDATE", item]).get(uid, {})
        piece = answer.get(f"BODY[]<{offset}>".encode())
        return (
            piece if isinstance(piece, bytes) else None,
            read_instant(answer.get(b"INTERNALDATE")),
        )

    def known_of(self, uid: int, item: str) -> tuple[bytes, datetime | None]:
        """Fetch what a server may know of a message whose body it refuses.

        Args:
            uid: which message of the open folder.
            item: INTERNALDATE, ENVELOPE or BODY.PEEK[HEADER].

        Returns:
            Header fields, and when it was received.
        """
        with self._explained(f"asking what is known of message {uid}"):
            answer = self.client.fetch([uid], [item]).get(uid, {})
        header = answer.get(b"BODY[HEADER]")
        header = header if isinstance(header, bytes) else header_from(answer.get(b"ENVELOPE"))
        return header, read_instant(answer.get(b"INTERNALDATE"))

    def wait_for_news(
        self, seconds: float, stopping: Event, *, monotonic: Callable[[], float] = time.monotonic
    ) -> bool:
        """Wait in the open folder until the server says anything; False after these seconds.

        A stop ends the session.

        Raises:
            ImapLostError: if the connection is lost, or the server says good-bye.
        """
        if not self.client.has_capability("IDLE"):
            stopping.wait(seconds)
            return False
        until = monotonic() + seconds
        while monotonic() < until and not stopping.is_set():
            if self._idle(min(until, monotonic() + IDLE_SECONDS), stopping, monotonic):
                return True
        return False

    def _idle(self, until: float, stopping: Event, monotonic: Callable[[], float]) -> bool:
        """Stay in one IDLE command; say whether there was news."""
        with self._explained("waiting for news"):
            self.client.idle()
            news = [] if _has_unread(self.client) else self._listen(until, stopping, monotonic)
            if stopping.is_set():
                self.drop()  # a server that is away would keep us waiting for its answer to DONE
                return False
            if not _says_goodbye(news):
                news += self.client.idle_done()[1]
            if _says_goodbye(news):
                message = "BYE from the server"
                raise imaplib.IMAP4.abort(message)
        return bool(news)

    def _listen(self, until: float, stopping: Event, monotonic: Callable[[], float]) -> list[Any]:
        """Return what the server says within an IDLE command, nothing if it says nothing."""
        news: list[Any] = []
        while not news and not stopping.is_set() and (left := until - monotonic()) > 0:
            asked = monotonic()
            news = self.client.idle_check(timeout=min(left, IDLE_SLICE_SECONDS))
            if not news and monotonic() - asked < min(left, IDLE_SLICE_SECONDS) / 2:
                break  # woken for nothing: housekeeping of TLS, or a closed peer; DONE tells
        return news

    @property
    def client(self) -> IMAPClient:
        """The library's connection.

        Raises:
            ImapLostError: if it was dropped.
        """
        if self._client is None:
            raise ImapLostError(self._say("there is no connection", TRIED_AGAIN))
        return self._client

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Turn whatever the library raises into our two errors."""
        try:
            yield
        except LIBRARY_ERRORS as error:
            text = self._harmless(error)
            problem, fix = explain(error, text, self._mailbox)
            kind = ImapLostError if is_loss(error, text) else ImapRefusedError
            raise kind(self._say(f"{doing}: {problem}", fix)) from None

    def _harmless(self, error: Exception) -> str:
        """Return the error's text in one line, without the password should the server echo it."""
        text = " ".join(str(error).split())
        return without_credential(text, self._mailbox, self._credential)[:300]

    def _say(self, what: str, fix: str) -> str:
        box = self._mailbox
        return f"Mailbox {box.name} ({box.host}:{box.port}): {what}. Fix: {fix}."

    def _open(self) -> None:
        with self._explained("connecting"):
            self._client = self._connect()
        with self._explained("logging in"):
            log_in(self._client, self._mailbox, self._credential)

    def _connect(self) -> IMAPClient:
        box = self._mailbox
        if box.security == "none" and not is_loopback(box.host):
            rule = "clear text is for this machine itself only"
            raise ConfigError([ConfigProblem("mailbox.security", "none", rule, 'use "tls"')])
        context = trust(box) if box.security != "none" else None
        client = IMAPClient(
            box.host,
            port=box.port,
            ssl=box.security == "tls",
            ssl_context=context,
            timeout=self._timeouts,
        )
        # The library sends a command and its end of line apart: else the second waits until the
        # server confirms the first, 40 ms for every command.
        client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client._imap.debug = 0  # the library sets 5: every byte is formatted for a log nobody reads
        client.normalise_times = False  # else INTERNALDATE comes in local time, with today's offset
        client.folder_encode = False  # names go back as the server wrote them
        if box.security == "starttls":
            try:
                client.starttls(context)  # raises where the server does not offer it: no LOGIN
            except BaseException:
                client.shutdown()
                raise
        return client

    def _namespaces(self) -> list[str]:
        if not self.client.has_capability("NAMESPACE"):
            return []
        try:
            groups = self.client.namespace()
        except (imaplib.IMAP4.error, ValueError, TypeError):
            return []  # `LIST "" *` has given what there is
        prefixes = [read_text(prefix) for group in groups if group for prefix, _ in group]
        return [prefix for prefix in prefixes if prefix]

    def _list(self, prefix: str) -> list[ListedFolder]:
        return [
            ListedFolder(
                name=read_name(name),
                wire=read_text(name),
                separator=read_text(separator or b""),
                attributes=frozenset(read_text(one).casefold() for one in flags),
            )
            for flags, separator, name in self.client.list_folders(directory=prefix)
        ]


def _says_goodbye(news: list[Any]) -> bool:
    return any(one[0] == b"BYE" for one in news)


def _has_unread(client: IMAPClient) -> bool:
    """Say whether news came together with the answer to IDLE, where the library never looks."""
    imap, connection = client._imap, client.socket()
    lines = getattr(imap, "file", None) or imap._file
    before = connection.gettimeout()
    connection.settimeout(0)
    try:
        return bool(lines.peek(1))
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    finally:
        connection.settimeout(before)


def wait_for_hint(mailbox: MailboxSection, folder: str, *, stopping: Event, seconds: float) -> bool:
    """Wait on a connection of its own until anything happens in a folder; False after the time.

    It is only a hint that a poll is worth while: nothing depends on it.

    Raises:
        OutsideUnavailableError: if the connection is lost, or was not to be had.
    """
    with ImapSession(mailbox) as session:
        session.examine(FolderInfo(folder, encode_utf7(folder).decode("ascii")))
        return session.wait_for_news(seconds, stopping)


def watch_folder(
    mailbox: MailboxSection, folder: str, *, stopping: Event, on_hint: Callable[[], None]
) -> None:
    """Call `on_hint` whenever anything happens in a folder, until `stopping` is set.

    It is called once at the beginning too: for what came while there was no connection.

    Raises:
        OutsideUnavailableError: if the connection is lost, or was not to be had.
    """
    with ImapSession(mailbox) as session:
        session.examine(FolderInfo(folder, encode_utf7(folder).decode("ascii")))
        on_hint()
        while not stopping.is_set():
            if session.wait_for_news(IDLE_SECONDS, stopping):
                on_hint()
