"""`intake escalation preview`: who would be told what, when, if nobody acted."""

import argparse
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from intake.cli.context import add_command, open_context
from intake.cli.output import print_json, print_line, print_table
from intake.clock import render_instant

if TYPE_CHECKING:
    from intake.tables import Ticket
    from intake.tickets.escalation import Telling, Track

LOOKED_AHEAD = timedelta(hours=8)  # beyond the last limit, to show how steps repeat
LAST_LIMIT = timedelta(hours=24)


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `escalation preview`."""
    summary = "the chain of escalation"
    group = commands.add_parser("escalation", help=summary, description=summary)
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    preview = add_command(
        actions, "preview", run, "who would be told what, when, if nobody acted on a ticket"
    )
    preview.add_argument("number", metavar="TICKET", type=int)
    preview.add_argument("--json", action="store_true", help="one JSON document")


def run(options: argparse.Namespace) -> int:
    """Print what would be told from now on; nothing is changed."""
    from intake.tickets.desk import Chains
    from intake.tickets.escalation import project
    from intake.tickets.owed import load_ticket
    from intake.tickets.tracks import open_tracks

    context = open_context(options)
    now = context.now
    with context.database.read() as session:
        ticket = load_ticket(session, options.number)
        found = open_tracks(session, ticket, Chains.from_config(context.config))
        tracks = [one.track for one in found]
    tellings = project(tracks, now, _until(tracks, now))
    if options.json:
        print_json(_as_json(ticket, tellings, now))
    else:
        _print(ticket, tellings, tracks, now)
    return 0


def _until(tracks: "list[Track]", now: datetime) -> datetime:
    limits = [one.received_at + LAST_LIMIT for one in tracks]
    return max([now, *limits]) + LOOKED_AHEAD


def _as_json(ticket: "Ticket", tellings: "list[Telling]", now: datetime) -> dict[str, Any]:
    return {
        "ticket": ticket.id,
        "state": ticket.state,
        "now": render_instant(now),
        "steps": [
            {
                "at": render_instant(one.at),
                "hours_after_receipt": _hours(one.at - ticket.received_at),
                "steps": [step.label for step in one.steps],
                "to": list(one.recipients),
            }
            for one in tellings
        ],
    }


def _print(
    ticket: "Ticket", tellings: "list[Telling]", tracks: "list[Track]", now: datetime
) -> None:
    print_line(
        f"Ticket {ticket.id}, received {render_instant(ticket.received_at)}, {ticket.state}."
    )
    if not tellings:
        print_line("Nobody would be told anything: nothing is owed that has steps.")
        return
    print_line("If nobody acted, from now on:")
    rows = [
        (
            "now" if one.at == now else f"+{_hours(one.at - ticket.received_at):g} h",
            render_instant(one.at) or "",
            ", ".join(step.label for step in one.steps),
            " ".join(one.recipients),
        )
        for one in tellings
    ]
    print_table(("AFTER RECEIPT", "AT", "STEPS", "TOLD"), rows)
    for track in tracks:
        for step in track.steps:
            if step.every is not None:
                print_line(f"… and the {track.name} goes on every {_hours(step.every):g} h.")
    print_line(f"Next: intake ticket acknowledge {ticket.id}")


def _hours(span: timedelta) -> float:
    return round(span.total_seconds() / 3600, 2)
