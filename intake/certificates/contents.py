"""What the checks of our own need to know of a certificate, from the walk over its DER; pure.

Source: RFC 5280 4.1.2.6, 4.1.2.7, 4.2.1.6, 4.2.1.9, 4.2.1.12; RFC 8017 A.1.1; RFC 5480 2.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from intake.certificates.der import (
    BIT_STRING,
    INTEGER,
    OID,
    SEQUENCE,
    CertificateParts,
    DerError,
    Element,
    as_many_as_sound,
    decode_integer,
    decode_oid,
    element_at,
)

COMMON_NAME = "2.5.4.3"
ALTERNATIVE_NAMES = "2.5.29.17"
BASIC_CONSTRAINTS = "2.5.29.19"
EXTENDED_KEY_USAGE = "2.5.29.37"
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
ANY_PURPOSE = "2.5.29.37.0"
DNS_NAME = 0x82  # [2] of GeneralName
BOOLEAN = 0x01
RSA, RSA_PSS = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10"
EC, DSA = "1.2.840.10045.2.1", "1.2.840.10040.4.1"
RAW_KEYS = ("1.3.101.110", "1.3.101.111", "1.3.101.112", "1.3.101.113")  # X25519 to Ed448
POINT = {2: "compressed", 3: "compressed", 4: "whole"}  # first octet of an EC point


@dataclass(frozen=True)
class PublicKey:
    """The numbers of a public key by which weak and leaked ones are known."""

    kind: str  # rsa | ec | dsa | raw
    number: int  # RSA: the modulus; EC: x; DSA: y; others: the octets
    exponent: int = 0  # of RSA
    prime: int = 0  # p of DSA


@dataclass(frozen=True)
class Contents:
    """Names and purposes of a certificate, as far as they can be read."""

    common_names: tuple[str, ...]
    dns_names: tuple[str, ...]  # of the subject alternative name, in order, as written
    is_ca: bool
    purposes: frozenset[str]  # extended key usages

    @property
    def is_for_servers(self) -> bool:
        """Say whether it is a server's certificate: nothing else is said of its purpose."""
        return not self.is_ca and (
            not self.purposes or bool(self.purposes & {SERVER_AUTH, ANY_PURPOSE})
        )


def contents_of(parts: CertificateParts) -> Contents:
    """Read names and purposes; what can't be read is left out."""
    return Contents(
        common_names=tuple(_common_names(parts.subject)),
        dns_names=tuple(
            one.content.decode("latin-1")
            for one in _inside(parts.extension(ALTERNATIVE_NAMES))
            if one.tag == DNS_NAME
        ),
        is_ca=any(
            one.tag == BOOLEAN and one.content != b"\0"
            for one in _inside(parts.extension(BASIC_CONSTRAINTS))
        ),
        purposes=frozenset(
            decode_oid(one.content)
            for one in _inside(parts.extension(EXTENDED_KEY_USAGE))
            if one.tag == OID
        ),
    )


def public_key_of(spki: bytes) -> PublicKey | None:
    """Read the numbers of a SubjectPublicKeyInfo; None for a kind that we don't know."""
    try:
        algorithm, key = list(element_at(spki, 0, len(spki)).children())[:2]
        fields = list(algorithm.children())
        if key.tag != BIT_STRING or not fields:
            return None
        return _numbers(decode_oid(fields[0].content), fields[1:], key.content[1:])
    except (DerError, ValueError, IndexError):
        return None


def _numbers(oid: str, parameters: list[Element], octets: bytes) -> PublicKey | None:
    if oid in {RSA, RSA_PSS}:
        modulus, exponent = [_unsigned(one) for one in _children(octets)][:2]
        return PublicKey("rsa", modulus, exponent=exponent)
    if oid == EC and POINT.get(octets[0]):
        size = len(octets) - 1
        x = octets[1:] if POINT[octets[0]] == "compressed" else octets[1 : 1 + size // 2]
        return PublicKey("ec", int.from_bytes(x, "big"))
    if oid == DSA and parameters:
        prime = _unsigned(next(parameters[0].children()))
        return PublicKey("dsa", _unsigned(element_at(octets, 0, len(octets))), prime=prime)
    if oid in RAW_KEYS:
        return PublicKey("raw", int.from_bytes(octets, "big"))
    return None


def _unsigned(element: Element) -> int:
    """Read an INTEGER as what was meant: some encoders forget the octet for the sign."""
    if element.tag != INTEGER:
        raise DerError("is no INTEGER")
    value = decode_integer(element.content)
    return value if value >= 0 else int.from_bytes(element.content, "big")


def _children(octets: bytes) -> Iterator[Element]:
    return element_at(octets, 0, len(octets)).children()


def _inside(extension: bytes | None) -> Iterator[Element]:
    """Yield the elements of an extension that is a SEQUENCE."""
    try:
        outer = element_at(extension or b"", 0, len(extension or b""))
    except DerError:
        return
    if outer.tag == SEQUENCE:
        yield from as_many_as_sound(outer)


def _common_names(subject: Element) -> Iterator[str]:
    for group in as_many_as_sound(subject):
        for attribute in as_many_as_sound(group):
            parts = list(as_many_as_sound(attribute))
            if len(parts) > 1 and decode_oid(parts[0].content) == COMMON_NAME:
                encoding = "utf-16-be" if parts[1].tag == 0x1E else "utf-8"  # noqa: PLR2004 - BMPString
                yield parts[1].content.decode(encoding, "replace")
