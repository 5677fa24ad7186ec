"""Reading a certificate in whatever state it is."""

import hashlib
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from intake.certificates.read import certificates_in, read_certificate
from tests.issue import make_certificate

CERTIFICATES = Path(__file__).parents[3] / "fixtures" / "certificates"
MALFORMED = sorted((CERTIFICATES / "malformed").glob("*.der"))


def der(name: str) -> bytes:
    return (CERTIFICATES / f"{name}.der").read_bytes()


def malformed(name: str) -> bytes:
    return (CERTIFICATES / "malformed" / f"{name}.der").read_bytes()


def test_a_sound_certificate_is_read_whole():
    facts = read_certificate(der("internal_name"))

    assert facts.sha256 == hashlib.sha256(der("internal_name")).hexdigest()
    assert facts.serial_number == "3354e300c74175cd06bb41d07ffb89"
    assert facts.subject == "CN=www.example.com"
    assert facts.issuer == "CN=Example Trust Services Issuing CA 1,O=Example Trust Services,C=CH"
    assert facts.not_before == datetime(2017, 3, 1, tzinfo=UTC)
    assert facts.not_after == datetime(2020, 2, 29, tzinfo=UTC)
    assert (facts.precertificate, facts.read_by, facts.problems) == (False, "cryptography", ())


def test_a_precertificate_is_known_by_its_poison():
    precertificate, final = read_certificate(der("precertificate")), read_certificate(der("final"))

    assert (precertificate.precertificate, final.precertificate) == (True, False)
    assert precertificate.serial_number == final.serial_number
    assert precertificate.issuer_sha256 == final.issuer_sha256
    assert precertificate.spki_sha256 == final.spki_sha256


def test_there_are_all_the_malformed_samples():
    assert len(MALFORMED) == 63


@pytest.mark.parametrize("path", MALFORMED, ids=lambda path: path.stem)
def test_every_malformed_certificate_gives_its_identity(path):
    facts = read_certificate(path.read_bytes())

    assert facts.serial_number is not None
    assert facts.issuer_sha256 is not None
    assert facts.spki_sha256 is not None
    assert facts.not_after is not None or path.stem == "month_13"
    assert facts.subject is not None


@pytest.mark.parametrize(
    ("name", "serial_number"),
    [
        ("negative_serial", "-ff"),
        ("serial_0", "0"),
        ("serial_with_padding_zeros_(non-minimal)", "1"),
    ],
)
def test_odd_serial_numbers_are_numbers(name, serial_number):
    assert read_certificate(malformed(name)).serial_number.startswith(serial_number)


def test_each_field_says_which_reader_failed_at_it():
    facts = read_certificate(malformed("UTF8String_with_invalid_UTF-8"))

    assert facts.read_by == "cryptography, der"
    assert "\ufffd" in facts.subject
    assert any(problem.startswith("cryptography: subject") for problem in facts.problems)
    assert any(problem.startswith("asn1crypto: subject") for problem in facts.problems)


def test_bytes_after_the_certificate_are_noted_and_belong_to_the_digest():
    data = malformed("trailing_bytes_after_certificate")

    facts = read_certificate(data)

    assert facts.sha256 == hashlib.sha256(data).hexdigest()
    assert facts.problems == ("2 bytes follow the certificate",)


@pytest.mark.parametrize("name", ["compromised_der.key", "request.csr", "README.md"])
def test_what_is_no_certificate_is_not_readable(name):
    facts = read_certificate((CERTIFICATES / name).read_bytes())

    assert (facts.readable, facts.read_by, facts.serial_number) == (False, "none", None)
    assert facts.problems


def test_damaged_bytes_never_raise():
    source, changes = der("final"), random.Random(1)  # noqa: S311 - the same changes in every run
    for _ in range(300):
        data = bytearray(source)
        for _ in range(changes.randint(1, 4)):
            data[changes.randrange(len(data))] = changes.randrange(256)
        read_certificate(bytes(data[: changes.randint(1, len(data))]))


def test_text_between_pem_blocks_is_skipped():
    found = certificates_in((CERTIFICATES / "bundle.pem").read_bytes())

    assert found == [der("internal_name"), der("clean"), der("issuing_ca")]


def test_pem_with_headers_crlf_and_odd_lines_is_read():
    lines = (CERTIFICATES / "clean.pem").read_text().splitlines()
    text = "\r\n".join([lines[0], "Proc-Type: 4,CLEAR", "", "".join(lines[1:-1]), lines[-1]])

    assert certificates_in(text.encode()) == [der("clean")]


def test_several_der_certificates_in_a_file_are_told_apart():
    assert certificates_in(der("clean") + der("final") + b"\n") == [der("clean"), der("final")]


def test_junk_after_der_stays_with_its_certificate():
    assert certificates_in(der("clean") + b"junk") == [der("clean") + b"junk"]


@pytest.mark.parametrize("data", [b"hello", b"-----BEGIN CERTIFICATE-----\nhello"])
def test_a_file_without_a_certificate_comes_back_as_it_is(data):
    assert certificates_in(data) == [data]


def test_an_empty_file_holds_nothing():
    assert certificates_in(b"") == []


def test_a_pem_block_that_is_no_certificate_is_not_lost():
    block = b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"

    assert certificates_in(block) == [b"hello"]


def test_a_name_of_a_kind_that_nobody_uses_hides_nothing():
    x400 = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x30\x02\xa3\x00")
    poison = x509.PrecertPoison()
    facts = read_certificate(make_certificate(extensions=((x400, False), (poison, True))))

    assert facts.precertificate
    assert "UnsupportedGeneralNameType" in " ".join(facts.problems)
    assert facts.read_by == "cryptography, asn1crypto"


def test_an_attribute_certificate_is_no_certificate():
    holder = b"\xa0\x02\x30\x00"
    inner = b"\x30\x09\x02\x01\x01" + holder + b"\x05\x00"
    facts = read_certificate(b"\x30" + bytes([len(inner)]) + inner)

    assert not facts.readable


@pytest.mark.parametrize("seed", range(4))
def test_damaged_certificates_never_stop_the_readers(seed):
    chance = random.Random(seed)  # noqa: S311 - damage that can be made again
    originals = [path.read_bytes() for path in sorted(CERTIFICATES.rglob("*.der"))]
    for _ in range(250):
        damaged = bytearray(chance.choice(originals))
        for _ in range(chance.choice([1, 2, 5])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        read_certificate(bytes(damaged))
