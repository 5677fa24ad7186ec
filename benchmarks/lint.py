"""How quickly thousands of certificates in one report are linted, and how long its ticket waits.

Three figures: pkilint by itself in plain processes, one on each core; the workers; and the whole
way of one mail with many certificates, from its delivery in Dovecot to its card in the Slack
stand-in, and to the last certificate linted by everything that is built in.

Run: .venv/bin/python -m benchmarks.lint [COUNT]
"""

import multiprocessing
import os
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing import active_children
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from benchmarks import plain_pkilint
from intake.certificates.lint_pool import LintPool, LintTask
from intake.certificates.linters import BUILT_IN, PKILINT

if TYPE_CHECKING:
    from tests.servers import DovecotServer
    from tests.world import World

ISSUED = datetime(2026, 6, 1, tzinfo=UTC)
ENDS = datetime(2026, 9, 1, tzinfo=UTC)
SAMPLE = 300  # certificates in each turn of the rates


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


def measure_rates(ders: list[bytes]) -> None:
    """Print the rates of pkilint by itself and of the workers, in turns, with all cores at work."""
    context = multiprocessing.get_context("spawn")
    rates: dict[str, list[float]] = defaultdict(list)
    with LintPool(for_long=True) as pool:
        size = pool.size
        together = context.Barrier(size)
        with context.Pool(size, plain_pkilint.prepare, (together,)) as processes:
            list(pool.lint([LintTask(der) for der in ders[: 64 * size]]))  # wake them
            for at in range(0, len(ders), SAMPLE):
                some = ders[at : at + SAMPLE]
                shares = [some[number::size] for number in range(size)]
                seconds = processes.map(plain_pkilint.seconds_for, shares, chunksize=1)
                rates["pkilint by itself"].append(len(some) / max(seconds))
                for name, wanted in (("pkilint", (PKILINT,)), ("everything built in", BUILT_IN)):
                    begun = time.perf_counter()
                    done = len(list(pool.lint([LintTask(der, wanted=wanted) for der in some])))
                    rates[name].append(done / (time.perf_counter() - begun))
    alone = rates.pop("pkilint by itself")
    print(f"pkilint by itself in {size} processes: {median(alone):.0f} a second")
    for name, each in rates.items():
        ratio = median(one / other for one, other in zip(each, alone, strict=True))
        print(f"{name} in {size} workers: {median(each):.0f} a second, {ratio:.2f} of that")


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
    measure_rates(ders)
    measure_report(ders)


if __name__ == "__main__":
    main()
