"""pkimetal, a service that asks many linters, over HTTP: an instance of our own, never the public one.

Its answer counts only if it is complete. It says errors with status 200, and at its deadline it
may send what it has so far; so each of its linters must say that it is done or not used, and
pkimetal itself must complain of nothing.

Source: pkimetal.
"""

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from intake.certificates.findings import Finding, LintResult, Severity, State, make_finding
from intake.certificates.kinds import CERTIFICATE, CRL, OCSP_RESPONSE
from intake.certificates.linters import PKIMETAL
from intake.certificates.linting import Subject
from intake.config.linters import is_public_pkimetal

ENDPOINTS = {CERTIFICATE: "lintcert", CRL: "lintcrl", OCSP_RESPONSE: "lintocsp"}
SECONDS = 40.0  # its own limit is 30
MOST_BYTES = 5 << 20  # of an answer
LARGEST = 7 << 20  # bytes that it takes, in base64
MOST_FINDINGS = 1000
PAUSE_AFTER_SILENCE = 30.0  # seconds; else each certificate would find out by itself
ASK_AGAIN_AFTER = 300.0  # seconds, which linters it has
DONE = re.compile(r"Queued: .*; Runtime: .*; Version: (\S.*)")
NOT_USED = re.compile(r".*: Not used \[Available:(true|false), Applicable:(true|false)\]")
PROFILE = re.compile(r"Profile: (.*); Version: (.*)")
SEVERITIES: dict[str, Severity | None] = {
    "fatal": "fatal",
    "bug": "fatal",
    "error": "error",
    "warning": "warning",
    "notice": "notice",
    "info": "info",
    "debug": None,
    "meta": None,
}


@dataclass(frozen=True)
class Answer:
    """What came over HTTP; None as status: nothing did."""

    status: int | None
    body: bytes = b""
    trouble: str = ""
    is_late: bool = False


@dataclass
class _Reading:
    """What the rows of an answer say."""

    profile: str | None = None
    findings: list[Finding] = field(default_factory=list)
    accounted: set[str] = field(default_factory=set)  # linters that are done or not applicable
    troubles: list[str] = field(default_factory=list)


# ---- pure: is it complete, and what does it say -------------------------------------------------


def read_answer(
    answer: Answer, linters: Collection[str], version: str, *, issued_at: datetime | None
) -> LintResult:
    """Turn an answer into a result, which is done only if nothing is missing.

    Args:
        answer: what came.
        linters: names of those that pkimetal has.
        version: of all of them, as `version_of` gives it.
        issued_at: when the certificate was issued.
    """
    if answer.status is None:
        state: State = "timed_out" if answer.is_late else "absent"
        return LintResult(PKIMETAL, "" if state == "absent" else version, None, state,
                          detail=answer.trouble)  # fmt: skip
    rows = decode_rows(answer.body) if answer.status == 200 else None  # noqa: PLR2004
    if rows is None:
        detail = f"it answered with status {answer.status} and no list of findings"
        return LintResult(PKIMETAL, version, None, "failed", detail=detail)
    reading = _read(rows, issued_at)
    missing = sorted(set(linters) - reading.accounted)
    if missing:
        reading.troubles.append(f"no word of {', '.join(missing)}")
    if reading.profile is None:
        reading.troubles.append("no profile is named")
    state = "failed" if reading.troubles else "done"
    detail = "; ".join(reading.troubles)[:500]
    findings = tuple(reading.findings[:MOST_FINDINGS])
    return LintResult(PKIMETAL, version, reading.profile, state, findings, detail=detail)


def decode_rows(body: bytes) -> list[dict[str, str]] | None:
    """Read the JSON list; None if it is something else."""
    try:
        rows = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return None
    return [{str(key): str(value) for key, value in row.items()} for row in rows]


def version_of(body: bytes) -> tuple[str, tuple[str, ...]]:
    """Return one version for all its linters, and their names; empty if it told nothing usable."""
    rows = decode_rows(body)
    if not rows or any("Name" not in row for row in rows):
        return "", ()
    named = sorted((row["Name"], row.get("Version", "?")) for row in rows)
    return " ".join(f"{name}/{version}" for name, version in named)[:400], tuple(
        name for name, _ in named
    )


def _read(rows: list[dict[str, str]], issued_at: datetime | None) -> _Reading:
    reading = _Reading()
    for row in rows:
        linter, text = row.get("Linter", ""), row.get("Finding", "")
        severity = row.get("Severity", "").lower()
        if linter == PKIMETAL:
            _read_own_row(reading, severity, text)
        elif severity == "meta":
            _read_meta_row(reading, linter, text)
        elif severity not in SEVERITIES:
            reading.troubles.append(f"the severity {severity[:40]!r} is not known")
        elif (known := SEVERITIES[severity]) is not None:
            reading.findings.append(_finding(row, linter, known, issued_at))
    return reading


