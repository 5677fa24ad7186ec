"""zlint as a program: absent, slow, chatty or broken, it is never taken for clean."""

import json
import stat
from pathlib import Path

import pytest

from intake.certificates.linting import read_subject
from intake.certificates.with_zlint import Zlint, read_output
from tests.issue import make_certificate

SUBJECT = read_subject(make_certificate("www.example.com"))
VERDICTS = {
    "e_sub_cert_not_valid": {"result": "pass"},
    "e_dnsname_not_valid_tld": {"result": "error", "details": "x.local"},
    "w_ct_sct_policy": {"result": "warn"},
    "n_subject_common_name_included": {"result": "notice"},
    "e_old_rule": {"result": "NE"},
    "e_other_rule": {"result": "NA"},
}
RULE = {"name": "e_dnsname_not_valid_tld", "citation": "BRs: 4.2.2", "source": "CABF_BR"}


def program(folder: Path, lint: str) -> str:
    """Write a program that behaves as zlint does, but for how it lints."""
    path = folder / "zlint"
    path.write_text(
        f"""#!/bin/sh
case "$1" in
  -version) echo "ZLint version v3.6.4";;
  -list-lints-json) echo '{json.dumps(RULE)}'; echo 'no json';;
  *) {lint};;
esac
"""
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def lint(folder: Path, how: str, **more):
    return Zlint(program(folder, how), **more)(SUBJECT)


def test_what_it_finds_was_in_force_at_issuance(tmp_path):
    result = lint(tmp_path, f"cat >/dev/null; echo '{json.dumps(VERDICTS)}'")

    assert (result.state, result.version) == ("done", "v3.6.4")
    assert [(one.code, one.severity) for one in result.findings] == [
        ("zlint.e_dnsname_not_valid_tld", "error"),
        ("zlint.n_subject_common_name_included", "notice"),
        ("zlint.w_ct_sct_policy", "warning"),
    ]
    assert result.findings[0].citation == "BRs: 4.2.2"
    assert result.findings[0].message == "x.local"
    assert {one.in_force_at_issuance for one in result.findings} == {True}


def test_it_is_given_the_certificate_itself(tmp_path):
    lint(tmp_path, f"cat > {tmp_path}/seen; echo '{json.dumps(VERDICTS)}'")

    assert (tmp_path / "seen").read_bytes() == SUBJECT.der


def test_it_sees_nothing_of_our_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("INTAKE_SECRET", "s3cret")
    lint(tmp_path, f"env > {tmp_path}/seen")

    assert "s3cret" not in (tmp_path / "seen").read_text()


def test_without_the_program_it_is_absent(tmp_path):
    missing = Zlint(str(tmp_path / "zlint"))

    assert (missing.version(), missing(SUBJECT).state) == ("", "absent")


def test_one_that_hangs_is_ended_with_all_that_it_started(tmp_path):
    assert lint(tmp_path, "sleep 60 & sleep 60", seconds=0.3).state == "timed_out"


@pytest.mark.parametrize(
    "how", ["exit 1", "echo '{}'", "echo 'unable to parse'", "echo '[]'", "kill -9 $$"]
)
def test_one_that_fails_has_not_checked(tmp_path, how):
    result = lint(tmp_path, how)

    assert (result.state, result.findings) == ("failed", ())


def test_one_that_never_stops_talking_has_not_checked(tmp_path):
    result = lint(tmp_path, "yes")

    # By its output or, on a busy machine, by the clock: it is ended either way.
    assert (result.state in {"failed", "timed_out"}, result.findings) == (True, ())


def test_a_verdict_that_is_not_known_is_no_pass():
    output = json.dumps({"e_x": {"result": "pass"}, "e_y": {"result": "perhaps"}}).encode()

    assert read_output(output, 0, "v1", {}).state == "failed"
