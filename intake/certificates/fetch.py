"""Fetches what stands at an address that one of our own certificates names, and nothing else.

An address in a certificate is text from outside until the signature proves the certificate ours,
and even then it must not reach into our own network: only public addresses are connected to, by
the very address that was checked, unless the configuration allows the host.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

import httpx

SCHEMES = ("http", "https")
MOST_ADDRESSES = 3  # of a host that are tried
WHOLE_SECONDS = 120.0  # for an answer that comes in drops
KEPT_HEADERS = (
    "date", "last-modified", "etag", "expires", "age", "cache-control", "content-type",
    "content-length", "server", "via", "x-cache",
)  # fmt: skip
LONGEST_HEADER = 200
# Ranges that carry an IPv4 address inside, which nobody checks on the way.
TRANSLATED = [ipaddress.ip_network(one) for one in ("64:ff9b::/32", "2002::/16", "2001::/32")]
Resolve = Callable[[str, int], list[str]]


class FetchError(Exception):
    """Nothing was fetched, and why."""


class HostDownError(FetchError):
    """The host did not answer at all, so that another question would only wait as long."""


@dataclass(frozen=True)
class Fetched:
    """The bytes of an answer as they came."""

    body: bytes = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict)


def resolve_host(host: str, port: int) -> list[str]:
    """Return the addresses of a host.

    Raises:
        OSError: if it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class Fetcher:
    """Fetches with time-outs, a cap on the size, and no redirects."""

    def __init__(
        self,
        timeout: float,
        *,
        allow_hosts: Collection[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
        resolve: Resolve = resolve_host,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            timeout: seconds for connecting, and for each wait for more bytes.
            allow_hosts: that may have addresses of our own network.
            monotonic: seconds of a clock that never goes back.
            resolve: finds the addresses of a host.
        """
        self._allowed = {one.lower() for one in allow_hosts}
        self._monotonic, self._resolve = monotonic, resolve
        self._http = httpx.Client(
            timeout=timeout, follow_redirects=False, trust_env=False,
            headers={"User-Agent": "intake", "Accept-Encoding": "identity"},
        )  # fmt: skip

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def fetch(
        self, url: str, *, most_bytes: int, post: bytes | None = None, content_type: str = ""
    ) -> Fetched:
        """Return what stands at an address.

        Args:
            url: http or https.
            most_bytes: of the answer.
            post: to send; None for GET.
            content_type: of what is sent.

        Raises:
            FetchError: if it can't be had, or may not be asked for.
        """
        target = _parse(url)
        error: httpx.HTTPError | None = None
        for address in self._addresses(target)[:MOST_ADDRESSES]:
            try:
                return self._ask(target, address, most_bytes, post=post, content_type=content_type)
            except httpx.ConnectError as failure:
                error = failure
            except httpx.HTTPError as failure:
                raise HostDownError(_why(failure)) from None
        raise HostDownError(_why(error))

    def _addresses(self, target: httpx.URL) -> list[str]:
        host, port = target.host, target.port or (443 if target.scheme == "https" else 80)
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError):
            message = f"the host {host} has no address"
            raise HostDownError(message) from None
        if host.lower() in self._allowed:
            return addresses
        public = [one for one in addresses if is_public(one)]
        if len(public) < len(addresses) or not public:
            message = (
                f"the host {host} has an address that is not public; if it is right, put it into "
                "revocation.allow_hosts"
            )
            raise FetchError(message)
        return public

    def _ask(
        self,
        target: httpx.URL,
        address: str,
        most_bytes: int,
        *,
        post: bytes | None,
        content_type: str,
    ) -> Fetched:
        headers = {"Host": target.netloc.decode("ascii")}
        if post is not None:
            headers["Content-Type"] = content_type
        deadline = self._monotonic() + WHOLE_SECONDS
        with self._http.stream(
            "GET" if post is None else "POST",
            target.copy_with(host=address),
            content=post,
            headers=headers,
            extensions={"sni_hostname": target.host},
        ) as response:
            if response.status_code != httpx.codes.OK:
                message = f"answers {response.status_code}"
                raise FetchError(message)
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise FetchError("answers in an encoding that was not asked for")
            body = b"".join(self._chunks(response, most_bytes, deadline))
            return Fetched(body, _kept(response.headers))

    def _chunks(
        self, response: httpx.Response, most_bytes: int, deadline: float
    ) -> Iterator[bytes]:
        size = 0
        for chunk in response.iter_raw():
            size += len(chunk)
            if size > most_bytes:
                message = f"answers with more than {most_bytes} bytes"
                raise FetchError(message)
            if self._monotonic() > deadline:
                message = f"takes longer than {WHOLE_SECONDS:g} s to answer"
                raise FetchError(message)
            yield chunk


def _parse(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise FetchError("is no address that can be fetched") from None
    if target.scheme not in SCHEMES or not target.host or target.userinfo:
        raise FetchError("is no plain http or https address")
    return target


def is_public(address: str) -> bool:
    """Say whether an IP address is one of the public internet."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = getattr(found, "ipv4_mapped", None)
    found = inner if inner is not None else found
    if any(found in network for network in TRANSLATED if network.version == found.version):
        return False
    return found.is_global and not found.is_multicast


def _kept(headers: httpx.Headers) -> dict[str, str]:
    return {name: headers[name][:LONGEST_HEADER] for name in KEPT_HEADERS if name in headers}


def _why(error: httpx.HTTPError | None) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "does not answer in time"
    if isinstance(error, httpx.ConnectError) or error is None:
        return "can't be connected to"
    return f"breaks off ({type(error).__name__})"
