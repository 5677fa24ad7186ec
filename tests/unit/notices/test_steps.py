from datetime import timedelta

from intake.notices.letters import render_letter, render_text_letter
from intake.notices.steps import (
    CardPlace,
    is_overtaken,
    render_refusal,
    render_step,
    render_text,
)
from intake.notices.view import Place
from intake.notices.view_items import CertificateCounts, FindingCount
from intake.tables import Message, Notice
from tests.builders import NOW
from tests.notice_builders import DAY, make_view


def step(label="acknowledgement 18h", *, hours=18, **values):
    due_at = NOW + timedelta(hours=hours)
    defaults = {"covers": [label], "to": "C0CPR,S0ONCALL"}
    return Notice(
        id=7, key="k", kind="step", ticket=12, step=label, due_at=due_at, created_at=due_at,
        next_try_at=due_at, **(defaults | values),
    )  # fmt: skip


def step_text(notice, view, now, **how):
    card = render_step(view, notice, now, **how)
    return "\n".join(
        (one.get("text") or one["elements"][0]).get("text", "")
        for one in card.as_dicts()
        if one["type"] != "actions"
    )


def test_a_step_calls_the_group_and_says_what_is_owed():
    now = NOW + timedelta(hours=18)
    text = step_text(step(), make_view(), now)

    assert text.startswith("<!subteam^S0ONCALL>\n*Acknowledge by")
    assert "— 6 h left*" in text
    assert "*CPR-12* arrived 18 h ago and nobody has acknowledged it." in text


def test_missed_steps_are_named_with_how_late_it_is():
    notice = step(covers=["acknowledgement 12h", "preliminary report 12h", "acknowledgement 18h"])
    text = step_text(notice, make_view(), NOW + timedelta(hours=20))

    assert (
        "Steps: acknowledgement 12h, 18h; preliminary report 12h, the newest told 2 h late" in text
    )


def test_a_breach_says_that_the_limit_is_broken():
    notice = step("acknowledgement 24h", hours=24)
    text = step_text(notice, make_view(), NOW + DAY)

    assert ":rotating_light: *Acknowledge: was due" in text
    assert "the time limit is BROKEN" in text


def test_a_step_says_where_the_card_is():
    link = "https://ca-example.slack.com/archives/C0CPR/p1"
    where = step_text(step(), make_view(), NOW, card=CardPlace("C0CPR", link))

    assert f"<{link}|Open the card> in <#C0CPR>" in where
    assert "The card is not posted yet" in step_text(step(), make_view(), NOW)


def test_a_step_about_reports_speaks_of_reports():
    notice = step("preliminary report 12h", hours=12)
    text = step_text(notice, make_view(acknowledged=True), NOW + timedelta(hours=12))

    assert "*Preliminary report to the reporter and the Subscriber by" in text
    assert "no preliminary report is recorded yet" in text


def test_what_was_done_meanwhile_overtakes_a_step():
    acknowledged, closed = make_view(acknowledged=True), make_view(state="closed")
    both = step(covers=["acknowledgement 24h", "preliminary report 24h"])

    assert not is_overtaken(step(), make_view())
    assert is_overtaken(step(), acknowledged)
    assert not is_overtaken(step("preliminary report 12h"), acknowledged)
    assert not is_overtaken(both, acknowledged)
    assert is_overtaken(both, closed)


def test_a_letter_says_first_what_to_do_and_then_what_to_type():
    view = make_view(
        places=(Place("cps", "Junk", True, False),),
        counts=CertificateCounts(total=2, ours=2, lint_done=2),
        worst=(FindingCount("error", "a.b", "", 2, True),),
    )
    letter = render_letter(view, step(), NOW + timedelta(hours=18), why_mail="invalid_auth")
    lines = letter.body.split("\n")

    assert letter.subject == (
        "[CPR-12-abcdef01] Acknowledge by Wed 25 Nov 12:00 UTC: Misissued certificate"
    )
    assert lines[0] == "Acknowledge by Wed 25 Nov 12:00 UTC (6 h left)."
    assert "  intake ticket acknowledge 12" in lines
    assert "FOUND IN JUNK:folder Junk of mailbox cps" in lines
    assert "2 certificates, all ours" in letter.body
    assert "error a.b (2 of 2)" in letter.body
    assert "because Slack did not take it: invalid_auth" in letter.body


def test_a_letter_of_a_card_that_needs_no_acknowledgement_asks_for_none():
    notice = step()
    notice.kind = "card"
    letter = render_letter(make_view(acknowledged=True), notice, NOW + timedelta(hours=2))

    assert "intake ticket acknowledge" not in letter.body
    assert letter.body.startswith("Preliminary report to the reporter and the Subscriber by")


def test_a_letter_takes_no_header_from_a_subject():
    view = make_view(subject="x\r\nBcc: all@ca.example\r\n\r\n\x1b[31m\u202e")
    letter = render_letter(view, step(), NOW)

    assert "\n" not in letter.subject
    assert "\x1b" not in letter.body
    assert "\u202e" not in letter.body


def test_a_private_key_is_told_of_in_a_letter_and_a_step():
    message = Message(
        sha256="0", size=1, body_sha256="0", received_at=NOW, received_from="received",
        first_seen_at=NOW, holds_private_key=True,
    )  # fmt: skip
    view = make_view(messages=(message,))

    assert "WARNING:      The mail holds a PRIVATE KEY" in render_letter(view, step(), NOW).body
    assert "PRIVATE KEY" in step_text(step(), view, NOW)


def test_text_notices_are_escaped():
    notice = step()
    notice.kind, notice.text = "digest", "2 tickets were dismissed\n<!channel> *x*"
    (block,) = render_text(notice).as_dicts()
    letter = render_text_letter(notice)

    assert block["text"]["text"] == (
        "<!subteam^S0ONCALL>\n:newspaper: *2 tickets were dismissed*\n&lt;!channel&gt; ∗x∗"
    )
    assert letter.subject == "[CPR intake] 2 tickets were dismissed"


def test_a_refusal_is_polite_and_says_who_may():
    text = render_refusal(["U0ALICE", "S0RESPONDERS"])

    assert text.startswith("Sorry,")
    assert "<@U0ALICE> <!subteam^S0RESPONDERS>" in text
