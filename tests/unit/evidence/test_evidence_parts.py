"""How messages are taken apart: carriers, nesting, archives and limits."""

import base64
import bz2
import gzip
import lzma
import struct
import time
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pytest

from intake.evidence.der import recognise
from intake.evidence.extract import Evidence, Limits, extract_evidence, unread_evidence
from tests.builders import make_message
from tests.unit.evidence.carriers import tar_of, with_attachment, zip_of

LINK = b"https://crt.sh/?id=5\r\n"
MALFORMED = sorted(
    (Path(__file__).parents[3] / "fixtures" / "certificates" / "malformed").glob("*.der")
)


def ids(evidence: Evidence) -> list[tuple[str, str]]:
    return [(one.value, one.part) for one in evidence.identifiers if one.kind == "crtsh_id"]


@pytest.mark.parametrize(
    ("content", "name", "part"),
    [
        (LINK, "list.txt", "1.2"),
        (LINK.decode().encode("utf-16"), "list.csv", "1.2"),
        (LINK.decode().encode("utf-16-le"), "list.csv", "1.2"),
        (b"\xef\xbb\xbf" + LINK, "list.csv", "1.2"),
        (b"<html><body><a href='https://crt.sh/?id=5'>x</a></body></html>", "page.bin", "1.2"),
        (zip_of(a__txt=LINK), "a.zip", "1.2/a.zip/a.txt"),
        (zip_of(**{"../../etc/passwd": LINK}), "a.zip", "1.2/a.zip/passwd"),
        (zip_of(inner__zip=zip_of(a__txt=LINK)), "a.zip", "1.2/a.zip/inner.zip/a.txt"),
        (zip_of(**{"xl/sharedStrings.xml": b"<sst><t>https://crt.sh/?id=5</t></sst>"}), "a.xlsx", "1.2/a.xlsx/sharedStrings.xml"),
        (gzip.compress(LINK), "a.txt.gz", "1.2/a.txt.gz/a.txt"),
        (gzip.compress(tar_of(a__txt=LINK)), "a.tgz", "1.2/a.tgz/a/a.txt"),
        (lzma.compress(tar_of(a__txt=LINK)), "a.tar.xz", "1.2/a.tar.xz/a.tar/a.txt"),
        (bz2.compress(LINK), "a.bz2", "1.2/a.bz2/a"),
        (tar_of(a__txt=LINK), "a.tar", "1.2/a.tar/a.txt"),
        (zip_of(mail__eml=make_message(body=LINK.decode())), "a.zip", "1.2/a.zip/mail.eml.1"),
        (make_message(body=LINK.decode()), "mail.eml", "1.2.1"),
    ],
)  # fmt: skip
def test_a_link_is_found_in_each_carrier(content, name, part):
    assert ids(extract_evidence(with_attachment(content, name))) == [("5", part)]


def nested(levels: int) -> bytes:
    raw = make_message(body=LINK.decode())
    for _ in range(levels):
        raw = b"Subject: fwd\r\nContent-Type: message/rfc822\r\n\r\n" + raw
    return raw


def test_depth_hides_nothing_and_is_said():
    assert len(ids(extract_evidence(nested(20)))) == 1
    beyond = extract_evidence(nested(80))

    assert [value for value, _ in ids(beyond)] == ["5"]
    assert "nested deeper than 50" in " ".join(beyond.limits_hit)


@pytest.mark.parametrize("levels", [300, 1000, 3000])
def test_a_depth_bomb_is_read_as_plain_text(levels):
    evidence = extract_evidence(nested(levels))

    assert evidence.limits_hit
    assert len(evidence.message_ids) == 0
    assert evidence.kind in ("unparsed", "report")


def test_a_thousand_levels_of_multipart_still_show_their_link():
    body = LINK
    for level in range(1000):
        body = (
            b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (level, level) + body
        )
    evidence = extract_evidence(b"From: a@b.example\r\nMessage-ID: <deep@b.example>\r\n" + body)

    assert evidence.kind == "unparsed"
    assert evidence.message_ids == ("<deep@b.example>",)
    assert [value for value, _ in ids(evidence)] == ["5"]


