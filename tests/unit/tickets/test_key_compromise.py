"""What a proven key does to its ticket, and to every certificate that holds the key."""

import base64
import hashlib
from datetime import timedelta
from email.message import EmailMessage

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from intake.certificates.identity import remember_certificate
from intake.evidence.extract import extract_evidence
from intake.evidence.public_keys import key_match
from intake.evidence.values import Evidence, FoundCertificate, Identifier
from intake.tables import Certificate, Item, KeyStatement, Message, Obligation, ProvenKey
from intake.tickets import actions
from intake.tickets.compromise import join_proven_keys
from tests.builders import make_message
from tests.ca import MakeCa
from tests.keys import jws, pem, request, spki
from tests.unit.tickets.room import HOUR, T0, Room, crtsh, make_desk

pytestmark = pytest.mark.both_databases

CA = MakeCa()
ELSEWHERE = MakeCa("Another CA")
KEY = ec.generate_private_key(ec.SECP256R1())
LOST = f"Look what lay around:\n\n{pem(KEY)}\n"
REVOCATION = "revocation"


@pytest.fixture
def ours(room: Room) -> Room:
    room.desk = make_desk(issuing_cas=CA.cas())
    return room


def shown(body: str) -> dict:
    evidence: Evidence = extract_evidence(make_message(body=body))
    names = ("certificates", "private_keys", "key_proofs", "key_claims", "csrs")
    return {name: getattr(evidence, name) for name in names}


def known(room: Room, *ders: bytes, now=T0) -> list[str]:
    """Certificates that we know of already."""
    with room.database.write() as session:
        return [
            remember_certificate(
                session, der, origin="crtsh", now=now, issuing_cas=room.desk.issuing_cas
            ).sha256
            for der in ders
        ]


def found(*ders: bytes) -> tuple[FoundCertificate, ...]:
    return tuple(FoundCertificate(der, hashlib.sha256(der).hexdigest(), "1") for der in ders)


def live_items(room: Room, ticket: int = 1) -> list[Item]:
    return [one for one in room.items(ticket) if one.merged_into is None]


def test_every_known_certificate_with_the_key_joins_even_if_it_is_not_named(ours):
    known(ours, CA.leaf(1, key=KEY), CA.leaf(2, key=KEY), CA.leaf(3))

    decision = ours.receive(**shown(LOST))

    ticket = ours.ticket(decision.ticket)
    assert (ticket.priority, "key_compromise" in ticket.labels) == ("critical", True)
    assert sorted(one.serial_number for one in live_items(ours)) == ["1", "2"]
    assert {(one.reason, one.reason_by) for one in live_items(ours)} == {
        ("key_compromise", "service")
    }
    owed = [one for one in ours.owed(REVOCATION) if one.waived_at is None]
    assert {one.due_at for one in owed} == {T0 + 24 * HOUR}
    assert all("4.9.1.1(3)" in one.basis for one in owed)


def test_the_event_says_what_was_verified_how_and_by_which_version(ours):
    known(ours, CA.leaf(1, key=KEY))
    ours.receive(**shown(LOST))

    (event,) = ours.events("key_compromise_proved")
    detail = event.detail
    assert detail["key_match"] == key_match(spki(KEY))
    assert detail["method"].startswith("EC: the point was computed")
    assert detail["verifier"] == "intake key proofs 2"
    assert len(detail["proof_sha256"]) == 64
    assert detail["certificates"] == 1


def test_expired_and_foreign_certificates_with_the_key_are_no_items(ours):
    known(ours, CA.leaf(1, key=KEY, end=T0 - HOUR), ELSEWHERE.leaf(2, key=KEY))

    ours.receive(**shown(LOST))

    (item,) = live_items(ours)
    assert (item.serial_number, item.state) == (None, "unresolved")  # the key itself
    assert ours.all(ProvenKey)[0].key_match == key_match(spki(KEY))


def test_a_named_certificate_with_the_key_is_classified_and_not_doubled(ours):
    der = CA.leaf(1, key=KEY)
    evidence = shown(LOST)
    evidence["certificates"] = found(der, CA.leaf(1, key=KEY, precertificate=True))

    ours.receive(**evidence)

    (item,) = live_items(ours)
    assert (item.serial_number, item.reason) == ("1", "key_compromise")
    assert len([one for one in ours.owed(REVOCATION) if one.waived_at is None]) == 1


def test_a_certificate_in_another_encoding_of_the_key_is_found(ours):
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    n = private.private_numbers().public_numbers.n

    class OtherExponent:
        def public_key(self):
            return rsa.RSAPublicNumbers(3, n).public_key()

    known(ours, CA.leaf(7, key=OtherExponent()))

    ours.receive(**shown(pem(private)))

    assert [one.serial_number for one in live_items(ours)] == ["7"]


