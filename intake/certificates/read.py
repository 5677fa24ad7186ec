"""What a certificate says about itself, whatever state it is in.

Each field is read by itself: by cryptography, then by asn1crypto, then by a minimal walk over the
DER, since the certificates that reports are about are often those that one reader refuses.
The bytes of issuer and key are cut out as they stand, never encoded again.

Source: BR 7.1.2.9 (precertificates); RFC 6962 3.1 (the poison extension).
"""

import base64
import binascii
import hashlib
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.utils import CryptographyDeprecationWarning

from intake.certificates.der import (
    CertificateParts,
    DerError,
    Element,
    decode_integer,
    split_certificate,
)
from intake.certificates.names import render_groups, render_name

POISON = "1.3.6.1.4.1.11129.2.4.3"  # RFC 6962 3.1
READERS = ("cryptography", "asn1crypto", "der")
# What the two libraries were seen to raise on broken certificates.
REFUSALS = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError,
    RuntimeError, struct.error, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension,
    x509.ExtensionNotFound, x509.UnsupportedGeneralNameType, CryptographyDeprecationWarning,
)  # fmt: skip
PEM_BLOCK = re.compile(
    rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.*?)-----END (?:X509 |TRUSTED )?CERTIFICATE",
    re.DOTALL,
)
MOST_CERTIFICATES = 100_000  # in one file


@dataclass(frozen=True)
class CertificateFacts:
    """What could be read; None where no reader could."""

    sha256: str
    sha1: str
    serial_number: str | None = None  # hex without leading zeros; "-5" for a negative one
    issuer: str | None = None  # RFC 4514
    issuer_sha256: str | None = None  # of the issuer name's DER
    subject: str | None = None  # RFC 4514
    not_before: datetime | None = None
    not_after: datetime | None = None
    spki_sha256: str | None = None
    precertificate: bool = False
    read_by: str = "none"  # the readers that gave the fields, e.g. "cryptography, asn1crypto"
    problems: tuple[str, ...] = ()  # which reader failed at which field, and why

    @property
    def readable(self) -> bool:
        """Say whether any reader took it for a certificate."""
        return self.read_by != "none"


@dataclass(frozen=True)
class _Reader:
    """One way to read the fields; each function may raise."""

    name: str
    fields: dict[str, Callable[[], Any]]


def read_certificate(der: bytes) -> CertificateFacts:
    """Read a certificate or precertificate; total for any bytes."""
    return read_with_parts(der)[0]


def read_with_parts(der: bytes) -> tuple[CertificateFacts, CertificateParts | None]:
    """Read a certificate, and take it apart where its outer shape is there; total for any bytes."""
    problems: list[str] = []
    parts = _split(der, problems)
    return _read(der, parts, problems), parts


def _read(der: bytes, parts: CertificateParts | None, problems: list[str]) -> CertificateFacts:
    digests: dict[str, Any] = {"sha256": hashlib.sha256(der).hexdigest(), "sha1": _sha1(der)}
    clean = der if parts is None else der[: parts.end]
    if len(clean) < len(der):
        problems.append(f"{len(der) - len(clean)} bytes follow the certificate")
    with warnings.catch_warnings():  # what they warn about is why we read the certificate
        warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning)
        warnings.filterwarnings(
            "ignore", message="Attribute's length must be", category=UserWarning
        )
        values, used = _read_fields(_readers(clean, parts, problems), problems)
    if "serial_number" not in used or (parts is None and "issuer" not in used):
        return CertificateFacts(**digests, problems=tuple(problems))
    if parts is not None:
        values["issuer_sha256"] = hashlib.sha256(parts.issuer.whole).hexdigest()
        values["spki_sha256"] = hashlib.sha256(parts.spki).hexdigest()
    read_by = ", ".join(name for name in READERS if name in used.values())
    return CertificateFacts(**digests, **values, read_by=read_by, problems=tuple(problems))


def _readers(
    der: bytes, parts: CertificateParts | None, problems: list[str]
) -> Iterator["_Reader"]:
    """Yield the readers, the next one only if it is needed."""
    for make in (_cryptography_reader, _asn1crypto_reader):
        reader = make(der, problems)
        if reader is not None:
            yield reader
    if parts is not None:
        yield _walk_reader(parts)


def certificates_in(data: bytes) -> list[bytes]:
    """Split a file into certificates: PEM blocks with anything between them, or DER.

    A block or file that is no certificate is returned as it is, so that it is seen and not lost.
    """
    blocks = [found for match in PEM_BLOCK.finditer(data) for found in _decode_block(match[1])]
    if blocks or not data:
        return blocks[:MOST_CERTIFICATES]
    return list(_split_der(data)) or [data]


# ---- the three readers -------------------------------------------------------------------------


def _cryptography_reader(der: bytes, problems: list[str]) -> _Reader | None:
    try:
        certificate = x509.load_der_x509_certificate(der)
    except REFUSALS as error:
        problems.append(f"cryptography: {_why(error)}")
        return None

    def render(name: x509.Name) -> str:
        return name.rfc4514_string()

    return _Reader(
        "cryptography",
        {
            "serial_number": lambda: f"{certificate.serial_number:x}",
            "issuer": lambda: render(certificate.issuer),
            "subject": lambda: render(certificate.subject),
            "not_before": lambda: certificate.not_valid_before_utc,
            "not_after": lambda: certificate.not_valid_after_utc,
            "precertificate": lambda: any(
                one.oid.dotted_string == POISON for one in certificate.extensions
            ),
        },
    )


