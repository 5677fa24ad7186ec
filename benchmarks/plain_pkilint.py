"""pkilint by itself, called as its own command calls it, its validators built once for each type.

It imports nothing of the intake, which changes pkilint.
"""

import functools
import time
from multiprocessing.synchronize import Barrier
from typing import Any

from pkilint import finding_filter, loader
from pkilint.cabf import serverauth
from pkilint.pkix import certificate

_together: list[Barrier] = []


def prepare(together: Barrier) -> None:
    """Keep what the processes wait for, so that all of them work at the same time."""
    _together.append(together)


def seconds_for(ders: list[bytes]) -> float:
    """Lint certificates for TLS servers; return how long it took."""
    _lint(ders[0])  # build the validators
    _together[0].wait()
    begun = time.perf_counter()
    for der in ders:
        _lint(der)
    return time.perf_counter() - begun


def _lint(der: bytes) -> list[Any]:
    document = loader.RFC5280CertificateDocumentLoader().load_der_document(der, "certificate", "")
    validator, filters = _rules(serverauth.determine_certificate_type(document))
    results, _ = finding_filter.filter_results(filters, validator.validate(document.root))
    return list(results)


@functools.cache
def _rules(kind: Any) -> tuple[Any, list[Any]]:  # noqa: ANN401 - pkilint's CertificateType
    validator = certificate.create_pkix_certificate_validator_container(
        serverauth.create_decoding_validators(), serverauth.create_validators(kind)
    )
    return validator, list(serverauth.create_serverauth_finding_filters(kind))
