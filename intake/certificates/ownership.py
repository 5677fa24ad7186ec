"""Whether a certificate is ours: the signature of one of our issuing CAs says so, never a name.

The signature is checked over the bytes as they stand, so that malformed certificates and
precertificates are ours or not like any other.

CAs that issue no more count as long as their certificates are configured. So do precertificate
signing CAs, whose name stands in the precertificate and not in the final certificate.

Source: RFC 6962 3.1.
"""

import functools
import glob
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from intake.certificates.contents import BASIC_CONSTRAINTS, contents_of
from intake.certificates.der import (
    CertificateParts,
    DerError,
    Element,
    decode_integer,
    decode_oid,
    element_at,
    split_certificate,
)
from intake.certificates.names import render_name
from intake.certificates.read import certificates_in
from intake.errors import ConfigError, ConfigProblem

CONFIG_KEY = "certificates.issuing_cas"
Ours = Literal["yes", "no", "unknown"]

HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "1.2.840.113549.1.1.4": hashes.MD5,
    "1.2.840.113549.1.1.5": hashes.SHA1,
    "1.3.14.3.2.29": hashes.SHA1,  # an old name of sha1WithRSA
    "1.2.840.113549.1.1.14": hashes.SHA224,
    "1.2.840.113549.1.1.11": hashes.SHA256,
    "1.2.840.113549.1.1.12": hashes.SHA384,
    "1.2.840.113549.1.1.13": hashes.SHA512,
    "1.2.840.10045.4.1": hashes.SHA1,
    "1.2.840.10045.4.3.1": hashes.SHA224,
    "1.2.840.10045.4.3.2": hashes.SHA256,
    "1.2.840.10045.4.3.3": hashes.SHA384,
    "1.2.840.10045.4.3.4": hashes.SHA512,
    "1.3.14.3.2.26": hashes.SHA1,  # the digests themselves, for PSS
    "2.16.840.1.101.3.4.2.4": hashes.SHA224,
    "2.16.840.1.101.3.4.2.1": hashes.SHA256,
    "2.16.840.1.101.3.4.2.2": hashes.SHA384,
    "2.16.840.1.101.3.4.2.3": hashes.SHA512,
}
PRECERTIFICATE_SIGNING = "1.3.6.1.4.1.11129.2.4.4"
PSS = "1.2.840.113549.1.1.10"
PSS_DEFAULT_SALT = 20  # octets, RFC 4055 3.1
KEY_USAGE = "2.5.29.15"
KEY_CERT_SIGN = 0x04  # in the first octet; RFC 5280 4.2.1.3


@dataclass(frozen=True)
class Ownership:
    """Whether a certificate is ours, and a sentence that says how we know."""

    ours: Ours
    why: str
    names_us: bool = False  # it names our CA, and none of our keys signed it: somebody must look
    issuer_sha256: str | None = None  # of the name in the final certificate, where it differs


@dataclass(frozen=True)
class IssuingCa:
    """One of our issuing CAs, from its certificate."""

    name: str  # RFC 4514
    certificate: bytes
    subject: bytes  # DER of its name
    spki: bytes
    issuer: bytes = b""  # DER of the name of what issued it
    signs_precertificates: bool = False  # for another CA: the one that issued it

    def public_key(self) -> Any:  # noqa: ANN401 - one of several key classes
        """Load the key that signs."""
        return load_der_public_key(self.spki)


