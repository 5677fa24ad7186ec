"""The modals in Slack: a form for each action that needs words, and the details of a ticket.

Pure. A modal carries the ticket's number and the channel from which it was opened, nothing else.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from slack_sdk.models.blocks import (
    Block,
    DateTimePickerElement,
    DividerBlock,
    InputBlock,
    Option,
    PlainTextInputElement,
    RadioButtonsElement,
    StaticSelectElement,
    UserSelectElement,
)
from slack_sdk.models.views import View

from intake.notices.cards import certificates_line, context, section
from intake.notices.duties import by_when, duties, time_left
from intake.notices.view import TicketView
from intake.notices.view_items import ItemView
from intake.notices.words import (
    SLACK_USER,
    both_times,
    clean,
    code,
    count,
    escape,
    from_mail,
    person,
    utc,
)
from intake.tables import Event, Obligation
from intake.tickets.rules import NO_REVOCATION, classifications, find_reason

LONGEST_ENTRY = 3000
ITEMS_SHOWN = 15
MESSAGES_SHOWN = 10
EVENTS_SHOWN = 15
MOST_OPTIONS = 100
TOLD_OF_EVENTS = ("text", "reason", "steps", "step")  # of an event's detail, the first there is
TITLES = {
    "dismiss": ("Not a problem report", "Dismiss"),
    "assign": ("Assign", "Assign"),
    "note": ("Add a note", "Add"),
    "classify": ("Classify certificates", "Classify"),
    "report": ("Preliminary report", "Record"),
    "close": ("Close", "Close"),
    "reopen": ("Re-open", "Re-open"),
}


def render_form(form: str, view: TicketView, now: datetime, *, channel: str) -> dict[str, Any]:
    """Render the modal of an action.

    Args:
        form: one of `TITLES`.
        view: the ticket.
        now: the present instant.
        channel: where the button was pressed; answers go there.
    """
    makers: dict[str, Callable[[TicketView, datetime], list[Block]]] = {
        "dismiss": _dismiss,
        "assign": _assign,
        "note": _note,
        "classify": _classify,
        "report": _report,
        "close": _close,
        "reopen": _reopen,
    }
    title, submit = TITLES[form]
    about = context(f"*CPR-{view.number}* · {from_mail(view.ticket.subject, 100) or 'no subject'}")
    return _modal(form, view, channel, title, [about, *makers[form](view, now)], submit=submit)


def _modal(
    form: str,
    view: TicketView,
    channel: str,
    title: str,
    blocks: Sequence[Block],
    *,
    submit: str | None = None,
) -> dict[str, Any]:
    return View(
        type="modal",
        callback_id=form,
        title=title,
        submit=submit,
        close="Close" if submit is None else "Cancel",
        private_metadata=json.dumps({"ticket": view.number, "channel": channel}),
        blocks=list(blocks),
    ).to_dict()


def _words(name: str, label: str, hint: str, *, multiline: bool = True) -> InputBlock:
    element = PlainTextInputElement(
        action_id="value", multiline=multiline, max_length=LONGEST_ENTRY
    )
    return InputBlock(block_id=name, label=label, hint=hint, element=element)


def _dismiss(_view: TicketView, _now: datetime) -> list[Block]:
    hint = "It is listed in the channel every day with your name, and can be re-opened at any time."
    return [_words("reason", "Why is this not a problem report?", hint)]


def _note(_view: TicketView, _now: datetime) -> list[Block]:
    return [_words("text", "Note", "It stands in the history of the ticket, with your name.")]


def _reopen(_view: TicketView, _now: datetime) -> list[Block]:
    return [_words("reason", "Why is it taken up again?", "All that was owed is owed again.")]


def _assign(view: TicketView, _now: datetime) -> list[Block]:
    assignee = view.ticket.assignee or ""
    initial = assignee if SLACK_USER.fullmatch(assignee) else None
    element = UserSelectElement(action_id="value", initial_user=initial)
    hint = "They get the reminders for the preliminary report."
    return [InputBlock(block_id="who", label="Who has it now?", element=element, hint=hint)]


def _close(view: TicketView, now: datetime) -> list[Block]:
    owed = [by_when(duty, now, both_times) for duty in duties(view)]
    warning = (
        [section("\n".join(["*Still owed, and given up by closing:*", *owed]))] if owed else []
    )
    options = [
        Option(text="Handled", value="handled"),
        Option(text="Duplicate of another ticket", value="duplicate"),
    ]
    how = RadioButtonsElement(action_id="value", options=options, initial_option=options[0])
    hint = "It stands in the record for auditors."
    return [
        *warning,
        InputBlock(block_id="disposition", label="How does it end?", element=how),
        _words("reason", "What was done?", hint),
    ]


def _report(_view: TicketView, now: datetime) -> list[Block]:
    options = [
        Option(text="The reporter", value="reporter"),
        Option(text="The Subscriber", value="subscriber"),
    ]
    when = DateTimePickerElement(action_id="value", initial_date_time=int(now.timestamp()))
    return [
        context(
            "Our findings, given within 24 hours to the reporter and to the Subscriber (BR 4.9.5)"
        ),
        InputBlock(
            block_id="to",
            label="Who was given the report?",
            element=RadioButtonsElement(action_id="value", options=options),
        ),
        InputBlock(block_id="at", label="When was it sent? (your time zone)", element=when),
        _words(
            "message_id",
            "Message-ID of the mail that was sent",
            "From its headers; its bounce is known again by it.",
            multiline=False,
        ),
    ]


def _classify(view: TicketView, _now: datetime) -> list[Block]:
    options = [
        Option(text=clean(f"{name}: {_meaning(view, name)}", 75), value=name)
        for name in _reasons(view)[:MOST_OPTIONS]
    ]
    hint = f"{certificates_line(view)}. Write all, or the number of one."
    element = PlainTextInputElement(action_id="value", initial_value="all", max_length=10)
    return [
        InputBlock(block_id="item", label="Which certificates?", hint=hint, element=element),
        InputBlock(
            block_id="reason",
            label="What holds of them?",
            element=StaticSelectElement(action_id="value", options=options),
            hint="It sets by when revocation must be published, counted from the report's arrival.",
        ),
    ]


def _reasons(view: TicketView) -> list[str]:
    """Return the classifications, those without revocation before the rarer kinds."""
    names = classifications(view.ticket.received_at)
    return sorted(names, key=lambda name: ("." in name, name not in NO_REVOCATION and "." in name))


def _meaning(view: TicketView, name: str) -> str:
    if name in NO_REVOCATION:
        return NO_REVOCATION[name]
    found = find_reason(view.ticket.received_at, name)
    return found[1].text if found else ""


def check_entries(form: str, entries: dict[str, str | None]) -> dict[str, str]:
    """Return what is wrong with the entries of a form, by input; empty if nothing is."""
    problems: dict[str, str] = {
        name: "Please write a few words."
        for name in ("reason", "text", "message_id")
        if name in entries and not (entries[name] or "").strip()
    }
    item = (entries.get("item") or "").strip().lower()
    if form == "classify" and item != "all" and not item.isdecimal():
        problems["item"] = "Write all, or the number of one certificate."
    return problems


# ---- details -----------------------------------------------------------------------------------


def render_details(view: TicketView, now: datetime, *, channel: str) -> dict[str, Any]:
    """Render the details of a ticket; its view holds the first certificates only."""
    blocks: list[Block] = [section(_due_text(view, now)), DividerBlock()]
    blocks += [section(_items_text(view)), DividerBlock(), section(_messages_text(view, now))]
    blocks += [DividerBlock(), section(_history_text(view, now))]
    blocks.append(context(f"All of it: `intake ticket show {view.number}` on the mail host"))
    return _modal("details", view, channel, f"CPR-{view.number}", blocks)


def _due_text(view: TicketView, now: datetime) -> str:
    lines = [f"*{from_mail(view.ticket.subject) or 'no subject'}*"]
    for duty in duties(view):
        left = time_left(duty, now)
        lines.append(f"• {by_when(duty, now, both_times)}" + (f" — {left}" if left else ""))
    lines += [f"• {_obligation_line(one, now)}" for one in view.obligations if _is_over(one)]
    return "\n".join(lines)


def _is_over(obligation: Obligation) -> bool:
    return obligation.met_at is not None or obligation.waived_at is not None


def _obligation_line(obligation: Obligation, now: datetime) -> str:
    kind = escape(obligation.kind.replace("_", " "))
    if obligation.met_at is not None:
        late = " (late)" if obligation.met_at > obligation.due_at else ""
        by = f" by {person(obligation.met_by)}" if obligation.met_by else ""
        return f"{kind}: done {utc(obligation.met_at, now)}{by}{late}"
    return f"{kind}: given up, {from_mail(obligation.waived_reason or '', 150)}"


def _items_text(view: TicketView) -> str:
    lines = [f"*{certificates_line(view)}*", *(_item_line(one) for one in view.items)]
    if view.counts.total > len(view.items):
        lines.append(f"… and {view.counts.total - len(view.items):,} more")
    return "\n".join(lines)


def _item_line(view: ItemView) -> str:
    item = view.item
    name = f"serial {item.serial_number}" if item.serial_number else (view.named_as or ("?",))[0]
    ours = {"yes": "ours", "no": "not ours"}.get(item.ours, "not known whose")
    parts = [f"{item.number}. {code(name, 80)}", ours, escape(item.state.replace("_", " "))]
    if item.lint == "done":
        found = ", ".join(f"{number} {severity}" for severity, number in view.findings.items())
        parts.append(found or "lint found nothing")
    elif item.lint == "failed":
        parts.append("lint failed: not checked")
    if item.revocation in {"good", "revoked"}:
        parts.append(item.revocation)
    if item.reason:
        parts.append(code(item.reason))
    return " · ".join(parts)


def _messages_text(view: TicketView, now: datetime) -> str:
    lines = [f"*{count(len(view.messages), 'message')}*"]
    for message in view.messages[:MESSAGES_SHOWN]:
        sender = from_mail(message.sender or "no sender", 80)
        at = utc(message.received_at, now)
        lines.append(
            f"• {at} · {sender} · {message.decision or 'unread'} · `{message.sha256[:12]}`"
        )
    lines += [f"  {code(one, 150)}" for one in view.message_ids[:MESSAGES_SHOWN]]
    return "\n".join(lines)


def _history_text(view: TicketView, now: datetime) -> str:
    lines = ["*History*"]
    for event in view.events[-EVENTS_SHOWN:]:
        line = f"• {utc(event.at, now)} · {person(event.actor)} · {_event_words(event)}"
        lines.append(line)
    return "\n".join(lines)


def _event_words(event: Event) -> str:
    words = escape(event.action.replace("_", " "))
    said = next((event.detail[one] for one in TOLD_OF_EVENTS if event.detail.get(one)), None)
    text = ", ".join(map(str, said)) if isinstance(said, list) else str(said or "")
    return f"{words}: {from_mail(text, 200)}" if text else words
