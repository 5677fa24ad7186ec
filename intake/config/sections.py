"""The configuration: its shape, its defaults and its rules, checked whole at start.

A fault is a `ConfigError` (exit status 3) whose problems name key, value, rule and fix.
"""

import os
import re
from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from intake.clock import parse_instant
from intake.config.file import SQLITE, files_matching, from_folder, read_toml
from intake.config.linters import LintersSection
from intake.config.mailbox import MailboxSection
from intake.config.problems import render_problem
from intake.config.revocation import RevocationSection
from intake.config.values import (
    Duration,
    HeartbeatAddress,
    MailAddress,
    Name,
    Port,
    Secret,
    Section,
    Security,
    Size,
    WebAddress,
    fault,
    is_loopback,
    refuse_clear_text,
    render_duration,
    secret_fields,
)
from intake.errors import ConfigError, ConfigProblem

ACKNOWLEDGE_WITHIN = timedelta(hours=24)  # the chain of escalation must reach this instant
OVERSIZE = 60_000_000
SMALLEST_OVERSIZE, LARGEST_OVERSIZE = 1_000_000, 200_000_000  # bytes that are held in memory
HOUR = r"^([01]\d|2[0-3]):[0-5]\d$"
WITH_FILES = ("archive", "mailbox", "slack", "smtp", "certificates")


class DatabaseSection(Section):
    """Where everything is stored."""

    url: str = "sqlite:///intake.db"

    @model_validator(mode="after")
    def _keep_the_rules(self) -> Self:
        file = self.url.removeprefix(SQLITE) if self.url.startswith(SQLITE) else ""
        if not self.url.startswith("postgresql+psycopg://") and file in {"", ":memory:"}:
            raise fault(
                "is no database that intake knows",
                "use sqlite:///intake.db or postgresql+psycopg://user@host/name",
                key="url",
                value=repr(re.sub(r"//.*@", "//…@", self.url)),  # a password may stand there
            )
        return self


class ArchiveSection(Section):
    """How raw messages are sealed."""

    key: Secret
    reveal_keys: list[Name] | None = None  # system users who may see private keys; None: any

    _secrets = secret_fields("key")


class ServiceSection(Section):
    """The process itself, and what it takes on."""

    testing: bool = Field(default=False, strict=True)
    heartbeat_url: HeartbeatAddress | None = None  # fetched after each good poll
    health_port: Port | None = None  # /healthz, /readyz and /metrics on 127.0.0.1
    log_format: Literal["text", "json"] = "text"
    oversize: Size = OVERSIZE  # a larger message is never held in memory whole
    digest_at: str = Field(default="08:00", pattern=HOUR)  # UTC
    reconcile_at: str = Field(default="03:30", pattern=HOUR)  # UTC

    @model_validator(mode="after")
    def _keep_the_rules(self) -> Self:
        if not SMALLEST_OVERSIZE <= self.oversize <= LARGEST_OVERSIZE:
            raise fault(
                "must be between 1MB and 200MB: so much of a message is held in memory at once",
                'use "60MB"; a larger message is archived whole too, in pieces',
                key="oversize",
                value=f"{self.oversize:,} bytes",
            )
        return self


class SlackSection(Section):
    """The Slack workspace in which staff work."""

    bot_token: Secret
    app_token: Secret
    channel: Name
    base_url: WebAddress = "https://slack.com/api/"
    responders: list[Name] = Field(min_length=1)
    on_call: list[Name]
    managers: list[Name]

    _secrets = secret_fields("bot_token", "app_token")

    @model_validator(mode="after")
    def _keep_the_rules(self) -> Self:
        host = self.base_url.split("//", 1)[1].split("/")[0].rpartition("@")[2]
        host = host if host.endswith("]") else host.partition(":")[0]
        if self.base_url.startswith("http://") and not is_loopback(host):
            raise fault(
                "sends the bot token in clear text",
                "use https://; http:// is for this machine itself only",
                key="base_url",
                value=repr(self.base_url),
            )
        return self