class IssuingCas:
    """All our issuing CAs."""

    def __init__(self, cas: Sequence[IssuingCa] = ()) -> None:
        """Keep the CAs and load their keys once."""
        self.cas = tuple(cas)
        self._keys = tuple(ca.public_key() for ca in self.cas)

    @classmethod
    def load(cls, patterns: Sequence[str]) -> "IssuingCas":
        """Read the CA certificates of files or patterns, PEM or DER.

        Raises:
            ConfigError: naming every pattern without a file and every file without a certificate.
        """
        problems: list[ConfigProblem] = []
        found: dict[bytes, IssuingCa] = {}
        for pattern in patterns:
            for ca in _read_pattern(pattern, problems):
                found[ca.certificate] = ca
        cas = cls(list(found.values()))
        problems += [_without_issuer(ca) for ca in cas.cas if cas.is_orphan(ca)]
        if problems:
            raise ConfigError(problems)
        return cas

    def is_orphan(self, ca: IssuingCa) -> bool:
        """Say whether a precertificate signing CA was not issued by another CA of ours."""
        if not ca.signs_precertificates:
            return False
        signer = self._signer_of(split_certificate(ca.certificate))
        return signer is None or signer.subject != ca.issuer or signer.certificate == ca.certificate

    def signer_of(self, der: bytes) -> IssuingCa | None:
        """Return which of our CAs signed this certificate; total for any bytes."""
        try:
            return self._signer_of(split_certificate(der))
        except DerError:
            return None

    def owner_of(self, der: bytes) -> Ownership:
        """Say whether one of our CAs signed this certificate; total for any bytes."""
        try:
            return self.owner_of_parts(split_certificate(der))
        except DerError as error:
            return Ownership("unknown", f"no certificate could be read: {error}")

    def owner_of_parts(self, parts: CertificateParts) -> Ownership:
        """Say whether one of our CAs signed a certificate that was taken apart."""
        if not self.cas:
            return Ownership("unknown", f"no issuing CA is configured ({CONFIG_KEY})")
        named = _rendered(parts.issuer.whole)
        signer = self._signer_of(parts)
        if signer is None:
            return self._not_signed(parts, named)
        behind = None
        if signer.signs_precertificates:
            behind = hashlib.sha256(signer.issuer).hexdigest()
        return Ownership("yes", _signed_by(signer, parts, named), issuer_sha256=behind)

    def _signer_of(self, parts: CertificateParts) -> IssuingCa | None:
        algorithms = {one.whole: one for one in (parts.algorithm, parts.inner_algorithm)}
        pairs = list(zip(self.cas, self._keys, strict=True))
        # Those that it names first: nearly always the answer, and a check takes a while.
        pairs.sort(key=lambda pair: pair[0].subject != parts.issuer.whole)
        for ca, key in pairs:
            if any(_verifies(key, parts, one) for one in algorithms.values()):
                return ca
        return None

    def _not_signed(self, parts: CertificateParts, named: str) -> Ownership:
        for ca in self.cas:
            if parts.spki == ca.spki:
                return Ownership("yes", f"holds the key of our issuing CA {ca.name}")
        if any(parts.issuer.whole == ca.subject or named == ca.name for ca in self.cas):
            why = f"names our issuer {named} but is not signed by its key: look at it at once"
            return Ownership("unknown", why, names_us=True)
        return Ownership("no", f"issued by {named or 'a CA without a name'}")


def _signed_by(ca: IssuingCa, parts: CertificateParts, named: str) -> str:
    if parts.issuer.whole == ca.subject or named == ca.name:
        return f"signed by our issuing CA {ca.name}"
    return f"signed by the key of our issuing CA {ca.name}, though it names {named} as its issuer"


@functools.lru_cache(maxsize=256)
def _rendered(name: bytes) -> str:
    """Write an issuer's name; the thousands of a report have the same one."""
    return render_name(element_at(name, 0, len(name)))


# ---- signatures --------------------------------------------------------------------------------


def _verifies(key: Any, parts: CertificateParts, algorithm: Element) -> bool:  # noqa: ANN401
    try:
        _verify(key, parts.signature, parts.tbs, algorithm)
    except (InvalidSignature, UnsupportedAlgorithm, DerError, ValueError, KeyError, IndexError):
        return False
    return True


def _verify(key: Any, signature: bytes, signed: bytes, algorithm: Element) -> None:  # noqa: ANN401
    """Raise unless the signature is the key's."""
    if isinstance(key, rsa.RSAPublicKey) and len(signature) != -(-key.key_size // 8):
        raise InvalidSignature  # RFC 8017 8.1.2 and 8.2.2, step 1; quick, for CAs with many keys
    fields = list(algorithm.children())
    oid = decode_oid(fields[0].content)
    if isinstance(key, rsa.RSAPublicKey) and oid == PSS:
        scheme, digest = _pss(fields[1:])
        key.verify(signature, signed, scheme, digest)
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, signed, padding.PKCS1v15(), HASHES[oid]())
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, signed, ec.ECDSA(HASHES[oid]()))
    elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        key.verify(signature, signed)
    else:
        raise UnsupportedAlgorithm(oid)


