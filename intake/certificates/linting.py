"""Linting in this process: every linter that asks nobody outside. Workers call it by name.

Each linter has a result of its own: one that fails or is absent takes nothing from the others,
and is never the same as clean.

Source: BR 4.3.1.2.
"""

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

from cryptography import x509
from cryptography.x509 import ocsp

from intake.certificates import own_checks
from intake.certificates.contents import contents_of, public_key_of
from intake.certificates.der import CertificateParts
from intake.certificates.findings import Examination, Finding, LintResult, make_finding
from intake.certificates.kinds import CERTIFICATE, CRL, OCSP_RESPONSE
from intake.certificates.linters import BADKEYS, BLOCK_LIST, BUILT_IN, OWN, PKILINT
from intake.certificates.read import REFUSALS, CertificateFacts, read_with_parts

LONGEST_OCSP = timedelta(days=10)
NICENESS = 5  # of a worker: mail and notices go first


@dataclass(frozen=True)
class Subject:
    """What is linted, with what the readers gave."""

    der: bytes
    kind: str = CERTIFICATE
    issued_at: datetime | None = None
    facts: CertificateFacts | None = None  # of a certificate
    parts: CertificateParts | None = None  # of a certificate that could be taken apart

    @property
    def days(self) -> Mapping[str, date]:
        """Return the rules that came into force for it on another day than the table's."""
        if self.facts is None or self.parts is None:
            return {}
        return own_checks.days_in_force(self.facts, contents_of(self.parts))


class Linter(Protocol):
    """Something that has rules for certificates."""

    @property
    def name(self) -> str:
        """Return its name, by which its results are stored."""

    def version(self) -> str:
        """Return its version; empty where it is absent."""

    def __call__(self, subject: Subject) -> LintResult:
        """Say what is wrong; total for any bytes."""


@dataclass(frozen=True)
class BuiltIn:
    """A linter that is called in process.

    `check` returns the name of the profile, if it has one, and the findings; it may raise.
    """

    name: str
    find_version: Callable[[], str]
    check: Callable[[Subject], tuple[str | None, list[Finding]]]

    def version(self) -> str:
        """Return its version; empty where it is absent."""
        return self.find_version()

    def __call__(self, subject: Subject) -> LintResult:
        """Run the check; its crash is "not checked"."""
        its_version = self.version()
        if not its_version:
            return LintResult(self.name, "", None, "absent", detail="not installed")
        try:
            profile, findings = self.check(subject)
        except (MemoryError, KeyboardInterrupt):
            raise  # the worker says so
        except BaseException as error:  # noqa: BLE001 - the lint runner: its crash is "not checked",
            # a panic in a linter's native code and an attempt to end the process too
            detail = f"{type(error).__name__} {error}"[:200]
            return LintResult(self.name, its_version, None, "failed", detail=detail)
        return LintResult(self.name, its_version, profile, "done", tuple(findings))


def examine(der: bytes, kind: str = CERTIFICATE, wanted: Collection[str] = BUILT_IN) -> Examination:
    """Lint one certificate, CRL or OCSP response; total for any bytes.

    Args:
        der: the exact bytes.
        kind: what it is.
        wanted: the linters to ask; those that don't apply to the kind are not.
    """
    subject, readable = _subject(der, kind)
    names = [one for one in BUILT_IN if one in wanted and (kind == CERTIFICATE or one in FOR_LISTS)]
    results = tuple(LINTERS[one](subject) for one in names)
    return Examination(hashlib.sha256(der).hexdigest(), kind, readable, results)


def examine_each(tasks: Sequence[tuple[bytes, str, Collection[str]]]) -> list[Examination]:
    """Lint several; one call of a worker for many."""
    return [examine(*task) for task in tasks]


def built_in_versions() -> dict[str, str]:
    """Return the version of each linter; empty where it is absent."""
    return {name: linter.version() for name, linter in LINTERS.items()}


def warm_up() -> None:
    """Get ready for the first certificate; a worker calls it once."""
    own_checks.warm_up()
    if _pkilint_version():
        from intake.certificates import with_pkilint  # noqa: PLC0415 - slow to import

        with_pkilint.warm_up()


def warm_up_worker() -> None:
    """Get ready, and step back behind the processes that people wait for."""
    be_modest()
    warm_up()


