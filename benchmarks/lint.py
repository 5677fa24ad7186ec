"""How quickly thousands of certificates in one report are linted, and how long its ticket waits.

Three figures: pkilint called in this process; the same in the workers, with all cores busy; and the
whole way of one mail with many certificates, from its delivery in Dovecot to its card in the Slack
stand-in, and to the last certificate linted by everything that is built in.

Run: .venv/bin/python -m benchmarks.lint [COUNT]
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing import active_children
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from intake.certificates import with_pkilint
from intake.certificates.lint_pool import LintPool, LintTask
from intake.certificates.linters import BUILT_IN, PKILINT

if TYPE_CHECKING:
    from tests.servers import DovecotServer
    from tests.world import World

ISSUED = datetime(2026, 6, 1, tzinfo=UTC)
ENDS = datetime(2026, 9, 1, tzinfo=UTC)
SAMPLE = 500  # certificates for the rates


def make_certificates(count: int) -> list[bytes]:
    """Return server certificates that differ in name and serial number, as one CA makes them."""
    ca = rsa.generate_private_key(65537, 2048)
    keys = [rsa.generate_private_key(65537, 2048) for _ in range(10)]
    return [_certificate(ca, keys[number % 10], number) for number in range(count)]


def _certificate(ca: rsa.RSAPrivateKey, key: rsa.RSAPrivateKey, number: int) -> bytes:
    host = f"host-{number}.example.com"
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Benchmark CA")])
    policy = x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.2.1"), None)
    builder = (
        x509.CertificateBuilder(issuer)
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
        .public_key(key.public_key())
        .serial_number((1 << 100) + number)
        .not_valid_before(ISSUED)
        .not_valid_after(ENDS)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.CertificatePolicies([policy]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key()), critical=False
        )
    )
    return builder.sign(ca, hashes.SHA256()).public_bytes(Encoding.DER)


def cpu_of_workers() -> float:
    """Return the seconds of processor time that the worker processes have used."""
    ticks = 0
    for child in active_children():
        fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # in user and in system mode
    return ticks / os.sysconf("SC_CLK_TCK")


def rate(work: Callable[[], int], cpu: Callable[[], float]) -> tuple[float, float]:
    """Return how many a second a piece of work did, by the clock and by processor time.

    The second figure is what one core does for us alone, also where others use the machine.
    """
    begun, begun_cpu = time.perf_counter(), cpu()
    done = work()
    return done / (time.perf_counter() - begun), done / (cpu() - begun_cpu)


def measure_rates(ders: list[bytes]) -> None:
    """Print the rate in this process and in the workers."""

    def in_process() -> int:
        for der in ders:
            with_pkilint.lint_with_pkilint(der, issued_at=ISSUED)
        return len(ders)

    with_pkilint.lint_with_pkilint(ders[0], issued_at=ISSUED)  # build the validators
    by_clock, alone = rate(in_process, time.process_time)
    print(f"pkilint in this process: {by_clock:.0f} a second, {alone:.0f} by processor time")
    with LintPool(for_long=True) as pool:
        list(pool.lint([LintTask(der) for der in ders[: 64 * pool.size]]))  # wake them
        for name, wanted in (("pkilint alone", (PKILINT,)), ("everything built in", BUILT_IN)):
            tasks = [LintTask(der, wanted=wanted) for der in ders]
            by_clock, each = rate(lambda tasks=tasks: len(list(pool.lint(tasks))), cpu_of_workers)
            print(
                f"{pool.size} workers, {name}: {by_clock:.0f} a second; by processor time"
                f" {each:.0f} for each, {each / alone:.2f} of the rate in process"
            )


def measure_report(ders: list[bytes]) -> None:
    """Print how long the card and the last result of one report took."""
    # Here, since each worker imports this module again.
    import trustme

    from intake.clock import wall_clock
    from tests.servers import DovecotServer, SmtpPeer
    from tests.world import make_world

    dovecot, mail = DovecotServer(trustme.CA()), SmtpPeer()
    dovecot.start()
    mail.start()
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            make_world(Path(folder), dovecot, mail, now=wall_clock()) as world,
        ):
            _deliver_and_wait(world, dovecot, ders)
    finally:
        dovecot.close()
        mail.stop()


def _deliver_and_wait(world: "World", dovecot: "DovecotServer", ders: list[bytes]) -> None:
    from intake.clock import wall_clock
    from intake.service import Service
    from tests.builders import make_message
    from tests.world import arrived, wait_for

    pool = LintPool(for_long=True)  # the service's own: a test's world has one worker
    service = Service(replace(world.parts, linter=pool))
    service.start()
    wait_for(lambda: world.slack.connections)
    list(pool.lint([LintTask(der) for der in ders[: 64 * pool.size]]))  # the service was at rest
    time.sleep(2)  # IDLE connections stand
    body = "".join(_pem(der) for der in ders)
    raw = make_message(
        body=f"All of these are misissued:\r\n{body}", received=(arrived(wall_clock()),)
    )
    world.clock.now = wall_clock()
    begun = time.monotonic()
    used = time.process_time() + cpu_of_workers()
    dovecot.deliver(raw)
    wait_for(lambda: world.slack.in_channel("C0CPR"), seconds=60)
    card = time.monotonic() - begun
    wait_for(lambda: _linted(world) == len(ders), seconds=300)
    linted = time.monotonic() - begun
    used = time.process_time() + cpu_of_workers() - used
    service.stop()
    pool.close()
    print(f"{len(ders)} certificates in one mail of {len(raw) / 1e6:.1f} MB:"
          f" card after {card:.2f} s, all linted after {linted:.1f} s,"
          f" {used:.1f} s of processor time in all")  # fmt: skip


def _pem(der: bytes) -> str:
    return (
        x509.load_der_x509_certificate(der)
        .public_bytes(Encoding.PEM)
        .decode()
        .replace("\n", "\r\n")
    )


def _linted(world: "World") -> int:
    from sqlmodel import col, func, select

    from intake.tables import Item

    time.sleep(0.2)
    with world.database.read() as session:
        query = select(func.count()).select_from(Item).where(col(Item.lint) == "done")
        return session.exec(query).one()


def main() -> None:
    """Print all figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    ders = make_certificates(count)
    measure_rates(ders[:SAMPLE])
    measure_report(ders)


if __name__ == "__main__":
    main()
