"""Reading never raises, whatever the bytes, and no piece of a private key ever comes out."""

import base64
import pickle
import quopri
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intake.evidence.extract import Evidence, Limits, extract_evidence

ROOT = Path(__file__).parents[3] / "fixtures"
KEY = (ROOT / "certificates" / "compromised.key").read_text("ascii")
LINES = [line for line in KEY.splitlines() if "-----" not in line]
MAILS = sorted((ROOT / "emails").glob("*.eml"))
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
PIECES = [
    b"From: ", b"To: a@b\r\n", b"Subject: =?utf-8?q?x?=", b"Content-Type: ", b"multipart/mixed; boundary=a", b"text/html",
    b"message/rfc822", b"message/delivery-status", b"; charset=utf-16", b"; charset=punycode", b"\r\n", b"\r\n\r\n", b"\n", b"--a\r\n", b"--a--\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n", b"Content-Transfer-Encoding: x-uuencode\r\n",
    b"begin 644 a\n", b"name*0*=utf-8''a; name*1=b", b"https://crt.sh/?id=5", b"&#x110000;", b"<a href='", b"\xff\xfe", b"\x00", b"\x1f\x8b\x08",
    b"PK\x03\x04", b"PK\x05\x06", b"\x30\x82\x01\x00", b"\x30\x80", b"-----BEGIN PRIVATE KEY-----", b"-----END PRIVATE KEY-----", b"MIIE",
    b"Serial: ", b"9bf16ef6c1204b1a0f6d9f9dcd1b28a4e5d3c120", b"Date: Sun, 13 Aug 2017 00:45:12 -0400\r\n", b"(", b"\"", b"=?x?b?", b"[.]", b"crt[.]sh",
]  # fmt: skip


@given(st.binary(max_size=2000))
@QUICK
def test_any_bytes_give_evidence(raw):
    assert isinstance(extract_evidence(raw), Evidence)


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=40))
@QUICK
def test_any_mixture_of_mail_gives_evidence(pieces):
    evidence = extract_evidence(b"".join(pieces))

    assert pickle.loads(pickle.dumps(evidence)) == evidence  # noqa: S301 - our own value


@given(st.sampled_from(MAILS), st.data())
@QUICK
def test_damaged_mail_gives_evidence(path, data):
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw) - 1))
        end = data.draw(st.integers(at, min(len(raw), at + 40)))
        raw[at:end] = data.draw(st.binary(max_size=10))
    extract_evidence(bytes(raw))


@given(st.sampled_from(MAILS), st.integers(0, 3), st.integers(0, 3), st.integers(0, 2))
@QUICK
def test_tight_limits_are_kept_and_never_raise(path, parts, depth, archives):
    limits = replace(
        Limits(),
        parts=parts,
        depth=depth,
        archive_depth=archives,
        archive_members=archives,
        text_chars=200,
        kept_text_chars=50,
        header_bytes=300,
    )
    evidence = extract_evidence(path.read_bytes(), limits)

    assert len(evidence.text) <= 60


QUOTES = st.sampled_from(["", "> ", "> > ", "| ", "    ", "\t"])
ENDS = st.sampled_from(["\n", "\r\n", "\r\n\r\n"])


@st.composite
def dressed_keys(draw) -> bytes:
    """A message that holds the key, or the first lines of it, in some dress."""
    quote, end, width = draw(QUOTES), draw(ENDS), draw(st.sampled_from([64, 40, 76, 2000]))
    plain = "".join(LINES[: draw(st.integers(2, len(LINES)))])
    lines = [plain[at : at + width] for at in range(0, len(plain), width)]
    label = draw(
        st.sampled_from(["PRIVATE KEY", "RSA PRIVATE KEY", "CERTIFICATE", "", "Private Key"])
    )
    if label:
        lines = [f"-----BEGIN {label}-----", *lines]
        lines += [f"-----END {label}-----"] if draw(st.booleans()) else []
    text = draw(st.sampled_from(["", "Here it is:\n", "Key of shop.example.org: "])) + end.join(
        quote + line for line in lines
    )
    text += draw(
        st.sampled_from(["", "\n", "\n\nRegards\nRita", "\n-- \nsent from a phone", "\n[...]\n"])
    )
    kind = draw(
        st.sampled_from(
            [
                "text/plain",
                "text/html",
                "application/octet-stream",
                "multipart/mixed; boundary=lost",
            ]
        )
    )
    body = f"<html><body><pre>{text}</pre></body></html>" if kind == "text/html" else text
    encoding = draw(st.sampled_from(["7bit", "base64", "quoted-printable"]))
    coded = {
        "7bit": body.encode(),
        "base64": base64.encodebytes(body.encode()),
        "quoted-printable": quopri.encodestring(body.encode()),
    }
    return (
        f"From: a@b.example\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
        + coded[encoding]
    )


@given(dressed_keys())
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_piece_of_a_private_key_comes_out(raw):
    evidence = extract_evidence(raw)
    shown = "".join(char for char in repr(evidence) if char.isalnum() or char in "+/=")
    key = "".join(LINES)
    pieces = [key[at : at + 24] for at in range(0, len(key) - 24, 8)]

    assert [piece for piece in pieces if piece in shown] == []


@pytest.mark.parametrize("limit", [0, 1])
def test_no_limit_may_be_so_small_that_reading_raises(limit):
    limits = Limits(*(limit for _ in Limits.__dataclass_fields__))
    for path in MAILS:
        extract_evidence(path.read_bytes(), limits)
