"""Mailboxes of generated messages in a private Dovecot, placed as files: that is quick."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import trustme
from imapclient import IMAPClient

from benchmarks.generate import START, generate
from benchmarks.measure import say
from tests.servers import DovecotServer

SECONDS_BETWEEN = 37  # as the generator dates them
WARM_UP_AT_ONCE = 5000
PATIENCE = 600


@dataclass(frozen=True)
class Mailbox:
    """A server with messages in INBOX, and what they are."""

    server: DovecotServer
    count: int
    raw_bytes: int  # as served

    @property
    def ends_at(self) -> datetime:
        """Return when the last message came."""
        return START + timedelta(seconds=SECONDS_BETWEEN * self.count)


@contextmanager
def mailbox(count: int, *, hostile_references: bool = False) -> Iterator[Mailbox]:
    """Yield a running server with so many generated messages, all indexed by it already."""
    words = "with hostile References" if hostile_references else "plain"
    say(f"placing {count:,} messages, {words} …")
    server = DovecotServer(trustme.CA())
    try:
        server.start()
        with _client(server) as client:
            client.select_folder("INBOX")  # makes the folders
        size = _place(server, count, hostile_references=hostile_references)
        _let_it_index(server)
        yield Mailbox(server, count, size)
    finally:
        server.close()


def _place(server: DovecotServer, count: int, *, hostile_references: bool) -> int:
    folder = server.maildir("INBOX") / "cur"
    total = 0
    for number, raw in enumerate(generate(count, hostile_references=hostile_references)):
        stored = raw.replace(b"\r\n", b"\n")
        at = (START + timedelta(seconds=SECONDS_BETWEEN * number)).timestamp()
        path = folder / f"{int(at)}.M{number}.mx1,S={len(stored)},W={len(raw)}:2,"
        path.write_bytes(stored)
        os.chown(path, server.owner.pw_uid, server.owner.pw_gid)
        os.utime(path, (at, at))
        total += len(raw)
    return total


def _let_it_index(server: DovecotServer) -> None:
    """Have the server give its UIDs and sizes: that is its work, not that of who reads."""
    with _client(server) as client:
        client.select_folder("INBOX", readonly=True)
        uids = client.search()
        for start in range(0, len(uids), WARM_UP_AT_ONCE):
            client.fetch(uids[start : start + WARM_UP_AT_ONCE], ["RFC822.SIZE", "INTERNALDATE"])


@contextmanager
def _client(server: DovecotServer) -> Iterator[IMAPClient]:
    client = IMAPClient(server.host, server.port, ssl=False, timeout=PATIENCE)
    client.login(server.user, server.password)
    try:
        yield client
    finally:
        client.logout()


def size_of_folder(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
