"""The second reader's own way to a mailbox: `imaplib`, `EXAMINE`, `FETCH (UID)`, `BODY.PEEK[]`."""

import hashlib
import imaplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from intake.config import MailboxSection, Secret
from intake.errors import ConfigError, ConfigProblem, OutsideUnavailableError
from intake.mailbox.token import bearer_token, forget_token
from intake.reconcile.answers import (
    Listed,
    quote,
    read_bodies,
    read_list,
    read_namespaces,
    read_uids,
    to_read,
)

TIMEOUT_SECONDS = 60.0
PIECE_BYTES = 1_000_000  # of a large message
BATCH_BYTES = 4_000_000  # that are held in memory at once
BATCH_COUNT = 50
ERRORS = (imaplib.IMAP4.error, OSError, ValueError)


@dataclass(frozen=True)
class Opened:
    """A folder that was opened for reading only, with every UID in it."""

    uidvalidity: int
    uidnext: int | None
    uids: frozenset[int]


class Server:
    """One connection to a mailbox; a context manager that logs in and out."""

    def __init__(self, mailbox: MailboxSection) -> None:
        """Prepare a connection; `with` opens it."""
        self._mailbox = mailbox
        self._imap: imaplib.IMAP4 | None = None
        self._credential = ""

    def __enter__(self) -> "Server":
        """Connect and log in.

        Raises:
            OutsideUnavailableError: if the server is away, not who it should be, or refuses us.
        """
        box = self._mailbox
        password = box.password.read() if box.password is not None else None
        self._credential = password or bearer_token(box.token_command)
        try:
            with self._explained("connecting"):
                self._imap = _connect(box)
            with self._explained("logging in"):
                self._log_in()
        except BaseException:
            self._hang_up()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Log out, or just hang up if something failed."""
        if self._imap is not None and kind is None:
            with suppress(*ERRORS):
                self._imap.logout()
                self._imap = None
        self._hang_up()

    def folders(self) -> list[Listed]:
        """Return every folder that must be archived, by name."""
        with self._explained("listing the folders"):
            listed = read_list(self._ok(*self.imap.list('""', "*")))
            prefixes: list[bytes] = []
            if "NAMESPACE" in self.imap.capabilities:
                with suppress(imaplib.IMAP4.error):
                    prefixes = read_namespaces(self._ok(*self.imap.namespace()))
            for prefix in prefixes:
                listed += read_list(self._ok(*self.imap.list(_arg(quote(prefix)), "*")))
        by_name = {folder.wire: folder for folder in listed}
        return to_read(by_name.values(), self._mailbox.skip_folders)

    def open(self, folder: Listed) -> Opened:
        """Open a folder for reading only and list every UID in it."""
        with self._explained(f"reading {folder.name}"):
            self._ok(*self.imap.select(_arg(quote(folder.wire)), readonly=True))
            uidvalidity = self._number("UIDVALIDITY")
            if uidvalidity is None:
                message = "the server names no UIDVALIDITY"
                raise ValueError(message)
            uidnext = self._number("UIDNEXT")
            uids = read_uids(self._ok(*self.imap.uid("FETCH", "1:*", "(UID)")))
        return Opened(uidvalidity, uidnext, frozenset(uids))

    def digests(self, messages: Sequence[tuple[int, int]]) -> Iterator[tuple[int, str | None]]:
        """Yield the SHA-256 of messages as they are served; None for one that is not handed out.

        Args:
            messages: UIDs in the open folder, each with the size that is expected.
        """
        for batch in _batches(messages):
            if len(batch) == 1 and batch[0][1] > BATCH_BYTES:
                yield batch[0][0], self._digest_in_pieces(batch[0][0])
                continue
            with self._explained(f"fetching messages from UID {batch[0][0]} on"):
                wanted = ",".join(str(uid) for uid, _ in batch)
                bodies = read_bodies(self._ok(*self.imap.uid("FETCH", wanted, "(BODY.PEEK[])")))
            for uid, _ in batch:
                body = bodies.pop(uid, None)
                yield uid, None if body is None else hashlib.sha256(body).hexdigest()

    def _digest_in_pieces(self, uid: int) -> str | None:
        digest, offset = hashlib.sha256(), 0
        while True:
            item = f"(BODY.PEEK[]<{offset}.{PIECE_BYTES}>)"
            with self._explained(f"fetching message {uid}"):
                answer = read_bodies(self._ok(*self.imap.uid("FETCH", str(uid), item)))
            if uid not in answer:
                return None
            digest.update(answer[uid])
            offset += len(answer[uid])
            if len(answer[uid]) < PIECE_BYTES:
                return digest.hexdigest()

    @property
    def imap(self) -> imaplib.IMAP4:
        """The library's connection.

        Raises:
            OutsideUnavailableError: if there is none.
        """
        if self._imap is None:
            raise OutsideUnavailableError(self._say("there is no connection"))
        return self._imap

    def _log_in(self) -> None:
        box = self._mailbox
        if box.auth != "password":
            try:
                self._by_token()
            except imaplib.IMAP4.error:  # it may have run out: once more, with a new one
                forget_token(box.token_command, self._credential)
                self._credential = bearer_token(box.token_command)
                self._by_token()
        elif "AUTH=PLAIN" in self.imap.capabilities:
            self._authenticate("PLAIN", f"\0{box.username}\0{self._credential}", b"")
        else:
            self._ok(*self.imap.login(_arg(quote(box.username.encode())), self._credential))

    def _by_token(self) -> None:
        box, bearer = self._mailbox, f"auth=Bearer {self._credential}\x01\x01"
        if box.auth == "xoauth2":
            self._authenticate("XOAUTH2", f"user={box.username}\x01{bearer}", b"")
        else:
            place = f"host={box.host}\x01port={box.port}"
            form = f"n,a={box.username},\x01{place}\x01{bearer}"
            self._authenticate("OAUTHBEARER", form, b"\x01")

    def _authenticate(self, mechanism: str, answer: str, after: bytes) -> None:
        """Answer the server's challenge once; a second one is its reason for a refusal."""
        answers = iter((answer.encode(), after))
        self._ok(*self.imap.authenticate(mechanism, lambda _: next(answers, b"")))

    def _number(self, code: str) -> int | None:
        _, values = self.imap.response(code)
        text = values[-1] if values else None
        return int(text) if isinstance(text, bytes) and text.isdigit() else None

    def _ok(self, answer: str, data: Any) -> list[Any]:  # noqa: ANN401 - what imaplib returns
        if answer != "OK":
            text = b" ".join(item for item in data if isinstance(item, bytes))
            raise imaplib.IMAP4.error(text.decode("utf-8", "replace"))
        return [item for item in data if item is not None]

    def _hang_up(self) -> None:
        imap, self._imap = self._imap, None
        if imap is not None:
            with suppress(*ERRORS):
                imap.shutdown()

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except ERRORS as error:
            text = " ".join(str(error).split())[:300]
            if self._credential:
                text = text.replace(self._credential, "…")
            raise OutsideUnavailableError(self._say(f"{doing}: {text}")) from None

    def _say(self, what: str) -> str:
        box = self._mailbox
        return (
            f"Mailbox {box.name} ({box.host}:{box.port}) could not be compared: {what}. "
            "Fix: `intake check --live` says what is wrong; then run this again."
        )


