"""One notice on its way: to Slack, and by mail where Slack fails.

It writes nothing about the notice: what happened is returned as an `Outcome`.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slack_sdk.errors import SlackObjectFormationError

from intake.config import Config
from intake.database import Database
from intake.notices.cards import Card, render_card
from intake.notices.letters import Letter, render_letter, render_text_letter
from intake.notices.slack import Posted, SlackMedium, SlackTrouble
from intake.notices.smtp import MailError, SmtpMedium, compose
from intake.notices.steps import CardPlace, is_overtaken, render_step, render_text
from intake.notices.view import TicketView
from intake.notices.words import SLACK_GROUP
from intake.tables import Notice, SentMessageId

LONGEST_WAIT = 60.0  # seconds for one notice, where Slack asks to wait
SHORTEST_WAIT = 0.2
# The card can't be changed any more, so it is posted anew.
CARD_IS_GONE = {"message_not_found", "cant_update_message", "edit_window_closed"}
THE_CHANNEL = "channel"  # stands for the configured one
log = logging.getLogger(__name__)


@dataclass
class Health:
    """Whether the media work, so that the log tells each change once."""

    slack: str | None = None  # the trouble, None while it works
    mail: str | None = None

    def note(self, medium: str, trouble: str | None) -> None:
        """Remember how a medium does and log it if that is new."""
        before = getattr(self, medium)
        setattr(self, medium, trouble)
        if trouble and not before:
            log.warning("%s does not take notices: %s", medium, trouble)
        elif before and not trouble:
            log.info("%s takes notices again", medium)


@dataclass(frozen=True)
class Media:
    """What notices leave by."""

    slack: SlackMedium
    smtp: SmtpMedium | None
    config: Config
    sleep: Callable[[float], None] = time.sleep
    health: Health = field(default_factory=Health)

    @classmethod
    def open(cls, config: Config) -> "Media":
        """Make the media of a configuration; reads Slack's bot token."""
        smtp = SmtpMedium(config.smtp) if config.smtp else None
        return cls(SlackMedium(config.slack), smtp, config)


@dataclass(frozen=True)
class Outcome:
    """What became of one attempt to deliver a notice."""

    state: str  # sent | waiting | withdrawn
    medium: str = "slack"
    reached_somebody: bool = False
    delivered_to: tuple[str, ...] = ()
    posted: Posted | None = None
    is_first_in_slack: bool = False
    handed_over: bool = False
    error: str | None = None
    error_code: str | None = None
    retry_after: float = 0.0


@dataclass
class _Attempt:
    """What is known while a notice is being delivered."""

    notice: Notice
    view: TicketView | None
    now: datetime
    delivered_to: list[str]
    posted: Posted | None = None
    trouble: SlackTrouble | None = None
    mail_error: str | None = None
    mailed: bool = False
    waited: float = 0.0


