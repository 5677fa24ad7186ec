"""The Slack stand-in answers as Slack does, to the real library and to the page."""

import json
import urllib.request
from collections.abc import Iterator

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from intake.demo.slack import SlackStandIn
from tests.builders import NOW


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn(clock=lambda: NOW) as stand_in:
        yield stand_in


def client(slack: SlackStandIn, token: str | None = None) -> WebClient:
    return WebClient(token=token or slack.bot_token, base_url=slack.base_url, retry_handlers=[])


def error_of(call) -> str:
    with pytest.raises(SlackApiError) as raised:
        call()
    return raised.value.response["error"]


def ask(slack: SlackStandIn, path: str, body=None, **headers) -> tuple[int, bytes]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - loopback
        slack.page_url + path, data, {"Content-Type": "application/json", **headers}
    )
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""


def test_tokens_are_checked(slack):
    assert error_of(client(slack, "xoxb-wrong").auth_test) == "invalid_auth"
    assert error_of(client(slack, "xapp-test").auth_test) == "not_allowed_token_type"
    assert error_of(lambda: client(slack).apps_connections_open(app_token="xoxb-test")) == (
        "not_allowed_token_type"
    )
    assert client(slack).auth_test()["user_id"] == "U0BOT"


def test_channels_and_users_are_checked(slack):
    web = client(slack)
    slack.archived.add("C0CPR")

    assert error_of(lambda: web.chat_postMessage(channel="C0NONE", text="x")) == "channel_not_found"
    assert error_of(lambda: web.chat_postMessage(channel="C0CPR", text="x")) == "is_archived"
    assert error_of(lambda: web.chat_postMessage(channel="U0NONE", text="x")) == "user_not_found"
    assert error_of(lambda: web.api_call("chat.postMessage", json={"channel": "U0MIRA"})) == (
        "no_text"
    )
    assert web.chat_postMessage(channel="U0MIRA", text="x")["channel"] == "D0MIRA"


def test_a_message_is_updated_where_it_stands(slack):
    web = client(slack)
    ts = web.chat_postMessage(channel="C0CPR", text="one")["ts"]
    web.chat_update(channel="C0CPR", ts=ts, text="two")

    assert [one["text"] for one in slack.messages] == ["two"]
    assert error_of(lambda: web.chat_update(channel="C0CPR", ts="1.2", text="x")) == (
        "message_not_found"
    )


def test_history_has_metadata_only_when_asked(slack):
    web = client(slack)
    web.chat_postMessage(
        channel="C0CPR", text="x", metadata={"event_type": "t", "event_payload": {"key": "k"}}
    )
    with_it = web.conversations_history(channel="C0CPR", include_all_metadata=True)

    assert with_it["messages"][0]["metadata"]["event_payload"] == {"key": "k"}
    assert "metadata" not in web.conversations_history(channel="C0CPR")["messages"][0]


def test_methods_that_read_take_no_json(slack):
    web = client(slack)
    answer = lambda: web.api_call("usergroups.users.list", json={"usergroup": "S0ONCALL"})  # noqa: E731

    assert error_of(answer) == "no_such_subteam"
    assert web.usergroups_users_list(usergroup="S0ONCALL")["users"] == ["U0ALICE"]


def test_a_trigger_opens_one_modal(slack):
    web = client(slack)
    view = {
        "type": "modal",
        "title": {"type": "plain_text", "text": "x"},
        "blocks": [{"type": "divider"}],
    }
    trigger = slack.new_trigger("U0ALICE")
    web.views_open(trigger_id=trigger, view=view)

    assert error_of(lambda: web.views_open(trigger_id=trigger, view=view)) == "invalid_trigger_id"
    assert [one["user"] for one in slack.views] == ["U0ALICE"]


def test_the_page_is_served_whole_from_the_package(slack):
    status, page = ask(slack, "")

    assert status == 200
    assert b"http://" not in page
    assert b"https://" not in page
    for path in ("slack.js", "mrkdwn.js", "slack.css"):
        assert ask(slack, path)[0] == 200


def test_the_page_never_sets_markup():
    from importlib.resources import files

    static = files("intake.demo") / "static"
    script = (static / "slack.js").read_text() + (static / "mrkdwn.js").read_text()

    assert "innerHTML" not in script
    assert "insertAdjacentHTML" not in script
    assert "eval(" not in script


def test_the_page_sees_the_state(slack):
    client(slack).chat_postMessage(channel="C0CPR", text="hello")
    _, body = ask(slack, "ui/state")
    state = json.loads(body)

    assert [one["text"] for one in state["messages"]] == ["hello"]
    assert state["connected"] is False


def test_the_clock_button_calls_back(slack):
    pressed = []
    slack.add_clock_button("+1 h", lambda: pressed.append(1))
    status, _ = ask(slack, "ui/clock", {"label": "+1 h"})

    assert (status, pressed) == (200, [1])


def test_a_press_without_the_app_says_so(slack):
    block = {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "action_id": "a",
                "value": "1",
                "text": {"type": "plain_text", "text": "b"},
            }
        ],
    }
    ts = client(slack).chat_postMessage(channel="C0CPR", text="x", blocks=[block])["ts"]
    _, body = ask(slack, "ui/press", {"ts": ts, "action_id": "a", "user": "U0ALICE"})

    assert json.loads(body) == {"ok": False, "error": "the app is not connected"}


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}]
)
def test_other_pages_in_the_browser_can_press_nothing(slack, headers):
    assert ask(slack, "ui/clock", {"label": "+1 h"}, **headers)[0] == 403
