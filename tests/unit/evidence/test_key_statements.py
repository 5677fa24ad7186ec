"""Documents that show that a key is compromised, and others that look like it."""

import base64
import json
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from intake.evidence.extract import Evidence, extract_evidence
from intake.evidence.key_statements import (
    POCK_NAME,
    find_claims,
    is_marker,
    prove_certificate,
    prove_request,
    verify_claim,
)
from intake.evidence.public_keys import key_match
from tests.builders import make_message
from tests.keys import KCA, NO_SECURITY, jws, request, spki

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ELLIPTIC = ec.generate_private_key(ec.SECP256R1())
POCK_DATE = datetime(1950, 1, 1, tzinfo=UTC)


def kind_of(der: bytes) -> str | None:
    proof = prove_request(der, "1")
    return None if proof is None else proof.kind


@pytest.mark.parametrize("key", [KEY, ELLIPTIC])
def test_a_key_compromise_attestation_is_a_proof(key):
    proof = prove_request(request(key, KCA, extension=NO_SECURITY), "1.2")

    assert proof is not None
    assert (proof.kind, proof.spki_sha256, proof.key_match, proof.part) == (
        "kca", sha256(spki(key)).hexdigest(), key_match(spki(key)), "1.2",
    )  # fmt: skip


@pytest.mark.parametrize(
    "der",
    [
        request(KEY, "Proof of Key Compromise for DigiCert"),
        request(KEY, "The key that signed this CSR has been publicly disclosed"),
        request(KEY, "www.example.com", challenge="this private key is compromised"),
        request(KEY, KCA),  # without its extension it is a marked request still
        request(KEY, KCA, extension=NO_SECURITY, critical=False),
    ],
)
def test_a_marked_signing_request_is_a_proof(der):
    assert kind_of(der) == "marked_request"


@pytest.mark.parametrize(
    "der",
    [
        request(KEY, "www.example.com"),
        request(KEY, "compromised.example.com"),
        request(KEY, "key-compromise.example.com"),
        request(KEY, "Compromised Hosts Ltd"),
        request(KEY, "Turn Key Solutions"),
        request(KEY, "www.example.com", challenge="secret"),
        request(KEY, "www.example.com", extension=x509.BasicConstraints(False, None)),
    ],
)
def test_a_plain_signing_request_proves_nothing(der):
    assert kind_of(der) is None


def test_a_marked_request_whose_signature_does_not_hold_proves_nothing():
    good = request(KEY, "Proof of Key Compromise for DigiCert")
    broken = good[:-1] + bytes([good[-1] ^ 1])
    other = spki(rsa.generate_private_key(public_exponent=65537, key_size=2048))

    assert kind_of(broken) is None
    assert kind_of(good.replace(spki(KEY), other)) is None


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading_of_requests(data):
    assert prove_request(data, "1") is None
    assert prove_certificate(data + POCK_NAME.encode(), "1") is None


@pytest.mark.parametrize("text", ["key", "compromised", "", "key\x00compromised", "x" * 5000])
def test_single_words_are_no_marker(text):
    assert not is_marker(text)


def pock(key=KEY, *, signer=None, serial_number=1, begin=POCK_DATE, end=POCK_DATE, name=POCK_NAME):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial_number)
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    return builder.sign(signer or key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_a_proof_of_compromised_key_is_a_proof_and_no_certificate():
    der = pock()
    text = base64.encodebytes(der).decode()
    body = f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"
    evidence = extract_evidence(make_message(body=body))

    assert evidence.certificates == ()
    assert [(one.kind, one.key_match, one.sha256) for one in evidence.key_proofs] == [
        ("pock", key_match(spki(KEY)), sha256(der).hexdigest())
    ]


@pytest.mark.parametrize(
    "der",
    [
        pock(signer=rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        pock(serial_number=2),
        pock(end=datetime(2030, 1, 1, tzinfo=UTC)),
        pock(name="PROOF OF COMPROMISED KEY"),
    ],
)
def test_what_only_looks_like_a_proof_of_compromised_key_is_none(der):
    assert prove_certificate(der, "1") is None


# ---- web signatures ----------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, ELLIPTIC])
def test_a_pwnedkeys_statement_is_verified_with_the_key_of_the_certificate(key):
    (claim,) = find_claims(f"pwnedkeys says:\n{jws(key)}\n", "1")

    proof = verify_claim(claim, spki(key))

    assert proof is not None
    assert (proof.kind, proof.key_match) == ("jws", key_match(spki(key)))


@pytest.mark.parametrize("dress", ["quoted", "indented", "wrapped"])
def test_a_quoted_statement_is_found(dress):
    text = json.dumps(json.loads(jws(ELLIPTIC)), indent=2)
    if dress == "quoted":
        text = "\n".join(f"> {line}" for line in text.splitlines())
    elif dress == "wrapped":
        text = "\n".join(
            line[at : at + 76] for line in text.splitlines() for at in range(0, len(line), 76)
        )
    (claim,) = find_claims(text, "1")

    assert verify_claim(claim, spki(ELLIPTIC)) is not None


@pytest.mark.parametrize(
    "text",
    [
        jws(KEY, payload="this key is fine"),
        jws(KEY, alg="none"),
        jws(KEY, alg="HS256"),
        jws(KEY, kid="x"),
        jws(KEY, crit=["exp"]),
        jws(KEY, payload="key is pwned" + "x" * 2000),
        '{"payload": 1, "protected": 2, "signature": 3}',
        '{"payload": "' + "[" * 100_000 + '", "signature": "x"}',
    ],
)
def test_other_web_signatures_say_nothing(text):
    assert find_claims(text, "1") == []


def test_a_statement_of_another_key_proves_nothing():
    (claim,) = find_claims(jws(KEY, kid=sha256(spki(ELLIPTIC)).hexdigest()), "1")

    assert verify_claim(claim, spki(ELLIPTIC)) is None
    assert verify_claim(claim, spki(KEY)) is None


def test_evidence_carries_statements_until_their_key_is_known():
    evidence: Evidence = extract_evidence(make_message(body=jws(KEY)))

    assert [one.kid for one in evidence.key_claims] == [sha256(spki(KEY)).hexdigest()]
    assert evidence.key_proofs == ()
