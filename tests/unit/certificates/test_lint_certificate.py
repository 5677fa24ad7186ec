"""What the linters say about the fixtures, and that nothing stops them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from intake.certificates.kinds import CRL
from intake.certificates.linters import ALWAYS, OWN, PKILINT
from intake.certificates.linting import built_in_versions, examine, warm_up

CERTIFICATES = Path(__file__).parents[3] / "fixtures" / "certificates"
MALFORMED = sorted((CERTIFICATES / "malformed").glob("*.der"))


def lint(name: str):
    return examine((CERTIFICATES / f"{name}.der").read_bytes())


def codes(result, *severities: str) -> set[str]:
    return {one.code for one in result.findings if one.severity in severities}


def test_a_clean_certificate_has_nothing_of_error_severity():
    result = lint("clean")

    assert all(result.by(one).state == "done" for one in ALWAYS)
    assert all(one.version == built_in_versions()[one.linter] for one in result.results)
    assert result.profile == "TLS BR 2.2.5 DV_FINAL_CERTIFICATE"
    assert codes(result, "fatal", "error") == set()


@pytest.mark.parametrize("name", ["internal_name", "second_internal_name"])
def test_an_internal_name_is_found_and_was_forbidden_in_2017(name):
    found = [one for one in lint(name).findings if one.code == "cabf.internal_domain_name"]

    assert [one.severity for one in found] == ["error"]
    assert found[0].in_force_at_issuance is True
    assert "BR 4.2.2" in found[0].citation


def test_three_years_were_allowed_in_2017():
    errors = [one for one in lint("clean_2017").findings if one.severity == "error"]

    assert [one.in_force_at_issuance for one in errors] == [False]


def test_sha1_is_found():
    assert "cabf.serverauth.prohibited_signature_algorithm_encoding" in codes(lint("sha1"), "error")


def test_a_precertificate_is_judged_as_one():
    assert lint("precertificate").profile.endswith("DV_PRE_CERTIFICATE")


@pytest.mark.parametrize("path", MALFORMED, ids=lambda path: path.stem)
def test_no_malformed_certificate_stops_the_linter(path):
    result = examine(path.read_bytes())

    assert result.readable
    assert result.by(PKILINT).state == result.by(OWN).state == "done"
    assert result.findings


def test_what_pkilint_can_not_open_is_fatal_and_not_clean():
    result = lint("malformed/indefinite_length_outer")

    assert codes(result, "fatal") == {"der.encoding_invalid"}


def test_bytes_after_the_certificate_are_a_finding_and_the_rest_is_linted():
    result = lint("malformed/trailing_bytes_after_certificate")

    assert "der.bytes_after_certificate" in codes(result, "error")
    assert result.profile is not None


def test_what_no_reader_opens_is_unreadable_and_fatal():
    result = examine(b"hello")

    assert not result.readable
    assert codes(result, "fatal") == {"der.not_a_certificate"}
    assert [one.linter for one in result.results if one.state == "done"] == [OWN]


def test_getting_ready_twice_does_no_harm():
    warm_up()
    warm_up()


@pytest.mark.parametrize("reasons", [{x509.ReasonFlags.key_compromise}, None])
def test_a_crl_for_some_reasons_only_is_linted(reasons):
    """pkilint's decoder panics on it."""
    key = ec.generate_private_key(ec.SECP256R1())
    scope = x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier("http://crl.example/1")], relative_name=None,
        only_contains_user_certs=False, only_contains_ca_certs=False, indirect_crl=False,
        only_some_reasons=frozenset(reasons) if reasons else None, only_contains_attribute_certs=False,
    )  # fmt: skip
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")]))
        .last_update(datetime(2026, 1, 1, tzinfo=UTC))
        .next_update(datetime(2026, 1, 8, tzinfo=UTC))
        .add_extension(x509.CRLNumber(1), critical=False)
        .add_extension(scope, critical=True)
    )
    der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)

    result = examine(der, CRL).by("pkilint")

    assert (result.state, result.detail) == ("done", "")