class EscalationStep(Section):
    """Who is told how long after T0, if nobody acknowledged."""

    after: Duration
    to: list[str] = Field(min_length=1)  # channel, on_call, managers, U…, S…, mailto:address
    every: Duration | None = None  # repeats until acknowledged

    @model_validator(mode="after")
    def _keep_the_rules(self) -> Self:
        for name in self.to:
            if not re.fullmatch(r"channel|on_call|managers|[UWSC][A-Z0-9]+|mailto:\S+@\S+", name):
                raise fault(
                    "is nobody who could be told",
                    "use channel, on_call, managers, a Slack user or user-group id, or mailto:…",
                    key="to",
                    value=repr(name),
                )
        if self.every is not None and self.every < timedelta(minutes=1):
            raise fault(
                "is under a minute",
                'use "1h"',
                key="every",
                value=repr(render_duration(self.every)),
            )
        return self


def default_steps() -> list[EscalationStep]:
    """Return the chain that is used where none is configured."""
    chain: list[dict[str, object]] = [
        {"after": "1h", "to": ["channel"]},
        {"after": "4h", "to": ["channel"]},
        {"after": "12h", "to": ["channel"]},
        {"after": "18h", "to": ["on_call"]},
        {"after": "22h", "to": ["managers"]},
        {"after": "24h", "to": ["channel", "on_call", "managers"], "every": "1h"},
    ]
    return [EscalationStep.model_validate(step) for step in chain]


class EscalationSection(Section):
    """The chain of escalation."""

    step: list[EscalationStep] = Field(default_factory=default_steps, min_length=1)


class SmtpSection(Section):
    """The mail relay for what Slack can't carry, and for test messages."""

    host: Name = "localhost"
    port: Port = 25
    security: Security = "none"
    ca: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    sender: MailAddress
    fallback_to: list[MailAddress] = Field(min_length=1)

    _secrets = secret_fields("ca", "password")

    @model_validator(mode="after")
    def _keep_the_rules(self) -> Self:
        refuse_clear_text(self.host, self.security)
        return self


class CrtshSection(Section):
    """Where certificates are looked up that a report only names."""

    base_url: WebAddress = "https://crt.sh/"
    timeout: Duration = timedelta(seconds=30)


class CertificatesSection(Section):
    """How we know our own certificates."""

    issuing_cas: list[Name] = Field(default_factory=list)  # files or patterns, PEM or DER


