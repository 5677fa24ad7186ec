from datetime import timedelta

import pytest

from intake.demo.slack_rules import problem_in_view
from intake.notices.modals import TITLES, check_entries, render_details, render_form
from intake.notices.view import Revocations
from intake.notices.view_items import CertificateCounts, ItemView
from intake.tables import Event, Item
from tests.builders import NOW
from tests.notice_builders import DAY, make_view

HOSTILE = "<!channel> *x* `y`" + "z" * 5000


@pytest.mark.parametrize("form", sorted(TITLES))
@pytest.mark.parametrize("kind", ["plain", "hostile", "old"])
def test_every_form_is_one_that_slack_takes(form, kind):
    received_at = NOW - timedelta(days=3300 if kind == "old" else 0)
    view = make_view(
        subject=HOSTILE if kind == "hostile" else "x",
        received_at=received_at,
        assignee="U0MIRA",
        revocations=Revocations(open=2, next_due_at=NOW + DAY),
    )
    modal = render_form(form, view, NOW, channel="C0CPR")

    assert problem_in_view(modal) is None
    assert modal["private_metadata"] == '{"ticket": 12, "channel": "C0CPR"}'
    assert "<!channel>" not in str(modal)


def test_closing_names_what_is_still_owed():
    modal = render_form("close", make_view(), NOW, channel="C0CPR")

    assert "Still owed, and given up by closing" in str(modal)
    assert "Preliminary report to the reporter and the Subscriber" in str(modal)


def test_details_show_certificates_history_and_notes():
    item = Item(ticket=12, number=1, received_at=NOW, serial_number="ab12", ours="yes", lint="done")
    view = make_view(
        counts=CertificateCounts(total=20, ours=20, lint_done=20),
        items=(ItemView(item, findings={"error": 2}),),
        events=(
            Event(
                at=NOW, actor="U0ALICE", action="note_added", ticket=12,
                detail={"text": "called them <!here>"}, previous_hash="", hash="",
            ),
        ),
    )  # fmt: skip
    modal = render_details(view, NOW, channel="C0CPR")
    text = str(modal)

    assert problem_in_view(modal) is None
    assert "1. `serial ab12` · ours · unresolved · 2 error" in text
    assert "… and 19 more" in text
    assert "<@U0ALICE> · note added: called them &lt;!here&gt;" in text


def test_details_of_hostile_text_are_ones_that_slack_takes():
    item = Item(ticket=12, number=1, received_at=NOW, state=HOSTILE, reason=HOSTILE)
    event = Event(
        at=NOW, actor=HOSTILE, action=HOSTILE, ticket=12, detail={"text": HOSTILE},
        previous_hash="", hash="",
    )  # fmt: skip
    view = make_view(
        subject=HOSTILE,
        items=(ItemView(item, named_as=(HOSTILE,)),) * 15,
        events=(event,) * 40,
        message_ids=(HOSTILE,) * 100,
    )
    modal = render_details(view, NOW, channel="C0CPR")

    assert problem_in_view(modal) is None
    assert "<!channel>" not in str(modal)


def test_empty_words_are_sent_back_at_once():
    assert list(check_entries("dismiss", {"reason": "  "})) == ["reason"]
    assert check_entries("dismiss", {"reason": "a newsletter"}) == {}


def test_a_certificate_is_named_by_number_or_all_of_them():
    assert list(check_entries("classify", {"item": "first", "reason": "x"})) == ["item"]
    assert check_entries("classify", {"item": "ALL", "reason": "misuse"}) == {}
