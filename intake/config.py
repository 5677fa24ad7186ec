"""The configuration: its shape, its defaults and its rules, checked whole at start.

A fault is a `ConfigError` (exit status 3) whose problems name key, value, rule and fix.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from intake.errors import ConfigError, ConfigProblem

LONGEST_POLL = timedelta(hours=1)
ACKNOWLEDGE_WITHIN = timedelta(hours=24)  # the chain of escalation must reach this instant
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: object) -> timedelta:
    """Read `90s`, `5m`, `24h` or `5d`."""
    match = re.fullmatch(r"\s*(\d+)\s*([smhd])\s*", value) if isinstance(value, str) else None
    if match is None:
        raise fault("is not a duration", 'write a number and s, m, h or d, for example "60s"')
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


def render_duration(duration: timedelta) -> str:
    """Write a duration in the largest unit that divides it: `18h`, `90m`."""
    seconds = int(duration.total_seconds())
    for unit in ("h", "m"):
        if seconds and seconds % UNITS[unit] == 0:
            return f"{seconds // UNITS[unit]}{unit}"
    return f"{seconds}s"


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Security = Literal["tls", "starttls", "none"]


def fault(rule: str, fix: str) -> PydanticCustomError:
    """Return the error of a broken rule, with its fix."""
    return PydanticCustomError("rule", "{rule}", {"rule": rule, "fix": fix})


class Section(BaseModel):
    """A table of the configuration; unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Secret(Section):
    """Where a secret comes from; it is read when it is needed and never printed."""

    file: Path | None = None
    env: str | None = None
    key: str = ""  # e.g. slack.bot_token_file, for messages

    def read(self) -> str:
        """Return the secret without the line end.

        Raises:
            ConfigError: if it is not there, is not readable, or is empty.
        """
        value = os.environ.get(self.env, "") if self.env else self._from_file()
        if not value.strip():
            where = f"${self.env}" if self.env else str(self.file)
            raise ConfigError(
                [ConfigProblem(self.key, where, "the secret is empty or not set", "put it there")]
            )
        return value.strip("\r\n")

    def _from_file(self) -> str:
        path = self.path()
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            fix = "make the file, readable by the user that runs intake, or name another one"
            raise ConfigError(
                [ConfigProblem(self.key, str(path), f"can't be read: {error.strerror}", fix)]
            ) from None

    def path(self) -> Path:
        """Return the file, or the systemd credential of the same name where there is one."""
        if self.file is None:
            message = "a secret from the environment has no file"
            raise ValueError(message)
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        names = (self.file.name, self.key.rpartition(".")[2])
        for name in names if folder else ():
            credential = Path(folder or "") / name
            if credential.exists():
                return credential
        return self.file


def secret_fields(*names: str) -> Any:  # noqa: ANN401 - a validator
    """Turn `X_file` or `X_env` of a table into the field `X`, a `Secret`."""

    def gather(cls: type[Section], data: Any) -> Any:  # noqa: ANN401
        if not isinstance(data, dict):
            return data
        table = dict(data)
        for name in names:
            file, env = table.pop(f"{name}_file", None), table.pop(f"{name}_env", None)
            if file is not None and env is not None:
                raise fault(f"{name}_file and {name}_env are both set", "keep one of them")
            if file is not None or env is not None:
                table[name] = {"file": file, "env": env, "key": f"{name}_file"}
            elif cls.model_fields[name].is_required():
                raise fault(f"{name}_file is missing", f"add {name}_file or {name}_env")
        return table

    return model_validator(mode="before")(classmethod(gather))


