"""Files of older Office programs and messages that Outlook saved (.msg).

Of a document only the runs of plain characters are read, which is enough for what it names.

Source: MS-CFB; MS-OXMSG 2.1 to 2.4.
"""

import io
import re
import struct
from collections.abc import Iterator

import olefile

from intake.evidence.tnef import (
    ATTACHED,
    BINARY,
    LONG_NAME,
    NAME,
    STRING8,
    UNICODE,
    Content,
    message_texts,
    text_of,
)

MAGIC = b"\xd0\xcf\x11\xe0"
LARGEST_STREAM = 32 * 1024 * 1024
MOST_STREAMS = 2000
BROKEN = (
    OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, struct.error,
)  # fmt: skip
LOCKED = "EncryptedPackage"


class LockedError(Exception):
    """A document that is locked with a password."""


_PROPERTY = re.compile(r"__substg1\.0_([0-9A-F]{4})([0-9A-F]{4})\Z", re.IGNORECASE)
_WIDE_RUN = re.compile(rb"(?:[\x09\x20-\x7e]\x00){6,}")
_RUN = re.compile(rb"[\x09\x20-\x7e]{6,}")


def read_old_office(data: bytes) -> list[Content]:
    """Return texts and attachments of such a file.

    Raises:
        LockedError: for one that is locked.
        those in `BROKEN`: for a damaged one.
    """
    with olefile.OleFileIO(io.BytesIO(data)) as file:
        names = file.listdir(streams=True, storages=False)[:MOST_STREAMS]
        if [LOCKED] in names:
            raise LockedError
        if any(name[-1].startswith("__properties_version1.0") for name in names):
            return list(_read_message(file, names))
        texts = [_plain_runs(_stream(file, name)) for name in names]
        return [
            Content(
                data="\n".join(text for text in texts if text).encode(), media_type="text/plain"
            )
        ]


def _stream(file: olefile.OleFileIO, name: list[str]) -> bytes:
    content: bytes = file.openstream(name).read(LARGEST_STREAM)
    return content


def _read_message(file: olefile.OleFileIO, names: list[list[str]]) -> Iterator[Content]:
    """Yield what a message holds; messages within it have folders of their own."""
    folders: dict[tuple[str, ...], dict[int, tuple[int, bytes]]] = {}
    for name in names:
        match = _PROPERTY.match(name[-1])
        if match and int(match[2], 16) in (STRING8, UNICODE, BINARY):
            key, kind = int(match[1], 16), int(match[2], 16)
            folders.setdefault(tuple(name[:-1]), {})[key] = (kind, _stream(file, name))
    for properties in folders.values():
        yield from message_texts({key: value for key, (_, value) in properties.items()})
        if ATTACHED in properties:
            kind, name_of = properties.get(LONG_NAME) or properties.get(NAME) or (UNICODE, b"")
            yield Content(text_of(name_of, kind), properties[ATTACHED][1])


def _plain_runs(data: bytes) -> str:
    wide = [run.decode("utf-16-le") for run in _WIDE_RUN.findall(data)]
    narrow = [run.decode("ascii") for run in _RUN.findall(data)]
    return "\n".join([*wide, *narrow])
