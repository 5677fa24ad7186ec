"""Whose certificates a connection to a mailbox trusts."""

import ssl

from intake.config import MailboxSection
from intake.errors import ConfigError, ConfigProblem


def trust(mailbox: MailboxSection) -> ssl.SSLContext:
    """Return a context that trusts the configured CA file, or the system's CAs.

    Raises:
        ConfigError: if the file is not there or holds no certificate.
    """
    file = mailbox.ca.path() if mailbox.ca is not None else None
    try:
        return ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or "it holds no certificate"
        raise ConfigError(
            [
                ConfigProblem(
                    "mailbox.ca_file",
                    str(file),
                    f"can't be used: {reason}",
                    "name a PEM file with the CA that signed the server's certificate",
                )
            ]
        ) from None