def test_what_a_person_said_before_is_overridden_by_the_proof_and_what_is_said_after_stays(ours):
    ours.receive(certificates=found(CA.leaf(1, key=KEY)), message_id="<first@reporter.example>")
    ours.do(actions.classify, now=T0, item=1, reason="no_revocation_needed")
    later = T0 + 48 * HOUR
    ours.receive(**shown(LOST), at=later, in_reply_to=("<first@reporter.example>",), kind="reply")
    item = live_items(ours)[0]
    assert (item.reason, item.reason_by) == ("key_compromise", "service")
    (owed,) = [one for one in ours.owed(REVOCATION) if one.item == item.id]
    assert (owed.waived_at, owed.due_at) == (None, later + 24 * HOUR)
    (event,) = ours.events("item_classified_by_proof")
    assert event.detail["before"] == "no_revocation_needed"

    ours.do(actions.classify, now=later, item=item.number, reason="expired")
    ours.receive(**shown(LOST + "again"), at=later + HOUR, kind="reply",
                 in_reply_to=("<first@reporter.example>",))  # fmt: skip

    assert live_items(ours)[0].reason == "expired"


def test_a_person_may_confirm_what_the_proof_says(ours):
    known(ours, CA.leaf(1, key=KEY))
    ours.receive(**shown(LOST))

    outcome = ours.do(actions.classify, now=T0, item=1, reason="key_compromise")

    assert outcome.changed
    assert live_items(ours)[0].reason_by == "U0ALICE"
    assert ours.owed(REVOCATION)[0].due_at == T0 + 24 * HOUR


def test_an_earlier_due_time_is_not_moved_by_a_later_proof(ours):
    ours.receive(certificates=found(CA.leaf(1, key=KEY)), message_id="<first@reporter.example>")
    ours.receive(
        **shown(LOST), at=T0 + 5 * HOUR, in_reply_to=("<first@reporter.example>",), kind="reply"
    )
    (owed,) = [one for one in ours.owed(REVOCATION) if one.item == live_items(ours)[0].id]

    assert owed.due_at == T0 + 24 * HOUR


def test_a_longer_window_is_tightened_by_a_proof(ours):
    ours.receive(certificates=found(CA.leaf(1, key=KEY)), message_id="<first@reporter.example>")
    ours.do(actions.classify, now=T0, item=1, reason="misuse")
    ours.receive(
        **shown(LOST), at=T0 + 5 * HOUR, in_reply_to=("<first@reporter.example>",), kind="reply"
    )
    (owed,) = [one for one in ours.owed(REVOCATION) if one.item == live_items(ours)[0].id]

    assert owed.due_at == T0 + 29 * HOUR


def test_a_certificate_that_becomes_known_later_joins_the_ticket_of_the_proof(ours):
    ours.receive(**shown(LOST))
    later = T0 + 3 * HOUR
    (sha256,) = known(ours, CA.leaf(9, key=KEY), now=later)
    with ours.database.write() as session:
        join_proven_keys(session, [session.get_one(Certificate, sha256)], desk=ours.desk, now=later)

    (item,) = live_items(ours)
    assert (item.serial_number, item.reason) == ("9", "key_compromise")
    owed = [one for one in ours.owed(REVOCATION) if one.item == item.id]
    assert [one.due_at for one in owed] == [T0 + 24 * HOUR]


def test_a_certificate_issued_after_the_proof_has_its_clock_from_then(ours):
    ours.receive(**shown(LOST))
    issued = T0 + 72 * HOUR
    ours.receive(certificates=found(CA.leaf(9, key=KEY, begin=issued)), at=issued)

    first, second = live_items(ours, 1)[0], live_items(ours, 2)[0]
    assert (first.serial_number, second.serial_number) == ("9", "9")
    assert (second.reason, ours.ticket(2).priority) == ("key_compromise", "critical")
    due = {one.due_at for one in ours.all(Obligation, Obligation.item == second.id)}
    assert due == {issued + 24 * HOUR}


def test_a_marked_signing_request_proves_as_much_as_the_key(ours):
    known(ours, CA.leaf(1, key=KEY))
    text = base64.encodebytes(request(KEY, "Proof of Key Compromise for our CA")).decode()
    body = f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"

    ours.receive(**shown(body))

    assert ours.ticket().priority == "critical"
    assert [one.reason for one in live_items(ours)] == ["key_compromise"]
    assert ours.all(Message)[0].holds_private_key is False


def test_a_plain_signing_request_proves_nothing(ours):
    known(ours, CA.leaf(1, key=KEY))
    text = base64.encodebytes(request(KEY, "www.example.com")).decode()
    body = f"-----BEGIN CERTIFICATE REQUEST-----\n{text}-----END CERTIFICATE REQUEST-----\n"

    ours.receive(**shown(body))

    assert (ours.ticket().priority, ours.ticket().labels) == ("normal", [])
    assert ours.all(ProvenKey) == []


def test_a_pwnedkeys_statement_counts_once_its_key_is_known(ours):
    ours.receive(**shown(jws(KEY)))
    assert ours.ticket().priority == "normal"
    assert ours.all(ProvenKey) == []

    ours.receive(certificates=found(CA.leaf(1, key=KEY)), at=T0 + HOUR)

    assert ours.all(ProvenKey)[0].kind == "jws"
    assert ours.all(KeyStatement)[0].proved_at == T0 + HOUR
    assert {ours.ticket(1).priority, ours.ticket(2).priority} == {"critical"}
    assert [one.reason for one in live_items(ours, 2)] == ["key_compromise"]


