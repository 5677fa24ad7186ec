"""From a private key to its public key: derived, consistent, and nobody's claim."""

import base64
import json
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from intake.evidence.extract import Evidence, Limits, extract_evidence
from intake.evidence.locked import Budget, Locked, open_locked, work_of
from intake.evidence.private_keys import RsaNumbers, derive_der, derive_jwk
from intake.evidence.public_keys import badkeys_hash, key_match, match_of
from tests.builders import make_message
from tests.ca import MakeCa
from tests.keys import der, encode, jwk, pem, pfx, spki

RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - quick
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
ELLIPTIC = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
KEYS = [
    RSA, ELLIPTIC, EDWARDS, ec.generate_private_key(ec.SECP384R1()),
    ec.generate_private_key(ec.SECP521R1()), ec.generate_private_key(ec.SECP256K1()),
    ed448.Ed448PrivateKey.generate(),
]  # fmt: skip


def read(body: str) -> Evidence:
    return extract_evidence(make_message(body=body))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: type(key).__name__)
def test_the_derived_public_key_is_the_one_that_belongs_to_it(key):
    derived = derive_der(der(key))

    assert derived is not None
    assert derived.spki_sha256 == sha256(spki(key)).hexdigest()
    assert derived.key_match == key_match(spki(key))


@pytest.mark.parametrize(
    ("text", "kind", "key"),
    [
        (pem(RSA), "pkcs8", RSA),
        (pem(RSA, PrivateFormat.TraditionalOpenSSL), "pkcs1", RSA),
        (pem(RSA, PrivateFormat.OpenSSH), "openssh", RSA),
        (pem(ELLIPTIC, PrivateFormat.TraditionalOpenSSL), "sec1", ELLIPTIC),
        (pem(ELLIPTIC, PrivateFormat.OpenSSH), "openssh", ELLIPTIC),
        (pem(EDWARDS, PrivateFormat.OpenSSH), "openssh", EDWARDS),
        (jwk(RSA), "jwk", RSA),
        (jwk(ELLIPTIC), "jwk", ELLIPTIC),
        (jwk(EDWARDS), "jwk", EDWARDS),
        ('{"keys": [' + jwk(ELLIPTIC, use="sig") + "]}", "jwk", ELLIPTIC),
    ],
)
def test_every_carrier_is_a_proof_for_its_own_key_alone(text, kind, key):
    evidence = read(f"Look what I found:\n\n{text}\n\nBye\n")

    assert [one.kind for one in evidence.private_keys] == [kind]
    (proof,) = evidence.key_proofs
    assert (proof.kind, proof.key_match) == ("private_key", key_match(spki(key)))
    assert proof.spki_sha256 == evidence.private_keys[0].spki_sha256


def lying_pkcs1(modulus: int) -> bytes:
    """A key file of ours that says it is the key of another modulus."""
    size = 128
    return der(RSA, PrivateFormat.TraditionalOpenSSL).replace(
        RSA.private_numbers().public_numbers.n.to_bytes(size, "big"), modulus.to_bytes(size, "big")
    )


def test_a_public_part_that_does_not_belong_to_the_private_part_proves_nothing():
    victim = OTHER.private_numbers().public_numbers.n

    assert derive_der(lying_pkcs1(victim)) is None


def test_an_elliptic_key_with_another_public_part_is_derived_from_its_secret():
    victim = ec.generate_private_key(ec.SECP256R1())
    point = victim.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    own = ELLIPTIC.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    lying = der(ELLIPTIC, PrivateFormat.TraditionalOpenSSL).replace(own, point)

    derived = derive_der(lying)

    assert derived is not None
    assert derived.key_match == key_match(spki(ELLIPTIC)) != key_match(spki(victim))


@pytest.mark.parametrize(
    "change",
    [
        {"d": encode(3)},
        {"n": encode(OTHER.private_numbers().public_numbers.n)},
        {"p": encode(RSA.private_numbers().q)},
        {"e": encode(1), "d": encode(1), "p": "", "q": ""},
        {"e": encode(1), "d": encode(1)},
        {"p": encode(1), "q": encode(RSA.private_numbers().public_numbers.n)},
        {"n": encode(4)},
        {"d": "", "p": "", "q": ""},
        {"d": "****"},
    ],
)
def test_numbers_that_do_not_fit_together_prove_nothing(change):
    assert derive_jwk(json.loads(jwk(RSA)) | change) is None


def test_a_key_without_its_factors_is_proved_by_signing():
    short = {name: json.loads(jwk(RSA))[name] for name in ("kty", "n", "e", "d")}

    derived = derive_jwk(short)

    assert derived is not None
    assert derived.key_match == key_match(spki(RSA))
    assert "challenge" in derived.method


def test_the_exponent_of_a_victim_and_one_of_our_own_prove_nothing():
    victim = json.loads(jwk(OTHER))
    mine = json.loads(jwk(RSA))

    assert derive_jwk({"kty": "RSA", "n": victim["n"], "e": "AQAB", "d": mine["d"]}) is None


@given(st.binary(max_size=300))
def test_no_bytes_break_the_derivation(data):
    derive_der(data)
    derive_der(b"\x30\x82\x01\x00\x02\x01\x00" + data)
    key_match(data)


