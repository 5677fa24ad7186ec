"""The card of a ticket in Slack: first what to do by when, then all that helps to do it.

Pure. Blocks are made with slack_sdk's classes, which check Slack's limits before anything is sent.
Text from mail goes through `words.from_mail` or `words.code`; a private key is told of, never shown.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ContextBlock,
    MarkdownTextObject,
    Option,
    OverflowMenuElement,
    SectionBlock,
)

from intake.notices.duties import (
    DISPOSITIONS,
    Duty,
    by_when,
    duties,
    following,
    is_overdue,
    needs_acknowledgement,
    time_left,
)
from intake.notices.revocations import revocation_lines
from intake.notices.suggestions import CAVEAT, suggestion_lines
from intake.notices.view import Place, TicketView
from intake.notices.view_items import FindingCount
from intake.notices.words import both_times, code, count, escape, from_mail, person, utc

TEXT_LIMIT = 2900  # of a section: Slack refuses a message with one over 3,000
WORST_SHOWN = 3
PLACES_SHOWN = 5
LATE = timedelta(minutes=15)  # RECEIVED_LATE in the trace begins here too
SEVERITY_SIGNS = {
    "fatal": ":no_entry:",
    "error": ":red_circle:",
    "warning": ":large_yellow_circle:",
}
MORE = {
    "assign": "Assign to someone",
    "note": "Add a note",
    "classify": "Classify certificates",
    "report": "Record a preliminary report",
    "close": "Close",
    "reopen": "Re-open",
}


@dataclass(frozen=True)
class Card:
    """What is posted: blocks, and the text that stands in notifications."""

    blocks: tuple[Block, ...]
    text: str

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return the blocks as Slack takes them, checked against Slack's limits."""
        return [block.to_dict() for block in self.blocks]


def render_card(view: TicketView, now: datetime) -> Card:
    """Render the card of a ticket as it stands now."""
    parts = [
        _duties_text(view, now),
        _reporter_text(view),
        _certificates_text(view, now),
        _findings_text(view),
        _suggestions_text(view),
        _places_text(view, now),
        _standing_text(view),
        _warnings_text(view),
    ]
    blocks: list[Block] = [section(part) for part in parts if part]
    blocks += [context(_footer(view, now)), _buttons(view)]
    return Card(tuple(blocks), summary(view, now))


def section(text: str) -> SectionBlock:
    """Return a section of mrkdwn in which Slack makes no links or mentions of its own."""
    if len(text) > TEXT_LIMIT:
        head = text[:TEXT_LIMIT]
        text = (head.rpartition("\n")[0] or head) + "\n…"
    return SectionBlock(text=MarkdownTextObject(text=text, verbatim=True))


def context(text: str) -> ContextBlock:
    """Return small grey text."""
    return ContextBlock(elements=[MarkdownTextObject(text=text[:TEXT_LIMIT], verbatim=True)])


def summary(view: TicketView, now: datetime) -> str:
    """Return one line for notifications, and for where blocks can't be shown."""
    owed = duties(view)
    first = by_when(owed[0], now, utc) if owed else _nothing_due(view)
    junk = " FOUND IN JUNK." if any(place.in_junk for place in view.places) else ""
    subject = from_mail(view.ticket.subject, 100) or "(no subject)"
    return f"CPR-{view.number}: {first}.{junk} {subject}"


# ---- what to do by when ------------------------------------------------------------------------


def headline(duty: Duty, now: datetime) -> str:
    """Return the first line of a card or a step as mrkdwn."""
    sign = ":rotating_light: " if is_overdue(duty, now) else ""
    text = f"{sign}*{by_when(duty, now, both_times)}"
    remaining = time_left(duty, now)
    return f"{text} — {remaining}*" if remaining else f"{text}*"


def _duties_text(view: TicketView, now: datetime) -> str:
    owed = duties(view)
    lines = [headline(owed[0], now)] if owed else [f"*{_nothing_due(view)}*"]
    lines += following(owed, now, both_times)
    return "\n".join([*lines, *_done_lines(view, now)])


def _nothing_due(view: TicketView) -> str:
    if view.ticket.state == "closed":
        why = DISPOSITIONS.get(view.ticket.disposition or "", view.ticket.disposition)
        return f"Closed: {why}" if why else "Closed"
    return "Everything that was due is done. Close the ticket when the work is finished"


def _done_lines(view: TicketView, now: datetime) -> list[str]:
    ticket = view.ticket
    lines = []
    if ticket.acknowledged_at is not None:
        at = both_times(ticket.acknowledged_at, now)
        who = person(ticket.acknowledged_by)
        lines.append(f":white_check_mark: Acknowledged by {who} at {at}")
    if ticket.closed_at is not None and ticket.state == "closed":
        at = both_times(ticket.closed_at, now)
        reason = f" — {from_mail(ticket.closed_reason, 300)}" if ticket.closed_reason else ""
        lines.append(f":checkered_flag: Closed by {person(ticket.closed_by)} at {at}{reason}")
    return lines


