"""What linters said about a certificate, kept: never twice by the same version of a linter.

Each linter has a run of its own. One that failed or ran out of time may try again after a day; one
that was absent whenever it is there.

Source: BR 4.3.1.2.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import Session, SQLModel, col, select

from intake.certificates.findings import Finding, LintResult
from intake.certificates.lint_rules import rule_of
from intake.database import insert_rows
from intake.tables import LintFinding, LintRun

RETRY_AFTER = timedelta(days=1)
AT_ONCE = 400  # certificates in one statement


def linters_needed(
    session: Session, sha256s: Sequence[str], versions: Mapping[str, str], now: datetime
) -> dict[str, tuple[str, ...]]:
    """Return for each certificate the linters that have to look at it.

    Args:
        session: a session.
        sha256s: of the certificates.
        versions: of the linters by name; an absent one has an empty version.
        now: decides whether a failed one may try again.
    """
    settled = {
        (run.certificate, run.linter)
        for run in _runs(session, sha256s)
        if run.version == versions.get(run.linter) and not _may_run(run, now)
    }
    return {
        sha256: tuple(name for name in versions if (sha256, name) not in settled)
        for sha256 in sha256s
    }


def _may_run(run: LintRun, now: datetime) -> bool:
    if run.state == "absent":
        return run.version != ""  # it is there by now, or was only out of reach
    return run.state != "done" and now - run.at >= RETRY_AFTER


def store_lint(
    session: Session, results: Mapping[str, Iterable[LintResult]], now: datetime
) -> None:
    """Keep what linters said about certificates, by SHA-256; what is done stays as it is."""
    known = {(run.certificate, run.linter, run.version): run for run in _runs(session, results)}
    new: list[tuple[str, LintResult]] = []
    again: list[tuple[LintRun, LintResult]] = []
    for sha256, many in results.items():
        for result in many:
            run = known.get((sha256, result.linter, result.version))
            if run is None:
                new.append((sha256, result))
            elif run.state != "done":
                again.append((run, result))
    for run, result in again:
        run.profile, run.state, run.at = result.profile, result.state, now
        session.add(run)
        _insert_findings(session, [(run.id or 0, _not_stored(session, run, result))])
    ids = _insert_runs(session, new, now)
    found = [(ids[sha256, one.linter, one.version], one.findings) for sha256, one in new]
    _insert_findings(session, found)


def stored_results(session: Session, sha256: str) -> tuple[LintResult, ...]:
    """Return what each linter said last about a certificate."""
    newest = select_columns(func.max(col(LintRun.id))).where(col(LintRun.certificate) == sha256)
    query = select(LintRun).where(col(LintRun.id).in_(newest.group_by(col(LintRun.linter))))
    runs = session.exec(query.order_by(col(LintRun.linter))).all()
    return tuple(_as_value(session, run) for run in runs)


def _runs(session: Session, sha256s: Iterable[str]) -> list[LintRun]:
    wanted = list(sha256s)
    found: list[LintRun] = []
    for start in range(0, len(wanted), AT_ONCE):
        chunk = wanted[start : start + AT_ONCE]
        found += session.exec(select(LintRun).where(col(LintRun.certificate).in_(chunk))).all()
    return found


def _insert_runs(
    session: Session, new: Sequence[tuple[str, LintResult]], now: datetime
) -> dict[tuple[str, str, str], int]:
    """Insert runs in bulk and return their ids: ten thousand objects would take seconds."""
    rows = [
        {
            "certificate": sha256,
            "linter": one.linter,
            "version": one.version,
            "profile": one.profile,
            "state": one.state,
            "at": now,
        }
        for sha256, one in new
    ]
    if not rows:
        return {}
    insert_rows(session, SQLModel.metadata.tables["lintrun"], rows)
    ids: dict[tuple[str, str, str], int] = {}
    wanted = list(dict.fromkeys(sha256 for sha256, _ in new))
    for start in range(0, len(wanted), AT_ONCE):
        query = select_columns(
            col(LintRun.certificate), col(LintRun.linter), col(LintRun.version), col(LintRun.id)
        ).where(col(LintRun.certificate).in_(wanted[start : start + AT_ONCE]))
        for sha256, linter, version, row in session.execute(query):
            ids[sha256, linter, version] = row or 0
    return ids


def _insert_findings(session: Session, found: Iterable[tuple[int, Iterable[Finding]]]) -> None:
    rows = [
        {
            "run": run,
            "code": one.code,
            "severity": one.severity,
            "message": one.message,
            "citation": one.citation,
            "effective_from": one.effective_from,
            "in_force_at_issuance": one.in_force_at_issuance,
        }
        for run, findings in found
        for one in findings
    ]
    insert_rows(session, SQLModel.metadata.tables["lintfinding"], rows)


def _not_stored(session: Session, run: LintRun, result: LintResult) -> list[Finding]:
    """Return the findings that an earlier try did not come to; none is ever taken away."""
    rows = session.exec(select(LintFinding).where(LintFinding.run == run.id)).all()
    stored = {(row.code, row.message) for row in rows}
    return [one for one in result.findings if (one.code, one.message) not in stored]


def _as_value(session: Session, run: LintRun) -> LintResult:
    rows = session.exec(
        select(LintFinding).where(LintFinding.run == run.id).order_by(col(LintFinding.id))
    ).all()
    findings = tuple(
        Finding(
            linter=run.linter,
            code=row.code,
            severity=row.severity,  # type: ignore[arg-type] # stored from a Finding
            message=row.message,
            citation=row.citation or rule_of(row.code).citation,
            effective_from=row.effective_from,
            in_force_at_issuance=row.in_force_at_issuance,
        )
        for row in rows
    )
    return LintResult(run.linter, run.version, run.profile, run.state, findings)  # type: ignore[arg-type] # stored from a LintResult