def _connect(box: MailboxSection) -> imaplib.IMAP4:
    if box.security == "tls":
        return imaplib.IMAP4_SSL(
            box.host, box.port, ssl_context=_trust(box.ca), timeout=TIMEOUT_SECONDS
        )
    imap = imaplib.IMAP4(box.host, box.port, timeout=TIMEOUT_SECONDS)
    if box.security == "starttls":
        try:
            imap.starttls(_trust(box.ca))
        except BaseException:
            imap.shutdown()
            raise
    return imap


def _trust(ca: Secret | None) -> ssl.SSLContext:
    file = ca.path() if ca is not None else None
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:
        fix = "name a PEM file with the CA that signed the server's certificate"
        rule = f"can't be used: {error.strerror or 'it holds no certificate'}"
        raise ConfigError([ConfigProblem("mailbox.ca_file", str(file), rule, fix)]) from None


def _batches(messages: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yield messages in batches of bounded size, a large one alone."""
    batch: list[tuple[int, int]] = []
    total = 0
    for uid, size in messages:
        if batch and (len(batch) == BATCH_COUNT or total + size > BATCH_BYTES):
            yield batch
            batch, total = [], 0
        batch.append((uid, size))
        total += size
    if batch:
        yield batch


def _arg(text: bytes) -> Any:  # noqa: ANN401 - imaplib takes bytes, and says that it takes str
    return text
