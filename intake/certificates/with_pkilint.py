"""pkilint, called in process: the profile is chosen, validators are built once for each.

It lints certificates for TLS servers and S/MIME, CRLs and OCSP responses.
Import this only where certificates are linted: it costs half a second.
Of a type it can't tell pkilint says "domain-validated TLS", so the profile is stored with a run.
"""

import functools
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.metadata import version
from typing import Any

from cryptography import x509
from pkilint import finding_filter, loader, pkix
from pkilint.cabf import cabf_crl, serverauth, smime
from pkilint.cabf.serverauth import serverauth_constants
from pkilint.cabf.smime import smime_constants
from pkilint.document import SubstrateDecodingFailedError
from pkilint.pkix import certificate, crl, extension, name, ocsp

from intake.certificates import pkilint_changes
from intake.certificates.findings import Finding, Severity, make_finding

logging.getLogger("pkilint").setLevel(logging.CRITICAL + 1)  # tracebacks of single rules

NAME = "pkilint"
VERSION = version(NAME)
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
ANY_EXTENDED_KEY_USAGE = "2.5.29.37.0"
MOST_FINDINGS = 1000
LONGEST_CRL = timedelta(days=31)  # one without a scope that is valid for longer is a root's
NO_DAYS: Mapping[str, date] = {}
SEVERITIES: dict[str, Severity] = {
    "FATAL": "fatal",
    "ERROR": "error",
    "WARNING": "warning",
    "NOTICE": "notice",
    "INFO": "info",
}


def _pass_on(record: logging.LogRecord) -> bool:
    """Raise again that memory ran out, which pkilint logs and takes for a fault of the certificate."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, MemoryError):
        raise error
    return False


logging.getLogger("pkilint.validation").setLevel(logging.ERROR)
logging.getLogger("pkilint.validation").addFilter(_pass_on)

pkilint_changes.apply()


@dataclass(frozen=True)
class Profile:
    """A set of rules: its name, its validators and the findings it leaves out."""

    name: str
    validator: Any
    filters: tuple[Any, ...] = ()


def lint_with_pkilint(
    der: bytes,
    *,
    issued_at: datetime | None,
    kind: str = "certificate",
    days: Mapping[str, date] = NO_DAYS,
) -> tuple[str, list[Finding]]:
    """Return the name of the profile and the findings.

    Args:
        der: the exact bytes.
        issued_at: when it was issued.
        kind: certificate, crl or ocsp_response.
        days: on which rules came into force for it, where that is not the table's day.

    Raises:
        ValueError: if pkilint can't open it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the very faults that are findings
        document = _load(der, kind)
        profile = CHOOSERS[kind](document, der)
        results = profile.validator.validate(document.root)
        kept, _ = finding_filter.filter_results(list(profile.filters), results)
        return profile.name, list(_findings(kept, issued_at, days))


def warm_up() -> None:
    """Build the validators of the commonest certificates, so that the first lint is quick."""
    for kind in ("DV_FINAL_CERTIFICATE", "OV_FINAL_CERTIFICATE", "DV_PRE_CERTIFICATE"):
        _tls_profile(serverauth_constants.CertificateType[kind])


def choose_profile(document: Any, _der: bytes = b"") -> Profile:  # noqa: ANN401 - pkilint's document
    """Choose the rules by policy and extended key usage, as pkilint's own commands do."""
    found = smime.determine_validation_level_and_generation(document, None)
    if found is not None:
        return _smime_profile(*found)
    purposes = {str(purpose) for purpose in document.extended_key_usages or ()}
    if purposes and not document.is_ca and not purposes & {SERVER_AUTH, ANY_EXTENDED_KEY_USAGE}:
        return _plain_profile()
    return _tls_profile(serverauth.determine_certificate_type(document))


def _choose_crl_profile(_document: Any, der: bytes) -> Profile:  # noqa: ANN401
    """Take it for a list of CA certificates if it says so, or says nothing and is valid for long."""
    kind = "CRL"
    try:
        revoked = x509.load_der_x509_crl(der)
        until, since = revoked.next_update_utc, revoked.last_update_utc
        if until is not None and until - since > LONGEST_CRL:
            kind = "ARL"
        scope = revoked.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
        kind = "ARL" if scope.only_contains_ca_certs else "CRL"
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.InvalidVersion):
        pass
    return _crl_profile(kind)


