"""What people do in the Slack stand-in, in the form in which Slack tells an app of it."""

import time
from typing import TYPE_CHECKING, Any

from intake.demo.slack_rules import find_element

if TYPE_CHECKING:
    from intake.demo.slack import SlackStandIn


class People:
    """Presses, submissions and commands, sent to the app; runs in the server's own loop."""

    def __init__(self, slack: "SlackStandIn") -> None:
        """Act in this workspace."""
        self._slack = slack

    async def press(
        self,
        action_id: str,
        ts: str,
        user: str,
        *,
        option: str | None = None,
        times: int = 1,
    ) -> dict[str, Any] | None:
        """Press a button, or choose an option of a menu."""
        message = next((one for one in self._slack.messages if one["ts"] == ts), None)
        found = find_element(message.get("blocks", []), action_id) if message else None
        if message is None or found is None:
            error = f"there is no {action_id} in the message {ts}"
            raise LookupError(error)
        block_id, element = found
        action: dict[str, Any] = {
            "action_id": action_id,
            "block_id": block_id,
            "type": element["type"],
            "action_ts": f"{time.time():.6f}",  # noqa: TID251 - the real Slack's clock
        }
        if option is None:
            action["value"] = element.get("value")
        else:
            chosen = next(one for one in element["options"] if one["value"] == option)
            action["selected_option"] = chosen
        payload = {
            "type": "block_actions",
            **self._who(user),
            "trigger_id": self._slack.new_trigger(user),
            "response_url": self._response_url(message["channel"], user),
            "container": {
                "type": "message",
                "message_ts": ts,
                "channel_id": message["channel"],
                "is_ephemeral": False,
            },
            "channel": {"id": message["channel"], "name": "directmessage"},
            "message": message,
            "actions": [action],
        }
        return await self._slack.sockets.deliver("interactive", payload, times=times)

    async def submit(
        self,
        values: dict[str, Any],
        user: str,
        *,
        view_id: str | None = None,
        times: int = 1,
    ) -> dict[str, Any] | None:
        """Submit a modal; it closes unless the receipt names errors."""
        views = [one for one in self._slack.views if view_id in {None, one["id"]}]
        if not views:
            message = "no modal is open"
            raise LookupError(message)
        view = views[-1]
        payload = {
            "type": "view_submission",
            **self._who(user),
            "trigger_id": self._slack.new_trigger(user),
            "view": {**view, "state": {"values": state_values(view, values)}},
            "response_urls": [],
        }
        receipt = await self._slack.sockets.deliver("interactive", payload, times=times)
        if (receipt or {}).get("response_action") != "errors":
            self._slack.close_view(view["id"])
        return receipt

    async def command(self, text: str, user: str, channel: str) -> dict[str, Any] | None:
        """Type `/cpr TEXT`."""
        payload = {
            "command": "/cpr",
            "text": text,
            "user_id": user,
            "user_name": "",
            "team_id": "T0CA",
            "channel_id": channel,
            "channel_name": self._slack.channels.get(channel, ""),
            "trigger_id": self._slack.new_trigger(user),
            "response_url": self._response_url(channel, user),
            "api_app_id": "A0CPR",
        }
        receipt = await self._slack.sockets.deliver("slash_commands", payload)
        if receipt and receipt.get("text"):
            self._slack.whisper(channel, user, str(receipt["text"]))
        return receipt

    def _who(self, user: str) -> dict[str, Any]:
        """Return who acts; the names are empty, as Slack may leave them."""
        return {
            "user": {"id": user, "username": "", "name": "", "team_id": "T0CA"},
            "team": {"id": "T0CA", "domain": ""},
            "api_app_id": "A0CPR",
            "token": "",
        }

    def _response_url(self, channel: str, user: str) -> str:
        key = self._slack.new_id("R")
        self._slack.state.responses[key] = (channel, user)
        return f"http://127.0.0.1:{self._slack.port}/response/{key}"


def state_values(view: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return what a submission says of each input, in Slack's form."""
    found: dict[str, Any] = {}
    for block in view["blocks"]:
        if block.get("type") != "input":
            continue
        element, value = block["element"], values.get(block["block_id"])
        found[block["block_id"]] = {element["action_id"]: _entered(element, value)}
    return found


def _entered(element: dict[str, Any], value: Any) -> dict[str, Any]:  # noqa: ANN401
    kind = element["type"]
    if kind in {"static_select", "radio_buttons"}:
        chosen = [one for one in element["options"] if one["value"] == value]
        return {"type": kind, "selected_option": chosen[0] if chosen else None}
    if kind == "users_select":
        return {"type": kind, "selected_user": value}
    if kind == "datetimepicker":
        return {"type": kind, "selected_date_time": None if value is None else int(value)}
    return {"type": kind, "value": value or None}
