"""Linting one certificate, in a worker process with limits; the database is not needed here.

Source: BR 4.3.1.2.
"""

import contextlib
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from intake.certificates.der import DerError, split_certificate
from intake.certificates.findings import Finding, LintResult, Severity, State, make_finding
from intake.certificates.read import CertificateFacts, read_certificate
from intake.workers import Worker, WorkerFailure

LINTER = "pkilint"
MEMORY_BYTES = 1 << 30  # for the worker
SECONDS = 20.0
WARM_UP = "intake.certificates.linting:warm_up"
WORKER_FUNCTION = "intake.certificates.linting:lint_certificate"


class Linter(Protocol):
    """Something that has rules for certificates."""

    def __call__(self, der: bytes) -> LintResult:
        """Say what is wrong; total for any bytes."""


def linter_version() -> str:
    """Return the version of the linter; empty if it is not installed."""
    try:
        return version(LINTER)
    except PackageNotFoundError:
        return ""


def lint_certificate(der: bytes) -> LintResult:
    """Lint one certificate in this process; call it in a worker by name."""
    facts = read_certificate(der)
    if not facts.readable:
        finding = _ours("der.not_a_certificate", "fatal", facts, message="; ".join(facts.problems))
        return LintResult(LINTER, linter_version(), None, "done", (finding,), readable=False)
    end = len(der)
    findings = []
    with contextlib.suppress(DerError):  # a reader opened it all the same
        end = split_certificate(der).end
    if end < len(der):
        findings.append(_ours("der.bytes_after_certificate", "error", facts))
    return _lint(der[:end], facts, findings)


def _lint(der: bytes, facts: CertificateFacts, findings: list[Finding]) -> LintResult:
    if not linter_version():
        return LintResult(LINTER, "", None, "absent", tuple(findings), detail="not installed")
    from intake.certificates import with_pkilint  # noqa: PLC0415 - slow to import

    profile: str | None = None
    state: State = "done"
    detail = ""
    try:
        profile, found = with_pkilint.lint_with_pkilint(der, issued_at=facts.not_before)
        findings += found
    except ValueError as error:
        text = f"pkilint can't open it: {error}"
        findings.append(_ours("der.encoding_invalid", "fatal", facts, message=text, linter=LINTER))
    except MemoryError:
        raise  # the worker says so
    except Exception as error:  # noqa: BLE001 - the lint runner: its crash is "not checked"
        state, detail = "failed", type(error).__name__
    return LintResult(LINTER, with_pkilint.VERSION, profile, state, tuple(findings), detail=detail)


def _ours(
    code: str,
    severity: Severity,
    facts: CertificateFacts,
    *,
    message: str = "",
    linter: str = "intake",
) -> Finding:
    return make_finding(linter, code, severity, message=message, issued_at=facts.not_before)


def warm_up() -> None:
    """Get ready for the first certificate; the worker calls it once."""
    if linter_version():
        from intake.certificates import with_pkilint  # noqa: PLC0415 - slow to import

        with_pkilint.warm_up()


def make_worker(*, for_long: bool) -> Worker:
    """Return a worker with the limits that linting needs.

    Args:
        for_long: get ready for the commonest profiles first; a second that a service has to spare.
    """
    return Worker(memory_bytes=MEMORY_BYTES, warm_up=WARM_UP if for_long else None)


def lint_in(worker: Worker, der: bytes, *, seconds: float = SECONDS) -> LintResult:
    """Lint one certificate in a worker; a worker that fails has not checked it."""
    try:
        return _call(worker, der, seconds)
    except WorkerFailure as failure:
        state: State = "timed_out" if failure.reason == "timed_out" else "failed"
        return LintResult(
            LINTER,
            linter_version(),
            None,
            state,
            readable=_has_shape(der),
            detail=f"{failure.reason}: {failure.detail}",
        )


def _call(worker: Worker, der: bytes, seconds: float) -> LintResult:
    try:
        result: LintResult = worker.call(WORKER_FUNCTION, der, seconds=seconds)
    except WorkerFailure as failure:
        if failure.reason != "crashed":
            raise
        # Once more: what ended the process may have been another certificate, or the kernel.
        result = worker.call(WORKER_FUNCTION, der, seconds=seconds)
    return result


def _has_shape(der: bytes) -> bool:
    try:
        split_certificate(der)
    except DerError:
        return False
    return True
