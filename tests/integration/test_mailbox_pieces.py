"""Pieces of a large message are only believed where the server hands out the right ones."""

import os
import random
from pathlib import Path

import pytest
from sqlmodel import select

from intake.archive.seal import ArchiveKey, remember_key
from intake.archive.store import raw_bytes
from intake.database import Database
from intake.pipeline import poll
from intake.service import assemble
from intake.tables import Message
from tests.builders import NOW, make_config, make_message
from tests.servers import DovecotServer


@pytest.mark.parametrize("line_end", ["LF", "CRLF"])
@pytest.mark.parametrize("oversize", ["60MB", "2MB"])
def test_a_large_message_is_kept_as_it_is_however_the_server_stores_it(
    tmp_path: Path, dovecot: DovecotServer, database: Database, line_end: str, oversize: str
) -> None:
    """Dovecot 2.4.1 serves wrong pieces, silently, of what it stored with CRLF."""
    chance = random.Random(7)  # noqa: S311 - a message that can be made again
    body = "".join(f"{chance.getrandbits(280):070x}\r\n" for _ in range(150_000))
    raw = make_message(body=body)
    store(dovecot, raw if line_end == "CRLF" else raw.replace(b"\r\n", b"\n"))
    config = make_config(
        tmp_path, **dovecot.mailbox_options(), more=f'[service]\noversize = "{oversize}"'
    )
    key = ArchiveKey.create(tmp_path / "archive.key")
    with database.write() as session:
        remember_key(session, key)

    with assemble(config, database, lambda: NOW) as parts:
        for _ in range(8):
            poll(parts, config.mailbox[0])

    with database.read() as session:
        largest = max(session.exec(select(Message)).all(), key=lambda one: one.size)
        kept = raw_bytes(session, key, largest.id or 0)
    assert kept == raw


def store(dovecot: DovecotServer, content: bytes) -> None:
    dovecot.deliver(b"Subject: first\r\n\r\n")  # makes the folders
    path = dovecot.maildir("INBOX") / "tmp" / "1.large.mx1"
    path.write_bytes(content)
    os.chown(path, dovecot.owner.pw_uid, dovecot.owner.pw_gid)
    path.rename(dovecot.maildir("INBOX") / "new" / path.name)
