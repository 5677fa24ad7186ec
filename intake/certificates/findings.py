"""What a linter found, as values; pure.

A finding is never proof, and no findings are no innocence: a person confirms. A linter that
failed, ran out of time or was absent has not checked, which is never the same as clean.

Source: BR 4.3.1.2, 8.7.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
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
    version: str
    profile: str | None
    state: State
    findings: tuple[Finding, ...] = ()
    readable: bool = True  # any reader took it for a certificate
    detail: str = field(default="", compare=False)  # why it is not done


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
    linter: str, code: str, severity: Severity, *, message: str = "", issued_at: datetime | None
) -> Finding:
    """Return a finding with its citation and with the rule's date held against the issuance."""
    rule = rule_of(code, message)
    since = rule.effective_from
    in_force = None if since is None or issued_at is None else issued_at >= since
    text = (message or rule.plain)[:LONGEST_MESSAGE]
    return Finding(linter, code, severity, text, rule.citation, since, in_force)


def is_failing(result: LintResult) -> bool:
    """Say whether there is something of error severity or worse, or it was not checked."""
    return result.state != "done" or any(
        finding.severity in {"fatal", "error"} for finding in result.findings
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
