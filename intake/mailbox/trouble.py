"""What can go wrong with an IMAP server, said in plain words with the fix."""

import errno
import imaplib
import socket
import ssl

from imapclient.exceptions import LoginError

from intake.config import MailboxSection
from intake.errors import OutsideUnavailableError

TRIED_AGAIN = "it is tried again by itself"

# What IMAPClient, imaplib and the parser of a server's answers are known to raise.
LIBRARY_ERRORS = (imaplib.IMAP4.error, OSError, ValueError, TypeError, LookupError, AttributeError)


class ImapRefusedError(OutsideUnavailableError):
    """The server refused one command, or answered it in a way that can't be read."""


class ImapLostError(OutsideUnavailableError):
    """There is no usable connection: refused, cut, timed out, not trusted or not logged in."""


def is_loss(error: Exception, text: str) -> bool:
    """Say whether the connection is of no use after an error."""
    return isinstance(error, imaplib.IMAP4.abort | OSError) or "got more than" in text


def explain(error: Exception, text: str, mailbox: MailboxSection) -> tuple[str, str]:
    """Return what happened and what to do about it, in plain words."""
    if isinstance(error, ssl.SSLError):
        return _explain_tls(error, text, mailbox)
    if isinstance(error, OSError):
        return _explain_network(error, text, mailbox)
    return _explain_answer(error, text, mailbox)


def _explain_tls(error: ssl.SSLError, text: str, mailbox: MailboxSection) -> tuple[str, str]:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"no TLS connection ({text})", "check mailbox.port and mailbox.security"
    if "mismatch" in text.lower():
        return (
            f"the server's certificate is for another name than {mailbox.host}",
            "set mailbox.host to the name in the certificate",
        )
    return (
        f"the server's certificate is not trusted ({error.verify_message})",
        "name the CA that signed it in mailbox.ca_file, or renew the certificate",
    )


def _explain_network(error: OSError, text: str, mailbox: MailboxSection) -> tuple[str, str]:
    if isinstance(error, TimeoutError):
        fix = f"check the network and the firewalls on the way to port {mailbox.port}"
        return "the server did not answer in time", fix
    if isinstance(error, ConnectionRefusedError):
        fix = f"start the IMAP server, or set mailbox.port (now {mailbox.port})"
        return "connection refused", fix
    if isinstance(error, socket.gaierror):
        return f"the name {mailbox.host} is not known", "check mailbox.host and DNS"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return "this machine has too many files open", "raise LimitNOFILE of the service"
    return f"the connection broke ({text})", TRIED_AGAIN


def _explain_answer(error: Exception, text: str, mailbox: MailboxSection) -> tuple[str, str]:
    broken = isinstance(error, imaplib.IMAP4.abort) or "socket error" in text or "BYE" in text
    if broken:  # a LoginError too: the library hides in it what broke during the login
        return f"the connection broke ({text})", TRIED_AGAIN
    if isinstance(error, LoginError) and mailbox.auth != "password":
        fix = "check that the token command prints a fresh token for this account and for IMAP"
        return f"the server refused the token of {mailbox.username} ({text})", fix
    if isinstance(error, LoginError):
        fix = "check mailbox.username and the password file, and that the account may use IMAP"
        return f"the server refused user name or password ({text})", fix
    if "STARTTLS" in text:
        return (
            "the server offers no STARTTLS, so no password was sent",
            'use security = "tls" and port 993, or find out who takes STARTTLS out on the way',
        )
    if isinstance(error, UnicodeEncodeError):
        fix = "let the server offer AUTH=PLAIN, or use ASCII"
        return "a user name, password or folder name can't be sent to this server", fix
    return f"the server refused ({text})", f"see the server's log; {TRIED_AGAIN}"
