"""Members of zip archives that are locked with a password, opened with one that the message says.

Source: APPNOTE.TXT 6.1 (the old cipher); WinZip AES (AE-1 and AE-2).
"""

import bz2
import hmac
import struct
import zipfile
import zlib
from hashlib import pbkdf2_hmac, sha1

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

AES_METHOD, AES_FIELD = 99, 0x9901
LARGEST_OLD = 4 * 1024 * 1024  # packed bytes under the old cipher, which is slow here
LARGEST_AES = 64 * 1024 * 1024
LARGEST_CONTENT = 64 * 1024 * 1024
STORED, DEFLATED, BZIP2 = 0, 8, 12
_FIELD = struct.Struct("<HH2sBH")
_LOCAL = struct.Struct("<4s22xHH")
ITERATIONS, CHECK, CODE, BLOCK = 1000, 2, 10, 16
BROKEN = (
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    struct.error,
)


def open_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, data: bytes, passwords: list[str]
) -> bytes | None:
    """Return the content of a locked member by the first password that fits, or None."""
    strong = info.compress_type == AES_METHOD
    if info.compress_size > (LARGEST_AES if strong else LARGEST_OLD):
        return None
    for password in passwords:
        secret = password.encode("utf-8", "replace")
        try:
            content = _open_aes(info, data, secret) if strong else _open_old(archive, info, secret)
        except BROKEN:
            continue
        if content is not None:
            return content
    return None


def _open_old(archive: zipfile.ZipFile, info: zipfile.ZipInfo, password: bytes) -> bytes:
    with archive.open(info, pwd=password) as file:
        content = file.read(LARGEST_CONTENT)
        if len(content) < info.file_size:
            message = "larger than is opened"
            raise ValueError(message)
        return content


def _open_aes(info: zipfile.ZipInfo, data: bytes, password: bytes) -> bytes | None:
    bits, method = _aes_field(info.extra)
    packed = _packed(info, data)
    salt_size = bits // 16
    salt, check = packed[:salt_size], packed[salt_size : salt_size + CHECK]
    keys = pbkdf2_hmac("sha1", password, salt, ITERATIONS, bits // 4 + CHECK)
    if keys[-CHECK:] != check:
        return None
    cipher, code = packed[salt_size + CHECK : -CODE], packed[-CODE:]
    authentic = hmac.new(keys[bits // 8 : bits // 4], cipher, sha1).digest()[:CODE]
    if not hmac.compare_digest(authentic, code):
        return None
    return _unpack(_decrypt(cipher, keys[: bits // 8]), method)


def _aes_field(extra: bytes) -> tuple[int, int]:
    """Return the size of the key in bits, and the method by which the content is packed."""
    at = 0
    while at + _FIELD.size <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind == AES_FIELD:
            _, _, _, strength, method = struct.unpack_from("<HH2sBH", extra, at + 2)
            return 64 + 64 * strength, method
        at += 4 + size
    message = "no AES field"
    raise ValueError(message)


def _packed(info: zipfile.ZipInfo, data: bytes) -> bytes:
    _, name, extra = _LOCAL.unpack_from(data, info.header_offset)
    start = info.header_offset + _LOCAL.size + name + extra
    return data[start : start + info.compress_size]


def _decrypt(cipher: bytes, key: bytes) -> bytes:
    """Undo AES in counter mode; the counter is little-endian and starts at 1."""
    blocks = -(-len(cipher) // BLOCK)
    counters = b"".join(number.to_bytes(BLOCK, "little") for number in range(1, blocks + 1))
    stream = Cipher(AES(key), ECB()).encryptor().update(counters)[: len(cipher)]  # noqa: S305 - makes up counter mode
    mixed = int.from_bytes(cipher, "big") ^ int.from_bytes(stream, "big")
    return mixed.to_bytes(len(cipher), "big")


def _unpack(content: bytes, method: int) -> bytes | None:
    if method == STORED:
        return content[:LARGEST_CONTENT]
    if method == DEFLATED:
        return zlib.decompressobj(-15).decompress(content, LARGEST_CONTENT)
    return bz2.BZ2Decompressor().decompress(content, LARGEST_CONTENT) if method == BZIP2 else None