def test_the_secret_numbers_stand_in_no_representation():
    assert "12345" in repr(RsaNumbers(12345, 3, 7))  # which is why it never leaves its module
    evidence = read(pem(RSA))
    assert base64.b64encode(der(RSA))[60:90].decode() not in repr(evidence)


# ---- what makes keys one -----------------------------------------------------------------------


def test_the_match_is_the_hash_that_badkeys_uses():
    number = RSA.private_numbers().public_numbers.n

    assert key_match(spki(RSA)) == sha256(number.to_bytes(128, "big")).hexdigest()
    assert badkeys_hash(match_of(number)) == sha256(number.to_bytes(128, "big")).hexdigest()[:30]


def test_the_same_modulus_with_another_exponent_is_the_same_key():
    public = rsa.RSAPublicNumbers(3, RSA.private_numbers().public_numbers.n).public_key()
    other = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    assert other != spki(RSA)
    assert key_match(other) == key_match(spki(RSA))


def test_a_compressed_point_is_the_same_key():
    point = ELLIPTIC.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    whole = ELLIPTIC.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    head = spki(ELLIPTIC)[: -len(whole) - 1]
    short = bytearray(head + b"\x00" + point)
    short[1] -= 32
    short[short.index(b"\x03\x42") + 1] -= 32

    assert key_match(bytes(short)) == key_match(spki(ELLIPTIC))


# ---- locked keys -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "The password is Tr0ub4dor&3.",
        "Passwort: Tr0ub4dor&3",
        'use the passphrase "Tr0ub4dor&3" to open it',
        "password for the key = Tr0ub4dor&3",
        "Mot de passe :\nTr0ub4dor&3",
        "пароль: Tr0ub4dor&3",
    ],
)
def test_a_locked_key_is_opened_with_the_password_that_the_text_says(words):
    evidence = read(f"{pem(ELLIPTIC, password=b'Tr0ub4dor&3')}\n\n{words}\n")

    assert [(one.encrypted, one.spki_sha256) for one in evidence.private_keys] == [
        (True, sha256(spki(ELLIPTIC)).hexdigest())
    ]
    assert [one.key_match for one in evidence.key_proofs] == [key_match(spki(ELLIPTIC))]


def test_a_locked_key_without_its_password_stays_locked():
    evidence = read(f"{pem(ELLIPTIC, password=b'Tr0ub4dor&3')}\n\nPassword in the next mail.\n")

    assert [(one.encrypted, one.spki_sha256) for one in evidence.private_keys] == [(True, None)]
    assert evidence.key_proofs == ()


def test_a_pkcs12_file_is_opened_with_its_key_and_certificate():
    ca = MakeCa()
    certificate = ca.leaf(5, key=RSA)
    data = pfx(RSA, b"hunter22", x509.load_der_x509_certificate(certificate))
    attached = base64.encodebytes(data).decode()
    evidence = read(f"-----BEGIN PKCS12-----\n{attached}-----END PKCS12-----\npassword: hunter22\n")

    assert [one.der for one in evidence.certificates] == [certificate]
    assert [one.key_match for one in evidence.key_proofs] == [key_match(spki(RSA))]
    assert [(one.kind, one.encrypted) for one in evidence.private_keys] == [("pkcs12", True)]


def test_a_pkcs12_file_without_its_password_may_hold_a_key_and_says_so():
    attached = base64.encodebytes(pfx(RSA, b"never said")).decode()
    evidence = read(f"-----BEGIN PKCS12-----\n{attached}-----END PKCS12-----\n")

    assert [(one.kind, one.encrypted, one.spki_sha256) for one in evidence.private_keys] == [
        ("pkcs12", True, None)
    ]
    assert "locked with a password" in evidence.unreadable_parts[0].reason


def test_a_password_whose_stretching_takes_too_long_is_not_tried():
    locked = Locked("pkcs8", der(ELLIPTIC, password=b"x"), "1")

    assert work_of(locked) > 1000
    assert open_locked(locked, ["x"], Budget(10)) is None
    assert open_locked(locked, ["x"], Budget()) is not None


def test_many_large_keys_are_not_all_checked():
    text = "\n".join(pem(rsa_key) for rsa_key in (RSA, OTHER, RSA))
    evidence = extract_evidence(make_message(body=text), Limits(keys=0))

    assert evidence.key_proofs == ()
    assert len(evidence.private_keys) >= 1
    assert any("more private keys than are checked" in one for one in evidence.limits_hit)


def test_a_key_on_a_curve_that_nobody_knows_leaves_the_rest_of_its_part_readable():
    known = der(ELLIPTIC)
    unknown = known.replace(bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030175"))
    assert unknown != known
    armoured = (
        f"-----BEGIN PRIVATE KEY-----\n{base64.encodebytes(unknown).decode()}"
        "-----END PRIVATE KEY-----\n"
    )
    evidence = read(f"https://crt.sh/?id=19429431\n{armoured}")

    assert [one.value for one in evidence.identifiers] == ["19429431"]
    assert [one.kind for one in evidence.private_keys] == ["pkcs8"]
    assert evidence.key_proofs == ()
    assert evidence.unreadable_parts == ()
