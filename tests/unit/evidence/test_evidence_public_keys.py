"""Public keys written out name themselves; web signatures and salvaged parts are opened."""

import base64
import json
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from intake.evidence.extract import extract_evidence
from tests.builders import make_message
from tests.unit.evidence.carriers import with_attachment

EC = ec.generate_private_key(ec.SECP256R1()).public_key()
RSA = rsa.generate_private_key(65537, 2048).public_key()
ED = ed25519.Ed25519PrivateKey.generate().public_key()
LINK = "https://crt.sh/?id=5"


def spki(key) -> str:
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def coded(number: int, octets: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(octets, "big")).rstrip(b"=").decode()


def named(raw: bytes) -> tuple[str, ...]:
    return extract_evidence(raw).values_of("spki_sha256")


@pytest.mark.parametrize("key", [EC, RSA, ED], ids=["ec", "rsa", "ed25519"])
def test_a_public_key_in_pem_or_der_names_itself(key):
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    assert named(make_message(body=f"This key:\n{pem}")) == (spki(key),)
    assert named(with_attachment(der, "key.bin")) == (spki(key),)


def test_the_bare_numbers_of_an_rsa_key_name_it_too():
    pem = RSA.public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()

    assert named(make_message(body=pem)) == (spki(RSA),)


def test_a_public_web_key_names_itself():
    ec_numbers, rsa_numbers = EC.public_numbers(), RSA.public_numbers()
    keys = {
        "keys": [
            {
                "kty": "EC",
                "crv": "P-256",
                "x": coded(ec_numbers.x, 32),
                "y": coded(ec_numbers.y, 32),
            },
            {"kty": "RSA", "n": coded(rsa_numbers.n, 256), "e": "AQAB"},
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "x": base64.urlsafe_b64encode(ED.public_bytes_raw()).decode(),
            },
            {"kty": "RSA", "n": "!!", "e": 5},
            {"kty": "EC", "crv": "P-1"},
        ]
    }

    assert set(named(make_message(body=json.dumps(keys)))) == {spki(EC), spki(RSA), spki(ED)}


def test_a_key_of_dkim_is_no_reported_key():
    der = RSA.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = f'k1._domainkey IN TXT "v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"'

    assert named(make_message(body=record)) == ()


def test_certificates_named_between_the_lines_of_a_key_are_found_and_the_key_is_not():
    body = f"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nsee {LINK}\nQUJDREVGR0hJSktMTU5PUFFSU1RVVldY\n-----END PRIVATE KEY-----\n"
    evidence = extract_evidence(make_message(body=body))

    assert evidence.values_of("crtsh_id") == ("5",)
    assert "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" not in repr(evidence)


@pytest.mark.parametrize("levels", [300, 1000])
def test_encoded_parts_are_found_however_deeply_they_are_nested(levels):
    leaf = (
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(LINK.encode())
    )
    for level in range(levels):
        leaf = (
            b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (level, level)
            + leaf
            + b"\r\n--%d--\r\n" % level
        )
    evidence = extract_evidence(b"From: a@b.example\r\n" + leaf)

    assert evidence.values_of("crtsh_id") == ("5",)
