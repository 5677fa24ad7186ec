"""From a private key to the public key that belongs to it, and to nothing else.

The public part that a key file carries is only a claim and is never read. An RSA key must be
consistent, a point is computed from the secret number; then a challenge is signed and verified.
Whose certificate it is, is judged elsewhere. Nothing of the secret leaves this module.

Source: RFC 8017 3.2, A.1.2; RFC 5958 2; RFC 5915 3; RFC 7517 4; RFC 8037 2.
"""

import base64
import binascii
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
)
from cryptography.x509 import ObjectIdentifier

from intake.evidence.der import (
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    Element,
    children,
    read_element,
)
from intake.evidence.public_keys import EDWARDS, ELLIPTIC, RSA, key_match

SMALLEST_RSA_BITS, LARGEST_RSA_BITS = 256, 16384
MOST_SIGNED_BITS = 8192  # signing with larger ones takes seconds; the factors prove enough
SMALLEST_EXPONENT = 3
PARAMETERS = 0xA0  # [0] of an ECPrivateKey
REFUSALS = (ValueError, TypeError, OverflowError, LookupError, UnsupportedAlgorithm)
CURVES_BY_OCTETS: dict[int, type[ec.EllipticCurve]] = {
    28: ec.SECP224R1,
    32: ec.SECP256R1,
    48: ec.SECP384R1,
    66: ec.SECP521R1,
}
CURVES_BY_PRIME: dict[int, type[ec.EllipticCurve]] = {
    2**224 - 2**96 + 1: ec.SECP224R1,
    2**256 - 2**224 + 2**192 + 2**96 - 1: ec.SECP256R1,
    2**256 - 2**32 - 977: ec.SECP256K1,
    2**384 - 2**128 - 2**96 + 2**32 - 1: ec.SECP384R1,
    2**521 - 1: ec.SECP521R1,
}
CURVES_BY_NAME: dict[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
    "secp256k1": ec.SECP256K1,
}
FACTORS = "RSA: p·q = n, e·d ≡ 1 modulo λ(n)"
CHALLENGE = "a challenge was signed"
POINT = "EC: the point was computed from the secret number"
OPENSSH = b"openssh-key-v1\0"
SEED = "EdDSA: the public key was computed from the seed"


@dataclass(frozen=True)
class Derived:
    """The public key that was derived from a private key."""

    spki_sha256: str
    key_match: str
    method: str  # how it was derived and checked, for the event


@dataclass(frozen=True)
class RsaNumbers:
    """The numbers of an RSA key; the factors are 0 where the key does not say them."""

    n: int
    e: int
    d: int
    p: int = 0
    q: int = 0


@dataclass(frozen=True)
class HeldKey:
    """A private key as it was found; it never leaves the process that reads the message."""

    kind: str  # see FoundKey
    encrypted: bool
    material: bytes = field(
        default=b"", repr=False
    )  # DER, OpenSSH's form or JSON; b"": can't be read

    def derive(self) -> Derived | None:
        """Return the public key that belongs to it; None if it proves nothing."""
        if self.encrypted or not self.material:
            return None
        if self.kind == "jwk":
            return derive_jwk(json.loads(self.material))
        if self.material.startswith(OPENSSH):
            return derive_openssh(self.material)
        return derive_der(self.material)


# ---- carriers ----------------------------------------------------------------------------------


def derive_der(der: bytes) -> Derived | None:
    """Return the public key of PKCS#1, PKCS#8 or SEC 1; None if the key proves nothing."""
    try:
        return _derive_der(der)
    except REFUSALS:
        return None


def derive_openssh(data: bytes) -> Derived | None:
    """Return the public key of an OpenSSH key that is not locked."""
    pem = b"-----BEGIN OPENSSH PRIVATE KEY-----\n%s\n-----END OPENSSH PRIVATE KEY-----\n"
    try:
        return derive_loaded(
            load_ssh_private_key(pem % b64encode(data), None, unsafe_skip_rsa_key_validation=True)
        )
    except REFUSALS:
        return None


