"""Linting in a real worker process: limits, and what a failure is called."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from intake.certificates.linting import lint_certificate, lint_in, linter_version, make_worker
from intake.workers import Worker

CLEAN = (Path(__file__).parents[2] / "fixtures/certificates/clean.der").read_bytes()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = make_worker(for_long=False)
    yield worker
    worker.close()


def hostile() -> bytes:
    """A certificate with so many names that pkilint needs a minute for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName(f"h{n}.example.com") for n in range(50_000)])
    builder = x509.CertificateBuilder().serial_number(1).public_key(key.public_key())
    builder = builder.subject_name(x509.Name([])).issuer_name(x509.Name([]))
    builder = builder.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    builder = builder.not_valid_after(datetime(2026, 7, 1, tzinfo=UTC))
    certificate = builder.add_extension(names, critical=True).sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.DER)


def test_the_worker_says_the_same_as_a_call(worker):
    assert lint_in(worker, CLEAN) == lint_certificate(CLEAN)


def test_a_certificate_that_takes_too_long_was_not_checked_and_stops_nothing(worker):
    result = lint_in(worker, hostile(), seconds=1.5)

    assert (result.state, result.findings, result.readable) == ("timed_out", (), True)
    assert (result.linter, result.version) == ("pkilint", linter_version())
    assert lint_in(worker, CLEAN).state == "done"


def test_a_worker_without_memory_has_not_checked():
    poor = Worker(memory_bytes=60 << 20)
    try:
        result = lint_in(poor, CLEAN)
    finally:
        poor.close()

    assert (result.state, result.findings) == ("failed", ())
    assert result.detail
