import pytest

from intake.demo.slack_rules import find_element, problem_in_blocks, problem_in_view


def text(content="x", kind="mrkdwn"):
    return {"type": kind, "text": content}


def button(**values):
    return {"type": "button", "action_id": "a", "text": text("b", "plain_text"), **values}


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({"type": "section", "text": text("x" * 3000)}, None),
        ({"type": "section", "text": text("x" * 3001)}, "must be less than 3001 characters"),
        ({"type": "section", "text": text("")}, "must be more than 0 characters"),
        ({"type": "section"}, "a section needs `text` or `fields`"),
        ({"type": "section", "fields": [text()] * 11}, "no more than 10 fields allowed"),
        ({"type": "header", "text": text("x")}, "a text must be an object of type plain_text"),
        ({"type": "video"}, "unsupported block: video"),
        ({"type": "actions", "elements": []}, "actions needs 1 to 25 elements"),
        ({"type": "actions", "elements": [button(style="green")]}, "unknown style green"),
        (
            {"type": "actions", "elements": [button(), button()]},
            "`action_id` already exists in this block",
        ),
        ({"type": "actions", "elements": [button(value="x" * 2001)]}, "value is longer than"),
        ({"type": "context", "elements": [text()] * 11}, "context needs 1 to 10 elements"),
        ({"type": "input", "label": text("x", "plain_text")}, "unsupported block: input"),
    ],
)
def test_blocks_are_refused_as_slack_refuses_them(block, problem):
    found = problem_in_blocks([block])

    assert (found is None) == (problem is None)
    assert (problem or "") in (found or "")


def test_fifty_blocks_are_the_most_of_a_message():
    assert problem_in_blocks([{"type": "divider"}] * 50) is None
    assert "no more than 50" in (problem_in_blocks([{"type": "divider"}] * 51) or "")


def test_a_modal_with_inputs_needs_a_button_to_submit():
    view = {
        "type": "modal",
        "title": text("x", "plain_text"),
        "blocks": [
            {
                "type": "input",
                "label": text("l", "plain_text"),
                "element": {"type": "plain_text_input", "action_id": "v"},
            }
        ],
    }

    assert problem_in_view(view) == "a view with inputs needs `submit`"
    assert problem_in_view({**view, "submit": text("go", "plain_text")}) is None


def test_a_title_has_24_characters_at_most():
    view = {"type": "modal", "title": text("x" * 25, "plain_text"), "blocks": [{"type": "divider"}]}

    assert "less than 25" in (problem_in_view(view) or "")


def test_an_element_is_found_by_its_action():
    blocks = [{"type": "actions", "block_id": "t", "elements": [button()]}]

    assert find_element(blocks, "a") == ("t", button())
    assert find_element(blocks, "b") is None
