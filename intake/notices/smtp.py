"""Mail out: notices that Slack can't carry, and test messages.

TLS is verified or there is no session; clear text is for this machine only (the configuration
refuses anything else). Every mail has a Message-ID of ours, so that its bounce is known again.
"""

import logging
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from intake.config import SmtpSection
from intake.errors import ConfigError, OutsideUnavailableError
from intake.notices.words import clean

TIMEOUT_SECONDS = 15.0
UNFOLDED = policy.default.clone(max_line_length=900)  # folding tears [CPR-…] from "Subject:"
PROBE_HEADER = "X-CPR-Intake-Probe"
log = logging.getLogger(__name__)


class MailError(OutsideUnavailableError):
    """A mail could not be handed to the relay; the text says why in plain words."""

    def __init__(self, message: str, *, is_down: bool = True) -> None:
        """Keep whether the relay itself is the trouble, so that other mails will fail too."""
        super().__init__(message)
        self.is_down = is_down


@dataclass(frozen=True)
class SmtpMedium:
    """The mail relay of the configuration."""

    section: SmtpSection
    timeout: float = TIMEOUT_SECONDS

    def new_message_id(self) -> str:
        """Return a fresh Message-ID in its brackets, under the sender's domain."""
        domain = self.section.sender.rpartition("@")[2]
        return make_msgid(idstring="cpr-intake", domain=domain)

    def send(self, mail: EmailMessage, recipients: Sequence[str]) -> None:
        """Hand a mail to the relay.

        Raises:
            MailError: if it did not take the mail for any recipient.
        """
        where = f"{self.section.host}:{self.section.port}"
        try:
            with self._connect() as relay:
                refused = relay.send_message(mail, self.section.sender, list(recipients))
        except smtplib.SMTPRecipientsRefused as error:
            message = f"The mail relay {where} refused every recipient: {_codes(error.recipients)}"
            raise MailError(message, is_down=False) from None
        except smtplib.SMTPAuthenticationError:
            message = f"The mail relay {where} does not accept the user name and password"
            raise MailError(message) from None
        except smtplib.SMTPResponseException as error:
            message = f"The mail relay {where} answered {error.smtp_code}"
            raise MailError(message, is_down=False) from None
        except ssl.SSLError as error:
            message = f"The mail relay {where} could not be trusted: {error.reason or 'TLS failed'}"
            raise MailError(message) from None
        except ConfigError as error:
            raise MailError(str(error)) from None
        except (OSError, smtplib.SMTPException) as error:
            raise MailError(f"The mail relay {where} can't be used: {_reason(error)}") from None
        if refused:
            log.warning("the mail relay %s refused %s", where, _codes(refused))

    def _connect(self) -> smtplib.SMTP:
        section = self.section
        if section.security == "tls":
            relay: smtplib.SMTP = smtplib.SMTP_SSL(
                section.host, section.port, timeout=self.timeout, context=self._tls()
            )
        else:
            relay = smtplib.SMTP(section.host, section.port, timeout=self.timeout)
        try:
            if section.security == "starttls":
                relay.starttls(context=self._tls())
            if section.username and section.password:
                relay.login(section.username, section.password.read())
        except BaseException:
            relay.close()
            raise
        return relay

    def _tls(self) -> ssl.SSLContext:
        ca = self.section.ca
        return ssl.create_default_context(cafile=str(ca.path()) if ca else None)


def compose(
    medium: SmtpMedium, recipients: Sequence[str], *, subject: str, body: str, now: datetime
) -> EmailMessage:
    """Make a plain-text mail with our own Message-ID that no automatic reply answers."""
    mail = EmailMessage(policy=UNFOLDED)
    local, _, domain = medium.section.sender.rpartition("@")
    mail["From"] = Address("CPR intake", username=local, domain=domain)
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = clean(subject, 250)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = medium.new_message_id()
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(body)
    return mail


def _codes(refused: dict[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"{address} ({code})" for address, (code, _) in sorted(refused.items()))


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "it offers no STARTTLS or no login"
    return type(error).__name__
