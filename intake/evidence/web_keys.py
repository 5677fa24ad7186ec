"""Public keys written as JSON Web Keys.

Source: RFC 7517 4, RFC 7518 6, RFC 8037 2.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from intake.evidence.key_statements import json_objects

_ERRORS = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    binascii.Error,
    UnsupportedAlgorithm,
)
_CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
    "secp256k1": ec.SECP256K1,
}


def find_public_jwks(text: str) -> Iterator[tuple[int, bytes]]:
    """Yield place and SubjectPublicKeyInfo of the public keys in a text; private ones are left out."""
    for start, _, jwk in json_objects(text, "kty"):
        if "d" in jwk:
            continue
        try:
            key = _load(jwk)
        except _ERRORS:
            continue
        if key is not None:
            yield start, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _load(jwk: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any public key
    kind, curve = jwk["kty"], str(jwk.get("crv", ""))
    if kind == "RSA":
        return rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
    if kind == "EC":
        return ec.EllipticCurvePublicNumbers(
            _number(jwk["x"]), _number(jwk["y"]), _CURVES[curve]()
        ).public_key()
    if curve == "Ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(_octets(jwk["x"]))
    return ed448.Ed448PublicKey.from_public_bytes(_octets(jwk["x"])) if curve == "Ed448" else None


def _number(text: str) -> int:
    return int.from_bytes(_octets(text), "big")


def _octets(text: str) -> bytes:
    plain = "".join(text.split()).rstrip("=")
    return base64.urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
