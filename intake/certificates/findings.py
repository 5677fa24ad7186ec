"""What a linter found, as values; pure.

A finding is never proof, and no findings are no innocence: a person confirms. A linter that
failed, ran out of time or was absent has not checked, which is never the same as clean.

Source: BR 4.3.1.2, 8.7.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal

from intake.certificates.lint_rules import rule_of

Severity = Literal["fatal", "error", "warning", "notice", "info"]
State = Literal["done", "failed", "timed_out", "absent"]
SEVERITIES: tuple[Severity, ...] = ("fatal", "error", "warning", "notice", "info")  # worst first
LONGEST_MESSAGE = 500


@dataclass(frozen=True)
class Finding:
    """One result of one lint rule."""

    linter: str
    code: str
    severity: Severity
    message: str
    citation: str
    effective_from: datetime | None = None
    in_force_at_issuance: bool | None = None  # None: we don't know


@dataclass(frozen=True)
class LintResult:
    """What one linter said about one certificate."""

    linter: str
    version: str  # empty where it is absent and we don't know
    profile: str | None
    state: State
    findings: tuple[Finding, ...] = ()
    detail: str = field(default="", compare=False)  # why it is not done


@dataclass(frozen=True)
class Examination:
    """What all linters that were asked said about one certificate, CRL or OCSP response."""

    sha256: str
    kind: str  # certificate | crl | ocsp_response
    readable: bool  # any reader took it for one
    results: tuple[LintResult, ...]

    @property
    def profile(self) -> str | None:
        """Return the rules by which it was judged; None if no linter chose any."""
        return next((one.profile for one in self.results if one.profile), None)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return the findings of all linters."""
        return tuple(finding for one in self.results for finding in one.findings)

    def by(self, linter: str) -> LintResult | None:
        """Return what one linter said; None if it was not asked."""
        return next((one for one in self.results if one.linter == linter), None)


@dataclass(frozen=True)
class FindingGroup:
    """The findings of one code, for a card."""

    code: str
    severity: Severity
    count: int
    message: str  # of the first one
    plain: str  # for people; may be empty
    citation: str
    in_force_at_issuance: bool | None


def make_finding(
    linter: str,
    code: str,
    severity: Severity,
    *,
    message: str = "",
    issued_at: datetime | None,
    since: date | None = None,
) -> Finding:
    """Return a finding with its citation and with the rule's date held against the issuance.

    Args:
        linter: that found it.
        code: of the rule.
        severity: of a breach of it.
        message: in the linter's words.
        issued_at: when the certificate was issued.
        since: when the rule came into force for this certificate, where it is not the table's day.
    """
    rule = rule_of(code, message)
    rule = rule if since is None else replace(rule, since=since)
    since_instant = rule.effective_from
    in_force = None
    if since_instant is not None and issued_at is not None:
        in_force = issued_at >= since_instant
    text = (message or rule.plain)[:LONGEST_MESSAGE]
    return Finding(linter, code, severity, text, rule.citation, since_instant, in_force)


def is_failing(results: Iterable[LintResult], required: Collection[str]) -> bool:
    """Say whether there is something of error severity or worse, or it was not checked.

    Args:
        results: of all linters.
        required: names of linters whose absence means that it was not checked.
    """
    return any(
        one.state in {"failed", "timed_out"}
        or (one.state == "absent" and one.linter in required)
        or any(finding.severity in {"fatal", "error"} for finding in one.findings)
        for one in results
    )


def count_by_severity(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each severity that occurs, the worst first."""
    severities = [finding.severity for finding in findings]
    return {one: severities.count(one) for one in SEVERITIES if one in severities}


def worst_findings(findings: Iterable[Finding], limit: int = 5) -> tuple[FindingGroup, ...]:
    """Group findings by code, the worst first; what was no rule yet at issuance comes last."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.code, []).append(finding)
    worst = [min(group, key=_rank) for group in groups.values()]
    return tuple(
        FindingGroup(
            code=one.code,
            severity=one.severity,
            count=len(groups[one.code]),
            message=one.message,
            plain=rule_of(one.code).plain,
            citation=one.citation,
            in_force_at_issuance=one.in_force_at_issuance,
        )
        for one in sorted(worst, key=_rank)[:limit]
    )


def _rank(finding: Finding) -> tuple[bool, int, str]:
    late = finding.in_force_at_issuance is False
    return late, SEVERITIES.index(finding.severity), finding.code
