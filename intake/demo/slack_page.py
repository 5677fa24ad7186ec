"""The page of the Slack stand-in: what Slack would show, with buttons that work.

The page holds no text of its own from outside: it is handed the state as JSON and sets all of it
as text. It answers this machine only, and only under its own name.
"""

import asyncio
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from intake.demo.slack import SlackStandIn

STATIC = files("intake.demo") / "static"
PAGES = {
    "/": ("slack.html", "text/html"),
    "/slack.css": ("slack.css", "text/css"),
    "/slack.js": ("slack.js", "text/javascript"),
    "/mrkdwn.js": ("mrkdwn.js", "text/javascript"),
}
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"
LOOK_EVERY_SECONDS = 0.05


def add_page(app: web.Application, slack: "SlackStandIn") -> None:
    """Add the page and what it calls to the stand-in's server."""
    page = Page(slack)
    for path, (name, content_type) in PAGES.items():
        app.router.add_get(path, _static(name, content_type))
    app.router.add_get("/ui/state", page.state)
    app.router.add_get("/ui/events", page.events)
    for name, action in page.actions.items():
        app.router.add_post(f"/ui/{name}", page.acting(action))


def _static(name: str, content_type: str) -> "Callable[[web.Request], Awaitable[web.Response]]":
    async def serve(_: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        body = (STATIC / name).read_bytes()
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

    return serve


class Page:
    """What the page asks for and does."""

    def __init__(self, slack: "SlackStandIn") -> None:
        """Show this workspace."""
        self._slack = slack
        self.actions: dict[str, Callable[[dict[str, Any]], Awaitable[object]]] = {
            "press": self._press,
            "submit": self._submit,
            "close": self._close,
            "command": self._command,
            "clock": self._clock,
        }

    async def state(self, _: web.Request) -> web.Response:
        """Return everything that the page shows."""
        slack = self._slack
        return web.json_response(
            {
                "version": slack.state.version,
                "now": slack.now().timestamp(),
                "clock": slack.shown_clock is not None,
                "clock_buttons": list(slack.clock_buttons),
                "connected": slack.connections > 0,
                "channels": slack.channels,
                "users": slack.users,
                "groups": {group: name for group, (name, _users) in slack.groups.items()},
                "messages": slack.messages,
                "ephemerals": slack.ephemerals,
                "views": slack.views,
            }
        )

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Tell the page each time that there is something new."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        seen = -1
        while request.transport is not None and not request.transport.is_closing():
            if seen != self._slack.state.version:
                seen = self._slack.state.version
                await response.write(f"data: {seen}\n\n".encode())
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        return response

    def acting(
        self, action: "Callable[[dict[str, Any]], Awaitable[object]]"
    ) -> "Callable[[web.Request], Awaitable[web.Response]]":
        """Return the handler of something that a person does on the page."""

        async def handle(request: web.Request) -> web.Response:
            if not self._is_own(request):
                raise web.HTTPForbidden
            try:
                answer = await action(json.loads(await request.text()))
            except (LookupError, ConnectionError, ValueError) as error:
                return web.json_response({"ok": False, "error": str(error)})
            return web.json_response({"ok": True, "answer": answer})

        return handle

    def _is_own(self, request: web.Request) -> bool:
        """Say whether a request comes from this page, not from another one in the browser."""
        own = {f"127.0.0.1:{self._slack.port}", f"localhost:{self._slack.port}"}
        origin = request.headers.get("Origin")
        return request.host in own and (origin is None or origin.partition("//")[2] in own)

    async def _press(self, given: dict[str, Any]) -> object:
        return await self._slack.people.press(
            given["action_id"], given["ts"], given["user"], option=given.get("option")
        )

    async def _submit(self, given: dict[str, Any]) -> object:
        return await self._slack.people.submit(
            given["values"], given["user"], view_id=given["view_id"]
        )

    async def _close(self, given: dict[str, Any]) -> None:
        self._slack.close_view(given["view_id"])

    async def _command(self, given: dict[str, Any]) -> object:
        return await self._slack.people.command(given["text"], given["user"], given["channel"])

    async def _clock(self, given: dict[str, Any]) -> None:
        press = self._slack.clock_buttons[given["label"]]
        await asyncio.get_running_loop().run_in_executor(None, press)
        self._slack.changed()
