"""Keys for tests in every carrier, and the forms in which their secrets could leak."""

import base64
import json
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)
from cryptography.x509.oid import AttributeOID, NameOID

KCA = "kca=v1 This Key Is Compromised"
NO_SECURITY = x509.UnrecognizedExtension(
    x509.ObjectIdentifier("1.3.6.1.5.5.7.1.23"), b"\x01\x01\xff"
)


def spki(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def der(
    key: Any, form: PrivateFormat = PrivateFormat.PKCS8, password: bytes | None = None
) -> bytes:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.DER, form, lock)


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, password: bytes | None = None) -> str:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, lock).decode()


def pfx(key: Any, password: bytes, certificate: x509.Certificate | None = None) -> bytes:
    return pkcs12.serialize_key_and_certificates(
        b"", key, certificate, None, BestAvailableEncryption(password)
    )


def encode(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwk(key: Any, **more: Any) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        public = numbers.public_numbers
        found: dict[str, Any] = {"kty": "RSA"} | {
            name: encode(number)
            for name, number in (
                ("n", public.n), ("e", public.e), ("d", numbers.d), ("p", numbers.p),
                ("q", numbers.q), ("dp", numbers.dmp1), ("dq", numbers.dmq1), ("qi", numbers.iqmp),
            )
        }  # fmt: skip
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        elliptic = key.private_numbers()
        point = elliptic.public_numbers
        found = {"kty": "EC", "crv": "P-256", "x": encode(point.x), "y": encode(point.y)}
        found["d"] = encode(elliptic.private_value)
    else:
        raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        seed = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        found = {"kty": "OKP", "crv": "Ed25519", "d": seed}
    return json.dumps(found | more)


def request(
    key: Any,
    common_name: str,
    *,
    challenge: str = "",
    extension: x509.ExtensionType | None = None,
    critical: bool = True,
    digest: Any = None,
) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    if challenge:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
    if extension is not None:
        builder = builder.add_extension(extension, critical=critical)
    is_edwards = isinstance(key, ed25519.Ed25519PrivateKey)
    return builder.sign(key, None if is_edwards else digest or hashes.SHA256()).public_bytes(
        Encoding.DER
    )


def jws(
    key: Any, *, payload: str = "This key is pwned! See https://pwnedkeys.com", **header: Any
) -> str:
    """A statement as pwnedkeys makes it."""
    from hashlib import sha256

    is_rsa = isinstance(key, rsa.RSAPrivateKey)
    fields = {"alg": "RS256" if is_rsa else "ES256", "kid": sha256(spki(key)).hexdigest()} | header
    protected, body = (_b64(text.encode()) for text in (json.dumps(fields), payload))
    signed = f"{protected}.{body}".encode()
    if is_rsa:
        signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        r, s = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return json.dumps({"payload": body, "protected": protected, "signature": _b64(signature)})


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def secrets_of(key: Any) -> list[bytes]:
    """Every secret number of a key, as bytes."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        found = [numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp]
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        found = [key.private_numbers().private_value]
    else:
        return [key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())]
    return [one.to_bytes((one.bit_length() + 7) // 8, "big") for one in found]


def traces(secret: bytes, *, length: int = 12) -> set[bytes]:
    """Pieces of a secret in every form in which it could be shown: each is proof of a leak.

    Base64 depends on where in the file the secret begins, so all three shifts are made.
    """
    middle = secret[len(secret) // 4 :]
    found = {
        middle[:length],
        middle[:length].hex().encode(),
        middle[:length].hex().upper().encode(),
    }
    found.add(":".join(f"{byte:02x}" for byte in middle[:length]).encode())
    number = int.from_bytes(secret, "big")
    if number:
        found.add(str(number)[:24].encode())
    for shift in range(3):
        piece = base64.b64encode(middle[shift : shift + 3 * length])[: 4 * length // 2 * 2]
        found |= {piece[:16], piece[:16].replace(b"+", b"-").replace(b"/", b"_")}
    return {one for one in found if len(one) >= length}
