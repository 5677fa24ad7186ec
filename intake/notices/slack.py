"""Slack's Web API: posting, updating, answering privately, opening modals, who is in a group.

Every refusal and failure is a `SlackTrouble` with Slack's error code; the outbox decides what
follows. Nothing is retried in here: a post that was repeated unseen would be a double.
"""

import http.client
import logging
import re
import threading
import time
import urllib.error
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.webhook import WebhookClient

from intake.config import SlackSection

TIMEOUT_SECONDS = 10
MEMBERS_KEPT_SECONDS = 300.0
METADATA_TYPE = "intake_notice"
# Answers to a message that Slack finds malformed: its plain text may still go through.
MALFORMED = {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"}
MEANINGS = {
    "account_inactive": "the app's account was deactivated; install the app again",
    "channel_not_found": "the app can't see this channel; check the id and invite the app to it",
    "cant_update_message": "the message belongs to another app",
    "fatal_error": "Slack itself failed",
    "internal_error": "Slack itself failed",
    "invalid_auth": "Slack does not accept the token; put a valid one in the token file",
    "is_archived": "the channel is archived; name another one or unarchive it",
    "message_not_found": "the message was deleted",
    "missing_scope": "the app lacks a permission; install it again with the manifest",
    "no_permission": "the workspace does not allow this",
    "not_authed": "no token was sent",
    "not_in_channel": "the app is not in the channel; /invite it there",
    "ratelimited": "Slack asks to wait",
    "restricted_action": "the workspace does not allow the app to post there",
    "token_expired": "the token has expired; make a new one",
    "token_revoked": "the token was revoked; install the app again",
    "user_not_found": "there is no such user",
}
# slack_sdk's debug lines hold the whole request; its errors reach us as exceptions anyway.
_sdk_log = logging.getLogger("intake.notices.slack_sdk")
_sdk_log.setLevel(logging.CRITICAL)


class SlackTrouble(Exception):  # noqa: N818 - an expected outcome, handled by the outbox
    """Slack did not do what it was asked."""

    def __init__(
        self, code: str, *, retry_after: float | None = None, is_down: bool = False
    ) -> None:
        """Keep what decides how to go on.

        Args:
            code: Slack's error code, or our word for a failed connection.
            retry_after: seconds to wait, where Slack said so.
            is_down: no answer came from Slack itself, so other calls will fail too.
        """
        super().__init__(f"{code}: {MEANINGS[code]}" if code in MEANINGS else code)
        self.code = code
        self.retry_after = retry_after
        self.is_down = is_down


@dataclass(frozen=True)
class Posted:
    """Where a message stands."""

    channel: str
    ts: str


class SlackMedium:
    """The Web API with the app's bot token; safe to use from several threads."""

    def __init__(
        self,
        section: SlackSection,
        *,
        timeout: int = TIMEOUT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make the client of a configuration; reads the bot token.

        Args:
            section: the configuration of Slack.
            timeout: seconds for a connection, and for each read from it.
            monotonic: for how long the members of a group are remembered.
        """
        self.client = make_client(section, timeout=timeout)
        self._monotonic = monotonic
        self._members: dict[str, tuple[float, frozenset[str]]] = {}
        self._lock = threading.Lock()
        self._team_url: str | None = None

    def post(
        self, channel: str, blocks: Sequence[dict[str, Any]], text: str, *, key: str = ""
    ) -> Posted:
        """Post a message to a channel, or as a direct message to a user.

        Args:
            channel: id of a channel or a user.
            blocks: as Slack takes them.
            text: for notifications, and alone where Slack finds the blocks malformed.
            key: of the notice, kept in the message's metadata to find it again.
        """
        arguments: dict[str, Any] = {"channel": channel, **_message(blocks, text)}
        if key:
            arguments["metadata"] = {"event_type": METADATA_TYPE, "event_payload": {"key": key}}
        answer = self._with_plain_text("chat.postMessage", arguments)
        return Posted(str(answer.get("channel") or channel), str(answer["ts"]))

    def update(self, place: Posted, blocks: Sequence[dict[str, Any]], text: str) -> None:
        """Replace a message that was posted."""
        arguments = {"channel": place.channel, "ts": place.ts, **_message(blocks, text)}
        self._with_plain_text("chat.update", arguments)

    def find(self, channel: str, key: str, *, since: datetime) -> Posted | None:
        """Find the message of a notice whose posting was cut short, by its metadata."""
        arguments = {
            "channel": channel,
            "oldest": f"{since.timestamp():.6f}",
            "include_all_metadata": True,
            "limit": 200,
        }
        for message in self.call("conversations.history", arguments, reads=True).get(
            "messages", ()
        ):
            metadata = message.get("metadata") or {}
            if (metadata.get("event_payload") or {}).get("key") == key:
                return Posted(channel, str(message["ts"]))
        return None

    def ephemeral(self, channel: str, user: str, text: str) -> None:
        """Say something to one user in a channel."""
        self.call("chat.postEphemeral", {"channel": channel, "user": user, "text": text})

    def open_view(self, trigger_id: str, view: dict[str, Any]) -> None:
        """Open a modal; Slack allows it for 3 seconds after the press."""
        self.call("views.open", {"trigger_id": trigger_id, "view": view})

    def respond(self, url: str, text: str) -> None:
        """Answer privately through the address that came with a press or a command."""
        client = WebhookClient(url, timeout=TIMEOUT_SECONDS, logger=_sdk_log, retry_handlers=[])
        try:
            answer = client.send(text=text, response_type="ephemeral", replace_original=False)
        except (OSError, http.client.HTTPException, SlackClientError) as error:
            raise _no_answer(error) from None
        if answer.status_code != 200:  # noqa: PLR2004 - HTTP
            raise SlackTrouble(f"HTTP {answer.status_code}")

    def members(self, group: str) -> frozenset[str]:
        """Return the users of a user group, as known within the last five minutes."""
        with self._lock:
            kept = self._members.get(group)
        if kept is not None and self._monotonic() - kept[0] < MEMBERS_KEPT_SECONDS:
            return kept[1]
        try:
            answer = self.call("usergroups.users.list", {"usergroup": group}, reads=True)
        except SlackTrouble:
            if kept is None:
                raise
            return kept[1]  # who was in it lately is a better answer than none
        found = frozenset(str(user) for user in answer.get("users", ()))
        with self._lock:
            self._members[group] = (self._monotonic(), found)
        return found

    def is_one_of(self, user: str, allowed: Sequence[str]) -> bool:
        """Say whether a user is named, or is in a user group that is.

        Raises:
            SlackTrouble: if that depends on a group that can't be read.
        """
        if user in allowed:
            return True
        return any(user in self.members(one) for one in allowed if one.startswith("S"))

    def identity(self) -> Mapping[str, Any]:
        """Return who the app is and in which workspace, for `check --live`."""
        return self.call("auth.test", {}, reads=True)

    def link(self, place: Posted) -> str | None:
        """Return the address of a message; None where the workspace's address isn't known."""
        if self._team_url is None:
            try:
                self._team_url = str(self.identity().get("url") or "")
            except SlackTrouble:
                return None
        if not self._team_url.startswith("https://"):
            return None
        return f"{self._team_url.rstrip('/')}/archives/{place.channel}/p{place.ts.replace('.', '')}"

    def call(
        self, method: str, arguments: dict[str, Any], *, reads: bool = False
    ) -> Mapping[str, Any]:
        """Call one method of the Web API.

        Args:
            method: its name.
            arguments: of the method.
            reads: for methods that only read; Slack takes no JSON there.

        Raises:
            SlackTrouble: if Slack refuses, asks to wait, or can't be reached.
        """
        try:
            if reads:
                answer = self.client.api_call(method, params=arguments)
            else:
                answer = self.client.api_call(method, json=arguments)
        except SlackApiError as error:
            raise _refused(error) from None
        except (OSError, http.client.HTTPException, SlackClientError, ValueError) as error:
            raise _no_answer(error) from None
        data = answer.data
        return data if isinstance(data, dict) else {}

    def _with_plain_text(self, method: str, arguments: dict[str, Any]) -> Mapping[str, Any]:
        try:
            return self.call(method, arguments)
        except SlackTrouble as trouble:
            if trouble.code not in MALFORMED or "blocks" not in arguments:
                raise
        plain = {name: value for name, value in arguments.items() if name != "blocks"}
        return self.call(method, {**plain, "text": arguments["text"][:3000], "blocks": []})


def make_client(section: SlackSection, *, timeout: int = TIMEOUT_SECONDS) -> WebClient:
    """Make slack_sdk's client, without retries of its own."""
    return WebClient(
        token=section.bot_token.read(),
        base_url=section.base_url,
        timeout=timeout,
        retry_handlers=[],
        logger=_sdk_log,
    )


def _message(blocks: Sequence[dict[str, Any]], text: str) -> dict[str, Any]:
    return {
        "text": text,
        "blocks": list(blocks),
        "unfurl_links": False,
        "unfurl_media": False,
        "parse": "none",
        "link_names": False,
    }


def _refused(error: SlackApiError) -> SlackTrouble:
    response = error.response
    status = int(getattr(response, "status_code", 0) or 0)
    headers = {str(k).lower(): v for k, v in (getattr(response, "headers", None) or {}).items()}
    said = str(response.get("error", "")) if hasattr(response, "get") else ""
    # What is no plain word is a proxy's page or worse, and is not repeated.
    code = said if re.fullmatch(r"[a-z0-9_]{1,60}", said) else f"HTTP {status}"
    if status == 429 or code in {"ratelimited", "rate_limited"}:  # noqa: PLR2004 - HTTP
        return SlackTrouble("ratelimited", retry_after=_seconds(headers.get("retry-after")))
    return SlackTrouble(code, is_down=code.startswith("HTTP") or status >= 500)  # noqa: PLR2004 - HTTP


def _seconds(text: object) -> float:
    try:
        return max(0.0, float(str(text)))
    except ValueError:
        return 1.0


def _no_answer(error: Exception) -> SlackTrouble:
    """Say in plain words why nothing came back; addresses and tokens stay out of it."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError) or "timed out" in str(reason):
        return SlackTrouble("no answer in time", is_down=True)
    if isinstance(reason, ConnectionRefusedError):
        return SlackTrouble("connection refused", is_down=True)
    return SlackTrouble(f"no connection ({type(reason).__name__})", is_down=True)
