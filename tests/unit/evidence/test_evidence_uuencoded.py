"""Files that stand in a text as uuencode wrote them."""

import base64
import binascii

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from intake.evidence.extract import Evidence, extract_evidence
from intake.evidence.parts import Piece
from intake.evidence.uuencoded import take_out_files
from tests.builders import make_message
from tests.unit.evidence.carriers import zip_of

LINK = b"see https://crt.sh/?id=5 for it\r\n" * 5


def uuencoded(data: bytes, name: str = "list.txt", *, backtick: bool = True) -> str:
    lines = [
        binascii.b2a_uu(data[at : at + 45], backtick=backtick).decode().rstrip("\n")
        for at in range(0, len(data), 45)
    ]
    return "\n".join([f"begin 644 {name}", *lines, "`", "end", ""])


def quoted(text: str) -> str:
    return "".join(f"> {line}\n" for line in text.splitlines())


def stripped(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def reading(text: str) -> Evidence:
    return extract_evidence(make_message(body=f"The list:\n\n{text}\nhttps://crt.sh/?id=77\n"))


@pytest.mark.parametrize(
    "text",
    [
        uuencoded(LINK),
        uuencoded(LINK, backtick=False),
        stripped(uuencoded(LINK + b"@", backtick=False)),
        quoted(uuencoded(LINK)),
        uuencoded(LINK).rpartition("`\nend")[0],
        f"begin-base64 644 list.txt\n{base64.encodebytes(LINK).decode()}====\n",
    ],
)
def test_a_file_in_a_text_is_read_as_an_attachment(text):
    evidence = reading(text)

    assert [(one.value, one.part, one.offset) for one in evidence.identifiers] == [
        ("77", "1", len(f"The list:\n\n{text}\n")),
        ("5", "1.1", 4),
    ]


def test_several_files_are_read_archives_too():
    files = uuencoded(LINK, "a.txt") + "and\n" + uuencoded(zip_of(b__txt=b"crt.sh/?id=6"), "b.zip")
    evidence = reading(files)

    assert {(one.value, one.part) for one in evidence.identifiers} == {
        ("77", "1"), ("5", "1.1"), ("6", "1.2/b.zip/b.txt"),
    }  # fmt: skip


@pytest.mark.parametrize("form", [Encoding.PEM, Encoding.DER])
def test_a_key_within_is_a_key_and_nothing_of_it_is_shown(form):
    key = ec.generate_private_key(ec.SECP256R1())
    text = uuencoded(key.private_bytes(form, PrivateFormat.PKCS8, NoEncryption()), "server.key")
    evidence = reading(text)

    assert [(one.kind, one.part) for one in evidence.private_keys] == [("pkcs8", "1.1")]
    assert not any(line in evidence.text for line in text.splitlines()[1:-2])
    assert "The list:" in evidence.text


@pytest.mark.parametrize(
    "text",
    [
        "We begin 644 days after the audit.\n",
        "begin 644 words\nof a sentence that goes on\n",
        "begin 644 x\n\nend\n",
        "begin 999 x\n" + uuencoded(LINK).partition("\n")[2],
    ],
)
def test_prose_is_no_file(text):
    piece = Piece("1")

    assert take_out_files(text, piece) == (text, [])


@given(st.text(st.sampled_from("begin 644 x\n`M#end>|= \r"), max_size=300))
def test_any_text_keeps_its_length(text):
    left, _ = take_out_files("begin 644 x\n" + text, Piece("1"))

    assert len(left) == len(text) + 12


@given(st.binary(min_size=1, max_size=300))
def test_what_was_encoded_comes_out(data):
    _, (found,) = take_out_files("Hi\n" + uuencoded(data), Piece("1"))

    assert found.data == data
