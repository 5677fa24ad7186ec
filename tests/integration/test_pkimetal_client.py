"""pkimetal over real HTTP: the answers that a client must not confuse, and who is never asked."""

import asyncio
import base64
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
from aiohttp import web

from intake.certificates.linting import read_subject
from intake.certificates.with_pkimetal import Pkimetal
from tests.issue import make_certificate

DER = make_certificate("www.example.com")
SUBJECT = read_subject(DER)
META = "Queued: 1µs; Runtime: 2ms; Version: v1.0.0"
PROFILE = {"Linter": "pkimetal", "Finding": "Profile: dv; Version: v1", "Severity": "meta"}
DONE = [{"Linter": name, "Finding": META, "Severity": "meta"} for name in ("certlint", "zlint")]
ERROR = {"Linter": "zlint", "Finding": "e_sub_cert_not_valid", "Severity": "error"}
FATAL = {"Linter": "pkimetal", "Finding": "Unrecognised input", "Severity": "fatal"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StandIn:
    """A pkimetal that answers as a test says, and remembers what it was sent."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.answer: Handler = self.complete
        self.loop = asyncio.new_event_loop()
        self.port = 0

    async def complete(self, _request: web.Request) -> web.Response:
        return web.json_response([PROFILE, *DONE])

    async def linters(self, _request: web.Request) -> web.Response:
        return web.json_response(
            [{"Name": name, "Instances": 1, "Version": "v1.0.0"} for name in ("certlint", "zlint")]
        )

    async def lint(self, request: web.Request) -> web.StreamResponse:
        self.forms.append({**(await request.post()), "path": request.path})
        return await self.answer(request)

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.add_routes([web.get("/linters", self.linters), web.post("/{kind:lint.*}", self.lint)])
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        return runner


@contextmanager
def running() -> Iterator[StandIn]:
    stand_in = StandIn()
    loop = stand_in.loop
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(stand_in.start(), loop).result(10)
    try:
        yield stand_in
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture
def pkimetal() -> Iterator[StandIn]:
    with running() as stand_in:
        yield stand_in


@contextmanager
def client(stand_in: StandIn, **more) -> Iterator[Pkimetal]:
    made = Pkimetal(f"http://127.0.0.1:{stand_in.port}/", **more)
    try:
        yield made
    finally:
        made.close()


def ask(stand_in: StandIn, answer: Handler | None = None, **more):
    stand_in.answer = answer or stand_in.complete
    with client(stand_in, **more) as asked:
        return asked(SUBJECT)


def test_complete_and_clean(pkimetal):
    result = ask(pkimetal)

    assert (result.state, result.findings, result.profile) == ("done", (), "dv")
    assert result.version == "certlint/v1.0.0 zlint/v1.0.0"
    assert pkimetal.forms == [
        {
            "b64input": base64.b64encode(DER).decode(),
            "format": "json",
            "severity": "meta",
            "path": "/lintcert",
        }
    ]


def test_findings(pkimetal):
    async def answer(_request):
        return web.json_response([PROFILE, *DONE, ERROR])

    result = ask(pkimetal, answer)

    assert (result.state, [one.severity for one in result.findings]) == ("done", ["error"])


def test_status_200_and_fatal(pkimetal):
    async def answer(_request):
        return web.json_response([FATAL])

    assert ask(pkimetal, answer).state == "failed"


def test_status_503(pkimetal):
    async def answer(_request):
        return web.Response(status=503)

    assert ask(pkimetal, answer).state == "failed"


def test_one_linter_missing(pkimetal):
    async def answer(_request):
        return web.json_response([PROFILE, DONE[0], ERROR])

    result = ask(pkimetal, answer)

    assert (result.state, result.detail, len(result.findings)) == ("failed", "no word of zlint", 1)


def test_a_page_of_a_proxy(pkimetal):
    async def answer(_request):
        return web.Response(text="<html>No findings</html>", content_type="text/html")

    assert ask(pkimetal, answer).state == "failed"


def test_an_answer_that_never_comes_times_out(pkimetal):
    async def answer(_request):
        await asyncio.sleep(5)
        return web.Response()

    assert ask(pkimetal, answer, timeout=0.3).state == "timed_out"


def test_an_answer_without_end_is_cut_off(pkimetal):
    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(7):
            await response.write(b" " * (1 << 20))
        return response

    assert ask(pkimetal, answer).state == "failed"


def test_a_redirect_is_not_followed(pkimetal):
    async def answer(_request):
        raise web.HTTPTemporaryRedirect("https://pkimet.al/lintcert")

    assert ask(pkimetal, answer).state == "failed"


def test_nobody_at_that_address_is_absent():
    with running() as stand_in:
        port = stand_in.port
    gone = Pkimetal(f"http://127.0.0.1:{port}/", timeout=2)
    result, version = gone(SUBJECT), gone.version()
    gone.close()

    assert (version, result.state, result.version) == ("", "absent", "")


def test_one_that_is_silent_is_not_asked_for_each_certificate():
    now = 0.0
    with running() as stand_in:
        port = stand_in.port
    asked = Pkimetal(f"http://127.0.0.1:{port}/", timeout=2, monotonic=lambda: now)
    asked.version()
    begun = asked._asked_at
    now = 29.0
    asked(SUBJECT)
    soon = asked._asked_at
    now = 31.0
    asked(SUBJECT)
    later = asked._asked_at
    asked.close()

    assert (begun, soon, later) == (0.0, 0.0, 31.0)


@pytest.mark.parametrize(("kind", "path"), [("crl", "/lintcrl"), ("ocsp_response", "/lintocsp")])
def test_lists_go_to_their_own_endpoints(pkimetal, kind, path):
    with client(pkimetal) as asked:
        asked(read_subject(b"\x30\x03\x0a\x01\x06", kind))

    assert [one["path"] for one in pkimetal.forms] == [path]


@pytest.mark.parametrize(
    "url",
    [
        "https://pkimet.al/",
        "https://dev.pkimet.al",
        "http://PKIMET.AL:443/x",
        "https://a@pkimet.al.",
    ],
)
def test_the_public_instance_is_never_asked(url):
    with pytest.raises(ValueError, match="public"):
        Pkimetal(url)
