import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.notices.interactions import Press, Question, Submission, decode

PRESS = {
    "type": "block_actions",
    "user": {"id": "U0ALICE", "username": "", "name": ""},
    "trigger_id": "t1",
    "response_url": "https://hooks.slack.com/x",
    "container": {"message_ts": "1.2", "channel_id": "C0CPR"},
    "actions": [{"action_id": "acknowledge", "value": "12", "action_ts": "3.4"}],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_a_press_needs_ids_only():
    assert decode("interactive", PRESS) == Press(
        "press:U0ALICE:3.4:1.2:acknowledge", "U0ALICE", "acknowledge", 12, "C0CPR", "t1",
        "https://hooks.slack.com/x",
    )  # fmt: skip


def test_a_choice_from_the_menu_names_action_and_ticket():
    chosen = {"action_id": "more", "action_ts": "1", "selected_option": {"value": "classify:12"}}
    press = decode("interactive", {**PRESS, "actions": [chosen]})

    assert isinstance(press, Press)
    assert (press.action, press.ticket) == ("classify", 12)


def test_a_submission_gives_its_entries_whatever_their_kind():
    values = {
        "reason": {"value": {"type": "plain_text_input", "value": "spam"}},
        "to": {"value": {"type": "radio_buttons", "selected_option": {"value": "reporter"}}},
        "none": {"value": {"type": "radio_buttons", "selected_option": None}},
        "who": {"value": {"type": "users_select", "selected_user": "U0MIRA"}},
        "at": {"value": {"type": "datetimepicker", "selected_date_time": 1795521600}},
    }
    view = {
        "id": "V1",
        "callback_id": "dismiss",
        "private_metadata": json.dumps({"ticket": 12, "channel": "C0CPR"}),
        "state": {"values": values},
    }
    payload = {"type": "view_submission", "user": {"id": "U0ALICE"}, "view": view}
    entries = {
        "reason": "spam", "to": "reporter", "none": None, "who": "U0MIRA", "at": "1795521600",
    }  # fmt: skip

    assert decode("interactive", payload) == Submission(
        "view:V1", "U0ALICE", "dismiss", 12, "C0CPR", entries
    )


def test_a_command_is_a_question():
    payload = {"user_id": "U0ALICE", "text": " <a@b> ", "channel_id": "C1", "trigger_id": "t"}

    assert decode("slash_commands", payload) == Question(
        "command:U0ALICE:t", "U0ALICE", "<a@b>", "C1", ""
    )


@pytest.mark.parametrize(
    "text",
    ["<a@b>", "&lt;a@b&gt;", "<<mailto:a@b|a@b>>", "&lt;<mailto:a@b|a@b>&gt;", "<mailto:a@b|a@b>"],
)
def test_a_message_id_is_asked_about_as_it_was_typed(text):
    question = decode("slash_commands", {"user_id": "U0ALICE", "text": text, "trigger_id": "t"})

    assert isinstance(question, Question)
    assert question.text == "<a@b>"


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": "message_action"},
        {**PRESS, "user": {"id": ""}},
        {**PRESS, "user": None},
        {**PRESS, "actions": []},
        {**PRESS, "actions": [{"action_id": "acknowledge", "value": "-1", "action_ts": "1"}]},
        {**PRESS, "actions": [{"action_id": "acknowledge", "value": "9" * 30, "action_ts": "1"}]},
        {**PRESS, "actions": [{"action_id": "acknowledge", "value": "²", "action_ts": "1"}]},
    ],
)
def test_what_is_malformed_is_nothing(payload):
    assert decode("interactive", payload) is None


@given(JSON, st.sampled_from(["block_actions", "view_submission"]))
def test_decoding_is_total(inner, kind):
    payload = {"type": kind, "user": {"id": "U0ALICE"}, "actions": inner, "view": inner}

    assert decode("interactive", payload) is None