class Delivery:
    """One pass over the outbox: remembers which medium is down, and does not ask it again."""

    def __init__(self, database: Database, media: Media) -> None:
        """Prepare a pass."""
        self._database = database
        self._media = media
        self._slack = media.slack
        self._smtp = media.smtp
        self._channel = media.config.slack.channel
        self._health = media.health
        self._slack_down: SlackTrouble | None = None
        self._mail_down: str | None = None

    def deliver(
        self, notice: Notice, view: TicketView | None, now: datetime, *, was_cut_short: bool
    ) -> Outcome:
        """Try to deliver one notice by all media that it needs."""
        if notice.kind == "step" and view is not None and is_overtaken(notice, view):
            return Outcome("withdrawn", error="overtaken: it was done before it could be told")
        attempt = _Attempt(notice, view, now, list(notice.delivered_to))
        if notice.kind == "card" and view is not None:
            return self._deliver_card(attempt, view, was_cut_short=was_cut_short)
        return self._deliver_to_all(attempt)

    # ---- cards ---------------------------------------------------------------------------------

    def _deliver_card(self, attempt: _Attempt, view: TicketView, *, was_cut_short: bool) -> Outcome:
        notice = attempt.notice
        blocks, text = checked(render_card(view, attempt.now))
        place = _place_of(notice)
        if place is None and (was_cut_short or notice.attempts):
            place = self._find(attempt)
        posted = self._in_slack(attempt, lambda: self._put_card(notice, place, blocks, text))
        if posted is not None:
            first = notice.slack_ts is None
            return Outcome("sent", reached_somebody=True, posted=posted, is_first_in_slack=first)
        is_new = notice.slack_ts is None and notice.handed_over_at is None
        handed_over = is_new and self._hand_over(attempt)
        return self._outcome(attempt, "waiting", handed_over=handed_over)

    def _put_card(
        self, notice: Notice, place: Posted | None, blocks: list[dict[str, Any]], text: str
    ) -> Posted:
        if place is not None:
            try:
                self._slack.update(place, blocks, text)
            except SlackTrouble as trouble:
                if trouble.code not in CARD_IS_GONE:
                    raise
            else:
                return place
        return self._slack.post(self._resolved(notice.to), blocks, text, key=notice.key)

    def _find(self, attempt: _Attempt) -> Posted | None:
        """Look whether an attempt that was cut short had reached Slack after all."""
        notice = attempt.notice
        if self._slack_down is not None:
            return None
        try:
            return self._slack.find(self._resolved(notice.to), notice.key, since=notice.created_at)
        except SlackTrouble as trouble:
            if trouble.is_down:
                self._slack_down = trouble
            return None

    # ---- all other notices ---------------------------------------------------------------------

    def _deliver_to_all(self, attempt: _Attempt) -> Outcome:
        recipients = [self._resolved(one) for one in attempt.notice.to.split(",")]
        for address in _addresses(recipients):
            if address not in attempt.delivered_to and self._mail_to(attempt, [address]):
                attempt.delivered_to.append(address)
                attempt.mailed = True
        channels = _channels(recipients, self._channel)
        missing = [one for one in channels if one not in attempt.delivered_to]
        if missing:
            blocks, text = checked(self._render(attempt))
            for channel in missing:
                self._post_to(attempt, channel, blocks, text)
        return self._settle(attempt, channels)

    def _post_to(
        self, attempt: _Attempt, channel: str, blocks: list[dict[str, Any]], text: str
    ) -> None:
        key = attempt.notice.key
        posted = self._in_slack(attempt, lambda: self._slack.post(channel, blocks, text, key=key))
        if posted is not None:
            attempt.delivered_to.append(channel)
            attempt.posted = attempt.posted or posted

    def _settle(self, attempt: _Attempt, channels: list[str]) -> Outcome:
        if attempt.trouble is not None:
            handed_over = attempt.notice.handed_over_at is None and self._hand_over(attempt)
            if not handed_over:
                return self._outcome(attempt, "waiting")
            if not attempt.mail_error:
                return self._outcome(attempt, "sent", handed_over=True)
        if attempt.mail_error:  # an address that a step names: told in Slack, but not there
            return self._outcome(attempt, "waiting")
        medium = "slack" if channels else "smtp"
        return Outcome(
            "sent",
            medium=medium,
            reached_somebody=True,
            delivered_to=tuple(attempt.delivered_to),
            posted=attempt.posted,
        )

    def _render(self, attempt: _Attempt) -> Card:
        if attempt.view is None or attempt.notice.kind != "step":
            return render_text(attempt.notice)
        card = self._card_place(attempt.view)
        return render_step(attempt.view, attempt.notice, attempt.now, card=card)

    def _card_place(self, view: TicketView) -> CardPlace | None:
        for notice in view.notices:
            place = _place_of(notice) if notice.kind == "card" else None
            if place is not None:
                link = None if self._slack_down else self._slack.link(place)
                return CardPlace(place.channel, link)
        return None

    def _resolved(self, recipient: str) -> str:
        return self._channel if recipient == THE_CHANNEL else recipient

    # ---- media ---------------------------------------------------------------------------------

    def _in_slack(self, attempt: _Attempt, call: Callable[[], Posted]) -> Posted | None:
        """Call Slack, waiting as it asks; note the trouble and return None if it fails."""
        if self._slack_down is not None:
            attempt.trouble = self._slack_down
            return None
        while True:
            try:
                posted = call()
            except SlackTrouble as trouble:
                if self._wait_for(attempt, trouble):
                    continue
                attempt.trouble = trouble
                if trouble.is_down or trouble.retry_after is not None:
                    self._slack_down = trouble
                self._health.note("slack", str(trouble))
                return None
            self._health.note("slack", None)
            return posted

    def _wait_for(self, attempt: _Attempt, trouble: SlackTrouble) -> bool:
        if trouble.retry_after is None:
            return False
        wait = max(trouble.retry_after, SHORTEST_WAIT)
        if attempt.waited + wait > LONGEST_WAIT:
            return False
        self._media.sleep(wait)
        attempt.waited += wait
        return True

    def _hand_over(self, attempt: _Attempt) -> bool:
        """Send the notice to the fallback addresses; say whether somebody has it now."""
        section = self._media.config.smtp
        recipients = section.fallback_to if section else []
        return self._mail_to(attempt, recipients, why_mail=str(attempt.trouble))

    def _mail_to(
        self, attempt: _Attempt, recipients: Sequence[str], *, why_mail: str | None = None
    ) -> bool:
        error = self._mail_down if self._smtp else "there is no [smtp] in the configuration"
        if self._smtp is None or error:
            attempt.mail_error = error
            return False
        letter = self._letter(attempt, why_mail)
        mail = compose(
            self._smtp, recipients, subject=letter.subject, body=letter.body, now=attempt.now
        )
        self._remember(str(mail["Message-ID"]), attempt)
        try:
            self._smtp.send(mail, recipients)
        except MailError as trouble:
            attempt.mail_error = str(trouble)
            self._mail_down = str(trouble) if trouble.is_down else None
            self._health.note("mail", str(trouble))
            return False
        self._health.note("mail", None)
        return True

    def _letter(self, attempt: _Attempt, why_mail: str | None) -> Letter:
        if attempt.view is None or attempt.notice.kind not in {"card", "step"}:
            return render_text_letter(attempt.notice, why_mail=why_mail)
        return render_letter(attempt.view, attempt.notice, attempt.now, why_mail=why_mail)

    def _remember(self, message_id: str, attempt: _Attempt) -> None:
        """Note our Message-ID before the mail leaves: its bounce may be faster than we are."""
        with self._database.write() as session:
            session.add(
                SentMessageId(
                    message_id=message_id.strip("<>"),
                    ticket=attempt.notice.ticket,
                    purpose="notice",
                    sent_at=attempt.now,
                )
            )

    def _outcome(self, attempt: _Attempt, state: str, *, handed_over: bool = False) -> Outcome:
        trouble = attempt.trouble
        errors = [str(trouble)] if trouble else []
        errors += [attempt.mail_error] if attempt.mail_error else []
        return Outcome(
            state,
            medium="smtp" if handed_over or trouble else "slack",
            reached_somebody=handed_over,
            delivered_to=tuple(attempt.delivered_to),
            posted=attempt.posted,
            handed_over=handed_over,
            error="; ".join(errors) or None,
            error_code=trouble.code if trouble else None,
            retry_after=(trouble.retry_after or 0.0) if trouble else 0.0,
        )


def checked(card: Card) -> tuple[list[dict[str, Any]], str]:
    """Return blocks and text; the text alone if the blocks break a limit of Slack's."""
    try:
        return card.as_dicts(), card.text
    except SlackObjectFormationError as error:
        log.error("a notice could not be made as blocks, so its text goes alone: %s", error)  # noqa: TRY400 - the trace says no more
        return [], card.text


def _place_of(notice: Notice) -> Posted | None:
    if notice.slack_ts is None:
        return None
    return Posted(notice.slack_channel or notice.to, notice.slack_ts)


def _addresses(recipients: Sequence[str]) -> list[str]:
    """Return those who are told by mail anyway."""
    return [one.removeprefix("mailto:") for one in recipients if "@" in one]


def _channels(recipients: Sequence[str], channel: str) -> list[str]:
    """Return where in Slack a notice is posted; a user group is called in the channel."""
    found = [
        channel if SLACK_GROUP.fullmatch(one) else one
        for one in recipients
        if one and "@" not in one
    ]
    return list(dict.fromkeys(found))
