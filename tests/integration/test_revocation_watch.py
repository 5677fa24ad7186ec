"""Watching revocation against a CRL and an OCSP responder over real HTTP, made by a test CA."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import ReasonFlags
from sqlmodel import select

from intake.certificates.fetch import Fetcher
from intake.certificates.revocation_check import RevocationClient
from intake.database import Database
from intake.evidence.values import FoundCertificate
from intake.jobs import run_due
from intake.tables import (
    Event,
    Item,
    Job,
    Notice,
    Obligation,
    RevocationDocument,
    RevocationEvidence,
    RevocationStatus,
    Ticket,
)
from intake.tickets import actions
from intake.tickets.revocation_evidence import document_bytes
from intake.tickets.revocation_watch import KIND, Rhythm, queue_watches, watch_revocation
from tests.builders import NOW
from tests.ca import MakeCa, Publisher, publisher
from tests.servers import free_port
from tests.unit.tickets.room import Room, make_desk

pytestmark = pytest.mark.both_databases

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
RHYTHM = Rhythm(HOUR, 10 * MINUTE)
CA = MakeCa()
SERIAL = 0x1234


@dataclass
class Watch:
    """A ticket about one certificate of ours, whose sources answer as a test says."""

    database: Database
    site: Publisher
    room: Room
    crl_entries: dict[int, Any] = field(default_factory=dict)
    ocsp_entries: dict[int, Any] = field(default_factory=dict)
    crl_options: dict[str, Any] = field(default_factory=dict)
    ocsp_options: dict[str, Any] = field(default_factory=dict)
    ca: MakeCa = field(default_factory=lambda: CA)
    now: Any = NOW
    number: int = 0

    def __post_init__(self) -> None:
        self.site.crl = self.crl
        self.site.ocsp = self.ocsp
        self.client = RevocationClient(
            Fetcher(5, allow_hosts=["127.0.0.1"]), monotonic=self.seconds
        )

    def seconds(self) -> float:
        return float(self.now.timestamp())

    def crl(self) -> bytes:
        self.number += 1
        options = {"number": self.number} | self.crl_options
        return self.ca.crl(self.crl_entries, now=self.now, **options)

    def ocsp(self, request: bytes) -> bytes:
        return self.ca.ocsp(request, self.ocsp_entries, now=self.now, **self.ocsp_options)

    def report(self, *ders: bytes, **values: Any) -> int:
        import hashlib

        found = tuple(FoundCertificate(der, hashlib.sha256(der).hexdigest(), "1") for der in ders)
        decision = self.room.receive(at=self.now, certificates=found, **values)
        return decision.ticket or 0

    def look(self, **later: float) -> RevocationStatus:
        """Let time pass, and do what is due then."""
        self.now += timedelta(**later)
        with self.database.write() as session:
            queue_watches(session, now=self.now)
        work = partial(
            watch_revocation, self.database, self.client, self.room.desk, lambda: self.now, RHYTHM
        )
        while run_due(self.database, (KIND,), work, clock=lambda: self.now, limit=10):
            pass
        return self.all(RevocationStatus)[0]

    def revoke(self, reason: ReasonFlags | None = ReasonFlags.superseded) -> None:
        self.crl_entries[SERIAL] = self.ocsp_entries[SERIAL] = (self.now - HOUR, reason)

    def all(self, table: Any, *conditions: Any) -> list[Any]:
        with self.database.read() as session:
            query = select(table).where(*conditions)
            return list(session.exec(query.order_by(*table.__table__.primary_key)).all())

    def item(self) -> Item:
        return self.all(Item)[0]

    def owed(self) -> Obligation:
        return self.all(Obligation, Obligation.kind == "revocation")[0]

    def events(self, action: str) -> list[Event]:
        return self.all(Event, Event.action == action)

    def alarms(self) -> list[str]:
        return [one.detail["alarm"] for one in self.events("revocation_alarm")]

    def troubles(self) -> list[str]:
        return [one.text for one in self.all(Notice, Notice.kind == "trouble")]

    def next_look(self) -> timedelta:
        return self.all(Job, Job.kind == KIND)[0].due_at - self.now


@pytest.fixture
def watch(database: Database) -> Iterator[Watch]:
    with publisher() as site:
        found = Watch(database, site, Room(database, make_desk(issuing_cas=CA.cas())))
        yield found
        found.client.close()


def leaf(watch: Watch, **values: Any) -> bytes:
    return CA.leaf(SERIAL, crl_url=watch.site.crl_url, ocsp_url=watch.site.ocsp_url, **values)


def test_a_certificate_that_both_sources_call_good_is_good(watch):
    watch.report(leaf(watch))

    status = watch.look()

    assert (status.state, status.crl_state, status.ocsp_state) == ("good", "good", "good")
    assert watch.item().revocation == "good"
    assert watch.owed().met_at is None
    assert watch.alarms() == []


def test_only_publication_on_both_sources_meets_what_is_owed_and_the_first_sight_counts(watch):
    watch.report(leaf(watch))
    watch.look()
    watch.ocsp_entries[SERIAL] = (NOW - 30 * HOUR, ReasonFlags.superseded)
    watch.look(minutes=10)
    assert watch.owed().met_at is None
    watch.crl_entries[SERIAL] = watch.ocsp_entries[SERIAL]

    status = watch.look(minutes=10)

    seen = NOW + 20 * MINUTE
    assert (status.state, status.ocsp_revoked_at, status.crl_revoked_at) == (
        "revoked", NOW + 10 * MINUTE, seen,
    )  # fmt: skip
    assert (status.first_observed_revoked_at, status.asserted_revoked_at) == (
        seen, NOW - 30 * HOUR,
    )  # fmt: skip
    assert (watch.owed().met_at, watch.owed().met_by) == (seen, "service")
    (event,) = watch.events("revocation_published")
    assert (event.detail["late"], event.detail["reason"]) == (False, 4)
    watch.look(hours=2)
    assert watch.owed().met_at == seen


def test_a_certificate_with_one_source_needs_that_one_only(watch):
    watch.report(CA.leaf(SERIAL, crl_url=watch.site.crl_url))
    watch.revoke()

    assert watch.look().state == "revoked"
    assert watch.owed().met_at == NOW


def test_sources_that_do_not_agree_are_an_alarm(watch):
    watch.report(leaf(watch))
    watch.ocsp_entries[SERIAL] = (NOW, ReasonFlags.superseded)

    status = watch.look()

    assert (status.state, watch.item().revocation) == ("unknown", "unknown")
    assert watch.alarms() == ["sources_disagree"]
    assert "(CRL, OCSP) that do not agree" in watch.troubles()[0]
    assert "revocation_alarm" in watch.all(Ticket)[0].labels
    watch.crl_entries[SERIAL] = watch.ocsp_entries[SERIAL]
    watch.look(minutes=10)
    assert watch.all(Ticket)[0].labels == []
    assert watch.events("revocation_alarm_over")[0].detail["alarms"] == ["sources_disagree"]


def test_an_unrevoked_certificate_is_an_alarm_and_the_first_sight_stays(watch):
    watch.report(leaf(watch))
    watch.revoke()
    watch.look()
    watch.crl_entries.clear()
    watch.ocsp_entries.clear()

    status = watch.look(hours=1)

    assert (status.state, status.first_observed_revoked_at) == ("good", NOW)
    assert "unrevoked" in watch.alarms()
    assert watch.owed().met_at == NOW


def test_what_was_handled_is_watched_on(watch):
    ticket = watch.report(leaf(watch))
    watch.revoke()
    watch.look()
    watch.room.do(actions.close, ticket, now=watch.now, reason="revoked and reported")
    watch.crl_entries.clear()

    watch.look(hours=1)

    assert {"unrevoked", "sources_disagree"} <= set(watch.alarms())


@pytest.mark.parametrize("claim", ["close", "classify", "report"])
def test_a_claim_that_is_not_true_is_an_alarm(watch, claim):
    ticket = watch.report(leaf(watch))
    if claim == "close":
        watch.room.do(actions.classify, ticket, now=NOW, item=1, reason="misuse")
        watch.room.do(actions.close, ticket, now=NOW, reason="we revoked it")
    elif claim == "classify":
        watch.room.do(actions.classify, ticket, now=NOW, item=1, reason="already_revoked")
    else:
        watch.room.do(
            actions.record_report, ticket, now=NOW, to="reporter", at=NOW,
            message_id="<answer@ca.example>", says_revoked=True,
        )  # fmt: skip

    watch.look()

    assert watch.alarms() == ["claim_not_true"]
    assert "was said to be revoked, and is not" in watch.troubles()[0]
    assert watch.next_look() == 10 * MINUTE
    watch.revoke(ReasonFlags.privilege_withdrawn)
    watch.look(minutes=10)
    assert watch.item().alarms == []


def test_a_claim_is_checked_at_once_and_not_at_the_next_turn(watch):
    ticket = watch.report(leaf(watch))
    watch.room.do(actions.classify, ticket, now=NOW, item=1, reason="misuse")
    watch.look()
    assert watch.next_look() == HOUR
    watch.room.do(actions.close, ticket, now=NOW + MINUTE, reason="revoked", disposition="handled")

    watch.look(minutes=1)

    assert watch.alarms() == ["claim_not_true"]


def test_a_closed_ticket_says_when_it_was_revoked_after_all(watch):
    ticket = watch.report(leaf(watch))
    watch.room.do(actions.close, ticket, now=NOW, reason="revoked")
    watch.revoke()

    watch.look(minutes=5)

    assert watch.owed().met_at == NOW + 5 * MINUTE


def test_the_reason_is_compared_with_the_classification(watch):
    ticket = watch.report(leaf(watch))
    watch.room.do(actions.classify, ticket, now=NOW, item=1, reason="key_compromise")
    watch.revoke(ReasonFlags.superseded)
    watch.look()
    assert watch.alarms() == ["reason_wrong"]
    watch.revoke(None)
    watch.look(hours=1)
    assert watch.alarms() == ["reason_wrong", "reason_missing"]
    watch.revoke(ReasonFlags.key_compromise)

    watch.look(hours=1)

    assert watch.item().alarms == []
    assert watch.all(RevocationStatus)[0].reason == 1


def test_reasons_that_differ_between_the_sources_are_an_alarm(watch):
    watch.report(leaf(watch))
    watch.crl_entries[SERIAL] = (NOW, ReasonFlags.superseded)
    watch.ocsp_entries[SERIAL] = (NOW, ReasonFlags.key_compromise)

    assert watch.look().state == "revoked"
    assert watch.alarms() == ["reasons_differ"]


def test_hold_and_a_written_out_zero_are_alarms(watch):
    watch.report(leaf(watch))
    watch.revoke(ReasonFlags.unspecified)
    watch.look()
    assert watch.alarms() == ["reason_zero_encoded"]
    watch.revoke(ReasonFlags.certificate_hold)

    status = watch.look(hours=1)

    assert status.state == "unknown"
    assert {"on_hold", "unrevoked"} <= set(watch.item().alarms)


@pytest.mark.parametrize("answer", [503, 404, b"garbage", b""])
def test_an_outage_changes_nothing_and_is_tried_again_soon(watch, answer):
    watch.report(leaf(watch))
    watch.room.do(actions.classify, 1, now=NOW, item=1, reason="misuse")
    watch.look()
    watch.site.crl = lambda: answer
    watch.site.ocsp = lambda _: answer

    status = watch.look(hours=1)

    assert status.state == "good"
    assert "crl http://127.0.0.1" in status.detail
    assert watch.owed().met_at is None
    unsound = [] if isinstance(answer, int) else ["crl_unsound", "ocsp_unsound"]
    assert watch.item().alarms == unsound
    if isinstance(answer, int):
        assert watch.next_look() == 10 * MINUTE
    assert watch.look(hours=24).state == "unknown"  # what was good has run out


def test_an_outage_does_not_make_a_revoked_certificate_good_or_unknown(watch):
    watch.report(leaf(watch))
    watch.revoke()
    watch.look()
    watch.site.crl = lambda: 503
    watch.site.ocsp = lambda _: 503

    assert watch.look(hours=48).state == "revoked"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ca": MakeCa()},  # same name, another key
        {"crl_options": {"next_update": NOW - HOUR, "this_update": NOW - 2 * HOUR}},
        {"ocsp_options": {"next_update": NOW - HOUR, "this_update": NOW - 2 * HOUR}},
        {"ocsp_options": {"signer": MakeCa().responder()}},
        {"crl_options": {"this_update": NOW + 2 * HOUR, "next_update": NOW + 3 * HOUR}},
    ],
)
def test_a_revocation_in_an_answer_that_can_not_be_relied_on_meets_nothing(watch, wrong):
    for key, value in wrong.items():
        setattr(watch, key, value)
    watch.report(leaf(watch))
    watch.revoke()

    status = watch.look()

    assert status.state == "unknown"
    assert watch.owed().met_at is None
    assert set(watch.alarms()) & {"crl_unsound", "ocsp_unsound"}


def test_an_older_list_is_not_believed(watch):
    watch.report(CA.leaf(SERIAL, crl_url=watch.site.crl_url))
    watch.crl_options = {"number": 5}
    watch.revoke()
    watch.look()
    watch.crl_options = {"number": 4}
    watch.crl_entries.clear()

    status = watch.look(hours=1)

    assert status.state == "revoked"
    assert watch.alarms() == ["crl_unsound"]
    assert "older than one seen before" in status.detail


def test_the_bytes_are_kept_when_the_answer_changes_and_confirmed_else(watch):
    watch.report(leaf(watch))
    watch.look()
    watch.look(minutes=10)
    watch.look(minutes=10)
    assert [one.confirmations for one in watch.all(RevocationEvidence)] == [3, 3]
    watch.revoke()
    watch.look(minutes=10)

    rows = watch.all(RevocationEvidence)
    assert [(one.source, one.answer) for one in rows] == [
        ("crl", "good"), ("ocsp", "good"), ("crl", "revoked"), ("ocsp", "revoked"),
    ]  # fmt: skip
    assert len(watch.all(RevocationDocument)) == 4
    with watch.database.read() as session:
        data = document_bytes(session, rows[2].document)
    assert x509.load_der_x509_crl(data).get_revoked_certificate_by_serial_number(SERIAL)
    assert rows[0].confirmed_at == NOW + 20 * MINUTE


def test_the_watch_ends_when_the_certificate_expires(watch):
    watch.report(leaf(watch, end=NOW + 3 * HOUR))
    watch.look()
    asked = len(watch.site.asked)

    watch.look(hours=4)

    assert len(watch.site.asked) == asked
    assert watch.all(RevocationStatus)[0].watched is False
    assert watch.all(Job, Job.kind == KIND)[0].state == "done"


def test_what_is_not_ours_or_was_dismissed_is_not_watched(watch):
    watch.report(MakeCa("Another CA").leaf(SERIAL, crl_url=watch.site.crl_url))
    with watch.database.write() as session:
        assert queue_watches(session, now=NOW) == 0
    ticket = watch.report(leaf(watch))
    watch.look()
    asked = len(watch.site.asked)
    watch.room.do(actions.dismiss, ticket, now=watch.now, reason="a newsletter")

    watch.look(hours=2)

    assert len(watch.site.asked) == asked


def test_a_precertificate_and_its_certificate_are_watched_as_one(watch):
    watch.report(leaf(watch), leaf(watch, precertificate=True))
    watch.revoke()

    watch.look()

    assert len(watch.all(RevocationStatus)) == 1
    assert watch.item().revocation == "revoked"


def test_one_list_is_fetched_once_for_many_certificates(watch):
    ders = [CA.leaf(number, crl_url=watch.site.crl_url) for number in range(100, 120)]
    watch.report(*ders)
    watch.crl_entries = dict.fromkeys(range(100, 110), (NOW, ReasonFlags.superseded))

    watch.look()

    assert watch.site.asked == ["/ca.crl"]
    states = [one.revocation for one in sorted(watch.all(Item), key=lambda one: one.serial_number)]
    assert states == ["revoked"] * 10 + ["good"] * 10


def test_a_second_ticket_about_the_same_certificate_is_told_at_once(watch):
    watch.report(leaf(watch))
    watch.revoke()
    watch.look()
    watch.report(leaf(watch), body="another report")

    watch.look(minutes=1)

    assert [one.revocation for one in watch.all(Item)] == ["revoked", "revoked"]


def test_a_certificate_without_any_address_stays_owed(watch):
    watch.report(CA.leaf(SERIAL))

    status = watch.look()

    assert (status.state, watch.alarms()) == ("not_checked", [])
    assert watch.next_look() == 10 * MINUTE
    assert "neither a CRL nor an OCSP responder" in status.detail
    assert watch.owed().met_at is None


# ---- another implementation --------------------------------------------------------------------


def test_openssl_as_responder_is_understood(watch, tmp_path: Path):
    from intake.clock import wall_clock

    CA.write(tmp_path)
    port = free_port()
    (tmp_path / "index.txt").write_text(
        f"R\t400101000000Z\t250101000000Z,keyCompromise\t{SERIAL:X}\tunknown\t/CN=www.example.com\n"
    )
    server = subprocess.Popen(
        ["openssl", "ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey",
         "ca.key", "-port", str(port), "-nmin", "60", "-ignore_err"],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert server.stderr is not None
        assert "aiting for OCSP" in server.stderr.readline().decode()  # it takes one at a time
        watch.now = wall_clock()
        watch.report(CA.leaf(SERIAL, ocsp_url=f"http://127.0.0.1:{port}/"))
        status = watch.look()
    finally:
        server.terminate()
        server.communicate()

    assert (status.state, status.reason, status.detail) == ("revoked", 1, "")
