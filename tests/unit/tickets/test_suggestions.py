"""What findings suggest: a mapping that a person confirms, and never a decision."""

from datetime import UTC, datetime

import pytest

from intake.certificates.lint_rules import RULES
from intake.tickets.rules import find_reason
from intake.tickets.suggest import BY_CODE, Hint, suggest

T0 = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def hint(code: str, severity: str = "error", in_force: bool | None = True, message: str = ""):
    return Hint(code, severity, in_force, message)


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        ("badkeys.fermat", "", "weak_key"),
        ("badkeys.roca", "", "weak_key"),
        ("badkeys.blocklist", "Blocklists of compromised keys (debianssl)", "weak_key"),
        ("badkeys.blocklist", "Blocklists of compromised keys (github)", "key_compromise"),
        ("cabf.rsa_modulus_invalid_length", "", "key_no_longer_compliant"),
        ("badkeys.rsainvalid", "", "key_no_longer_compliant"),
        ("cabf.internal_domain_name", "", "not_issued_in_accordance"),
        ("names.wildcard_over_public_suffix", "", "not_issued_in_accordance"),
        ("pkix.some_rule_of_tomorrow", "", "not_issued_in_accordance"),
    ],
)
def test_a_finding_points_to_a_reason_of_the_rules(code, message, reason):
    assert suggest([hint(code, message=message)]) == reason
    assert find_reason(T0, reason) is not None


def test_the_strictest_reason_is_suggested():
    hints = [hint("cabf.internal_domain_name"), hint("badkeys.fermat"), hint("pkix.x")]

    assert suggest(hints) == "weak_key"


@pytest.mark.parametrize(
    "hints",
    [
        [],
        [hint("cabf.x", "warning")],
        [hint("cabf.x", "notice")],
        [hint("cabf.x", in_force=False)],
        [hint("base.unhandled_exception", "fatal")],
        [hint("der.not_a_certificate", "fatal")],
    ],
)
def test_warnings_younger_rules_and_failures_of_linters_suggest_nothing(hints):
    assert suggest(hints) is None


def test_a_rule_of_unknown_date_counts():
    assert suggest([hint("cabf.x", in_force=None)]) == "not_issued_in_accordance"


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ("TLS BR 2.2.5 DV_FINAL_CERTIFICATE", "weak_key"),
        ("S/MIME BR 1.0.11 MAILBOX-STRICT", "smime.weak_key"),
        ("TLS BR 2.2.5 INTERNAL_UNCONSTRAINED_TLS_CA", "sub_ca.key_compromise"),
        ("TLS BR 2.2.5 ROOT_CA", "sub_ca.key_compromise"),
    ],
)
def test_other_kinds_of_certificates_have_other_rules(profile, reason):
    assert suggest([hint("badkeys.fermat")], profile=profile) == reason
    assert find_reason(T0, reason) is not None


def test_every_suggestion_is_a_classification_for_every_kind():
    codes = [code for _, codes in BY_CODE for code in codes] + ["pkix.x"]
    for profile in ("", "S/MIME BR 1.0.11 X", "TLS BR 2.2.5 ROOT_CA"):
        for code in codes:
            reason = suggest([hint(code)], profile=profile)
            assert reason is not None
            assert find_reason(T0, reason) is not None, reason


def test_what_had_ended_before_the_report_needs_no_revocation():
    assert suggest([hint("badkeys.fermat")], is_expired=True) == "expired"


def test_every_code_of_badkeys_in_the_table_of_rules_has_a_reason():
    known = {code for _, codes in BY_CODE for code in codes}

    assert {code for code in RULES if code.startswith("badkeys.")} <= known
