"""What is wrong with a configuration, in plain words: key, value, rule and fix."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from intake.config.values import Secret, Section
from intake.errors import ConfigProblem

SECRET_WORDS = ("password", "token", "secret")
EXAMPLE = "config.example.toml shows the form"

# pydantic's name of an error → rule and fix; {…} are filled from the error's own values.
PLAIN: dict[str, tuple[str, str]] = {
    "string_type": ("must be text", "write it in quotes"),
    "int_type": ("must be a whole number", "write it without quotes"),
    "bool_type": ("must be true or false", "write true or false without quotes"),
    "list_type": ("must be a list", 'write it in brackets: ["…", "…"]'),
    "model_type": ("must be a table", EXAMPLE),
    "dict_type": ("must be a table", EXAMPLE),
    "model_attributes_type": ("must be a table", EXAMPLE),
    "greater_than_equal": ("must be at least {ge}", "choose a larger number"),
    "less_than_equal": ("must be at most {le}", "choose a smaller number"),
    "too_short": ("must not be empty", "name at least one"),
    "string_too_short": ("must not be empty", "write something between the quotes"),
    "literal_error": ("must be one of {expected}", "choose one of them"),
    "timezone_aware": ("names no offset from UTC", 'end it with Z: "2026-11-24T00:00:00Z"'),
    "string_pattern_mismatch": ("has not the form that is wanted", EXAMPLE),
}
INSTANT = ("is not an instant", 'write it as "2026-11-24T00:00:00Z"')


def render_problem(
    error: Mapping[str, Any], table: Mapping[str, Any], model: type[BaseModel]
) -> ConfigProblem:
    """Say one of pydantic's errors as key, value, rule and fix."""
    context = error.get("ctx") or {}
    location = [*error["loc"], *([context["key"]] if context.get("key") else [])]
    location = _as_written(location)
    key = render_key(location)
    value = "(missing)" if error["type"] == "missing" else _shown(location, error)
    rule, fix = _rule_and_fix(error, location, model)
    mailbox = _mailbox_name(location, table)
    return ConfigProblem(key, value, f"{rule} (mailbox {mailbox!r})" if mailbox else rule, fix)


def render_key(location: Sequence[str | int]) -> str:
    """Write a place in the configuration: `mailbox[0].port`, counted from 0."""
    key = ""
    for part in location:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
    return key or "configuration"


def _as_written(location: Sequence[str | int]) -> list[str | int]:
    """Return the place as the person wrote it: the field `password` was `password_file`."""
    place = list(location)
    if len(place) > 1 and place[-1] in {"file", "env"}:
        kind = place.pop()
        place[-1] = f"{place[-1]}_{kind}"
    return place


def _rule_and_fix(
    error: Mapping[str, Any], location: Sequence[str | int], model: type[BaseModel]
) -> tuple[str, str]:
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind == "rule":
        return str(context["rule"]), str(context["fix"])
    if kind == "extra_forbidden":
        return "is no key that intake knows", _did_you_mean(location, model)
    if kind == "missing":
        return "is required", f"add {location[-1]}"
    if kind.startswith("datetime"):
        return INSTANT
    if kind == "list_type" and location[-1] in {"mailbox", "step"}:
        return (
            "must be a list of tables",
            f"write [[{'.'.join(map(str, location))}]], twice bracketed",
        )
    rule, fix = PLAIN.get(kind, (str(error["msg"]).lower(), EXAMPLE))
    return rule.format_map({name: str(value) for name, value in context.items()}), fix


def _shown(location: Sequence[str | int], error: Mapping[str, Any]) -> str:
    """Return the value for the message; what might be a secret is never shown."""
    given = (error.get("ctx") or {}).get("value")
    if given:
        return str(given)
    value = error.get("input")
    name = str(location[-1]) if location else ""
    if any(word in name for word in SECRET_WORDS) and not name.endswith(("_file", "_env")):
        return "(not shown)"
    if isinstance(value, tuple):  # a path or a variable, with its key
        return repr(value[0])
    if isinstance(value, list):
        return "[]" if not value else "(list)"
    if isinstance(value, dict | BaseModel):
        return "(table)"
    return "true" if value is True else "false" if value is False else repr(value)


def _mailbox_name(location: Sequence[str | int], table: Mapping[str, Any]) -> str | None:
    """Return the name of the mailbox that a place lies in, where it has one."""
    mailboxes = table.get("mailbox")
    if len(location) < 3 or location[0] != "mailbox" or not isinstance(mailboxes, list):  # noqa: PLR2004
        return None
    index = location[1]
    mailbox = mailboxes[index] if isinstance(index, int) and index < len(mailboxes) else None
    name = mailbox.get("name") if isinstance(mailbox, dict) else None
    return name if isinstance(name, str) else None


def _did_you_mean(location: Sequence[str | int], model: type[BaseModel]) -> str:
    section = _section_at(location[:-1], model)
    known = sorted(_keys_of(section))
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    if near:
        return f"did you mean {near[0]}?"
    elsewhere = [one for one in Section.__subclasses__() if str(location[-1]) in _keys_of(one)]
    if elsewhere:
        return "it stands in the wrong table; " + EXAMPLE
    return f"take it out; the keys here are {', '.join(known)}"


def _section_at(location: Sequence[str | int], model: type[BaseModel]) -> type[BaseModel]:
    """Follow a place through the tables to the class of the last one."""
    section = model
    for part in location:
        if isinstance(part, int):
            continue
        field = section.model_fields.get(part)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            break
        section = inner
    return section


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(inner) for inner in get_args(annotation))
    return next((model for model in found if model is not None), None)


def _keys_of(section: type[BaseModel]) -> set[str]:
    """Return the keys that a person may write in a table."""
    keys: set[str] = set()
    for name, field in section.model_fields.items():
        is_secret = _model_in(field.annotation) is Secret
        keys |= {f"{name}_file", f"{name}_env"} if is_secret else {name}
    return keys