def derive_jwk(jwk: Mapping[str, Any]) -> Derived | None:
    """Return the public key of a JSON Web Key."""
    try:
        return _derive_jwk(jwk)
    except (*REFUSALS, binascii.Error):
        return None


def derive_loaded(key: Any) -> Derived | None:  # noqa: ANN401 - any kind of key that the library knows
    """Return the public key of a private key that the library has loaded."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        public = numbers.public_numbers
        return _rsa(RsaNumbers(public.n, public.e, numbers.d, numbers.p, numbers.q))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _elliptic(key.private_numbers().private_value, key.curve)
    if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return _derived(key.public_key(), SEED)
    return None


def _derive_der(der: bytes) -> Derived | None:
    outer = read_element(der, 0, len(der))
    fields = children(der, outer) if outer else []
    tags = [one.tag for one in fields]
    if tags[:1] != [INTEGER]:
        return None
    if tags[1:3] == [SEQUENCE, OCTET_STRING]:
        return _derive_pkcs8(der, fields)
    if tags[1:2] == [OCTET_STRING]:
        return _derive_sec1(der, None)
    return _rsa(_rsa_numbers(der, fields))


def _derive_pkcs8(der: bytes, fields: list[Element]) -> Derived | None:
    algorithm = children(der, fields[1], most=2)
    oid = _bytes_of(der, algorithm[0])
    inner = _bytes_of(der, fields[2])
    if oid in RSA:
        outer = read_element(inner, 0, len(inner))
        return _rsa(_rsa_numbers(inner, children(inner, outer))) if outer else None
    if oid in ELLIPTIC:
        curve = _curve_of(der, algorithm[1]) if len(algorithm) > 1 else None
        return _derive_sec1(inner, curve)
    if oid in EDWARDS:
        seed = read_element(inner, 0, len(inner))
        return _edwards(_bytes_of(inner, seed)) if seed else None
    return None


def _derive_sec1(der: bytes, curve: ec.EllipticCurve | None) -> Derived | None:
    outer = read_element(der, 0, len(der))
    fields = children(der, outer) if outer else []
    secret = _bytes_of(der, fields[1])
    named = next((one for one in fields[2:] if one.tag == PARAMETERS), None)
    if curve is None and named is not None:
        within = children(der, named, most=1)
        curve = _curve_of(der, within[0]) if within else None
    if curve is None:
        known = CURVES_BY_OCTETS.get(len(secret))
        curve = known() if known else None
    return _elliptic(int.from_bytes(secret, "big"), curve) if curve else None


def _curve_of(der: bytes, parameters: Element) -> ec.EllipticCurve | None:
    """Return the curve of an OID, or of explicit parameters by their prime alone.

    Any other generator that the parameters name is not used: the point is computed with the
    curve's own, so that nobody can choose it to fit a certificate.
    """
    if parameters.tag == OID:
        return ec.get_curve_for_oid(ObjectIdentifier(_dotted(_bytes_of(der, parameters))))()
    fields = children(der, parameters, most=2)
    prime = children(der, fields[1], most=2)[1] if len(fields) > 1 else None
    known = CURVES_BY_PRIME.get(_number(der, prime)) if prime else None
    return known() if known else None


def _derive_jwk(jwk: Mapping[str, Any]) -> Derived | None:
    kind, curve = jwk["kty"], str(jwk.get("crv", ""))
    if kind == "RSA":
        numbers = {name: _unsigned(jwk.get(name, "")) for name in ("n", "e", "d", "p", "q")}
        return _rsa(RsaNumbers(**numbers))
    if kind == "EC":
        return _elliptic(_unsigned(jwk["d"]), CURVES_BY_NAME[curve]())
    if kind == "OKP" and curve in {"Ed25519", "Ed448"}:
        return _edwards(_decode(jwk["d"]))
    return None


# ---- arithmetic --------------------------------------------------------------------------------


def _rsa(key: RsaNumbers) -> Derived | None:
    method = _proof_of(key)
    if method is None:
        return None
    return _derived(rsa.RSAPublicNumbers(key.e, key.n).public_key(), method)


def _proof_of(key: RsaNumbers) -> str | None:
    """Say how an RSA key was proved to belong to its modulus; None if it was not.

    With the factors, only who factored the modulus can have made the key. Without them, an
    exponent that undoes e is as good.
    """
    if not _is_sound(key):
        return None
    may_sign = key.n.bit_length() <= MOST_SIGNED_BITS
    if not key.p or not key.q:
        return f"RSA: {CHALLENGE}" if may_sign and _signs(key) else None
    if not _is_consistent(key):
        return None
    if not may_sign:
        return FACTORS
    return f"{FACTORS}, and {CHALLENGE}" if _signs_by_factors(key) else None


def _is_sound(key: RsaNumbers) -> bool:
    """Say whether the numbers may be a key's; an exponent of 1 undoes itself and proves nothing."""
    if not SMALLEST_RSA_BITS <= key.n.bit_length() <= LARGEST_RSA_BITS or key.n % 2 == 0:
        return False
    if key.e % 2 == 0 or min(key.e, key.d) < SMALLEST_EXPONENT:
        return False
    return max(key.e, key.d) < key.n


