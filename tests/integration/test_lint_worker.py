"""Linting in real worker processes: limits, and that what hangs takes nothing from the others."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from multiprocessing import active_children
from pathlib import Path
from threading import Event, Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from intake.certificates.kinds import CRL
from intake.certificates.lint_pool import LintPool, LintTask, PoolClosedError
from intake.certificates.linters import BADKEYS, OWN, PKILINT
from intake.certificates.linting import examine
from tests.issue import make_crl

CERTIFICATES = Path(__file__).parents[2] / "fixtures/certificates"
CLEAN = (CERTIFICATES / "clean.der").read_bytes()


@pytest.fixture(scope="module")
def pool() -> Iterator[LintPool]:
    with LintPool(for_long=False, workers=2) as pool:
        yield pool


def made(
    *,
    names: int = 1,
    extension: bytes = b"",
    serial_number: int = 2**70,
) -> bytes:
    """A certificate that is sound but for its size."""
    key = ec.generate_private_key(ec.SECP256R1())
    hosts = x509.SubjectAlternativeName([x509.DNSName(f"h{n}.example.com") for n in range(names)])
    builder = x509.CertificateBuilder().serial_number(serial_number).public_key(key.public_key())
    builder = builder.subject_name(x509.Name([])).issuer_name(x509.Name([]))
    builder = builder.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    builder = builder.not_valid_after(datetime(2026, 7, 1, tzinfo=UTC))
    builder = builder.add_extension(hosts, critical=True)
    if extension:
        unknown = x509.UnrecognizedExtension(
            x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), extension
        )
        builder = builder.add_extension(unknown, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def with_modulus(bits: int) -> bytes:
    """A certificate whose key is replaced by an RSA key of any size; its signature is void."""
    from asn1crypto import keys
    from asn1crypto import x509 as asn1_x509

    certificate = asn1_x509.Certificate.load(CLEAN)
    modulus = (1 << bits) - 1
    key = keys.RSAPublicKey({"modulus": modulus, "public_exponent": 65537})
    certificate["tbs_certificate"]["subject_public_key_info"] = keys.PublicKeyInfo.wrap(key, "rsa")
    return certificate.dump(force=True)


def states(examination) -> dict[str, str]:
    return {one.linter: one.state for one in examination.results}


def test_the_workers_say_the_same_as_a_call_and_keep_the_order(pool):
    ders = [path.read_bytes() for path in sorted(CERTIFICATES.glob("*.der"))] * 3

    found = list(pool.lint([LintTask(der) for der in ders]))

    assert found == [examine(der) for der in ders]


def test_a_large_one_among_small_ones_keeps_its_place(pool):
    large = made(extension=b"\0" * 70_000)
    tasks = [LintTask(one, wanted=(OWN,)) for one in [CLEAN] * 3 + [large] + [CLEAN] * 20 + [large]]

    found = [one.sha256 for one in pool.lint(tasks)]

    assert found == [sha256(task.der).hexdigest() for task in tasks]


@contextmanager
def peak_of(pool: LintPool) -> Iterator[list[int]]:
    """The most memory that each worker process had, as the kernel keeps it, in the end."""
    peaks: dict[int, int] = {}
    ended = Event()

    def watch() -> None:
        while not ended.wait(0.01):
            for worker in pool._workers:
                with suppress(AttributeError, OSError, IndexError):  # it is just replaced
                    status = Path(f"/proc/{worker._process.pid}/status").read_text()
                    peaks[worker._process.pid] = int(status.partition("VmHWM:")[2].split()[0])

    thread = Thread(target=watch)
    thread.start()
    found: list[int] = []
    try:
        yield found
    finally:
        ended.set()
        thread.join()
        found += [kilobytes * 1024 for kilobytes in peaks.values()]


def assert_works_as_before(pool: LintPool) -> None:
    for clean in pool.lint([LintTask(CLEAN)] * 40):  # all workers have something to do
        assert states(clean)[PKILINT] == states(clean)[OWN] == states(clean)[BADKEYS] == "done"
        assert clean.by(PKILINT).version


def test_100000_names_are_stopped_by_the_time_limit_and_the_others_are_checked(pool):
    with peak_of(pool) as peaks:
        (hostile,) = pool.lint([LintTask(made(names=100_000))], seconds=4)

    assert states(hostile)[PKILINT] == "timed_out"
    assert hostile.by(PKILINT).detail == "timed_out: took longer than 4 s"
    assert hostile.by(PKILINT).findings == ()
    assert states(hostile)[OWN] == states(hostile)[BADKEYS] == "done"
    assert hostile.readable
    assert max(peaks) < 600 << 20
    assert_works_as_before(pool)


def test_an_extension_of_10_megabytes_stops_nothing(pool):
    with peak_of(pool) as peaks:
        (found,) = pool.lint([LintTask(made(extension=b"\x04\x82" * 5_000_000))])

    assert set(states(found).values()) <= {"done", "failed", "timed_out", "absent"}
    assert all(one.detail for one in found.results if one.state != "done")
    assert found.readable
    assert max(peaks) < 600 << 20
    assert_works_as_before(pool)


def test_more_memory_than_a_worker_may_have_is_not_checked_with_the_reason(monkeypatch):
    monkeypatch.setattr("intake.certificates.lint_pool.MEMORY_BYTES", 230 << 20)
    with LintPool(for_long=False, workers=1) as poor:
        (found,) = poor.lint([LintTask(made(names=100_000))])

        assert found.by(PKILINT).state == "failed"
        assert found.by(PKILINT).detail == "out_of_memory: needed more memory than it may use"
        assert_works_as_before(poor)


def test_a_modulus_of_50000_bits_is_not_checked_for_weakness_and_stops_nothing(pool):
    with peak_of(pool) as peaks:
        (found,) = pool.lint([LintTask(with_modulus(50_000))])

    assert found.by(BADKEYS).state == "failed"
    assert "50000 bits" in found.by(BADKEYS).detail
    assert states(found)[PKILINT] == states(found)[OWN] == "done"
    assert max(peaks) < 600 << 20
    assert_works_as_before(pool)


def test_a_panic_in_a_linter_leaves_nothing_on_stderr(capfd):
    """The journal keeps what a worker says there."""
    scope = x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier("http://crl.example/1")], relative_name=None,
        only_contains_user_certs=False, only_contains_ca_certs=False, indirect_crl=False,
        only_some_reasons=frozenset([x509.ReasonFlags.key_compromise]),
        only_contains_attribute_certs=False,
    )  # fmt: skip
    with LintPool(for_long=False, workers=1) as fresh:  # its processes write where this test looks
        (found,) = fresh.lint([LintTask(make_crl(scope=scope), CRL)])

    assert states(found)[PKILINT] == "done"
    assert capfd.readouterr().err == ""


def test_a_batch_with_a_hostile_certificate_loses_only_that_one(pool):
    hostile = made(names=900)  # small enough for a batch, and too slow for the limit below
    tasks = [LintTask(CLEAN), LintTask(hostile, wanted=(PKILINT,)), LintTask(CLEAN)]

    found = list(pool.lint(tasks, seconds=0.05))

    assert len(found) == 3
    assert states(found[1]) == {PKILINT: "timed_out"}


def test_workers_without_memory_have_not_checked(monkeypatch):
    monkeypatch.setattr("intake.certificates.lint_pool.MEMORY_BYTES", 60 << 20)
    with LintPool(for_long=False, workers=1) as poor:
        (found,) = poor.lint([LintTask(CLEAN)])

    assert states(found)[PKILINT] == "failed"
    assert found.by(PKILINT).findings == ()


def test_a_pool_that_is_closed_at_work_says_nothing_of_what_it_did_not_do():
    pool = LintPool(for_long=False, workers=1)
    raised: list[BaseException] = []

    def work() -> None:
        try:
            list(pool.lint([LintTask(made(names=100_000))]))
        except PoolClosedError as error:
            raised.append(error)

    before = len(active_children())  # the other tests' pool is at rest
    thread = Thread(target=work)
    thread.start()
    wait_for(lambda: len(active_children()) > before)
    pool.close()
    thread.join(10)

    assert len(raised) == 1


def wait_for(condition) -> None:
    until = time.monotonic() + 10
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)


def test_there_are_as_many_workers_as_cores_up_to_four():
    pool = LintPool(for_long=False)
    size = pool.size
    pool.close()

    assert size == max(1, min(4, len(os.sched_getaffinity(0))))
