"""What the tables of the configuration are made of: durations, addresses, secrets, refusals."""

import ipaddress
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from intake.errors import ConfigError, ConfigProblem

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SIZES = {"KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}


def fault(rule: str, fix: str, *, key: str = "", value: str | None = None) -> PydanticCustomError:
    """Return the error of a broken rule, with its fix.

    Args:
        rule: what the value breaks, as the end of a sentence that begins with the value.
        fix: what to do.
        key: the key within the table, where the table as a whole was looked at.
        value: what stands there, where it is not what pydantic looked at.
    """
    context = {"rule": rule, "fix": fix, "key": key, "value": value}
    return PydanticCustomError("rule", "{rule}", context)


def parse_duration(value: object) -> timedelta:
    """Read `90s`, `5m`, `24h` or `5d`."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*([smhd])\s*", value) if isinstance(value, str) else None
    if match is None:
        raise fault("is not a duration", 'write a number and s, m, h or d, for example "60s"')
    try:
        return timedelta(seconds=int(match[1]) * UNITS[match[2]])
    except OverflowError:
        raise fault("is longer than any calendar", 'write for example "24h"') from None


def render_duration(duration: timedelta) -> str:
    """Write a duration in the largest unit that divides it: `18h`, `90m`."""
    seconds = int(duration.total_seconds())
    for unit in ("h", "m"):
        if seconds and seconds % UNITS[unit] == 0:
            return f"{seconds // UNITS[unit]}{unit}"
    return f"{seconds}s"


def parse_size(value: object) -> int:
    """Read `60MB`, `500KB` or `1GB`, in decimal units."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*([KMG]B)\s*", value) if isinstance(value, str) else None
    if match is None:
        raise fault("is not a size", 'write a number and KB, MB or GB, for example "60MB"')
    return int(match[1]) * SIZES[match[2]]


def check_web_address(value: str) -> str:
    """Accept `https://host/…` and `http://host/…`; return it with a slash at its end."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.query
        _ = parts.port
    except ValueError:
        usable = False
    if not usable or re.search(r"\s", value):
        raise fault("is no web address", "write it as https://host/path/")
    return value if value.endswith("/") else value + "/"


def check_heartbeat(value: str) -> str:
    """Accept any `https://…` or `http://…` address that names a host, unchanged."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise fault("is no web address", "write it as https://host/path")
    return value


def check_mail_address(value: str) -> str:
    """Accept what has the form of a mail address."""
    if not re.fullmatch(r"[^\s@]+@[^\s@]+", value):
        raise fault("is no mail address", 'write it as "name@domain.example"')
    return value


def check_host_or_network(value: str) -> str:
    """Accept a host name, an IP address or a network in CIDR form."""
    value = value.strip().strip("[]")
    if re.fullmatch(r"[0-9.]+(/\d+)?|.*:.*", value) or "/" in value:
        try:
            ipaddress.ip_network(value, strict=False)
        except ValueError:
            fix = 'write "mx1.ca.example", "192.0.2.25" or "10.0.0.0/8"'
            raise fault("is no address and no network", fix) from None
    elif not value.strip() or re.search(r"\s", value):
        raise fault("is no host name", 'write for example "mx1.ca.example"')
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Security = Literal["tls", "starttls", "none"]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
WebAddress = Annotated[str, AfterValidator(check_web_address)]
HeartbeatAddress = Annotated[str, AfterValidator(check_heartbeat)]
MailAddress = Annotated[str, AfterValidator(check_mail_address)]
HostOrNetwork = Annotated[str, AfterValidator(check_host_or_network)]
Name = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A table of the configuration; unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def needs(cls, name: str, table: dict[str, Any]) -> bool:  # noqa: ARG003 - others look at it
        """Say whether a secret must be there, beside what else stands in the table."""
        return cls.model_fields[name].is_required()


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
            fix = "set the variable" if self.env else "write the secret into it"
            raise ConfigError([ConfigProblem(self.key, where, "is empty or not set", fix)])
        return value.strip("\r\n")

    def _from_file(self) -> str:
        path = self.path()
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            fix = "make the file, readable by the user that runs intake, or name another one"
            raise ConfigError(
                [ConfigProblem(self.key, str(path), f"can't be read: {why}", fix)]
            ) from None

    def path(self) -> Path:
        """Return the file, or the systemd credential of the same name where there is one."""
        if self.file is None:
            message = "a secret from the environment has no file"
            raise ValueError(message)
        names = (self.file.name, self.key, self.key.rpartition(".")[2])
        return find_credential(*names) or self.file


def find_credential(*names: str) -> Path | None:
    """Return the systemd credential with the first of these names that there is."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    for name in names if folder else ():
        credential = Path(folder or "") / name
        if name and credential.is_file():
            return credential
    return None


def secret_fields(*names: str) -> Any:  # noqa: ANN401 - a validator
    """Turn `X_file` or `X_env` of a table into the field `X`, a `Secret`."""

    def gather(cls: type[Section], data: Any) -> Any:  # noqa: ANN401
        if not isinstance(data, dict):
            return data
        table = dict(data)
        for name in names:
            _gather_secret(cls, table, name)
        return table

    return model_validator(mode="before")(classmethod(gather))  # type: ignore[arg-type]


def _gather_secret(cls: type[Section], table: dict[str, Any], name: str) -> None:
    if name in table and not isinstance(table[name], Secret):
        fix = f"put it into a file of its own and name that file: {name}_file"
        raise fault("has no place in the configuration", fix, key=name, value="(not shown)")
    file, env = table.pop(f"{name}_file", None), table.pop(f"{name}_env", None)
    if file is not None and env is not None:
        both = f"{name}_file and {name}_env"
        raise fault(f"{both} are both set", "keep one of them", key=f"{name}_file", value="(two)")
    if file is not None:
        table[name] = _secret(file, "file", f"{name}_file")
    elif env is not None:
        table[name] = _secret(env, "env", f"{name}_env")
    elif cls.needs(name, table):
        credential = find_credential(f"{name}_file", name)
        if credential is None:
            fix = f"add {name}_file or {name}_env"
            raise fault("is required", fix, key=f"{name}_file", value="(missing)")
        table[name] = {"file": credential, "key": f"{name}_file"}


def _secret(given: Any, kind: str, key: str) -> dict[str, Any]:  # noqa: ANN401
    """Take what stands in the file, or what `config.py` made of it: value and whole key."""
    value, whole_key = given if isinstance(given, tuple) else (given, key)
    if not isinstance(value, str) or not value:
        what = "the path of a file" if kind == "file" else "the name of an environment variable"
        raise fault(f"must be {what}", "write it in quotes", key=key, value=repr(value))
    return {kind: value, "key": whole_key}


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
            f"sends passwords and reports in clear text to {host}",
            'use "tls" or "starttls"; "none" is for this machine itself only',
            key="security",
            value='"none"',
        )
