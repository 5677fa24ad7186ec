"""Sealing raw messages: zstd, then AES-256-GCM under the key file that `intake init` makes.

Mail holds personal data and, in this mailbox, private keys. Each seal is bound to the digest of
its message, so that bytes swapped between rows do not open. Without the key file, or with another
one, nothing opens: it must be kept apart from the backup.

A message that is too large for memory is sealed in pieces, each bound to its stream and number;
what stands in place of its bytes is the list of them, bound to the digest of the whole.
"""

import hashlib
import hmac
import json
import os
import secrets
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlmodel import Session, col, select

from intake.config import Secret
from intake.errors import VerificationError
from intake.tables import Fact

VERSION = b"\x01"  # key id, nonce of 96 bits, and zstd in AES-256-GCM
IN_PIECES = b"\x02"  # sealed the same way, but it is a `PieceList`
LEVEL = 1  # two per cent larger than the library's own 3, and a fifth quicker
KEY_ID_BYTES = 4  # of the fingerprint: which key a seal is under, while the key is changed
NONCE_BYTES = 12
KEY_BYTES = 32
LARGEST_MESSAGE = 1 << 31  # bytes a seal may open to
KEY_CHECK = "archive_key_check"
KEY_CHANGE = "archive_key_change"  # fingerprint of the new key, while a change is not finished

KEY_FILE = """\
# The archive key of intake: without it no archived message can be read.
# Keep a copy apart from the database and its backups.
{key}
"""


@dataclass(frozen=True)
class PieceList:
    """Which pieces make up a message that was sealed in pieces."""

    stream: str  # hex, made at random for each message
    count: int
    size: int  # bytes of all pieces together


class ArchiveKey:
    """The key of the archive; seals and opens raw messages, and makes tokens."""

    def __init__(self, secret: bytes) -> None:
        """Derive from the 32 bytes of the key file a key for each purpose."""
        self._seal = AESGCM(_derive(secret, "intake seal"))
        self._token = _derive(secret, "intake token")
        self._check = _derive(secret, "intake check")
        self.id = bytes.fromhex(self.fingerprint())[:KEY_ID_BYTES]
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
        return VERSION + self._close(raw, bytes.fromhex(sha256))

    def open(self, sealed: bytes, sha256: str) -> bytes:
        """Return the raw bytes of a message that was sealed whole.

        Raises:
            VerificationError: if they are not the bytes that were sealed under this key.
        """
        raw = self._open(sealed, VERSION, bytes.fromhex(sha256), f"message {sha256}")
        if hashlib.sha256(raw).hexdigest() != sha256:
            raise VerificationError(damaged(f"message {sha256}"))
        return raw

    def seal_piece(self, piece: bytes, stream: str, number: int) -> bytes:
        """Return the sealed form of one piece of a large message."""
        return VERSION + self._close(piece, _place(stream, number))

    def open_piece(self, sealed: bytes, stream: str, number: int) -> bytes:
        """Return the bytes of one piece.

        Raises:
            VerificationError: if they are not the bytes that were sealed for this place.
        """
        return self._open(sealed, VERSION, _place(stream, number), f"piece {number} of {stream}")

    def seal_list(self, pieces: PieceList, sha256: str) -> bytes:
        """Return what stands in place of a message's bytes when they are in pieces."""
        return IN_PIECES + self._close(json.dumps(asdict(pieces)).encode(), bytes.fromhex(sha256))

    def open_list(self, sealed: bytes, sha256: str) -> PieceList:
        """Return which pieces make up a message.

        Raises:
            VerificationError: if it is not what was sealed for this message under this key.
        """
        text = self._open(sealed, IN_PIECES, bytes.fromhex(sha256), f"message {sha256}")
        return PieceList(**json.loads(text))

    def _close(self, data: bytes, bound_to: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return (
            self.id + nonce + self._seal.encrypt(nonce, self._compressor().compress(data), bound_to)
        )

    def _open(self, sealed: bytes, version: bytes, bound_to: bytes, what: str) -> bytes:
        if sealed[:1] != version:
            text = f"The archived {what} is sealed in a form that this program does not know."
            raise VerificationError(text)
        if key_id(sealed) != self.id:
            raise VerificationError(damaged(what))
        nonce_at = 1 + KEY_ID_BYTES
        nonce, rest = sealed[nonce_at : nonce_at + NONCE_BYTES], sealed[nonce_at + NONCE_BYTES :]
        try:
            packed = self._seal.decrypt(nonce, rest, bound_to)
            return zstandard.ZstdDecompressor().decompress(packed, max_output_size=LARGEST_MESSAGE)
        except (InvalidTag, ValueError, zstandard.ZstdError):
            raise VerificationError(damaged(what)) from None

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
        VerificationError: if it is another one, or is being changed.
    """
    wanted = col(Fact.name).in_((KEY_CHECK, KEY_CHANGE))
    facts = dict(session.exec(select(Fact.name, Fact.value).where(wanted)).all())
    if KEY_CHANGE in facts:
        text = (
            "A change of the archive key was begun and is not finished: some messages are under "
            "the old key and some under the new one. Run `intake archive rekey` with the same "
            "new key file again; it goes on where it stopped."
        )
        raise VerificationError(text)
    known = facts.get(KEY_CHECK)
    if known is not None and not hmac.compare_digest(known, key.fingerprint()):
        text = (
            "The archive key is not the one that sealed this archive (archive.key_file). "
            "Put the right key file back; nothing was read or written."
        )
        raise VerificationError(text)


def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose.encode()).derive(secret)


def key_id(sealed: bytes) -> bytes:
    """Return the id of the key that something is sealed under."""
    return sealed[1 : 1 + KEY_ID_BYTES]


def is_in_pieces(sealed: bytes) -> bool:
    """Say whether this is the list of a message's pieces, and not its bytes."""
    return sealed[:1] == IN_PIECES


def reseal(old: ArchiveKey, new: ArchiveKey, sealed: bytes, sha256: str) -> bytes:
    """Return what stands for a message under another key; its pieces are resealed by themselves.

    Raises:
        VerificationError: if it does not open under the old key.
    """
    if is_in_pieces(sealed):
        return new.seal_list(old.open_list(sealed, sha256), sha256)
    return new.seal(old.open(sealed, sha256), sha256)


def reseal_piece(
    old: ArchiveKey, new: ArchiveKey, sealed: bytes, *, stream: str, number: int
) -> bytes:
    """Return a piece under another key.

    Raises:
        VerificationError: if it does not open under the old key.
    """
    return new.seal_piece(old.open_piece(sealed, stream, number), stream, number)


def damaged(what: str) -> str:
    """Say that archived bytes do not verify, and what to do."""
    return (
        f"The archived bytes of {what} do not verify: they were changed, "
        "or sealed under another key. Restore them from a backup."
    )


def _place(stream: str, number: int) -> bytes:
    return f"piece {number} of {stream}".encode()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