def test_more_parts_than_the_limit_are_said_not_to_be_read():
    message = EmailMessage()
    message["From"] = "rita@reporter.example"
    message.set_content("x")
    for number in range(30):
        message.add_attachment(
            b"https://crt.sh/?id=%d" % (number + 1), "text", "csv", filename="a.csv"
        )
    evidence = extract_evidence(message.as_bytes(), replace(Limits(), parts=20))

    assert 10 < len(ids(evidence)) < 30
    assert "more than 20 parts" in " ".join(evidence.limits_hit)


def test_a_zip_bomb_is_cut_off_and_said_to_be_one():
    bomb = zip_of(zeros=b"\0" * 12_000_000)
    evidence = extract_evidence(with_attachment(bomb, "bomb.zip"))

    assert "bomb" in " ".join(evidence.limits_hit)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_bomb_is_cut_off(pack):
    evidence = extract_evidence(with_attachment(pack(b"\0" * 12_000_000), "bomb"))

    assert "bomb" in " ".join(evidence.limits_hit)


def test_an_archive_within_archives_ends_at_the_limit():
    content = zip_of(a__txt=LINK)
    for _ in range(8):
        content = zip_of(a__zip=content)
    evidence = extract_evidence(with_attachment(content, "a.zip"))

    assert ids(evidence) == []
    assert "archives within archives" in " ".join(evidence.limits_hit)


def test_an_archive_with_too_many_members_is_read_in_part():
    many = zip_of(
        **{f"{number}.txt": b"https://crt.sh/?id=%d" % (number + 1) for number in range(60)}
    )
    evidence = extract_evidence(
        with_attachment(many, "a.zip"), replace(Limits(), archive_members=50)
    )

    assert len(ids(evidence)) == 50
    assert "more members" in " ".join(evidence.limits_hit)


def test_a_locked_or_damaged_archive_is_named():
    locked = bytearray(zip_of(a__txt=LINK))
    struct.pack_into("<H", locked, 6, 1)
    struct.pack_into("<H", locked, locked.rindex(b"PK\x01\x02") + 8, 1)
    for content in (
        bytes(locked),
        zip_of(a__txt=LINK * 50)[:60],
        b"Rar!\x1a\x07\x00rest",
        gzip.compress(LINK)[:12] + b"\xff" * 9,
    ):
        evidence = extract_evidence(with_attachment(content, "a.zip"))

        assert [one.part[:3] for one in evidence.unreadable_parts] == ["1.2"]


def test_what_can_not_be_read_is_named_but_a_signature_picture_is_not():
    def reasons(content: bytes, kind: str) -> list[str]:
        return [
            one.reason
            for one in extract_evidence(with_attachment(content, "a", kind)).unreadable_parts
        ]

    assert "PDF" in reasons(b"%PDF-1.7 \x00\x01", "application/pdf")[0]
    assert "not read" in reasons(bytes(range(256)), "application/x-unknown")[0]
    inline = b'Content-Type: image/png\r\nContent-ID: <logo>\r\nContent-Disposition: inline; filename="logo.png"\r\n\r\n\x89PNG\x00\x01'

    assert extract_evidence(inline).unreadable_parts == ()


@pytest.mark.parametrize("path", MALFORMED, ids=lambda path: path.stem)
def test_a_malformed_certificate_is_still_recognised(path):
    content = path.read_bytes()
    found = recognise(content)

    assert found is not None
    assert found[0] == "certificate"
    assert len(extract_evidence(with_attachment(content)).certificates) == 1


def test_text_and_target_of_an_html_link_are_both_read():
    raw = b'Content-Type: text/html\r\n\r\n<a href="https://crt.sh/?id=6">https://crt.sh/?id=5</a>'

    assert sorted(ids(extract_evidence(raw))) == [("5", "1"), ("6", "1")]


def test_places_in_html_are_places_in_its_source():
    source = '<p>a &amp; b</p><a href="https://crt.sh/?opt=cablint&amp;id=6">x</a>'
    evidence = extract_evidence(b"Content-Type: text/html\r\n\r\n" + source.encode())

    assert source[evidence.identifiers[0].offset :].startswith(
        "https://crt.sh/?opt=cablint&amp;id=6"
    )


