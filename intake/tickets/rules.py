"""The regulatory limits: dated data with their citations, selected by the instant T0.

A limit is never a number in the code that uses it. What the company demands of itself beyond the
rules stands at the end; it can only tighten them.

Source: BR 4.9.1.1, 4.9.1.2, 4.9.5 (2.2.6); BR 4.9.1.1 as before ballot SC6; S/MIME BR 4.9.1.1
(1.0.10); Code Signing BR 4.9.1.1 (3.10.0).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DAY = timedelta(seconds=86_400)  # no leap seconds, no business days, no change of the clocks
HOURS_24 = timedelta(hours=24)
DAYS_5 = 5 * DAY
DAYS_7 = 7 * DAY

CRL_REASONS = {
    0: "unspecified",  # no reasonCode extension is written
    1: "keyCompromise",
    4: "superseded",
    5: "cessationOfOperation",
    9: "privilegeWithdrawn",
}


@dataclass(frozen=True)
class Reason:
    """One circumstance in which a certificate must be revoked."""

    key: str
    number: int | None  # in the version of the rule set; None where versions number differently
    within: timedelta  # from T0 to published revocation
    crl_reason: int | None  # RFC 5280 CRLReason; None where the rules name none
    text: str


@dataclass(frozen=True)
class RuleSet:
    """The reasons and limits for one kind of certificate, in force from an instant on."""

    kind: str  # tls | smime | code_signing | sub_ca
    document: str
    version: str
    section: str
    since: datetime
    reasons: tuple[Reason, ...]
    reports: str | None  # the section that demands preliminary reports, if one does

    def reason(self, key: str) -> Reason | None:
        """Return the reason of this key, None if the set has none."""
        return next((one for one in self.reasons if one.key == key), None)

    def cite(self, section: str, number: int | None = None) -> str:
        """Return a citation such as `BR 4.9.1.1(12) (2.2.6)`."""
        item = "" if number is None else f"({number})"
        return f"{self.document} {section}{item} ({self.version})"


TEXTS = {
    "subscriber_request": "the Subscriber asks for it in writing",
    "request_not_authorised": "the Subscriber says that the request was not authorised",
    "key_compromise": "evidence that the private key is compromised",
    "weak_key": "the private key is easily computed from the public key",
    "validation_unreliable": "the validation of a name or address should not be relied on",
    "suspect_code": "the certificate signed Suspect Code",
    "key_no_longer_compliant": "key size or parameters no longer comply",
    "misuse": "evidence that the certificate was misused",
    "obligations_violated": "the Subscriber broke material obligations",
    "name_no_longer_permitted": "use of a name or address is no longer legally permitted",
    "misleading_wildcard": "a wildcard served a fraudulently misleading name",
    "information_changed": "information in the certificate changed materially",
    "not_issued_in_accordance": "not issued in accordance with the requirements, CP or CPS",
    "information_inaccurate": "information in the certificate is inaccurate",
    "operations_ended": "the CA ceases operations without revocation support",
    "right_to_issue_ended": "the CA's right to issue ends without revocation support",
    "ca_key_compromise": "the issuing CA's key may be compromised",
    "required_by_policy": "the CP or CPS requires it",
    "unacceptable_risk": "content or format of the certificate is an unacceptable risk",
    "key_generation_flawed": "a method exposes the key, or its generation was flawed",
}


def _list(
    rows: Iterable[tuple[str, timedelta, int | None]], *, numbered: bool
) -> tuple[Reason, ...]:
    return tuple(
        Reason(key, position if numbered else None, within, crl_reason, TEXTS[key])
        for position, (key, within, crl_reason) in enumerate(rows, start=1)
    )


_BR_2_2_6: tuple[tuple[str, timedelta, int | None], ...] = (
    ("subscriber_request", HOURS_24, 0),
    ("request_not_authorised", HOURS_24, 9),
    ("key_compromise", HOURS_24, 1),
    ("weak_key", HOURS_24, 1),
    ("validation_unreliable", HOURS_24, 4),
    ("key_no_longer_compliant", DAYS_5, 4),
    ("misuse", DAYS_5, 9),
    ("obligations_violated", DAYS_5, 9),
    ("name_no_longer_permitted", DAYS_5, 5),
    ("misleading_wildcard", DAYS_5, 9),
    ("information_changed", DAYS_5, 9),
    ("not_issued_in_accordance", DAYS_5, 4),
    ("information_inaccurate", DAYS_5, 9),
    ("right_to_issue_ended", DAYS_5, 0),
    ("required_by_policy", DAYS_5, 0),
    ("key_generation_flawed", DAYS_5, 1),
)

# Until ballot SC6 every reason meant 24 hours, and BR 4.9.5 asked to begin an investigation within
# 24 hours, not for a preliminary report.
_BR_BEFORE_SC6: tuple[tuple[str, timedelta, int | None], ...] = tuple(
    (key, HOURS_24, None)
    for key in (
        "subscriber_request",
        "request_not_authorised",
        "key_compromise",  # or the key no longer complies
        "misuse",
        "obligations_violated",
        "name_no_longer_permitted",
        "misleading_wildcard",
        "information_changed",
        "not_issued_in_accordance",
        "information_inaccurate",
        "operations_ended",
        "right_to_issue_ended",
        "ca_key_compromise",
        "required_by_policy",
        "unacceptable_risk",
    )
)

_SMIME = tuple((key, within, None) for key, within, _ in _BR_2_2_6 if key != "misleading_wildcard")

_CODE_SIGNING: tuple[tuple[str, timedelta, int | None], ...] = (
    ("subscriber_request", HOURS_24, None),
    ("request_not_authorised", HOURS_24, None),
    ("key_compromise", HOURS_24, None),
    ("weak_key", HOURS_24, None),
    ("key_generation_flawed", HOURS_24, None),  # 24 hours here, 5 days for TLS
    ("suspect_code", HOURS_24, None),
    ("key_no_longer_compliant", DAYS_5, None),
    ("misuse", DAYS_5, None),
    ("obligations_violated", DAYS_5, None),
    ("information_changed", DAYS_5, None),
    ("not_issued_in_accordance", DAYS_5, None),
    ("information_inaccurate", DAYS_5, None),
    ("right_to_issue_ended", DAYS_5, None),
    ("required_by_policy", DAYS_5, None),
)

_SUB_CA: tuple[tuple[str, timedelta, int | None], ...] = tuple(
    (key, DAYS_7, None)
    for key in (
        "subscriber_request",  # the Subordinate CA asks
        "request_not_authorised",
        "key_compromise",  # or the key no longer complies
        "misuse",
        "not_issued_in_accordance",
        "information_inaccurate",
        "operations_ended",
        "right_to_issue_ended",
        "required_by_policy",
    )
)


def _since(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


RULE_SETS = (
    RuleSet(
        "tls", "BR", "before 1.6.1", "4.9.1.1", _since(2012, 7, 1),
        _list(_BR_BEFORE_SC6, numbered=True), reports=None,
    ),
    # The numbering moved between 1.6.1 and 2.2.5, so none is cited.
    RuleSet(
        "tls", "BR", "1.6.1 to 2.2.5", "4.9.1.1", _since(2018, 10, 14),
        _list(_BR_2_2_6, numbered=False), reports="4.9.5",
    ),
    RuleSet(
        "tls", "BR", "2.2.6", "4.9.1.1", _since(2026, 3, 31),
        _list(_BR_2_2_6, numbered=True), reports="4.9.5",
    ),
    RuleSet(
        "smime", "S/MIME BR", "1.0.10", "4.9.1.1", _since(2023, 9, 1),
        _list(_SMIME, numbered=True), reports="4.9.5",
    ),
    RuleSet(
        "code_signing", "Code Signing BR", "3.10.0", "4.9.1.1", _since(2019, 1, 1),
        _list(_CODE_SIGNING, numbered=True), reports=None,
    ),
    RuleSet(
        "sub_ca", "BR", "1.6.1 to 2.2.5", "4.9.1.2", _since(2012, 7, 1),
        _list(_SUB_CA, numbered=False), reports="4.9.5",
    ),
    RuleSet(
        "sub_ca", "BR", "2.2.6", "4.9.1.2", _since(2026, 3, 31),
        _list(_SUB_CA, numbered=True), reports="4.9.5",
    ),
)  # fmt: skip

NO_REVOCATION = {
    "not_ours": "another CA issued it",
    "no_revocation_needed": "none of the reasons of the rules holds",
    "already_revoked": "it was revoked before",
    "expired": "it had expired before the report",
    "short_lived": "a short-lived certificate need not be revoked (BR 4.9.1)",
}
"""Classifications after which no revocation is owed, with what they mean."""

# ---- what the company demands of itself ---------------------------------------------------------

COMPANY_RULE = "company rule"
ACKNOWLEDGE_WITHIN = HOURS_24
REPORT_WITHIN = HOURS_24  # BR 4.9.5 since 1.6.1; by company rule for everything else
UNCLASSIFIED_WITHIN = HOURS_24  # the strictest limit, until a person knows better

REPORT_TO_ASSIGNEE = (timedelta(hours=12), timedelta(hours=18))
REPORT_TO_MANAGERS = timedelta(hours=22)  # beside the assignee
REPORT_OVERDUE = timedelta(hours=24)
REPORT_OVERDUE_EVERY = timedelta(hours=4)


def rules_at(t0: datetime, kind: str = "tls") -> RuleSet:
    """Return the rules for a kind of certificate that were in force at T0.

    A T0 before the first of them gets the first: the oldest rules were the strictest.

    Raises:
        KeyError: if there is no such kind.
    """
    sets = [one for one in RULE_SETS if one.kind == kind]
    if not sets:
        raise KeyError(kind)
    in_force = [one for one in sets if one.since <= t0]
    return in_force[-1] if in_force else sets[0]


def find_reason(t0: datetime, name: str) -> tuple[RuleSet, Reason] | None:
    """Return the reason that a person named, None if the rules at T0 have none of that name.

    Args:
        t0: selects the version of the rules.
        name: `key_compromise`, or `smime.key_compromise` for another kind of certificate.
    """
    kind, _, key = name.rpartition(".")
    try:
        rules = rules_at(t0, kind or "tls")
    except KeyError:
        return None
    reason = rules.reason(key)
    return None if reason is None else (rules, reason)


def classifications(t0: datetime) -> list[str]:
    """Return every name by which a person may classify an item, for messages."""
    kinds = sorted({one.kind for one in RULE_SETS} - {"tls"})
    names = [reason.key for reason in rules_at(t0).reasons]
    names += [f"{kind}.{one.key}" for kind in kinds for one in rules_at(t0, kind).reasons]
    return names + sorted(NO_REVOCATION)
