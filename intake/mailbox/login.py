"""Logging in to an IMAP server with a password or with an OAuth 2 bearer token.

Source: RFC 7628.
"""

from base64 import b64encode
from typing import Any

from imapclient import IMAPClient

from intake.config import MailboxSection
from intake.mailbox.token import bearer_token


def read_credential(mailbox: MailboxSection) -> str:
    """Return the password of a mailbox, or a bearer token.

    Raises:
        ConfigError: if the password is not there.
        OutsideUnavailableError: if the command prints no token.
    """
    if mailbox.password is not None:
        return mailbox.password.read()
    return bearer_token(mailbox.token_command)


def log_in(client: IMAPClient, mailbox: MailboxSection, credential: str) -> None:
    """Log in with what the mailbox's configuration says."""
    if mailbox.auth == "xoauth2":
        client.oauth2_login(mailbox.username, credential)
    elif mailbox.auth == "oauthbearer":
        client.oauthbearer_login(mailbox.username, credential)
    else:
        _by_password(client, mailbox.username, credential)


def _by_password(client: IMAPClient, user: str, password: str) -> None:
    capable = client.capabilities()
    if b"AUTH=PLAIN" in capable:
        client.plain_login(user, password)
    elif b"AUTH=LOGIN" in capable and not (user + password).isascii():
        client.sasl_login("LOGIN", _answer_login(user, password))
    else:
        client.login(user, password)


def without_credential(text: str, mailbox: MailboxSection, credential: str) -> str:
    """Return a server's words without the credential, should it have repeated that."""
    plain = f"\0{mailbox.username}\0{credential}"
    forms = [credential, *(b64encode(one.encode()).decode() for one in (plain, credential))]
    for one in forms if credential else ():
        text = text.replace(one, "…")
    return text


def _answer_login(user: str, password: str) -> Any:  # noqa: ANN401 - what sasl_login wants
    answers = iter((user, password))
    return lambda _challenge: next(answers, "")
