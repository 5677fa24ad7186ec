"""A list of ten thousand links: items at once, looked up fairly beside others, and the card says when."""

import time
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from sqlmodel import col, func, select

from intake.certificates.crtsh import CrtshClient
from intake.demo.crtsh import CrtshStandIn
from intake.jobs import run_due
from intake.notices.cards import render_card
from intake.notices.view import ticket_view
from intake.tables import Item, Job
from intake.tickets.desk import Desk
from intake.tickets.lookup import resolve_item
from tests.builders import NOW, make_message
from tests.desk import Installation, make_installation
from tests.issue import make_certificate

MANY = 10_000
KNOWN = 30  # of the list; the stand-in has no more
LATER = NOW + timedelta(minutes=1)


class Clock:
    """Time that passes only when somebody waits for it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def ders(count: int, issuer: str) -> list[bytes]:
    return [
        make_certificate(f"h{n}.example.com", issuer=issuer, serial_number=(1 << 100) + n)
        for n in range(count)
    ]


def report(digests: list[str], message_id: str) -> bytes:
    lines = "".join(f"https://crt.sh/?sha256={one}\r\n" for one in digests)
    return make_message(message_id=message_id, body=f"These are misissued:\r\n\r\n{lines}")


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.fixture
def desk(tmp_path: Path) -> Installation:
    return make_installation(tmp_path)


def take_in(desk: Installation, raw: bytes, uid: int) -> float:
    begun = time.monotonic()
    desk.receive(raw, at=NOW, uid=uid)
    return time.monotonic() - begun


def resolved(desk: Installation, ticket: int) -> int:
    with desk.database.read() as session:
        query = select(func.count()).select_from(Item)
        return session.exec(query.where(Item.ticket == ticket, Item.state == "resolved")).one()


def test_a_list_of_ten_thousand_is_fair_and_says_when_it_will_be_done(desk: Installation) -> None:
    mine, theirs = ders(KNOWN, "Long"), ders(3, "Short")
    long_list = [sha256(one).hexdigest() for one in mine]
    long_list += [digest(f"unknown {n}") for n in range(MANY - KNOWN)]
    took = take_in(desk, report(long_list, "<long@x.example>"), 1)
    assert took < 12, f"items of a long list took {took:.1f} s"
    take_in(desk, report([sha256(one).hexdigest() for one in theirs], "<short@x.example>"), 2)
    with desk.database.read() as session:
        assert session.exec(select(func.count()).where(Item.ticket == 1)).one() == MANY

    clock = Clock()
    with CrtshStandIn() as crtsh:
        for number, one in enumerate([*mine, *theirs], start=1):
            crtsh.add(number, one)
        client = CrtshClient(crtsh.base_url, 5, monotonic=clock, sleep=clock.sleep)
        begun = time.monotonic()
        look_up(desk, client, times=8)
        after_eight = resolved(desk, 1), resolved(desk, 2)
        look_up(desk, client, times=12)
        spent = time.monotonic() - begun
        client.close()
        asked = len(crtsh.requests)

    assert after_eight[1] == 3, "the short list is done although the long one came first"
    assert resolved(desk, 1) == asked - 3 == 17
    assert clock.seconds >= asked - 1, "one request a second at most"
    assert spent < 10, f"20 look-ups took {spent:.1f} s of our own"
    text = card(desk)
    assert "10,000 certificates" in text
    assert "9,983 still being looked up at crt.sh, one a second" in text
    assert "14:47 UTC" in text  # 9,983 s after 12:01


def look_up(desk: Installation, client: CrtshClient, *, times: int) -> None:
    our_desk = Desk.from_config(desk.config, desk.key, issuing_cas())
    work = partial(resolve_item, desk.database, client, our_desk, lambda: LATER)
    for position in range(times):
        now = LATER + timedelta(seconds=position)
        assert run_due(desk.database, ("resolve_item",), work, clock=lambda now=now: now) == 1


def issuing_cas():
    from intake.certificates.ownership import IssuingCas

    return IssuingCas()


def card(desk: Installation) -> str:
    with desk.database.read() as session:
        view = ticket_view(session, 1, whole=False)
        waiting = session.exec(
            select(func.count()).where(col(Job.kind) == "resolve_item", Job.state == "waiting")
        ).one()
    assert waiting == view.lookups_ahead
    return "\n".join(str(block) for block in render_card(view, LATER).as_dicts())
