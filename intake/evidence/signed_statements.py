"""Short statements that a key is compromised, signed by that key: CMS, SSH and bare signatures.

The text has to say it in so many words, and of no other key: whoever signs mail about somebody
else's key gives away nothing of their own. So signed mail is never looked at, only files, and what
is said with a "not" or a question mark is left to people.

Source: RFC 5652 5.4, 5.6; PROTOCOL.sshsig of OpenSSH.
"""

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha1, sha256
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from intake.evidence.armour import decode_base64
from intake.evidence.cms import CmsSignature, read_cms
from intake.evidence.key_statements import KeyClaim, KeyProof, is_marker
from intake.evidence.private_keys import REFUSALS
from intake.evidence.public_keys import key_match, key_number
from intake.evidence.ssh_signatures import SSH_MAGIC, read_ssh_signature

LONGEST_STATEMENT = 1024
LONGEST_SIGNATURE = 1024  # of an RSA key of 8192 bits
SHORTEST_SIGNATURE = 56
LARGEST_KEY = 8192  # bits
MOST_STATEMENTS, MOST_SIGNATURES, MOST_KEYS = 5, 10, 50  # of one message
HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512,
}  # fmt: skip
CMS, SSH, BARE = "a CMS signature", "an SSH signature", "a signature"
_ERRORS = (*REFUSALS, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion)
_OF_ITSELF = re.compile(
    r"\b(?:this|the\s+signing|my)\s+(?:private\s+)?key\b|\bkey\s+(?:that|which)\s+(?:has\s+)?sign"
    r"|\bkey\s+used\s+to\s+sign\b|\bproof\s+of\s+(?:private\s+)?key\s+compromise\b",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:not|never|no|nor|neither|if|whether)\b|n['’]t\b|\?", re.IGNORECASE)
_HEX = re.compile(
    r"(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{2}(?:[: ]?[0-9A-Fa-f]{2}){7,}(?![0-9A-Za-z])"
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]+\Z")


@dataclass(frozen=True)
class PublicKey:
    """A key that may have made a signature, with the certificate that it stands in, if any."""

    spki: bytes
    certificate: bytes = b""


def is_statement(data: bytes) -> bool:
    """Say whether a file is a short text that says that a key is compromised."""
    if len(data) > LONGEST_STATEMENT:
        return False
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return is_marker(text) and not _DENIED.search(text) and _speaks(text)


def _speaks(text: str) -> bool:
    """Say whether a text names a key: itself, or one by its numbers."""
    return bool(_OF_ITSELF.search(text) or _HEX.search(text))


def undo_base64(data: bytes) -> bytes:
    """Return what a file of base64 holds; others as they are."""
    return decode_base64(data.decode("ascii")) if _BASE64.match(data) else data


def means(statement: bytes, key: PublicKey) -> bool:
    """Say whether a statement speaks of the key that signed it, and of no other."""
    text = statement.decode("utf-8", "replace")
    named = {_plain(one) for one in _HEX.findall(text)}
    if not named:
        return bool(_OF_ITSELF.search(text))
    own = {sha256(key.spki).hexdigest().lstrip("0")}
    if key.certificate:
        own |= {_plain(digest(key.certificate).hexdigest()) for digest in (sha1, sha256)}
        own |= _serial_number(key.certificate)
    return bool(named & own)


def _plain(digits: str) -> str:
    return digits.lower().removeprefix("0x").replace(":", "").replace(" ", "").lstrip("0")


def _serial_number(der: bytes) -> set[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return {f"{x509.load_der_x509_certificate(der).serial_number:x}"}
    except _ERRORS:
        return set()


# ---- verifying ---------------------------------------------------------------------------------


def verify(claim: KeyClaim, key: PublicKey) -> KeyProof | None:
    """Return the proof if this key made the signature and the statement speaks of it."""
    match = key_match(key.spki)
    number = key_number(key.spki)
    if match is None or number is None or number.bit_length() > LARGEST_KEY:
        return None
    for statement in _as_sent(claim.signed):
        if means(statement, key) and _holds(claim, statement, key):
            method = (
                f"{claim.algorithm} over a statement that the key is compromised, made by the key"
            )
            digest = sha256(key.spki).hexdigest()
            return KeyProof("signed_statement", digest, match, method, claim.sha256, claim.part)
    return None


def _as_sent(statement: bytes) -> Iterator[bytes]:
    """Yield a statement with the ends of lines that mail may have changed."""
    lines = statement.replace(b"\r\n", b"\n")
    plain = lines.rstrip(b"\n")
    ways = (statement, lines, lines.replace(b"\n", b"\r\n"), plain, plain.replace(b"\n", b"\r\n"),
            plain + b"\n", plain.replace(b"\n", b"\r\n") + b"\r\n")  # fmt: skip
    yield from dict.fromkeys(ways)


def _holds(claim: KeyClaim, statement: bytes, key: PublicKey) -> bool:
    if claim.algorithm == CMS:
        return any(
            _made(key.spki, one.signature, one.signed, names=(one.digest,))
            for one in _fitting(read_cms(claim.signature), statement)
        )
    if claim.algorithm == SSH:
        ssh = read_ssh_signature(claim.signature)
        return ssh is not None and _made(
            key.spki, ssh.signature, ssh.signed(statement), names=(ssh.digest,)
        )
    return _made(key.spki, claim.signature, statement, names=tuple(HASHES))


def _fitting(signatures: Iterable[CmsSignature], statement: bytes) -> Iterator[CmsSignature]:
    """Yield the signatures that are over a statement, each with the bytes that it signs."""
    for one in signatures:
        if one.digest in HASHES and one.fits(statement):
            yield one.over(statement)


def _made(spki: bytes, signature: bytes, signed: bytes, *, names: Iterable[str]) -> bool:
    try:
        key: Any = load_der_public_key(spki)
    except _ERRORS:
        return False
    return any(_verifies(key, signature, signed, HASHES[name]()) for name in names)


def _verifies(key: Any, signature: bytes, signed: bytes, digest: hashes.HashAlgorithm) -> bool:  # noqa: ANN401 - any public key
    ways: list[tuple[Any, ...]] = []
    if isinstance(key, rsa.RSAPublicKey) and len(signature) == (key.key_size + 7) // 8:
        pss = padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
        ways = [(padding.PKCS1v15(), digest), (pss, digest)]
    elif isinstance(key, ec.EllipticCurvePublicKey):
        ways = [(ec.ECDSA(digest),)]
    elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        ways = [()]
    for way in ways:
        try:
            key.verify(signature, signed, *way)
        except _ERRORS:
            continue
        return True
    return False


# ---- what a message holds ------------------------------------------------------------------------------------


class Signing:
    """The files of a message that may be statements, signatures and keys; each is kept once."""

    def __init__(self) -> None:
        """Start empty."""
        self.statements: dict[bytes, str] = {}
        self.signatures: dict[bytes, str] = {}
        self.cms: dict[bytes, str] = {}
        self.keys: dict[bytes, None] = {}  # SubjectPublicKeyInfo

    def add_file(self, data: bytes, part: str) -> None:
        """Keep a file if it may be a statement or its signature."""
        if is_statement(data):
            _keep(self.statements, data, part, MOST_STATEMENTS)
        elif len(data) <= 2 * LONGEST_SIGNATURE:
            signature = undo_base64(data)
            if SHORTEST_SIGNATURE <= len(signature) <= LONGEST_SIGNATURE:
                _keep(self.signatures, signature, part, MOST_SIGNATURES)

    def add_signature(self, data: bytes, part: str) -> None:
        """Keep a signature that says of itself that it is one."""
        _keep(self.signatures, data, part, MOST_SIGNATURES)

    def add_cms(self, der: bytes, part: str) -> None:
        """Keep a CMS object."""
        _keep(self.cms, der, part, MOST_SIGNATURES)

    def add_key(self, spki: bytes) -> None:
        """Keep a public key that stands in the message."""
        if len(self.keys) < MOST_KEYS:
            self.keys[spki] = None


def _keep(store: dict[bytes, str], data: bytes, part: str, most: int) -> None:
    if len(store) < most:
        store.setdefault(data, part)


def claims_of(signing: Signing) -> Iterator[tuple[KeyClaim, tuple[PublicKey, ...]]]:
    """Yield what may be a statement and its signature, with the keys that came within it."""
    statements = signing.statements
    for der, part in signing.cms.items():
        signed = read_cms(der)
        keys = tuple(PublicKey(*one) for one in signed[0].keys) if signed else ()
        within = signed[0].content if signed else None
        own = [within] if within is not None and _is_file(within) and is_statement(within) else []
        texts = statements if within is None else own
        for text in texts:
            if any(one.fits(way) for one in signed for way in _as_sent(text)):
                yield _claim(CMS, text, der, part), keys
    for data, part in signing.signatures.items() if statements else ():
        ssh = read_ssh_signature(data) if data.startswith(SSH_MAGIC) else None
        keys = (PublicKey(ssh.spki),) if ssh is not None else ()
        for text in statements:
            yield _claim(BARE if ssh is None else SSH, text, data, part), keys


def _is_file(content: bytes) -> bool:
    """Say whether something signed is a file and no mail, which has fields before its text."""
    return not content.lstrip().lower().startswith((b"content-", b"mime-version:"))


def _claim(algorithm: str, statement: bytes, signature: bytes, part: str) -> KeyClaim:
    digest = sha256(statement + b"." + signature).hexdigest()
    return KeyClaim("", algorithm, statement, signature, digest, part)