def _read_own_row(reading: _Reading, severity: str, text: str) -> None:
    match = PROFILE.fullmatch(text)
    if severity == "meta" and match:
        reading.profile = match[1][:100]
    elif severity in {"fatal", "bug", "error"}:
        reading.troubles.append(text[:200] or "it failed and does not say how")


def _read_meta_row(reading: _Reading, linter: str, text: str) -> None:
    if DONE.fullmatch(text):
        reading.accounted.add(linter)
    elif match := NOT_USED.fullmatch(text):
        reading.accounted.add(linter)
        if match[1] == "false" and match[2] == "true":
            reading.troubles.append(f"{linter} applies and is not installed there")


def _finding(
    row: dict[str, str], linter: str, severity: Severity, issued_at: datetime | None
) -> Finding:
    """Name the linter behind pkimetal in the code, so that equal findings of two stay apart."""
    text = row.get("Finding", "")
    code = row.get("Code") or (text if re.fullmatch(r"[a-z0-9_.]{3,120}", text) else "finding")
    where = f"{row['Field'][:100]}: " if row.get("Field") else ""
    made = make_finding(PKIMETAL, code, severity, message=where + text, issued_at=issued_at)
    return Finding(
        PKIMETAL,
        f"{linter}.{code}"[:150] if made.effective_from is None else code,
        severity,
        made.message,
        made.citation if made.citation != "unknown" else f"none ({linter})",
        made.effective_from,
        made.in_force_at_issuance,
    )


# ---- asking -------------------------------------------------------------------------------------


class Pkimetal:
    """A linter that asks a pkimetal; safe to use from several threads."""

    name = PKIMETAL

    def __init__(
        self,
        url: str,
        *,
        timeout: float = SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a client; nothing is asked yet.

        Args:
            url: of our own instance.
            timeout: seconds for an answer.
            monotonic: seconds of a clock that never goes back.

        Raises:
            ValueError: if it is the public instance.
        """
        if is_public_pkimetal(url):
            raise ValueError("the public pkimetal must not see what reports hold")
        self._url = httpx.URL(url if url.endswith("/") else f"{url}/")
        self._timeout = timeout
        self._monotonic = monotonic
        self._http = httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False)
        self._lock = threading.Lock()
        self._known: tuple[str, tuple[str, ...]] = ("", ())
        self._asked_at = float("-inf")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def version(self) -> str:
        """Return the version of all its linters; empty if it does not answer."""
        return self._linters()[0]

    def __call__(self, subject: Subject) -> LintResult:
        """Have one thing linted; total for any bytes and any answer."""
        version, linters = self._linters()
        if not version:
            return LintResult(PKIMETAL, "", None, "absent", detail="it does not answer")
        if len(subject.der) > LARGEST:
            detail = f"{len(subject.der)} bytes are more than it takes"
            return LintResult(PKIMETAL, version, None, "failed", detail=detail)
        form = {
            "b64input": base64.b64encode(subject.der).decode("ascii"),
            "format": "json",
            "severity": "meta",
        }
        answer = self._ask("POST", ENDPOINTS[subject.kind], form)
        return read_answer(answer, linters, version, issued_at=subject.issued_at)

    def _linters(self) -> tuple[str, tuple[str, ...]]:
        with self._lock:
            now = self._monotonic()
            wait = ASK_AGAIN_AFTER if self._known[0] else PAUSE_AFTER_SILENCE
            if now - self._asked_at > wait:
                answer = self._ask("GET", "linters", None)
                self._known = version_of(answer.body) if answer.status == 200 else ("", ())  # noqa: PLR2004
                self._asked_at = now
            return self._known

    def _ask(self, method: str, endpoint: str, form: dict[str, Any] | None) -> Answer:
        """Make one request; what goes wrong is part of the answer."""
        ends_at = self._monotonic() + self._timeout
        try:
            with self._http.stream(method, self._url.join(endpoint), data=form) as response:
                body = bytearray()
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > MOST_BYTES:
                        return Answer(response.status_code, b"", "it sent too much")
                    if self._monotonic() > ends_at:
                        return Answer(None, trouble="it took too long", is_late=True)
                return Answer(response.status_code, bytes(body))
        except httpx.TimeoutException:
            return Answer(None, trouble="it took too long", is_late=True)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            return Answer(None, trouble=f"it can't be reached: {type(error).__name__}")
