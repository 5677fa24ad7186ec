"""The crt.sh client against the stand-in, over real HTTP: what it finds and how it fails."""

import hashlib
import socket
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from intake.certificates.crtsh import CrtshClient, Found, NotFound, Unavailable
from intake.certificates.read import read_certificate
from intake.demo.crtsh import CrtshStandIn
from intake.errors import ConfigError

CERTIFICATES = Path(__file__).parents[2] / "fixtures" / "certificates"
OUR_ISSUER = "CN=Example Trust Services Issuing CA 1,O=Example Trust Services,C=CH"


def der(name: str) -> bytes:
    return (CERTIFICATES / f"{name}.der").read_bytes()


class Hand:
    """A monotonic clock moved by hand, and by the sleep of the client."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def stand_in() -> Iterator[CrtshStandIn]:
    with CrtshStandIn() as server:
        server.add(19429431, der("internal_name"))
        server.add(501, der("precertificate"))
        server.add(502, der("final"))
        yield server


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def client(stand_in: CrtshStandIn, hand: Hand) -> Iterator[CrtshClient]:
    with CrtshClient(stand_in.base_url, 10, monotonic=hand, sleep=hand.sleep) as client:
        yield client


def test_an_id_gives_its_certificate(client):
    assert client.fetch("crtsh_id", "19429431") == Found((der("internal_name"),))


def test_a_sha256_in_capitals_gives_its_certificate(client):
    digest = hashlib.sha256(der("final")).hexdigest().upper()

    assert client.fetch("sha256", digest) == Found((der("final"),))


def test_a_sha1_is_found_by_way_of_the_page(client, stand_in):
    digest = hashlib.sha1(der("final")).hexdigest()  # noqa: S324

    assert client.fetch("sha1", digest) == Found((der("final"),))
    assert [one.parameters for one in stand_in.requests] == [{"sha1": digest}, {"d": "502"}]


def test_a_serial_number_gives_precertificate_and_final_certificate(client):
    serial_number = read_certificate(der("final")).serial_number

    answer = client.fetch("serial_number", serial_number)

    assert answer == Found((der("precertificate"), der("final")))


def test_a_serial_number_with_its_highest_bit_set_is_asked_with_its_sign_octet(client, stand_in):
    other = next(
        name
        for name in ("clean", "clean_2017", "elliptic", "sha1", "compromised", "other_ca_leaf")
        if len(read_certificate(der(name)).serial_number) == 30
        and read_certificate(der(name)).serial_number[0] in "89abcdef"
    )
    stand_in.add(7, der(other))

    answer = client.fetch("serial_number", read_certificate(der(other)).serial_number)

    assert answer == Found((der(other),))
    assert stand_in.requests[0].parameters["serial"].startswith("00")


def test_of_several_issuers_ours_is_fetched_and_the_others_are_named(stand_in, hand):
    stand_in.add(900, _with_serial_number_of("final", "other_ca_leaf"))
    serial_number = read_certificate(der("final")).serial_number
    with CrtshClient(
        stand_in.base_url,
        10,
        our_issuers=[OUR_ISSUER],
        monotonic=hand,
        sleep=hand.sleep,
    ) as client:
        answer = client.fetch("serial_number", serial_number)

    assert answer == Found((der("precertificate"), der("final")), more=(900,))


def _with_serial_number_of(of: str, name: str) -> bytes:
    """Another CA's certificate with a serial number of ours; its signature does not matter here."""
    from asn1crypto import x509

    certificate = x509.Certificate.load(der(name))
    serial_number = int(read_certificate(der(of)).serial_number, 16)
    certificate["tbs_certificate"]["serial_number"] = serial_number
    return certificate.dump(force=True)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("crtsh_id", "4711"),
        ("sha256", "a" * 64),
        ("sha1", "b" * 40),
        ("serial_number", "c0ffee"),
    ],
)
def test_what_crtsh_does_not_have_is_not_found(client, kind, value):
    assert isinstance(client.fetch(kind, value), NotFound)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("crtsh_id", "99999999999999999999"),
        ("crtsh_id", "9223372036854775808"),
        ("crtsh_id", "1&ca=1"),
        ("crtsh_id", ""),
        ("sha256", "a" * 63),
        ("sha1", "zz" * 20),
        ("serial_number", "-5"),
        ("serial_number", ""),
        ("name", "example.com"),
    ],
)
def test_what_can_be_no_identifier_is_never_asked(client, stand_in, kind, value):
    assert isinstance(client.fetch(kind, value), NotFound)
    assert stand_in.requests == []


