"""Certificate revocation lists: whether one can be relied on, and what it says. Pure.

Source: RFC 5280 5, 6.3; BR 4.9.7, 7.2.2.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from intake.certificates.ownership import IssuingCa
from intake.certificates.revocation import (
    CLOCK_SKEW,
    ENCODED_ZERO,
    GOOD,
    ON_HOLD,
    REASON_CODES,
    REVOKED,
    Answer,
    unusable,
)

ERRORS = (ValueError, TypeError, KeyError, OverflowError, UnsupportedAlgorithm,
          x509.InvalidVersion, x509.DuplicateExtension)  # fmt: skip


@dataclass(frozen=True)
class SoundCrl:
    """A CRL that our CA signed, that is in force, and that is the one for its address."""

    crl: x509.CertificateRevocationList
    number: int | None
    only_users: bool = False
    only_cas: bool = False

    def answer(self, serial_number: int, *, is_ca: bool, lowest: int | None) -> Answer:
        """Say what the list says about one certificate.

        Args:
            serial_number: of the certificate.
            is_ca: whether it is a CA certificate, for lists that hold only one sort.
            lowest: the highest CRLNumber that was seen; an older list is not believed.
        """
        if lowest is not None and self.number is not None and self.number < lowest:
            return unusable(
                f"is older than one seen before: CRLNumber {self.number} after {lowest}"
            )
        if (self.only_users and is_ca) or (self.only_cas and not is_ca):
            return unusable("is not for this sort of certificate (issuing distribution point)")
        try:
            entry = self.crl.get_revoked_certificate_by_serial_number(serial_number)
            return self._answer(entry)
        except ERRORS as error:
            return unusable(f"has an entry that can't be read ({type(error).__name__})")

    def _answer(self, entry: x509.RevokedCertificate | None) -> Answer:
        blank = Answer(
            GOOD,
            this_update=self.crl.last_update_utc,
            next_update=self.crl.next_update_utc,
            number=self.number,
        )
        if entry is None:
            return blank
        reason = _reason(entry)
        return replace(
            blank,
            state=ON_HOLD if reason is x509.ReasonFlags.certificate_hold else REVOKED,
            reason=0 if reason is None else REASON_CODES.get(reason.value, 0),
            revoked_at=entry.revocation_date_utc,
            flags=(ENCODED_ZERO,) if reason is x509.ReasonFlags.unspecified else (),
        )


def _reason(entry: x509.RevokedCertificate) -> x509.ReasonFlags | None:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return None


def open_crl(data: bytes, *, ca: IssuingCa, url: str, now: datetime) -> SoundCrl | Answer:
    """Check a CRL as far as it does not depend on one certificate.

    Args:
        data: the bytes as they came.
        ca: who must have signed it.
        url: where it stood; it must be the one that the list names for itself.
        now: when it was fetched.
    """
    try:
        crl = x509.load_der_x509_crl(data)
        return _open(crl, ca, url, now)
    except ERRORS as error:
        return unusable(f"is no CRL that can be read ({type(error).__name__})")


def _open(
    crl: x509.CertificateRevocationList, ca: IssuingCa, url: str, now: datetime
) -> SoundCrl | Answer:
    problem = _identity_problem(crl, ca) or _time_problem(crl, now)
    if problem:
        return unusable(problem)
    extensions = {one.oid: one.value for one in crl.extensions}
    if x509.oid.ExtensionOID.DELTA_CRL_INDICATOR in extensions:
        return unusable("is a delta CRL")
    number = extensions.get(x509.oid.ExtensionOID.CRL_NUMBER)
    point = extensions.get(x509.oid.ExtensionOID.ISSUING_DISTRIBUTION_POINT)
    sound = SoundCrl(crl, number.crl_number if isinstance(number, x509.CRLNumber) else None)
    if not isinstance(point, x509.IssuingDistributionPoint):
        return sound
    problem = _scope_problem(point, url)
    if problem:
        return unusable(problem)
    return SoundCrl(crl, sound.number, point.only_contains_user_certs, point.only_contains_ca_certs)


def _identity_problem(crl: x509.CertificateRevocationList, ca: IssuingCa) -> str:
    issuer = x509.load_der_x509_certificate(ca.certificate)
    if crl.issuer != issuer.subject:
        return f"was issued by {crl.issuer.rfc4514_string()}, not by {ca.name}"
    if not crl.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]  # our CA's key
        return f"is not signed by {ca.name}"
    return ""


def _time_problem(crl: x509.CertificateRevocationList, now: datetime) -> str:
    if crl.last_update_utc > now + CLOCK_SKEW:
        return f"is from the future (thisUpdate {crl.last_update_utc:%Y-%m-%dT%H:%M:%SZ})"
    if crl.next_update_utc is None:
        return "does not say until when it is in force (nextUpdate)"
    if crl.next_update_utc <= now:
        return f"is stale: in force until {crl.next_update_utc:%Y-%m-%dT%H:%M:%SZ}"
    return ""


def _scope_problem(point: x509.IssuingDistributionPoint, url: str) -> str:
    names = [one.value for one in point.full_name or ()]
    if point.full_name is not None and url not in names:
        return "is for another address (issuing distribution point)"
    if point.indirect_crl or point.only_contains_attribute_certs or point.only_some_reasons:
        return "is not for this sort of certificate (issuing distribution point)"
    return ""
