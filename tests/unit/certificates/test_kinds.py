"""Certificates, CRLs and OCSP responses are told apart by their content, and each is linted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from intake.certificates.kinds import CERTIFICATE, CRL, OCSP_RESPONSE, kind_of, lintables_in
from intake.certificates.linting import examine
from tests.issue import make_certificate, make_crl, make_ocsp

NOW = datetime(2026, 11, 24, tzinfo=UTC)
DAY = timedelta(days=1)
CERTIFICATES = Path(__file__).parents[3] / "fixtures" / "certificates"


CRL_DER = make_crl()


@pytest.mark.parametrize(
    ("der", "kind"),
    [
        (make_certificate("a.example"), CERTIFICATE),
        (CRL_DER, CRL),
        (make_ocsp(), OCSP_RESPONSE),
        (b"hello", CERTIFICATE),
        (b"", CERTIFICATE),
        (b"\x30\x03\x0a\x01\x06", OCSP_RESPONSE),
        (b"\x30\x80", CERTIFICATE),
    ],
)
def test_the_bytes_say_what_they_are(der, kind):
    assert kind_of(der) == kind


def test_a_file_may_hold_several_kinds_in_any_order():
    pem = (CERTIFICATES / "clean.pem").read_bytes()
    crl = make_crl(encoding=Encoding.PEM)

    found = lintables_in(pem + b"some text\n" + crl + pem + crl)

    assert [kind for kind, _ in found] == [CERTIFICATE, CRL, CERTIFICATE, CRL]
    assert found[1][1] == CRL_DER or kind_of(found[1][1]) == CRL


def test_der_files_are_taken_as_they_are():
    assert lintables_in(CRL_DER) == [(CRL, CRL_DER)]
    assert lintables_in(b"junk") == [(CERTIFICATE, b"junk")]
    assert lintables_in(b"") == []


def test_text_between_crls_is_nothing_to_lint():
    crl = make_crl(encoding=Encoding.PEM)

    assert len(lintables_in(b"From: me\n\n" + crl + b"Regards")) == 1


@pytest.mark.parametrize("days", [7, 12])
def test_a_crl_is_valid_for_ten_days_at_most(days):
    result = examine(make_crl(days), CRL)

    assert (result.readable, result.profile) == (True, "TLS BR 2.2.5 CRL")
    codes = {one.code: one for one in result.findings}
    assert ("cabf.crl_invalid_validity_period" in codes) is (days > 10)
    if days > 10:
        assert codes["cabf.crl_invalid_validity_period"].in_force_at_issuance is True


def test_a_reason_that_is_not_allowed_is_found():
    result = examine(make_crl(reason="certificate_hold"), CRL)

    assert "cabf.crl_prohibited_reason_code" in {one.code for one in result.findings}


def test_a_list_of_ca_certificates_is_judged_as_one():
    scope = x509.IssuingDistributionPoint(
        full_name=None, relative_name=None, only_contains_user_certs=False,
        only_contains_ca_certs=True, only_some_reasons=None, indirect_crl=False,
        only_contains_attribute_certs=False,
    )  # fmt: skip

    by_scope = examine(make_crl(days=20, scope=scope), CRL)
    by_validity = examine(make_crl(days=180), CRL)

    assert by_scope.profile == by_validity.profile == "TLS BR 2.2.5 ARL"


@pytest.mark.parametrize("days", [4, 11])
def test_an_ocsp_response_is_valid_for_ten_days_at_most(days):
    result = examine(make_ocsp(days), OCSP_RESPONSE)

    assert (result.readable, result.profile) == (True, "RFC 6960")
    assert [one.code for one in result.findings if one.linter == "intake"] == (
        ["ocsp.valid_for_over_10_days"] if days > 10 else []
    )


@pytest.mark.parametrize(("kind", "der"), [(CRL, CRL_DER[:-3]), (OCSP_RESPONSE, make_ocsp()[:40])])
def test_what_can_not_be_read_is_a_fatal_finding(kind, der):
    result = examine(der, kind)

    assert not result.readable
    assert any(one.severity == "fatal" for one in result.findings)


def test_an_unsuccessful_ocsp_response_is_no_crash():
    assert not examine(b"\x30\x03\x0a\x01\x06", OCSP_RESPONSE).readable


def test_a_panic_in_native_code_of_a_linter_is_not_checked_and_ends_nothing(capfd):
    scope = x509.IssuingDistributionPoint(
        full_name=None, relative_name=None, only_contains_user_certs=False,
        only_contains_ca_certs=False, indirect_crl=False, only_contains_attribute_certs=False,
        only_some_reasons=frozenset([x509.ReasonFlags.key_compromise]),
    )  # fmt: skip

    result = examine(make_crl(scope=scope), CRL)
    capfd.readouterr()  # what the panic says of itself

    assert result.by("pkilint").state in {"failed", "done"}
    assert result.by("intake").state == "done"
