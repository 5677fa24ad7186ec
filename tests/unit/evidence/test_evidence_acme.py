"""Requests to revoke, as ACME clients send them, shown in a report."""

import base64
import json
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from intake.evidence.extract import Evidence, extract_evidence
from intake.evidence.public_keys import key_match
from tests.builders import make_message
from tests.keys import jws, spki
from tests.unit.evidence.carriers import with_attachment

ELLIPTIC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = ec.generate_private_key(ec.SECP256R1())
JWK = {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}
HEADER = {"jwk": JWK, "nonce": "abc", "url": "https://acme.ca.example/revoke-cert"}


def certificate(key) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.example")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(77)
    builder = builder.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    builder = builder.not_valid_after(datetime(2026, 7, 1, tzinfo=UTC))
    return builder.sign(OTHER, hashes.SHA256()).public_bytes(Encoding.DER)


def request(key, *, signer=None, header: dict[str, object] | None = None, **more: object) -> str:
    der = base64.urlsafe_b64encode(certificate(key)).decode().rstrip("=")
    said = json.dumps({"certificate": der} | more)
    return jws(signer or key, payload=said, **(HEADER if header is None else header))


def reading(text: str) -> Evidence:
    return extract_evidence(make_message(body=f"Please see:\n\n{text}\n"))


@pytest.mark.parametrize("key", [ELLIPTIC, RSA])
def test_one_for_key_compromise_signed_by_the_key_is_a_proof(key):
    evidence = reading(request(key, reason=1))

    (proof,) = evidence.key_proofs
    assert (proof.kind, proof.spki_sha256, proof.part) == (
        "jws", sha256(spki(key)).hexdigest(), "1",
    )  # fmt: skip
    assert proof.key_match == key_match(spki(key))
    assert proof.method.startswith("an ACME request to revoke for key compromise")
    (found,) = evidence.certificates
    assert spki(key) in found.der
    assert evidence.key_claims == ()


def test_one_in_a_file_or_quoted_over_lines_is_read():
    text = json.dumps(json.loads(request(ELLIPTIC, reason=1)), indent=2)
    lines = [f"> {line[at : at + 76]}" for line in text.splitlines() for at in range(0, len(line), 76)]  # fmt: skip
    in_file = extract_evidence(with_attachment(text.encode(), "revoke.json", "application/json"))

    assert [one.part for one in in_file.key_proofs] == ["1.2"]
    assert [one.kind for one in reading("\n".join(lines)).key_proofs] == ["jws"]


@pytest.mark.parametrize(
    "text",
    [
        request(ELLIPTIC),
        request(ELLIPTIC, reason=0),
        request(ELLIPTIC, reason=4),
        request(ELLIPTIC, reason=True),
        request(ELLIPTIC, reason="1"),
        request(ELLIPTIC, reason=1, signer=OTHER),
        request(ELLIPTIC, reason=1, header={"kid": "https://acme.ca.example/acct/1"} | {"nonce": "a", "url": "b"}),
        request(ELLIPTIC, reason=1, header={"jwk": JWK}),
        request(RSA, reason=1, signer=ELLIPTIC),
    ],
)  # fmt: skip
def test_any_other_proves_nothing_and_names_its_certificate(text):
    evidence = reading(text)

    assert evidence.key_proofs == evidence.key_claims == ()
    assert len(evidence.certificates) == 1


def test_one_that_was_changed_proves_nothing():
    whole = json.loads(request(ELLIPTIC, reason=4))
    for_compromise = json.loads(request(ELLIPTIC, reason=1))

    evidence = reading(json.dumps(for_compromise | {"signature": whole["signature"]}))

    assert evidence.key_proofs == ()


@pytest.mark.parametrize(
    "said",
    ["[]", '{"certificate": 5, "reason": 1}', '{"certificate": "AAAA", "reason": 1}', "[" * 9999,
     '{"certificate": "@@", "reason": 1}', '"certificate"'],
)  # fmt: skip
def test_what_is_no_request_is_nothing(said):
    evidence = reading(jws(ELLIPTIC, payload=said, **HEADER))

    assert (evidence.key_proofs, evidence.certificates) == ((), ())
