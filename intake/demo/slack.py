"""A Slack on loopback for the demo and the tests: Web API, Socket Mode, and a page that shows it.

It is strict where Slack is: tokens, types, limits, one-time triggers; it answers with Slack's
error codes, and fails in Slack's ways when a test asks for it. Nothing leaves this machine.
"""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from aiohttp import WSMsgType, web

from intake.clock import Clock, wall_clock
from intake.demo.slack_api import WebApi
from intake.demo.slack_page import add_page
from intake.demo.slack_rules import find_element

ACK_SECONDS = 3.0  # Slack shows the user an error after that
CHANNELS = {"C0CPR": "cpr-intake"}
USERS = {
    "U0ALICE": "Alice (responder)",
    "U0MALLORY": "Mallory (not a responder)",
    "U0MIRA": "Mira (manager)",
    "U0NOAH": "Noah (manager)",
}
GROUPS = {
    "S0RESPONDERS": ("cpr-responders", ["U0ALICE"]),
    "S0ONCALL": ("cpr-on-call", ["U0ALICE"]),
}


@dataclass(frozen=True)
class Call:
    """One call of the Web API as it came."""

    at: float  # time.monotonic
    method: str
    arguments: dict[str, Any]


@dataclass
class Failure:
    """How a method fails."""

    method: str  # "*": every method
    error: str = ""
    status: int = 200
    retry_after: float | None = None
    times: int | None = 1  # None: until `heal`
    delay: float = 0.0
    loses_answer: bool = False  # the work is done, and the connection closed without an answer


