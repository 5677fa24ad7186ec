"""What linters said about a certificate, kept: never twice by the same version of a linter.

Source: BR 4.3.1.2.
"""

from datetime import datetime

from sqlmodel import Session, col, select

from intake.certificates.findings import Finding, LintResult
from intake.certificates.lint_rules import rule_of
from intake.certificates.linting import (
    LINTER,
    Linter,
    lint_certificate,
    lint_in,
    linter_version,
    make_worker,
    warm_up,
)
from intake.tables import LintFinding, LintRun

__all__ = [
    "LintResult",
    "Linter",
    "latest_run",
    "lint_certificate",
    "lint_in",
    "make_worker",
    "needs_lint",
    "store_lint",
    "stored_findings",
    "warm_up",
]


def needs_lint(session: Session, sha256: str) -> bool:
    """Say whether this version of the linter has not looked at the certificate yet."""
    run = _run_of(session, sha256, LINTER, linter_version())
    return run is None or run.state == "absent"


def store_lint(session: Session, sha256: str, result: LintResult, now: datetime) -> LintRun:
    """Keep what a linter said; what the same version said before stays, unless it was absent."""
    run = _run_of(session, sha256, result.linter, result.version)
    if run is not None and run.state != "absent":
        return run
    run = run or LintRun(
        certificate=sha256, linter=result.linter, version=result.version, state="", at=now
    )
    run.profile, run.state, run.at = result.profile, result.state, now
    session.add(run)
    session.flush()
    for finding in result.findings:
        session.add(
            LintFinding(
                run=run.id or 0,
                code=finding.code,
                severity=finding.severity,
                message=finding.message,
                citation=finding.citation,
                effective_from=finding.effective_from,
                in_force_at_issuance=finding.in_force_at_issuance,
            )
        )
    session.flush()
    return run


def latest_run(session: Session, sha256: str) -> LintRun | None:
    """Return the newest lint run over a certificate."""
    query = select(LintRun).where(LintRun.certificate == sha256)
    return session.exec(query.order_by(col(LintRun.at).desc(), col(LintRun.id).desc())).first()


def stored_findings(session: Session, sha256: str) -> tuple[Finding, ...]:
    """Return what the newest lint run over a certificate found."""
    run = latest_run(session, sha256)
    if run is None:
        return ()
    rows = session.exec(
        select(LintFinding).where(LintFinding.run == run.id).order_by(col(LintFinding.id))
    ).all()
    return tuple(_as_value(run, row) for row in rows)


def _run_of(session: Session, sha256: str, linter: str, version_: str) -> LintRun | None:
    query = select(LintRun).where(
        LintRun.certificate == sha256, LintRun.linter == linter, LintRun.version == version_
    )
    return session.exec(query).first()


def _as_value(run: LintRun, row: LintFinding) -> Finding:
    return Finding(
        linter=run.linter,
        code=row.code,
        severity=row.severity,  # type: ignore[arg-type] # stored from a Finding
        message=row.message,
        citation=row.citation or rule_of(row.code).citation,
        effective_from=row.effective_from,
        in_force_at_issuance=row.in_force_at_issuance,
    )
