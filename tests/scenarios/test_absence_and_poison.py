"""What a long absence of ours, or one poisonous message, costs the others: nothing."""

from dataclasses import replace
from datetime import timedelta

from sqlmodel import select

from intake.archive.search import messages_with_id
from intake.certificates.der import CertificateParts
from intake.certificates.ownership import IssuingCas, Ownership
from intake.tables import Job, Message
from tests.builders import make_message
from tests.world import CERTIFICATES, World, arrived, certificate

DAYS = 10
DEEP = (
    b"Subject: deep\r\nMessage-ID: <deep@x>\r\n"
    + b"Content-Type: message/rfc822\r\n\r\n" * 1000
    + b"Subject: end\r\n\r\nhttps://crt.sh/?id=9000001\r\n"
)


def mail(number: int, world: World, *, days_ago: float = 0) -> bytes:
    """Reports about nothing in common."""
    return make_message(
        message_id=f"<m{number}@reporter.example>",
        sender=f"r{number}@reporter{number}.example",
        subject=f"Report {number}",
        body=f"Certificate {number} is wrong.\r\n",
        received=(arrived(world.clock() - timedelta(days=days_ago)),),
    )


def test_p11_after_ten_days_of_ours_away_all_that_came_is_read_and_late(world: World) -> None:
    """No window of days, and no unread flag, decides what is new."""
    world.dovecot.deliver(mail(0, world))
    world.poll()
    world.clock.advance(days=DAYS)
    for number in range(1, 2 * DAYS + 1):
        at = world.clock() - timedelta(days=DAYS - number / 2)
        days_ago = DAYS - number / 2
        world.dovecot.deliver(mail(number, world, days_ago=days_ago), internal_date=at)
    with world.dovecot.client() as client:  # a colleague read them all meanwhile
        client.select_folder("INBOX")
        client.set_flags(client.search(), [rb"\Seen"])

    world.poll()

    with world.database.read() as session:
        found = session.exec(select(Message).order_by(Message.id)).all()  # type: ignore[arg-type]
    assert len(found) == len({one.ticket for one in found}) == 2 * DAYS + 1
    waited = sorted(
        round((world.clock() - one.received_at) / timedelta(days=1), 1) for one in found
    )
    assert waited == sorted([DAYS, *(DAYS - number / 2 for number in range(1, 2 * DAYS + 1))])
    # The clock of each ran from its receipt: those of the last 24 hours alone are not late.
    tickets = [world.ticket(number) for number in range(1, 2 * DAYS + 2)]
    late = [one for one in tickets if one["obligations"][0]["due_at"] < f"{world.clock():%FT%TZ}"]
    assert len(late) == 2 * DAYS + 1 - 3


class Failing(IssuingCas):
    """A fault of our program that one certificate brings out."""

    def owner_of_parts(self, parts: CertificateParts) -> Ownership:
        if parts.subject.whole in certificate("other_ca_leaf"):
            raise ZeroDivisionError
        return super().owner_of_parts(parts)


def test_p19_a_fault_of_ours_costs_one_message_its_evidence_and_nine_others_nothing(
    world: World,
) -> None:
    """All ten are decided on together; then each by itself, and the one from its header alone."""
    poison = (CERTIFICATES / "other_ca_leaf.pem").read_text()
    for number in range(10):
        body = f"Certificate {number}: https://crt.sh/?id=900000{number}\r\n"
        text = mail(number, world).decode() + body + (poison if number == 4 else "")
        world.dovecot.deliver(text.encode())
    failing = Failing(world.parts.desk.issuing_cas.cas)
    world.parts = replace(world.parts, desk=replace(world.parts.desk, issuing_cas=failing))

    world.poll()

    tickets = [world.ticket(number) for number in range(1, 11)]
    assert all(one["state"] == "open" for one in tickets)
    assert sum("limits_hit" in one["labels"] for one in tickets) == 1
    assert sum(bool(one["certificates"]) for one in tickets) == 9
    with world.database.read() as session:
        [flagged] = [one for one in session.exec(select(Message)) if one.reading_problems]
        assert messages_with_id(session, "<m4@reporter.example>") == [flagged]
        assert "our program failed" in " ".join(flagged.reading_problems)
        jobs = session.exec(select(Job).where(Job.kind == "process_message")).all()
        assert {one.state for one in jobs} == {"done"}


def test_p19_one_that_breaks_the_reader_is_flagged_and_nine_others_are_tickets(
    world: World,
) -> None:
    """A thousand messages within one another, and one that our program fails on."""
    for number in range(4):
        world.dovecot.deliver(mail(number, world))
    world.dovecot.deliver(DEEP)
    for number in range(5, 10):
        world.dovecot.deliver(mail(number, world))

    world.poll()

    labels = [set(world.ticket(number)["labels"]) for number in range(1, 11)]
    flagged = [one for one in labels if "limits_hit" in one]
    assert len(flagged) == 1
    with world.database.read() as session:
        found = session.exec(select(Message)).all()
    assert len({one.ticket for one in found}) == 10
    [deep] = [one for one in found if one.reading_problems]
    assert deep.subject == "deep"