@dataclass
class State:
    """Everything that this Slack remembers."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    ephemerals: list[dict[str, Any]] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)  # opened, the newest last
    calls: list[Call] = field(default_factory=list)
    triggers: dict[str, tuple[str, float]] = field(default_factory=dict)  # → user, monotonic
    responses: dict[str, tuple[str, str]] = field(default_factory=dict)  # id → channel, user
    version: int = 0  # raised by every change, for the page


class SlackStandIn:
    """A workspace with one channel, a few people and one app."""

    def __init__(
        self,
        *,
        bot_token: str = "xoxb-test",  # noqa: S107 - of a stand-in
        app_token: str = "xapp-test",  # noqa: S107
        clock: Clock = wall_clock,
        port: int = 0,
    ) -> None:
        """Prepare it; `start` or `with` sets it going.

        Args:
            bot_token: that the Web API takes.
            app_token: that Socket Mode takes.
            clock: gives messages their time.
            port: 0 for a free one; a stand-in that starts again keeps its own.
        """
        self.bot_token, self.app_token = bot_token, app_token
        self.clock = clock
        self.channels = dict(CHANNELS)
        self.archived: set[str] = set()
        self.users = dict(USERS)
        self.groups = {group: (name, list(users)) for group, (name, users) in GROUPS.items()}
        self.state = State()
        self.failures: list[Failure] = []
        self.is_down = False
        self.limits: dict[str, tuple[float, Callable[[], float]]] = {}
        self.clock_buttons: dict[str, Callable[[], object]] = {}
        self.shown_clock: Clock | None = None
        self.port = port
        self._numbers = itertools.count(1)
        self._sockets: list[web.WebSocketResponse] = []
        self._acks: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None

    # ---- running -------------------------------------------------------------------------------

    def start(self) -> Self:
        """Serve on loopback in a thread of its own."""
        started = threading.Event()
        loop = asyncio.new_event_loop()
        self._loop = loop

        def run() -> None:
            asyncio.set_event_loop(loop)
            loop.run_until_complete(self._serve())
            started.set()
            loop.run_forever()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

        self._thread = threading.Thread(target=run, name="slack stand-in", daemon=True)
        self._thread.start()
        if not started.wait(10):
            message = "the Slack stand-in did not start"
            raise RuntimeError(message)
        return self

    async def _serve(self) -> None:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        api = WebApi(self)
        app.router.add_route("*", "/api/{method}", api.handle)
        app.router.add_post("/response/{id}", api.handle_response)
        app.router.add_get("/link", self._socket)
        add_page(app, self)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    def stop(self) -> None:
        """Stop serving; whoever connects is refused. `start` serves on the same port again."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        self._wait(self._shut_down())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        self._loop = self._thread = None

    async def _shut_down(self) -> None:
        for socket in list(self._sockets):
            await socket.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    @property
    def base_url(self) -> str:
        """Return the address of the Web API, for `slack.base_url`."""
        return f"http://127.0.0.1:{self.port}/api/"

    @property
    def page_url(self) -> str:
        """Return the address of the page."""
        return f"http://127.0.0.1:{self.port}/"

    # ---- what it knows -------------------------------------------------------------------------

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Return every message in the order of posting, as it stands now."""
        return self.state.messages

    @property
    def ephemerals(self) -> list[dict[str, Any]]:
        """Return what was said to single users."""
        return self.state.ephemerals

    @property
    def views(self) -> list[dict[str, Any]]:
        """Return the modals that are open, the newest last."""
        return self.state.views

    @property
    def calls(self) -> list[Call]:
        """Return every call of the Web API."""
        return self.state.calls

    @property
    def connections(self) -> int:
        """Return how many WebSockets are open."""
        return len(self._sockets)

    def in_channel(self, channel: str) -> list[dict[str, Any]]:
        """Return the messages of a channel, or of the direct messages to a user."""
        place = direct_channel(channel) if channel.startswith(("U", "W")) else channel
        return [one for one in self.messages if one["channel"] == place]

    # ---- how it fails --------------------------------------------------------------------------

    def fail(self, method: str, error: str = "", **how: Any) -> None:  # noqa: ANN401 - of Failure
        """Let calls of a method ("*": of all) fail; see `Failure`."""
        self.failures.append(Failure(method, error, **how))

    def heal(self) -> None:
        """Work again."""
        self.failures.clear()
        self.limits.clear()
        self.is_down = False

    def limit(
        self, method: str, every: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Take a method once in so many seconds only, and answer 429 in between."""
        self.limits[method] = (every, monotonic)

    def disconnect(self, *, politely: bool = False) -> None:
        """Close the WebSockets, with Slack's announcement or without."""
        self._wait(self._disconnect(politely=politely))

    async def _disconnect(self, *, politely: bool) -> None:
        for socket in list(self._sockets):
            if politely:
                await socket.send_json({"type": "disconnect", "reason": "refresh_requested"})
            else:
                await socket.close()

    # ---- what people do ------------------------------------------------------------------------

    def press(
        self,
        action_id: str,
        ts: str,
        user: str = "U0ALICE",
        *,
        option: str | None = None,
        times: int = 1,
    ) -> dict[str, Any] | None:
        """Press a button, or choose an option of a menu, and wait for the app's receipt.

        Args:
            action_id: of the button or menu.
            ts: of the message.
            user: who presses.
            option: the value that is chosen, for a menu.
            times: how often the same envelope is delivered.
        """
        receipt: dict[str, Any] | None = self._wait(
            self.press_soon(action_id, ts, user, option=option, times=times)
        )
        return receipt

    async def press_soon(
        self,
        action_id: str,
        ts: str,
        user: str,
        *,
        option: str | None = None,
        times: int = 1,
    ) -> dict[str, Any] | None:
        """Press inside the server's own loop; see `press`."""
        message = next((one for one in self.messages if one["ts"] == ts), None)
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
            "trigger_id": self.new_trigger(user),
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
        return await self._deliver("interactive", payload, times=times)

    def submit(
        self,
        values: dict[str, Any],
        user: str = "U0ALICE",
        *,
        view_id: str | None = None,
        times: int = 1,
    ) -> dict[str, Any] | None:
        """Submit a modal and return the app's receipt; it closes unless that names errors.

        Args:
            values: by block id: a text, the value of an option, a user's id, or a Unix time.
            user: who submits.
            view_id: of the modal; the newest one without it.
            times: how often the same envelope is delivered.
        """
        receipt: dict[str, Any] | None = self._wait(
            self.submit_soon(values, user, view_id=view_id, times=times)
        )
        return receipt

    async def submit_soon(
        self,
        values: dict[str, Any],
        user: str,
        *,
        view_id: str | None = None,
        times: int = 1,
    ) -> dict[str, Any] | None:
        """Submit inside the server's own loop; see `submit`."""
        views = [one for one in self.views if view_id in {None, one["id"]}]
        if not views:
            message = "no modal is open"
            raise LookupError(message)
        view = views[-1]
        payload = {
            "type": "view_submission",
            **self._who(user),
            "trigger_id": self.new_trigger(user),
            "view": {**view, "state": {"values": state_values(view, values)}},
            "response_urls": [],
        }
        receipt = await self._deliver("interactive", payload, times=times)
        if (receipt or {}).get("response_action") != "errors":
            self.close_view(view["id"])
        return receipt

    def close_view(self, view_id: str) -> None:
        """Close a modal without submitting it."""
        self.state.views[:] = [one for one in self.views if one["id"] != view_id]
        self.changed()

    def command(
        self, text: str, user: str = "U0ALICE", channel: str = "C0CPR"
    ) -> dict[str, Any] | None:
        """Type `/cpr TEXT` and return the app's receipt."""
        receipt: dict[str, Any] | None = self._wait(self.command_soon(text, user, channel))
        return receipt

    async def command_soon(self, text: str, user: str, channel: str) -> dict[str, Any] | None:
        """Type `/cpr TEXT` inside the server's own loop; see `command`."""
        payload = {
            "command": "/cpr",
            "text": text,
            "user_id": user,
            "user_name": "",
            "team_id": "T0CA",
            "channel_id": channel,
            "channel_name": self.channels.get(channel, ""),
            "trigger_id": self.new_trigger(user),
            "response_url": self._response_url(channel, user),
            "api_app_id": "A0CPR",
        }
        receipt = await self._deliver("slash_commands", payload)
        if receipt and receipt.get("text"):
            self.whisper(channel, user, str(receipt["text"]))
        return receipt

    def add_clock_button(self, label: str, press: Callable[[], object]) -> None:
        """Show a button on the page that moves the demo's clock."""
        self.clock_buttons[label] = press
        self.changed()

    def show_clock(self, clock: Clock) -> None:
        """Show the demo's clock on the page, and give messages its time."""
        self.clock = self.shown_clock = clock
        self.changed()

    # ---- inside --------------------------------------------------------------------------------

    def changed(self) -> None:
        """Have the page show what is new."""
        self.state.version += 1

    def new_id(self, letter: str) -> str:
        """Return a fresh id of Slack's form."""
        return f"{letter}{next(self._numbers):08d}"

    def new_ts(self) -> str:
        """Return the time stamp that names a message; each one is later than the last."""
        stamp = f"{self.clock().timestamp():.0f}.{next(self._numbers):06d}"
        newest = self.messages[-1]["ts"] if self.messages else ""
        return stamp if stamp > newest else f"{newest.split('.')[0]}.{next(self._numbers):06d}"

    def new_trigger(self, user: str) -> str:
        """Return a trigger id, good for one modal within three seconds."""
        trigger = self.new_id("trigger.")
        self.state.triggers[trigger] = (user, time.monotonic())
        return trigger

    def whisper(self, channel: str, user: str, text: str) -> None:
        """Show something to one user only."""
        said = {"channel": channel, "user": user, "text": text, "ts": self.new_ts()}
        self.state.ephemerals.append(said)
        self.changed()

    def now(self) -> datetime:
        """Return the present instant of this Slack."""
        return self.clock()

    def _who(self, user: str) -> dict[str, Any]:
        """Return who acts; the names are empty, as Slack may leave them."""
        return {
            "user": {"id": user, "username": "", "name": "", "team_id": "T0CA"},
            "team": {"id": "T0CA", "domain": ""},
            "api_app_id": "A0CPR",
            "token": "",
        }

    def _response_url(self, channel: str, user: str) -> str:
        key = self.new_id("R")
        self.state.responses[key] = (channel, user)
        return f"http://127.0.0.1:{self.port}/response/{key}"

    async def _deliver(
        self, kind: str, payload: dict[str, Any], *, times: int = 1
    ) -> dict[str, Any] | None:
        """Send an envelope over the WebSocket and return the receipt's payload.

        Raises:
            ConnectionError: if the app is not connected, or gives no receipt in time.
        """
        envelope = self.new_id("E")
        receipt: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._acks[envelope] = receipt
        if not self._sockets:
            message = "the app is not connected"
            raise ConnectionError(message)
        for _ in range(times):
            await self._sockets[-1].send_json(
                {
                    "type": kind,
                    "envelope_id": envelope,
                    "payload": payload,
                    "accepts_response_payload": True,
                }
            )
        try:
            return (await asyncio.wait_for(receipt, ACK_SECONDS)).get("payload")
        except TimeoutError:
            message = "the app gave no receipt within three seconds"
            raise ConnectionError(message) from None
        finally:
            del self._acks[envelope]

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one WebSocket of Socket Mode."""
        if self.state.triggers.pop(request.query.get("ticket", ""), None) is None:
            raise web.HTTPForbidden(text="this ticket was used or never given")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append(socket)
        self.changed()
        await socket.send_json({"type": "hello", "num_connections": len(self._sockets)})
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self._receipt(message.json())
        finally:
            self._sockets.remove(socket)
            self.changed()
        return socket

    def _receipt(self, message: dict[str, Any]) -> None:
        waiting = self._acks.get(message.get("envelope_id", ""))
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def _wait(self, coroutine: Any) -> Any:  # noqa: ANN401 - whatever it returns
        if self._loop is None:
            coroutine.close()
            message = "the Slack stand-in does not run"
            raise RuntimeError(message)
        future: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result(20)


def direct_channel(user: str) -> str:
    """Return the id of the direct messages to a user."""
    return f"D{user[1:]}"


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
