"""Certificates and keys that are written out otherwise than as PEM: in hex, escaped, for URLs, numbered."""

import base64
import re
import time
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from intake.evidence import der
from intake.evidence.extract import Evidence, extract_evidence
from intake.evidence.hex_dumps import find_hex_blocks
from tests.unit.evidence.carriers import with_attachment

CERTIFICATES = Path(__file__).parents[3] / "fixtures" / "certificates"
DER = (CERTIFICATES / "clean.der").read_bytes()
KEY = base64.b64decode("".join((CERTIFICATES / "compromised.key").read_text().splitlines()[1:-1]))
WAYS = {
    "hex": lambda der: der.hex(),
    "upper case": lambda der: der.hex().upper(),
    "colons": lambda der: der.hex(":"),
    "blanks": lambda der: der.hex(" "),
    "lines": lambda der: "\n".join(der.hex()[at : at + 64] for at in range(0, 2 * len(der), 64)),
    "quoted lines": lambda der: "\n".join(f"> {der[at : at + 16].hex(' ')}" for at in range(0, len(der), 16)),
    "C": lambda der: ", ".join(f"0x{octet:02X}" for octet in der),
    "C string": lambda der: "".join(f"\\x{octet:02x}" for octet in der),
    "base64 for URLs": lambda der: base64.urlsafe_b64encode(der).decode(),
    "base64 for URLs, unpadded": lambda der: base64.urlsafe_b64encode(der).decode().rstrip("="),
}  # fmt: skip


def pem(der: bytes, label: str) -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"


def escaped(text: str, blank: str = "%20") -> str:
    signs = {" ": blank, "\n": "%0A", "+": "%2B", "/": "%2F", "=": "%3D"}
    return "".join(signs.get(sign, sign) for sign in text)


def numbered(text: str, form: str = "{:3d}  {}") -> str:
    return "\n".join(form.format(number, line) for number, line in enumerate(text.splitlines(), 1))


ARMOURED = {
    "escaped": escaped, "of a form": lambda text: escaped(text, "+"),
    "line breaks of HTML": lambda text: text.replace("\n", "<br />\n"),
    "numbered": numbered, "numbered with dots": lambda text: numbered(text, "{}. {}"),
}  # fmt: skip


def reading(text: str, subtype: str = "plain") -> Evidence:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@b.example", "cps@ca.example", "x"
    text = f"<p>{text}</p>" if subtype == "html" else text
    message.set_content(text, subtype=subtype, charset="utf-8", cte="base64")
    return extract_evidence(message.as_bytes())


@pytest.mark.parametrize("subtype", ["plain", "html"])
@pytest.mark.parametrize("way", WAYS)
def test_a_certificate_that_is_written_out_is_read_and_names_nothing_else(way, subtype):
    evidence = reading(f"It is {WAYS[way](DER)}\n; see crt.sh/?id=5", subtype)

    assert [one.sha256 for one in evidence.certificates] == [sha256(DER).hexdigest()]
    assert [(one.kind, one.value) for one in evidence.identifiers] == [("crtsh_id", "5")]
    assert evidence.unclassified_hex == ()


@pytest.mark.parametrize("way", ARMOURED)
def test_a_certificate_in_odd_armour_is_read(way):
    evidence = reading(f"It is\n{ARMOURED[way](pem(DER, 'CERTIFICATE'))}\nsee crt.sh/?id=5")

    assert [one.sha256 for one in evidence.certificates] == [sha256(DER).hexdigest()]
    assert [one.value for one in evidence.identifiers] == ["5"]


def test_what_stands_after_escaped_armour_keeps_its_place():
    text = f"{escaped(pem(DER, 'CERTIFICATE'))} see crt.sh/?id=5"
    (one,) = reading(text).identifiers

    assert text[one.offset :].startswith("crt.sh/?id=5")


def small_keys() -> list[bytes]:
    curve = ec.generate_private_key(ec.SECP256R1())
    edwards = ed25519.Ed25519PrivateKey.generate()
    return [
        curve.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        curve.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        edwards.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    ]


def shows(evidence: Evidence, der: bytes) -> bool:
    """Whether a piece of a key's last octets stands in what is shown of a message."""
    shown = " ".join([evidence.text, *evidence.unclassified_hex, *evidence.urls])
    shown += " ".join(one.named_as for one in evidence.identifiers)
    plain = re.sub(r"0x|\\x|[^A-Za-z0-9]", "", shown)
    piece = der[12:44]
    coded = re.sub("[^A-Za-z0-9]", "", base64.b64encode(piece).decode())[4:30]
    return piece[4:20].hex() in plain.lower() or coded in plain


