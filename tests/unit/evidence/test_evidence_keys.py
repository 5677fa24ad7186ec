"""Private keys: recognised in any dress, derived from their private part, never shown."""

import base64
import json
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from intake.evidence.armour import find_blocks
from intake.evidence.extract import LEFT_OUT, Evidence, extract_evidence
from intake.evidence.keys import read_key
from tests.builders import make_message

RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - quick
ELLIPTIC = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()


def pem(key, form, password=None) -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, encryption).decode()


def spki(key) -> str:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(public).hexdigest()


def read(body: str, subject: str = "x") -> Evidence:
    return extract_evidence(make_message(body=body, subject=subject))


PKCS8 = pem(RSA, PrivateFormat.PKCS8)
FORMS = [
    (PKCS8, "pkcs8", RSA),
    (pem(RSA, PrivateFormat.TraditionalOpenSSL), "pkcs1", RSA),
    (pem(RSA, PrivateFormat.OpenSSH), "openssh", RSA),
    (pem(ELLIPTIC, PrivateFormat.TraditionalOpenSSL), "sec1", ELLIPTIC),
    (pem(ELLIPTIC, PrivateFormat.PKCS8), "pkcs8", ELLIPTIC),
    (pem(ELLIPTIC, PrivateFormat.OpenSSH), "openssh", ELLIPTIC),
    (pem(EDWARDS, PrivateFormat.PKCS8), "pkcs8", EDWARDS),
    (pem(EDWARDS, PrivateFormat.OpenSSH), "openssh", EDWARDS),
]
DRESSES = {
    "plain": lambda text: text,
    "quoted": lambda text: "".join(f"> > {line}\n" for line in text.splitlines()),
    "barred": lambda text: "".join(f"| {line}\n" for line in text.splitlines()),
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "one line": lambda text: text.replace("\n", " "),
    "json": lambda text: json.dumps({"private_key": text}),
    "hard wrapped": lambda text: "\n".join(
        line[:40] + "\n" + line[40:] for line in text.splitlines()
    ),
    "base64 of PEM": lambda text: "key: " + base64.b64encode(text.encode()).decode(),
    "dashes of a word processor": lambda text: text.replace("-----", "—–—"),
    "blanks in front": lambda text: "".join(f"      {line}\n" for line in text.splitlines()),
}


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize(("text", "kind", "key"), FORMS)
def test_a_key_is_recognised_and_left_out_in_any_dress(text, kind, key, dress):
    evidence = read(f"Found this:\n{DRESSES[dress](text)}\nsee https://crt.sh/?id=5\n")

    assert [(one.kind, one.encrypted, one.spki_sha256) for one in evidence.private_keys] == [
        (kind, False, spki(key))
    ]
    assert evidence.values_of("crtsh_id") == ("5",)
    assert LEFT_OUT in evidence.text
    assert not shows_key(evidence, text)


def shows_key(evidence: Evidence, text: str, *, skip: int = 0) -> bool:
    """Tell whether 16 characters of the base64 of a key stand in what would be shown."""
    plain = "".join(line for line in text.splitlines() if "-----" not in line)[skip:]
    twice = base64.b64encode(text.encode()).decode()
    shown = repr(evidence).replace("\\n", "").replace("\\r", "").replace(" ", "").replace(">", "")
    pieces = [plain[at : at + 16] for at in range(0, len(plain) - 16, 4)]
    pieces += [twice[at : at + 16] for at in range(0, len(twice) - 16, 4)]
    return any(piece in shown for piece in pieces)


@pytest.mark.parametrize(("text", "kind", "key"), FORMS)
def test_a_key_without_its_armour_is_recognised(text, kind, key):
    bare = "\n".join(line for line in text.splitlines() if "-----" not in line)
    evidence = read(f"Key:\n{bare}\n\nRegards, see https://crt.sh/?id=5\n")

    assert [(one.kind, one.spki_sha256) for one in evidence.private_keys] == [(kind, spki(key))]
    assert evidence.values_of("crtsh_id") == ("5",)
    assert not shows_key(evidence, text)


@pytest.mark.parametrize("apart", [" ", "\r\n> "])
@pytest.mark.parametrize("length", [4, 5, 16])
@pytest.mark.parametrize(("text", "kind", "key"), [one for one in FORMS if one[1] != "openssh"])
def test_a_key_without_its_armour_is_recognised_in_groups(text, kind, key, length, apart):
    plain = "".join(line for line in text.splitlines() if "-----" not in line)
    groups = [plain[at : at + length] for at in range(0, len(plain), length)]
    whole = read(f"Key:\n{apart.join(groups)}\n\nRegards, see https://crt.sh/?id=5\n")
    cut = read(f"Key:\n{apart.join(groups[: len(groups) * 2 // 3])} ...\n")

    assert [(one.kind, one.spki_sha256) for one in whole.private_keys] == [(kind, spki(key))]
    assert whole.values_of("crtsh_id") == ("5",)
    assert not shows_key(whole, text)
    assert not shows_key(cut, text)


def test_a_key_whose_lines_are_in_reverse_is_left_out():
    lines = [f"> {line}" for line in PKCS8.splitlines()][::-1]
    evidence = read("\r\n".join(["See https://crt.sh/?id=5 of mine:", *lines, "", "Regards"]))

    assert [one.spki_sha256 for one in evidence.private_keys] == [None]
    assert evidence.values_of("crtsh_id") == ("5",)
    assert "of mine" in evidence.text
    assert "Regards" in evidence.text
    shown = "".join(char for char in evidence.text if char.isalnum())
    assert not any("".join(filter(str.isalnum, one))[:30] in shown for one in lines[1:-2])


