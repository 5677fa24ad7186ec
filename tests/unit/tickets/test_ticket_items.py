"""Items: named, resolved, merged, judged, linted, and ten thousand of them."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlmodel import select

from intake.certificates.identity import remember_certificate
from intake.certificates.linters import ALWAYS
from intake.certificates.ownership import IssuingCas
from intake.evidence.values import FoundCertificate, FoundKey, Identifier
from intake.tables import (
    Certificate,
    Item,
    ItemCertificate,
    ItemName,
    Job,
    LintFinding,
    LintRun,
    Obligation,
)
from intake.tickets import actions
from intake.tickets.items import apply_resolution, mark_not_found, note_lint, note_problem
from tests.unit.tickets.room import HOUR, T0, Room, add, crtsh, make_desk

pytestmark = pytest.mark.both_databases

FIXTURES = Path(__file__).parents[3] / "fixtures/certificates"


def der(name: str) -> bytes:
    return (FIXTURES / f"{name}.der").read_bytes()


def held(*names: str) -> tuple[FoundCertificate, ...]:
    import hashlib

    return tuple(
        FoundCertificate(der(name), hashlib.sha256(der(name)).hexdigest(), f"2/{name}.der")
        for name in names
    )


def identifier(kind: str, value: str) -> Identifier:
    return Identifier(kind, value, "1", 0, value)


@pytest.fixture
def room(room: Room) -> Room:
    """A desk that knows our issuing CA."""
    room.desk = make_desk(issuing_cas=IssuingCas.load([str(FIXTURES / "issuing_ca.pem")]))
    return room


def resolve(room: Room, item: int, *names: str, now=T0 + HOUR) -> None:
    with room.write() as session:
        rows = [remember_certificate(session, der(name), origin="crtsh", now=now) for name in names]
        apply_resolution(session, item, rows, desk=room.desk, now=now)


def jobs(room: Room) -> list[str]:
    return [one.key for one in room.all(Job)]


# ---- naming --------------------------------------------------------------------------------------


def test_each_identifier_is_one_item_with_a_job(room: Room) -> None:
    room.receive(
        identifiers=(
            *crtsh(7, 8, 7),
            identifier("sha256", "ab" * 32),
            identifier("serial_number", "5"),
        )
    )

    assert [one.number for one in room.items()] == [1, 2, 3, 4]
    assert jobs(room) == [f"resolve_item:{n}" for n in (1, 2, 3, 4)]
    assert {one.ticket for one in room.all(Job)} == {1}


def test_forty_digits_that_may_be_two_things_are_one_item_with_two_names(room: Room) -> None:
    digits = "ab" * 20
    room.receive(identifiers=(identifier("sha1", digits), identifier("serial_number", digits)))

    assert len(room.items()) == 1
    assert [one.kind for one in room.all(ItemName)] == ["sha1", "serial_number"]


def test_a_crtsh_id_is_no_serial_number(room: Room) -> None:
    room.receive(identifiers=(*crtsh(12), identifier("serial_number", "12")))

    assert len(room.items()) == 2


def test_a_certificate_in_the_mail_is_resolved_at_once(room: Room) -> None:
    room.receive(certificates=held("clean"))
    (item,) = room.items()
    (certificate,) = room.all(Certificate)

    assert (item.state, item.ours, item.lint) == ("resolved", "yes", "not_checked")
    assert (item.serial_number, item.issuer) == (certificate.serial_number, certificate.issuer)
    assert jobs(room) == [f"lint_certificate:{certificate.sha256}"]


def test_precertificate_and_final_certificate_in_a_mail_are_one_item(room: Room) -> None:
    room.receive(certificates=held("precertificate", "final"))

    assert len(room.items()) == 1
    assert len(room.all(ItemCertificate)) == 2
    assert len(jobs(room)) == 2


def test_a_certificate_and_its_own_names_are_one_item(room: Room) -> None:
    facts = x509.load_der_x509_certificate(der("clean"))
    from cryptography.hazmat.primitives import hashes

    room.receive(
        certificates=held("clean"),
        identifiers=(
            identifier("sha256", facts.fingerprint(hashes.SHA256()).hex()),
            identifier("sha1", facts.fingerprint(hashes.SHA1()).hex()),  # noqa: S303
            identifier("serial_number", f"{facts.serial_number:x}"),
            *crtsh(9),
        ),
    )

    assert len(room.items()) == 2
    assert [one.kind for one in room.all(ItemName, ItemName.item == 2)] == [
        "certificate",
        "sha256",
        "sha1",
        "serial_number",
    ]


def spki(name: str) -> str:
    import hashlib

    from cryptography.hazmat.primitives.serialization import PublicFormat

    key = x509.load_der_x509_certificate(der(name)).public_key()
    return hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()


def test_a_private_key_belongs_to_the_certificate_that_it_opens(room: Room) -> None:
    key = FoundKey("pkcs8", False, spki("compromised"), "2/compromised.key")
    room.receive(certificates=held("compromised"), private_keys=(key,))

    assert len(room.items()) == 1
    assert room.all(ItemName)[-1].named_as == "private key in part 2/compromised.key"
    assert room.ticket().priority == "critical"


def test_a_private_key_alone_names_a_certificate_to_look_for(room: Room) -> None:
    room.receive(private_keys=(FoundKey("pkcs8", False, spki("compromised"), "1"),))

    assert [one.kind for one in room.all(ItemName)] == ["spki_sha256"]
    assert jobs(room) == ["resolve_item:1"]


# ---- whose it is ---------------------------------------------------------------------------------


def test_what_is_not_ours_owes_no_revocation_and_says_whose_it_is(room: Room) -> None:
    room.receive(certificates=held("other_ca_leaf", "clean"))
    theirs, ours = room.owed("revocation")

    assert [one.ours for one in room.items()] == ["no", "yes"]
    assert theirs.waived_reason.startswith("not ours: issuer ")
    assert ours.waived_at is None


def test_an_item_that_proves_not_ours_is_waived_with_an_event(room: Room) -> None:
    room.receive(identifiers=crtsh(1))
    resolve(room, 1, "other_ca_leaf")

    assert room.items()[0].ours == "no"
    assert room.owed("revocation")[0].waived_at == T0 + HOUR
    assert len(room.events("revocation_waived")) == 1


def test_a_revised_judgement_owes_the_revocation_again(room: Room) -> None:
    room.receive(identifiers=crtsh(1))
    resolve(room, 1, "other_ca_leaf")
    with room.write() as session:
        row = session.exec(select(Certificate)).one()
        row.ours = "unknown"
        session.add(row)
    paths = ("issuing_ca.pem", "other_ca.pem")
    room.desk = make_desk(issuing_cas=IssuingCas.load([str(FIXTURES / one) for one in paths]))
    resolve(room, 1, "other_ca_leaf", now=T0 + 2 * HOUR)

    assert room.items()[0].ours == "yes"
    assert room.owed("revocation")[0].waived_at is None
    assert len(room.events("revocation_owed_again")) == 1


def test_what_a_person_classified_is_not_waived_by_a_signature(room: Room) -> None:
    room.receive(identifiers=crtsh(1))
    room.do(actions.classify, now=T0, item=1, reason="misuse")
    resolve(room, 1, "other_ca_leaf")

    assert room.owed("revocation")[0].waived_at is None


def test_our_name_under_a_foreign_signature_stays_owed(room: Room) -> None:
    room.receive(certificates=held("impostor_leaf"))

    assert room.items()[0].ours == "unknown"
    assert room.owed("revocation")[0].waived_at is None


# ---- resolving and merging -----------------------------------------------------------------------


def test_a_resolved_item_has_its_certificate_and_a_lint_job(room: Room) -> None:
    room.receive(identifiers=crtsh(1))
    resolve(room, 1, "clean")
    (item,) = room.items()

    assert (item.state, item.problem, item.ours) == ("resolved", None, "yes")
    assert jobs(room)[1].startswith("lint_certificate:")


def test_items_that_prove_the_same_merge_into_the_lowest_number(room: Room) -> None:
    room.receive(identifiers=crtsh(1, 2, 3), message_id="<a@x.example>")
    resolve(room, 3, "final")
    resolve(room, 2, "precertificate")
    resolve(room, 1, "final")

    assert [one.merged_into for one in room.items()] == [None, 1, 1]
    assert len(room.all(ItemCertificate, ItemCertificate.item == 1)) == 2
    assert [one.waived_reason for one in room.owed("revocation")] == [
        None,
        "merged into item 1",
        "merged into item 2",
    ]


def test_merging_keeps_the_earliest_due_time(room: Room) -> None:
    room.receive(identifiers=crtsh(1), message_id="<a@x.example>", at=T0)
    room.receive(identifiers=crtsh(2), in_reply_to=("<a@x.example>",), at=T0 + 5 * HOUR)
    room.do(actions.classify, now=T0 + 5 * HOUR, item=1, reason="misuse")
    resolve(room, 2, "final", now=T0 + 6 * HOUR)
    resolve(room, 1, "precertificate", now=T0 + 6 * HOUR)
    kept, merged = room.owed("revocation")

    assert (kept.due_at, kept.waived_at) == (T0 + 29 * HOUR, None)
    assert merged.waived_reason == "merged into item 1"
    assert room.items()[0].received_at == T0


def test_a_certificate_in_a_reply_resolves_the_item_that_was_named(room: Room) -> None:
    sha256 = held("clean")[0].sha256
    room.receive(identifiers=(identifier("sha256", sha256),), message_id="<a@x.example>")
    room.receive(certificates=held("clean"), in_reply_to=("<a@x.example>",), at=T0 + HOUR)
    (item,) = room.items()

    assert item.state == "resolved"
    assert len(room.owed("revocation")) == 1
    assert len(room.owed("preliminary_report_to_reporter")) == 1


def test_a_certificate_that_is_known_by_other_bytes_is_no_new_item(room: Room) -> None:
    room.receive(certificates=held("precertificate"), message_id="<a@x.example>")
    room.receive(certificates=held("final"), in_reply_to=("<a@x.example>",))

    assert len(room.items()) == 1
    assert len(room.all(ItemCertificate)) == 2


def test_a_serial_number_under_two_issuers_becomes_two_items_with_one_clock(room: Room) -> None:
    room.receive(identifiers=(identifier("serial_number", "5"),))
    resolve(room, 1, "clean", "other_ca_leaf")
    resolve(room, 1, "clean", "other_ca_leaf")

    assert [(one.number, one.ours) for one in room.items()] == [(1, "yes"), (2, "no")]
    assert [one.due_at for one in room.owed("revocation")] == [T0 + 24 * HOUR] * 2
    assert [one.value for one in room.all(ItemName)] == ["5", "5"]


def test_what_is_not_found_stays_owed_and_may_be_found_later(room: Room) -> None:
    room.receive(identifiers=crtsh(1))
    with room.write() as session:
        mark_not_found(session, 1, "crt.sh has no such certificate", now=T0)
    (item,) = room.items()
    resolve(room, 1, "clean")

    assert (item.state, item.problem) == ("not_found", "crt.sh has no such certificate")
    assert room.owed("revocation")[0].waived_at is None
    assert room.items()[0].state == "resolved"


def test_a_problem_is_told_once(room: Room) -> None:
    room.receive(identifiers=crtsh(1))
    for _ in range(3):
        with room.write() as session:
            note_problem(session, 1, "crt.sh is away", now=T0)
    from intake.tables import Notice

    assert room.items()[0].problem == "crt.sh is away"
    assert room.all(Notice)[0].wanted_version == 2


# ---- linting -------------------------------------------------------------------------------------


def lint(room: Room, sha256: str, state: str = "done", *severities: str) -> None:
    with room.write() as session:
        for linter in ALWAYS:
            run = LintRun(certificate=sha256, linter=linter, version="1", state=state, at=T0)
            add(session, run)
        for one in severities:
            add(session, LintFinding(run=run.id, code="x.y", severity=one))
        note_lint(session, [sha256], desk=room.desk, now=T0)


@pytest.mark.parametrize(
    ("state", "expected"),
    [("done", "done"), ("failed", "failed"), ("timed_out", "failed"), ("absent", "not_checked")],
)
def test_a_linter_that_failed_is_never_clean(room: Room, state: str, expected: str) -> None:
    room.receive(certificates=held("clean"))
    lint(room, held("clean")[0].sha256, state)

    assert room.items()[0].lint == expected


def test_an_item_is_linted_when_all_its_certificates_are(room: Room) -> None:
    room.receive(certificates=held("precertificate", "final"))
    lint(room, held("final")[0].sha256)
    half = room.items()[0].lint
    lint(room, held("precertificate")[0].sha256)

    assert (half, room.items()[0].lint) == ("not_checked", "done")


@pytest.mark.parametrize(
    ("name", "severity", "priority"),
    [
        ("clean", "error", "high"),
        ("clean", "fatal", "high"),
        ("clean", "warning", "normal"),
        ("other_ca_leaf", "error", "normal"),
    ],
)
def test_serious_findings_on_what_is_ours_raise_the_priority(
    room: Room, name: str, severity: str, priority: str
) -> None:
    room.receive(certificates=held(name))
    lint(room, held(name)[0].sha256, "done", severity)

    assert room.ticket().priority == priority
    assert len(room.events("priority_raised")) == (priority == "high")


def test_a_critical_ticket_is_never_lowered(room: Room) -> None:
    key = FoundKey("pkcs8", False, None, "1")
    room.receive(certificates=held("clean"), private_keys=(key,))
    lint(room, held("clean")[0].sha256, "done", "error")

    assert room.ticket().priority == "critical"


# ---- long lists ----------------------------------------------------------------------------------


def test_ten_thousand_identifiers_are_one_ticket_in_seconds(room: Room) -> None:
    many = crtsh(*range(1, 10_001))
    started = time.monotonic()
    room.receive(identifiers=many, message_id="<a@x.example>")
    opened = time.monotonic() - started
    started = time.monotonic()
    room.receive(identifiers=many, in_reply_to=("<a@x.example>",), at=T0 + timedelta(hours=1))
    joined = time.monotonic() - started
    print(  # noqa: T201 - figures for whoever looks with -s
        f"10,000 identifiers: ticket {opened:.2f} s, reply that names them again {joined:.2f} s"
    )

    assert count(room, Item) == count(room, Obligation) - 4 == count(room, Job) == 10_000


def count(room: Room, table: Any) -> int:
    from sqlmodel import func

    with room.database.read() as session:
        return session.exec(select(func.count()).select_from(table)).one()
