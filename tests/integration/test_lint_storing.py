"""Certificates, their owners and what linters said, in a real database."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import func, select

from intake.certificates.findings import LintResult
from intake.certificates.identity import find_same, remember_certificate, same_certificate
from intake.certificates.lint import (
    latest_run,
    lint_certificate,
    needs_lint,
    store_lint,
    stored_findings,
)
from intake.certificates.ownership import IssuingCas
from intake.certificates.read import read_certificate
from intake.tables import Certificate, LintFinding, LintRun
from tests.builders import NOW

CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"


def der(name: str) -> bytes:
    return (CERTIFICATES / f"{name}.der").read_bytes()


@pytest.fixture
def session(database):
    with database.write() as session:
        yield session


def test_a_certificate_is_remembered_once(session):
    first = remember_certificate(session, der("clean"), origin="mail", now=NOW)
    again = remember_certificate(session, der("clean"), origin="crtsh", now=NOW + timedelta(days=1))

    assert again is first
    assert (first.origin, first.first_seen_at) == ("mail", NOW)
    assert session.exec(select(func.count()).select_from(Certificate)).one() == 1


def test_whose_it_is_is_remembered_with_the_reason(session):
    ours = IssuingCas.load([str(CERTIFICATES / "issuing_ca.pem")])

    row = remember_certificate(session, der("clean"), origin="mail", now=NOW, issuing_cas=ours)

    assert row.ours == "yes"
    assert row.ours_why.startswith("signed by our issuing CA")


def test_what_can_not_be_read_is_remembered_too(session):
    row = remember_certificate(session, b"hello", origin="mail", now=NOW)

    assert (row.read_by, row.serial_number) == ("none", None)
    assert find_same(session, row) == [row]


def test_precertificate_and_final_certificate_are_the_same(session):
    precertificate = remember_certificate(session, der("precertificate"), origin="crtsh", now=NOW)
    final = remember_certificate(session, der("final"), origin="crtsh", now=NOW + timedelta(1))
    other = remember_certificate(session, der("clean"), origin="crtsh", now=NOW)

    assert same_certificate(precertificate, final)
    assert not same_certificate(final, other)
    assert find_same(session, read_certificate(der("final"))) == [precertificate, final]


def test_a_certificate_is_not_linted_twice_by_the_same_version(session):
    row = remember_certificate(session, der("internal_name"), origin="mail", now=NOW)
    assert needs_lint(session, row.sha256)

    store_lint(session, row.sha256, lint_certificate(der("internal_name")), NOW)
    count = session.exec(select(func.count()).select_from(LintFinding)).one()
    store_lint(session, row.sha256, lint_certificate(der("internal_name")), NOW)

    assert not needs_lint(session, row.sha256)
    assert session.exec(select(func.count()).select_from(LintRun)).one() == 1
    assert session.exec(select(func.count()).select_from(LintFinding)).one() == count


def test_stored_findings_are_what_was_found(session):
    row = remember_certificate(session, der("internal_name"), origin="mail", now=NOW)
    result = lint_certificate(der("internal_name"))

    store_lint(session, row.sha256, result, NOW)
    session.expire_all()

    assert stored_findings(session, row.sha256) == result.findings
    assert latest_run(session, row.sha256).profile == result.profile


def test_a_newer_version_lints_again_and_a_failed_run_stays_failed(session):
    row = remember_certificate(session, der("clean"), origin="mail", now=NOW)
    store_lint(session, row.sha256, LintResult("pkilint", "0.0.1", None, "done"), NOW)
    assert needs_lint(session, row.sha256)

    failed = LintResult("pkilint", lint_certificate(der("clean")).version, None, "timed_out")
    store_lint(session, row.sha256, failed, NOW + timedelta(hours=1))

    assert not needs_lint(session, row.sha256)
    assert latest_run(session, row.sha256).state == "timed_out"


def test_an_absent_linter_is_tried_again_once_it_is_there(session):
    row = remember_certificate(session, der("clean"), origin="mail", now=NOW)
    version = lint_certificate(der("clean")).version
    store_lint(session, row.sha256, LintResult("pkilint", version, None, "absent"), NOW)
    assert needs_lint(session, row.sha256)

    store_lint(session, row.sha256, lint_certificate(der("clean")), NOW)

    assert latest_run(session, row.sha256).state == "done"