@pytest.mark.parametrize("der", [KEY, *small_keys()], ids=["RSA", "SEC 1", "P-256", "Ed25519"])
@pytest.mark.parametrize("way", WAYS)
def test_a_key_that_is_written_out_is_a_key_and_is_not_shown(way, der):
    evidence = reading(f"The key is {WAYS[way](der)}\nRegards")

    assert len(evidence.private_keys) == 1
    assert evidence.private_keys[0].spki_sha256 is not None
    assert not shows(evidence, der)
    assert "Regards" in evidence.text


@pytest.mark.parametrize("way", ARMOURED)
def test_a_key_in_odd_armour_is_a_key_and_is_not_shown(way):
    evidence = reading(f"The key is\n{ARMOURED[way](pem(KEY, 'PRIVATE KEY'))}\nRegards")

    assert len(evidence.private_keys) == 1
    assert not shows(evidence, KEY)


@pytest.mark.parametrize("around", [b"\0" * 100, b"\x89PNG\r\n\x1a\n" + b"\0" * 500])
def test_armour_in_a_file_of_another_kind_is_read(around):
    data = around + pem(KEY, "PRIVATE KEY").encode() + around + pem(DER, "CERTIFICATE").encode()
    evidence = extract_evidence(with_attachment(data, "firmware.img"))

    assert [(one.kind, one.part) for one in evidence.private_keys] == [("pkcs8", "1.2")]
    assert [one.sha256 for one in evidence.certificates] == [sha256(DER).hexdigest()]
    assert len(evidence.unreadable_parts) == 1
    assert not shows(evidence, KEY)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_in_der_within_a_file_of_another_kind_is_read(form):
    key = load_der_private_key(KEY, None).private_bytes(Encoding.DER, form, NoEncryption())
    evidence = extract_evidence(with_attachment(b"\0\x30\x82\1" * 99 + key + b"\0" * 9, "dump.bin"))

    assert [one.part for one in evidence.private_keys] == ["1.2"]
    assert evidence.private_keys[0].spki_sha256
    assert len(evidence.unreadable_parts) == 1


def test_so_many_beginnings_of_keys_without_end_are_looked_at_and_no_more(monkeypatch):
    tried = []
    monkeypatch.setattr(der, "recognise", lambda _, start: tried.append(start))
    begun = bytes.fromhex("30820001020100020100")

    assert not list(der.keys_within(begun * 30_000))
    assert len(tried) == der.MOST_TRIED_WITHIN


def test_a_key_in_hex_that_is_cut_off_is_not_shown():
    evidence = reading(f"The key is {KEY.hex()[:600]} and no more")

    assert len(evidence.private_keys) == 1
    assert not shows(evidence, KEY)


@pytest.mark.parametrize(
    "text",
    [
        "30 2c 02 01 00 04 06 70 75 62 6c 69 63 a0 1f 02 04 00 00 00 01 02 01 00 02 01 00 30 11 30 0f 06 0b 2b 06 01 02 01 01 01 00 05 00 aa",
        "30823082" * 4,
        "3081" + "00" * 200,
        "serial number 3082010a0282010100c2",
    ],
)  # fmt: skip
def test_other_hex_that_begins_so_is_no_object(text):
    assert find_hex_blocks(text) == []


@given(st.text(st.sampled_from("30821 :,\n0x\\abf"), max_size=200))
def test_any_text_is_looked_through(text):
    for block in find_hex_blocks("3082" + text):
        assert 0 <= block.start < block.end <= len(text) + 4


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN%20X-----" * 50_000,
        "-----BEGIN%20X-----" + "A" * 1_000_000,
        "30 82 ff ff " * 50_000,
        "https://crt.sh/?id=1\u200b7 " * 20_000,
        "MIIE-AAAAAAAAAAAAAAAAAAAAAAA " * 30_000,
        "-----BEGIN X-----" * 50_000,
    ],
    ids=["begins", "no end", "hex", "split links", "for URLs", "armour"],
)
def test_what_only_looks_so_costs_little(text):
    begun = time.process_time()
    reading(text)

    assert time.process_time() - begun < 4


@pytest.mark.parametrize("armour", [b"-----BEGIN X-----", b"-----BEGIN X-----" + b"A" * 2000])
def test_a_file_of_other_kind_full_of_armour_costs_little(armour):
    begun = time.process_time()
    extract_evidence(with_attachment(b"\0" * 100 + armour * 5_000, "firmware.img"))

    assert time.process_time() - begun < 4
