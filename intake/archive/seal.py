"""Sealing raw messages: zstd, then AES-256-GCM under the key file that `intake init` makes.

Mail holds personal data and, in this mailbox, private keys. Each seal is bound to the digest of
its message, so that bytes swapped between rows do not open. Without the key file, or with another
one, nothing opens: it must be kept apart from the backup.
"""

import hashlib
import hmac
import os
import secrets
import threading
from pathlib import Path

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlmodel import Session

from intake.config import Secret
from intake.errors import VerificationError
from intake.tables import Fact

VERSION = b"\x01"  # zstd, AES-256-GCM, nonce of 96 bits in front
LEVEL = 3
NONCE_BYTES = 12
KEY_BYTES = 32
LARGEST_MESSAGE = 1 << 31  # bytes a seal may open to
KEY_CHECK = "archive_key_check"

KEY_FILE = """\
# The archive key of intake: without it no archived message can be read.
# Keep a copy apart from the database and its backups.
{key}
"""


class ArchiveKey:
    """The key of the archive; seals and opens raw messages, and makes tokens."""

    def __init__(self, secret: bytes) -> None:
        """Derive from the 32 bytes of the key file a key for each purpose."""
        self._seal = AESGCM(_derive(secret, "intake seal"))
        self._token = _derive(secret, "intake token")
        self._check = _derive(secret, "intake check")
        self._local = threading.local()  # a compressor serves one thread

    @classmethod
    def load(cls, secret: Secret) -> "ArchiveKey":
        """Read the key file.

        Raises:
            ConfigError: if it is missing or empty.
            VerificationError: if it holds no key.
        """
        where = f"${secret.env}" if secret.env else str(secret.file)
        message = (
            f"{where} (archive.key_file) is no archive key: it must hold 64 hex digits. "
            "Put the copy of the key file back that was kept apart from the backup."
        )
        try:
            lines = secret.read().splitlines()
            key = bytes.fromhex("".join(line for line in lines if not line.startswith("#")))
        except ValueError:
            raise VerificationError(message) from None
        if len(key) != KEY_BYTES:
            raise VerificationError(message)
        return cls(key)

    @classmethod
    def create(cls, path: Path) -> "ArchiveKey":
        """Make a new key file, readable by its owner only, and return the key.

        Raises:
            FileExistsError: if there is a file; it is never overwritten.
        """
        key = secrets.token_bytes(KEY_BYTES)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(file, "w", encoding="ascii") as stream:
            stream.write(KEY_FILE.format(key=key.hex()))
            stream.flush()
            os.fsync(stream.fileno())
        _sync_folder(path.parent)
        return cls(key)

    def seal(self, raw: bytes, sha256: str) -> bytes:
        """Return the sealed form of a message whose digest this is."""
        nonce = os.urandom(NONCE_BYTES)
        packed = self._compressor().compress(raw)
        return VERSION + nonce + self._seal.encrypt(nonce, packed, bytes.fromhex(sha256))

    def open(self, sealed: bytes, sha256: str) -> bytes:
        """Return the raw bytes.

        Raises:
            VerificationError: if they are not the bytes that were sealed under this key.
        """
        if sealed[:1] != VERSION:
            text = f"Message {sha256} is sealed in a form that this program does not know."
            raise VerificationError(text)
        nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            packed = self._seal.decrypt(nonce, rest, bytes.fromhex(sha256))
            raw = zstandard.ZstdDecompressor().decompress(packed, max_output_size=LARGEST_MESSAGE)
        except (InvalidTag, ValueError, zstandard.ZstdError):
            raise VerificationError(_damaged(sha256)) from None
        if hashlib.sha256(raw).hexdigest() != sha256:
            raise VerificationError(_damaged(sha256))
        return raw

    def token(self, purpose: str, text: str) -> str:
        """Return a keyed digest as hex, for what must come back to us unforged."""
        return hmac.new(self._token, f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()

    def fingerprint(self) -> str:
        """Return what the database remembers of the key; the key can't be derived from it."""
        return hmac.new(self._check, b"archive key", hashlib.sha256).hexdigest()

    def _compressor(self) -> zstandard.ZstdCompressor:
        compressor: zstandard.ZstdCompressor | None = getattr(self._local, "compressor", None)
        if compressor is None:
            compressor = self._local.compressor = zstandard.ZstdCompressor(level=LEVEL)
        return compressor


def remember_key(session: Session, key: ArchiveKey) -> None:
    """Note in a new database which key seals it; a key noted before stays and must be this one.

    Raises:
        VerificationError: if the database belongs to another key.
    """
    if session.get(Fact, KEY_CHECK) is None:
        session.add(Fact(name=KEY_CHECK, value=key.fingerprint()))
        session.flush()
    check_key(session, key)


def check_key(session: Session, key: ArchiveKey) -> None:
    """Make sure that this is the key that sealed the archive.

    Raises:
        VerificationError: if it is another one.
    """
    fact = session.get(Fact, KEY_CHECK)
    if fact is not None and not hmac.compare_digest(fact.value, key.fingerprint()):
        text = (
            "The archive key is not the one that sealed this archive (archive.key_file). "
            "Put the right key file back; nothing was read or written."
        )
        raise VerificationError(text)


def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(secret)


def _damaged(sha256: str) -> str:
    return (
        f"The archived bytes of message {sha256} do not verify: they were changed, "
        "or sealed under another key. Restore them from a backup."
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