@pytest.mark.parametrize(
    "unit",
    [
        "<div>",
        "<b>",
        "<font color=1>",
        "<p>",
        "<a href=x>",
        "<table><tr><td>",
        "<",
        "<!--",
        "&amp;",
        "<svg>",
        "</div>",
    ],
)
def test_html_is_read_in_time_however_it_is_nested(unit):
    raw = (
        b"Content-Type: text/html\r\n\r\n"
        + unit.encode() * (300_000 // len(unit))
        + b" https://crt.sh/?id=5"
    )
    start = time.perf_counter()
    evidence = extract_evidence(raw)

    assert time.perf_counter() - start < 8
    assert [value for value, _ in ids(evidence)] == ["5"] or unit == "<!--"


def test_the_text_of_an_alternative_is_kept_once():
    message = EmailMessage()
    message["From"] = "rita@reporter.example"
    message.set_content("plain words https://crt.sh/?id=5")
    message.add_alternative("<p>plain words <a href='https://crt.sh/?id=6'>x</a></p>", "html")
    evidence = extract_evidence(message.as_bytes())

    assert evidence.text.count("plain words") == 1
    assert {value for value, _ in ids(evidence)} == {"5", "6"}


def test_a_header_line_that_is_no_field_ends_nothing():
    raw = b"From: rita@reporter.example\r\nthis is no field\r\nSubject: x\r\nContent-Transfer-Encoding: base64\r\n\r\naHR0cHM6Ly9jcnQuc2gvP2lkPTU=\r\n"
    evidence = extract_evidence(raw)

    assert evidence.subject == "x"
    assert ids(evidence) == [("5", "1")]


def test_a_message_beyond_the_size_limit_is_read_in_part():
    raw = make_message(body=LINK.decode() + "x" * 5000)
    evidence = extract_evidence(raw, replace(Limits(), raw_bytes=1000))

    assert ids(evidence) == [("5", "1")]
    assert evidence.size == len(raw)
    assert "larger than 1000 bytes" in " ".join(evidence.limits_hit)


def test_more_identifiers_than_the_limit_are_said_to_be_left():
    body = "".join(f"https://crt.sh/?id={number}\r\n" for number in range(1, 50))
    evidence = extract_evidence(make_message(body=body), replace(Limits(), identifiers=10))

    assert len(evidence.identifiers) == 10
    assert "more than 10 identifiers" in " ".join(evidence.limits_hit)


def test_of_a_message_that_was_not_read_subject_and_sender_are_known() -> None:
    raw = make_message(
        message_id="<a@b.example>", sender="Rita <rita@reporter.example>", subject="Misissued",
        body="-----BEGIN PRIVATE KEY-----\n",
    )  # fmt: skip
    evidence = unread_evidence(raw, "took too long")

    assert (evidence.senders, evidence.subject) == (("rita@reporter.example",), "Misissued")
    assert evidence.kind == "unparsed"
    assert (evidence.text, evidence.private_keys) == ("", ())


@pytest.mark.parametrize(
    "raw", [b"", b"\x00" * 99, b"Subject: " + b"=?" * 10**6, b"From: " + b"<" * 10**6]
)
def test_what_was_not_read_costs_nothing(raw: bytes) -> None:
    assert unread_evidence(raw, "took too long").limits_hit == ("took too long",)


def test_a_message_whose_reading_was_stopped_keeps_its_ids():
    evidence = unread_evidence(make_message(message_id="<a@b.example>"), "took too long")

    assert (evidence.kind, evidence.message_ids, evidence.limits_hit) == (
        "unparsed",
        ("<a@b.example>",),
        ("took too long",),
    )


def test_people_are_read_alike_with_and_without_evidence():
    sender = "=?utf-8?q?Ren=C3=A9?= <Rene@Reporter.example>"
    with_link = extract_evidence(make_message(sender=sender))
    without = extract_evidence(make_message(sender=sender, body="hello"))

    assert with_link.sender_name == without.sender_name == "René"
    assert with_link.recipients == without.recipients == ("cps@ca.example",)
    assert with_link.senders == ("rene@reporter.example",)


def test_a_sender_is_looked_for_in_the_return_path_where_from_is_missing():
    raw = b"Return-Path: <rita@reporter.example>\r\nSubject: x\r\n\r\nhello"

    assert extract_evidence(raw).senders == ("rita@reporter.example",)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Sun, 13 Aug 2017 00:45:12 -0400", "2017-08-13T04:45:12+00:00"),
        ("13 Aug 2017 00:45:12 -0400 (EDT)", "2017-08-13T04:45:12+00:00"),
        ("Sun, 13 Aug 2017 00:45:12", "2017-08-13T00:45:12+00:00"),
        ("yesterday", None),
        ("Sun, 13 Aug 20171 00:45:12 +9999", None),
    ],
)
def test_dates_are_in_utc_or_absent(date, expected):
    raw = f"From: a@b.example\r\nDate: {date}\r\n\r\nx".encode()
    found = extract_evidence(raw).date

    assert (found.isoformat() if found else None) == expected