# ---- who, what, where --------------------------------------------------------------------------


def _reporter_text(view: TicketView) -> str:
    shown = ", ".join(from_mail(one, 100) for one in view.reporters[:3]) or "_no sender named_"
    more = f" and {len(view.reporters) - 3:,} more" if len(view.reporters) > 3 else ""  # noqa: PLR2004
    mails = f" · {count(len(view.messages), 'message')}" if len(view.messages) > 1 else ""
    subject = from_mail(view.ticket.subject) or "_no subject_"
    return f"*Reported by* {shown}{more}{mails}\n*Subject* {subject}"


def certificates_line(view: TicketView) -> str:
    """Say how many certificates a ticket is about and whose they are, without any marks."""
    counts = view.counts
    if not counts.total:
        return "No certificate is named; read the mail."
    if counts.total == 1:
        whose = "not ours" if counts.not_ours else "not yet known whose"
        return f"1 certificate, {'ours' if counts.ours else whose}"
    if counts.ours == counts.total:
        return f"{counts.total:,} certificates, all ours"
    parts = [
        f"{number:,} {what}"
        for number, what in (
            (counts.ours, "ours"),
            (counts.not_ours, "not ours"),
            (counts.owner_unknown, "not yet known whose"),
        )
        if number
    ]
    return f"{count(counts.total, 'certificate')}: {', '.join(parts)}"


def progress_lines(view: TicketView, now: datetime, times: Any) -> Iterable[str]:  # noqa: ANN401
    """Say what is still being looked up, until when, and what was not checked."""
    counts = view.counts
    if counts.unresolved and view.lookups_ahead:
        done_at = now + timedelta(seconds=view.lookups_ahead)
        pace = f"one a second, done by about {times(done_at, now)}" if counts.unresolved > 1 else ""
        asked = f"{counts.unresolved:,} still being looked up at crt.sh"
        yield f"{asked}, {pace}" if pace else asked
    elif counts.unresolved:
        yield f"{counts.unresolved:,} not found out yet"
    if counts.unresolved and counts.problem:
        yield f"Last trouble: {from_mail(counts.problem, 200)}; tried again until it works"
    if counts.not_found:
        yield f"{counts.not_found:,} could not be found at crt.sh"
    yield from revocation_lines(view, now, times)


def _certificates_text(view: TicketView, now: datetime) -> str:
    line = certificates_line(view)
    bold = f"*{line.replace(':', ':*', 1)}" if ":" in line else f"*{line}*"
    return "\n".join([bold, *progress_lines(view, now, both_times)])


def worst_findings(view: TicketView) -> tuple[FindingCount, ...]:
    """Return the findings worth showing: the worst few, those of rules in force first."""
    return view.worst[:WORST_SHOWN]


def lint_line(view: TicketView) -> str:
    """Say what linting did not cover; empty if it covered everything."""
    counts = view.counts
    missing = counts.total - counts.lint_done - counts.lint_failed
    parts = [f"{missing:,} not linted yet"] if missing else []
    if counts.lint_failed:
        parts.append(f"{counts.lint_failed:,} could not be linted: not checked, not clean")
    if view.lint.absent:
        parts.append(f"not checked by {', '.join(view.lint.absent)}, which is not installed")
    return ", ".join(parts)


def _findings_text(view: TicketView) -> str:
    counts = view.counts
    if not counts.total:
        return ""
    lines = [_finding_line(view, one) for one in worst_findings(view)]
    if len(view.worst) > WORST_SHOWN:
        lines.append(f"… and {count(len(view.worst) - WORST_SHOWN, 'more rule')} with findings")
    if not lines and counts.lint_done:
        of = (
            ""
            if counts.lint_done == counts.total
            else f" in {counts.lint_done:,} of {counts.total:,}"
        )
        lines = [f"Lint found nothing{of}; that is no proof that nothing is wrong"]
    if uncovered := lint_line(view):
        lines.append(uncovered[0].upper() + uncovered[1:])
    return "\n".join(["*Worst findings*", *lines]) if view.worst else "\n".join(lines)


def _suggestions_text(view: TicketView) -> str:
    lines = [escape(one) for one in suggestion_lines(view)]
    return "\n".join(["*Suggested by findings*", *lines, CAVEAT]) if lines else ""


def _finding_line(view: TicketView, finding: FindingCount) -> str:
    sign = SEVERITY_SIGNS.get(finding.severity, ":white_circle:")
    text = f"{sign} {escape(finding.severity)} {code(finding.code)}"
    if view.counts.total > 1:
        text += f" in {count(finding.certificates, 'certificate')}"
    return text if finding.in_force else f"{text} (rule not in force at issuance)"


