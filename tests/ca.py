"""A CA for tests that publishes revocation: certificates, CRLs and OCSP responses, also wrong ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from intake.certificates.ownership import IssuingCa, IssuingCas

BEGIN, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
Entry = tuple[datetime, x509.ReasonFlags | None]


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass
class MakeCa:
    """An issuing CA with its key."""

    common_name: str = "Test Issuing CA"
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @cached_property
    def certificate(self) -> x509.Certificate:
        return self._sign(
            self._builder(self.common_name, self.key.public_key(), serial_number=1).add_extension(
                x509.BasicConstraints(ca=True, path_length=0), critical=True
            )
        )

    def _builder(
        self, subject: str, public_key: Any, *, serial_number: int, begin=BEGIN, end=END
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(self.common_name))
            .public_key(public_key)
            .serial_number(serial_number)
            .not_valid_before(begin)
            .not_valid_after(end)
        )

    def _sign(self, builder: Any) -> Any:
        return builder.sign(self.key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def cas(self) -> IssuingCas:
        der = self.certificate.public_bytes(Encoding.DER)
        from intake.certificates.der import split_certificate

        parts = split_certificate(der)
        return IssuingCas(
            [IssuingCa(f"CN={self.common_name}", der, parts.subject.whole, parts.spki)]
        )

    def leaf(
        self,
        serial_number: int,
        *,
        crl_url: str | None = None,
        ocsp_url: str | None = None,
        key: Any = None,
        begin: datetime = BEGIN,
        end: datetime = END,
        precertificate: bool = False,
    ) -> bytes:
        """A certificate, DER, with the addresses of its revocation."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(
            "www.example.com", key.public_key(), serial_number=serial_number, begin=begin, end=end
        )
        if crl_url:
            point = x509.DistributionPoint(
                [x509.UniformResourceIdentifier(crl_url)], None, None, None
            )
            builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        if ocsp_url:
            access = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp_url)
            )
            builder = builder.add_extension(
                x509.AuthorityInformationAccess([access]), critical=False
            )
        if precertificate:
            builder = builder.add_extension(x509.PrecertPoison(), critical=True)
        return self._sign(builder).public_bytes(Encoding.DER)

    def responder(
        self, *, purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.OCSP_SIGNING, end=END
    ) -> tuple[Any, x509.Certificate]:
        """A delegated OCSP responder: its key and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder("Responder", key.public_key(), serial_number=77, end=end)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        return key, self._sign(builder)

    def crl(
        self,
        entries: dict[int, Entry],
        *,
        now: datetime,
        number: int | None = 1,
        this_update: datetime | None = None,
        next_update: datetime | None = None,
        point: x509.IssuingDistributionPoint | None = None,
    ) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(name(self.common_name))
            .last_update(this_update or now - HOUR)
            .next_update(next_update or now + 24 * HOUR)
        )
        for serial_number, (revoked_at, reason) in entries.items():
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(serial_number)
                .revocation_date(revoked_at)
            )
            if reason is not None:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        if number is not None:
            builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        if point is not None:
            builder = builder.add_extension(point, critical=True)
        return self._sign(builder).public_bytes(Encoding.DER)

    def ocsp(  # noqa: PLR0913 - each is something that can be wrong
        self,
        request: bytes,
        entries: dict[int, Entry],
        *,
        now: datetime,
        this_update: datetime | None = None,
        next_update: datetime | None = None,
        unknown: bool = False,
        signer: tuple[Any, x509.Certificate] | None = None,
        serial_number: int | None = None,
    ) -> bytes:
        asked = ocsp.load_der_ocsp_request(request)
        serial_number = asked.serial_number if serial_number is None else serial_number
        entry = entries.get(serial_number)
        status = ocsp.OCSPCertStatus.GOOD if entry is None else ocsp.OCSPCertStatus.REVOKED
        if unknown:
            status = ocsp.OCSPCertStatus.UNKNOWN
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            asked.issuer_name_hash, asked.issuer_key_hash, serial_number, asked.hash_algorithm,
            status, this_update or now - HOUR, next_update or now + 24 * HOUR,
            entry[0] if entry and not unknown else None, entry[1] if entry and not unknown else None,
        )  # fmt: skip
        key, certificate = signer or (self.key, self.certificate)
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, certificate)
        if signer is not None:
            builder = builder.certificates([certificate])
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)

    def write(self, folder: Path) -> None:
        """Write certificate and key where OpenSSL finds them."""
        (folder / "ca.pem").write_bytes(self.pem)
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "ca.key").write_bytes(key)


@dataclass
class Publisher:
    """A server of CRLs and OCSP responses whose answers a test chooses."""

    port: int = 0
    crl: Callable[[], bytes | int] = lambda: 404  # the bytes, or a status
    ocsp: Callable[[bytes], bytes | int] = lambda _: 404
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def crl_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ca.crl"

    @property
    def ocsp_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ocsp"


@contextmanager
def publisher() -> Iterator[Publisher]:
    """Serve on loopback."""
    site = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            self._answer(site.crl())

        def do_POST(self) -> None:
            site.asked.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(site.ocsp(body))

        def _answer(self, answer: bytes | int) -> None:
            self.send_response(200 if isinstance(answer, bytes) else answer)
            body = answer if isinstance(answer, bytes) else b"no"
            for key, value in site.headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
