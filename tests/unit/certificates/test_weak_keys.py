"""badkeys: what it finds offline, what it can't check, and that it keeps no secret numbers."""

import json
from hashlib import sha256
from pathlib import Path

import gmpy2
import pytest

from intake.certificates.contents import public_key_of
from intake.certificates.der import split_certificate
from intake.certificates.lint_pool import LintPool, LintTask
from intake.certificates.linters import BADKEYS, BLOCK_LIST
from intake.certificates.linting import examine
from intake.certificates.with_badkeys import OFFLINE, CannotCheckError, check_offline
from tests.issue import make_certificate, rsa_key

PRIMES_OF_ROCA = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
]  # fmt: skip
CERTIFICATES = Path(__file__).parents[3] / "fixtures" / "certificates"


def close_primes() -> tuple[int, int]:
    digits = b"".join(sha256(bytes([number])).digest() for number in range(4))
    p = gmpy2.next_prime(int.from_bytes(digits, "big") | 3 << 1022)
    return int(p), int(gmpy2.next_prime(p + (1 << 20)))


def roca_modulus() -> int:
    primorial = 2 * int(gmpy2.mpz(1))
    for prime in PRIMES_OF_ROCA:
        primorial *= prime
    start = pow(65537, 12345, primorial)
    return start + primorial * ((1 << 2047) // primorial + 2)


def findings(modulus: int, exponent: int = 65537):
    der = make_certificate("www.example.com", key=rsa_key(modulus, exponent))
    return examine(der, wanted=(BADKEYS,)).by(BADKEYS).findings


def test_the_block_list_is_not_among_the_checks_that_run_by_themselves():
    assert "blocklist" not in OFFLINE
    assert {"fermat", "roca", "rsainvalid", "sharedprimes", "smallfactors"} <= set(OFFLINE)


def test_close_primes_are_found_and_never_told():
    p, q = close_primes()

    (found,) = findings(p * q)

    assert (found.code, found.severity) == ("badkeys.fermat", "error")
    assert "BR 6.1.1.3" in found.citation
    assert found.in_force_at_issuance is True
    shown = repr(found)
    assert str(p) not in shown
    assert f"{p:x}" not in shown
    assert str(q) not in shown


def test_a_key_of_the_faulty_library_is_found():
    assert "badkeys.roca" in {one.code for one in findings(roca_modulus())}


def test_a_small_factor_is_found():
    modulus = 7 * int(gmpy2.next_prime(1 << 2045))

    assert "badkeys.smallfactors" in {one.code for one in findings(modulus)}


def test_sound_keys_have_no_findings():
    for name in ("clean", "elliptic", "compromised"):
        result = examine((CERTIFICATES / f"{name}.der").read_bytes(), wanted=(BADKEYS,))
        assert (result.by(BADKEYS).state, result.findings) == ("done", ())


def test_a_key_of_an_unknown_kind_was_not_checked():
    with pytest.raises(CannotCheckError):
        check_offline(None, issued_at=None)


def test_a_key_is_read_from_certificates_that_cryptography_refuses():
    der = (CERTIFICATES / "malformed" / "indefinite_length_outer.der").read_bytes()
    key = public_key_of(split_certificate(der).spki)

    assert key is not None
    assert examine(der, wanted=(BADKEYS,)).by(BADKEYS).state == "done"


def test_without_its_data_the_block_list_is_absent_and_nothing_ends(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    result = examine(make_certificate("a.example"), wanted=(BLOCK_LIST,)).by(BLOCK_LIST)

    assert (result.state, result.version, result.findings) == ("absent", "", ())


def test_data_that_is_damaged_is_absent_too(monkeypatch, tmp_path):
    (tmp_path / "badkeys").mkdir()
    (tmp_path / "badkeys" / "badkeysdata.json").write_text("{")
    (tmp_path / "badkeys" / "blocklist.dat").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert examine(make_certificate("a.example")).by(BLOCK_LIST).state == "absent"


def test_an_installed_block_list_finds_debian_weak_and_leaked_keys(monkeypatch, tmp_path):
    p, q = close_primes()
    weak = make_certificate("www.example.com", key=rsa_key(p * q))
    install(tmp_path / "badkeys", p * q)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with LintPool(for_long=False, workers=1) as pool:  # badkeys remembers its folder for ever
        tasks = [
            LintTask(one, wanted=(BLOCK_LIST,)) for one in (weak, make_certificate("a.example"))
        ]
        found, clean = [one.by(BLOCK_LIST) for one in pool.lint(tasks)]

    assert [(one.code, one.severity) for one in found.findings] == [("badkeys.blocklist", "error")]
    assert "debianssl" in found.findings[0].message
    assert (clean.state, clean.findings) == ("done", ())
    assert found.version.endswith("+2026-11-01T00:00:00")


def install(folder: Path, modulus: int) -> None:
    """Write a block list of one key, as badkeys has it."""
    folder.mkdir(parents=True)
    data = {
        "bkformat": 0,
        "date": "2026-11-01T00:00:00",
        "blocklists": [{"id": 5, "name": "debianssl", "type": "github", "repo": "x", "path": "y"}],
    }
    (folder / "badkeysdata.json").write_text(json.dumps(data))
    octets = modulus.to_bytes((modulus.bit_length() + 7) // 8, "big")
    (folder / "blocklist.dat").write_bytes(sha256(octets).digest()[:15] + bytes([5]))
