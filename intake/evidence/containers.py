"""Archives: their members one by one, within limits on count, bytes, ratio and depth.

Nothing is written anywhere; names of members are labels only.
"""

import bz2
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from intake.evidence import rar
from intake.evidence.sevenzip import read_sevenzip
from intake.evidence.sevenzip_coders import BROKEN as SEVENZIP_BROKEN
from intake.evidence.sevenzip_coders import LockedError
from intake.evidence.values import MIB, Limits
from intake.evidence.zip_locks import open_member

MOST_SLOW_TRIES = 12  # passwords for 7z, which takes a fifth of a second for each
CHUNK = 256 * 1024
LZMA_MEMORY = 128 * MIB
TAR_MAGIC_AT, TAR_MAGIC = 257, b"ustar"
BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError,
    OSError, ValueError, NotImplementedError, RuntimeError, IndexError, KeyError, OverflowError,
)  # fmt: skip
_SUFFIXES = (".gz", ".bz2", ".xz", ".tgz")


@dataclass(frozen=True)
class Member:
    """A file of an archive, or what kept it from being read."""

    name: str
    data: bytes = b""
    unreadable: str | None = None
    locked: bool = False  # with a password


class Allowance:
    """What may still be unpacked; shared by all archives and documents of a message."""

    def __init__(self, limits: Limits) -> None:
        """Start with what the limits allow."""
        self.members = limits.archive_members
        self.bytes = limits.archive_bytes
        self.ratio = limits.archive_ratio
        self.drawing = limits.pdf_bytes
        self.exceeded: list[str] = []  # in plain words

    def note(self, text: str) -> None:
        """Remember once that a limit was hit."""
        if text not in self.exceeded:
            self.exceeded.append(text)


def archive_kind(data: bytes) -> str | None:
    """Tell an archive by its first bytes: zip, gz, bz2, xz, tar, rar, 7z or None."""
    for magic, kind in (
        (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"\x1f\x8b", "gz"), (b"BZh", "bz2"),
        (b"\xfd7zXZ\x00", "xz"), (b"Rar!\x1a\x07", "rar"), (b"7z\xbc\xaf\x27\x1c", "7z"),
    ):  # fmt: skip
        if data.startswith(magic):
            return kind
    return "tar" if data[TAR_MAGIC_AT : TAR_MAGIC_AT + 5] == TAR_MAGIC else None


def open_archive(
    kind: str, data: bytes, name: str, allowance: Allowance, *, passwords: list[str] | None = None
) -> Iterator[Member]:
    """Yield the members of an archive as far as the allowance reaches.

    With `passwords` to be tried, only the locked members.
    """
    try:
        if kind == "zip":
            yield from _zip_members(data, allowance, passwords)
        elif kind == "7z":
            yield from _sevenzip_members(data, allowance, passwords)
        elif kind == "rar" and rar.is_there():
            yield from _rar_members(data, allowance, passwords)
        elif kind == "tar":
            yield from _tar_members(data, allowance)
        elif kind in ("gz", "bz2", "xz"):
            yield from _unpacked(kind, data, name, allowance)
        else:
            yield Member("", unreadable=f"a {kind} archive, for which no library is installed")
    except BROKEN as error:
        yield Member("", unreadable=f"a damaged {kind} archive ({type(error).__name__})")


def _zip_members(
    data: bytes, allowance: Allowance, passwords: list[str] | None
) -> Iterator[Member]:
    if data.count(b"PK\x01\x02") > 4 * allowance.members + 100:
        allowance.note("an archive with too many members was not unpacked")
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            locked = bool(info.flag_bits & 1)
            if info.is_dir() or (passwords is not None and not locked):
                continue
            if not _take_member(allowance):
                return
            if locked:
                yield _open_locked(archive, info, data, (passwords, allowance))
                continue
            try:
                with archive.open(info) as file:
                    content = _read_all(_chunks(file), info.compress_size, allowance)
            except BROKEN as error:
                yield Member(
                    info.filename, unreadable=f"can't be unpacked ({type(error).__name__})"
                )
                continue
            yield Member(info.filename, content)


def _open_locked(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    data: bytes,
    trying: tuple[list[str] | None, Allowance],
) -> Member:
    passwords, allowance = trying
    content = open_member(archive, info, data, passwords) if passwords else None
    if content is None:
        return Member(info.filename, locked=True)
    return Member(info.filename, _read_all([content], info.compress_size, allowance))


