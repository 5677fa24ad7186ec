"""Members of 7z archives.

The usual methods are read with Python's own lzma; what needs another (PPMd, BCJ2) is said not to
be readable. Every number of the header is bounded before it is used.

Source: 7zFormat.txt of the LZMA SDK.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from intake.evidence.sevenzip_coders import (
    BROKEN,
    ENCRYPTED,
    UNDO,
    LockedError,
    SevenZipError,
    decrypt,
)

MAGIC = b"7z\xbc\xaf\x27\x1c"
START = struct.Struct("<6sBBIQQI")
END, HEADER, STREAMS, FILES, PACKED, UNPACKED, SUBSTREAMS = 0, 1, 4, 5, 6, 7, 8
SIZES, CHECKSUMS, FOLDERS, UNPACKED_SIZES, COUNTS, EMPTY, NAMES, CODED_HEADER = (
    9,
    10,
    11,
    12,
    13,
    14,
    17,
    23,
)
MOST = 100_000  # of anything that the header counts
LARGEST = 100 * 1024 * 1024


@dataclass
class Folder:
    """One packed stream, how it is undone, and the files in it."""

    coders: list[tuple[bytes, bytes]] = field(default_factory=list)  # method and properties
    sizes: list[int] = field(default_factory=list)  # unpacked, by coder
    checksum: int | None = None
    simple: bool = True  # a chain of coders with one stream each
    order: list[int] = field(default_factory=list)  # in which the coders are undone
    files: list[int] = field(default_factory=list)  # sizes


@dataclass
class Archive:
    """What the header says."""

    packed_at: int = 0
    packed_sizes: list[int] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    empty: list[bool] = field(default_factory=list)


def read_sevenzip(
    data: bytes, *, password: str | None, most_bytes: int = LARGEST
) -> list[tuple[str, bytes | None]]:
    """Return names and contents of the files; None for what needs a method that is not read.

    Raises:
        LockedError: if the password is missing or wrong.
        those in `BROKEN`: for a damaged archive.
    """
    archive = _read_archive(data, password)
    contents: list[bytes | None] = []
    at = START.size + archive.packed_at
    for number, folder in enumerate(archive.folders):
        size = archive.packed_sizes[number]
        content = _unpack(folder, data[at : at + size], password, most_bytes)
        at += size
        contents += _cut(content, folder.files)
        most_bytes -= len(content or b"")
    names = [name for name, empty in zip(archive.names, archive.empty, strict=False) if not empty]
    return [
        (names[number] if number < len(names) else "", one) for number, one in enumerate(contents)
    ]


def _cut(content: bytes | None, sizes: list[int]) -> list[bytes | None]:
    if content is None:
        return [None] * len(sizes)
    found: list[bytes | None] = []
    at = 0
    for size in sizes:
        found.append(content[at : at + size])
        at += size
    return found


# ---- the header --------------------------------------------------------------------------------


class _Bytes:
    """Reads numbers of the header one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            message = "the header ends early"
            raise SevenZipError(message)
        self.at += count
        return self.data[self.at - count : self.at]

    def octet(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        """Read a number: the leading ones of the first octet count the octets that follow."""
        first, mask, value = self.octet(), 0x80, 0
        for shift in range(8):
            if not first & mask:
                return value | (first & (mask - 1)) << 8 * shift
            value |= self.octet() << 8 * shift
            mask >>= 1
        return value

    def count(self) -> int:
        value = self.number()
        if value > MOST:
            message = "the header counts more than is read"
            raise SevenZipError(message)
        return value

    def bits(self, count: int) -> list[bool]:
        octets = self.take((count + 7) // 8)
        return [bool(octets[one // 8] & (0x80 >> one % 8)) for one in range(count)]

    def checksums(self, count: int) -> list[int | None]:
        defined = [True] * count if self.octet() else self.bits(count)
        return [struct.unpack("<I", self.take(4))[0] if one else None for one in defined]


def _read_archive(data: bytes, password: str | None) -> Archive:
    magic, _, _, _, offset, size, _ = START.unpack_from(data)
    header = data[START.size + offset : START.size + offset + size]
    if magic != MAGIC or len(header) != size:
        message = "cut off"
        raise SevenZipError(message)
    for _ in range(4):
        reader = _Bytes(header)
        kind = reader.octet() if header else END
        if kind != CODED_HEADER:
            break
        coded = _read_streams(reader)
        at = START.size + coded.packed_at
        unpacked = _unpack(
            coded.folders[0], data[at : at + coded.packed_sizes[0]], password, LARGEST
        )
        header = unpacked or b""
    return _read_header(_Bytes(header))


def _read_header(reader: _Bytes) -> Archive:
    archive = Archive()
    if not reader.data or reader.octet() != HEADER:
        return archive
    while (kind := reader.octet()) != END:
        if kind == STREAMS:
            archive = _read_streams(reader)
        elif kind == FILES:
            _read_files(reader, archive)
        else:
            message = "a part of the header that is not read"
            raise SevenZipError(message)
    return archive


def _read_streams(reader: _Bytes) -> Archive:
    archive = Archive()
    readers: dict[int, Callable[[_Bytes, Archive], None]] = {
        PACKED: _read_packed, UNPACKED: _read_folders, SUBSTREAMS: _read_substreams,
    }  # fmt: skip
    while (kind := reader.octet()) != END:
        readers[kind](reader, archive)
    for folder in archive.folders:
        folder.files = folder.files or folder.sizes[-1:]
    return archive


def _read_packed(reader: _Bytes, archive: Archive) -> None:
    archive.packed_at, count = reader.number(), reader.count()
    while (kind := reader.octet()) != END:
        if kind == SIZES:
            archive.packed_sizes = [reader.number() for _ in range(count)]
        else:
            reader.checksums(count)


def _read_folders(reader: _Bytes, archive: Archive) -> None:
    while (kind := reader.octet()) != END:
        if kind == FOLDERS:
            count, _ = reader.count(), reader.octet()
            archive.folders = [_read_folder(reader) for _ in range(count)]
        elif kind == UNPACKED_SIZES:
            for folder in archive.folders:
                folder.sizes = [reader.number() for _ in folder.coders]
        else:
            for folder, checksum in zip(
                archive.folders, reader.checksums(len(archive.folders)), strict=False
            ):
                folder.checksum = checksum


def _read_folder(reader: _Bytes) -> Folder:
    folder = Folder()
    inputs = outputs = 0
    for _ in range(min(reader.count(), 8)):
        flags = reader.octet()
        method = reader.take(flags & 0x0F)
        streams = (reader.count(), reader.count()) if flags & 0x10 else (1, 1)
        folder.simple = folder.simple and streams == (1, 1)
        folder.coders.append((method, reader.take(reader.count()) if flags & 0x20 else b""))
        inputs, outputs = inputs + streams[0], outputs + streams[1]
    comes_from = {reader.count(): reader.count() for _ in range(outputs - 1)}  # input from output
    packed = (
        [reader.count() for _ in range(inputs - len(comes_from))]
        if inputs - len(comes_from) > 1
        else []
    )
    folder.simple = folder.simple and not packed
    folder.order = _order(len(folder.coders), comes_from)
    return folder


def _order(coders: int, comes_from: dict[int, int]) -> list[int]:
    """Return the coders in the order in which they are undone."""
    goes_to = {output: inner for inner, output in comes_from.items()}
    order = [one for one in range(coders) if one not in comes_from][:1]
    while order and order[-1] in goes_to and len(order) < coders:
        order.append(goes_to[order[-1]])
    return order


def _read_substreams(reader: _Bytes, archive: Archive) -> None:
    counts = [1] * len(archive.folders)
    kind = reader.octet()
    if kind == COUNTS:
        counts = [reader.count() for _ in archive.folders]
        kind = reader.octet()
    for folder, count in zip(archive.folders, counts, strict=True):
        known = [reader.number() for _ in range(count - 1)] if kind == SIZES and count else []
        folder.files = [*known, folder.sizes[-1] - sum(known)] if count else []
    if kind == SIZES:
        kind = reader.octet()
    while kind != END:
        if kind != CHECKSUMS:
            message = "a part of the header that is not read"
            raise SevenZipError(message)
        unknown = sum(
            count
            for folder, count in zip(archive.folders, counts, strict=True)
            if count != 1 or folder.checksum is None
        )
        checksums = reader.checksums(unknown)
        _set_checksums(archive, counts, checksums)
        kind = reader.octet()


def _set_checksums(archive: Archive, counts: list[int], checksums: list[int | None]) -> None:
    """Keep the checksum of folders that hold one file: it tells a wrong password."""
    left = iter(checksums)
    for folder, count in zip(archive.folders, counts, strict=True):
        if count == 1 and folder.checksum is None:
            folder.checksum = next(left, None)
        elif count != 1:
            for _ in range(count):
                next(left, None)


def _read_files(reader: _Bytes, archive: Archive) -> None:
    count = reader.count()
    archive.names, archive.empty = [""] * count, [False] * count
    while (kind := reader.octet()) != END:
        content = _Bytes(reader.take(reader.number()))
        if kind == EMPTY:
            archive.empty = content.bits(count)
        elif kind == NAMES and content.octet() == 0:
            names = content.take(len(content.data) - 1).decode("utf-16-le", "replace").split("\0")
            archive.names = names[:count]


# ---- unpacking ---------------------------------------------------------------------------------


def _unpack(folder: Folder, data: bytes, password: str | None, most_bytes: int) -> bytes | None:
    known = all(method in UNDO or method == ENCRYPTED for method, _ in folder.coders)
    if not (known and folder.simple and folder.sizes):
        return None
    if any(size > most_bytes for size in folder.sizes):
        message = "larger than is unpacked"
        raise SevenZipError(message)
    locked = any(method == ENCRYPTED for method, _ in folder.coders)
    try:
        data = _undo(folder, data, password)
    except BROKEN as error:
        if locked:
            raise LockedError(str(error)) from error
        raise
    if folder.checksum is not None and zlib.crc32(data) != folder.checksum:
        raise LockedError("wrong password") if locked else SevenZipError("a wrong checksum")
    return data


def _undo(folder: Folder, data: bytes, password: str | None) -> bytes:
    for number in folder.order:
        method, properties = folder.coders[number]
        size = folder.sizes[number]
        if method == ENCRYPTED:
            data = decrypt(properties, data, password)[:size]
        else:
            data = UNDO[method](properties, data, size)
    return data
