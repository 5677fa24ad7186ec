"""From linters to items: state, suggestion, priority, retries; every linter for itself."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from sqlmodel import select

from intake.certificates.der import split_certificate
from intake.certificates.findings import Examination, LintResult, make_finding
from intake.certificates.lint_pool import LintTask
from intake.certificates.linters import ALWAYS
from intake.certificates.linting import Subject, built_in_versions
from intake.certificates.ownership import IssuingCas
from intake.evidence.values import FoundCertificate
from intake.jobs import run_together
from intake.notices.view import ticket_view, view_as_json
from intake.tables import Certificate, Event, Item, Job, LintRun, Notice, Ticket
from intake.tickets import actions, linted
from intake.tickets.lint_jobs import lint_certificates, lint_outside
from tests.issue import elliptic_key, make_certificate
from tests.unit.tickets.room import HOUR, T0, Room, make_desk

pytestmark = pytest.mark.both_databases

FIXTURES = Path(__file__).parents[3] / "fixtures/certificates"
DAY = timedelta(days=1)
INTERNAL = "cabf.internal_domain_name"


@pytest.fixture
def room(room: Room) -> Room:
    """A desk that knows our issuing CA."""
    room.desk = make_desk(issuing_cas=IssuingCas.load([str(FIXTURES / "issuing_ca.pem")]))
    return room


def fixture(name: str) -> bytes:
    return (FIXTURES / f"{name}.der").read_bytes()


def held(*ders: bytes) -> tuple[FoundCertificate, ...]:
    from hashlib import sha256

    return tuple(FoundCertificate(one, sha256(one).hexdigest(), "2") for one in ders)


class Pool:
    """Linters that say what a test wants; it remembers what they were asked."""

    def __init__(self, say: Callable[[str], LintResult]) -> None:
        self.say = say
        self.asked: list[tuple[str, ...]] = []

    def lint(self, tasks: Sequence[LintTask]) -> list[Examination]:
        self.asked += [task.wanted for task in tasks]
        return [
            Examination(one.sha256, "certificate", True, tuple(self.say(n) for n in task.wanted))
            for task in tasks
            for one in held(task.der)
        ]


def result(name: str, state: str = "done", *codes: str, issued_at: datetime = T0) -> LintResult:
    findings = tuple(make_finding(name, code, "error", issued_at=issued_at) for code in codes)
    return LintResult(name, built_in_versions().get(name, "1"), "TLS BR 2.2.5 DV", state, findings)


def saying(**words: tuple[str, ...]) -> Pool:
    """Let pkilint and the others answer; those that are not named are done without findings."""
    return Pool(lambda name: result(name, *words.get(name.replace("-", "_"), ("done",))))


def lint(room: Room, pool: Pool, *, now: datetime = T0, limit: int = 100) -> int:
    work = partial(lint_certificates, room.database, pool, room.desk, lambda: now)
    return run_together(room.database, ("lint_certificate",), work, clock=lambda: now, limit=limit)


# ---- state ---------------------------------------------------------------------------------------


def test_an_item_is_linted_once_every_linter_was_there(room: Room) -> None:
    room.receive(certificates=held(fixture("clean")))
    pool = saying()

    assert lint(room, pool) == 1
    assert [one.lint for one in room.items()] == ["done"]
    assert set(pool.asked[0]) >= set(ALWAYS)
    assert len(room.all(LintRun)) == len(pool.asked[0])


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ({"badkeys": ("failed",)}, "failed"),
        ({"pkilint": ("timed_out",)}, "failed"),
        ({"pkilint": ("absent",)}, "not_checked"),
        ({"badkeys_blocklist": ("absent",)}, "done"),
        ({"badkeys_blocklist": ("failed",)}, "failed"),
    ],
)
def test_one_linter_that_has_not_checked_is_seen(room: Room, words, state: str) -> None:
    room.receive(certificates=held(fixture("clean")))
    lint(room, saying(**words))

    assert [one.lint for one in room.items()] == [state]


def test_what_failed_is_tried_again_after_a_day_and_alone(room: Room) -> None:
    room.receive(certificates=held(fixture("clean")))
    lint(room, saying(pkilint=("timed_out",)))
    assert lint(room, saying(), now=T0 + 23 * HOUR) == 0

    pool = saying()
    assert lint(room, pool, now=T0 + DAY) == 1
    assert pool.asked == [("pkilint",)]
    assert [one.lint for one in room.items()] == ["done"]
    assert [job.state for job in room.all(Job)] == ["done"]


def test_a_linter_that_fails_every_day_is_given_up(room: Room) -> None:
    room.receive(certificates=held(fixture("clean")))
    tries = [lint(room, saying(pkilint=("failed",)), now=T0 + day * DAY) for day in range(9)]

    assert tries == [1, 1, 1, 1, 1, 1, 0, 0, 0]
    assert [one.lint for one in room.items()] == ["failed"]


def test_the_same_certificate_in_another_ticket_is_not_linted_again(room: Room) -> None:
    room.receive(certificates=held(fixture("clean")))
    lint(room, saying(pkilint=("done", INTERNAL)))
    room.receive(certificates=held(fixture("clean")))
    pool = saying()
    lint(room, pool)

    assert pool.asked == []
    assert [one.lint for one in room.all(Item)] == ["done", "done"]
    assert [one.suggested for one in room.all(Item)] == ["not_issued_in_accordance"] * 2


def test_a_batch_that_breaks_is_done_again_one_by_one(room: Room) -> None:
    room.receive(certificates=held(fixture("clean"), fixture("elliptic")))
    calls: list[int] = []

    def handle(jobs: Sequence[Job]) -> None:
        calls.append(len(jobs))
        if len(jobs) > 1:
            raise ValueError

    for now in (T0, T0 + HOUR):
        run_together(room.database, ("lint_certificate",), handle, clock=lambda: now, limit=9)  # noqa: B023

    assert calls == [2, 1, 1]


# ---- suggestion and priority ---------------------------------------------------------------------


def test_findings_suggest_a_reason_and_raise_the_priority(room: Room) -> None:
    room.receive(certificates=held(fixture("clean")))
    lint(room, saying(pkilint=("done", INTERNAL), badkeys=("done", "badkeys.roca")))

    assert room.items()[0].suggested == "weak_key"
    assert room.all(Ticket)[0].priority == "high"


def test_a_rule_that_is_younger_than_the_certificate_raises_nothing(room: Room) -> None:
    room.receive(certificates=held(fixture("clean")))
    old = datetime(2011, 1, 1, tzinfo=T0.tzinfo)
    lint(room, Pool(lambda name: result(name, "done", INTERNAL, issued_at=old)))

    assert room.items()[0].suggested is None
    assert room.all(Ticket)[0].priority == "normal"


def test_what_had_ended_before_the_report_is_suggested_as_expired(room: Room) -> None:
    room.receive(certificates=held(fixture("internal_name")))  # of 2017
    lint(room, saying(pkilint=("done", INTERNAL)))

    assert room.items()[0].suggested == "expired"


def test_a_suggestion_is_shown_until_a_person_classifies(room: Room) -> None:
    room.receive(certificates=held(fixture("clean")))
    lint(room, saying(pkilint=("done", INTERNAL)))

    def shown():
        with room.database.read() as session:
            view = ticket_view(session, 1)
        return view.lint.suggested, view_as_json(view)["certificates"][0]["suggested_reason"]

    before = shown()
    with room.write() as session:
        actions.classify(session, 1, "U0MIRA", T0, item=1, reason="no_revocation_needed")

    assert before == ((("not_issued_in_accordance", 1),), "not_issued_in_accordance")
    assert shown() == ((), None)
    assert room.items()[0].reason == "no_revocation_needed"


def test_what_is_not_ours_gets_no_suggestion_on_the_card(room: Room) -> None:
    room.receive(certificates=held(fixture("other_ca_leaf")))
    lint(room, saying(pkilint=("done", INTERNAL)))

    with room.database.read() as session:
        assert ticket_view(session, 1).lint.suggested == ()
    assert room.all(Ticket)[0].priority == "normal"


# ---- linters outside -----------------------------------------------------------------------------


class Outside:
    """A linter outside that says what a test wants."""

    name = "pkimetal"

    def __init__(self, state: str = "done", version: str = "v1") -> None:
        self.state, self.its_version = state, version
        self.asked = 0

    def version(self) -> str:
        return self.its_version

    def close(self) -> None:
        pass

    def __call__(self, _subject: Subject) -> LintResult:
        self.asked += 1
        return LintResult("pkimetal", self.its_version, "dv", self.state)  # type: ignore[arg-type]


def ask_outside(room: Room, linter: Outside, *, now: datetime = T0) -> int:
    work = partial(lint_outside, room.database, {"pkimetal": linter}, room.desk, lambda: now)
    return run_together(room.database, ("lint_outside",), work, clock=lambda: now, limit=16)


def with_pkimetal(room: Room) -> None:
    cas = room.desk.issuing_cas
    room.desk = make_desk(issuing_cas=cas, linters=frozenset([*ALWAYS, "pkimetal"]))


def test_a_linter_outside_is_waited_for_and_holds_up_nothing(room: Room) -> None:
    with_pkimetal(room)
    room.receive(certificates=held(fixture("clean")))
    lint(room, saying())
    before = room.items()[0].lint
    ask_outside(room, Outside())

    assert (before, room.items()[0].lint) == ("not_checked", "done")


def test_one_that_is_out_of_reach_is_asked_again_and_stored_as_absent(room: Room) -> None:
    with_pkimetal(room)
    room.receive(certificates=held(fixture("clean")))
    lint(room, saying())
    ask_outside(room, Outside("absent", version=""))
    state = room.items()[0].lint
    linter = Outside()
    ask_outside(room, linter, now=T0 + 3 * HOUR)

    assert (state, room.items()[0].lint, linter.asked) == ("not_checked", "done", 1)
    states = {one.version: one.state for one in room.all(LintRun) if one.linter == "pkimetal"}
    assert states == {"": "absent", "v1": "done"}


def test_a_partial_answer_is_not_checked_and_asked_again_after_a_day(room: Room) -> None:
    with_pkimetal(room)
    room.receive(certificates=held(fixture("clean")))
    lint(room, saying())
    ask_outside(room, Outside("failed"))
    state = room.items()[0].lint

    assert state == "failed"
    assert ask_outside(room, Outside(), now=T0 + 23 * HOUR) == 0
    ask_outside(room, Outside(), now=T0 + DAY)
    assert room.items()[0].lint == "done"


def test_without_a_linter_outside_no_such_job_exists(room: Room) -> None:
    room.receive(certificates=held(fixture("clean")))
    lint(room, saying())

    assert {job.kind for job in room.all(Job)} == {"lint_certificate"}


# ---- whose it is ---------------------------------------------------------------------------------


def test_a_stranger_with_our_name_is_loud(room: Room) -> None:
    room.receive(certificates=held(fixture("impostor_leaf")))

    (ticket,) = room.all(Ticket)
    assert ticket.priority == "high"
    assert "names_our_ca" in ticket.labels
    assert "stranger_names_us" in {one.action for one in room.all(Event)}
    assert room.items()[0].ours == "unknown"
    assert room.owed("revocation")[0].waived_at is None


def test_a_stranger_that_a_look_up_finds_is_as_loud(room: Room) -> None:
    from intake.certificates.identity import remember_certificate
    from intake.tickets.items import apply_resolution
    from tests.unit.tickets.room import crtsh

    room.receive(identifiers=crtsh(1))
    with room.write() as session:
        row = remember_certificate(
            session, fixture("impostor_leaf"), origin="crtsh", now=T0,
            issuing_cas=room.desk.issuing_cas,
        )  # fmt: skip
        apply_resolution(session, 1, [row], desk=room.desk, now=T0)

    assert room.all(Ticket)[0].priority == "high"
    assert "names_our_ca" in room.all(Ticket)[0].labels


def test_a_precertificate_of_a_signing_ca_and_its_final_certificate_are_one_item(
    room: Room, tmp_path: Path
) -> None:
    cas, precertificate, final = make_signing_ca(tmp_path)
    room.desk = make_desk(issuing_cas=cas)
    room.receive(certificates=held(precertificate, final))

    (item,) = room.items()
    assert item.ours == "yes"
    assert {one.precertificate for one in room.all(Certificate)} == {True, False}
    assert len({one.issuer for one in room.all(Certificate)}) == 2
    assert len({one.issuer_sha256 for one in room.all(Certificate)}) == 1


def test_the_final_certificate_joins_the_item_of_its_precertificate_later(
    room: Room, tmp_path: Path
) -> None:
    cas, precertificate, final = make_signing_ca(tmp_path)
    room.desk = make_desk(issuing_cas=cas)
    room.receive(certificates=held(precertificate), message_id="<a@x.example>")
    room.receive(certificates=held(final), in_reply_to=("<a@x.example>",), at=T0 + HOUR)

    assert len([one for one in room.all(Item) if one.merged_into is None]) == 1


def make_signing_ca(folder: Path) -> tuple[IssuingCas, bytes, bytes]:
    """Return our CAs, one of which signs precertificates only, and what they signed."""
    signing_key = ec.generate_private_key(ec.SECP256R1())
    is_ca = (x509.BasicConstraints(ca=True, path_length=0), True)
    issuing = make_certificate(
        common_name="Issuing CA", issuer="Issuing CA", extensions=(is_ca,), purposes=()
    )
    signing = make_certificate(
        common_name="Precertificate Signing CA", issuer="Issuing CA", extensions=(is_ca,),
        key=signing_key.public_key(),
        purposes=(x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.4"),), serial_number=2,
    )  # fmt: skip
    for name, der in (("issuing", issuing), ("signing", signing)):
        (folder / f"{name}.der").write_bytes(der)
    precertificate = make_certificate(
        "www.example.com", issuer="Precertificate Signing CA", signer=signing_key,
        extensions=((x509.PrecertPoison(), True),), serial_number=1 << 90,
    )  # fmt: skip
    final = make_certificate("www.example.com", issuer="Issuing CA", serial_number=1 << 90)
    assert split_certificate(final).issuer.whole != split_certificate(precertificate).issuer.whole
    assert elliptic_key() is not signing_key
    return IssuingCas.load([str(folder / "*.der")]), precertificate, final


def test_a_card_is_shown_anew_at_the_end_of_linting_and_seldom_before(room: Room) -> None:
    ders = [make_certificate(f"leaf{n}.example", serial_number=n + 9) for n in range(4)]
    room.receive(certificates=held(*ders))
    shown = []
    for turn in range(4):
        with room.write() as session:
            card = session.exec(select(Notice).where(Notice.kind == "card")).one()
            if turn < 2:  # it was not shown since then
                card.state, card.sent_version = "sent", card.wanted_version
            session.add(card)
        lint(room, saying(), now=T0 + turn * timedelta(seconds=1), limit=1)
        (card,) = room.all(Notice)
        assert (card.state, card.wanted_version) == ("waiting", turn + 2)
        shown.append(card.next_try_at)

    wanted = [linted.SHOWN_EVERY, linted.SHOWN_EVERY + timedelta(seconds=1)]
    assert shown[0] == T0 + wanted[0]
    assert shown[1] == shown[2] == T0 + wanted[1]  # what waits is not put off
    assert shown[3] == T0 + timedelta(seconds=3)


def test_what_a_person_does_is_shown_at_once_while_linting_goes_on(room: Room) -> None:
    ders = [make_certificate(f"leaf{n}.example", serial_number=n + 9) for n in range(2)]
    room.receive(certificates=held(*ders))
    with room.write() as session:
        card = session.exec(select(Notice).where(Notice.kind == "card")).one()
        card.state, card.sent_version = "sent", card.wanted_version
        session.add(card)
    lint(room, saying(), limit=1)
    room.do(actions.acknowledge, now=T0 + timedelta(seconds=1))

    (card,) = room.all(Notice)
    assert card.next_try_at == T0 + timedelta(seconds=1)