def _choose_ocsp_profile(_document: Any, _der: bytes) -> Profile:  # noqa: ANN401
    return _ocsp_profile()


CHOOSERS: dict[str, Callable[[Any, bytes], Profile]] = {
    "certificate": choose_profile,
    "crl": _choose_crl_profile,
    "ocsp_response": _choose_ocsp_profile,
}


def _load(der: bytes, kind: str) -> Any:  # noqa: ANN401 - pkilint's document
    loaders = {
        "certificate": loader.RFC5280CertificateDocumentLoader,
        "crl": loader.RFC5280CertificateListDocumentLoader,
        "ocsp_response": loader.RFC6960OCSPResponseDocumentLoader,
    }
    try:
        return loaders[kind]().load_der_document(der, kind, NAME)
    except SubstrateDecodingFailedError as error:
        raise ValueError(_first_line(error)) from error


def _findings(
    results: list[Any], issued_at: datetime | None, days: Mapping[str, date]
) -> Iterator[Finding]:
    left = MOST_FINDINGS
    for result in results:
        for described in result.finding_descriptions:
            severity = SEVERITIES.get(described.finding.severity.name)
            if severity is None:  # DEBUG
                continue
            if left == 0:
                text = f"There are more than {MOST_FINDINGS} findings; the others are left out."
                yield make_finding(
                    NAME, "lint.findings_left_out", "notice", message=text, issued_at=issued_at
                )
                return
            left -= 1
            text = _first_line(described.message) if described.message else ""
            code = described.finding.code
            since = days.get(code)
            yield make_finding(NAME, code, severity, message=text, issued_at=issued_at, since=since)


def _first_line(text: object) -> str:
    lines = str(text).splitlines()
    return lines[0] if lines else ""


def _once(build: Callable[..., Profile]) -> Callable[..., Profile]:
    return functools.cache(build)


@_once
def _tls_profile(kind: Any) -> Profile:  # noqa: ANN401 - pkilint's CertificateType
    return Profile(
        f"TLS BR {serverauth_constants.BR_VERSION} {kind.name}",
        certificate.create_pkix_certificate_validator_container(
            serverauth.create_decoding_validators(), serverauth.create_validators(kind)
        ),
        tuple(serverauth.create_serverauth_finding_filters(kind)),
    )


@_once
def _smime_profile(level: Any, generation: Any) -> Profile:  # noqa: ANN401 - pkilint's enums
    return Profile(
        f"S/MIME BR {smime_constants.BR_VERSION} {level.name}-{generation.name}",
        certificate.create_pkix_certificate_validator_container(
            smime.create_decoding_validators(),
            smime.create_subscriber_validators(level, generation),
        ),
    )


@_once
def _plain_profile() -> Profile:
    return Profile(
        "RFC 5280",
        certificate.create_pkix_certificate_validator_container(
            certificate.create_decoding_validators(
                name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS
            ),
            [
                certificate.create_issuer_validator_container([]),
                certificate.create_validity_validator_container(),
                certificate.create_subject_validator_container([]),
                certificate.create_extensions_validator_container([]),
                certificate.create_spki_validator_container([]),
            ],
        ),
    )


@_once
def _crl_profile(kind: str) -> Profile:
    which = crl.CertificateRevocationListType[kind]
    return Profile(
        f"TLS BR {serverauth_constants.BR_VERSION} {kind}",
        crl.create_pkix_crl_validator_container(
            [
                pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
                pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
            ],
            [
                crl.create_issuer_validator_container([]),
                crl.create_validity_validator_container(
                    [cabf_crl.create_validity_period_validator(which)]
                ),
                crl.create_extensions_validator_container([]),
                cabf_crl.CabfCrlReasonCodeAllowlistValidator(which),
            ],
        ),
    )


@_once
def _ocsp_profile() -> Profile:
    return Profile(
        "RFC 6960",
        ocsp.create_pkix_ocsp_response_validator_container(
            [
                ocsp.create_response_decoder(),
                pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
                pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
            ],
            [],
        ),
    )
