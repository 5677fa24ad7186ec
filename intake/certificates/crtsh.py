"""crt.sh, the search engine of Certificate Transparency: certificates by id, digest or serial number.

It is slow, overloaded and often down, and it says errors with status 200. So: at most one request
a second, every answer checked against what was asked, and anything doubtful is `Unavailable`, to
be asked again later. Even a 404 never proves that a certificate does not exist.
Only the configured address is fetched, whatever a report or an answer says.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Self

import httpx

from intake.certificates.der import SEQUENCE, DerError, element_at
from intake.certificates.read import certificates_in, read_certificate
from intake.errors import ConfigError, ConfigProblem

SECONDS_BETWEEN_REQUESTS = 1.0  # announced: 60 a minute for each address
PAUSE_AFTER_REFUSAL = 10.0  # seconds, where crt.sh names none
LONGEST_PAUSE = 3600.0
FAILURES_IN_A_ROW = 3  # then it rests for everybody, instead of each identifier finding that out
FIRST_REST, LONGEST_REST = 60.0, 600.0
MOST_PEM_BYTES = 1 << 20
MOST_PAGE_BYTES = 5 << 20
MOST_FETCHED = 10  # certificates of one serial number: a precertificate, a final one, seldom more
MOST_REDIRECTS = 3
LARGEST_ID = 2**63 - 1  # bigint
DIGEST_LENGTHS = {"sha256": 64, "sha1": 40}
REFUSALS = frozenset({429, 503})
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class Found:
    """Certificates that are what was asked for."""

    certificates: tuple[bytes, ...]  # DER
    more: tuple[int, ...] = ()  # crt.sh ids of further ones that were not fetched


@dataclass(frozen=True)
class NotFound:
    """crt.sh does not have it now; that proves nothing, so it is asked again later."""

    why: str


@dataclass(frozen=True)
class Unavailable:
    """There was no usable answer."""

    why: str
    retry_after: float | None = None  # seconds, where crt.sh said so or we pause


Answer = Found | NotFound | Unavailable


@dataclass(frozen=True)
class _Page:
    status: int
    body: bytes

    @property
    def says_not_found(self) -> bool:
        """Recognise a miss, which comes as 404 or as a page with status 200."""
        return self.status == 404 or b"certificate not found" in self.body[:200_000].lower()  # noqa: PLR2004


class CrtshClient:
    """Asks one crt.sh; safe to use from several threads, which share its one request a second."""

    def __init__(
        self,
        base_url: str,
        timeout: float,
        *,
        our_issuers: Sequence[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare a client; nothing is fetched yet.

        Args:
            base_url: of crt.sh or what stands in for it; a path in it is kept.
            timeout: seconds for a whole request.
            our_issuers: names of our CAs (RFC 4514), preferred where a serial number has several.
            monotonic: seconds of a clock that never goes back.
            sleep: waits for that many seconds.

        Raises:
            ConfigError: if the address is none that can be fetched.
        """
        self._base = _checked(base_url)
        self._seconds = timeout
        self._our_issuers = {_name_key(name) for name in our_issuers}
        self._monotonic, self._sleep = monotonic, sleep
        self._lock = threading.Lock()
        self._next_at = self._paused_until = float("-inf")
        self._failures = 0
        self._http = httpx.Client(
            timeout=self._seconds,
            follow_redirects=False,
            headers={"User-Agent": _user_agent(), "Accept-Encoding": "identity"},
        )

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def pause_left(self) -> float:
        """Return the seconds for which nothing is asked because crt.sh refused or failed."""
        return max(0.0, self._paused_until - self._monotonic())

    def fetch(self, kind: str, value: str) -> Answer:
        """Look up one identifier.

        Args:
            kind: crtsh_id, sha256, sha1 or serial_number.
            value: digits for an id, else hex.
        """
        value = value.lower()
        if left := self.pause_left():
            return Unavailable("crt.sh asked us to wait", retry_after=left)
        if not _is_valid(kind, value):
            return NotFound(f"{value[:80]!r} is no {kind} that crt.sh could know")
        if kind == "serial_number":
            answer = self._fetch_serial_number(value)
        elif kind == "sha1":
            answer = self._fetch_sha1(value)
        else:
            answer = self._download(value, kind=kind, value=value)
        self._rest_after_failures(answer)
        return answer

    def _rest_after_failures(self, answer: Answer) -> None:
        """Pause for all identifiers when crt.sh fails again and again."""
        if not isinstance(answer, Unavailable):
            self._failures = 0
            return
        self._failures += 1
        too_many = self._failures - FAILURES_IN_A_ROW
        if too_many >= 0:
            seconds = min(FIRST_REST * 2 ** min(too_many, 10), LONGEST_REST)
            self._paused_until = max(self._paused_until, self._monotonic() + seconds)

    def _download(self, name: str, *, kind: str, value: str) -> Answer:
        page = self._get({"d": name}, most_bytes=MOST_PEM_BYTES)
        if isinstance(page, Unavailable):
            return page
        if page.status == 404:  # noqa: PLR2004
            return NotFound("crt.sh does not have it now (404)")
        if b"-----BEGIN CERTIFICATE-----" not in page.body:
            return _said(page)
        for der in certificates_in(page.body):
            if _is_asked(der, kind, value):
                return Found((der,))
        return Unavailable("crt.sh answered with another certificate than the one asked for")

    def _fetch_sha1(self, value: str) -> Answer:
        page = self._get({"sha1": value}, most_bytes=MOST_PAGE_BYTES)
        if isinstance(page, Unavailable):
            return page
        match = re.search(rb"[?&](?:id|d)=(\d{1,19})\b", page.body)
        if page.says_not_found or match is None:
            return _said(page)
        return self._download(match[1].decode(), kind="sha1", value=value)

    def _fetch_serial_number(self, value: str) -> Answer:
        rows: list[dict[str, Any]] = []
        for form in _serial_forms(value):
            page = self._get({"serial": form, "output": "json"}, most_bytes=MOST_PAGE_BYTES)
            if isinstance(page, Unavailable):
                return page
            listed = _decode_rows(page.body)
            if listed is None:
                return _said(page)
            rows = listed
            if rows:
                break
        if not rows:
            return NotFound("crt.sh knows no certificate with this serial number now")
        return self._fetch_rows(rows, value)

    def _fetch_rows(self, rows: list[dict[str, Any]], value: str) -> Answer:
        ours = [row for row in rows if _name_key(str(row.get("issuer_name"))) in self._our_issuers]
        wanted = [int(row["id"]) for row in ours or rows]
        left = [row_id for row_id in (int(row["id"]) for row in rows) if row_id not in wanted]
        found: list[bytes] = []
        answer: Answer = NotFound("crt.sh lists it but does not hand it out now")
        for row_id in wanted[:MOST_FETCHED]:
            answer = self._download(str(row_id), kind="serial_number", value=value)
            if isinstance(answer, Found):
                found += answer.certificates
            else:
                left.append(row_id)
        if not found:
            return answer
        return Found(tuple(dict.fromkeys(found)), tuple(sorted(left + wanted[MOST_FETCHED:])))

    # ---- one request ---------------------------------------------------------------------------

    def _get(self, parameters: dict[str, str], *, most_bytes: int) -> _Page | Unavailable:
        """Fetch a page, following redirects within the same server only."""
        url = self._base.copy_merge_params(parameters)
        for _ in range(MOST_REDIRECTS + 1):
            if left := self.pause_left():
                return Unavailable("crt.sh asked us to wait", retry_after=left)
            self._wait_for_turn()
            try:
                answer = self._request(url, most_bytes)
            except httpx.TimeoutException:
                return Unavailable(f"crt.sh did not answer within {self._seconds:g} s")
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
                return Unavailable(f"crt.sh can't be reached: {type(error).__name__}")
            if not isinstance(answer, httpx.URL):
                return answer
            url = answer
        return Unavailable("crt.sh redirected too often")

    def _wait_for_turn(self) -> None:
        with self._lock:
            now = self._monotonic()
            turn = max(now, self._next_at)
            self._next_at = turn + SECONDS_BETWEEN_REQUESTS
        if turn > now:
            self._sleep(turn - now)

    def _request(self, url: httpx.URL, most_bytes: int) -> _Page | Unavailable | httpx.URL:
        """Make one request; return where it redirects to, if it does."""
        ends_at = self._monotonic() + self._seconds
        with self._http.stream("GET", url) as response:
            status = response.status_code
            if status in REDIRECTS:
                return self._redirected(url, response.headers.get("Location", ""))
            if status not in {200, 404}:
                return self._refused(response)
            body = bytearray()
            for piece in response.iter_raw():
                body += piece
                if len(body) > most_bytes:
                    return Unavailable(f"crt.sh sent more than {most_bytes} bytes")
                if self._monotonic() > ends_at:
                    return Unavailable(f"crt.sh took longer than {self._seconds:g} s")
        return _Page(status, bytes(body))

    def _redirected(self, url: httpx.URL, location: str) -> httpx.URL | Unavailable:
        target = url.join(location)
        if not location or _origin(target) != _origin(self._base):
            return Unavailable("crt.sh redirected to another server, which is not followed")
        return target

    def _refused(self, response: httpx.Response) -> Unavailable:
        named = response.headers.get("Retry-After", "")
        seconds = float(named) if named.isdecimal() else None
        if response.status_code in REFUSALS or seconds is not None:
            seconds = min(PAUSE_AFTER_REFUSAL if seconds is None else seconds, LONGEST_PAUSE)
            self._paused_until = max(self._paused_until, self._monotonic() + seconds)
        return Unavailable(f"crt.sh answered with status {response.status_code}", seconds)


