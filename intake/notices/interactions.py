"""What a person did in Slack, decoded from its payloads into values. Pure, and total.

Only ids are needed; names may be missing or empty. What is malformed decodes to None.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intake.notices.words import SLACK_USER

MAIL_LINK = re.compile(r"<mailto:([^|<>]+)(?:\|[^<>]*)?>")
MOST_DIGITS = 9  # of a ticket's number


@dataclass(frozen=True)
class Press:
    """A button pressed, or an option of a menu chosen."""

    key: str  # the same for each delivery of the same press
    user: str
    action: str  # acknowledge | dismiss | details | assign | note | …
    ticket: int
    channel: str
    trigger_id: str
    response_url: str


@dataclass(frozen=True)
class Submission:
    """A modal submitted."""

    key: str
    user: str
    form: str
    ticket: int
    channel: str
    entries: dict[str, str | None]


@dataclass(frozen=True)
class Question:
    """`/cpr` with what was typed behind it."""

    key: str
    user: str
    text: str
    channel: str
    response_url: str


Interaction = Press | Submission | Question


def decode(kind: str, payload: Mapping[str, Any]) -> Interaction | None:
    """Decode an envelope's payload; None if it is nothing that we know."""
    try:
        if kind == "slash_commands":
            return _question(payload)
        if payload.get("type") == "block_actions":
            return _press(payload)
        if payload.get("type") == "view_submission":
            return _submission(payload)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return None
    return None


def _user(user_id: object) -> str:
    user = str(user_id)
    if not SLACK_USER.fullmatch(user):
        message = "no user id"
        raise ValueError(message)
    return user


def _number(text: object) -> int:
    digits = str(text)
    if not digits.isascii() or not digits.isdecimal() or len(digits) > MOST_DIGITS:
        message = "no ticket number"
        raise ValueError(message)
    return int(digits)


def _press(payload: Mapping[str, Any]) -> Press:
    user, action = _user(payload["user"]["id"]), payload["actions"][0]
    chosen = (action.get("selected_option") or {}).get("value")
    name, number = chosen.split(":", 1) if chosen else (action["action_id"], action["value"])
    container = payload.get("container") or {}
    channel = (payload.get("channel") or {}).get("id") or container.get("channel_id") or ""
    return Press(
        key=f"press:{user}:{action['action_ts']}:{container.get('message_ts', '')}:{name}",
        user=user,
        action=str(name),
        ticket=_number(number),
        channel=str(channel),
        trigger_id=str(payload.get("trigger_id") or ""),
        response_url=str(payload.get("response_url") or ""),
    )


def _submission(payload: Mapping[str, Any]) -> Submission:
    view = payload["view"]
    about = json.loads(view["private_metadata"])
    return Submission(
        key=f"view:{view['id']}",
        user=_user(payload["user"]["id"]),
        form=str(view["callback_id"]),
        ticket=_number(about["ticket"]),
        channel=str(about.get("channel") or ""),
        entries={
            block: _entry(next(iter(elements.values()), {}))
            for block, elements in view["state"]["values"].items()
        },
    )


def _entry(state: Mapping[str, Any]) -> str | None:
    """Return what was entered into one input, whatever its kind."""
    if "selected_option" in state:
        return (state["selected_option"] or {}).get("value")
    for name in ("selected_user", "selected_date_time", "value"):
        if state.get(name) is not None:
            return str(state[name])
    return None


def _as_typed(text: str) -> str:
    """Take back what Slack makes of addresses and angle brackets that somebody typed."""
    bare = MAIL_LINK.sub(r"<\1>", text)
    for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        bare = bare.replace(entity, sign)
    return MAIL_LINK.sub(r"<\1>", bare).replace("<<", "<").replace(">>", ">").strip()


def _question(payload: Mapping[str, Any]) -> Question:
    user = _user(payload["user_id"])
    return Question(
        key=f"command:{user}:{payload['trigger_id']}",
        user=user,
        text=_as_typed(str(payload.get("text") or "")),
        channel=str(payload.get("channel_id") or ""),
        response_url=str(payload.get("response_url") or ""),
    )
