"""Documents by which somebody shows that a key is compromised, without giving it away.

Each is signed by the key itself, and says unmistakably what it is for. A plain signing request is
no proof: whoever enrolled for a certificate has sent one. A web signature names its key only by a
digest, so it is verified later, with the key of a certificate that we know.

Source: RFC 2986 4; RFC 7169 3; RFC 7515 5.2; draft-mpalmer-key-compromise-attestation 2; PoCK;
pwnedkeys.
"""

import base64
import binascii
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from cryptography.x509.oid import AttributeOID, NameOID

from intake.evidence.der import spki_of_csr
from intake.evidence.private_keys import REFUSALS
from intake.evidence.public_keys import key_match

KCA_SUBJECT = "kca=v1 This Key Is Compromised"
NO_SECURITY_AFFORDED = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.23")
DER_TRUE = b"\x01\x01\xff"
POCK_NAME = "-" * 20 + "PROOF OF COMPROMISED KEY" + "-" * 20
POCK_SERIALS = (0, 1)  # earlier and present form
POCK_DATE = datetime(1950, 1, 1, tzinfo=UTC)
WEAK_HASHES = ("md5", "sha1")
PWNED = b"key is pwned"
LONGEST_PAYLOAD = 1024
JWS_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "RS256": hashes.SHA256,
    "ES256": hashes.SHA256,
    "ES384": hashes.SHA384,
    "ES512": hashes.SHA512,
}
MOST_OBJECTS = 200
LONGEST_OBJECT = 64 * 1024
_ERRORS = (*REFUSALS, InvalidSignature, AttributeError, RecursionError, x509.InvalidVersion,
           x509.DuplicateExtension, x509.ExtensionNotFound, x509.AttributeNotFound)  # fmt: skip
_LOST = r"(?:compromised?|pwned|publicly\s+disclosed|leaked|exposed)"
# A sentence about a key; a host or a company that has such a word in its name says no sentence.
_MARKER = re.compile(
    rf"(?=.*\s)(?=.*\b(?:private\s+)?key\b)(?=.*\b{_LOST}\b)", re.IGNORECASE | re.DOTALL
)
_COMPROMISE = re.compile(r"\bkey\s+compromise\b", re.IGNORECASE)
_QUOTE_MARKS = re.compile(r"^[ \t]*(?:[>|][ \t]*)+", re.MULTILINE)


@dataclass(frozen=True)
class KeyProof:
    """That the holder of a private key is no longer its owner alone, verified by machine."""

    kind: str  # private_key | marked_request | kca | pock | jws | signed_statement
    spki_sha256: str
    key_match: str  # see public_keys.py
    method: str  # what was verified, in words
    sha256: str  # of the proof's exact bytes
    part: str


@dataclass(frozen=True)
class KeyClaim:
    """Something signed that says its key is lost; it counts once the key has verified it."""

    kid: str  # SHA-256 of the SubjectPublicKeyInfo, as it claims; "": it claims none
    algorithm: str  # of a web signature; else which kind of signature, in words
    signed: bytes
    signature: bytes
    sha256: str  # of what was signed and the signature
    part: str


# ---- signing requests and certificates ---------------------------------------------------------


def prove_request(der: bytes, part: str) -> KeyProof | None:
    """Return what a signing request proves: nothing, unless it is marked and its signature holds."""
    spki = spki_of_csr(der)
    match = key_match(spki) if spki else None
    if spki is None or match is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind, method = _read_request(x509.load_der_x509_csr(der))
    except _ERRORS:
        return None
    if not kind:
        return None
    return KeyProof(kind, sha256(spki).hexdigest(), match, method, sha256(der).hexdigest(), part)


def _read_request(request: x509.CertificateSigningRequest) -> tuple[str, str]:
    digest = request.signature_hash_algorithm
    if digest is not None and digest.name in WEAK_HASHES:
        return "", ""
    if not request.is_signature_valid:
        return "", ""
    if _is_attestation(request):
        return "kca", "a key compromise attestation, signed by the key"
    if any(map(is_marker, _texts(request))):
        return "marked_request", "a signing request that is marked as proof, signed by the key"
    return "", ""


def _is_attestation(request: x509.CertificateSigningRequest) -> bool:
    subject = list(request.subject)
    if [(one.oid, one.value) for one in subject] != [(NameOID.COMMON_NAME, KCA_SUBJECT)]:
        return False
    extensions = list(request.extensions)
    if len(extensions) != 1 or len(list(request.attributes)) != 1:
        return False
    only = extensions[0]
    value = getattr(only.value, "value", b"")
    return only.oid == NO_SECURITY_AFFORDED and only.critical and value == DER_TRUE


def _texts(request: x509.CertificateSigningRequest) -> Iterator[str]:
    for one in request.subject:
        yield str(one.value)
    for attribute in request.attributes:
        if attribute.oid in {AttributeOID.CHALLENGE_PASSWORD, AttributeOID.UNSTRUCTURED_NAME}:
            yield attribute.value.decode("utf-8", "replace")


def is_marker(text: str) -> bool:
    """Say whether a text states that a key is compromised, and is no name of anything else."""
    if len(text) > LONGEST_PAYLOAD or " " not in text.strip():
        return False
    return bool(_MARKER.match(text) or _COMPROMISE.search(text))


