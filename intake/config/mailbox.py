"""The table of a mailbox in the configuration."""

from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from intake.config.values import (
    Duration,
    HostOrNetwork,
    MailAddress,
    Name,
    Port,
    Secret,
    Section,
    Security,
    fault,
    refuse_clear_text,
    render_duration,
    secret_fields,
)

LONGEST_POLL = timedelta(hours=1)


class MailboxSection(Section):
    """One problem-report mailbox, an account on an IMAP server."""

    name: Name
    addresses: list[MailAddress] = Field(min_length=1)
    host: Name
    port: Port = 993
    security: Security = "tls"
    ca: Secret | None = None  # a file of trusted certificates; no secret, but found the same way
    username: Name
    auth: Literal["password", "xoauth2", "oauthbearer"] = "password"
    password: Secret | None = None
    token_command: list[Name] = Field(default_factory=list)  # prints an OAuth 2 bearer token
    junk_folders: list[Name] = Field(default_factory=list)
    skip_folders: list[Name] = Field(default_factory=list)
    our_hosts: list[HostOrNetwork] = Field(default_factory=list)
    watch_from: AwareDatetime | None = None
    poll_every: Duration = timedelta(seconds=60)

    _secrets = secret_fields("ca", "password")

    @classmethod
    def needs(cls, name: str, table: dict[str, Any]) -> bool:
        """Say whether a secret must be there: no password where a command prints tokens."""
        if name == "password":
            return bool(table.get("auth", "password") == "password")
        return super().needs(name, table)

    @model_validator(mode="after")
    def _keep_the_rules(self) -> Self:
        refuse_clear_text(self.host, self.security)
        self._check_credentials()
        if not timedelta(0) < self.poll_every <= LONGEST_POLL:
            raise fault(
                "must be between 1s and 1h, or the clock of 24 hours runs unseen",
                'use "60s"',
                key="poll_every",
                value=repr(render_duration(self.poll_every)),
            )
        both = {one.casefold() for one in self.junk_folders} & {
            one.casefold() for one in self.skip_folders
        }
        if both:
            raise fault(
                f"{', '.join(sorted(both))} is a junk folder and a skipped one",
                "take it out of skip_folders: reports are lost in Junk more than anywhere",
                key="skip_folders",
            )
        return self

    def _check_credentials(self) -> None:
        by_token = self.auth != "password"
        if by_token and not self.token_command:
            raise fault(
                f'is empty, and auth = "{self.auth}" needs a token',
                'name the program that prints one: token_command = ["/usr/local/bin/token"]',
                key="token_command",
                value="[]",
            )
        unused = "password_file" if by_token else "token_command"
        if (by_token and self.password is not None) or (not by_token and self.token_command):
            raise fault(
                f'is not used with auth = "{self.auth}"',
                f"take {unused} out, or change auth",
                key=unused,
                value="(not shown)",
            )
