"""Certificates, CRLs and OCSP responses made on the spot, with just the fault that a test is about."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BEGIN, END = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)


@cache
def elliptic_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


def make_certificate(  # noqa: PLR0913 - a test names the few that it is about
    *dns_names: str,
    common_name: str = "",
    issuer: str = "Test CA",
    key: Any = None,
    signer: Any = None,
    serial_number: int = 1 << 100,
    begin: datetime = BEGIN,
    end: datetime = END,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    purposes: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.SERVER_AUTH,),
) -> bytes:
    """Return the DER of a server certificate, signed with `signer` or else a key of its own."""
    builder = (
        x509.CertificateBuilder(name(issuer), name(common_name))
        .public_key(key or elliptic_key().public_key())
        .serial_number(serial_number)
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    if dns_names:
        hosts = x509.SubjectAlternativeName([x509.DNSName(one) for one in dns_names])
        builder = builder.add_extension(hosts, critical=False)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer or elliptic_key(), hashes.SHA256()).public_bytes(Encoding.DER)


def rsa_key(modulus: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    """Return a public key of any numbers."""
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def make_crl(
    days: int = 7,
    *,
    reason: str = "key_compromise",
    scope: x509.ExtensionType | None = None,
    encoding: Encoding = Encoding.DER,
) -> bytes:
    """Return a CRL with one entry."""
    entry = x509.RevokedCertificateBuilder().serial_number(7).revocation_date(BEGIN)
    entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags[reason]), critical=False)
    builder = x509.CertificateRevocationListBuilder(
        name("Test CA"), BEGIN, BEGIN + timedelta(days=days), revoked_certificates=[entry.build()]
    )
    builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    if scope is not None:
        builder = builder.add_extension(scope, critical=True)
    return builder.sign(elliptic_key(), hashes.SHA256()).public_bytes(encoding)


def make_ocsp(days: int = 4) -> bytes:
    """Return an OCSP response that says good."""
    issuer = x509.load_der_x509_certificate(make_certificate("ca.example"))
    leaf = x509.load_der_x509_certificate(make_certificate("www.example.com"))
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=leaf, issuer=issuer, algorithm=hashes.SHA256(), cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=BEGIN, next_update=BEGIN + timedelta(days=days), revocation_time=None,
        revocation_reason=None,
    )  # fmt: skip
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, issuer)
    return builder.sign(elliptic_key(), hashes.SHA256()).public_bytes(Encoding.DER)
