"""Certificates, their owners and what linters said, in a real database."""

from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlmodel import func, select

from intake.certificates.findings import LintResult, make_finding
from intake.certificates.identity import find_same, remember_certificate, same_certificate
from intake.certificates.lint import linters_needed, store_lint, stored_results
from intake.certificates.linting import examine
from intake.certificates.ownership import IssuingCas
from intake.certificates.read import read_certificate
from intake.tables import Certificate, LintFinding, LintRun
from tests.builders import NOW

pytestmark = pytest.mark.both_databases

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


def needed(session, sha256, *, at=NOW):
    return linters_needed(session, [sha256], {"pkilint": "2", "badkeys": "1"}, at)[sha256]


def result(linter="pkilint", version="2", state="done", findings=()):
    return LintResult(linter, version, "TLS", state, tuple(findings))


def found(code="cabf.internal_domain_name", message=""):
    return make_finding("pkilint", code, "error", message=message, issued_at=NOW)


@pytest.fixture
def certificate(session):
    return remember_certificate(session, der("internal_name"), origin="mail", now=NOW).sha256


def test_each_linter_has_a_run_of_its_own_and_none_is_repeated(session, certificate):
    before = needed(session, certificate)
    store_lint(session, {certificate: [result(findings=[found()])]}, NOW)
    once = needed(session, certificate)
    store_lint(session, {certificate: [result(), result("badkeys", "1")]}, NOW)

    assert (before, once) == (("pkilint", "badkeys"), ("badkeys",))
    assert needed(session, certificate, at=NOW + timedelta(days=99)) == ()
    assert session.exec(select(func.count()).select_from(LintRun)).one() == 2
    assert session.exec(select(func.count()).select_from(LintFinding)).one() == 1


def test_what_is_stored_is_what_was_found(session, certificate):
    examination = examine(der("internal_name"))

    store_lint(session, {certificate: examination.results}, NOW)
    session.expire_all()
    stored = {one.linter: one for one in stored_results(session, certificate)}

    assert stored == {one.linter: one for one in examination.results}


def test_another_version_lints_again_and_the_newest_counts(session, certificate):
    store_lint(session, {certificate: [result(version="1", findings=[found()])]}, NOW)
    before = needed(session, certificate)
    store_lint(session, {certificate: [result()]}, NOW + timedelta(hours=1))

    assert "pkilint" in before
    assert [(one.version, one.findings) for one in stored_results(session, certificate)] == [
        ("2", ())
    ]


@pytest.mark.parametrize("state", ["failed", "timed_out"])
def test_a_linter_that_failed_may_try_again_after_a_day(session, certificate, state):
    store_lint(session, {certificate: [result(state=state), result("badkeys", "1")]}, NOW)

    assert needed(session, certificate, at=NOW + timedelta(hours=23)) == ()
    assert needed(session, certificate, at=NOW + timedelta(hours=24)) == ("pkilint",)

    later = NOW + timedelta(days=1)
    store_lint(session, {certificate: [result(findings=[found()])]}, later)

    (run,) = [one for one in stored_results(session, certificate) if one.linter == "pkilint"]
    assert (run.state, len(run.findings)) == ("done", 1)


def test_what_a_failed_try_found_is_kept_once(session, certificate):
    partial = result(state="failed", findings=[found(message="a")])
    store_lint(session, {certificate: [partial]}, NOW)
    whole = result(findings=[found(message="a"), found(message="b")])
    store_lint(session, {certificate: [whole]}, NOW + timedelta(days=1))

    (run,) = stored_results(session, certificate)
    assert [one.message for one in run.findings] == ["a", "b"]


def test_an_absent_linter_is_asked_once_it_is_there(session, certificate):
    absent = LintResult("pkilint", "", None, "absent")
    store_lint(session, {certificate: [absent, result("badkeys", "1")]}, NOW)

    assert linters_needed(session, [certificate], {"pkilint": ""}, NOW)[certificate] == ()
    assert needed(session, certificate) == ("pkilint",)


def test_thousands_are_stored_with_few_statements(session):
    rows = [
        Certificate(sha256=f"{n:064x}", sha1=f"{n:040x}", der=b"", origin="mail", first_seen_at=NOW)
        for n in range(2000)
    ]
    session.add_all(rows)
    session.flush()
    results = {row.sha256: [result(findings=[found()]), result("badkeys", "1")] for row in rows}

    with statements(session) as count:
        store_lint(session, results, NOW)

    assert len(count) < 40
    assert session.exec(select(func.count()).select_from(LintRun)).one() == 4000


@contextmanager
def statements(session):
    seen = []
    engine = session.get_bind()

    def note(_connection, _cursor, statement, *_):
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)
