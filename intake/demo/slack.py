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

from aiohttp import web

from intake.clock import Clock, wall_clock
from intake.demo.slack_api import WebApi
from intake.demo.slack_page import add_page
from intake.demo.slack_people import People
from intake.demo.slack_socket import Sockets

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
        self.sockets = Sockets(self)
        self.people = People(self)
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
            loop.run_until_complete(_end_tasks())
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
        app.router.add_get("/link", self.sockets.serve)
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
        await self.sockets.close()
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
        return len(self.sockets.open)

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
        self._wait(self.sockets.close(politely=politely))

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
            self.people.press(action_id, ts, user, option=option, times=times)
        )
        return receipt

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
            self.people.submit(values, user, view_id=view_id, times=times)
        )
        return receipt

    def deliver(self, kind: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Send any envelope to the app and return its receipt."""
        receipt: dict[str, Any] | None = self._wait(self.sockets.deliver(kind, payload))
        return receipt

    def close_view(self, view_id: str) -> None:
        """Close a modal without submitting it."""
        self.state.views[:] = [one for one in self.views if one["id"] != view_id]
        self.changed()

    def command(
        self, text: str, user: str = "U0ALICE", channel: str = "C0CPR"
    ) -> dict[str, Any] | None:
        """Type `/cpr TEXT` and return the app's receipt."""
        receipt: dict[str, Any] | None = self._wait(self.people.command(text, user, channel))
        return receipt

    def add_clock_button(self, label: str, press: Callable[[], object]) -> None:
        """Show a button on the page that moves the demo's clock."""
        self.clock_buttons[label] = press
        self.changed()

    def show_clock(self, clock: Clock) -> None:
        """Show the demo's clock on the page, and give messages its time."""
        self.shown_clock = clock
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
        stamp = f"{int(self.now().timestamp())}.{next(self._numbers):06d}"
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
        return (self.shown_clock or self.clock)()

    def _wait(self, coroutine: Any) -> Any:  # noqa: ANN401 - whatever it returns
        if self._loop is None:
            coroutine.close()
            message = "the Slack stand-in does not run"
            raise RuntimeError(message)
        future: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result(20)


async def _end_tasks() -> None:
    """End what still waits, such as a call that was told to be slow."""
    own = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not own]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def direct_channel(user: str) -> str:
    """Return the id of the direct messages to a user."""
    return f"D{user[1:]}"
