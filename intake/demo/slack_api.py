"""The Web API of the Slack stand-in: one small function for each method."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from intake.demo.slack_rules import TEXT_OF_MESSAGE, problem_in_blocks, problem_in_view, read_json

if TYPE_CHECKING:
    from intake.demo.slack import Failure, SlackStandIn

TRIGGER_SECONDS = 3.0
MOST_HISTORY = 1000
FORM_ONLY = {  # methods that read take no JSON
    "conversations.history",
    "conversations.info",
    "users.info",
    "usergroups.list",
    "usergroups.users.list",
    "chat.getPermalink",
}
Answer = dict[str, Any]


class SlackError(Exception):
    """Slack refuses a call with an error code."""

    def __init__(self, code: str, detail: str | None = None) -> None:
        """Keep the code and, for malformed blocks, the sentence."""
        super().__init__(code)
        self.code, self.detail = code, detail


class WebApi:
    """The methods of one workspace."""

    def __init__(self, slack: "SlackStandIn") -> None:
        """Serve this workspace."""
        self._slack = slack
        self._served: dict[str, float] = {}
        self._methods: dict[str, Callable[[Answer], Answer]] = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.postEphemeral": self._post_ephemeral,
            "chat.getPermalink": self._permalink,
            "views.open": self._open_view,
            "views.update": self._update_view,
            "conversations.history": self._history,
            "conversations.info": self._conversation,
            "conversations.open": self._open_direct,
            "users.info": self._user,
            "usergroups.list": self._groups,
            "usergroups.users.list": self._members,
            "apps.connections.open": self._open_connection,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        from intake.demo.slack import Call  # noqa: PLC0415 - it imports this module

        method = request.match_info["method"]
        arguments = await _arguments(request, method)
        self._slack.state.calls.append(Call(time.monotonic(), method, arguments))
        if self._slack.is_down:
            return web.Response(status=503, text="<html>Slack is having trouble</html>")
        failure = self._next_failure(method)
        if failure is not None and failure.delay:
            await asyncio.sleep(failure.delay)
        if failure is not None and not failure.loses_answer and not _only_slow(failure):
            return _failed(failure)
        if (wait := self._must_wait(method)) is not None:
            return _too_many(wait)
        answer = self._answer(method, arguments, request.headers.get("Authorization", ""))
        if failure is not None and failure.loses_answer and request.transport is not None:
            request.transport.abort()
        return web.json_response(answer)

    async def handle_response(self, request: web.Request) -> web.StreamResponse:
        """Take a private answer that comes through a response address."""
        if self._slack.is_down:
            return web.Response(status=503)
        place = self._slack.state.responses.get(request.match_info["id"])
        if place is None:
            return web.Response(status=404, text="expired_url")
        body = await request.json()
        self._slack.whisper(place[0], place[1], str(body.get("text", "")))
        return web.Response(text="ok")

    def _answer(self, method: str, arguments: Answer, authorization: str) -> Answer:
        try:
            self._check_token(method, authorization)
            answer = self._methods.get(method, _unknown_method)(arguments)
        except SlackError as error:
            detail = {"response_metadata": {"messages": [error.detail]}} if error.detail else {}
            return {"ok": False, "error": error.code, **detail}
        return {"ok": True, **answer}

    def _check_token(self, method: str, authorization: str) -> None:
        token = authorization.removeprefix("Bearer ")
        if not token:
            raise SlackError("not_authed")
        if token not in {self._slack.bot_token, self._slack.app_token}:
            raise SlackError("invalid_auth")
        needs_app_token = method == "apps.connections.open"
        if (token == self._slack.app_token) is not needs_app_token:
            raise SlackError("not_allowed_token_type")

    def _next_failure(self, method: str) -> "Failure | None":
        for failure in self._slack.failures:
            if failure.method in {"*", method} and failure.times != 0:
                failure.times = None if failure.times is None else failure.times - 1
                return failure
        return None

    def _must_wait(self, method: str) -> float | None:
        if method not in self._slack.limits:
            return None
        every, monotonic = self._slack.limits[method]
        now = monotonic()
        wait = self._served.get(method, float("-inf")) + every - now
        if wait > 0:
            return wait
        self._served[method] = now
        return None

    # ---- chat ----------------------------------------------------------------------------------

    def _auth_test(self, _: Answer) -> Answer:
        return {
            "url": "https://ca-example.slack.com/",
            "team": "CA Example",
            "team_id": "T0CA",
            "user": "cpr_intake",
            "user_id": "U0BOT",
            "bot_id": "B0BOT",
        }

    def _place(self, arguments: Answer) -> str:
        channel = str(arguments.get("channel", ""))
        if channel.startswith(("U", "W")):
            if channel not in self._slack.users:
                raise SlackError("user_not_found")
            return f"D{channel[1:]}"
        if channel.startswith("D") and f"U{channel[1:]}" in self._slack.users:
            return channel
        if channel not in self._slack.channels:
            raise SlackError("channel_not_found")
        if channel in self._slack.archived:
            raise SlackError("is_archived")
        return channel

    def _content(self, arguments: Answer) -> Answer:
        text, blocks = arguments.get("text", ""), read_json(arguments.get("blocks") or [])
        if not isinstance(text, str):
            raise SlackError("invalid_arguments")
        if not text and not blocks:
            raise SlackError("no_text")
        if len(text) > TEXT_OF_MESSAGE:
            raise SlackError("msg_too_long")
        problem = problem_in_blocks(blocks)
        if problem:
            raise SlackError("invalid_blocks", problem)
        for block in blocks:
            block.setdefault("block_id", self._slack.new_id("b"))
        return {"text": text, "blocks": blocks}

    def _post(self, arguments: Answer) -> Answer:
        place, content = self._place(arguments), self._content(arguments)
        message = {"type": "message", "channel": place, "ts": self._slack.new_ts(), **content}
        message |= {"user": "U0BOT", "bot_id": "B0BOT", "edits": 0}
        if arguments.get("metadata"):
            message["metadata"] = read_json(arguments["metadata"])
        self._slack.state.messages.append(message)
        self._slack.changed()
        return {"channel": place, "ts": message["ts"], "message": message}

    def _update(self, arguments: Answer) -> Answer:
        place, content = self._place(arguments), self._content(arguments)
        message = self._find(place, arguments)
        message |= content
        message["edits"] += 1
        self._slack.changed()
        return {"channel": place, "ts": message["ts"], "text": message["text"]}

    def _find(self, place: str, arguments: Answer) -> Answer:
        ts = arguments.get("ts") or arguments.get("message_ts")
        for message in self._slack.messages:
            if message["channel"] == place and message["ts"] == ts:
                return message
        raise SlackError("message_not_found")

    def _post_ephemeral(self, arguments: Answer) -> Answer:
        place = self._place(arguments)
        if arguments.get("user") not in self._slack.users:
            raise SlackError("user_not_in_channel")
        self._slack.whisper(place, str(arguments["user"]), str(arguments.get("text", "")))
        return {"message_ts": self._slack.ephemerals[-1]["ts"]}

    def _permalink(self, arguments: Answer) -> Answer:
        place = self._place(arguments)
        ts = self._find(place, arguments)["ts"].replace(".", "")
        return {"permalink": f"https://ca-example.slack.com/archives/{place}/p{ts}"}

    # ---- views ---------------------------------------------------------------------------------

    def _open_view(self, arguments: Answer) -> Answer:
        trigger = self._slack.state.triggers.pop(str(arguments.get("trigger_id")), None)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if time.monotonic() - trigger[1] > TRIGGER_SECONDS:
            raise SlackError("expired_trigger_id")
        view = self._checked_view(arguments)
        view |= {"id": self._slack.new_id("V"), "user": trigger[0]}
        self._slack.state.views.append(view)
        self._slack.changed()
        return {"view": view}

    def _update_view(self, arguments: Answer) -> Answer:
        new = self._checked_view(arguments)
        for view in self._slack.views:
            if view["id"] == arguments.get("view_id"):
                view.update(new)
                self._slack.changed()
                return {"view": view}
        raise SlackError("not_found")

    def _checked_view(self, arguments: Answer) -> Answer:
        view = read_json(arguments.get("view"))
        problem = problem_in_view(view)
        if problem:
            raise SlackError("invalid_arguments", problem)
        for block in view["blocks"]:
            block.setdefault("block_id", self._slack.new_id("b"))
        return dict(view)

    # ---- conversations, people -----------------------------------------------------------------

    def _history(self, arguments: Answer) -> Answer:
        place = self._place(arguments)
        oldest = float(arguments.get("oldest") or 0)
        found = [
            one
            for one in reversed(self._slack.messages)
            if one["channel"] == place and float(one["ts"]) > oldest
        ]
        if arguments.get("include_all_metadata") not in {"1", "true"}:
            found = [{k: v for k, v in one.items() if k != "metadata"} for one in found]
        return {"messages": found[: min(int(arguments.get("limit") or 100), MOST_HISTORY)]}

    def _conversation(self, arguments: Answer) -> Answer:
        place = self._place(arguments)
        name = self._slack.channels.get(place, "")
        return {"channel": {"id": place, "name": name, "is_member": True}}

    def _open_direct(self, arguments: Answer) -> Answer:
        place = self._place({"channel": str(arguments.get("users", ""))})
        return {"channel": {"id": place}}

    def _user(self, arguments: Answer) -> Answer:
        user = str(arguments.get("user"))
        if user not in self._slack.users:
            raise SlackError("user_not_found")
        return {"user": {"id": user, "name": "", "real_name": self._slack.users[user], "tz": "UTC"}}

    def _groups(self, _: Answer) -> Answer:
        groups = [
            {"id": group, "handle": name, "name": name}
            for group, (name, _users) in self._slack.groups.items()
        ]
        return {"usergroups": groups}

    def _members(self, arguments: Answer) -> Answer:
        group = str(arguments.get("usergroup", ""))
        if group not in self._slack.groups:
            raise SlackError("no_such_subteam")
        return {"users": self._slack.groups[group][1]}

    def _open_connection(self, _: Answer) -> Answer:
        ticket = self._slack.new_trigger("socket")
        return {"url": f"ws://127.0.0.1:{self._slack.port}/link?ticket={ticket}"}


async def _arguments(request: web.Request, method: str) -> Answer:
    if request.content_type == "application/json":
        if method in FORM_ONLY:
            return {}
        try:
            body = await request.json()
        except json.JSONDecodeError:
            return {}
        return body if isinstance(body, dict) else {}
    form = await request.post()
    return {**request.query, **{name: str(value) for name, value in form.items()}}


def _unknown_method(_: Answer) -> Answer:
    raise SlackError("unknown_method")


def _only_slow(failure: "Failure") -> bool:
    return not failure.error and failure.status == 200 and failure.retry_after is None  # noqa: PLR2004


def _failed(failure: "Failure") -> web.Response:
    if failure.retry_after is not None:
        return _too_many(failure.retry_after)
    if failure.error:
        return web.json_response({"ok": False, "error": failure.error}, status=failure.status)
    return web.Response(status=failure.status, text="<html>upstream error</html>")


def _too_many(wait: float) -> web.Response:
    return web.json_response(
        {"ok": False, "error": "ratelimited"},
        status=429,
        headers={"Retry-After": f"{wait:g}"},
    )