def is_loopback(host: str) -> bool:
    """Say whether a host name or address can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refuse_clear_text(host: str, security: str) -> None:
    """Refuse a connection that anyone on the way could read or change."""
    if security == "none" and not is_loopback(host):
        raise fault(
            f'security = "none" sends passwords and reports in clear text to {host}',
            'use "tls" or "starttls"; "none" is for this machine itself only',
        )


class DatabaseSection(Section):
    """Where everything is stored."""

    url: str = "sqlite:///intake.db"


class ArchiveSection(Section):
    """How raw messages are sealed."""

    key: Secret

    _secrets = secret_fields("key")


class ServiceSection(Section):
    """The process itself."""

    testing: bool = False
    heartbeat_url: str | None = None  # fetched after each good poll; watch it from outside
    digest_at: str = Field(default="08:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")  # UTC


class MailboxSection(Section):
    """One problem-report mailbox, an account on an IMAP server."""

    name: str = Field(min_length=1)
    addresses: list[str] = Field(min_length=1)
    host: str = Field(min_length=1)
    port: int = Field(default=993, ge=1, le=65535)
    security: Security = "tls"
    ca: Secret | None = None  # a file of trusted certificates; no secret, but found the same way
    username: str = Field(min_length=1)
    password: Secret
    junk_folders: list[str] = Field(default_factory=list)
    skip_folders: list[str] = Field(default_factory=list)
    our_hosts: list[str] = Field(default_factory=list)
    watch_from: AwareDatetime | None = None
    poll_every: Duration = timedelta(seconds=60)

    _secrets = secret_fields("ca", "password")

    @model_validator(mode="after")
    def _keep_the_rules(self) -> Self:
        refuse_clear_text(self.host, self.security)
        if not timedelta(0) < self.poll_every <= LONGEST_POLL:
            raise fault(
                f"poll_every is {render_duration(self.poll_every)}; it must be between 1s and 1h, "
                "or the clock of 24 hours runs unseen",
                'use "60s"',
            )
        return self


class SlackSection(Section):
    """The Slack workspace in which staff work."""

    bot_token: Secret
    app_token: Secret
    channel: str = Field(min_length=1)
    base_url: str = "https://slack.com/api/"
    responders: list[str] = Field(default_factory=list)
    on_call: list[str] = Field(default_factory=list)
    managers: list[str] = Field(default_factory=list)

    _secrets = secret_fields("bot_token", "app_token")


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
                    f"{name!r} is nobody who could be told",
                    "use channel, on_call, managers, a Slack user or user-group id, or mailto:…",
                )
        if self.every is not None and self.every < timedelta(minutes=1):
            raise fault("every is under a minute", 'use "1h"')
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

    step: list[EscalationStep] = Field(default_factory=default_steps)


class SmtpSection(Section):
    """The mail relay for what Slack can't carry, and for test messages."""

    host: str = "localhost"
    port: int = Field(default=25, ge=1, le=65535)
    security: Security = "none"
    ca: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    sender: str
    fallback_to: list[str] = Field(min_length=1)

    _secrets = secret_fields("ca", "password")

    @model_validator(mode="after")
    def _keep_the_rules(self) -> Self:
        refuse_clear_text(self.host, self.security)
        return self


class CrtshSection(Section):
    """Where certificates are looked up that a report only names."""

    base_url: str = "https://crt.sh/"
    timeout: Duration = timedelta(seconds=30)


class CertificatesSection(Section):
    """How we know our own certificates."""

    issuing_cas: list[str] = Field(default_factory=list)  # files or patterns, PEM or DER


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
        self._check_chain()
        return self

    def _check_names(self) -> None:
        names = [mailbox.name for mailbox in self.mailbox]
        for name in names:
            if names.count(name) > 1:
                raise fault(f"two mailboxes are called {name!r}", "give each its own name")

    def _check_chain(self) -> None:
        steps = self.escalation.step
        ends = max(step.after for step in steps)
        begins = min(step.after for step in steps)
        if ends < ACKNOWLEDGE_WITHIN:
            raise fault(
                f"the escalation chain ends {render_duration(ends)} after T0, before 24 hours",
                'add a [[escalation.step]] with after = "24h"',
            )
        if begins > ACKNOWLEDGE_WITHIN:
            raise fault(
                "no escalation step comes within 24 hours of T0",
                'add a [[escalation.step]] with after = "12h"',
            )
        told = {one for step in steps for one in self.recipients(step)} - {self.slack.channel}
        groups = [one for one in told if one.startswith("S")]
        if len(told) + len(groups) < 2:  # noqa: PLR2004 - a group stands for several people
            raise fault(
                f"the escalation chain reaches {', '.join(sorted(told)) or 'nobody by name'} only; "
                "one person may be ill or asleep",
                "name at least two people, or a user group, in slack.on_call and slack.managers",
            )
        if self.smtp is None and any(one.startswith("mailto:") for one in told):
            raise fault("a step goes to mailto: but there is no [smtp]", "add the table [smtp]")


