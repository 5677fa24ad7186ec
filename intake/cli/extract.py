"""`intake extract`: what one message shows, without configuration or database."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intake.cli.context import add_command
from intake.clock import render_instant
from intake.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from intake.evidence.values import Evidence, FoundCertificate

MEMORY = 1_500_000_000  # bytes of address space for the process that reads the message
SECONDS = 20.0
REASONS = {
    "timed_out": f"reading took longer than {SECONDS:g} seconds and was stopped",
    "out_of_memory": "reading needed more memory than it may use and was stopped",
}
MOST_SHOWN = 50  # lines of one list for people; --json has all


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = add_command(
        commands, "extract", run_extract, "what one message shows; needs no configuration"
    )
    parser.add_argument("file", metavar="FILE", help="a message (.eml), or - for standard input")
    parser.add_argument("--json", action="store_true", help="one JSON document, for programs")


def run_extract(options: argparse.Namespace) -> int:
    """Read the message in a worker process and print what it shows."""
    from intake.cli.output import print_json

    evidence = read_in_worker(_read_bytes(options.file))
    if options.json:
        print_json(evidence_document(evidence))
    else:
        _print_for_people(evidence_document(evidence))
    return 0


def _read_bytes(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        message = f"{name}: {error.strerror or error}. Give the path of a message, or - for standard input."
        raise UsageError(message) from None


def read_in_worker(raw: bytes) -> "Evidence":
    """Extract the evidence where hostile bytes can do no harm."""
    from intake.evidence.extract import LIGHT, READ_AGAIN, Limits, unread_evidence
    from intake.workers import Worker, WorkerFailure

    worker = Worker(memory_bytes=MEMORY)
    why = ""
    try:
        for limits in (Limits(), LIGHT):
            try:
                evidence: Evidence = worker.call(
                    "intake.evidence.extract:extract_evidence", raw, limits, seconds=SECONDS
                )
            except WorkerFailure as failure:
                why = why or REASONS.get(failure.reason, "the message could not be read")
            else:
                again = (f"{why}; {READ_AGAIN}",) if why else ()
                return replace(evidence, limits_hit=(*again, *evidence.limits_hit))
    finally:
        worker.close()
    return unread_evidence(raw, why)


def evidence_document(evidence: "Evidence") -> dict[str, Any]:
    """Return the JSON document that docs and scripts rely on."""
    return {
        "sha256": evidence.sha256,
        "size": evidence.size,
        "message_ids": list(evidence.message_ids),
        "mentioned_message_ids": sorted(evidence.mentioned_message_ids),
        "from": sorted(evidence.senders),
        "subject": evidence.subject,
        "date": render_instant(evidence.date),
        "kind": evidence.kind,
        "crtsh_ids": sorted({int(value) for value in evidence.values_of("crtsh_id")}),
        "sha256_fingerprints": sorted(evidence.values_of("sha256")),
        "sha1_fingerprints": sorted(evidence.values_of("sha1")),
        "spki_sha256": sorted(evidence.values_of("spki_sha256")),
        "serial_numbers": sorted(evidence.values_of("serial_number")),
        "unclassified_hex": sorted(evidence.unclassified_hex),
        "domains": sorted(evidence.domains),
        "urls": sorted(evidence.urls),
        "identifiers": [
            {"kind": one.kind, "value": one.value, "part": one.part, "offset": one.offset}
            for one in evidence.identifiers
        ],
        "certificates": _different(_certificate(one) for one in evidence.certificates),
        "private_keys": _different(
            {"spki_sha256": one.spki_sha256, "kind": one.kind, "encrypted": one.encrypted, "part": one.part}
            for one in evidence.private_keys
        ),
        "csrs": _different({"spki_sha256": one.spki_sha256, "part": one.part} for one in evidence.csrs),
        "unreadable_parts": [
            {"part": one.part, "reason": one.reason} for one in evidence.unreadable_parts
        ],
        "limits_hit": sorted(evidence.limits_hit),
        "key_proofs": _different(
            {"kind": one.kind, "spki_sha256": one.spki_sha256, "key_match": one.key_match, "method": one.method,
             "part": one.part}
            for one in evidence.key_proofs
        ),
        "grounds": list(evidence.grounds),
        "suggested_spam": list(evidence.suggested_spam),
        "claims_to_be_probe": evidence.probe_token is not None,
        "forwarded_from": sorted(evidence.forwarded_from),
        "differing_links": [
            {"part": one.part, "shown": one.shown, "target": one.target} for one in evidence.differing_links
        ],
    }  # fmt: skip


def _certificate(found: "FoundCertificate") -> dict[str, Any]:
    from intake.certificates.read import read_certificate

    facts = read_certificate(found.der)
    return {
        "sha256": found.sha256,
        "serial_number": facts.serial_number,
        "precertificate": facts.precertificate,
        "parsed_by": facts.read_by,
        "part": found.part,
    }


def _different(documents: "Iterable[dict[str, Any]]") -> list[dict[str, Any]]:
    return list({tuple(document.items()): document for document in documents}.values())


def _print_for_people(document: dict[str, Any]) -> None:
    from intake.cli.output import print_line

    for name in (
        "kind",
        "grounds",
        "suggested_spam",
        "from",
        "forwarded_from",
        "subject",
        "date",
        "message_ids",
        "mentioned_message_ids",
        "size",
        "sha256",
    ):
        _print_value(name, document[name])
    for name in (
        "crtsh_ids", "sha256_fingerprints", "sha1_fingerprints", "spki_sha256", "serial_numbers",
        "domains", "urls", "unclassified_hex", "limits_hit",
    ):  # fmt: skip
        _print_value(name, document[name])
    for name in (
        "certificates", "private_keys", "key_proofs", "csrs", "differing_links", "unreadable_parts",
    ):  # fmt: skip
        _print_value(name, [_in_words(one) for one in document[name]])
    if not any(document[name] for name in ("identifiers", "certificates", "private_keys", "csrs")):
        print_line("No certificate or key is named or attached.")


def _print_value(name: str, value: Any) -> None:  # noqa: ANN401 - JSON values
    from intake.cli.output import print_line

    heading = name.replace("_", " ")
    lines = [str(one) for one in value] if isinstance(value, list) else [str(value)]
    if value in (None, [], ""):
        return
    for number, line in enumerate(lines[:MOST_SHOWN]):
        print_line(f"{heading if number == 0 else '':<22} {line}".replace("\n", " "))
    if len(lines) > MOST_SHOWN:
        print_line(f"{'':<22} … and {len(lines) - MOST_SHOWN} more; --json has all")


def _in_words(document: dict[str, Any]) -> str:
    return ", ".join(
        f"{key.replace('_', ' ')} {_plain(value)}"
        for key, value in document.items()
        if value is not None
    )


def _plain(value: Any) -> str:  # noqa: ANN401 - JSON values
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