# ---- pure: what was asked, what came ------------------------------------------------------------


def _is_valid(kind: str, value: str) -> bool:
    if kind == "crtsh_id":
        return bool(re.fullmatch(r"[0-9]{1,19}", value)) and int(value) <= LARGEST_ID
    if kind == "serial_number":
        return bool(re.fullmatch(r"[0-9a-f]{1,100}", value))
    length = DIGEST_LENGTHS.get(kind)
    return length is not None and bool(re.fullmatch(rf"[0-9a-f]{{{length}}}", value))


def _is_asked(der: bytes, kind: str, value: str) -> bool:
    """Say whether a certificate is the one that was asked for, as far as it can tell."""
    if kind == "sha256":
        return hashlib.sha256(der).hexdigest() == value
    if kind == "sha1":
        return hashlib.sha1(der, usedforsecurity=False).hexdigest() == value
    if kind == "serial_number":
        serial_number = read_certificate(der).serial_number
        return serial_number is not None and int(serial_number, 16) == int(value, 16)
    try:
        return element_at(der, 0, len(der)).tag == SEQUENCE  # an id says nothing about the bytes
    except DerError:
        return False


def _serial_forms(value: str) -> list[str]:
    """Return the forms to ask for: crt.sh compares with the INTEGER's octets, a sign octet included."""
    plain = value.lstrip("0") or "0"
    plain = plain if len(plain) % 2 == 0 else f"0{plain}"
    return [f"00{plain}", plain] if plain[0] in "89abcdef" else [plain]


