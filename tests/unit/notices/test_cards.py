from datetime import timedelta

import pytest

from intake.notices.cards import render_card
from intake.notices.view import Place, Revocations
from intake.notices.view_items import CertificateCounts, FindingCount, LintSummary
from intake.tables import Message
from tests.builders import NOW
from tests.notice_builders import DAY, make_view

JUNK = Place("cps", "Junk", in_junk=True, gone=False)


def texts(view, now=NOW):
    """The text of each block, in order."""
    found = []
    for block in render_card(view, now).as_dicts():
        text = block.get("text") or (block.get("elements") or [{}])[0]
        found.append(text.get("text", "") if block["type"] != "actions" else "")
    return found


def card_text(view, now=NOW):
    return "\n".join(texts(view, now))


def buttons(view):
    (block,) = [one for one in render_card(view, NOW).as_dicts() if one["type"] == "actions"]
    return [one["action_id"] for one in block["elements"]]


def message(**values):
    return Message(
        sha256="0", size=1, body_sha256="0", received_at=NOW, received_from="received",
        first_seen_at=NOW, **values,
    )  # fmt: skip


def test_the_first_line_says_what_to_do_by_when():
    first = texts(make_view(), NOW + timedelta(hours=20, minutes=48))[0].split("\n")[0]

    assert first.startswith("*Acknowledge by <!date^1795608000^{time} {date_short_pretty}|")
    assert first.endswith("(12:00 UTC) — 3 h 12 min left*")


def test_the_card_says_what_comes_next():
    assert (
        "\nBy the same time: preliminary report to the reporter and the Subscriber"
        in texts(make_view())[0]
    )


def test_the_order_is_the_one_that_was_asked_for():
    view = make_view(
        places=(JUNK,),
        counts=CertificateCounts(total=2, ours=1, not_ours=1, lint_done=2),
        worst=(FindingCount("error", "a.b", "", 2, in_force=True),),
        messages=(message(holds_private_key=True),),
    )
    text = card_text(view)
    order = [
        "Acknowledge by", "Reported by", "2 certificates", "Worst findings", "FOUND IN JUNK",
        "*State*", "PRIVATE KEY", "*CPR-12*",
    ]  # fmt: skip

    assert sorted(order, key=text.index) == order


def test_an_acknowledged_ticket_shows_who_when_and_the_next_duty():
    view = make_view(acknowledged=True)
    first = texts(view, NOW + timedelta(hours=2))[0].split("\n")

    assert first[0].startswith("*Preliminary report to the reporter and the Subscriber by")
    assert first[1].startswith(":white_check_mark: Acknowledged by <@U0ALICE> at <!date^")
    assert "acknowledge" not in buttons(view)


def test_a_reply_brings_the_button_back():
    view = make_view(acknowledged=True)
    view.obligations[0].met_at = None

    assert buttons(view)[0] == "acknowledge"
    assert "*Acknowledge the new reply by" in texts(view)[0]


def test_what_is_overdue_is_loud():
    first = texts(make_view(), NOW + DAY + timedelta(hours=2, minutes=5))[0]

    assert first.startswith(":rotating_light: *Acknowledge: was due")
    assert "— overdue by 2 h 5 min*" in first


def test_a_closed_ticket_says_why_and_can_be_reopened():
    view = make_view(
        state="closed", disposition="not_a_problem_report", closed_at=NOW, closed_by="root",
        closed_reason="a newsletter",
    )  # fmt: skip
    (actions,) = [one for one in render_card(view, NOW).as_dicts() if one["type"] == "actions"]

    assert texts(view)[0].startswith("*Closed: not a problem report*")
    assert "a newsletter" in texts(view)[0]
    assert [one["action_id"] for one in actions["elements"]] == ["details", "more"]
    assert "reopen:12" in [one["value"] for one in actions["elements"][1]["options"]]


def test_junk_is_said_loudly_in_the_card_and_in_the_notification():
    view = make_view(places=(JUNK,))

    assert ":warning: *FOUND IN JUNK" in card_text(view)
    assert "FOUND IN JUNK" in render_card(view, NOW).text


def test_a_long_list_says_when_it_will_be_done():
    view = make_view(counts=CertificateCounts(total=1000, unresolved=990), lookups_ahead=3600)

    assert "990 still being looked up at crt.sh, one a second, done by about" in card_text(view)
    assert "(13:00 UTC)" in card_text(view)


