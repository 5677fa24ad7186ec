"""What a file holds that can be linted, by its content: certificates, CRLs and OCSP responses; pure.

Source: RFC 5280 4.1, 5.1; RFC 6960 4.2.1; RFC 7468.
"""

import base64
import binascii
import re
from collections.abc import Iterator

from intake.certificates.der import (
    INTEGER,
    SEQUENCE,
    DerError,
    as_many_as_sound,
    element_at,
    split_certificate,
)
from intake.certificates.read import certificates_in

CERTIFICATE, CRL, OCSP_RESPONSE = "certificate", "crl", "ocsp_response"
LISTS = {b"X509 CRL": CRL, b"OCSP RESPONSE": OCSP_RESPONSE}
PEM_LIST = re.compile(
    rb"-----BEGIN (X509 CRL|OCSP RESPONSE)-----([A-Za-z0-9+/=\s]*)-----END \1-----"
)
ENUMERATED = 0x0A
TIMES = (0x17, 0x18)  # UTCTime, GeneralizedTime


def kind_of(der: bytes) -> str:
    """Say what bytes are; what is nothing else is looked at as a certificate."""
    try:
        split_certificate(der)
    except DerError:
        return _kind_of_list(der)
    return CERTIFICATE


def lintables_in(data: bytes) -> list[tuple[str, bytes]]:
    """Split a file into what can be linted, each with its kind, in order."""
    lists = list(PEM_LIST.finditer(data))
    if not lists:
        return [(kind_of(der), der) for der in certificates_in(data)]
    found: list[tuple[str, bytes]] = []
    before = 0
    for match in lists:
        found += _certificates(data[before : match.start()])
        found += _decoded(LISTS[match[1]], match[2])
        before = match.end()
    return found + _certificates(data[before:])


def _certificates(data: bytes) -> list[tuple[str, bytes]]:
    """Return the PEM certificates between CRLs; the text there is nothing to lint."""
    return [(CERTIFICATE, der) for der in certificates_in(data)] if b"-----BEGIN" in data else []


def _decoded(kind: str, body: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        yield kind, base64.b64decode(body)
    except binascii.Error:
        yield kind, body


def _kind_of_list(der: bytes) -> str:
    try:
        outer = list(as_many_as_sound(element_at(der, 0, len(der))))
    except DerError:
        return CERTIFICATE
    if not outer or der[0] != SEQUENCE:
        return CERTIFICATE
    if outer[0].tag == ENUMERATED:
        return OCSP_RESPONSE
    fields = list(as_many_as_sound(outer[0])) if outer[0].tag == SEQUENCE else []
    if fields and fields[0].tag == INTEGER:  # version
        fields.pop(0)
    tags = [field.tag for field in fields[:3]]
    is_crl = tags[:2] == [SEQUENCE, SEQUENCE] and len(tags) > 2 and tags[2] in TIMES  # noqa: PLR2004
    return CRL if is_crl else CERTIFICATE
