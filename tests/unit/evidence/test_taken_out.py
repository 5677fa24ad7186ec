"""Blocks that are read are taken out before anything else is sought; all keeps its place."""

from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from intake.evidence.extract import LEFT_OUT, Evidence, extract_evidence
from intake.evidence.taken_out import GAP, take_out
from tests.builders import make_message

CERTIFICATES = Path(__file__).parents[3] / "fixtures" / "certificates"

KEY = ec.generate_private_key(ec.SECP256R1())
KEY_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
FINGERPRINT = sha256(b"another certificate").hexdigest()
BLOCK = (CERTIFICATES / "internal_name.pem").read_text()
DIGEST = x509.load_pem_x509_certificate(BLOCK.encode()).fingerprint(hashes.SHA256()).hex()


def read(body: str) -> Evidence:
    return extract_evidence(make_message(body=body.replace("\n", "\r\n")))


@given(
    st.lists(
        st.tuples(st.text("ab", max_size=9), st.text("x", min_size=1, max_size=900)), max_size=6
    )
)
def test_each_place_of_what_is_left_is_found_again_in_the_text(pieces):
    text, spans = "", []
    for kept, taken in pieces:
        spans.append((len(text) + len(kept), len(text) + len(kept) + len(taken)))
        text += kept + taken
    text += "end"

    rest = take_out(text, spans)

    assert rest.text.replace(GAP, "") == text.replace("x", "")
    outside = [at for at in range(len(text)) if all(not a <= at < b for a, b in spans)]
    assert [rest.original(rest.place_of(at)) for at in outside] == outside
    assert [rest.text[rest.place_of(at)] for at in outside] == [text[at] for at in outside]


def test_what_stands_between_certificates_has_its_place_in_the_whole_text():
    body = (
        f"{BLOCK}\nhttps://crt.sh/?id=19429431\n{BLOCK}\nSHA-256 {FINGERPRINT}\n{BLOCK}"
        "\nserial number: 0a:1b:2c:3d:4e:5f:60:71:82\n"
    )
    evidence = read(body)

    assert [one.sha256 for one in evidence.certificates] == [DIGEST]
    text = body.replace("\n", "\r\n")
    found = {(one.kind, text[one.offset :][: len(one.named_as)]) for one in evidence.identifiers}
    assert found == {
        ("crtsh_id", "https://crt.sh/?id=19429431"),
        ("sha256", FINGERPRINT),
        ("serial_number", "0a:1b:2c:3d:4e:5f:60:71:82"),
    }


def test_a_label_before_a_certificate_says_nothing_of_what_stands_after_it():
    evidence = read(f"The commit is this:\n{BLOCK}\n{FINGERPRINT[:40]}\n")

    assert [one.value for one in evidence.identifiers] == [FINGERPRINT[:40]]


@pytest.mark.parametrize("between", ["", "\n", "\nand its key:\n"])
def test_a_key_between_certificates_is_found_and_left_out(between):
    evidence = read(f"{BLOCK}{between}{KEY_PEM}{between}{BLOCK}{between}{KEY_PEM}")

    assert [one.kind for one in evidence.private_keys] == ["pkcs8"]
    assert len(evidence.key_proofs) == 1
    assert evidence.text.count(LEFT_OUT) == 2
    assert not any(line in evidence.text for line in KEY_PEM.splitlines()[1:-1])
    assert evidence.text.count("-----BEGIN CERTIFICATE-----") == 2  # which may be shown


def test_a_key_that_was_cut_off_does_not_swallow_the_certificate_behind_it():
    cut_off = "".join(KEY_PEM.splitlines()[1:-1])[:100]

    evidence = read(f"{cut_off}\n{BLOCK}\nhttps://crt.sh/?id=19429431\n")

    assert [one.sha256 for one in evidence.certificates] == [DIGEST]
    assert len(evidence.private_keys) == 1
    assert cut_off[:60] not in evidence.text
