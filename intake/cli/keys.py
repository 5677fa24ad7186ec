"""`intake keys export`: the keys that are proved compromised, for those who must refuse them.

Only public halves stand here. A key is listed by its own digest, which holds for every encoding,
and by the digests of all encodings that we have seen.

Source: BR 6.1.1.3.
"""

import argparse
import csv
import sys
from typing import TYPE_CHECKING, Any

from intake.cli.context import add_command, open_context
from intake.cli.output import print_json, print_line, print_table
from intake.clock import render_instant

if TYPE_CHECKING:
    from sqlmodel import Session

    from intake.tables import ProvenKey

COLUMNS = (
    "key_match", "badkeys_hash", "spki_sha256s", "proved_at", "kind", "method", "verifier",
    "proof_sha256", "message", "ticket", "certificates",
)  # fmt: skip


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `keys`."""
    summary = "keys that are proved compromised"
    group = commands.add_parser("keys", help=summary, description=summary)
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    export = add_command(actions, "export", run_export, "the block list of proven keys")
    form = export.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON document")
    form.add_argument("--csv", action="store_true", help="a line for each key")


def run_export(options: argparse.Namespace) -> int:
    """Print every proven key."""
    context = open_context(options)
    with context.database.read() as session:
        rows = block_list(session)
    if options.json:
        print_json(rows)
    elif options.csv:
        _write_csv(rows)
    else:
        _print_for_people(rows)
    return 0


def block_list(session: "Session") -> list[dict[str, Any]]:
    """Return every proven key with the digests by which it is known again."""
    from sqlmodel import col, select

    from intake.tables import ProvenKey

    query = select(ProvenKey).order_by(col(ProvenKey.proved_at), col(ProvenKey.key_match))
    return [_as_json(session, one) for one in session.exec(query).all()]


def _as_json(session: "Session", key: "ProvenKey") -> dict[str, Any]:
    from sqlmodel import select

    from intake.evidence.public_keys import badkeys_hash
    from intake.tables import Certificate, Message

    query = select(Certificate.sha256, Certificate.spki_sha256).where(
        Certificate.key_match == key.key_match
    )
    found = session.exec(query).all()
    spkis = {key.spki_sha256, *(spki for _, spki in found if spki is not None)}
    message = session.get_one(Message, key.message)
    return {
        "key_match": key.key_match,
        "badkeys_hash": badkeys_hash(key.key_match),
        "spki_sha256s": sorted(spkis),
        "proved_at": render_instant(key.proved_at),
        "kind": key.kind,
        "method": key.method,
        "verifier": key.verifier,
        "proof_sha256": key.proof_sha256,
        "message": message.sha256,
        "ticket": key.ticket,
        "certificates": sorted(sha256 for sha256, _ in found),
    }


def _write_csv(rows: list[dict[str, Any]]) -> None:
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        lists = {name: " ".join(row[name]) for name in ("spki_sha256s", "certificates")}
        writer.writerow(row | lists)


def _print_for_people(rows: list[dict[str, Any]]) -> None:
    if not rows:
        print_line("No key is proved compromised.")
        return
    print_table(
        ("KEY", "PROVED", "TICKET", "CERTIFICATES", "BY"),
        [
            (
                row["key_match"],
                row["proved_at"],
                str(row["ticket"] or ""),
                str(len(row["certificates"])),
                row["method"],
            )
            for row in rows
        ],
    )
    print_line("KEY is the SHA-256 of the RSA modulus or the x coordinate; --json has all digests.")
