"""Tells people at once and without the database, for when the database is what is broken."""

import logging
from datetime import datetime

from intake.notices.delivery import Media
from intake.notices.slack import SlackTrouble
from intake.notices.smtp import MailError, compose
from intake.notices.words import escape

logger = logging.getLogger(__name__)


def tell_directly(media: Media, text: str, now: datetime) -> None:
    """Post a text in the channel, and mail it to the fallback addresses as well."""
    logger.warning("alarm: %s", text)
    try:
        media.slack.post(media.config.slack.channel, [], escape(text))
    except SlackTrouble as trouble:
        logger.warning("Slack did not take the alarm: %s", trouble)
    if media.smtp is None or media.config.smtp is None:
        return
    recipients = media.config.smtp.fallback_to
    mail = compose(media.smtp, recipients, subject="CPR intake: trouble", body=text, now=now)
    try:
        media.smtp.send(mail, recipients)
    except MailError as error:
        logger.warning("the mail relay did not take the alarm: %s", error)
