"""Private keys: recognised in whatever form, and never shown.

The hash of the public key is computed from the private part: the public part that a key file
carries is only a claim. Whether the key belongs to a certificate is judged elsewhere.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_ssh_private_key,
)

from intake.evidence.armour import Block
from intake.evidence.der import PRIVATE_KEYS, recognise

LEFT_OUT = "[private key left out]"
LARGEST_RSA_BITS = 16384  # the arithmetic on larger ones takes too long
_REFUSALS = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm)

_JWK = re.compile(r'"(?:d|p|q|dp|dq|qi)"\s*:\s*"[A-Za-z0-9_=+/-]{16,}+"')
_OPENSSL_TEXT = re.compile(
    r"\b(?:privateExponent|prime\d|exponent\d|coefficient\d?|priv):"
    r"(?:[\s>|]*+[0-9A-Fa-f]{2}(?![0-9A-Za-z])[:\s>|]*+){8,}+"
)
_PPK = re.compile(
    r"Private-Lines: ?\d{1,4}[ \t]*\r?\n((?:[ \t>|]*[A-Za-z0-9+/=]{1,80}[ \t]*\r?\n?){1,400})"
)
_XML_KEY = re.compile(r"<(D|P|Q|DP|DQ|InverseQ)>\s*[A-Za-z0-9+/=\s]{16,}</\1>")


@dataclass(frozen=True)
class KeyPlace:
    """A private key in a text: where it stands and what is known of it."""

    start: int
    end: int
    kind: str
    encrypted: bool = False
    spki_sha256: str | None = None


def key_in_block(block: Block) -> KeyPlace:
    """Return what is known of the private key in a secret block."""
    kind, encrypted, spki = read_key(block.data, password=block.password)
    if kind == "unknown":
        kind = _kind_by_label(block.label)
    encrypted = encrypted or block.password or "ENCRYPTED" in block.label
    return KeyPlace(block.start, block.end, kind, encrypted, None if encrypted else spki)


def _kind_by_label(label: str) -> str:
    for word, kind in (
        ("RSA", "pkcs1"),
        ("EC", "sec1"),
        ("DSA", "dsa"),
        ("OPENSSH", "openssh"),
        ("PGP", "pgp"),
    ):
        if word in label.split():
            return kind
    return "pkcs8" if label in {"PRIVATE KEY", "ENCRYPTED PRIVATE KEY"} else "unknown"


def read_key(data: bytes, *, password: bool = False) -> tuple[str, bool, str | None]:
    """Return kind, whether it is encrypted, and the SHA-256 of the public key if it can be told."""
    if data.startswith(b"openssh-key-v1\0"):
        encrypted = data[15:].partition(b"none")[0] != b"\0\0\0\x04"
        return "openssh", encrypted, None if encrypted else _spki_of_openssh(data)
    found = recognise(data)
    if password or found is None or found[0] not in PRIVATE_KEYS:
        return "unknown", password, None
    if found[0] == "encrypted_pkcs8":
        return "pkcs8", True, None
    return found[0], False, _spki_of_der(data[: found[1]])


def _spki_of_der(der: bytes) -> str | None:
    try:
        # The library's own check of an RSA key tests primes for seconds; ours is below.
        return _spki(load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True))
    except _REFUSALS:
        return None


def _spki_of_openssh(data: bytes) -> str | None:
    pem = b"-----BEGIN OPENSSH PRIVATE KEY-----\n%s\n-----END OPENSSH PRIVATE KEY-----\n"
    try:
        return _spki(
            load_ssh_private_key(pem % b64encode(data), None, unsafe_skip_rsa_key_validation=True)
        )
    except _REFUSALS:
        return None


def _spki(key: Any) -> str | None:  # noqa: ANN401 - any kind of key that the library knows
    """Return the digest of the public key that belongs to the private part, or None."""
    public: Any = None
    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key() if _is_consistent(key) else None
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        number = key.private_numbers().private_value
        public = ec.derive_private_key(number, key.curve).public_key()
    elif isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        public = key.public_key()
    if public is None:
        return None
    return sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _is_consistent(key: rsa.RSAPrivateKey) -> bool:
    """Tell whether the private part belongs to the modulus: only who factored it can make these."""
    if key.key_size > LARGEST_RSA_BITS:
        return False
    numbers = key.private_numbers()
    p, q, n = numbers.p, numbers.q, numbers.public_numbers.n
    if p <= 1 or q <= 1 or p * q != n:
        return False
    product = numbers.public_numbers.e * numbers.d - 1
    return product % (p - 1) == 0 and product % (q - 1) == 0


def find_written_keys(text: str) -> list[KeyPlace]:
    """Return private keys that stand in a text otherwise than as a block of base64."""
    found: list[KeyPlace] = []
    if '"kty"' in text:
        found += _places(_JWK, text, "jwk")
    if "privateExponent" in text or "priv:" in text or "prime1" in text:
        found += _places(_OPENSSL_TEXT, text, "openssl_text")
    if "Private-Lines" in text:
        found += _places(_PPK, text, "ppk")
    if "</D>" in text:
        found += _places(_XML_KEY, text, "xml")
    return found


def _places(pattern: re.Pattern[str], text: str, kind: str) -> list[KeyPlace]:
    return [KeyPlace(match.start(), match.end(), kind) for match in pattern.finditer(text)]


def blank(text: str, spans: list[tuple[int, int]]) -> str:
    """Return the text with spans made of blanks, so that all other positions stay the same."""
    if not spans:
        return text
    pieces: list[str] = []
    at = 0
    for start, end in sorted(spans):
        if end > at:
            start = max(start, at)  # noqa: PLW2901 - overlapping spans
            pieces += [text[at:start], " " * (end - start)]
            at = end
    return "".join([*pieces, text[at:]])


def leave_out(text: str, spans: list[tuple[int, int]]) -> str:
    """Return the text with a short note in place of each span."""
    pieces: list[str] = []
    at = 0
    for start, end in sorted(spans):
        if end > at:
            pieces += [text[at : max(start, at)], LEFT_OUT]
            at = end
    return "".join([*pieces, text[at:]])
