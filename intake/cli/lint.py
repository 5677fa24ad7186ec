"""`intake lint`: findings for the certificates of files, with no configuration and no database."""

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

    from intake.certificates.findings import FindingGroup, LintResult

OURSELVES = "intake"  # as the linter of what our readers found
MOST_SHOWN = 50  # different codes of one certificate, for people


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = add_command(commands, "lint", run, "findings for certificates")
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="PEM or DER, several in a file; - is standard input",
    )
    parser.add_argument("--json", action="store_true", help="one JSON line per certificate")


def run(options: argparse.Namespace) -> int:
    """Lint every certificate of every file.

    Returns:
        1 if anything is of error severity or worse or was not checked, else 0.
    """
    from intake.certificates.findings import is_failing
    from intake.certificates.linting import lint_in, make_worker

    certificates = list(_certificates(options.files))
    show = _print_json if options.json else _print_for_people
    failing = False
    worker = make_worker(for_long=False)
    try:
        for file, der in certificates:
            result = lint_in(worker, der)
            show(file, der, result)
            failing = failing or is_failing(result)
    finally:
        worker.close()
    return 1 if failing else 0


def _certificates(files: list[str]) -> "Iterator[tuple[str, bytes]]":
    """Yield each certificate with its file; complain of all files that can't be read together."""
    from intake.certificates.read import certificates_in

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
        yield from ((file, der) for der in certificates_in(content) or [b""])


def _read(file: str) -> bytes:
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


# ---- output ------------------------------------------------------------------------------------


def _print_json(file: str, der: bytes, result: "LintResult") -> None:
    sys.stdout.write(json.dumps(_as_json(file, der, result), ensure_ascii=True) + "\n")
    sys.stdout.flush()


def _as_json(file: str, der: bytes, result: "LintResult") -> dict[str, Any]:
    import hashlib

    return {
        "file": file,
        "sha256": hashlib.sha256(der).hexdigest(),
        "readable": result.readable,
        "profile": result.profile,
        "linters": _linters(result),
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
            for finding in result.findings
        ],
    }


def _linters(result: "LintResult") -> list[dict[str, str]]:
    """Name the linter, and our own reading where it found something."""
    from importlib.metadata import version

    linters = [{"name": result.linter, "version": result.version, "state": result.state}]
    if any(finding.linter == OURSELVES for finding in result.findings):
        linters.append({"name": OURSELVES, "version": version("cpr-intake"), "state": "done"})
    return linters


def _print_for_people(file: str, der: bytes, result: "LintResult") -> None:
    from intake.certificates.findings import worst_findings
    from intake.certificates.read import read_certificate

    facts = read_certificate(der)
    print_line(f"{file}: {facts.subject or 'no subject'}")
    print_line(f"  SHA-256        {facts.sha256}")
    print_line(f"  serial number  {facts.serial_number or 'can not be read'}")
    print_line(f"  issuer         {facts.issuer or 'can not be read'}")
    print_line(
        f"  judged by      {result.linter} {result.version}, {result.profile or 'no profile'}"
    )
    if result.state != "done":
        print_line(f"  NOT CHECKED: {result.state.replace('_', ' ')} ({result.detail})")
    groups = worst_findings(result.findings, limit=MOST_SHOWN)
    for group in groups:
        _print_group(group)
    if result.state == "done" and not groups:
        print_line("  no findings (which is no proof that nothing is wrong)")
    print_line()


def _print_group(group: "FindingGroup") -> None:
    times = f" ({group.count} times)" if group.count > 1 else ""
    print_line(f"  {group.severity.upper():8} {group.code}{times}")
    for text in dict.fromkeys((group.plain, group.message)):
        if text:
            print_line(f"           {text}")
    late = group.in_force_at_issuance is False
    print_line(f"           {group.citation}{'; not in force when it was issued' if late else ''}")