@pytest.mark.parametrize(
    "field", ["Content-Type", "Content-Disposition", "From", "To", "Subject", "References"]
)
@pytest.mark.parametrize("unit", ["a;b=c;", ";a*0=b", "(", '"', "<", "a@b,", "=?utf-8?q?x?= "])
def test_a_long_field_is_read_in_time(field, unit):
    raw = f"X-First: y\r\n{field}: {unit * (200_000 // len(unit))}\r\n\r\n".encode() + LINK
    start = time.perf_counter()
    extract_evidence(raw)

    assert time.perf_counter() - start < 3


def pkcs7(*, signed: bool, content: bytes | None = None) -> tuple[bytes, bytes]:
    """A PKCS#7 object with one certificate, and that certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
    from cryptography.hazmat.primitives.serialization.pkcs7 import (
        PKCS7Options,
        PKCS7SignatureBuilder,
        serialize_certificates,
    )

    folder = MALFORMED[0].parents[1]
    certificate = x509.load_der_x509_certificate((folder / "compromised.der").read_bytes())
    if not signed:
        return serialize_certificates([certificate], Encoding.DER), certificate.public_bytes(
            Encoding.DER
        )
    key = load_pem_private_key((folder / "compromised.key").read_bytes(), None)
    builder = (
        PKCS7SignatureBuilder()
        .set_data(content or b"")
        .add_signer(certificate, key, hashes.SHA256())
    )  # type: ignore[arg-type]
    options = [PKCS7Options.Binary] + ([] if content else [PKCS7Options.DetachedSignature])
    return builder.sign(Encoding.DER, options), certificate.public_bytes(Encoding.DER)


def test_the_certificates_of_a_certificate_file_are_evidence_and_those_of_a_signature_are_not():
    bundle, der = pkcs7(signed=False)
    signature, _ = pkcs7(signed=True)

    assert [
        one.der for one in extract_evidence(with_attachment(bundle, "chain.p7b")).certificates
    ] == [der]
    assert extract_evidence(with_attachment(signature, "smime.p7s")).certificates == ()


def test_the_content_of_an_opaque_signature_is_read():
    signed, _ = pkcs7(signed=True, content=b"Content-Type: text/plain\r\n\r\n" + LINK)
    evidence = extract_evidence(with_attachment(signed, "smime.p7m", "application/pkcs7-mime"))

    assert ids(evidence) == [("5", "1.2.1")]


def test_a_key_hidden_in_a_comment_of_html_is_noted_and_not_shown():
    key = (MALFORMED[0].parents[1] / "compromised.key").read_text("ascii")
    evidence = extract_evidence(f"Content-Type: text/html\r\n\r\n<p>hi</p><!-- {key} -->".encode())

    assert [one.kind for one in evidence.private_keys] == ["pkcs8"]
    assert key.splitlines()[3] not in repr(evidence)


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_part_whose_base64_is_cut_off_is_read_as_far_as_it_goes(cut):
    content = b"https://crt.sh/?id=5\r\n" + b"x" * 300
    raw = (
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.b64encode(content)
    )

    assert ids(extract_evidence(raw[:-cut])) == [("5", "1")]
