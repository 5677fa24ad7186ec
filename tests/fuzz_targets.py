"""What is fuzzed: each target takes any bytes, and raises if a promise about them does not hold.

`python -m tests.fuzz` searches for inputs; what it found is kept in fixtures/found and tried by
`tests/unit/test_fuzz_targets.py` ever after.
"""

import pickle
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from intake.archive.message_id import (
    LONGEST_ID,
    ids_in,
    index_entry,
    normalise,
    parse_query,
    scan_message_ids,
)
from intake.archive.received import OurHosts, find_receipt
from intake.certificates.contents import contents_of
from intake.certificates.der import DerError, split_certificate
from intake.certificates.kinds import kind_of, lintables_in
from intake.certificates.own_checks import check_certificate
from intake.certificates.read import read_certificate
from intake.evidence.entities import parse, parse_thoroughly
from intake.evidence.extract import Evidence, Limits, extract_evidence
from intake.evidence.gathering import Gathering
from intake.evidence.parts import MAIL_ERRORS, Piece, deep_leaves, open_entity
from tests.entity_shape import is_split_by_hand, shape

FIXTURES = Path(__file__).parent.parent / "fixtures"
FOUND = FIXTURES / "found"
SEEN_AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
OUR_HOSTS = OurHosts.parse(["mx1.ca.example", "10.0.0.0/8"])
MOST_PIECES = 2000
# Words that lead into code which no chance would reach.
WORDS = (
    b"Message-ID: <", b"References: <", b"Received: from x (y [192.0.2.1]) by mx1.ca.example; ",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", b"\r\n--b\r\n", b"\r\n--b--\r\n",
    b"Content-Type: message/rfc822\r\n\r\n", b"Content-Type: message/delivery-status\r\n\r\n",
    b"Content-Type: text/html; charset=utf-16\r\n\r\n", b"name*0*=utf-8''a; name*1=b", b"; charset=",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: quoted-printable\r\n",
    b"Content-Transfer-Encoding: x-uuencode\r\n", b"begin 644 a\n", b"=?utf-8?q?", b"=?utf-8?b?",
    b"https://crt.sh/?id=19429431", b"https://crt.sh/?q=", b"hxxps://crt[.]sh/?", b"<a href='",
    b"&#x110000;", b"-----BEGIN CERTIFICATE-----", b"-----BEGIN PRIVATE KEY-----", b"MIIE",
    b"-----BEGIN PGP SIGNED MESSAGE-----", b"-----BEGIN SSH SIGNATURE-----", b'{"payload":"',
    b"Serial number: ", b"SHA-256: ", b"\x30\x82\x01\x00", b"\x30\x80", b"\x00\x00", b"\x02\x01\x01",
    b"\x06\x03\x55\x04\x03", b"\xa3\x82", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"%PDF-1.7",
    b"7z\xbc\xaf\x27\x1c", b"\xd0\xcf\x11\xe0", b"\x78\x9f\x3e\x22", b"\xff\xfe",
)  # fmt: skip

Target = Callable[[bytes], None]


def message_ids(raw: bytes) -> None:
    """Scanning gives texts that can be found again in the form in which they are indexed."""
    for original in scan_message_ids(raw):
        entry = index_entry(original)
        assert all(len(form) <= LONGEST_ID for form in entry.values())
        assert normalise(normalise(original)) == normalise(original)
    text = raw.decode("latin-1")
    for found in ids_in(text):
        assert "@" in normalise(found)
        assert not set(found) & set(" \t\r\n")
    assert not set(parse_query(text)) & set(" \t\r\n")


def received_stamps(raw: bytes) -> None:
    """Whatever the stamps say, receipt is never later than the moment we saw the message."""
    for our_hosts in (OUR_HOSTS, OurHosts.parse([])):
        receipt = find_receipt(raw, our_hosts=our_hosts, internal_date=None, seen_at=SEEN_AT)
        assert receipt.at <= SEEN_AT
        assert receipt.at.tzinfo is not None


def parts(raw: bytes) -> None:
    """Parts are walked to the end, with no error but those that stand for hostile structure.

    What is split by hand is what the library makes of it.
    """
    gathering = Gathering(Limits())
    try:
        usual = parse(raw)
        if is_split_by_hand(usual):
            assert shape(usual) == shape(parse_thoroughly(raw))
        waiting = [Piece("1", entity=parse(raw))]
        for piece in waiting:
            if piece.entity is None:
                continue
            deep_leaves(piece, 1)
            waiting += open_entity(piece, gathering)
            assert len(waiting) < MOST_PIECES + 2 * len(raw)
    except MAIL_ERRORS:
        return


def evidence(raw: bytes) -> None:
    """Reading is total, gives the same for the same bytes, and its value passes between processes."""
    found = extract_evidence(raw)
    assert isinstance(found, Evidence)
    assert found.size == len(raw)
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own value
    tight = replace(Limits(), parts=3, depth=1)
    assert extract_evidence(raw, tight).message_ids == found.message_ids


def certificates(data: bytes) -> None:
    """Reading a certificate and our own checks are total for whatever says it is one."""
    facts = read_certificate(data)
    assert len(facts.sha256) == len("0" * 64)
    kind_of(data)
    lintables_in(data)
    try:
        split = split_certificate(data)
    except DerError:
        return
    contents_of(split)
    check_certificate(facts, split)


TARGETS: dict[str, Target] = {
    one.__name__: one for one in (message_ids, received_stamps, parts, evidence, certificates)
}


def seeds(target: str) -> Iterable[Path]:
    """Return the fixtures that a target begins with, and what was found for it before."""
    yield from sorted((FOUND / target).glob("*"))
    if target == "certificates":
        yield from sorted((FIXTURES / "certificates").rglob("*.der"))
    else:
        yield from sorted((FIXTURES / "emails").glob("*.eml"))
