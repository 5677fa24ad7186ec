"""Statements that a key is compromised, signed by that key: as people make them with OpenSSL and SSH."""

import base64
import shutil
import subprocess
from email.message import EmailMessage
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.hazmat.primitives.serialization.pkcs7 import (
    PKCS7Options,
    PKCS7SignatureBuilder,
)
from hypothesis import given
from hypothesis import strategies as st

from intake.evidence.cms import read_cms
from intake.evidence.extract import Evidence, extract_evidence
from intake.evidence.public_keys import key_match
from intake.evidence.signed_statements import (
    MOST_SIGNATURES,
    MOST_STATEMENTS,
    PublicKey,
    Signing,
    claims_of,
    verify,
)
from intake.evidence.ssh_signatures import SSH_MAGIC, read_ssh_signature
from tests.ca import MakeCa
from tests.keys import pem, request, spki

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ELLIPTIC = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
TEXT = b"This key is compromised: it was found in a public repository.\n"
CA = MakeCa()


@cache
def der_of(key) -> bytes:
    return CA.leaf(0x0973C18232DBBA11, key=key)


def certificate(key) -> x509.Certificate:
    return x509.load_der_x509_certificate(der_of(key))


def report(**files: bytes | str) -> Evidence:
    """The evidence of a mail with these files; "__" in a name stands for a dot."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "r@x.example", "cps@ca.example", "a key"
    message.set_content("A key of yours was found. The proof is attached.\n")
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        message.add_attachment(
            data, maintype="application", subtype="octet-stream", filename=name.replace("__", ".")
        )
    return extract_evidence(message.as_bytes())


def bare(key, text: bytes, **how) -> bytes:
    """What `openssl dgst -sha256 -sign` makes."""
    if isinstance(key, rsa.RSAPrivateKey):
        way = how.get("padding", padding.PKCS1v15())
        return key.sign(text, way, how.get("digest", hashes.SHA256()))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(text, ec.ECDSA(hashes.SHA256()))
    return key.sign(text)


def cms(key, text: bytes, *options: PKCS7Options, encoding: Encoding = Encoding.DER) -> bytes:
    """What `openssl cms -sign` makes."""
    builder = PKCS7SignatureBuilder().set_data(text)
    return builder.add_signer(certificate(key), key, hashes.SHA256()).sign(encoding, [*options])


def proved(evidence: Evidence) -> list[tuple[str, str]]:
    return [(one.kind, one.key_match) for one in evidence.key_proofs]


def proof_of(key) -> list[tuple[str, str]]:
    return [("signed_statement", key_match(spki(key)))]


# ---- bare signatures ---------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, ELLIPTIC, EDWARDS], ids=["rsa", "ec", "ed25519"])
def test_a_bare_signature_over_a_statement_is_a_proof(key):
    evidence = report(statement__txt=TEXT, statement__sig=bare(key, TEXT), cert__der=der_of(key))

    assert proved(evidence) == proof_of(key)
    assert evidence.unreadable_parts == ()


def test_the_key_may_come_as_public_key_or_request():
    signature = bare(KEY, TEXT)

    assert proved(report(a__txt=TEXT, a__sig=signature, b__der=spki(KEY))) == proof_of(KEY)
    assert proved(report(a__txt=TEXT, a__sig=signature, b__csr=request(KEY, "x"))) == proof_of(KEY)


@pytest.mark.parametrize(
    "signature",
    [
        base64.encodebytes(bare(KEY, TEXT)),
        bare(KEY, TEXT, digest=hashes.SHA512()),
        bare(KEY, TEXT, padding=padding.PSS(padding.MGF1(hashes.SHA256()), 32)),
        bare(KEY, TEXT.rstrip()),
        bare(KEY, TEXT.replace(b"\n", b"\r\n")),
    ],
    ids=["base64", "sha512", "pss", "no line end", "CRLF"],
)
def test_signatures_are_verified_however_they_were_made(signature):
    assert proved(report(a__txt=TEXT, a__sig=signature, c__der=der_of(KEY))) == proof_of(KEY)


def _fingerprint(key) -> str:
    return sha256(der_of(key)).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        "The private key of the certificate 0973C18232DBBA11 is compromised.",
        "Key compromise of 09:73:c1:82:32:db:ba:11",
        "I hold the private key. It is compromised. SHA-256: " + _fingerprint(KEY),
        "Key compromise: " + sha256(spki(KEY)).hexdigest(),
        "Proof of Key Compromise for the CA",
        "The key that signed this text is compromised",
    ],
)
def test_a_statement_says_of_which_key_it_speaks(text):
    data = text.encode()

    evidence = report(a__txt=data, a__sig=bare(KEY, data), c__der=der_of(KEY))

    assert proved(evidence) == proof_of(KEY)


@pytest.mark.parametrize(
    "text",
    [
        "The private key of the certificate 1111111111111111 is compromised.",  # another one's
        "This key is compromised: " + "ab" * 32,
        "This key is not compromised.",
        "Is this key compromised?",
        "If this key is compromised, tell us.",
        "This key is fine.",
        "A key is compromised.",
        "This key is compromised. " + "x" * 1024,
        "",
    ],
)
def test_what_does_not_say_it_plainly_proves_nothing(text):
    data = text.encode()

    evidence = report(a__txt=data, a__sig=bare(KEY, data), c__der=der_of(KEY))

    assert evidence.key_proofs == ()


def test_a_signature_of_another_key_or_over_another_text_proves_nothing():
    for signature in (
        bare(ELLIPTIC, TEXT),
        bare(KEY, TEXT + b"!"),
        bare(
            KEY,
            TEXT,
            digest=hashes.SHA1(),  # noqa: S303 - refused
        ),
    ):
        evidence = report(a__txt=TEXT, a__sig=signature, c__der=der_of(KEY))
        assert evidence.key_proofs == ()


def test_a_statement_waits_for_its_key():
    evidence = report(a__txt=TEXT, a__sig=bare(KEY, TEXT))

    assert evidence.key_proofs == ()
    assert [(one.kid, one.algorithm) for one in evidence.key_claims] == [("", "a signature")]
    key = PublicKey(spki(KEY), der_of(KEY))
    (claim,) = evidence.key_claims
    proof = verify(claim, key)
    assert proof is not None
    assert proof.key_match == key_match(spki(KEY))
    assert verify(claim, PublicKey(spki(ELLIPTIC))) is None


# ---- CMS ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, ELLIPTIC], ids=["rsa", "ec"])
@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_a_statement_within_cms_is_a_proof_that_brings_its_certificate(key, encoding):
    signed = cms(key, TEXT, PKCS7Options.Binary, encoding=encoding)

    evidence = report(statement__p7m=signed)

    assert proved(evidence) == proof_of(key)
    assert [one.sha256 for one in evidence.certificates] == [
        sha256(certificate(key).public_bytes(Encoding.DER)).hexdigest()
    ]


@pytest.mark.parametrize(
    "options",
    [
        (PKCS7Options.DetachedSignature, PKCS7Options.Binary),
        (PKCS7Options.DetachedSignature,),
        (PKCS7Options.DetachedSignature, PKCS7Options.NoAttributes),
    ],
)
def test_a_detached_cms_signature_over_an_attached_statement_is_a_proof(options):
    evidence = report(statement__txt=TEXT, statement__p7s=cms(KEY, TEXT, *options))

    assert proved(evidence) == proof_of(KEY)


def test_a_cms_signature_without_certificates_waits_for_its_key():
    signed = cms(KEY, TEXT, PKCS7Options.Binary, PKCS7Options.NoCerts)

    waiting = report(statement__p7m=signed)
    known = report(statement__p7m=signed, cert__der=der_of(KEY))

    assert (proved(waiting), len(waiting.key_claims)) == ([], 1)
    assert proved(known) == proof_of(KEY)


def test_a_changed_statement_within_cms_proves_nothing():
    signed = cms(KEY, TEXT, PKCS7Options.Binary)

    evidence = report(statement__p7m=signed.replace(b"public", b"pubLic"))

    assert evidence.key_proofs == ()


def test_signed_mail_about_somebody_elses_key_gives_nothing_away():
    """The reporter's own key must not be taken for the one that the report is about."""
    entity = b"Content-Type: text/plain\r\n\r\nThis key is compromised: see the attachment.\r\n"
    opaque = cms(KEY, entity, PKCS7Options.Binary)
    header = b"From: r@x.example\r\nTo: cps@ca.example\r\nSubject: a key\r\nMIME-Version: 1.0\r\n"
    body = base64.encodebytes(opaque).replace(b"\n", b"\r\n")
    whole = (
        header + b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + body
    )
    detached = header + cms(KEY, entity, PKCS7Options.DetachedSignature, encoding=Encoding.SMIME)

    for raw in (whole, detached):
        evidence = extract_evidence(raw)
        assert "This key is compromised" in evidence.text
        assert evidence.key_proofs == ()


