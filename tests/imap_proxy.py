"""A proxy between an IMAP client and its server that cuts, silences and lies where it is told to."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 65536
ALWAYS = 1_000_000


@dataclass
class Fault:
    """What happens when one side says something."""

    at: bytes  # a pattern in what the client or the server says; what precedes it goes through
    then: str = "cut"  # cut | silence (both ways, without FIN) | say (instead of going through)
    by: str = "client"  # who says it
    say: bytes = b""  # to the client; TAG is the tag of the command
    times: int = 1

    def find(self, by: str, data: bytes) -> re.Match[bytes] | None:
        if self.by != by or self.times <= 0:
            return None
        return re.search(self.at, data, re.DOTALL)


@dataclass
class ImapProxy:
    """A listening port that leads to a server's; faults apply to all connections."""

    target: tuple[str, int]
    faults: list[Fault] = field(default_factory=list)
    connections: int = 0
    heard: list[bytes] = field(default_factory=list)  # lines of all clients

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                Talk(self, client).start()

    def fault(self, at: bytes, **options: object) -> Fault:
        """Add a fault."""
        self.faults.append(Fault(at, **options))  # type: ignore[arg-type]
        return self.faults[-1]

    def take(self, by: str, data: bytes) -> tuple[Fault, re.Match[bytes]] | None:
        """Return the fault that what somebody says brings about, once less afterwards."""
        with self._lock:
            for fault in self.faults:
                if found := fault.find(by, data):
                    fault.times -= 1
                    return fault, found
        return None

    def hold(self, *sockets: socket.socket) -> None:
        self._open += sockets

    def cut_all(self) -> None:
        """Cut every connection that there is."""
        for one in self._open:
            _close(one)
        self._open.clear()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()


class Talk:
    """One client's connection and ours to the server."""

    def __init__(self, proxy: ImapProxy, client: socket.socket) -> None:
        self.proxy, self.client = proxy, client
        self.silent = False
        if proxy.take("client", b"(connects)"):
            _close(client)
            return
        self.server = socket.create_connection(proxy.target)
        proxy.hold(client, self.server)

    def start(self) -> None:
        if self.client.fileno() < 0:
            return
        for by, source, sink in (
            ("client", self.client, self.server), ("server", self.server, self.client),
        ):  # fmt: skip
            threading.Thread(target=self._pump, args=(by, source, sink), daemon=True).start()

    def _pump(self, by: str, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                if by == "client":
                    self.proxy.heard += data.splitlines()
                if self.silent:
                    continue
                if taken := self.proxy.take(by, data):
                    if not self._apply(*taken, sink=sink, data=data):
                        return
                else:
                    sink.sendall(data)
        if not self.silent:
            self._hang_up()

    def _apply(
        self, fault: Fault, found: re.Match[bytes], *, sink: socket.socket, data: bytes
    ) -> bool:
        """Do what the fault says; return whether the talk goes on."""
        if fault.by == "server":
            sink.sendall(data[: found.start() if fault.then == "say" else found.end()])
        if fault.then == "silence":
            self.silent = True
        elif fault.then == "cut":
            self._hang_up()
            return False
        else:
            tag = data.split(b" ", 1)[0] if fault.by == "client" else b""
            self.client.sendall(fault.say.replace(b"TAG", tag))
            if fault.by == "server":
                sink.sendall(data[found.end() :])
        return True

    def _hang_up(self) -> None:
        _close(self.client)
        _close(self.server)


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextmanager
def imap_proxy(host: str, port: int) -> Iterator[ImapProxy]:
    """Run a proxy without faults yet."""
    proxy = ImapProxy((host, port))
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join(10)