def be_modest() -> None:
    """Step back behind the processes that people wait for."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)


# ---- what is linted ----------------------------------------------------------------------------


def read_subject(der: bytes, kind: str = CERTIFICATE) -> Subject:
    """Read what is needed for judging; total for any bytes."""
    return _subject(der, kind)[0]


def _subject(der: bytes, kind: str) -> tuple[Subject, bool]:
    """Read what is needed for judging; say whether it is what it should be."""
    if kind != CERTIFICATE:
        issued_at = _time_of_list(der, kind)
        return Subject(der, kind, issued_at), issued_at is not None
    facts, parts = read_with_parts(der)
    return Subject(der, kind, facts.not_before, facts, parts), facts.readable


def _time_of_list(der: bytes, kind: str) -> datetime | None:
    try:
        if kind == CRL:
            return x509.load_der_x509_crl(der).last_update_utc
        return ocsp.load_der_ocsp_response(der).produced_at_utc
    except REFUSALS:
        return None


# ---- the linters -------------------------------------------------------------------------------


@functools.cache
def installed_version(package: str) -> str:
    """Return the version of a package; empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _pkilint_version() -> str:
    return installed_version(PKILINT)


def _check_with_pkilint(subject: Subject) -> tuple[str | None, list[Finding]]:
    if subject.facts is not None and not subject.facts.readable:
        raise NotThereError("no certificate could be read")
    from intake.certificates import with_pkilint  # noqa: PLC0415 - slow to import

    end = len(subject.der) if subject.parts is None else subject.parts.end
    try:
        return with_pkilint.lint_with_pkilint(
            subject.der[:end],
            issued_at=subject.issued_at,
            kind=subject.kind,
            days=subject.days,
        )
    except ValueError as error:
        code, text = "der.encoding_invalid", f"pkilint can't open it: {error}"
        finding = make_finding(PKILINT, code, "fatal", message=text, issued_at=subject.issued_at)
        return None, [finding]


class NotThereError(Exception):
    """There is nothing that could be checked."""


def _check_ourselves(subject: Subject) -> tuple[str | None, list[Finding]]:
    if subject.facts is None:
        return None, _check_list(subject)
    facts, parts = subject.facts, subject.parts
    if not facts.readable:
        text = "; ".join(facts.problems)
        return None, [_ours("der.not_a_certificate", "fatal", subject, text)]
    findings = []
    if parts is not None and parts.end < len(subject.der):
        findings.append(_ours("der.bytes_after_certificate", "error", subject))
    if parts is not None:
        findings += own_checks.check_certificate(facts, parts)
    return None, findings


def _check_list(subject: Subject) -> list[Finding]:
    """Check a CRL or an OCSP response."""
    if subject.issued_at is None:
        return [_ours("der.not_a_certificate", "fatal", subject, f"no {subject.kind} can be read")]
    if subject.kind != OCSP_RESPONSE:
        return []
    spans = [
        one.next_update_utc - one.this_update_utc
        for one in ocsp.load_der_ocsp_response(subject.der).responses
        if one.next_update_utc is not None
    ]
    if not spans or max(spans) <= LONGEST_OCSP:
        return []
    text = f"The OCSP response is valid for {max(spans).days} days."
    return [_ours("ocsp.valid_for_over_10_days", "error", subject, text)]


def _ours(code: str, severity: str, subject: Subject, message: str = "") -> Finding:
    return make_finding(OWN, code, severity, message=message, issued_at=subject.issued_at)  # type: ignore[arg-type] # literals


def _badkeys_version() -> str:
    return installed_version(BADKEYS)


def _block_list_version() -> str:
    if not _badkeys_version():
        return ""
    from intake.certificates import with_badkeys  # noqa: PLC0415 - slow to import

    return with_badkeys.block_list_version()


def _check_key(subject: Subject) -> tuple[str | None, list[Finding]]:
    from intake.certificates import with_badkeys  # noqa: PLC0415 - slow to import

    key = None if subject.parts is None else public_key_of(subject.parts.spki)
    return None, with_badkeys.check_offline(key, issued_at=subject.issued_at)


def _look_up_key(subject: Subject) -> tuple[str | None, list[Finding]]:
    from intake.certificates import with_badkeys  # noqa: PLC0415 - slow to import

    key = None if subject.parts is None else public_key_of(subject.parts.spki)
    return None, with_badkeys.check_block_list(key, issued_at=subject.issued_at)


FOR_LISTS = (PKILINT, OWN)
LINTERS: dict[str, Linter] = {
    PKILINT: BuiltIn(PKILINT, _pkilint_version, _check_with_pkilint),
    OWN: BuiltIn(OWN, own_checks.own_version, _check_ourselves),
    BADKEYS: BuiltIn(BADKEYS, _badkeys_version, _check_key),
    BLOCK_LIST: BuiltIn(BLOCK_LIST, _block_list_version, _look_up_key),
}
