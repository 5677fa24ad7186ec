"""`intake ticket …`: the work on tickets, by the same functions that Slack's buttons call."""

import argparse
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from intake.cli.context import Context, add_command, open_context
from intake.cli.output import print_json, print_line, print_table
from intake.clock import render_instant

if TYPE_CHECKING:
    from datetime import datetime

    from intake.notices.view import TicketView
    from intake.tables import Item, Obligation, RevocationStatus
    from intake.tickets.actions import Outcome

STATES = ("open", "acknowledged", "closed")
PRIORITIES = ("critical", "high", "normal", "low")
MOST_SHOWN = 30  # certificates, notices and events for people; the JSON has them all


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `ticket` with everything that can be done to one."""
    summary = "the work on tickets"
    group = commands.add_parser("ticket", help=summary, description=summary)
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_reading(actions)
    _add_work(actions)
    _add_ends(actions)


def _add_reading(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    listing = add_command(actions, "list", run_list, "every ticket, the most urgent first")
    listing.add_argument("--all", action="store_true", help="closed ones too (--json has them)")
    listing.add_argument("--state", choices=STATES, help="only tickets in this state")
    listing.add_argument("--json", action="store_true", help="one JSON document, by number")
    show = _about_one(actions, "show", run_show, "everything about one ticket")
    show.add_argument("--json", action="store_true", help="one JSON document")


def _add_work(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    _about_one(actions, "acknowledge", run_acknowledge, "take a ticket and every reply to it")
    assign = _about_one(actions, "assign", run_assign, "give a ticket to somebody")
    assign.add_argument(
        "who", metavar="WHO", help="a Slack user id (U…), who gets messages; a name"
    )
    note = _about_one(actions, "note", run_note, "write a note into the history")
    note.add_argument("text", metavar="TEXT", nargs="+")
    classify = _about_one(
        actions, "classify", run_classify, "say for what reason a certificate must be revoked"
    )
    classify.add_argument("item", metavar="ITEM", help="number of the certificate, or all")
    classify.add_argument("reason", metavar="REASON", help="e.g. key_compromise; not_ours")
    report = _about_one(actions, "report", run_report, "record a preliminary report that was sent")
    report.add_argument("--to", required=True, choices=("reporter", "subscriber"))
    report.add_argument("--at", required=True, metavar="TIME", help="e.g. 2026-11-24T15:00:00Z")
    report.add_argument("--message-id", required=True, metavar="ID", help="of the mail sent")
    report.add_argument(
        "--says-revoked",
        action="store_true",
        help="it says that what is owed is revoked; that is checked",
    )


def _add_ends(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    dismiss = _about_one(actions, "dismiss", run_dismiss, "close as not a problem report")
    close = _about_one(actions, "close", run_close, "close a ticket")
    close.add_argument(
        "--as", dest="disposition", default="handled", choices=("handled", "duplicate")
    )
    reopen = _about_one(actions, "reopen", run_reopen, "take a closed ticket up again")
    for parser in (dismiss, close, reopen):
        parser.add_argument("--reason", required=True, metavar="TEXT")


def _about_one(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    parser = add_command(actions, name, run, summary)
    parser.add_argument("number", metavar="N", type=int, help="the ticket's number")
    return parser


# ---- reading -----------------------------------------------------------------------------------


def run_list(options: argparse.Namespace) -> int:
    """Print the tickets."""
    from intake.notices.view import ticket_views, view_as_json

    context = open_context(options)
    states = _states(options)
    with context.database.read() as session:
        views = ticket_views(session, states=states, whole=options.json)
        if options.json:
            print_json([view_as_json(view) for view in views])
            return 0
        closed = 0 if "closed" in (states or STATES) else _count_closed(session)
    _print_list(views, context.now)
    if not views:
        print_line("There is no such ticket." if options.state else "There is no open ticket.")
    if closed and not options.state:
        print_line(f"Closed: {closed}. To see them too: intake ticket list --all")
    return 0


def _states(options: argparse.Namespace) -> tuple[str, ...] | None:
    """Return the states to list; None for all. People see what is not closed, programs all."""
    if options.state:
        return (options.state,)
    return None if options.all or options.json else ("open", "acknowledged")


def _count_closed(session: Any) -> int:  # noqa: ANN401 - a session; its import is slow
    from sqlmodel import func, select

    from intake.tables import Ticket

    return int(session.exec(select(func.count()).where(Ticket.state == "closed")).one())


def _print_list(views: "Iterable[TicketView]", now: "datetime") -> None:
    rows = [
        (
            str(view.number),
            view.ticket.state,
            view.ticket.priority,
            _next_due(view, now),
            str(view.counts.total),
            ", ".join(view.reporters)[:40] or "(no sender)",
            view.ticket.subject[:60] or "(no subject)",
        )
        for view in sorted(views, key=_urgency)
    ]
    print_table(("TICKET", "STATE", "PRIORITY", "NEXT DUE", "CERTS", "REPORTER", "SUBJECT"), rows)


def _urgency(view: "TicketView") -> tuple[bool, str, int, int]:
    due = min((one.due_at for one in view.open_obligations), default=None)
    closed = view.ticket.state == "closed"
    return closed, render_instant(due) or "9", PRIORITIES.index(view.ticket.priority), view.number


def _next_due(view: "TicketView", now: "datetime") -> str:
    dues = [one.due_at for one in view.open_obligations]
    dues += [view.revocations.next_due_at] if view.revocations.next_due_at else []
    return f"{render_instant(min(dues))} {_left(min(dues), now)}" if dues else "nothing"


def _left(due_at: "datetime", now: "datetime") -> str:
    minutes = int(abs((due_at - now).total_seconds()) // 60)
    span = f"{minutes // 60} h {minutes % 60:02} min"
    return f"({span} left)" if due_at > now else f"(LATE by {span})"


def run_show(options: argparse.Namespace) -> int:
    """Print one ticket."""
    from intake.notices.view import ticket_view, view_as_json
    from intake.tickets.owed import load_ticket

    context = open_context(options)
    with context.database.read() as session:
        load_ticket(session, options.number)
        view = ticket_view(session, options.number)
        if options.json:
            print_json(view_as_json(view))
            return 0
    _print_ticket(view, context.now)
    return 0


def _print_ticket(view: "TicketView", now: "datetime") -> None:
    from intake.notices.suggestions import CAVEAT, suggestion_lines

    ticket = view.ticket
    print_line(f"Ticket {view.number}: {ticket.subject or '(no subject)'}")
    facts = {
        "state": ticket.state + (f", {ticket.disposition}" if ticket.disposition else ""),
        "priority": ticket.priority,
        "received": render_instant(ticket.received_at),
        "opened": render_instant(ticket.opened_at),
        "reporters": ", ".join(view.reporters),
        "message-ids": " ".join(view.message_ids),
        "labels": ", ".join(ticket.labels),
        "acknowledged": _by(ticket.acknowledged_at, ticket.acknowledged_by),
        "assignee": ticket.assignee,
        "closed": _by(ticket.closed_at, ticket.closed_by),
        "reason": ticket.closed_reason,
    }
    for name, value in facts.items():
        if value:
            print_line(f"  {name:13}{value}")
    unread = [problem for one in view.messages for problem in one.reading_problems]
    _print_section("Not read by machine", unread)
    _print_section("Owed", [_obligation(one, view, now) for one in view.obligations])
    observed = view.revocation.by_item
    _print_section(
        "Certificates",
        [_item(one.item, one.named_as, observed.get(one.item.id or 0)) for one in view.items],
    )
    suggested = list(suggestion_lines(view))
    _print_section("Suggested by findings", [*suggested, CAVEAT] if suggested else [])
    told = [
        f"{render_instant(one.due_at)}  {one.step or one.kind} to {one.to} ({one.state})"
        for one in view.notices
    ]
    _print_section("Told", told)
    _print_section(
        "History",
        [f"{render_instant(one.at)}  {one.action} by {one.actor}" for one in view.events],
    )
    print_line()
    print_line(f"Next: {_next_command(view)}")


def _by(at: "datetime | None", who: str | None) -> str:
    return f"{render_instant(at)} by {who}" if at else ""


def _print_section(title: str, lines: list[str]) -> None:
    if lines:
        print_line()
        print_line(f"{title}:")
    for line in lines[:MOST_SHOWN]:
        print_line(f"  {line}")
    if len(lines) > MOST_SHOWN:
        print_line(f"  … and {len(lines) - MOST_SHOWN} more; --json has them all")


def _obligation(one: "Obligation", view: "TicketView", now: "datetime") -> str:
    item = "" if one.item is None else f" of item {view.item_numbers.get(one.item, '?')}"
    what = f"{one.kind.replace('_', ' ')}{item}, due {render_instant(one.due_at)}"
    if one.met_at is not None:
        late = ", LATE" if one.met_at > one.due_at else ""
        how = f"met {render_instant(one.met_at)} by {one.met_by}{late}"
    elif one.waived_at is not None:
        how = f"waived: {one.waived_reason}"
    else:
        how = _left(one.due_at, now)
    return f"{what}: {how} [{one.basis}]"


def _item(item: "Item", named_as: Iterable[str], status: "RevocationStatus | None") -> str:
    from intake.notices.revocations import item_words

    known = f"serial number {item.serial_number}, {item.issuer}" if item.serial_number else ""
    ours = {"yes": "ours", "no": "NOT ours"}.get(item.ours, "owner unknown")
    reason = item.reason or ""
    if reason and item.reason_by == "service":
        reason += " (by a proof that was verified; `intake ticket classify` confirms or revises it)"
    names = ", ".join(named_as)
    parts = (
        known, item.state, ours, f"lint {item.lint}", reason, item_words(item, status), names,
    )  # fmt: skip
    return f"{item.number}: " + "; ".join(part for part in parts if part)


def _next_command(view: "TicketView") -> str:
    number = view.number
    if view.ticket.state == "closed":
        return f"intake ticket reopen {number} --reason TEXT, if there is more to do"
    if view.ticket.state == "open":
        return f"intake ticket acknowledge {number}"
    for to in ("reporter", "subscriber"):
        if any(one.kind.endswith(f"_to_{to}") for one in view.open_obligations):
            return (
                f"send the preliminary report to the {to}, then: "
                f"intake ticket report {number} --to {to} --at TIME --message-id ID"
            )
    if view.revocations.open:
        return (
            f"intake ticket classify {number} ITEM REASON, and publish what must be revoked by "
            f"{render_instant(view.revocations.next_due_at)}"
        )
    return f"intake ticket close {number} --reason TEXT, when everything is done"


# ---- acting ------------------------------------------------------------------------------------


def _act(options: argparse.Namespace, do: "Callable[[Any, Context], Outcome]") -> int:
    """Carry an action out in one transaction, say what it did and what comes next."""
    from intake.notices.view import ticket_view

    context = open_context(options)
    with context.database.write() as session:
        outcome = do(session, context)
    print_line(outcome.text)
    with context.database.read() as session:
        view = ticket_view(session, options.number, whole=False)
    print_line(f"Next: {_next_command(view)}")
    return 0


def run_acknowledge(options: argparse.Namespace) -> int:
    """Take a ticket."""
    from intake.tickets.actions import acknowledge

    return _act(options, lambda session, c: acknowledge(session, options.number, c.actor, c.now))


def run_assign(options: argparse.Namespace) -> int:
    """Give a ticket to somebody."""
    from intake.tickets.actions import assign

    return _act(
        options, lambda session, c: assign(session, options.number, c.actor, c.now, who=options.who)
    )


def run_note(options: argparse.Namespace) -> int:
    """Write a note."""
    from intake.tickets.actions import note

    text = " ".join(options.text)
    return _act(
        options, lambda session, c: note(session, options.number, c.actor, c.now, text=text)
    )


def run_classify(options: argparse.Namespace) -> int:
    """Classify a certificate."""
    from intake.tickets.actions import classify

    return _act(
        options,
        lambda session, c: classify(
            session, options.number, c.actor, c.now, item=options.item, reason=options.reason
        ),
    )


def run_report(options: argparse.Namespace) -> int:
    """Record a preliminary report."""
    from intake.cli.trace import read_instant
    from intake.tickets.actions import record_report

    at = read_instant("--at", options.at)
    return _act(
        options,
        lambda session, c: record_report(
            session, options.number, c.actor, c.now,
            to=options.to, at=at, message_id=options.message_id,
            says_revoked=options.says_revoked,
        ),
    )  # fmt: skip


def run_dismiss(options: argparse.Namespace) -> int:
    """Close a ticket as not a problem report."""
    from intake.tickets.actions import dismiss

    return _act(
        options,
        lambda session, c: dismiss(session, options.number, c.actor, c.now, reason=options.reason),
    )


def run_close(options: argparse.Namespace) -> int:
    """Close a ticket."""
    from intake.tickets.actions import close

    return _act(
        options,
        lambda session, c: close(
            session, options.number, c.actor, c.now,
            reason=options.reason, disposition=options.disposition,
        ),
    )  # fmt: skip


def run_reopen(options: argparse.Namespace) -> int:
    """Take a closed ticket up again."""
    from intake.tickets.actions import reopen

    return _act(
        options,
        lambda session, c: reopen(session, options.number, c.actor, c.now, reason=options.reason),
    )
