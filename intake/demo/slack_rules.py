"""What Slack refuses in blocks and views, as its documentation has it: types, limits, required keys.

Pure; used by the Slack stand-in only. `problem_in_blocks` returns Slack's own kind of sentence.
"""

import json
from collections.abc import Callable
from typing import Any

MESSAGE_BLOCKS = frozenset({"section", "context", "divider", "actions", "header"})
VIEW_BLOCKS = MESSAGE_BLOCKS | {"input"}
BLOCKS_IN_MESSAGE = 50
BLOCKS_IN_VIEW = 100
TEXT_OF_MESSAGE = 40_000
ELEMENTS = {"actions": 25, "context": 10}
BUTTON_STYLES = {None, "primary", "danger"}


def problem_in_blocks(blocks: object, *, in_view: bool = False) -> str | None:
    """Return what Slack would refuse, None if it would take the blocks."""
    most = BLOCKS_IN_VIEW if in_view else BLOCKS_IN_MESSAGE
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        return "blocks must be a list of objects"
    if len(blocks) > most:
        return f"no more than {most} items allowed [json-pointer:/blocks]"
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        return "`block_id` already exists"
    known = VIEW_BLOCKS if in_view else MESSAGE_BLOCKS
    for number, block in enumerate(blocks):
        problem = _problem_in_block(block, known)
        if problem:
            return f"{problem} [json-pointer:/blocks/{number}]"
    return None


def problem_in_view(view: object) -> str | None:
    """Return what Slack would refuse in a modal, None if it would take it."""
    if not isinstance(view, dict) or view.get("type") != "modal":
        return "view must be an object of type modal"
    for name in ("title", "submit", "close"):
        text = view.get(name)
        if text is None and name != "title":
            continue
        problem = _problem_in_text(text, most=24, types=("plain_text",))
        if problem:
            return f"{problem} [json-pointer:/view/{name}]"
    if len(str(view.get("private_metadata", ""))) > 3000:  # noqa: PLR2004
        return "private_metadata is longer than 3000 characters"
    blocks = view.get("blocks")
    if not blocks:
        return "must provide at least one block"
    has_input = any(isinstance(one, dict) and one.get("type") == "input" for one in blocks)
    if has_input and view.get("submit") is None:
        return "a view with inputs needs `submit`"
    return problem_in_blocks(blocks, in_view=True)


def _problem_in_block(block: dict[str, Any], known: frozenset[str]) -> str | None:
    kind = block.get("type")
    if kind not in known:
        return f"unsupported block: {kind}"
    if len(str(block.get("block_id", ""))) > 255:  # noqa: PLR2004
        return "block_id is longer than 255 characters"
    checks: dict[str, Callable[[dict[str, Any]], str | None]] = {
        "section": _problem_in_section,
        "header": lambda one: _problem_in_text(one.get("text"), most=150, types=("plain_text",)),
        "context": lambda one: _problem_in_elements(one, "context"),
        "actions": lambda one: _problem_in_elements(one, "actions"),
        "input": _problem_in_input,
    }
    check = checks.get(kind)
    return None if check is None else check(block)


def _problem_in_section(block: dict[str, Any]) -> str | None:
    fields = block.get("fields") or []
    if "text" not in block and not fields:
        return "a section needs `text` or `fields`"
    if "text" in block and (problem := _problem_in_text(block["text"], most=3000)):
        return problem
    if len(fields) > 10:  # noqa: PLR2004
        return "no more than 10 fields allowed"
    for one in fields:
        if problem := _problem_in_text(one, most=2000):
            return problem
    return _problem_in_element(block["accessory"]) if "accessory" in block else None


def _problem_in_elements(block: dict[str, Any], kind: str) -> str | None:
    elements = block.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= ELEMENTS[kind]:
        return f"{kind} needs 1 to {ELEMENTS[kind]} elements"
    if kind == "context":
        return next((p for one in elements if (p := _problem_in_text(one, most=3000))), None)
    ids = [one.get("action_id") for one in elements if isinstance(one, dict)]
    if len(ids) != len(set(ids)):
        return "`action_id` already exists in this block"
    return next((p for one in elements if (p := _problem_in_element(one))), None)


def _problem_in_input(block: dict[str, Any]) -> str | None:
    if problem := _problem_in_text(block.get("label"), most=2000, types=("plain_text",)):
        return problem
    element = block.get("element")
    return (
        _problem_in_element(element) if isinstance(element, dict) else "an input needs an element"
    )


def _problem_in_element(element: object) -> str | None:
    if not isinstance(element, dict):
        return "an element must be an object"
    if len(str(element.get("action_id", ""))) > 255:  # noqa: PLR2004
        return "action_id is longer than 255 characters"
    kind = str(element.get("type"))
    checks: dict[str, Callable[[dict[str, Any]], str | None]] = {
        "button": _problem_in_button,
        "overflow": lambda one: _problem_in_options(one, most=5),
        "static_select": lambda one: _problem_in_options(one, most=100),
        "radio_buttons": lambda one: _problem_in_options(one, most=10),
        "users_select": lambda _: None,
        "plain_text_input": lambda _: None,
        "datetimepicker": lambda _: None,
    }
    check = checks.get(kind)
    return f"unsupported element: {kind}" if check is None else check(element)


def _problem_in_button(button: dict[str, Any]) -> str | None:
    if button.get("style") not in BUTTON_STYLES:
        return f"unknown style {button.get('style')}"
    if len(str(button.get("value", ""))) > 2000:  # noqa: PLR2004
        return "value is longer than 2000 characters"
    return _problem_in_text(button.get("text"), most=75, types=("plain_text",))


def _problem_in_options(element: dict[str, Any], *, most: int) -> str | None:
    options = element.get("options")
    if not isinstance(options, list) or not 1 <= len(options) <= most:
        return f"needs 1 to {most} options"
    for option in options:
        if problem := _problem_in_text(option.get("text"), most=75):
            return problem
        if not 1 <= len(str(option.get("value", ""))) <= 150:  # noqa: PLR2004
            return "an option's value must have 1 to 150 characters"
    return None


def _problem_in_text(
    text: object, *, most: int, types: tuple[str, ...] = ("mrkdwn", "plain_text")
) -> str | None:
    if not isinstance(text, dict) or text.get("type") not in types:
        return f"a text must be an object of type {' or '.join(types)}"
    if not isinstance(text.get("text"), str) or not text["text"]:
        return "must be more than 0 characters"
    return f"must be less than {most + 1} characters" if len(text["text"]) > most else None


def find_element(blocks: list[dict[str, Any]], action_id: str) -> tuple[str, dict[str, Any]] | None:
    """Return the id of the block and the element that has this action id."""
    for block in blocks:
        for element in [*block.get("elements", ()), block.get("accessory") or {}]:
            if isinstance(element, dict) and element.get("action_id") == action_id:
                return str(block.get("block_id", "")), element
    return None


def read_json(value: object) -> Any:  # noqa: ANN401 - JSON values
    """Return a value that may come as JSON in a form field."""
    return json.loads(value) if isinstance(value, str) else value
