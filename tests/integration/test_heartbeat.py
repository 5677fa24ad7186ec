"""Signs of life reach the outside after good polls, and only then."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from intake.service import Service
from tests.servers import DovecotServer, SmtpPeer
from tests.world import make_world, wait_for


class Monitor:
    """A heartbeat monitor that counts."""

    def __init__(self) -> None:
        self.beats = 0
        monitor = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                monitor.beats += 1
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/beat"


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    monitor = Monitor()
    yield monitor
    monitor.server.shutdown()
    monitor.server.server_close()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket on which systemd listens."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(path))
        channel.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield channel


def service_section(monitor: Monitor) -> str:
    return f'[service]\nheartbeat_url = "{monitor.url}"\n'


def test_a_good_poll_beats_and_tells_systemd(
    tmp_path: Path,
    dovecot: DovecotServer,
    smtp_peer: SmtpPeer,
    monitor: Monitor,
    systemd: socket.socket,
) -> None:
    with make_world(tmp_path, dovecot, smtp_peer, more=service_section(monitor)) as world:
        service = Service(world.parts)
        service.start()
        try:
            wait_for(lambda: monitor.beats)
            told = {systemd.recv(100), systemd.recv(100)}
        finally:
            service.stop()

    assert told == {b"READY=1", b"WATCHDOG=1"}


def test_a_mailbox_that_cannot_be_read_gives_no_sign_of_life(
    tmp_path: Path,
    dovecot: DovecotServer,
    smtp_peer: SmtpPeer,
    monitor: Monitor,
    systemd: socket.socket,
) -> None:
    with make_world(tmp_path, dovecot, smtp_peer, more=service_section(monitor)) as world:
        dovecot.stop()
        service = Service(world.parts)
        service.start()
        try:
            wait_for(lambda: service.polls[0].failures >= 2)
            systemd.settimeout(0.2)
            told = [systemd.recv(100)]
            with pytest.raises(TimeoutError):
                told.append(systemd.recv(100))
        finally:
            service.stop()

    assert told == [b"READY=1"]
    assert monitor.beats == 0
