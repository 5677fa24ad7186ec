"""What the linters leave out and reporters do report, judged by the rules of the day."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from intake.certificates.linters import OWN, PKILINT
from intake.certificates.linting import examine
from intake.certificates.own_checks import COMMON_NAME_CODE
from tests.issue import make_certificate

IN_2014 = datetime(2014, 3, 1, tzinfo=UTC)
IN_2017 = datetime(2017, 3, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


def check(*names: str, **more):
    """Return code, severity and message of what our own checks find."""
    found = examine(make_certificate(*names, **more), wanted=(OWN,)).by(OWN).findings
    return [(one.code.rpartition(".")[2], one.severity, one.in_force_at_issuance) for one in found]


def test_a_sound_certificate_has_no_finding():
    assert check("www.example.com", "*.example.co.uk", common_name="www.example.com") == []


@pytest.mark.parametrize("name", ["*.com", "*.co.uk", "*.CO.UK", "*.xn--p1ai", "*.kawasaki.jp"])
def test_a_wildcard_over_a_public_suffix_is_found(name):
    assert check(name) == [("wildcard_over_public_suffix", "error", True)]


@pytest.mark.parametrize("name", ["*.example.com", "*.github.io", "co.uk", "*.foo.example.co.uk"])
def test_other_wildcards_are_nobodys_business(name):
    assert check(name) == []


def test_wildcards_over_suffixes_were_no_rule_before_the_baseline_requirements():
    found = check("*.com", begin=datetime(2011, 1, 1, tzinfo=UTC), end=IN_2014)

    assert found == [("wildcard_over_public_suffix", "error", False)]


def test_a_name_under_a_domain_that_came_later_could_be_nobodys():
    assert check("shop.app", begin=IN_2014, end=IN_2014 + YEAR) == [
        ("not_in_public_dns", "error", False)
    ]
    assert check("shop.app", begin=IN_2014, end=IN_2014 + 3 * YEAR) == [
        ("not_in_public_dns", "error", True)
    ]
    assert check("shop.app") == []


def test_a_domain_that_was_given_up_since_is_not_held_against_a_certificate():
    assert check("www.budapest", begin=IN_2017, end=IN_2017 + YEAR) == []


def test_a_common_name_outside_of_the_alternative_names_is_looked_at_too():
    assert check("www.example.com", common_name="mail.corp.local") == [
        ("not_in_public_dns", "error", True)
    ]
    assert check("www.example.com", common_name="Ms. Smith, 2nd.floor") == []
    assert check("www.example.com", common_name="192.0.2.7") == []


def test_internal_names_were_allowed_until_november_2015_if_the_certificate_ended_by_then():
    def judged(end):
        found = examine(make_certificate("mail.corp.local", begin=IN_2014, end=end)).findings
        return [one.in_force_at_issuance for one in found if "internal" in one.code]

    assert judged(datetime(2015, 10, 31, tzinfo=UTC)) == [False]
    assert judged(datetime(2016, 3, 1, tzinfo=UTC)) == [True]


def test_the_same_name_twice_is_no_more_than_a_notice():
    assert check("www.example.com", "WWW.example.com", "a.example") != []
    assert ("duplicate", "notice", None) in check("www.example.com", "WWW.example.com")


def test_case_matters_in_a_common_name_since_october_2021():
    def judged(**more):
        der = make_certificate("www.example.com", common_name="WWW.example.com", **more)
        found = {one.code: one for one in examine(der).findings}
        return (
            found[COMMON_NAME_CODE].in_force_at_issuance,
            found["names.common_name_in_other_case"].in_force_at_issuance,
        )

    assert judged() == (True, True)
    assert judged(begin=IN_2017, end=IN_2017 + YEAR) == (False, False)


def test_another_common_name_was_never_allowed():
    der = make_certificate(
        "www.example.com", common_name="other.example", begin=IN_2017, end=IN_2017 + YEAR
    )
    found = {one.code: one for one in examine(der).findings}

    assert found[COMMON_NAME_CODE].in_force_at_issuance is True


@pytest.mark.parametrize(("bits", "expected"), [(20, True), (63, True), (64, False), (150, False)])
def test_a_short_serial_number_is_a_notice(bits, expected):
    found = check("www.example.com", serial_number=1 << (bits - 1))

    assert found == ([("short", "notice", True)] if expected else [])


def test_a_ca_and_a_mail_certificate_are_not_judged_by_names_of_servers():
    ca = ((x509.BasicConstraints(ca=True, path_length=None), True),)
    mail = (x509.ObjectIdentifier("1.3.6.1.5.5.7.3.4"),)

    assert check("*.com", extensions=ca, purposes=()) == []
    assert check("*.com", purposes=mail) == []


def test_100000_names_are_looked_at_within_bounds():
    names = [f"h{number}.local" for number in range(3000)]
    found = examine(make_certificate(*names, "*.com", *(["a.example.com"] * 2)), wanted=(OWN,))

    assert len(found.findings) <= 150
    assert found.by(PKILINT) is None