def find_config(given: str | None) -> Path:
    """Return the configuration file: given, $INTAKE_CONFIG, ./config.toml, /etc/intake/config.toml.

    Raises:
        ConfigError: if there is none.
    """
    named = given or os.environ.get("INTAKE_CONFIG")
    candidates = [Path(named)] if named else [Path("config.toml"), Path("/etc/intake/config.toml")]
    for path in candidates:
        if path.is_file():
            return path
    raise ConfigError(
        [
            ConfigProblem(
                "--config",
                " or ".join(str(path) for path in candidates),
                "there is no such file",
                "copy config.example.toml to config.toml and fill it in, or name it with --config",
            )
        ]
    )


def load_config(path: Path) -> Config:
    """Read and check a configuration file; relative paths in it count from its folder.

    Raises:
        ConfigError: naming every fault.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        fix = "make it readable for this user"
        raise ConfigError(
            [ConfigProblem("--config", str(path), f"can't be read: {error}", fix)]
        ) from error
    except tomllib.TOMLDecodeError as error:
        fix = "mend the line; config.example.toml shows the form"
        raise ConfigError(
            [ConfigProblem("--config", str(path), f"is not TOML: {error}", fix)]
        ) from error
    try:
        config = Config.model_validate(_from_folder(table, path.resolve().parent))
    except ValidationError as error:
        raise ConfigError([_problem(one, table) for one in error.errors()]) from None
    config._path = path.resolve()
    return config


def _from_folder(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make every path in the tables absolute."""

    def walk(value: Any, key: str) -> Any:  # noqa: ANN401
        if isinstance(value, dict):
            return {name: walk(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, key) for inner in value]
        if isinstance(value, str) and (key.endswith("_file") or key == "issuing_cas"):
            return str(folder / value)
        if isinstance(value, str) and key == "url" and value.startswith("sqlite:///"):
            return "sqlite:///" + str(folder / value.removeprefix("sqlite:///"))
        return value

    return {name: walk(value, name) for name, value in table.items()}


def _problem(error: Any, table: dict[str, Any]) -> ConfigProblem:  # noqa: ANN401
    """Say one of pydantic's errors as key, value, rule and fix."""
    location = [part for part in error["loc"] if part != "function-before"]
    key = ".".join(f"{part + 1}" if isinstance(part, int) else str(part) for part in location)
    value = _shown(error.get("input"))
    context = error.get("ctx", {})
    if error["type"] == "rule":
        return ConfigProblem(key or "config", value, context["rule"], context["fix"])
    if error["type"] == "extra_forbidden":
        return ConfigProblem(key, value, "is no key that intake knows", _guess(str(location[-1])))
    if error["type"] == "missing":
        return ConfigProblem(key, "(missing)", "is required", f"add {location[-1]}")
    return ConfigProblem(key, value, error["msg"].lower(), "config.example.toml shows the form")


def _shown(value: object) -> str:
    if isinstance(value, dict | list | BaseModel):
        return "(table)" if not isinstance(value, list) else "(list)"
    return repr(value)


def _guess(name: str) -> str:
    known = {"database", "archive", "service", "mailbox", "slack", "escalation", "smtp", "crtsh"}
    for section in Section.__subclasses__():
        known |= set(section.model_fields)
        known |= {
            f"{field}_file"
            for field, info in section.model_fields.items()
            if "Secret" in str(info.annotation)
        }
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean {near[0]}?" if near else "take it out, or see config.example.toml"
