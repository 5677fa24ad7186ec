"""`intake archive verify`: every stored message against its digest. `rekey`: a new archive key."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intake.cli.context import Context, add_command, open_context
from intake.cli.output import print_json, print_line
from intake.cli.progress import progress
from intake.errors import ConfigError, ConfigProblem, UsageError, VerificationError

if TYPE_CHECKING:
    from intake.archive.rekey import Rekeyed
    from intake.archive.seal import ArchiveKey
    from intake.archive.verify import Verified

MOST_NAMED = 50


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `archive`."""
    summary = "the stored messages: verify every one, or seal them under a new key"
    parser = add_command(commands, "archive", _no_such, summary)
    actions = parser.add_subparsers(dest="action", required=True, metavar="verify|rekey")
    verify_parser = add_command(
        actions, "verify", verify, "every message and certificate against its digest"
    )
    verify_parser.add_argument("--json", action="store_true", help="one JSON document")
    rekey_parser = add_command(actions, "rekey", rekey, "seal everything under a new key")
    rekey_parser.add_argument(
        "file",
        metavar="NEW_KEY_FILE",
        type=Path,
        help="the new key; it is made where there is no file. To go on, name the same one again",
    )


def _no_such(_options: argparse.Namespace) -> int:
    message = "say verify or rekey"
    raise UsageError(message)


# ---- verify ------------------------------------------------------------------------------------


def verify(options: argparse.Namespace) -> int:
    """Open every seal; status 5 if something does not verify."""
    from intake.archive.seal import ArchiveKey
    from intake.archive.verify import rows_to_verify, verify_archive

    context = open_context(options)
    key = ArchiveKey.load(context.config.archive.key)
    total = rows_to_verify(context.database)
    with progress("verifying", total, unit="messages and certificates") as advance:
        found = verify_archive(context.database, key, advance=advance)
    _record(context, found)
    if options.json:
        print_json(_as_json(found))
    else:
        _say(found)
    if found.damages:
        message = (
            f"{len(found.damages)} of {found.messages + found.certificates} do not verify. "
            "Restore them from a backup (intake check --backup FILE says whether one is whole), "
            "and have the disk looked at."
        )
        raise VerificationError(message)
    return 0


def _record(context: Context, found: "Verified") -> None:
    from intake.events import record_event

    with context.database.write() as session:
        record_event(
            session,
            "archive_damaged" if found.damages else "archive_verified",
            actor=context.actor,
            now=context.now,
            messages=found.messages,
            certificates=found.certificates,
            damaged=[one.sha256 for one in found.damages[:MOST_NAMED]],
            damaged_count=len(found.damages),
        )


def _as_json(found: "Verified") -> dict[str, Any]:
    return {
        "messages": found.messages,
        "certificates": found.certificates,
        "ok": not found.damages,
        "damaged": [vars(one) for one in found.damages],
    }


def _say(found: "Verified") -> None:
    for damage in found.damages[:MOST_NAMED]:
        print_line(str(damage))
    if len(found.damages) > MOST_NAMED:
        print_line(f"and {len(found.damages) - MOST_NAMED} more; --json lists all")
    if not found.damages:
        print_line(
            f"{found.messages} messages and {found.certificates} certificates, "
            "each with the digest that it is known by"
        )


# ---- rekey -------------------------------------------------------------------------------------


def rekey(options: argparse.Namespace) -> int:
    """Seal everything under a new key, while nothing else is at work; may be broken off."""
    from intake.archive.rekey import rekey_archive, rows_to_reseal
    from intake.archive.seal import ArchiveKey
    from intake.database import one_writer

    context = open_context(options)
    old = ArchiveKey.load(context.config.archive.key)
    with one_writer(context.database):
        new = _new_key(context, options.file)
        with progress("sealing anew", rows_to_reseal(context.database)) as advance:
            done = rekey_archive(
                context.database,
                old,
                new,
                actor=context.actor,
                clock=context.clock,
                advance=advance,
            )
    _say_what_is_next(context, options.file.absolute(), done, was_configured=old.id == new.id)
    if done.damaged:
        message = (
            f"{len(done.damaged)} could not be opened and were left as they are: "
            f"{', '.join(done.damaged[:MOST_NAMED])}. Restore them from a backup."
        )
        raise VerificationError(message)
    return 0


def _new_key(context: Context, file: Path) -> "ArchiveKey":
    """Return the new key; it is made now, unless a change was begun with a file that is lost."""
    from intake.archive.seal import KEY_CHANGE, ArchiveKey
    from intake.config import Secret
    from intake.tables import Fact

    if not file.exists():
        with context.database.read() as session:
            is_begun = session.get(Fact, KEY_CHANGE) is not None
        if is_begun:
            message = (
                f"{file} is not there, and a change of the key was begun: name the new key's "
                "file that it was begun with; some messages open with that key only."
            )
            raise UsageError(message)
        try:
            ArchiveKey.create(file)
        except OSError as error:
            fix = "name a place that this user may write to"
            rule = f"can't be made: {error.strerror}"
            raise ConfigError([ConfigProblem("NEW_KEY_FILE", str(file), rule, fix)]) from None
        print_line(f"{file}: made. Keep a copy of it, apart from the database and its backups.")
    return ArchiveKey.load(Secret(file=file.absolute(), key="NEW_KEY_FILE"))


def _say_what_is_next(
    context: Context, file: Path, done: "Rekeyed", *, was_configured: bool
) -> None:
    if was_configured:
        print_line("The archive is under this key already; nothing is left to do.")
        return
    print_line(f"{done.resealed} sealed anew; the archive is under the new key now.")
    secret = context.config.archive.key
    print_line("Next, before the service is started again:")
    if secret.env:
        print_line(f"  1. Put the new key's 64 hex digits into ${secret.env}.")
    else:
        print_line(f"  1. In {context.config.path}, under [archive], write:")
        print_line(f'       key_file = "{file}"')
        print_line(f"     (or give {file} the name of the old file, {secret.path()})")
    print_line("  2. intake check    says whether the key fits the database")
    print_line("  3. Start the service. Copy the new key to where the copy of the old one is kept.")
    print_line("  4. Keep the old key too: backups from before today open with it only.")