def _sevenzip_members(
    data: bytes, allowance: Allowance, passwords: list[str] | None
) -> Iterator[Member]:
    tries = [None] if passwords is None else passwords[:MOST_SLOW_TRIES]
    for password in tries:
        try:
            found = read_sevenzip(data, password=password, most_bytes=max(allowance.bytes, 0))
        except LockedError:
            continue
        except SEVENZIP_BROKEN as error:
            yield Member("", unreadable=f"a damaged 7z archive ({error})")
            return
        for name, content in found:
            if not _take_member(allowance):
                return
            unreadable = None if content is not None else "packed by a method that is not read"
            yield Member(name, _read_all([content or b""], len(data), allowance), unreadable)
        return
    yield Member("", locked=True)


def _rar_members(
    data: bytes, allowance: Allowance, passwords: list[str] | None
) -> Iterator[Member]:
    for password in [None] if passwords is None else passwords[:MOST_SLOW_TRIES]:
        try:
            for name, content, missing, packed in rar.read_rar(
                data, password=password,
                most_bytes=max(allowance.bytes, 0), most_members=max(allowance.members, 0),
            ):  # fmt: skip
                if not _take_member(allowance):
                    return
                if missing == rar.TOO_LARGE:
                    allowance.note("archives hold more bytes than are unpacked")
                yield Member(name, _read_all([content], packed, allowance), missing)
        except rar.RarLockedError:
            continue
        except rar.RarError as error:
            yield Member("", unreadable=f"a damaged rar archive ({error})")
        return
    yield Member("", locked=True)


def _tar_members(data: bytes, allowance: Allowance) -> Iterator[Member]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for info in archive:
            if not info.isfile():
                continue
            if not _take_member(allowance):
                return
            file = archive.extractfile(info)
            if file is not None:
                yield Member(info.name, _read_all(_chunks(file), info.size, allowance))


def _unpacked(kind: str, data: bytes, name: str, allowance: Allowance) -> Iterator[Member]:
    if not _take_member(allowance):
        return
    inner = next((name[: -len(end)] for end in _SUFFIXES if name.lower().endswith(end)), "content")
    stream = _Stream(kind, data)
    content = _read_all(stream.pieces(), len(data), allowance)
    yield Member(inner or "content", content)
    if stream.cut_off:
        yield Member("", unreadable=f"a damaged {kind} archive (cut off)")


class _Stream:
    """One or more packed streams, one after the other, as gzip and its like allow."""

    def __init__(self, kind: str, data: bytes) -> None:
        self.kind = kind
        self.data = data
        self.cut_off = False

    def pieces(self) -> Iterator[bytes]:
        """Yield what is packed piece by piece."""
        magic = self.data[:2]
        while self.data[:2] == magic:
            yield from self._one()

    def _one(self) -> Iterator[bytes]:
        if self.kind == "gz":
            inflate = zlib.decompressobj(wbits=31)
            while not inflate.eof:
                piece = inflate.decompress(self.data, CHUNK)
                self.data = inflate.unconsumed_tail
                if not piece and not inflate.eof:
                    self.cut_off = True
                    return
                yield piece
            self.data = inflate.unused_data
            return
        packed = (
            bz2.BZ2Decompressor()
            if self.kind == "bz2"
            else lzma.LZMADecompressor(memlimit=LZMA_MEMORY)
        )
        while not packed.eof:
            piece = packed.decompress(self.data, CHUNK)
            self.data = b""
            if not piece and not packed.eof:
                self.cut_off = True
                return
            yield piece
        self.data = packed.unused_data


def _take_member(allowance: Allowance) -> bool:
    if allowance.members <= 0:
        allowance.note("archives hold more members than are read")
        return False
    allowance.members -= 1
    return True


def _read_all(content: Iterable[bytes], packed: int, allowance: Allowance) -> bytes:
    """Read piece by piece until the end or a limit; what was read so far is kept."""
    whole = io.BytesIO()  # hands out what it holds without a copy
    size = 0
    for piece in content:
        whole.write(piece)
        size += len(piece)
        allowance.bytes -= len(piece)
        if allowance.bytes <= 0:
            allowance.note("archives hold more bytes than are unpacked")
            break
        if size > MIB and size > allowance.ratio * max(packed, 1):
            allowance.note("an archive unpacks to far more than its size (a bomb?) and was cut off")
            break
    return whole.getvalue()


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(CHUNK), b"")
