"""A mail relay for the demo and the tests: aiosmtpd on loopback; it keeps what it is given."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from intake.demo.imap import free_port


@dataclass(frozen=True)
class RelayedMail:
    """One mail as the relay took it."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


class MailStandIn:
    """A relay on loopback; its mails end in `mails`, and go on to `deliver`."""

    def __init__(self, deliver: Callable[[RelayedMail], None] = lambda _: None) -> None:
        """Choose a free port.

        Args:
            deliver: gets each mail too, in a thread, before the relay says that it took it.
        """
        self._deliver = deliver
        self.host = "127.0.0.1"
        self.port = free_port()
        self.mails: list[RelayedMail] = []
        self._controller = Controller(self, hostname=self.host, port=self.port)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002 - aiosmtpd's name and form
        """Keep a mail."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        mail = RelayedMail(envelope.mail_from or "", tuple(envelope.rcpt_tos), content)
        self.mails.append(mail)
        await asyncio.to_thread(self._deliver, mail)
        return "250 kept"

    def __enter__(self) -> Self:
        """Start listening."""
        self._controller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening."""
        self._controller.stop()