def test_what_was_not_checked_is_never_called_clean():
    view = make_view(counts=CertificateCounts(total=3, ours=3, lint_done=1, lint_failed=1))

    assert "Lint found nothing in 1 of 3" in card_text(view)
    assert "1 not linted yet, 1 could not be linted: not checked, not clean" in card_text(view)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (CertificateCounts(total=1, ours=1), "*1 certificate, ours*"),
        (CertificateCounts(total=1, not_ours=1), "*1 certificate, not ours*"),
        (CertificateCounts(total=1), "*1 certificate, not yet known whose*"),
        (CertificateCounts(total=1200, ours=1200), "*1,200 certificates, all ours*"),
        (
            CertificateCounts(total=14, ours=10, not_ours=1),
            "*14 certificates:* 10 ours, 1 not ours, 3 not yet known whose",
        ),
    ],
)
def test_the_card_says_whose_the_certificates_are(counts, words):
    assert words in card_text(make_view(counts=counts))


def test_a_suggestion_is_told_with_its_window_and_is_no_verdict():
    counts = CertificateCounts(total=3, ours=3, lint_done=3)
    lint = LintSummary(suggested=(("weak_key", 1), ("not_issued_in_accordance", 2)))
    text = card_text(make_view(counts=counts, lint=lint))

    assert "*Suggested by findings*" in text
    assert "weak_key: the private key is easily computed from the public key" in text
    assert "BR 4.9.1.1(4) (2.2.6)" in text
    assert "revoke within 1 d of T0, CRL reason keyCompromise — 1 certificate" in text
    assert "revoke within 5 d of T0, CRL reason superseded — 2 certificates" in text
    assert "A finding is no proof, and its absence no innocence" in text


def test_without_suggestions_nothing_is_suggested():
    assert "Suggested" not in card_text(make_view(counts=CertificateCounts(total=1, ours=1)))


def test_a_linter_that_was_not_there_is_named():
    counts = CertificateCounts(total=1, ours=1, lint_done=1)
    text = card_text(make_view(counts=counts, lint=LintSummary(absent=("badkeys-blocklist",))))

    assert "Lint found nothing; that is no proof that nothing is wrong" in text
    assert "Not checked by badkeys-blocklist, which is not installed" in text


def test_a_stranger_with_our_name_is_said_loudly():
    text = card_text(make_view(labels=["names_our_ca"], messages=(message(kind="unparsed"),)))

    assert ":rotating_light: *A certificate names our CA as its issuer" in text
    assert ":mag: *The mail could not be read by machine" in text


def test_trouble_with_the_look_up_is_told():
    counts = CertificateCounts(total=1, unresolved=1, problem="crt.sh answered <503>")

    assert "Last trouble: crt.sh answered &lt;503&gt;" in card_text(make_view(counts=counts))


def test_revocations_are_counted_with_the_first_due_time():
    view = make_view(revocations=Revocations(open=3, next_due_at=NOW + DAY))

    assert "By the same time: revoke 3 certificates, or classify why not" in texts(view)[0]


def test_a_later_duty_has_its_own_time():
    view = make_view(revocations=Revocations(open=1, next_due_at=NOW + timedelta(days=5)))

    assert "Then: Revoke 1 certificate by <!date^1795953600^" in texts(view)[0]


def test_a_private_key_is_warned_of():
    view = make_view(messages=(message(holds_private_key=True),))

    assert ":key: *The mail holds a PRIVATE KEY" in card_text(view)


def test_parts_that_could_not_be_read_are_told():
    view = make_view(messages=(message(reading_problems=["a", "b"]),))

    assert ":mag: *2 parts of the mail could not be read by machine" in card_text(view)


def test_a_late_sighting_is_told():
    view = make_view(opened_at=NOW + timedelta(hours=20))

    assert "*LATE:* arrived at" in card_text(view, NOW + timedelta(hours=20))


HOSTILE = (
    "<!channel> <https://x|ok> *b* `c`\n@here <@U0ALICE> :white_check_mark:\u202e" + "A" * 10_000
)


@pytest.mark.parametrize("now", [NOW, NOW + timedelta(days=400)])
def test_hostile_text_neither_calls_nor_breaks_a_limit(now):
    links = tuple(f"<https://x/{number}|ok>@evil" for number in range(5_000))
    view = make_view(
        subject=HOSTILE, reporters=links, message_ids=links, closed_reason=HOSTILE, assignee=HOSTILE,
        labels=[HOSTILE] * 50, places=tuple(Place(HOSTILE, link, True, False) for link in links),
        counts=CertificateCounts(total=9, unresolved=9, problem=HOSTILE),
        worst=tuple(FindingCount("error", link, link, 1, True) for link in links[:50]),
    )  # fmt: skip
    card = render_card(view, now)
    shown = "".join(map(str, card.as_dicts())) + card.text

    assert "<!channel>" not in shown
    assert "<https:" not in shown
    assert "<@U0ALICE>" not in shown
    assert "&lt;!channel&gt;" in shown


def test_the_card_of_an_empty_message_says_so():
    text = card_text(make_view(subject="", reporters=(), message_ids=(), places=()))

    assert "_no sender named_" in text
    assert "_no subject_" in text
    assert "no Message-ID" in text
    assert "No certificate is named; read the mail." in text