def test_a_key_that_is_cut_off_does_not_swallow_the_one_behind_it():
    [first, *_] = [line for line in PKCS8.splitlines() if "-----" not in line]
    whole = [line for line in FORMS[1][0].splitlines() if "-----" not in line]
    evidence = read("\n".join(["Key:", first[:20], *whole, "", "Regards"]))

    assert {one.spki_sha256 for one in evidence.private_keys} == {None, spki(RSA)}
    assert "Regards" in evidence.text
    assert not shows_key(evidence, PKCS8)


@pytest.mark.parametrize("lines", range(1, 12))
@pytest.mark.parametrize("armoured", [True, False])
def test_a_key_that_is_cut_off_is_left_out_to_the_end_of_its_base64(lines, armoured):
    cut = "\n".join(PKCS8.splitlines()[0 if armoured else 1 :][: lines + 1])
    evidence = read(f"{cut}\n\nThe rest is withheld; it belongs to https://crt.sh/?id=5 of mine.\n")

    assert [(one.encrypted, one.spki_sha256) for one in evidence.private_keys] == [(False, None)]
    assert evidence.values_of("crtsh_id") == ("5",)
    assert "The rest is withheld" in evidence.text
    assert not shows_key(evidence, PKCS8)


@pytest.mark.parametrize(
    "text",
    [
        pem(RSA, PrivateFormat.PKCS8, b"never said"),
        pem(RSA, PrivateFormat.TraditionalOpenSSL, b"never said"),
        pem(ELLIPTIC, PrivateFormat.PKCS8, b"never said"),
    ],
)
def test_an_encrypted_key_is_said_to_be_encrypted(text):
    evidence = read(text)

    assert [(one.encrypted, one.spki_sha256) for one in evidence.private_keys] == [(True, None)]
    assert not shows_key(evidence, text)


def test_the_public_part_of_a_key_file_is_not_believed():
    other = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - quick
    numbers = RSA.private_numbers()
    real = RSA.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    modulus = numbers.public_numbers.n.to_bytes(128, "big")
    lying = real.replace(modulus, other.private_numbers().public_numbers.n.to_bytes(128, "big"))

    assert (read_key(lying).kind, read_key(lying).derive()) == ("pkcs1", None)
    assert read_key(real).derive().spki_sha256 == spki(RSA)


@pytest.mark.parametrize(
    ("body", "kind", "secret"),
    [
        ('{"kty":"EC","crv":"P-256","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","x":"MKBC"}', "jwk", "870MB6gfuTJ4HtUn"),
        ("priv:\n    3a:f1:e1:ef:e1:75:b7:b9:2c:26:91:c0:4e:ba:e9:\n    11:22\npub:\n    04:aa", "openssl_text", "3a:f1:e1:ef"),
        ("PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 2\nAAAAgQDN1jL4x7K9\nAAAAQQDq\nPrivate-MAC: 1", "ppk", "AAAAgQDN1jL4x7K9"),
        ("<RSAKeyValue><D>q83vEjRWeJCrze8SNFZ4kA==</D></RSAKeyValue>", "xml", "q83vEjRWeJCr"),
        (f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{'lQOYBGR3' * 20}\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----", "pgp", "lQOYBGR3"),
    ],
)  # fmt: skip
def test_keys_in_other_notations_are_left_out_too(body, kind, secret):
    evidence = read(body)

    assert [one.kind for one in evidence.private_keys] == [kind]
    assert secret not in repr(evidence)


def test_a_key_in_the_subject_is_left_out():
    text = pem(EDWARDS, PrivateFormat.PKCS8).strip().replace("\n", " ")
    evidence = read("see subject", subject=text)

    assert [one.part for one in evidence.private_keys] == ["subject"]
    assert not shows_key(evidence, text)


def test_a_key_labelled_as_certificate_is_a_key():
    text = PKCS8.replace("PRIVATE KEY", "CERTIFICATE")
    evidence = read(text)

    assert [one.kind for one in evidence.private_keys] == ["pkcs8"]
    assert evidence.certificates == ()
    assert not shows_key(evidence, text)


def test_a_forwarding_line_begins_no_block():
    text = "---------- Begin forwarded message ----------\nhttps://crt.sh/?id=5\n---------- End forwarded message ----------"

    assert find_blocks(text) == []
    assert read(text).values_of("crtsh_id") == ("5",)


@pytest.mark.parametrize(
    "unit",
    [
        "-----BEGIN PRIVATE KEY-----\n", "-----BEGIN ", "-", "MII", "MIIC", "MIIC" + "A" * 60 + "\n", "A" * 64 + "\n", "-----END X-----\n",
        '{"kty" "d":"aaaaaaaaaaaaaaaa', "privateExponent:\n aa:", "b3BlbnNzaC1rZXktdjE" * 3 + " ", "LS0tLS1CRUdJTi" * 4 + "\n", "Private-Lines: 9\nAAAA\n",
    ],
)  # fmt: skip
def test_blocks_are_looked_for_in_linear_time(unit):
    import time

    text = unit * (60_000 // len(unit))
    start = time.perf_counter()
    read(text)

    assert time.perf_counter() - start < 4
