"""A stand-in for crt.sh that answers and fails as the real one does; for the demo and the tests.

Seen at the real one: errors as pages with status 200, 404 for unknown downloads, JSON for lists
only, timestamps without a zone, serial numbers compared octet by octet, parameters in any case.
"""

import asyncio
import base64
import hashlib
import html
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import web

from intake.certificates.read import CertificateFacts, read_certificate

MODES = frozenset({
    "503", "503_text", "502", "504", "429", "slow", "drip", "html_error", "not_found", "wrong",
    "huge", "redirect", "garbage", "drop", "junk_after",
})  # fmt: skip
HTML, TEXT = "text/html", "text/plain"


@dataclass(frozen=True)
class SeenRequest:
    """One request as it came."""

    at: float  # time.monotonic
    parameters: dict[str, str]
    user_agent: str


@dataclass(frozen=True)
class _Entry:
    crtsh_id: int
    der: bytes
    facts: CertificateFacts

    @property
    def serial_octets(self) -> str:
        """Return the serial number as crt.sh compares it: a sign octet where DER has one."""
        number = int(self.facts.serial_number or "0", 16)
        return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True).hex()


class CrtshStandIn:
    """A crt.sh on loopback, in a thread of its own."""

    def __init__(self, *, path: str = "/") -> None:
        """Prepare it.

        Args:
            path: under which it answers, e.g. "/mirror/".
        """
        self.requests: list[SeenRequest] = []
        self.retry_after: str | None = None  # header of status 429 and 503
        self.slow_seconds = 30.0
        self._path = path
        self._entries: list[_Entry] = []
        self._mode: str | None = None
        self._times: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._port = 0

    @property
    def base_url(self) -> str:
        """Return the address to configure as `crtsh.base_url`."""
        return f"http://127.0.0.1:{self._port}{self._path}"

    def add(self, crtsh_id: int, der: bytes) -> None:
        """Make a certificate known under an id."""
        self._entries.append(_Entry(crtsh_id, der, read_certificate(der)))

    def fail_with(self, mode: str | None, *, times: int | None = None) -> None:
        """Fail in one of `MODES` from now on, or for so many requests; None: work again."""
        if mode is not None and mode not in MODES:
            message = f"{mode!r} is no way to fail; there are {', '.join(sorted(MODES))}"
            raise ValueError(message)
        self._mode, self._times = mode, times

    def start(self) -> None:
        """Start to answer on a free port."""
        ready = threading.Event()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Stop answering; what is under way is cut."""
        if self._thread is None or self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _serve(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._run(ready))
        finally:
            ready.set()

    async def _run(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        application = web.Application()
        application.router.add_get("/{rest:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._port = runner.addresses[0][1]
        ready.set()
        await self._closing.wait()
        await runner.cleanup()

    # ---- answers -------------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        parameters = {name.lower(): value.strip() for name, value in request.query.items()}
        agent = request.headers.get("User-Agent", "")
        self.requests.append(SeenRequest(time.monotonic(), parameters, agent))
        if request.path != self._path:
            return web.Response(status=404, text="no such path")
        mode = self._next_mode()
        if mode is not None:
            return await self._fail(mode, request, parameters)
        return self._work(parameters)

    def _next_mode(self) -> str | None:
        mode = self._mode
        if mode is not None and self._times is not None:
            self._times -= 1
            if self._times <= 0:
                self._mode = self._times = None
        return mode

    def _work(self, parameters: dict[str, str]) -> web.Response:
        if value := parameters.get("d"):
            return self._download(value)
        if value := parameters.get("serial"):
            return self._list(value.replace(":", "").lower(), parameters)
        for name in ("id", "sha1", "sha256", "c", "q"):
            if value := parameters.get(name):
                return self._page(name, value.replace(":", "").lower(), parameters)
        return _page("crt.sh | Certificate Search", "<FORM></FORM>")

    def _download(self, value: str) -> web.Response:
        if not (value.isdecimal() and int(value) < 2**63) and not _is_hex(value, 64):
            return _page("crt.sh | error", f"<SPAN>Invalid value: '{html.escape(value)}'</SPAN>")
        for entry in self._entries:
            if value.lower() in {str(entry.crtsh_id), entry.facts.sha256}:
                return _pem(entry.der)
        return web.Response(status=404, content_type=HTML, text="<HTML>Not Found</HTML>")

    def _list(self, value: str, parameters: dict[str, str]) -> web.Response:
        value = value if len(value) % 2 == 0 else f"0{value}"
        entries = [entry for entry in self._entries if entry.serial_octets == value]
        if parameters.get("output") == "json":
            return web.json_response([_row(entry) for entry in entries])
        links = "".join(f'<A href="?id={one.crtsh_id}">{one.crtsh_id}</A> ' for one in entries)
        return _page(f"crt.sh | {html.escape(value)}", links or "None found")

    def _page(self, name: str, value: str, parameters: dict[str, str]) -> web.Response:
        if parameters.get("output") == "json":
            return _page("crt.sh | error", "<SPAN>Unsupported output type: json</SPAN>")
        for entry in self._entries:
            names = {
                "id": {str(entry.crtsh_id)},
                "sha1": {entry.facts.sha1},
                "sha256": {entry.facts.sha256},
            }
            if value in names.get(name, set[str]().union(*names.values())):
                return _page(f"crt.sh | {entry.crtsh_id}", _details(entry))
        return _page("crt.sh | error", "<SPAN>Certificate not found</SPAN>")

    # ---- failures ------------------------------------------------------------------------------

    async def _fail(
        self, mode: str, request: web.Request, parameters: dict[str, str]
    ) -> web.StreamResponse:
        plain: dict[str, Callable[[], web.Response]] = {
            "503": lambda: self._status(503, HTML, "Sorry, something went wrong: terminated after 30 seconds"),
            "503_text": lambda: self._status(503, TEXT, "ERROR"),
            "502": lambda: self._status(502, HTML, "<HTML>Bad Gateway</HTML>"),
            "504": lambda: self._status(504, HTML, "<HTML>Gateway Time-out</HTML>"),
            "429": lambda: self._status(429, HTML, "<HTML>Too Many Requests</HTML>"),
            "html_error": lambda: _page("crt.sh", "<SPAN>ERROR: canceling statement</SPAN>"),
            "not_found": lambda: web.Response(status=404, text="<HTML>Not Found</HTML>"),
            "wrong": lambda: _pem(_other_than(self._entries, parameters)),
            "junk_after": lambda: _pem(self._entries[0].der + b"junk"),
            "garbage": lambda: web.Response(body=b"\x1f\x8b\x00\xff" * 500),
            "redirect": lambda: web.Response(
                status=302, headers={"Location": "http://169.254.169.254/latest"}
            ),
        }  # fmt: skip
        if mode in plain:
            return plain[mode]()
        if mode == "slow":
            await self._wait(self.slow_seconds)
            return self._work(parameters)
        return await self._stream(mode, request)

    async def _stream(self, mode: str, request: web.Request) -> web.StreamResponse:
        """Send without end, piece by piece, or nothing at all."""
        response = web.StreamResponse(headers={"Content-Type": "application/pkix-cert"})
        if mode == "drop":
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.prepare(request)
        piece, pause = (b"A" * 65536, 0.0) if mode == "huge" else (b"A", 0.05)
        try:
            while not self._closing.is_set():
                await response.write(piece)
                await self._wait(pause)
        except ConnectionError:
            pass
        return response

    async def _wait(self, seconds: float) -> None:
        """Wait, but no longer than the stand-in runs."""
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return

    def _status(self, status: int, content_type: str, text: str) -> web.Response:
        headers = {"Retry-After": self.retry_after} if self.retry_after else None
        return web.Response(status=status, content_type=content_type, text=text, headers=headers)


def _pem(der: bytes) -> web.Response:
    text = base64.encodebytes(der).decode()
    body = f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"
    headers = {"Content-Disposition": "attachment; filename=certificate.crt"}
    return web.Response(text=body, content_type="application/pkix-cert", headers=headers)


def _page(title: str, body: str) -> web.Response:
    text = f"<!DOCTYPE HTML><HTML><HEAD><TITLE>{title}</TITLE></HEAD><BODY>{body}</BODY></HTML>"
    return web.Response(text=text, content_type=HTML)


def _details(entry: _Entry) -> str:
    facts, number = entry.facts, entry.crtsh_id
    return (
        f'<TABLE><TR><TH>crt.sh ID</TH><TD><A href="?id={number}">{number}</A></TD></TR>'
        f"<TR><TH>SHA-256(Certificate)</TH><TD>{facts.sha256.upper()}</TD></TR>"
        f"<TR><TH>SHA-1(Certificate)</TH><TD>{facts.sha1.upper()}</TD></TR></TABLE>"
        f'Download Certificate: <A href="?d={number}">PEM</A>'
    )


def _row(entry: _Entry) -> dict[str, Any]:
    facts = entry.facts
    begins, ends = (
        None if moment is None else moment.replace(tzinfo=None).isoformat()
        for moment in (facts.not_before, facts.not_after)
    )
    issuer = ", ".join(reversed((facts.issuer or "").split(",")))
    issuer_id = int(hashlib.sha256(issuer.encode()).hexdigest()[:6], 16)
    return {
        "issuer_ca_id": issuer_id,
        "issuer_name": issuer,
        "name_value": facts.subject,
        "id": entry.crtsh_id,
        "entry_timestamp": begins,
        "not_before": begins,
        "not_after": ends,
        "serial_number": entry.serial_octets,
        "result_count": 2,
    }


def _other_than(entries: list[_Entry], parameters: dict[str, str]) -> bytes:
    value = parameters.get("d", "").lower()
    return next(one.der for one in entries if value not in {str(one.crtsh_id), one.facts.sha256})


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and all(char in "0123456789abcdefABCDEF" for char in text)
