"""OCSP: the question about a certificate, and whether an answer can be relied on. Pure.

No nonce is asked for: public responders answer with what they signed beforehand.

Source: RFC 6960 4; RFC 5019 2; BR 4.9.9, 4.9.10.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from intake.certificates.der import element_at
from intake.certificates.ownership import IssuingCa
from intake.certificates.revocation import (
    CLOCK_SKEW,
    GOOD,
    ON_HOLD,
    REASON_CODES,
    REVOKED,
    UNKNOWN,
    Answer,
    unusable,
)

REQUEST_TYPE = "application/ocsp-request"
ERRORS = (ValueError, TypeError, KeyError, OverflowError, UnsupportedAlgorithm, InvalidSignature,
          x509.InvalidVersion, x509.DuplicateExtension)  # fmt: skip


def make_request(ca: IssuingCa, serial_number: int) -> bytes:
    """Return the question about one certificate of a CA.

    Raises:
        ValueError: if there is no way to ask about such a serial number.
    """
    name, key = _hashes(ca, hashes.SHA1())  # noqa: S303 - what every responder knows
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        name, key, serial_number, hashes.SHA1()  # noqa: S303
    )  # fmt: skip
    return builder.build().public_bytes(Encoding.DER)


def _hashes(ca: IssuingCa, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
    bits = list(element_at(ca.spki, 0, len(ca.spki)).children())[1].content[1:]
    return _digest(algorithm, ca.subject), _digest(algorithm, bits)


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    context = hashes.Hash(algorithm)
    context.update(data)
    return context.finalize()


def read_response(data: bytes, *, ca: IssuingCa, serial_number: int, now: datetime) -> Answer:
    """Say what an OCSP response says about a certificate, if it can be relied on."""
    try:
        response = ocsp.load_der_ocsp_response(data)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return unusable(f"answers {response.response_status.name.lower()}")
        problem = _signature_problem(response, ca, now)
        if problem:
            return unusable(problem)
        mine = [one for one in response.responses if _is_about(one, ca, serial_number)]
        return _read(mine[0], now) if mine else unusable("answers about another certificate")
    except ERRORS as error:
        return unusable(f"is no OCSP response that can be read ({type(error).__name__})")


def _is_about(single: ocsp.OCSPSingleResponse, ca: IssuingCa, serial_number: int) -> bool:
    name, key = _hashes(ca, single.hash_algorithm)
    return (single.serial_number, single.issuer_name_hash, single.issuer_key_hash) == (
        serial_number,
        name,
        key,
    )


def _read(single: ocsp.OCSPSingleResponse, now: datetime) -> Answer:
    this, following = single.this_update_utc, single.next_update_utc
    if this > now + CLOCK_SKEW:
        return unusable(f"is from the future (thisUpdate {this:%Y-%m-%dT%H:%M:%SZ})")
    if following is None:
        return unusable("does not say until when it is in force (nextUpdate)")
    if following <= now:
        return unusable(f"is stale: in force until {following:%Y-%m-%dT%H:%M:%SZ}")
    if single.certificate_status is ocsp.OCSPCertStatus.GOOD:
        return Answer(GOOD, this_update=this, next_update=following)
    if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        return Answer(UNKNOWN, this_update=this, next_update=following)
    reason = single.revocation_reason
    return Answer(
        ON_HOLD if reason is x509.ReasonFlags.certificate_hold else REVOKED,
        reason=0 if reason is None else REASON_CODES.get(reason.value, 0),
        revoked_at=single.revocation_time_utc,
        this_update=this,
        next_update=following,
    )


# ---- who signed --------------------------------------------------------------------------------


def _signature_problem(response: ocsp.OCSPResponse, ca: IssuingCa, now: datetime) -> str:
    issuer = x509.load_der_x509_certificate(ca.certificate)
    if _is_named(response, issuer) and _verifies(response, issuer):
        return ""
    problem = f"is not signed by {ca.name} or a responder of it"
    for certificate in response.certificates:
        if not _is_named(response, certificate) or not _verifies(response, certificate):
            continue
        problem = _delegation_problem(certificate, issuer, now)
        if not problem:
            return ""
    return problem


def _is_named(response: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    """Say whether a certificate is the one that the response calls its responder."""
    if response.responder_name is not None:
        return response.responder_name == certificate.subject
    identifier = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    return response.responder_key_hash == identifier.digest  # both are SHA-1 over the key's bits


def _delegation_problem(
    certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
) -> str:
    """Say why a certificate may not answer for the CA; empty if it may."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except ERRORS:
        return "is signed by a responder that our CA did not authorise"
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return "is signed by a responder whose certificate is not in force"
    if x509.oid.ExtendedKeyUsageOID.OCSP_SIGNING not in list(_purposes(certificate)):
        return "is signed by a certificate that is not for signing OCSP responses"
    return ""


def _purposes(certificate: x509.Certificate) -> Iterator[x509.ObjectIdentifier]:
    try:
        yield from certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return


def _verifies(response: ocsp.OCSPResponse, certificate: x509.Certificate) -> bool:
    try:
        _verify(certificate.public_key(), response)
    except ERRORS:
        return False
    return True


def _verify(key: Any, response: ocsp.OCSPResponse) -> None:  # noqa: ANN401 - any public key
    signature, signed = response.signature, response.tbs_response_bytes
    digest = response.signature_hash_algorithm
    if isinstance(key, rsa.RSAPublicKey) and digest is not None:
        key.verify(signature, signed, padding.PKCS1v15(), digest)
    elif isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
        key.verify(signature, signed, ec.ECDSA(digest))
    elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        key.verify(signature, signed)
    else:
        raise InvalidSignature
