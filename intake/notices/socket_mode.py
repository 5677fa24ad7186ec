"""Socket Mode: presses, modals and `/cpr` come over a WebSocket that we open, so no port is open.

Each envelope is receipted first (Slack waits three seconds at most) and worked on in a small pool.
Whether it is connected matters to nobody else: escalation and posting go their own ways.
"""

import http.client
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from slack_sdk.errors import SlackClientError
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from intake.clock import Clock
from intake.config import SlackSection
from intake.database import Database
from intake.notices.interactions import decode
from intake.notices.slack import SlackMedium, make_client
from intake.notices.slack_actions import SlackActions
from intake.tickets.desk import Desk

WORKERS = 4
LOOK_EVERY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0
log = logging.getLogger(__name__)
# slack_sdk repeats its complaints every few seconds; we say each change of state once.
_sdk_log = logging.getLogger("intake.notices.socket_mode_sdk")
_sdk_log.setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Pace:
    """How fast a lost connection is noticed and tried again, in seconds."""

    ping_seconds: float = 5.0  # a connection is looked at, and opened again if it is lost
    retry_seconds: float = 2.0  # before the very first connection is tried again


class SlackListener:
    """The connection over which Slack tells us what people do."""

    def __init__(
        self,
        section: SlackSection,
        database: Database,
        desk: Desk | None = None,  # noqa: ARG002 - actions need nothing of it today
        *,
        clock: Clock,
        answer: Callable[[str], str],
        changed: Callable[[], None] = lambda: None,
        pace: Pace = Pace(),
    ) -> None:
        """Prepare; `run` connects.

        Args:
            section: the configuration of Slack.
            database: where actions are carried out.
            desk: the configuration of the tickets.
            clock: gives each action its instant.
            answer: traces what `/cpr` asks about.
            changed: called after each action, to have the card shown anew at once.
            pace: how often the connection is looked at.
        """
        self.actions = SlackActions(
            database, SlackMedium(section), section.responders, clock, answer, changed
        )
        self._section = section
        self._pace = pace
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="slack action")
        self._client: SocketModeClient | None = None

    @property
    def is_connected(self) -> bool:
        """Say whether presses reach us at the moment."""
        return self._client is not None and self._client.is_connected()

    def run(self) -> None:
        """Connect, and stay connected until `stop`; slack_sdk connects again by itself."""
        client = self._make_client()
        self._client = client
        was_connected, retry = None, self._pace.retry_seconds
        try:
            while not self._stopping.is_set():
                wait = LOOK_EVERY_SECONDS
                if client.current_session is None and not self._connect(client):
                    wait, retry = retry, min(retry * 2, LONGEST_RETRY_SECONDS)
                if was_connected != (was_connected := client.is_connected()):
                    _say_state(is_connected=was_connected)
                self._stopping.wait(wait)
        finally:
            _hang_up(client)

    def stop(self) -> None:
        """Disconnect; what is being worked on is finished."""
        self._stopping.set()
        self._pool.shutdown(wait=True)

    def _make_client(self) -> SocketModeClient:
        client = SocketModeClient(
            app_token=self._section.app_token.read(),
            web_client=make_client(self._section),
            logger=_sdk_log,
            ping_interval=self._pace.ping_seconds,
            concurrency=WORKERS,
        )
        client.socket_mode_request_listeners.append(self._receive)
        return client

    def _connect(self, client: SocketModeClient) -> bool:
        try:
            client.connect()
        except (OSError, http.client.HTTPException, SlackClientError):
            return False
        return True

    def _receive(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        """Receipt an envelope at once, then have it worked on."""
        interaction = decode(request.type, request.payload or {})
        receipt = self.actions.receipt(interaction)
        client.send_socket_mode_response(
            SocketModeResponse(envelope_id=request.envelope_id, payload=receipt)
        )
        if interaction is None or receipt is not None or self._stopping.is_set():
            return
        self._pool.submit(self.actions.handle, interaction).add_done_callback(_note_failure)


def _hang_up(client: SocketModeClient) -> None:
    """Disconnect at once: by itself the library goes on to listen for three seconds."""
    client.auto_reconnect_enabled = False
    client.current_session_state.terminated = True
    session = client.current_session
    connection = None if session is None else session.sock
    if connection is not None:
        with suppress(OSError):  # it may be closed already
            connection.shutdown(socket.SHUT_RDWR)
    client.close()


def _note_failure(work: Future[None]) -> None:
    error = work.exception()
    if error is not None:
        log.error("an action from Slack failed: %s", type(error).__name__, exc_info=error)


def _say_state(*, is_connected: bool) -> None:
    if is_connected:
        log.info("connected to Slack: buttons and /cpr work")
    else:
        log.warning("not connected to Slack: buttons and /cpr do not work, everything else does")