def _is_consistent(key: RsaNumbers) -> bool:
    if key.p <= 1 or key.q <= 1 or key.p == key.q or key.p * key.q != key.n:
        return False
    product = key.e * key.d - 1
    return product % (key.p - 1) == 0 and product % (key.q - 1) == 0


def _signs_by_factors(key: RsaNumbers) -> bool:
    """Sign a challenge by way of both factors, which is four times as quick, and verify it."""
    challenge = _challenge(key.n)
    by_p = pow(challenge, key.d % (key.p - 1), key.p)
    by_q = pow(challenge, key.d % (key.q - 1), key.q)
    signature = by_q + key.q * ((by_p - by_q) * pow(key.q, -1, key.p) % key.p)
    return pow(signature, key.e, key.n) == challenge


def _signs(key: RsaNumbers) -> bool:
    challenge = _challenge(key.n)
    return pow(pow(challenge, key.d, key.n), key.e, key.n) == challenge


def _challenge(modulus: int) -> int:
    """Return a number that nobody chose; the same each time, so that a repeat finds the same."""
    octets = (modulus.bit_length() + 7) // 8
    seed = modulus.to_bytes(octets, "big")
    blocks = (sha256(block.to_bytes(2, "big") + seed).digest() for block in range(octets // 32 + 1))
    return int.from_bytes(b"".join(blocks)[:octets], "big") % modulus


def _elliptic(secret: int, curve: ec.EllipticCurve) -> Derived | None:
    return _derived(ec.derive_private_key(secret, curve).public_key(), POINT)


def _edwards(seed: bytes) -> Derived | None:
    if len(seed) == 32:  # noqa: PLR2004 - RFC 8032 5.1.5
        return _derived(ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key(), SEED)
    return _derived(ed448.Ed448PrivateKey.from_private_bytes(seed).public_key(), SEED)


def _derived(public: Any, method: str) -> Derived | None:  # noqa: ANN401 - any public key
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    match = key_match(spki)
    return None if match is None else Derived(sha256(spki).hexdigest(), match, method)


# ---- reading -----------------------------------------------------------------------------------


def _rsa_numbers(data: bytes, fields: list[Element]) -> RsaNumbers:
    """Read version, n, e, d, p, q; a key of more than two factors is proved by its exponent."""
    version, n, e, d, p, q = (_number(data, one) for one in fields[:6])
    return RsaNumbers(n, e, d) if version else RsaNumbers(n, e, d, p, q)


def _number(data: bytes, element: Element) -> int:
    return int.from_bytes(_bytes_of(data, element), "big")


def _bytes_of(data: bytes, element: Element) -> bytes:
    return data[element.body : element.end]


def _dotted(content: bytes) -> str:
    numbers, value = [content[0] // 40, content[0] % 40], 0
    for octet in content[1:]:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            numbers.append(value)
            value = 0
    return ".".join(map(str, numbers))


def _unsigned(text: str) -> int:
    return int.from_bytes(_decode(text), "big")


def _decode(text: str) -> bytes:
    plain = "".join(text.split()).replace("+", "-").replace("/", "_").rstrip("=")
    return base64.urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
