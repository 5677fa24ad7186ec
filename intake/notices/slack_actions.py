"""Carries out what people do in Slack, with the same functions as the command line.

Slack may deliver the same press several times: each is carried out once, because its key is
stored in the same transaction. Only configured responders may act; what is refused is recorded.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from intake.clock import Clock
from intake.database import Database
from intake.errors import IntakeError
from intake.events import record_event
from intake.notices.cards import render_card
from intake.notices.interactions import Interaction, Press, Question, Submission
from intake.notices.modals import ITEMS_SHOWN, TITLES, check_entries, render_details, render_form
from intake.notices.slack import SlackMedium, SlackTrouble
from intake.notices.steps import render_refusal
from intake.notices.view import ticket_view
from intake.notices.words import clean, escape
from intake.tables import SlackAction, Ticket
from intake.tickets import actions
from intake.tickets.actions import Outcome

ANSWER_LIMIT = 3500  # characters; Slack cuts what is longer into pieces
PERSON = re.compile(r"\b[UW](?=[A-Z0-9]*\d)[A-Z0-9]{5,}\b")
TICKET = re.compile(r"(?:cpr-|#)?(\d{1,9})", re.IGNORECASE)
USAGE = (
    "Type `/cpr` and a Message-ID in any form, or a ticket number: "
    "`/cpr <report@example.com>` or `/cpr 12`. Only you see the answer."
)
GONE_WRONG = (
    "This could not be done just now, and nothing was changed. Try again, or use the command line "
    "on the mail host: `intake ticket --help`."
)
NOT_CHECKED = (
    "Slack did not say who belongs to the user group of responders, so this was not done. "
    "Try again, or use the command line on the mail host: `intake ticket --help`."
)
REPEATED = Outcome("", changed=False)


@dataclass(frozen=True)
class SlackActions:
    """What stands behind the buttons, the modals and `/cpr`."""

    database: Database
    slack: SlackMedium
    responders: Sequence[str]
    clock: Clock
    answer: Callable[[str], str]  # traces a Message-ID
    changed: Callable[[], None] = lambda: None  # wakes the outbox

    def receipt(self, interaction: Interaction | None) -> dict[str, Any] | None:
        """Return what goes back with the receipt at once: what is wrong in a form, if anything."""
        if not isinstance(interaction, Submission):
            return None
        problems = check_entries(interaction.form, interaction.entries)
        return {"response_action": "errors", "errors": problems} if problems else None

    def handle(self, interaction: Interaction) -> None:
        """Do what was asked, after the receipt; whoever asked is told privately what came of it."""
        try:
            text = self._handle(interaction)
        except IntakeError as error:
            text = _shown(str(error))
        except SlackTrouble as trouble:
            text = f"{GONE_WRONG} (Slack: {escape(str(trouble))})"
        except SQLAlchemyError:
            self._say(interaction, GONE_WRONG)
            raise
        if text:
            self._say(interaction, text)

    def _handle(self, interaction: Interaction) -> str:
        try:
            may_act = self.slack.is_one_of(interaction.user, self.responders)
        except SlackTrouble:
            return NOT_CHECKED
        if not may_act:
            return self._refuse(interaction)
        match interaction:
            case Press(action="acknowledge"):
                return self._act(interaction, {})
            case Press():
                return self._open(interaction)
            case Submission():
                return self._act(interaction, interaction.entries)
            case Question():
                return self._reply(interaction)

    def _refuse(self, interaction: Interaction) -> str:
        """Record the attempt once, and say politely no."""
        now = self.clock()
        with self.database.write() as session:
            if not first_time(session, interaction.key, now):
                return ""
            ticket = None if isinstance(interaction, Question) else interaction.ticket
            known = ticket if ticket and _exists(session, ticket) else None
            record_event(
                session, "refused", actor=interaction.user, now=now, ticket=known,
                asked=name_of(interaction), why="not a responder",
            )  # fmt: skip
        return render_refusal(self.responders)

    def _act(self, interaction: Press | Submission, entries: Mapping[str, str | None]) -> str:
        """Change a ticket; return what to say, nothing where the card shows it."""
        now = self.clock()
        with self.database.write() as session:
            if not first_time(session, interaction.key, now):
                return ""
            outcome = carry_out(session, interaction, entries, now)
        self.changed()
        is_shown = isinstance(interaction, Press) and outcome.changed
        return "" if is_shown else _shown(outcome.text)

    def _open(self, press: Press) -> str:
        """Open a modal at once: Slack allows it for three seconds."""
        now = self.clock()
        if press.action != "details" and press.action not in TITLES:
            return ""
        with self.database.write() as session:
            if not first_time(session, press.key, now):
                return ""
        first = ITEMS_SHOWN if press.action == "details" else 0
        with self.database.read() as session:
            view = ticket_view(session, press.ticket, whole=False, first=first)
        if press.action == "details":
            modal = render_details(view, now, channel=press.channel)
        else:
            modal = render_form(press.action, view, now, channel=press.channel)
        self.slack.open_view(press.trigger_id, modal)
        return ""

    def _reply(self, question: Question) -> str:
        """Answer `/cpr`: a ticket in short, or the trace of a Message-ID."""
        now = self.clock()
        if not question.text:
            return USAGE
        with self.database.write() as session:
            if not first_time(session, question.key, now):
                return ""
        match = TICKET.fullmatch(question.text)
        if match is None:
            return _block_of_code(self.answer(question.text))
        with self.database.read() as session:
            card = render_card(ticket_view(session, int(match[1]), whole=False), now)
        texts = [block["text"]["text"] for block in card.as_dicts() if block["type"] == "section"]
        return "\n".join(texts)[:ANSWER_LIMIT]

    def _say(self, interaction: Interaction, text: str) -> None:
        """Say something to one person only, by the first way that works."""
        url = getattr(interaction, "response_url", "")
        ways: list[Callable[[], object]] = []
        if url:
            ways.append(lambda: self.slack.respond(url, text))
        if interaction.channel:
            ways.append(lambda: self.slack.ephemeral(interaction.channel, interaction.user, text))
        ways.append(lambda: self.slack.post(interaction.user, [], text))
        for way in ways:
            try:
                way()
            except SlackTrouble:
                continue
            return


def name_of(interaction: Interaction) -> str:
    """Return what was asked, in a word."""
    match interaction:
        case Press():
            return clean(interaction.action, 40)
        case Submission():
            return clean(interaction.form, 40)
        case Question():
            return "/cpr"


def first_time(session: Session, key: str, now: datetime) -> bool:
    """Say whether this was not carried out before, and remember that it is now."""
    if session.get(SlackAction, key) is not None:
        return False
    session.add(SlackAction(key=key, at=now))
    session.flush()
    return True


def _exists(session: Session, number: int) -> bool:
    return session.get(Ticket, number) is not None


def carry_out(
    session: Session,
    interaction: Press | Submission,
    entries: Mapping[str, str | None],
    now: datetime,
) -> Outcome:
    """Call the action that a button or a form stands for."""
    name = interaction.action if isinstance(interaction, Press) else interaction.form
    ticket, actor = interaction.ticket, interaction.user

    def said(entry: str) -> str:
        return entries.get(entry) or ""

    does: dict[str, Callable[[], Outcome]] = {
        "acknowledge": lambda: actions.acknowledge(session, ticket, actor, now),
        "dismiss": lambda: actions.dismiss(session, ticket, actor, now, reason=said("reason")),
        "assign": lambda: actions.assign(session, ticket, actor, now, who=said("who")),
        "note": lambda: actions.note(session, ticket, actor, now, text=said("text")),
        "classify": lambda: actions.classify(
            session, ticket, actor, now, item=said("item").strip().lower(), reason=said("reason")
        ),
        "report": lambda: actions.record_report(
            session, ticket, actor, now,
            to=said("to"), at=_instant(said("at")), message_id=said("message_id"),
        ),
        "close": lambda: actions.close(
            session, ticket, actor, now,
            reason=said("reason"), disposition=said("disposition") or "handled",
        ),
        "reopen": lambda: actions.reopen(session, ticket, actor, now, reason=said("reason")),
    }  # fmt: skip
    return does[name]() if name in does else REPEATED


def _instant(seconds: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        message = "The time of the report is missing."
        raise IntakeError(message) from None


def _shown(text: str) -> str:
    """Return the words of an action as mrkdwn, with people by name."""
    return PERSON.sub(lambda match: f"<@{match[0]}>", escape(text))


def _block_of_code(text: str) -> str:
    """Return the trace's text as it stands, so that nothing in it formats, links or calls."""
    inside = escape(text).replace("`", "ˋ")
    if len(inside) > ANSWER_LIMIT:
        cut = inside[:ANSWER_LIMIT].rpartition("\n")[0]
        inside = f"{cut}\n… more with `intake trace` on the mail host".replace("`", "'")
    return f"```\n{inside}\n```"