class Config(Section):
    """The whole configuration."""

    database: DatabaseSection = DatabaseSection()
    archive: ArchiveSection
    service: ServiceSection = ServiceSection()
    mailbox: list[MailboxSection] = Field(min_length=1)
    slack: SlackSection
    escalation: EscalationSection = EscalationSection()
    smtp: SmtpSection | None = None
    crtsh: CrtshSection = CrtshSection()
    certificates: CertificatesSection = CertificatesSection()
    linters: LintersSection = LintersSection()
    revocation: RevocationSection = RevocationSection()

    _path: Path = PrivateAttr(default=Path())

    @property
    def path(self) -> Path:
        """Return the file that this was read from."""
        return self._path

    def recipients(self, step: EscalationStep) -> list[str]:
        """Return Slack ids and mailto addresses of a step, each once, in order."""
        named = {
            "channel": [self.slack.channel],
            "on_call": self.slack.on_call,
            "managers": self.slack.managers,
        }
        found = [one for name in step.to for one in named.get(name, [name])]
        return list(dict.fromkeys(found))

    @model_validator(mode="after")
    def _keep_the_rules(self) -> Self:
        self._check_names()
        self._check_length_of_chain()
        self._check_reach_of_chain()
        return self

    def _check_names(self) -> None:
        names = [mailbox.name for mailbox in self.mailbox]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise fault(
                    "is the name of two mailboxes",
                    "give each its own name",
                    key=f"mailbox[{index}].name",
                    value=repr(name),
                )

    def _check_length_of_chain(self) -> None:
        afters = [step.after for step in self.escalation.step]
        if max(afters) < ACKNOWLEDGE_WITHIN:
            raise fault(
                "the escalation chain ends before 24 hours after T0",
                'add a [[escalation.step]] with after = "24h"',
                key="escalation.step",
                value=f"ends at {render_duration(max(afters))}",
            )
        if min(afters) > ACKNOWLEDGE_WITHIN:
            raise fault(
                "no escalation step comes within 24 hours of T0",
                'add a [[escalation.step]] with after = "12h"',
                key="escalation.step",
                value=f"begins at {render_duration(min(afters))}",
            )

    def _check_reach_of_chain(self) -> None:
        for index, step in enumerate(self.escalation.step):
            if not self.recipients(step):
                raise fault(
                    f"the step after {render_duration(step.after)} reaches nobody",
                    f"fill slack.{step.to[0]}, or change the step",
                    key=f"escalation.step[{index}].to",
                    value=str(step.to),
                )
        told = {one for step in self.escalation.step for one in self.recipients(step)}
        people = {one for one in told if not one.startswith("C") and one != self.slack.channel}
        groups = [one for one in people if one.startswith("S")]
        if len(people) + len(groups) < 2:  # noqa: PLR2004 - a group stands for several people
            raise fault(
                "the escalation chain reaches one person only, who may be ill or asleep"
                if people
                else "the escalation chain reaches no person, only a channel",
                "name at least two people, or a user group, in slack.on_call and slack.managers",
                key="escalation.step",
                value=f"reaches {', '.join(sorted(people)) or self.slack.channel}",
            )
        if self.smtp is None and any(one.startswith("mailto:") for one in told):
            raise fault(
                "a step goes to mailto: but there is no [smtp]",
                "add the table [smtp]",
                key="escalation.step",
                value="mailto:",
            )


def load_config(path: Path) -> Config:
    """Read and check a configuration file; relative paths in it count from its folder.

    Raises:
        ConfigError: naming every fault.
    """
    table = read_toml(path)
    try:
        config = Config.model_validate(from_folder(table, path.resolve().parent))
    except ValidationError as error:
        problems = [render_problem(one, table, Config) for one in error.errors()]
        raise ConfigError(problems) from None
    config._path = path.resolve()
    _check_standing_clock(config)
    return config


def _check_standing_clock(config: Config) -> None:
    text = os.environ.get("INTAKE_NOW")
    if not config.service.testing or not text:
        return
    try:
        parse_instant(text)
    except ValueError:
        fix = "write it as 2017-08-13T04:45:12Z, or unset it"
        problem = ConfigProblem("$INTAKE_NOW", repr(text), "is not an instant with an offset", fix)
        raise ConfigError([problem]) from None


def require_files(config: Config, what: Collection[str] = WITH_FILES) -> None:
    """Make sure that every file and variable is there that these tables name.

    Args:
        config: the configuration.
        what: names of tables, of `WITH_FILES`; all of them if not said.

    Raises:
        ConfigError: naming every one that is missing, unreadable or empty.
    """
    problems: list[ConfigProblem] = []
    for table, secret in _secrets_of(config):
        if table in what:
            try:
                secret.read()
            except ConfigError as error:
                problems += error.problems
    if "certificates" in what:
        problems += [
            ConfigProblem(
                f"certificates.issuing_cas[{index}]",
                repr(pattern),
                "no file matches",
                "put the certificates of your issuing CAs there, or take the entry out",
            )
            for index, pattern in enumerate(config.certificates.issuing_cas)
            if not files_matching(pattern)
        ]
    if problems:
        raise ConfigError(problems)


def _secrets_of(config: Config) -> Iterator[tuple[str, Secret]]:
    yield "archive", config.archive.key
    for mailbox in config.mailbox:
        if mailbox.password:
            yield "mailbox", mailbox.password
        if mailbox.ca:
            yield "mailbox", mailbox.ca
    yield "slack", config.slack.bot_token
    yield "slack", config.slack.app_token
    for secret in (config.smtp.password, config.smtp.ca) if config.smtp else ():
        if secret:
            yield "smtp", secret