def _pss(parameters: list[Element]) -> tuple[padding.PSS, hashes.HashAlgorithm]:
    """Read RSASSA-PSS-params, whose fields all have defaults. Source: RFC 4055 3.1."""
    digest: hashes.HashAlgorithm = hashes.SHA1()  # noqa: S303 - the default of the RFC
    mask: hashes.HashAlgorithm = hashes.SHA1()  # noqa: S303
    salt = PSS_DEFAULT_SALT
    for field in parameters[0].children() if parameters else ():
        inner = next(field.children())
        if field.tag == 0xA0:  # noqa: PLR2004 - [0] hashAlgorithm
            digest = HASHES[decode_oid(next(inner.children()).content)]()
        elif field.tag == 0xA1:  # noqa: PLR2004 - [1] maskGenAlgorithm
            of_mask = list(inner.children())[1]
            mask = HASHES[decode_oid(next(of_mask.children()).content)]()
        elif field.tag == 0xA2:  # noqa: PLR2004 - [2] saltLength
            salt = decode_integer(inner.content)
    return padding.PSS(mgf=padding.MGF1(mask), salt_length=salt), digest


# ---- files -------------------------------------------------------------------------------------


def _read_pattern(pattern: str, problems: list[ConfigProblem]) -> Iterator[IssuingCa]:
    # Path.glob takes no absolute patterns.
    paths = sorted(glob.glob(pattern)) or ([pattern] if Path(pattern).exists() else [])  # noqa: PTH207
    if not paths:
        problems.append(
            ConfigProblem(
                CONFIG_KEY,
                pattern,
                "no file matches, so none of our certificates would be known as ours",
                "name the PEM or DER files of our issuing CA certificates",
            )
        )
    for path in paths:
        yield from _read_file(path, problems)


def _read_file(path: str, problems: list[ConfigProblem]) -> Iterator[IssuingCa]:
    try:
        data = Path(path).read_bytes()
        cas = [_issuing_ca(der) for der in certificates_in(data)]
    except OSError as error:
        rule, fix = f"can't be read: {error.strerror}", "make it readable for this user"
        problems.append(ConfigProblem(CONFIG_KEY, path, rule, fix))
        return
    except (ValueError, UnsupportedAlgorithm):
        cas = []
    if not cas:
        rule, fix = "holds no CA certificate", "put the issuing CA's certificate there, PEM or DER"
        problems.append(ConfigProblem(CONFIG_KEY, path, rule, fix))
    yield from cas


def _without_issuer(ca: IssuingCa) -> ConfigProblem:
    return ConfigProblem(
        CONFIG_KEY,
        ca.name,
        "is a precertificate signing CA, and the CA that issued it is not configured",
        "name the certificate of that CA too: the final certificates are its",
    )


def _issuing_ca(der: bytes) -> IssuingCa:
    """Take a CA certificate apart; raise ValueError for a certificate that may sign none."""
    parts = split_certificate(der)
    ca = IssuingCa(
        render_name(parts.subject),
        der,
        parts.subject.whole,
        parts.spki,
        parts.issuer.whole,
        signs_precertificates=PRECERTIFICATE_SIGNING in contents_of(parts).purposes,
    )
    ca.public_key()
    if not _may_sign(parts):
        raise ValueError("no CA certificate")
    return ca


def _may_sign(parts: CertificateParts) -> bool:
    """Say whether this can be a CA: old roots have neither of the extensions that tell."""
    if parts.extension(BASIC_CONSTRAINTS) is not None:
        return contents_of(parts).is_ca
    usage = parts.extension(KEY_USAGE)
    if usage is None:
        return True
    octets = usage[3:]  # a BIT STRING: tag, length, count of unused bits
    return bool(octets) and bool(octets[0] & KEY_CERT_SIGN)