def _decode_rows(body: bytes) -> list[dict[str, Any]] | None:
    """Read the JSON list; None if it is something else."""
    try:
        rows = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(rows, list):
        return None
    return [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), int)]


def _said(page: _Page) -> NotFound | Unavailable:
    """Say what a page without a certificate means; its text is shown only as far as we know it."""
    if page.says_not_found:
        return NotFound("crt.sh does not have it now")
    for words in (b"Invalid value", b"Unsupported output type", b"went wrong", b"ERROR"):
        if words in page.body[:200_000]:
            return Unavailable(f"crt.sh answered with an error page ({words.decode()})")
    return Unavailable("crt.sh answered with something that is no certificate")


def _name_key(name: str) -> frozenset[str]:
    """Compare names whatever their order and blanks: crt.sh writes them the other way round."""
    return frozenset(part.strip() for part in re.split(r"(?<!\\),", name))


def _checked(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError):
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not url.host:
        rule, fix = "is no address that can be fetched", 'use "https://crt.sh/"'
        raise ConfigError([ConfigProblem("crtsh.base_url", repr(base_url), rule, fix)])
    path = url.path if url.path.endswith("/") else f"{url.path}/"
    return url.copy_with(path=path, query=None, fragment=None)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _user_agent() -> str:
    return f"cpr-intake/{version('cpr-intake')} (looks up certificates named in problem reports)"
