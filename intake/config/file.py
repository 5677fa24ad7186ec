"""Reading the configuration file: TOML whose relative paths count from its folder."""

import glob
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from intake.errors import ConfigError, ConfigProblem

SQLITE = "sqlite:///"


def find_config(given: str | None) -> Path:
    """Return the configuration file: given, $INTAKE_CONFIG, ./config.toml, /etc/intake/config.toml.

    Raises:
        ConfigError: if there is none.
    """
    variable = os.environ.get("INTAKE_CONFIG")
    named = given or variable
    candidates = [Path(named)] if named else [Path("config.toml"), Path("/etc/intake/config.toml")]
    for path in candidates:
        if path.is_file():
            return path
    raise ConfigError(
        [
            ConfigProblem(
                "--config" if given or not variable else "$INTAKE_CONFIG",
                " or ".join(str(path) for path in candidates),
                "there is no such file",
                "copy config.example.toml to config.toml and fill it in, or name it with --config",
            )
        ]
    )


def read_toml(path: Path) -> dict[str, Any]:
    """Read the file as it is.

    Raises:
        ConfigError: if it can't be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        rule, fix = f"can't be read: {why}", "make it readable for this user"
    except tomllib.TOMLDecodeError as error:
        rule, fix = f"is not TOML: {error}", "mend the line; config.example.toml shows the form"
    raise ConfigError([ConfigProblem("--config", str(path), rule, fix)])


def from_folder(table: Mapping[str, Any], folder: Path, *, place: str = "") -> dict[str, Any]:
    """Make every path in the tables absolute, and give each secret its whole key."""
    return {
        name: _value_from(value, name, folder=folder, place=f"{place}.{name}" if place else name)
        for name, value in table.items()
    }


def _value_from(value: Any, key: str, *, folder: Path, place: str) -> Any:  # noqa: ANN401 - TOML
    if isinstance(value, dict):
        return from_folder(value, folder, place=place)
    if isinstance(value, list):
        return [
            _value_from(inner, key, folder=folder, place=f"{place}[{index}]")
            for index, inner in enumerate(value)
        ]
    return _text_from(value, key, folder, place=place) if isinstance(value, str) else value


def _text_from(value: str, key: str, folder: Path, *, place: str) -> str | tuple[str, str]:
    """Return a text with its path made absolute; a secret's goes with its whole key."""
    if key.endswith("_file") and value:
        return str(folder / value), place
    if key.endswith("_env"):
        return value, place
    if key == "issuing_cas" and not value.startswith("/"):
        return f"{glob.escape(str(folder))}/{value}"  # only their own words are patterns
    if key == "url" and value.startswith(SQLITE) and value[len(SQLITE) :] not in {"", ":memory:"}:
        return SQLITE + str(folder / value[len(SQLITE) :])
    return value


def files_matching(pattern: str) -> list[Path]:
    """Return the files that an entry of `issuing_cas` names, sorted."""
    found = (Path(name) for name in glob.glob(pattern))  # noqa: PTH207 - patterns are whole paths
    return sorted(path for path in found if path.is_file())
