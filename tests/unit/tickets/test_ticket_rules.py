"""The dated rules."""

from datetime import UTC, datetime, timedelta

import pytest

from intake.tickets.obligations import obligations_for, revocation
from intake.tickets.rules import RULE_SETS, classifications, find_reason, rules_at

pytestmark = pytest.mark.both_databases

SEED = datetime(2017, 8, 13, 4, 45, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOURS_24 = timedelta(hours=24)
HOURS_120 = timedelta(hours=120)


@pytest.mark.parametrize(
    ("t0", "version"),
    [
        (datetime(2001, 1, 1, tzinfo=UTC), "before 1.6.1"),
        (SEED, "before 1.6.1"),
        (datetime(2018, 10, 13, 23, 59, 59, tzinfo=UTC), "before 1.6.1"),
        (datetime(2018, 10, 14, tzinfo=UTC), "1.6.1 to 2.2.5"),
        (datetime(2026, 3, 30, 23, 59, 59, tzinfo=UTC), "1.6.1 to 2.2.5"),
        (datetime(2026, 3, 31, tzinfo=UTC), "2.2.6"),
        (NOW, "2.2.6"),
    ],
)
def test_rules_are_those_in_force_at_t0(t0: datetime, version: str) -> None:
    assert rules_at(t0).version == version


@pytest.mark.parametrize(
    ("reason", "number", "within"),
    [
        ("subscriber_request", 1, HOURS_24),
        ("request_not_authorised", 2, HOURS_24),
        ("key_compromise", 3, HOURS_24),
        ("weak_key", 4, HOURS_24),
        ("validation_unreliable", 5, HOURS_24),
        ("key_no_longer_compliant", 6, HOURS_120),
        ("misuse", 7, HOURS_120),
        ("obligations_violated", 8, HOURS_120),
        ("name_no_longer_permitted", 9, HOURS_120),
        ("misleading_wildcard", 10, HOURS_120),
        ("information_changed", 11, HOURS_120),
        ("not_issued_in_accordance", 12, HOURS_120),
        ("information_inaccurate", 13, HOURS_120),
        ("right_to_issue_ended", 14, HOURS_120),
        ("required_by_policy", 15, HOURS_120),
        ("key_generation_flawed", 16, HOURS_120),
    ],
)
def test_each_reason_of_br_2_2_6_has_its_number_and_limit(
    reason: str, number: int, within: timedelta
) -> None:
    found = find_reason(NOW, reason)

    assert found is not None
    assert (found[1].number, found[1].within) == (number, within)


def test_in_2017_every_reason_meant_24_hours() -> None:
    reasons = rules_at(SEED).reasons

    assert len(reasons) == 15
    assert {one.within for one in reasons} == {HOURS_24}


@pytest.mark.parametrize(
    ("name", "within"),
    [
        ("smime.key_generation_flawed", HOURS_120),
        ("code_signing.key_generation_flawed", HOURS_24),
        ("code_signing.suspect_code", HOURS_24),
        ("sub_ca.key_compromise", timedelta(days=7)),
    ],
)
def test_other_kinds_of_certificates_have_their_own_limits(name: str, within: timedelta) -> None:
    found = find_reason(NOW, name)

    assert found is not None
    assert found[1].within == within


@pytest.mark.parametrize("name", ["", "nonsense", "smime.misleading_wildcard", "none.misuse"])
def test_what_is_no_reason_is_not_found(name: str) -> None:
    assert find_reason(NOW, name) is None


def test_every_classification_is_known_to_the_rules_or_revokes_nothing() -> None:
    unknown = [name for name in classifications(NOW) if find_reason(NOW, name) is None]

    assert unknown == [
        "already_revoked",
        "expired",
        "no_revocation_needed",
        "not_ours",
        "short_lived",
    ]


def test_sets_of_a_kind_follow_each_other_in_time() -> None:
    for kind in {one.kind for one in RULE_SETS}:
        dates = [one.since for one in RULE_SETS if one.kind == kind]
        assert dates == sorted(dates)


def test_a_message_starts_acknowledgement_and_two_reports_within_24_hours() -> None:
    owed = obligations_for(NOW)

    assert [(one.kind, one.due_at - NOW, one.basis) for one in owed] == [
        ("acknowledgement", HOURS_24, "company rule"),
        ("preliminary_report_to_reporter", HOURS_24, "BR 4.9.5 (2.2.6)"),
        ("preliminary_report_to_subscriber", HOURS_24, "BR 4.9.5 (2.2.6)"),
    ]


def test_before_2018_the_reports_were_no_rule_but_ours() -> None:
    assert all(one.basis.startswith("company rule") for one in obligations_for(SEED))


def test_a_reply_without_anything_new_owes_an_acknowledgement_only() -> None:
    assert [one.kind for one in obligations_for(NOW, reports=False)] == ["acknowledgement"]


@pytest.mark.parametrize(
    ("reason", "within", "basis"),
    [
        (None, HOURS_24, "BR 4.9.1.1 (2.2.6), the strictest limit until classified"),
        ("key_compromise", HOURS_24, "BR 4.9.1.1(3) (2.2.6), key_compromise"),
        ("misuse", HOURS_120, "BR 4.9.1.1(7) (2.2.6), misuse"),
        ("sub_ca.misuse", timedelta(days=7), "BR 4.9.1.2(4) (2.2.6), sub_ca.misuse"),
    ],
)
def test_a_revocation_is_due_by_its_reason(
    reason: str | None, within: timedelta, basis: str
) -> None:
    owed = revocation(NOW, reason)

    assert (owed.due_at - NOW, owed.basis) == (within, basis)


def test_a_day_is_86400_seconds_whatever_clocks_do() -> None:
    """Five days over the end of summer time in Europe are 120 hours."""
    t0 = datetime(2026, 10, 23, 12, 0, tzinfo=UTC)

    assert revocation(t0, "misuse").due_at == t0 + timedelta(seconds=5 * 86_400)


def test_a_reason_that_the_rules_lack_is_an_error() -> None:
    with pytest.raises(KeyError):
        revocation(NOW, "nonsense")
