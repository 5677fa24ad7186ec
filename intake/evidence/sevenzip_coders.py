"""The methods by which 7z archives pack and lock: one function for each.

Source: 7zFormat.txt and Methods.txt of the LZMA SDK.
"""

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from hashlib import sha256

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

COPY, LZMA, LZMA2, DEFLATE, BZIP2, ENCRYPTED = (
    b"\x00", b"\x03\x01\x01", b"\x21", b"\x04\x01\x08", b"\x04\x02\x02", b"\x06\xf1\x07\x01",
)  # fmt: skip
LARGEST_DICTIONARY = 64 * 1024 * 1024  # a larger one is needed for larger contents only
MOST_CYCLES = 20  # 2^19 is usual: a fifth of a second
BROKEN = (
    ValueError,
    LookupError,
    struct.error,
    lzma.LZMAError,
    zlib.error,
    OSError,
    EOFError,
    OverflowError,
    TypeError,
)


class SevenZipError(ValueError):
    """An archive that can't be read; says why."""


class LockedError(SevenZipError):
    """An archive that needs a password."""


def _lzma(properties: bytes, data: bytes, size: int) -> bytes:
    first, dictionary = properties[0], struct.unpack_from("<I", properties, 1)[0]
    filters = {
        "id": lzma.FILTER_LZMA1, "dict_size": max(dictionary, 4096), "lc": first % 9, "lp": first // 9 % 5,
        "pb": first // 45,
    }  # fmt: skip
    return _raw(filters, data, size)


def _lzma2(properties: bytes, data: bytes, size: int) -> bytes:
    bits = properties[0]
    dictionary = (2 | bits & 1) << (bits // 2 + 11)
    return _raw({"id": lzma.FILTER_LZMA2, "dict_size": dictionary}, data, size)


def _raw(filters: dict[str, int], data: bytes, size: int) -> bytes:
    filters["dict_size"] = min(filters["dict_size"], LARGEST_DICTIONARY)
    content = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[filters]).decompress(data, size)
    if len(content) != size:
        message = "cut off"
        raise SevenZipError(message)
    return content


UNDO: dict[bytes, Callable[[bytes, bytes, int], bytes]] = {
    COPY: lambda _, data, size: data[:size],
    LZMA: _lzma,
    LZMA2: _lzma2,
    DEFLATE: lambda _, data, size: zlib.decompressobj(-15).decompress(data, size),
    BZIP2: lambda _, data, size: bz2.BZ2Decompressor().decompress(data, size),
}


def decrypt(properties: bytes, data: bytes, password: str | None) -> bytes:
    """Return what a password opens.

    Raises:
        LockedError: without a password, or where trying one takes too long.
    """
    if password is None:
        message = "locked with a password"
        raise LockedError(message)
    first, second = properties[0], properties[1] if len(properties) > 1 else 0
    cycles = first & 0x3F
    salt_size = (first >> 7 & 1) + (second >> 4)
    vector_size = (first >> 6 & 1) + (second & 0x0F)
    salt = properties[2 : 2 + salt_size]
    vector = properties[2 + salt_size : 2 + salt_size + vector_size].ljust(16, b"\0")
    if cycles > MOST_CYCLES:
        message = "more work to open than is done"
        raise LockedError(message)
    key = _key(salt + password.encode("utf-16-le"), cycles)
    decryptor = Cipher(AES(key), CBC(vector)).decryptor()
    return decryptor.update(data[: len(data) // 16 * 16])


def _key(secret: bytes, cycles: int) -> bytes:
    digest = sha256()
    step = 1 << min(cycles, 14)
    for start in range(0, 1 << cycles, step):
        digest.update(
            b"".join(secret + number.to_bytes(8, "little") for number in range(start, start + step))
        )
    return digest.digest()