# ---- SSH ---------------------------------------------------------------------------------------


def ssh(key, text: bytes, folder: Path) -> bytes:
    path = folder / "key"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    path.chmod(0o600)
    (folder / "text").write_bytes(text)
    command = [
        "ssh-keygen",
        "-q",
        "-Y",
        "sign",
        "-f",
        str(path),
        "-n",
        "file",
        str(folder / "text"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "text.sig").read_bytes()


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
@pytest.mark.parametrize("key", [KEY, ELLIPTIC, EDWARDS], ids=["rsa", "ec", "ed25519"])
def test_what_ssh_signs_is_a_proof(key, tmp_path):
    signature = ssh(key, TEXT, tmp_path)

    assert proved(report(statement__txt=TEXT, statement__sig=signature)) == proof_of(key)
    assert proved(report(statement__txt=TEXT + b"!", statement__sig=signature)) == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize(
    "command",
    [
        ["dgst", "-sha256", "-sign", "key.pem", "-out", "out", "text"],
        ["cms", "-sign", "-binary", "-in", "text", "-signer", "cert.pem", "-inkey", "key.pem",
         "-outform", "DER", "-out", "out"],
        ["cms", "-sign", "-nodetach", "-in", "text", "-signer", "cert.pem", "-inkey", "key.pem",
         "-outform", "PEM", "-out", "out"],
        ["cms", "-sign", "-nodetach", "-in", "text", "-signer", "cert.pem", "-inkey", "key.pem",
         "-out", "out"],
        ["cms", "-sign", "-in", "text", "-signer", "cert.pem", "-inkey", "key.pem", "-out", "out"],
        ["cms", "-sign", "-nocerts", "-binary", "-in", "text", "-signer", "cert.pem",
         "-inkey", "key.pem", "-outform", "DER", "-out", "out"],
        ["smime", "-sign", "-binary", "-in", "text", "-signer", "cert.pem", "-inkey", "key.pem",
         "-outform", "DER", "-out", "out"],
    ],
)  # fmt: skip
def test_what_openssl_signs_is_a_proof(command, tmp_path):
    (tmp_path / "key.pem").write_text(pem(KEY))
    (tmp_path / "cert.pem").write_bytes(certificate(KEY).public_bytes(Encoding.PEM))
    (tmp_path / "text").write_bytes(TEXT)
    subprocess.run(["openssl", *command], check=True, capture_output=True, cwd=tmp_path)

    evidence = report(
        statement__txt=TEXT, statement__sig=(tmp_path / "out").read_bytes(), cert__der=der_of(KEY)
    )

    assert proved(evidence) == proof_of(KEY)


# ---- any bytes ---------------------------------------------------------------------------------


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading_of_signatures(data):
    assert read_cms(data) == []
    read_ssh_signature(SSH_MAGIC + b"\0\0\0\1" + data)
    signing = Signing()
    signing.statements[TEXT] = "1"
    signing.add_file(data, "2")
    signing.add_cms(data, "3")
    for claim, _ in claims_of(signing):
        assert verify(claim, PublicKey(spki(KEY))) is None


def test_many_files_are_tried_within_bounds():
    files = {f"s{one}__sig": bare(KEY, b"%d" % one) for one in range(40)}
    files |= {f"t{one}__txt": TEXT + b" " * one for one in range(40)}

    evidence = report(cert__der=der_of(KEY), **files)

    assert evidence.key_proofs == ()
    assert len(evidence.key_claims) <= MOST_STATEMENTS * MOST_SIGNATURES