def _places_text(view: TicketView, now: datetime) -> str:
    junk = [place for place in view.places if place.in_junk]
    lines = [_place_line(place) for place in junk[:PLACES_SHOWN]]
    others = [place for place in view.places if not place.in_junk]
    if others:
        named = ", ".join(_place_name(place) for place in others[:PLACES_SHOWN])
        lines.append(f"*Lay in* {named}")
    if view.ticket.opened_at - view.ticket.received_at > LATE:
        received = both_times(view.ticket.received_at, now)
        seen = both_times(view.ticket.opened_at, now)
        lines.append(f":hourglass: *LATE:* arrived at {received}, first seen at {seen}")
    return "\n".join(lines)


def _place_line(place: Place) -> str:
    return f":warning: *FOUND IN JUNK: the mail filter hid this report* — {_place_name(place)}"


def _place_name(place: Place) -> str:
    gone = ", gone from there by now" if place.gone else ""
    return f"folder {from_mail(place.folder, 60)} of mailbox {from_mail(place.mailbox, 60)}{gone}"


def _standing_text(view: TicketView) -> str:
    ticket = view.ticket
    parts = [f"*State* {escape(ticket.state)}", f"*Priority* {escape(ticket.priority)}"]
    parts.append(f"*Assignee* {person(ticket.assignee)}")
    labels = [label for label in ticket.labels if label != "in_junk"]
    if labels:
        parts.append(
            "*Labels* " + ", ".join(from_mail(one.replace("_", " "), 40) for one in labels)
        )
    return " · ".join(parts)


def warnings(view: TicketView) -> list[str]:
    """Return what makes this ticket special, without any marks."""
    return [line for _, line in _signed_warnings(view)]


def _signed_warnings(view: TicketView) -> Iterator[tuple[str, str]]:
    labels = view.ticket.labels
    if "key_compromise" in labels:
        yield (
            ":rotating_light:",
            "KEY COMPROMISE is proved: every known certificate with the key is listed and must be"
            " revoked within 24 hours of receipt",
        )
    if view.holds_private_key:
        yield (
            ":key:",
            "The mail holds a PRIVATE KEY. Do not forward it; it is sealed in the archive",
        )
    if "names_our_ca" in labels:
        yield (
            ":rotating_light:",
            "A certificate names our CA as its issuer and none of our keys signed it: forged, or a"
            " CA of ours is missing from the configuration. Look at it at once",
        )
    if "not_fetched" in labels:
        line = "The mail server does not hand this message out; read it in the mailbox itself"
        yield ":mag:", line
    problems = sum(len(one.reading_problems) for one in view.messages)
    unparsed = any(one.kind == "unparsed" for one in view.messages)
    if problems or unparsed:
        what = "The mail" if unparsed else f"{count(problems, 'part')} of the mail"
        yield ":mag:", f"{what} could not be read by machine; read the original"


def _warnings_text(view: TicketView) -> str:
    return "\n".join(f"{sign} *{line}*" for sign, line in _signed_warnings(view))


def _footer(view: TicketView, now: datetime) -> str:
    ids = view.message_ids
    shown = code(ids[0], 120) if ids else "no Message-ID"
    more = f" and {len(ids) - 1:,} more" if len(ids) > 1 else ""
    received = f"received {utc(view.ticket.received_at, now)}"
    return f"*CPR-{view.number}* · {received} · {shown}{more} · as of {utc(now, now)}"


# ---- buttons -----------------------------------------------------------------------------------


def acknowledge_button(number: int) -> ButtonElement:
    """Return the button that takes a ticket."""
    return ButtonElement(
        text="Acknowledge", action_id="acknowledge", value=str(number), style="primary"
    )


def details_button(number: int) -> ButtonElement:
    """Return the button that opens the details."""
    return ButtonElement(text="Details", action_id="details", value=str(number))


def more_options(view: TicketView) -> Sequence[str]:
    """Return the rarer actions that fit the state."""
    if view.ticket.state == "closed":
        return ("note", "report", "reopen")
    return ("assign", "note", "classify", "report", "close")


def _buttons(view: TicketView) -> ActionsBlock:
    number = view.number
    elements: list[Any] = [acknowledge_button(number)] if needs_acknowledgement(view) else []
    if view.ticket.state != "closed":
        elements.append(
            ButtonElement(text="Not a problem report", action_id="dismiss", value=str(number))
        )
    elements.append(details_button(number))
    options = [Option(text=MORE[one], value=f"{one}:{number}") for one in more_options(view)]
    elements.append(OverflowMenuElement(action_id="more", options=options))
    return ActionsBlock(block_id=f"ticket:{number}", elements=elements)
