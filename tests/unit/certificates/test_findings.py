"""Findings as values: the date of a rule, the worst first."""

from datetime import UTC, datetime

import pytest

from intake.certificates.findings import (
    LintResult,
    count_by_severity,
    is_failing,
    make_finding,
    worst_findings,
)
from intake.certificates.lint_rules import RULES, rule_of

IN_2017 = datetime(2017, 3, 1, tzinfo=UTC)
IN_2026 = datetime(2026, 6, 1, tzinfo=UTC)
TOO_LONG = "cabf.serverauth.certificate_validity_period_exceeds_398_days"
INTERNAL = "cabf.internal_domain_name"


def finding(code: str, severity="error", issued_at=IN_2017, message=""):
    return make_finding("pkilint", code, severity, message=message, issued_at=issued_at)


def test_a_rule_younger_than_the_certificate_was_not_in_force():
    assert finding(TOO_LONG).in_force_at_issuance is False
    assert finding(TOO_LONG, issued_at=IN_2026).in_force_at_issuance is True
    assert finding(TOO_LONG).effective_from == datetime(2020, 9, 1, tzinfo=UTC)
    assert finding(TOO_LONG).citation == "BR 6.3.2"


@pytest.mark.parametrize(("label", "in_force"), [("foo_bar", False), ("*", True), ("a b", True)])
def test_underscores_were_forbidden_later_than_other_characters(label, in_force):
    message = f'Non-LDH domain label "{label}" in domain name "{label}.example.com"'
    code = "cabf.serverauth.invalid_dnsname_syntax"

    assert finding(code, message=message).in_force_at_issuance is in_force


def test_what_is_not_known_is_not_claimed():
    unknown = finding("pkix.some_rule_of_tomorrow")

    assert (unknown.effective_from, unknown.in_force_at_issuance) == (None, None)
    assert unknown.citation == "RFC 5280"
    assert finding(INTERNAL, issued_at=None).in_force_at_issuance is None


def test_a_finding_without_words_gets_plain_english():
    assert finding(INTERNAL).message.startswith("A name ends in no top-level domain")
    assert finding(INTERNAL, message='Internal domain name: "x"').message.endswith('"x"')


def test_the_worst_come_first_and_equal_codes_are_counted():
    groups = worst_findings(
        [
            finding("cabf.a_notice", "notice"),
            finding(INTERNAL, message="one"),
            finding(TOO_LONG),
            finding("itu.invalid_asn1_syntax", "fatal", IN_2026),
            finding(INTERNAL, message="two"),
        ],
        limit=4,
    )

    assert [(group.code, group.count) for group in groups] == [
        ("itu.invalid_asn1_syntax", 1),
        (INTERNAL, 2),
        ("cabf.a_notice", 1),
        (TOO_LONG, 1),
    ]
    assert groups[1].message == "one"


def test_findings_are_counted_by_severity_the_worst_first():
    counts = count_by_severity([finding("a", "warning"), finding("b"), finding("c")])

    assert list(counts.items()) == [("error", 2), ("warning", 1)]


def test_not_checked_is_never_clean():
    assert not is_failing([LintResult("pkilint", "1", "p", "done")], {"pkilint"})
    for state in ("failed", "timed_out", "absent"):
        assert is_failing([LintResult("pkilint", "1", None, state)], {"pkilint"})


def test_only_a_linter_that_is_required_is_missed():
    absent = [LintResult("badkeys-blocklist", "", None, "absent")]

    assert not is_failing(absent, {"pkilint"})
    assert is_failing(absent, {"badkeys-blocklist"})


def test_every_rule_has_a_citation_and_plain_english():
    for code, rule in RULES.items():
        assert rule.citation, code
        assert rule.plain.endswith("."), code
        assert rule_of(code) is rule
