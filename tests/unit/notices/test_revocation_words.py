"""What a card and the command line say about observed revocations and proven keys."""

from datetime import timedelta

from intake.notices.cards import render_card
from intake.notices.revocations import item_words, revocation_lines
from intake.notices.view_revocation import RevocationView
from intake.notices.words import utc_day
from intake.tables import Item, RevocationStatus
from tests.builders import NOW
from tests.notice_builders import make_view

HOUR = timedelta(hours=1)


def lines(**values) -> list[str]:
    view = make_view(revocation=RevocationView(**values))
    return list(revocation_lines(view, NOW, utc_day))


def test_a_revocation_says_since_when_and_when_we_saw_it():
    (line,) = lines(states={"revoked": 1}, asserted_at=NOW - 3 * HOUR, observed_at=NOW - HOUR)

    assert line == (
        "1 revoked, since Tue 24 Nov 09:00 UTC as the CA states, observed Tue 24 Nov 11:00 UTC"
    )


def test_what_is_not_revoked_is_said_with_the_time_of_looking():
    found = lines(states={"good": 3, "unknown": 1}, checked_at=NOW)

    assert found == ["3 not revoked, 1 not certain whether revoked, as of Tue 24 Nov 12:00 UTC"]


def test_alarms_are_loud_and_in_plain_words():
    found = lines(states={"unknown": 2}, alarms=(("sources_disagree", 2), ("claim_not_true", 1)))

    assert found[1:] == [
        "REVOCATION ALARM: has sources (CRL, OCSP) that do not agree (2 certificates)",
        "REVOCATION ALARM: was said to be revoked, and is not (1 certificate)",
    ]


def test_a_card_shows_revocation_and_proven_compromise():
    view = make_view(revocation=RevocationView(states={"revoked": 1}, observed_at=NOW))
    view.ticket.labels = ["key_compromise"]

    text = str(render_card(view, NOW).as_dicts())

    assert "1 revoked" in text
    assert "KEY COMPROMISE is proved" in text


def test_the_command_line_says_both_times_and_the_reason():
    status = RevocationStatus(
        issuer_sha256="", serial_number="5", certificate="", state="revoked", reason=1,
        asserted_revoked_at=NOW - HOUR, first_observed_revoked_at=NOW,
    )  # fmt: skip
    item = Item(ticket=1, number=1, received_at=NOW, alarms=["unrevoked"])

    text = item_words(item, status)

    assert text.startswith(
        "revoked since 2026-11-24T11:00:00Z, observed 2026-11-24T12:00:00Z, keyCompromise"
    )
    assert "ALARM: was revoked and is no longer" in text
