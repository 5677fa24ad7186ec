"""CRLs and OCSP responses: which can be relied on, and what they say."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags, ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from intake.certificates.crl import SoundCrl, open_crl
from intake.certificates.ocsp import make_request, read_response
from intake.certificates.revocation import Answer, addresses_in
from tests.builders import NOW
from tests.ca import MakeCa

URL = "http://crl.ca.example/ca.crl"
HOUR = timedelta(hours=1)
CA = MakeCa()
OTHER = MakeCa()  # same name, another key
ISSUER = CA.cas().cas[0]


def read(data: bytes, *, serial_number=5, lowest=None, is_ca=False, now=NOW) -> Answer:
    opened = open_crl(data, ca=ISSUER, url=URL, now=now)
    if isinstance(opened, SoundCrl):
        return opened.answer(serial_number, is_ca=is_ca, lowest=lowest)
    return opened


def test_a_crl_without_the_certificate_says_good():
    assert read(CA.crl({6: (NOW, None)}, now=NOW)).state == "good"


def test_a_crl_says_when_and_why_a_certificate_was_revoked():
    answer = read(CA.crl({5: (NOW - HOUR, ReasonFlags.key_compromise)}, now=NOW, number=9))

    assert (answer.state, answer.reason, answer.revoked_at, answer.number) == (
        "revoked", 1, NOW - HOUR, 9,
    )  # fmt: skip


def test_an_entry_without_a_reason_means_unspecified():
    answer = read(CA.crl({5: (NOW, None)}, now=NOW))

    assert (answer.state, answer.reason, answer.flags) == ("revoked", 0, ())


def test_a_written_out_reason_of_zero_is_flagged():
    answer = read(CA.crl({5: (NOW, ReasonFlags.unspecified)}, now=NOW))

    assert (answer.state, answer.reason, answer.flags) == ("revoked", 0, ("reason_zero_encoded",))


def test_a_hold_is_no_revocation():
    assert read(CA.crl({5: (NOW, ReasonFlags.certificate_hold)}, now=NOW)).state == "on_hold"


def point(**values) -> x509.IssuingDistributionPoint:
    defaults = {
        "full_name": [x509.UniformResourceIdentifier(URL)], "relative_name": None,
        "only_contains_user_certs": False, "only_contains_ca_certs": False,
        "only_some_reasons": None, "indirect_crl": False, "only_contains_attribute_certs": False,
    }  # fmt: skip
    return x509.IssuingDistributionPoint(**(defaults | values))


def test_a_crl_for_this_address_and_sort_of_certificate_is_sound():
    assert read(CA.crl({}, now=NOW, point=point(only_contains_user_certs=True))).state == "good"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (OTHER.crl({}, now=NOW), "is not signed by"),
        (MakeCa("Another CA").crl({}, now=NOW), "was issued by CN=Another CA"),
        (CA.crl({}, now=NOW, next_update=NOW), "is stale"),
        (CA.crl({}, now=NOW, this_update=NOW + 2 * HOUR, next_update=NOW + 3 * HOUR), "future"),
        (
            CA.crl({}, now=NOW, point=point(full_name=[x509.UniformResourceIdentifier(URL + "2")])),
            "is for another address",
        ),
        (CA.crl({}, now=NOW, point=point(indirect_crl=True)), "this sort of certificate"),
        (CA.crl({}, now=NOW, point=point(only_contains_ca_certs=True)), "this sort of certificate"),
        (
            CA.crl(
                {}, now=NOW, point=point(only_some_reasons=frozenset({ReasonFlags.key_compromise}))
            ),
            "this sort of certificate",
        ),
        (b"<html>not found</html>", "is no CRL"),
        (b"", "is no CRL"),
    ],
)
def test_a_crl_that_can_not_be_relied_on_says_nothing(data, why):
    answer = read(data)

    assert answer.state == "unusable"
    assert why in answer.detail


def test_a_crl_older_than_one_seen_before_says_nothing():
    data = CA.crl({}, now=NOW, number=7)

    assert read(data, lowest=8).state == "unusable"
    assert read(data, lowest=7).state == "good"


# ---- OCSP --------------------------------------------------------------------------------------


def ask(serial_number=5, entries=None, *, now=NOW, ca=CA, **values) -> Answer:
    request = make_request(ISSUER, serial_number)
    data = ca.ocsp(request, entries or {}, now=NOW, **values)
    return read_response(data, ca=ISSUER, serial_number=serial_number, now=now)


def test_the_ca_itself_may_answer():
    assert ask().state == "good"


def test_a_revoked_certificate_has_time_and_reason():
    answer = ask(entries={5: (NOW - HOUR, ReasonFlags.superseded)})

    assert (answer.state, answer.reason, answer.revoked_at) == ("revoked", 4, NOW - HOUR)


def test_a_delegated_responder_may_answer():
    assert ask(signer=CA.responder()).state == "good"


def test_an_unknown_certificate_is_neither_good_nor_revoked():
    assert ask(unknown=True).state == "unknown"


def test_a_hold_in_ocsp_is_no_revocation():
    assert ask(entries={5: (NOW, ReasonFlags.certificate_hold)}).state == "on_hold"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"ca": OTHER}, "is not signed by"),
        ({"signer": OTHER.responder()}, "did not authorise"),
        ({"signer": CA.responder(purpose=ExtendedKeyUsageOID.SERVER_AUTH)}, "not for signing OCSP"),
        ({"signer": CA.responder(end=NOW - HOUR)}, "not in force"),
        ({"next_update": NOW - timedelta(minutes=1)}, "is stale"),
        ({"this_update": NOW + HOUR}, "is from the future"),
    ],
)
def test_an_ocsp_response_that_can_not_be_relied_on_says_nothing(values, why):
    answer = ask(entries={5: (NOW - HOUR, None)}, **values)

    assert answer.state == "unusable"
    assert why in answer.detail


def test_an_answer_about_another_certificate_says_nothing():
    request = make_request(ISSUER, 6)
    data = CA.ocsp(request, {}, now=NOW)

    assert read_response(data, ca=ISSUER, serial_number=5, now=NOW).state == "unusable"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        ocsp.OCSPResponseBuilder.build_unsuccessful(
            ocsp.OCSPResponseStatus.UNAUTHORIZED
        ).public_bytes(Encoding.DER),
    ],
)
def test_garbage_and_refusals_say_nothing(data):
    assert read_response(data, ca=ISSUER, serial_number=5, now=NOW).state == "unusable"


# ---- addresses ---------------------------------------------------------------------------------


def test_only_web_addresses_are_taken_from_a_certificate():
    der = CA.leaf(5, crl_url="ldap://ca.example/crl", ocsp_url="http://ocsp.ca.example/")

    found = addresses_in(der)

    assert (found.crl, found.ocsp, found.sources) == ((), ("http://ocsp.ca.example/",), ("ocsp",))


def test_a_certificate_that_nobody_can_read_has_no_addresses():
    assert addresses_in(b"\x30\x03\x02\x01\x01").sources == ()


def test_keys_of_other_curves_are_tried_without_harm():
    ca = MakeCa("P-384", ec.generate_private_key(ec.SECP384R1()))
    opened = open_crl(ca.crl({}, now=NOW), ca=ca.cas().cas[0], url=URL, now=NOW)

    assert isinstance(opened, SoundCrl)
