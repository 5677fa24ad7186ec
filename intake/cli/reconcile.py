"""`intake reconcile`: the second reader lists the server and compares it with the archive."""

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

from intake.cli.context import Context, add_command, open_context
from intake.cli.output import print_json, print_line, print_table, print_warning
from intake.cli.progress import progress
from intake.clock import render_instant
from intake.errors import OutsideUnavailableError, UsageError

if TYPE_CHECKING:
    from intake.config import MailboxSection
    from intake.reconcile.run import Reconciled


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `reconcile`."""
    summary = "the server's folders, compared with the archive by a second reader"
    parser = add_command(commands, "reconcile", run, summary)
    parser.add_argument("--mailbox", metavar="NAME", help="one mailbox instead of all")
    parser.add_argument("--full", action="store_true", help="compare the bytes of every message")
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=float,
        default=0.0,
        help="how long the next poll may put right what came and went since the last one",
    )
    parser.add_argument(
        "--read-only",
        action="store_true",
        help="write nothing into the database, from a host that may only read it",
    )
    parser.add_argument("--json", action="store_true", help="a JSON list of mailboxes")


def run(options: argparse.Namespace) -> int:
    """Compare; status 1 if something differs, 4 if a mailbox could not be read."""
    context = open_context(options)
    results: list[Reconciled] = []
    troubles: dict[str, str] = {}
    for mailbox in _mailboxes(context, options.mailbox):
        try:
            results.append(_reconcile(context, mailbox, options))
        except OutsideUnavailableError as error:
            troubles[mailbox.name] = str(error)
    if options.json:
        print_json([*map(_as_json, results), *map(_trouble_as_json, troubles.items())])
    else:
        for result in results:
            _say(result)
    for trouble in troubles.values():
        print_warning(trouble)
    if any(result.differences for result in results):
        return 1
    return OutsideUnavailableError.exit_status if troubles else 0


def _mailboxes(context: Context, name: str | None) -> "list[MailboxSection]":
    found = [one for one in context.config.mailbox if name in {None, one.name}]
    if not found:
        names = ", ".join(one.name for one in context.config.mailbox)
        message = f"There is no mailbox {name} in the configuration; there is {names}."
        raise UsageError(message)
    return found


def _reconcile(
    context: Context, mailbox: "MailboxSection", options: argparse.Namespace
) -> "Reconciled":
    from intake.reconcile.run import Manner, reconcile_mailbox
    from intake.reconcile.tell import record

    with progress(f"comparing {mailbox.name}", None) as advance:
        manner = Manner(
            full=options.full,
            remember=not options.read_only,
            wait_seconds=options.wait,
            advance=advance,
        )
        result = reconcile_mailbox(context.database, mailbox, manner, clock=context.clock)
    if not options.read_only:
        keep = partial(record, channel=context.config.slack.channel, actor=context.actor)
        with context.database.write() as session:
            keep(session, result, now=context.now)
    return result


def _as_json(result: "Reconciled") -> dict[str, Any]:
    return {
        "mailbox": result.mailbox,
        "at": render_instant(result.at),
        "ok": not result.differences,
        "folders": [vars(folder) for folder in result.folders],
        "differences": [
            {
                "kind": one.kind,
                "folder": one.folder,
                "uids": list(one.uids),
                "explanation": str(one),
            }
            for one in result.differences
        ],
    }


def _trouble_as_json(trouble: tuple[str, str]) -> dict[str, Any]:
    return {"mailbox": trouble[0], "ok": False, "error": trouble[1]}


def _say(result: "Reconciled") -> None:
    headings = ("folder", "on the server", "archived", "compared byte for byte")
    rows = [
        (one.folder, str(one.on_server), str(one.archived), str(one.compared))
        for one in result.folders
    ]
    print_line(f"Mailbox {result.mailbox}")
    print_table(headings, rows)
    for folder in result.folders:
        if folder.waiting:
            print_line(f"{folder.folder}: {folder.waiting} not polled yet")
        if folder.not_served:
            print_line(f"{folder.folder}: {folder.not_served} not handed out to be compared")
    for difference in result.differences:
        print_line(f"DIFFERENCE  {difference}")
    if result.differences:
        from intake.reconcile.tell import NEXT

        print_line(NEXT)
    else:
        print_line("Every message on the server is archived; what was compared is the same.")
