"""What is posted beside the cards: steps of the escalation, and notices that are only text.

Pure. A step says what is owed and by when, which steps it covers and how late it is, calls those
who are told, and says where the card is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from slack_sdk.models.blocks import ActionsBlock, Block

from intake.notices.cards import (
    Card,
    acknowledge_button,
    certificates_line,
    context,
    details_button,
    headline,
    section,
    warnings,
)
from intake.notices.duties import (
    Duty,
    by_when,
    duties,
    is_overdue,
    needs_acknowledgement,
    needs_report,
)
from intake.notices.view import TicketView
from intake.notices.words import SLACK_GROUP, escape, from_mail, mention, span, utc
from intake.tables import Notice

PUNCTUAL = timedelta(minutes=2)  # the service looks once a minute


@dataclass(frozen=True)
class CardPlace:
    """Where the card of a ticket was posted."""

    channel: str
    link: str | None = None


def is_about_acknowledgement(notice: Notice) -> bool:
    """Say whether a step asks first of all for an acknowledgement, not for a report."""
    return "report" not in notice.step


def is_overtaken(notice: Notice, view: TicketView) -> bool:
    """Say whether all that a step asks for was done before it could be told."""
    asked = {"report" in label for label in [notice.step, *notice.covers]}
    still_owed = (True in asked and needs_report(view)) or (
        False in asked and needs_acknowledgement(view)
    )
    return not still_owed


def duty_of(notice: Notice, view: TicketView) -> Duty:
    """Return the duty that a step is about; the most urgent one if its own is done."""
    about_reports = not is_about_acknowledgement(notice)
    owed = duties(view)
    for duty in owed:
        if duty.what.startswith("Preliminary report") == about_reports:
            return duty
    return owed[0] if owed else Duty("Look at this ticket", None)


def render_step(
    view: TicketView, notice: Notice, now: datetime, *, card: CardPlace | None = None
) -> Card:
    """Render a step for Slack."""
    duty = duty_of(notice, view)
    lines = [headline(duty, now), f"*CPR-{view.number}* {step_words(view, duty, now)}"]
    calls = _calls(notice)
    blocks: list[Block] = [section("\n".join([*([calls] if calls else []), *lines]))]
    blocks.append(section(_about(view)))
    elements: list[Any] = []
    if needs_acknowledgement(view):
        elements.append(acknowledge_button(view.number))
    elements.append(details_button(view.number))
    blocks.append(ActionsBlock(block_id=f"step:{notice.id or 0}", elements=elements))
    blocks.append(context(f"{_where(card)} · {covered(notice, now)} · {utc(now, now)}"))
    text = f"CPR-{view.number}: {by_when(duty, now, utc)}. {from_mail(view.ticket.subject, 100)}"
    return Card(tuple(blocks), f"{calls} {text}".strip())


def step_words(view: TicketView, duty: Duty, now: datetime) -> str:
    """Say in words why a step is told."""
    since = span(now - view.ticket.received_at)
    if duty.what.startswith("Preliminary report"):
        words = f"arrived {since} ago and no preliminary report is recorded yet"
    elif view.ticket.acknowledged_at is not None:
        words = "got a new reply that nobody has acknowledged"
    else:
        words = f"arrived {since} ago and nobody has acknowledged it"
    if is_overdue(duty, now):
        words += "; the time limit is BROKEN, and every hour makes it worse"
    return f"{words}."


def covered(notice: Notice, now: datetime) -> str:
    """Name the steps that a notice covers, and how late it is."""
    names = list(dict.fromkeys([*notice.covers, notice.step])) if notice.step else notice.covers
    word = "Steps" if len(names) > 1 else "Step"
    told = f"{word}: {escape(_by_track(names))}"
    late = now - notice.due_at
    if late <= PUNCTUAL:
        return told
    which = "the newest " if len(names) > 1 else ""
    return f"{told}, {which}told {span(late)} late"


def _calls(notice: Notice) -> str:
    """Mention the groups that are called; a direct message calls its reader anyway."""
    recipients = notice.to.split(",")
    return " ".join(mention(one) for one in recipients if SLACK_GROUP.fullmatch(one))


def _by_track(names: Sequence[str]) -> str:
    """Name each track once: `acknowledgement 12h, 18h; preliminary report 12h`."""
    hours: dict[str, list[str]] = {}
    for name in names:
        track, _, after = name.rpartition(" ")
        hours.setdefault(track, []).append(after)
    return "; ".join(f"{track} {', '.join(after)}".strip() for track, after in hours.items())


def _about(view: TicketView) -> str:
    subject = from_mail(view.ticket.subject) or "_no subject_"
    reporters = ", ".join(from_mail(one, 100) for one in view.reporters[:2]) or "_no sender named_"
    lines = [f"*{subject}*", f"From {reporters} · {certificates_line(view)}"]
    lines += [f":warning: *{line}*" for line in warnings(view)]
    junk = [place for place in view.places if place.in_junk]
    if junk:
        lines.append(f":warning: *FOUND IN JUNK* — folder {from_mail(junk[0].folder, 60)}")
    return "\n".join(lines)


def _where(card: CardPlace | None) -> str:
    if card is None:
        return "The card is not posted yet"
    channel = f"<#{card.channel}>"
    return f"<{card.link}|Open the card> in {channel}" if card.link else f"The card is in {channel}"


def render_text(notice: Notice) -> Card:
    """Render a notice that is only text: trouble, a digest, a test message that arrived."""
    sign = {
        "trouble": ":rotating_light: ",
        "probe": ":satellite_antenna: ",
        "digest": ":newspaper: ",
    }
    lines = [from_mail(line, 300) for line in notice.text.splitlines() if line.strip()][:40]
    first, *others = lines or [escape(notice.kind)]
    body = "\n".join([f"{sign.get(notice.kind, '')}*{first}*", *others])
    calls = _calls(notice)
    return Card((section(f"{calls}\n{body}" if calls else body),), f"{calls} {first}".strip())


def render_refusal(responders: Sequence[str]) -> str:
    """Say politely that somebody may not act here, and who may."""
    who = " ".join(filter(None, map(mention, responders))) or "nobody yet"
    return (
        f"Sorry, this is for the responders of problem reports, and you are not one of them: {who}. "
        "Please tell one of them what you know. To be added, ask whoever runs this app "
        "(`slack.responders` in its configuration). Your attempt was recorded; nothing was changed."
    )
