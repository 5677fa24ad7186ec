"""`intake lint` as a whole command, with its worker process."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.issue import make_crl, make_ocsp

ROOT = Path(__file__).parents[2]
CERTIFICATES = ROOT / "fixtures" / "certificates"
KEYS = {"file", "sha256", "readable", "profile", "linters", "findings"}
FINDING_KEYS = {
    "linter", "code", "severity", "message", "citation", "effective_from", "in_force_at_issuance",
}  # fmt: skip


def lint(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "intake.cli.main", "lint", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"XDG_CACHE_HOME": "/nonexistent"},
        input=stdin,
        capture_output=True,
        check=False,
    )


@pytest.fixture(scope="module")
def everything() -> tuple[int, list[dict]]:
    """One run over many files: starting Python costs more than linting."""
    files = [CERTIFICATES / "clean.pem", CERTIFICATES / "bundle.pem", CERTIFICATES / "request.csr"]
    malformed = sorted((CERTIFICATES / "malformed").glob("*.der"))
    done = lint("--json", *files, *malformed)
    assert done.stderr == b""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_each_certificate_is_a_line_with_the_keys_of_the_contract(everything):
    status, lines = everything

    assert status == 1
    assert len(lines) == 1 + 3 + 1 + 63
    assert all(set(line) == KEYS for line in lines)
    assert all(set(one) == FINDING_KEYS for line in lines for one in line["findings"])
    assert {one["name"]: one["state"] for one in lines[0]["linters"]} == {
        "pkilint": "done",
        "intake": "done",
        "badkeys": "done",
        "badkeys-blocklist": "absent",  # a folder without a list, see `lint`
    }


def test_the_lines_stand_in_the_order_of_the_files(everything):
    lines = everything[1]
    names = ("clean", "internal_name", "clean", "issuing_ca")
    digests = [
        hashlib.sha256((CERTIFICATES / f"{name}.der").read_bytes()).hexdigest() for name in names
    ]

    assert [line["sha256"] for line in lines[:4]] == digests
    assert lines[1]["file"] == str(CERTIFICATES / "bundle.pem")


def test_a_finding_says_since_when_its_rule_is_in_force(everything):
    found = {one["code"]: one for one in everything[1][1]["findings"]}
    too_long = found["cabf.serverauth.certificate_validity_period_exceeds_398_days"]

    assert found["cabf.internal_domain_name"]["in_force_at_issuance"] is True
    assert too_long["effective_from"] == "2020-09-01T00:00:00Z"
    assert too_long["in_force_at_issuance"] is False


def test_what_is_no_certificate_is_an_unreadable_line_with_a_fatal_finding(everything):
    line = everything[1][4]

    assert (line["readable"], line["profile"]) == (False, "")
    assert [one["severity"] for one in line["findings"]] == ["fatal"]


def test_malformed_certificates_are_readable(everything):
    assert all(line["readable"] for line in everything[1][5:])


def test_warnings_alone_leave_status_0_and_people_get_words():
    done = lint(CERTIFICATES / "clean.pem")

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"The common name should be left out." in done.stdout
    assert b"BR 7.1.2.7.2" in done.stdout


def test_standard_input_is_linted():
    done = lint("--json", "-", stdin=(CERTIFICATES / "internal_name.pem").read_bytes())

    assert done.returncode == 1
    assert json.loads(done.stdout)["file"] == "-"


def test_files_that_can_not_be_read_are_named_together():
    done = lint("nothing.pem", CERTIFICATES, CERTIFICATES / "clean.pem")

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"nothing.pem: No such file or directory" in done.stderr
    assert b"Is a directory" in done.stderr


def test_crls_and_ocsp_responses_are_known_by_their_content_and_linted(tmp_path):
    files = {"a.bin": make_crl(days=20), "b.txt": make_ocsp(days=11)}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    pem = (CERTIFICATES / "clean.pem").read_bytes() + make_crl(days=7, encoding=Encoding.PEM)
    (tmp_path / "c.pem").write_bytes(pem)

    done = lint("--json", *(tmp_path / name for name in [*files, "c.pem"]))
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 1
    assert [line["profile"] for line in lines] == [
        "TLS BR 2.2.5 CRL",
        "RFC 6960",
        "TLS BR 2.2.5 DV_FINAL_CERTIFICATE",
        "TLS BR 2.2.5 CRL",
    ]
    assert all(set(line) == KEYS and line["readable"] for line in lines)
    codes = [{one["code"] for one in line["findings"]} for line in lines]
    assert "cabf.crl_invalid_validity_period" in codes[0]
    assert codes[1] >= {"ocsp.valid_for_over_10_days"}


def test_a_certificate_from_2017_is_judged_by_both_days():
    done = lint("--json", CERTIFICATES / "clean_2017.pem")
    (line,) = [json.loads(one) for one in done.stdout.splitlines()]
    judged = {one["in_force_at_issuance"] for one in line["findings"]}

    assert False in judged
    assert all(one["citation"] for one in line["findings"])
