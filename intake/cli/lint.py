"""`intake lint`: findings for certificates, CRLs and OCSP responses; no configuration, no database."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intake.cli.context import add_command
from intake.cli.output import print_line
from intake.clock import render_instant
from intake.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from intake.certificates.findings import Examination, FindingGroup

MANY = 8  # from so many on, more than one worker is worth its start
SECONDS = 60.0  # for one of them: a large CRL takes its time, and nobody else waits
MOST_SHOWN = 50  # different codes of one certificate, for people


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = add_command(commands, "lint", run, "findings for certificates, CRLs, OCSP responses")
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="PEM or DER, several in a file; - is standard input",
    )
    parser.add_argument("--json", action="store_true", help="one JSON line for each")


def run(options: argparse.Namespace) -> int:
    """Lint everything in every file.

    Returns:
        1 if anything is of error severity or worse or was not checked, else 0.
    """
    from intake.certificates.findings import is_failing
    from intake.certificates.lint_pool import LintPool, LintTask
    from intake.certificates.linters import ALWAYS

    found = list(_lintables(options.files))
    tasks = [LintTask(der, kind) for _, kind, der in found]
    show = _print_json if options.json else _print_for_people
    failing = False
    with LintPool(for_long=False, workers=1 if len(tasks) < MANY else None) as pool:
        examinations = pool.lint(tasks, seconds=SECONDS)
        for (file, _, der), examination in zip(found, examinations, strict=True):
            show(file, der, examination)
            failing = failing or is_failing(examination.results, ALWAYS)
    return 1 if failing else 0


def _lintables(files: list[str]) -> "Iterator[tuple[str, str, bytes]]":
    """Yield all that can be linted with its file; complain of files that can't be read together."""
    from intake.certificates.kinds import CERTIFICATE, lintables_in

    contents, problems = [], []
    for file in files:
        try:
            contents.append((file, _read(file)))
        except OSError as error:
            problems.append(f"{file}: {error.strerror}")
    if problems:
        listed = "\n".join(problems)
        message = f"These files can't be read; nothing was linted:\n{listed}"
        raise UsageError(message)
    for file, content in contents:
        yield from ((file, *one) for one in lintables_in(content) or [(CERTIFICATE, b"")])


def _read(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


# ---- output ------------------------------------------------------------------------------------


def _print_json(file: str, _der: bytes, examination: "Examination") -> None:
    sys.stdout.write(json.dumps(_as_json(file, examination), ensure_ascii=True) + "\n")
    sys.stdout.flush()


def _as_json(file: str, examination: "Examination") -> dict[str, Any]:
    return {
        "file": file,
        "sha256": examination.sha256,
        "readable": examination.readable,
        "profile": examination.profile or "",
        "linters": [
            {"name": one.linter, "version": one.version, "state": one.state}
            for one in examination.results
        ],
        "findings": [
            {
                "linter": finding.linter,
                "code": finding.code,
                "severity": finding.severity,
                "message": finding.message,
                "citation": finding.citation,
                "effective_from": render_instant(finding.effective_from),
                "in_force_at_issuance": finding.in_force_at_issuance,
            }
            for finding in examination.findings
        ],
    }


def _print_for_people(file: str, der: bytes, examination: "Examination") -> None:
    from intake.certificates.findings import worst_findings
    from intake.certificates.kinds import CERTIFICATE

    if examination.kind == CERTIFICATE:
        _print_certificate(file, der)
    else:
        print_line(f"{file}: {examination.kind.replace('_', ' ')}")
        print_line(f"  SHA-256        {examination.sha256}")
    print_line(f"  judged by      {examination.profile or 'no profile'}")
    for one in examination.results:
        if one.state == "done":
            print_line(f"  checked by     {one.linter} {one.version}")
    for one in examination.results:
        if one.state != "done":
            why = f"{one.state.replace('_', ' ')}: {one.detail}"
            print_line(f"  NOT CHECKED by {one.linter} ({why})")
    groups = worst_findings(examination.findings, limit=MOST_SHOWN)
    for group in groups:
        _print_group(group)
    if not groups:
        print_line("  no findings (which is no proof that nothing is wrong)")
    print_line()


def _print_certificate(file: str, der: bytes) -> None:
    from intake.certificates.read import read_certificate

    facts = read_certificate(der)
    print_line(f"{file}: {facts.subject or 'no subject'}")
    print_line(f"  SHA-256        {facts.sha256}")
    print_line(f"  serial number  {facts.serial_number or 'can not be read'}")
    print_line(f"  issuer         {facts.issuer or 'can not be read'}")


def _print_group(group: "FindingGroup") -> None:
    times = f" ({group.count} times)" if group.count > 1 else ""
    print_line(f"  {group.severity.upper():8} {group.code}{times}")
    for text in dict.fromkeys((group.plain, group.message)):
        if text:
            print_line(f"           {text}")
    late = group.in_force_at_issuance is False
    print_line(f"           {group.citation}{'; not in force when it was issued' if late else ''}")