@pytest.mark.parametrize(
    "mode",
    ["503", "503_text", "502", "504", "429", "html_error", "garbage", "drop", "redirect", "huge"],
)
@pytest.mark.parametrize(
    ("kind", "value"), [("crtsh_id", "501"), ("sha1", "b" * 40), ("serial_number", "c0ffee")]
)
def test_a_failure_is_no_answer_and_is_over_when_it_is_over(
    client, stand_in, hand, mode, kind, value
):
    stand_in.fail_with(mode)
    answer = client.fetch(kind, value)
    stand_in.fail_with(None)
    hand.seconds += 3600

    assert isinstance(answer, Unavailable)
    assert client.fetch("crtsh_id", "501") == Found((der("precertificate"),))


def test_a_404_says_only_that_it_is_not_there_now(client, stand_in):
    stand_in.fail_with("not_found", times=1)

    assert isinstance(client.fetch("crtsh_id", "501"), NotFound)
    assert isinstance(client.fetch("crtsh_id", "501"), Found)


@pytest.mark.parametrize("kind", ["sha256", "sha1", "serial_number"])
def test_another_certificate_than_the_one_asked_for_is_refused(stand_in, hand, kind):
    value = getattr(read_certificate(der("internal_name")), kind)

    def go_wrong(seconds: float) -> None:  # the wait lies between the list and the download
        hand.sleep(seconds)
        stand_in.fail_with("wrong")

    with CrtshClient(stand_in.base_url, 10, monotonic=hand, sleep=go_wrong) as client:
        client.fetch("crtsh_id", "501")
        if kind == "sha256":
            stand_in.fail_with("wrong")
        hand.seconds += 1
        answer = client.fetch(kind, value)

    assert isinstance(answer, Unavailable)
    assert "another certificate" in answer.why


def test_bytes_after_the_certificate_fail_the_comparison_of_digests(client, stand_in):
    stand_in.fail_with("junk_after")

    answer = client.fetch("sha256", hashlib.sha256(der("internal_name")).hexdigest())

    assert isinstance(answer, Unavailable)


def test_a_redirect_to_another_server_is_not_followed(client, stand_in):
    stand_in.fail_with("redirect")

    answer = client.fetch("crtsh_id", "501")

    assert isinstance(answer, Unavailable)
    assert "another server" in answer.why


def test_a_slow_answer_and_a_dripping_one_end_in_time(stand_in):
    for mode in ("slow", "drip"):
        stand_in.fail_with(mode)
        with CrtshClient(stand_in.base_url, 0.3) as client:
            began = time.monotonic()
            answer = client.fetch("crtsh_id", "501")

        assert isinstance(answer, Unavailable)
        assert time.monotonic() - began < 2


def test_a_refused_connection_is_unavailable(hand):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with CrtshClient(url, 2, monotonic=hand, sleep=hand.sleep) as client:
            answer = client.fetch("crtsh_id", "501")

    assert isinstance(answer, Unavailable)


def test_requests_are_a_second_apart_whatever_happens(client, stand_in, hand):
    asked_at: list[float] = []
    for mode in (None, "502", "html_error", "not_found", "garbage", "504", None):
        stand_in.fail_with(mode)
        client.fetch("crtsh_id", "501")
        asked_at.append(hand.seconds)
        hand.seconds += 0.01

    assert len(stand_in.requests) == len(asked_at)
    assert min(after - before for before, after in pairwise(asked_at)) >= 0.99


def test_every_request_of_one_look_up_waits_for_its_turn(client, stand_in, hand):
    client.fetch("serial_number", read_certificate(der("final")).serial_number)

    assert len(stand_in.requests) == 3
    assert hand.slept == [1.0, 1.0]


@pytest.mark.parametrize("mode", ["429", "503"])
def test_retry_after_is_honoured_without_asking(client, stand_in, hand, mode):
    stand_in.retry_after = "120"
    stand_in.fail_with(mode, times=1)

    first = client.fetch("crtsh_id", "501")
    hand.seconds += 60
    second = client.fetch("crtsh_id", "501")
    hand.seconds += 61
    third = client.fetch("crtsh_id", "501")

    assert (first.retry_after, second.retry_after) == (120.0, 60.0)
    assert isinstance(third, Found)
    assert len(stand_in.requests) == 2


def test_a_base_address_with_a_path_works():
    with CrtshStandIn(path="/mirror/crtsh/") as server:
        server.add(1, der("clean"))
        with CrtshClient(server.base_url.rstrip("/"), 5) as client:
            assert client.fetch("crtsh_id", "1") == Found((der("clean"),))


def test_we_say_who_we_are(client, stand_in):
    client.fetch("crtsh_id", "501")

    assert stand_in.requests[0].user_agent.startswith("cpr-intake/")


@pytest.mark.parametrize("address", ["file:///etc/passwd", "crt.sh", "", "ftp://crt.sh/"])
def test_an_address_that_can_not_be_fetched_is_a_fault_of_the_configuration(address):
    with pytest.raises(ConfigError, match=r"crtsh\.base_url"):
        CrtshClient(address, 1)
