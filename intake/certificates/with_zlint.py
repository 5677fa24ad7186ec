"""zlint, a program of its own: one run for each certificate, with limits; its JSON is read.

It knows from when each of its rules is in force and holds back what is younger than the
certificate: what it reports was in force at issuance.

Source: zlint.
"""

import contextlib
import functools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from intake.certificates.findings import LONGEST_MESSAGE, Finding, LintResult, Severity
from intake.certificates.kinds import CERTIFICATE
from intake.certificates.lint_rules import RULES
from intake.certificates.linters import ZLINT
from intake.certificates.linting import Subject

SECONDS = 20.0
MOST_BYTES = 5 << 20  # of its output
CPU_SECONDS = 30
SEVERITIES: dict[str, Severity] = {
    "fatal": "fatal",
    "error": "error",
    "warn": "warning",
    "notice": "notice",
    "info": "info",
}
VERDICTS = frozenset({"pass", "na", "ne", "reserved", *SEVERITIES})
SAFE_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}


class Zlint:
    """A linter that runs the program zlint."""

    name = ZLINT

    def __init__(self, program: str, *, seconds: float = SECONDS) -> None:
        """Prepare it; nothing is run yet.

        Args:
            program: a name on the PATH, or a path.
            seconds: for one certificate.
        """
        self._program = program
        self._seconds = seconds

    def close(self) -> None:
        """Do nothing: each run ends by itself."""

    def version(self) -> str:
        """Return its version; empty where it is not installed."""
        path = shutil.which(self._program)
        return "" if path is None else _version_of(path, Path(path).stat().st_mtime_ns)

    def __call__(self, subject: Subject) -> LintResult:
        """Lint one certificate; total for any bytes and any output."""
        path, version = shutil.which(self._program), self.version()
        if path is None or not version:
            return LintResult(ZLINT, "", None, "absent", detail=f"no {self._program} is installed")
        if subject.kind != CERTIFICATE:
            return LintResult(ZLINT, version, None, "failed", detail="it lints certificates only")
        end = len(subject.der) if subject.parts is None else subject.parts.end
        try:
            done = _run([path, "-format", "der", "-"], subject.der[:end], self._seconds)
        except subprocess.TimeoutExpired:
            detail = f"took longer than {self._seconds:g} s"
            return LintResult(ZLINT, version, None, "timed_out", detail=detail)
        except OSError as error:
            return LintResult(ZLINT, version, None, "failed", detail=str(error.strerror))
        return read_output(done.stdout, done.returncode, version, _citations(path, version))


def read_output(output: bytes, status: int, version: str, citations: dict[str, str]) -> LintResult:
    """Turn its output into a result, which is done only if every rule has a verdict; pure.

    Args:
        output: what it printed.
        status: with which it ended.
        version: of it.
        citations: where each of its rules stands, by name.
    """
    verdicts = _decode(output) if status == 0 else None
    if not verdicts:
        detail = f"ended with status {status} and without findings"
        return LintResult(ZLINT, version, None, "failed", detail=detail)
    unknown = [name for name, one in verdicts.items() if one[0] not in VERDICTS]
    findings = tuple(_findings(verdicts, citations))
    state, detail = (
        ("failed", f"no verdict of {', '.join(unknown[:5])}") if unknown else ("done", "")
    )
    return LintResult(ZLINT, version, None, state, findings, detail=detail)  # type: ignore[arg-type] # literals


def _decode(output: bytes) -> dict[str, tuple[str, str]] | None:
    try:
        table = json.loads(output)
    except (ValueError, RecursionError):
        return None
    if not isinstance(table, dict) or not all(isinstance(one, dict) for one in table.values()):
        return None
    return {
        str(name): (str(one.get("result", "")).lower(), str(one.get("details", "")))
        for name, one in table.items()
    }


def _findings(verdicts: dict[str, tuple[str, str]], citations: dict[str, str]) -> Iterator[Finding]:
    for name, (verdict, details) in sorted(verdicts.items()):
        severity = SEVERITIES.get(verdict)
        if severity is not None:
            code = f"zlint.{name}"
            since = RULES[code].effective_from if code in RULES else None
            message = (details or name.replace("_", " "))[:LONGEST_MESSAGE]
            citation = citations.get(name, "none (zlint)")
            yield Finding(
                ZLINT, code, severity, message, citation, since, in_force_at_issuance=True
            )


# ---- running it ---------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4)
def _version_of(path: str, _changed_at: int) -> str:
    output = _ask(path, "-version")
    match = re.search(rb"version (\S+)", output)
    return match[1].decode("ascii", "replace")[:60] if match else ""


@functools.lru_cache(maxsize=4)
def _citations(path: str, _version: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _ask(path, "-list-lints-json").splitlines():
        try:
            rule: Any = json.loads(line)
            found[str(rule["name"])] = str(rule["citation"])[:200]
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _ask(path: str, option: str) -> bytes:
    try:
        return _run([path, option], b"", SECONDS).stdout
    except (OSError, subprocess.TimeoutExpired):
        return b""


def _run(
    command: list[str], standard_input: bytes, seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """Run it with a time limit, a bounded output and nothing of our environment."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603 - the program that the configuration names
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.DEVNULL,
            env=SAFE_ENVIRONMENT,
            start_new_session=True,
        )
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))
        try:
            process.communicate(standard_input, timeout=seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise
        output.seek(0)
        return subprocess.CompletedProcess(command, process.returncode, output.read(MOST_BYTES))


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End it and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
