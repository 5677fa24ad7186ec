"""What may be fetched to watch revocation, and what may not: addresses are text from outside."""

from collections.abc import Iterator

import pytest

from intake.certificates.fetch import Fetcher, FetchError, is_public
from tests.ca import Publisher, publisher
from tests.servers import free_port


@pytest.fixture
def site() -> Iterator[Publisher]:
    with publisher() as found:
        found.crl = lambda: b"\x30\x00"
        yield found


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "0.0.0.1", "::1", "fd00::1",
        "fe80::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1", "100.64.0.1",
        "not an address",
    ],
)  # fmt: skip
def test_addresses_of_our_own_network_are_not_public(address):
    assert not is_public(address)


def test_public_addresses_are_public():
    assert is_public("93.184.215.14")
    assert is_public("2606:2800:21f::1")


def test_a_host_in_our_own_network_is_not_asked_unless_it_is_allowed(site):
    with pytest.raises(FetchError, match="allow_hosts"):
        Fetcher(5).fetch(site.crl_url, most_bytes=1000)

    assert site.asked == []


def test_a_host_with_one_private_address_among_public_ones_is_not_asked():
    fetcher = Fetcher(5, resolve=lambda *_: ["93.184.215.14", "127.0.0.1"])

    with pytest.raises(FetchError, match="not public"):
        fetcher.fetch("http://crl.example/", most_bytes=1000)


def test_the_address_that_was_checked_is_the_one_that_is_asked(site):
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    fetcher = Fetcher(5, allow_hosts=["crl.ca.example"], resolve=resolve)
    found = fetcher.fetch(f"http://crl.ca.example:{site.port}/ca.crl", most_bytes=100_000)

    assert asked == ["crl.ca.example"]
    assert found.body[:1] == b"\x30"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ldap://ca.example/", "gopher://x/", "http://", "http://u:p@127.0.0.1/",
     "http://[::1", "", "//ca.example/"],
)  # fmt: skip
def test_only_plain_web_addresses_are_fetched(url):
    with pytest.raises(FetchError):
        Fetcher(5, allow_hosts=["127.0.0.1"]).fetch(url, most_bytes=1000)


def test_an_endless_answer_and_a_redirect_are_refused(site):
    fetcher = Fetcher(5, allow_hosts=["127.0.0.1"])
    site.crl = lambda: b"x" * 2000
    with pytest.raises(FetchError, match="more than 1000 bytes"):
        fetcher.fetch(site.crl_url, most_bytes=1000)
    site.headers = {"Location": "http://169.254.169.254/"}
    site.crl = lambda: 302

    with pytest.raises(FetchError, match="answers 302"):
        fetcher.fetch(site.crl_url, most_bytes=1000)


def test_compressed_answers_are_refused(site):
    site.headers = {"Content-Encoding": "gzip"}

    with pytest.raises(FetchError, match="encoding"):
        Fetcher(5, allow_hosts=["127.0.0.1"]).fetch(site.crl_url, most_bytes=100_000)


def test_nobody_listening_is_said(site):
    with pytest.raises(FetchError, match="can't be connected to"):
        Fetcher(5, allow_hosts=["127.0.0.1"]).fetch(
            f"http://127.0.0.1:{free_port()}/", most_bytes=100
        )
