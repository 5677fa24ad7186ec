"""Grounds for a report, suggestions of spam, and forwards: told to people, deciding nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from intake.evidence.extract import extract_evidence
from intake.evidence.quoted import find_forwarded, find_quoted_ids
from tests.builders import make_message
from tests.unit.evidence.carriers import with_attachment


def grounds(body: str, **more: str) -> tuple[str, ...]:
    return extract_evidence(make_message(body=body, **{"subject": "Hello", **more})).grounds


@pytest.mark.parametrize(
    ("body", "ground"),
    [
        ("https://crt.sh/?id=5", "names a certificate"),
        ("Serial: 0973C18232DBBA", "names a certificate"),
        ('pin-sha256="m/Fu9sEgSxoPbZ+dzRsopOXTwrGg+ejXxrWkk4JxYFQ="', "names a public key"),
        ("This certificate was misissued.", "words: misissued"),
        ("Das Zertifikat wurde fehlausgestellt, bitte widerrufen.", "words: revoke"),
        ("The private key is on a file server.", "words: key compromise"),
        ("Your CRL has expired.", "words: CRL or OCSP"),
        ("A phishing site uses it.", "words: phishing or fraud"),
    ],
)
def test_grounds_are_what_the_message_holds_and_says(body, ground):
    assert ground in grounds(body)


def test_a_call_for_help_has_no_grounds_and_is_a_report_all_the_same():
    evidence = extract_evidence(make_message(body="Please call me.", subject="Hello"))

    assert (evidence.kind, evidence.grounds, evidence.suggested_spam) == ("report", (), ())


@pytest.mark.parametrize(
    ("field", "suggests"),
    [
        ("X-Spam-Flag: YES", True), ("X-Spam-Flag: NO", False), ("X-Spam-Status: No, score=1", False),
        ("X-MS-Exchange-Organization-SCL: 6", True), ("X-MS-Exchange-Organization-SCL: 1", False),
        ("X-Forefront-Antispam-Report: CIP:1.2.3.4;SFV:SPM;CAT:SPM", True), ("X-Rspamd-Action: add header", True),
        ("X-Rspamd-Action: no action", False),
    ],
)  # fmt: skip
def test_what_a_filter_says_is_a_suggestion(field, suggests):
    raw = field.encode() + b"\r\n" + make_message(body="https://crt.sh/?id=5")
    evidence = extract_evidence(raw)

    assert bool(evidence.suggested_spam) is suggests
    assert evidence.values_of("crtsh_id") == ("5",)


def test_a_mailing_list_with_grounds_is_not_called_spam():
    raw = b"List-Unsubscribe: <https://lists.example/u>\r\n" + make_message(
        body="https://crt.sh/?id=5"
    )

    assert extract_evidence(raw).suggested_spam == ()


def test_a_crl_is_grounds():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
    at = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateRevocationListBuilder(name, at, at + timedelta(days=7))
    crl = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)

    assert (
        "carries a CRL or an OCSP response"
        in extract_evidence(with_attachment(crl, "a.bin")).grounds
    )


@pytest.mark.parametrize(
    "label",
    [
        "Message-ID",
        "Nachrichten-ID",
        "ID du message",
        "ID messaggio",
        "Идентификатор сообщения",
        "メッセージID",
    ],
)
def test_the_id_of_a_forward_is_found_in_any_language(label):
    assert find_quoted_ids(f"> {label}: <a@b.example>") == ["<a@b.example>"]


def test_a_sender_counts_only_with_another_line_of_a_header():
    assert find_forwarded("Von: Rita <rita@r.example>\nDatum: heute\n\n") == ["rita@r.example"]
    assert find_forwarded("From: rita@r.example\nhello there, I write\n") == []
    assert find_forwarded("De : Rita <rita@r.example>\nEnvoyé : lundi\n") == ["rita@r.example"]