def test_a_statement_about_a_known_certificate_counts_at_once(ours):
    known(ours, CA.leaf(1, key=KEY))

    ours.receive(**shown(jws(KEY)))

    assert ours.ticket().priority == "critical"
    assert [one.serial_number for one in live_items(ours)] == ["1"]


def test_a_key_in_old_mail_is_proved_and_opens_no_ticket(ours):
    ours.watch(T0)

    decision = ours.receive(**shown(LOST), at=T0 - timedelta(days=400), now=T0)

    assert decision.kind == "before_watch"
    assert ours.all(ProvenKey)[0].ticket is None
    ours.receive(certificates=found(CA.leaf(1, key=KEY)), at=T0 + HOUR)
    assert live_items(ours)[0].reason == "key_compromise"


def test_an_encrypted_key_is_no_proof_and_still_critical(ours):
    known(ours, CA.leaf(1, key=KEY))

    ours.receive(**shown(pem(KEY, password=b"never said")))

    assert (ours.ticket().priority, ours.all(ProvenKey)) == ("critical", [])
    assert "key_compromise" not in ours.ticket().labels


def test_the_same_proof_twice_changes_nothing(ours):
    known(ours, CA.leaf(1, key=KEY))
    ours.receive(**shown(LOST), message_id="<first@reporter.example>")
    before = [(one.id, one.due_at) for one in ours.owed(REVOCATION)]

    ours.receive(**shown(LOST), at=T0 + HOUR, in_reply_to=("<first@reporter.example>",))

    assert [(one.id, one.due_at) for one in ours.owed(REVOCATION)] == before
    assert len(live_items(ours)) == 1


def test_a_certificate_that_proves_not_to_be_ours_owes_nothing_in_spite_of_the_proof(ours):
    evidence = shown(LOST)
    evidence["certificates"] = found(ELSEWHERE.leaf(1, key=KEY))

    ours.receive(**evidence, identifiers=crtsh(5))

    foreign = next(one for one in live_items(ours) if one.serial_number == "1")
    owed = [one for one in ours.owed(REVOCATION) if one.item == foreign.id]
    assert [one.waived_reason for one in owed] == ["not ours: issuer CN=Another CA"]


# ---- signed statements -------------------------------------------------------------------------

SAID = b"This key is compromised: it was found in a firmware image.\n"


def signed(text: bytes = SAID) -> dict:
    """What a mail shows that brings a statement and what `openssl dgst -sign` made of it."""
    message = EmailMessage()
    message.set_content("The proof is attached.\n")
    signature = KEY.sign(text, ec.ECDSA(hashes.SHA256()))
    for name, data in (("statement.txt", text), ("statement.sig", signature)):
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    evidence = extract_evidence(b"From: r@x.example\nTo: cps@ca.example\n" + message.as_bytes())
    return {name: getattr(evidence, name) for name in ("key_proofs", "key_claims")}


def test_a_signed_statement_about_a_certificate_of_its_mail_counts_at_once(ours):
    known(ours, CA.leaf(1, key=KEY), CA.leaf(2, key=KEY))
    serial_number = Identifier("serial_number", "1", "1", 0, "serial number 1")

    ours.receive(**signed(), certificates=found(CA.leaf(7)), identifiers=(serial_number,))
    assert ours.all(ProvenKey) == []  # it names no key, and that certificate is not looked up yet
    ours.receive(**signed(), certificates=found(CA.leaf(3, key=KEY)), at=T0 + HOUR)

    assert [one.kind for one in ours.all(ProvenKey)] == ["signed_statement"]
    assert ours.ticket(2).priority == "critical"
    assert {one.serial_number for one in live_items(ours, 2)} > {"1", "2", "3"}


def test_a_signed_statement_waits_for_a_certificate_of_its_ticket(ours):
    ours.receive(**signed(), identifiers=crtsh(5), message_id="<first@reporter.example>")
    ours.receive(certificates=found(CA.leaf(8, key=KEY)), at=T0 + HOUR)
    assert ours.all(ProvenKey) == []  # another ticket's, which nobody calls compromised

    ours.receive(
        certificates=found(CA.leaf(9, key=KEY)), at=T0 + HOUR, kind="reply",
        in_reply_to=("<first@reporter.example>",),
    )  # fmt: skip

    assert [one.proved_at for one in ours.all(KeyStatement)] == [T0 + HOUR]
    assert ours.ticket(1).priority == "critical"
    assert {one.serial_number for one in live_items(ours) if one.reason == "key_compromise"} == {
        "8", "9",
    }  # fmt: skip


def test_a_signed_statement_about_another_certificate_proves_nothing(ours):
    ours.receive(
        **signed(b"Key compromise: serial number 1111111111111111\n"),
        certificates=found(CA.leaf(9, key=KEY)),
    )

    assert ours.all(ProvenKey) == []
    assert ours.ticket().priority == "normal"
