"""Socket Mode of the Slack stand-in: envelopes go out over WebSockets, receipts come back."""

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from intake.demo.slack import SlackStandIn

ACK_SECONDS = 3.0  # Slack shows the user an error after that


class Sockets:
    """The WebSockets that the app has opened."""

    def __init__(self, slack: "SlackStandIn") -> None:
        """Serve this workspace."""
        self._slack = slack
        self.open: list[web.WebSocketResponse] = []
        self.served = 0  # how many there ever were
        self._receipts: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one WebSocket, for a ticket that `apps.connections.open` gave out."""
        if self._slack.state.triggers.pop(request.query.get("ticket", ""), None) is None:
            raise web.HTTPForbidden(text="this ticket was used or never given")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.open.append(socket)
        self.served += 1
        self._slack.changed()
        await socket.send_json({"type": "hello", "num_connections": len(self.open)})
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self._take_receipt(message.json())
        finally:
            self.open.remove(socket)
            self._slack.changed()
        return socket

    def _take_receipt(self, message: dict[str, Any]) -> None:
        waiting = self._receipts.get(message.get("envelope_id", ""))
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    async def deliver(
        self, kind: str, payload: dict[str, Any], *, times: int = 1
    ) -> dict[str, Any] | None:
        """Send an envelope and return the payload of its receipt.

        Args:
            kind: interactive or slash_commands.
            payload: what happened.
            times: how often the same envelope is sent, as Slack may do.

        Raises:
            ConnectionError: if the app is not connected, or gives no receipt in time.
        """
        if not self.open:
            message = "the app is not connected"
            raise ConnectionError(message)
        envelope = self._slack.new_id("E")
        receipt: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._receipts[envelope] = receipt
        for _ in range(times):
            await self.open[-1].send_json(
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
            del self._receipts[envelope]

    async def close(self, *, politely: bool = False) -> None:
        """Close them all, with Slack's announcement or without."""
        for socket in list(self.open):
            if politely:
                await socket.send_json({"type": "disconnect", "reason": "refresh_requested"})
            else:
                await socket.close()
