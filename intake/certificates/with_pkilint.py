"""pkilint, called in process: the profile is chosen, validators are built once for each.

Import this only where certificates are linted: it costs half a second.
Of a type it can't tell pkilint says "domain-validated TLS", so the profile is stored with a run.
"""

import functools
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

from pkilint import finding_filter, loader
from pkilint.cabf import serverauth, smime
from pkilint.cabf.serverauth import serverauth_constants
from pkilint.cabf.smime import smime_constants
from pkilint.document import SubstrateDecodingFailedError
from pkilint.pkix import certificate, extension, name

from intake.certificates.findings import Finding, Severity, make_finding

logging.getLogger("pkilint").setLevel(logging.CRITICAL + 1)  # tracebacks of single rules

NAME = "pkilint"
VERSION = version(NAME)
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
ANY_EXTENDED_KEY_USAGE = "2.5.29.37.0"
MOST_FINDINGS = 1000
SEVERITIES: dict[str, Severity] = {
    "FATAL": "fatal",
    "ERROR": "error",
    "WARNING": "warning",
    "NOTICE": "notice",
    "INFO": "info",
}


@dataclass(frozen=True)
class Profile:
    """A set of rules: its name, its validators and the findings it leaves out."""

    name: str
    validator: Any
    filters: tuple[Any, ...] = ()


def lint_with_pkilint(der: bytes, *, issued_at: datetime | None) -> tuple[str, list[Finding]]:
    """Return the name of the profile and the findings.

    Raises:
        ValueError: if pkilint can't open the certificate.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the very faults that are findings
        document = _load(der)
        profile = choose_profile(document)
        results = profile.validator.validate(document.root)
        kept, _ = finding_filter.filter_results(list(profile.filters), results)
        return profile.name, list(_findings(kept, issued_at))


def warm_up() -> None:
    """Build the validators of the commonest certificates, so that the first lint is quick."""
    for kind in ("DV_FINAL_CERTIFICATE", "OV_FINAL_CERTIFICATE", "DV_PRE_CERTIFICATE"):
        _tls_profile(serverauth_constants.CertificateType[kind])


def choose_profile(document: Any) -> Profile:  # noqa: ANN401 - pkilint's document
    """Choose the rules by policy and extended key usage, as pkilint's own commands do."""
    found = smime.determine_validation_level_and_generation(document, None)
    if found is not None:
        return _smime_profile(*found)
    purposes = {str(purpose) for purpose in document.extended_key_usages or ()}
    if purposes and not document.is_ca and not purposes & {SERVER_AUTH, ANY_EXTENDED_KEY_USAGE}:
        return _plain_profile()
    return _tls_profile(serverauth.determine_certificate_type(document))


def _load(der: bytes) -> Any:  # noqa: ANN401 - pkilint's document
    try:
        return loader.RFC5280CertificateDocumentLoader().load_der_document(der, "certificate", NAME)
    except SubstrateDecodingFailedError as error:
        raise ValueError(_first_line(error)) from error


def _findings(results: list[Any], issued_at: datetime | None) -> Iterator[Finding]:
    left = MOST_FINDINGS
    for result in results:
        for described in result.finding_descriptions:
            severity = SEVERITIES.get(described.finding.severity.name)
            if severity is None:  # DEBUG
                continue
            if left == 0:
                text = f"There are more than {MOST_FINDINGS} findings; the others are left out."
                yield make_finding(
                    "intake", "lint.findings_left_out", "notice", message=text, issued_at=issued_at
                )
                return
            left -= 1
            text = _first_line(described.message) if described.message else ""
            code = described.finding.code
            yield make_finding(NAME, code, severity, message=text, issued_at=issued_at)


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