def prove_certificate(der: bytes, part: str) -> KeyProof | None:
    """Return the proof if a certificate is a Proof of Compromised Key; any other proves nothing."""
    if b"PROOF OF COMPROMISED KEY" not in der:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the serial number 0 and the year 1950
            certificate = x509.load_der_x509_certificate(der)
            if not _is_pock(certificate):
                return None
            certificate.verify_directly_issued_by(certificate)
            spki = certificate.public_key().public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
    except _ERRORS:
        return None
    match = key_match(spki)
    if match is None:
        return None
    method = "a Proof of Compromised Key, signed by the key"
    return KeyProof("pock", sha256(spki).hexdigest(), match, method, sha256(der).hexdigest(), part)


def _is_pock(certificate: x509.Certificate) -> bool:
    names = [str(one.value) for one in certificate.subject]
    return (
        certificate.serial_number in POCK_SERIALS
        and certificate.not_valid_before_utc == certificate.not_valid_after_utc == POCK_DATE
        and certificate.subject == certificate.issuer
        and POCK_NAME in names
    )


# ---- JSON --------------------------------------------------------------------------------------


def json_objects(text: str, member: str) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
    """Yield the objects of a text that have a member, with their places, quoted ones too."""
    needle = f'"{member}"'
    plain = _QUOTE_MARKS.sub(lambda match: " " * len(match[0]), text)
    decoder = json.JSONDecoder(strict=False)  # hard-wrapped strings
    at, found = 0, 0
    while found < MOST_OBJECTS and (at := plain.find(needle, at)) >= 0:
        found += 1
        place = _object_around(plain, at, member, decoder)
        if place is not None:
            yield place
        at = max(at + len(needle), place[1] if place is not None else 0)


def _object_around(
    text: str, at: int, member: str, decoder: json.JSONDecoder
) -> tuple[int, int, Mapping[str, Any]] | None:
    start = at
    for _ in range(4):  # objects within it may stand before the member
        start = text.rfind("{", max(0, at - LONGEST_OBJECT), start)
        if start < 0:
            return None
        try:
            value, length = decoder.raw_decode(text[start : start + LONGEST_OBJECT])
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and member in value:
            return start, start + length, value
    return None


def find_claims(text: str, part: str) -> list[KeyClaim]:
    """Return the web signatures of a text that say that their key is lost."""
    if '"payload"' not in text or '"signature"' not in text:
        return []
    found = [_read_claim(jws, part) for _, _, jws in json_objects(text, "signature")]
    return [one for one in found if one is not None]


def _read_claim(jws: Mapping[str, Any], part: str) -> KeyClaim | None:
    web = read_web_signature(jws)
    if web is None:
        return None
    kid = str(web.header.get("kid", "")).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", kid) or PWNED not in web.said:
        return None
    return None if len(web.said) > LONGEST_PAYLOAD else web.claim(kid, part)


@dataclass(frozen=True)
class WebSignature:
    """A flattened JSON Web Signature, taken apart and not verified."""

    header: Mapping[str, Any]  # protected
    said: bytes
    signed: bytes
    signature: bytes

    def claim(self, kid: str, part: str) -> KeyClaim:
        """Return it as the claim of a key."""
        digest = sha256(self.signed + b"." + self.signature).hexdigest()
        return KeyClaim(kid, self.header["alg"], self.signed, self.signature, digest, part)


def read_web_signature(jws: Mapping[str, Any]) -> WebSignature | None:
    """Take a web signature apart, if it is made by a public key and in a way that we know."""
    try:
        protected, payload = str(jws["protected"]), str(jws["payload"])
        header = json.loads(decode_web(protected))
        said, signature = decode_web(payload), decode_web(str(jws["signature"]))
        plain = header["alg"] in JWS_HASHES and "crit" not in header
    except (*_ERRORS, binascii.Error):
        return None
    signed = f"{_plain(protected)}.{_plain(payload)}".encode()
    return WebSignature(header, said, signed, signature) if plain else None


def verify_claim(
    claim: KeyClaim, spki: bytes, *, what: str = "a pwnedkeys signature"
) -> KeyProof | None:
    """Return the proof if the key of this SubjectPublicKeyInfo made the signature."""
    match = key_match(spki)
    if sha256(spki).hexdigest() != claim.kid or match is None:
        return None
    try:
        _verify(load_der_public_key(spki), claim)
    except (*_ERRORS, UnsupportedAlgorithm):
        return None
    method = f"{what} ({claim.algorithm}), made by the key"
    return KeyProof("jws", claim.kid, match, method, claim.sha256, claim.part)


def _verify(key: Any, claim: KeyClaim) -> None:  # noqa: ANN401 - any public key
    """Raise unless the signature is the key's, by the algorithm that fits the key."""
    digest = JWS_HASHES[claim.algorithm]()
    if isinstance(key, rsa.RSAPublicKey) and claim.algorithm.startswith("RS"):
        key.verify(claim.signature, claim.signed, padding.PKCS1v15(), digest)
    elif isinstance(key, ec.EllipticCurvePublicKey) and claim.algorithm.startswith("ES"):
        half = len(claim.signature) // 2
        r, s = (
            int.from_bytes(one, "big") for one in (claim.signature[:half], claim.signature[half:])
        )
        key.verify(utils.encode_dss_signature(r, s), claim.signed, ec.ECDSA(digest))
    else:
        raise InvalidSignature


def _plain(text: str) -> str:
    return "".join(text.split()).rstrip("=")


def decode_web(text: str) -> bytes:
    """Decode base64 for URLs, without its padding and broken over lines too."""
    plain = _plain(text)
    return base64.urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