def _asn1crypto_reader(der: bytes, problems: list[str]) -> _Reader | None:
    try:
        tbs = asn1_x509.Certificate.load(der)["tbs_certificate"]
    except REFUSALS as error:
        problems.append(f"asn1crypto: {_why(error)}")
        return None
    return _Reader(
        "asn1crypto",
        {
            "serial_number": lambda: f"{tbs['serial_number'].native:x}",
            "issuer": lambda: render_groups(_groups(tbs["issuer"])),
            "subject": lambda: render_groups(_groups(tbs["subject"])),
            "not_before": lambda: _in_utc(tbs["validity"]["not_before"].native),
            "not_after": lambda: _in_utc(tbs["validity"]["not_after"].native),
            "precertificate": lambda: any(
                one["extn_id"].dotted == POISON for one in tbs["extensions"] or ()
            ),
        },
    )


def _walk_reader(parts: CertificateParts) -> _Reader:
    def moment(index: int) -> datetime:
        return parse_time(list(parts.validity.children())[index])

    return _Reader(
        "der",
        {
            "serial_number": lambda: f"{decode_integer(parts.serial_number):x}",
            "issuer": lambda: render_name(parts.issuer),
            "subject": lambda: render_name(parts.subject),
            "not_before": lambda: moment(0),
            "not_after": lambda: moment(1),
            "precertificate": lambda: POISON in parts.extension_oids,
        },
    )


def _read_fields(
    readers: Iterator[_Reader], problems: list[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return each field's value from the first reader that gives it, and which one that was."""
    values: dict[str, Any] = {}
    used: dict[str, str] = {}
    for reader in readers:
        for field, read in reader.fields.items():
            if field in used:
                continue
            try:
                values[field] = read()
            except REFUSALS as error:
                problems.append(f"{reader.name}: {field}: {_why(error)}")
            else:
                used[field] = reader.name
        if len(used) == len(reader.fields):
            break
    return values, used


def _split(der: bytes, problems: list[str]) -> CertificateParts | None:
    try:
        return split_certificate(der)
    except DerError as error:
        problems.append(f"der: {error}")
        return None


def parse_time(element: Element) -> datetime:
    """Read UTCTime or GeneralizedTime, without seconds, with a fraction or an offset too.

    Source: X.690 11.7, 11.8; RFC 5280 4.1.2.5.

    Raises:
        ValueError: if it names no instant.
    """
    text = element.content.decode("ascii")
    match = re.fullmatch(r"(\d{12}|\d{14}|\d{10})(?:[.,]\d+)?(Z|[+-]\d{4})", text)
    if match is None:
        message = f"{text!r} is no time"
        raise ValueError(message)
    digits, zone = match.groups()
    if element.tag == 0x17:  # noqa: PLR2004 - UTCTime; RFC 5280: 50 and above is the last century
        digits = ("19" if digits >= "50" else "20") + digits
    digits = digits.ljust(14, "0")
    moment = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    if zone == "Z":
        return moment
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
    return moment + offset if zone[0] == "-" else moment - offset


def _groups(name: Any) -> list[list[tuple[str, str | bytes]]]:  # noqa: ANN401 - asn1crypto
    return [[(one["type"].dotted, _text(one["value"])) for one in group] for group in name.chosen]


def _text(value: Any) -> str | bytes:  # noqa: ANN401 - asn1crypto
    native = value.native
    return native if isinstance(native, str) else bytes(value.dump())


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _why(error: BaseException) -> str:
    return (
        f"{type(error).__name__} {str(error).splitlines()[0][:200] if str(error) else ''}".strip()
    )


def _sha1(der: bytes) -> str:
    return hashlib.sha1(der, usedforsecurity=False).hexdigest()


# ---- files -------------------------------------------------------------------------------------


def _decode_block(body: bytes) -> Iterator[bytes]:
    lines = [line for line in body.splitlines() if b":" not in line]
    text = re.sub(rb"[^A-Za-z0-9+/=]", b"", b"".join(lines))
    try:
        der = base64.b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        der = body
    if der:
        yield der


def _split_der(data: bytes) -> Iterator[bytes]:
    """Yield certificates that stand one after the other; junk stays with the one before it."""
    bounds = _certificate_bounds(data)
    following = [start for start, _ in bounds[1:]] + [len(data)]
    for (start, end), after in zip(bounds, following, strict=False):
        yield data[start : after if data[end:after].strip(b"\r\n\t \0") else end]


def _certificate_bounds(data: bytes) -> list[tuple[int, int]]:
    bounds: list[tuple[int, int]] = []
    at = 0
    while at < len(data) and len(bounds) < MOST_CERTIFICATES:
        try:
            end = split_certificate(data, at).end
        except DerError:
            break
        bounds.append((at, end))
        at = end
    return bounds
