"""Answers of pkimetal: only a complete one counts, whatever its status says."""

import json
from datetime import UTC, datetime

import pytest

from intake.certificates.with_pkimetal import Answer, read_answer, version_of

LINTERS = ("badkeys", "certlint", "pkilint", "zlint")
ISSUED = datetime(2026, 6, 1, tzinfo=UTC)


def row(linter: str, finding: str, severity: str = "meta", **more: str) -> dict[str, str]:
    return {"Linter": linter, "Finding": finding, "Severity": severity, **more}


def done(linter: str) -> dict[str, str]:
    return row(linter, "Queued: 1.5µs; Runtime: 12.3ms; Version: v3.6.4")


def not_used(linter: str, *, available: bool = True, applicable: bool = False) -> dict[str, str]:
    words = f"Available:{str(available).lower()}, Applicable:{str(applicable).lower()}"
    return row(linter, f"{linter}: Not used [{words}]")


PROFILE = row("pkimetal", "Profile: tbr_leaf_tlsserver_dv; Version: v1.20.0")
COMPLETE = [PROFILE, done("badkeys"), done("certlint"), not_used("pkilint"), done("zlint")]


def read(rows, status: int | None = 200, **more):
    body = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
    return read_answer(Answer(status, body, **more), LINTERS, "v1", issued_at=ISSUED)


def test_a_complete_answer_without_findings_is_done():
    result = read(COMPLETE)

    assert (result.state, result.findings, result.profile) == ("done", (), "tbr_leaf_tlsserver_dv")


def test_findings_are_taken_with_the_linter_behind_them():
    error = row("zlint", "e_dnsname_not_valid_tld", "error", Field="SAN")
    known = row("pkilint", "cabf.internal_domain_name", "error", Code="cabf.internal_domain_name")
    note = row("certlint", "Something in words", "info")
    debug = row("certlint", "noise", "debug")

    found = read([*COMPLETE, error, known, note, debug]).findings

    assert [(one.code, one.severity) for one in found] == [
        ("zlint.e_dnsname_not_valid_tld", "error"),
        ("cabf.internal_domain_name", "error"),
        ("certlint.finding", "info"),
    ]
    assert found[0].message == "SAN: e_dnsname_not_valid_tld"
    assert found[1].citation.startswith("BR 4.2.2")
    assert found[1].in_force_at_issuance is True
    assert {one.linter for one in found} == {"pkimetal"}


def test_a_fatal_row_with_status_200_is_no_clean_answer():
    result = read([row("pkimetal", "Unrecognised input", "fatal")])

    assert result.state == "failed"
    assert "Unrecognised input" in result.detail


def test_a_crash_of_one_linter_is_seen_although_it_says_queued():
    result = read([*COMPLETE, row("pkimetal", "zlint: stdout.Scan() => false", "fatal")])

    assert result.state == "failed"
    assert "zlint" in result.detail


def test_a_linter_whose_word_is_missing_makes_it_partial():
    result = read(COMPLETE[:-1])

    assert result.state == "failed"
    assert result.detail == "no word of zlint"


def test_a_partial_answer_keeps_what_it_found():
    error = row("certlint", "Bad thing", "error")

    result = read([*COMPLETE[:-1], error])

    assert (result.state, len(result.findings)) == ("failed", 1)


def test_a_linter_that_applies_and_is_not_installed_has_not_checked():
    rows = [*COMPLETE[:-1], not_used("zlint", available=False, applicable=True)]

    assert read(rows).state == "failed"
    assert "zlint applies" in read(rows).detail


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE HTML><HTML>No findings</HTML>",
        b"",
        b"{}",
        b"[1]",
        b"null",
        b"[" * 100_000,
        b'[{"Linter": "zlint"',
    ],
)
def test_what_is_no_list_of_rows_is_no_answer(body):
    assert read(body).state == "failed"


def test_an_empty_list_is_no_clean_answer():
    assert read([]).state == "failed"


@pytest.mark.parametrize("status", [400, 404, 500, 502, 503])
def test_any_other_status_is_no_answer_whatever_the_body_says(status):
    assert read(COMPLETE, status).state == "failed"


def test_a_severity_that_is_not_known_is_not_passed_over():
    assert read([*COMPLETE, row("zlint", "x", "catastrophe")]).state == "failed"


def test_what_never_came_is_absent_and_what_came_too_late_timed_out():
    absent = read(b"", None, trouble="it can't be reached: ConnectError")
    late = read(b"", None, trouble="it took too long", is_late=True)

    assert (absent.state, absent.version) == ("absent", "")
    assert (late.state, late.version) == ("timed_out", "v1")


def test_the_version_is_that_of_all_its_linters():
    rows = [{"Name": "zlint", "Version": "v3.6.4"}, {"Name": "certlint", "Version": "g1234567"}]

    assert version_of(json.dumps(rows).encode()) == (
        "certlint/g1234567 zlint/v3.6.4",
        ("certlint", "zlint"),
    )
    assert version_of(b"<html>") == ("", ())
    assert version_of(b"[]") == ("", ())
