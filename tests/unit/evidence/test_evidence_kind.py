"""What kind of message it is, by its own account."""

import pytest

from intake.evidence.extract import extract_evidence
from tests.builders import make_message

ANSWERS = ("In-Reply-To", "<parent@ca.example>")


@pytest.mark.parametrize(
    ("headers", "subject", "kind"),
    [
        ((), "Misissued certificate", "report"),
        ((), "Re: Misissued certificate", "report"),
        ((ANSWERS,), "Re: Misissued", "reply"),
        ((("References", "<a@b> <c@d>"),), "x", "reply"),
        ((("In-Reply-To", "your message of Sunday"),), "x", "reply"),
        ((("Auto-Submitted", "auto-replied"),), "x", "auto_reply"),
        ((("Auto-Submitted", "auto-replied (vacation)"), ANSWERS), "Re: x", "auto_reply"),
        ((("Auto-Submitted", "no"), ANSWERS), "Re: x", "reply"),
        ((("Auto-Submitted", "auto-generated"),), "Scan report", "report"),
        ((("Auto-Submitted", "auto-generated"), ANSWERS), "[JIRA] comment", "reply"),
        ((("Auto-Submitted", "auto-notified"),), "x", "report"),
        ((("Auto-Submitted", "auto-generated"),), "Automatic reply: x", "auto_reply"),
        ((("Auto-Submitted", "auto-generated"),), "Automatische Antwort: x", "auto_reply"),
        ((("Auto-Submitted", "auto-generated"),), "AUTO: N is out of the office", "auto_reply"),
        ((("X-Auto-Response-Suppress", "All"),), "Misissued", "report"),
        ((("X-Auto-Response-Suppress", "All"),), "Automatic reply: x", "auto_reply"),
        ((), "Automatic reply: x", "report"),
        ((), "Out of office certificate", "report"),
        ((("X-Autoreply", "yes"),), "x", "auto_reply"),
        ((("X-Autoreply", "no"),), "x", "report"),
        ((("X-Autorespond", "Misissued"),), "x", "auto_reply"),
        ((("Precedence", "auto_reply"),), "x", "auto_reply"),
        ((("Precedence", "bulk"),), "x", "report"),
        ((("Precedence", "bulk"), ANSWERS), "away from my mail", "auto_reply"),
        ((("List-Id", "<a.example>"), ("Precedence", "list")), "x", "report"),
        ((("Content-Type", "multipart/report; report-type=delivery-status; boundary=a"),), "x", "delivery_status"),
        ((("Content-Type", "multipart/report; report-type=feedback-report; boundary=a"),), "x", "report"),
        ((("Content-Type", "multipart/report; report-type=disposition-notification; boundary=a"),), "Read: x", "auto_reply"),
    ],
)  # fmt: skip
def test_kinds_by_what_programs_really_send(headers, subject, kind):
    assert extract_evidence(make_message(headers=headers, subject=subject)).kind == kind


def test_a_bounce_is_told_by_its_empty_return_path():
    raw = make_message(sender="MAILER-DAEMON@mx.example", headers=(("Return-Path", "<>"),))

    assert extract_evidence(raw).kind == "delivery_status"
    assert extract_evidence(make_message(sender="mailer-daemon@mx.example")).kind == "report"


def test_a_bounce_names_the_message_that_came_back():
    body = "Failed.\r\n--- original header ---\r\nMessage-ID: <ours@ca.example>\r\nSubject: x\r\n"
    raw = make_message(
        sender="MAILER-DAEMON@mx.example", headers=(("Return-Path", "<>"),), body=body
    )

    assert extract_evidence(raw).delivery_status_of == ("<ours@ca.example>",)


@pytest.mark.parametrize(
    "subject",
    [
        "Automatic reply: x", "Automatische Antwort: x", "Réponse automatique : x", "Respuesta automática: x",
        "Risposta automatica: x", "Automatisch antwoord: x", "Resposta automática: x", "Autosvar: x", "Automatisk svar: x",
        "Odpowiedź automatyczna: x", "Automatická odpověď: x", "Automatická odpoveď: x", "Automaattinen vastaus: x",
        "Automatikus válasz: x", "Otomatik Yanıt: x", "Răspuns automat: x", "Автоответ: x", "Автоматический ответ: x",
        "Автоматична відповідь: x", "Αυτόματη απάντηση: x", "自动答复: x", "自动回复: x", "自動回覆: x", "自動応答: x",
        "자동 회신: x", "부재 중: x",
    ],
)  # fmt: skip
def test_the_subject_tells_an_automatic_reply_from_a_report_that_a_program_made(subject):
    generated = extract_evidence(
        make_message(headers=(("Auto-Submitted", "auto-generated"),), subject=subject)
    )

    assert generated.kind == "auto_reply"
    assert extract_evidence(make_message(subject=subject)).kind == "report"


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n\r\nhttps://crt.sh/?id=5", b"\x00\x01\x02", b"just text without any field"]
)
def test_bytes_without_a_single_field_are_unparsed(raw):
    assert extract_evidence(raw).kind == "unparsed"


@pytest.mark.parametrize(
    "body",
    [
        "> Message-ID: <a@b.example>\r\n",
        "Message-Id:\r\n <a@b.example>\r\n",
        "*Message-ID:* <a@b.example>\r\n",
        "In-Reply-To: <a@b.example>\r\n",
        "> References: <a@b.example>\r\n>  <a@b.example>\r\n",
        "Message-ID: a@b.example\r\n",
    ],
)
def test_ids_in_quoted_headers_are_mentioned(body):
    assert extract_evidence(make_message(body=body)).mentioned_message_ids == ("<a@b.example>",)


def test_ticket_tokens_are_read_from_subject_and_text():
    raw = make_message(
        subject="Re: [CPR-12-ABCDEF01] x", body="[CPR-7-00000001] and [CPR-0-00000001] [CPR-1-123]"
    )

    assert extract_evidence(raw).ticket_tokens == ((12, "abcdef01"), (7, "00000001"))


def test_the_token_of_a_probe_is_read():
    assert (
        extract_evidence(make_message(headers=(("X-CPR-Intake-Probe", "abc"),))).probe_token
        == "abc"
    )
    assert extract_evidence(make_message()).probe_token is None


def test_a_bounce_that_a_person_forwards_is_no_bounce():
    inner = "Content-Type: multipart/report; report-type=delivery-status; boundary=a\r\n\r\n--a\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n--a--\r\n"
    raw = make_message(headers=(("Content-Type", "message/rfc822"),), body=inner)

    assert extract_evidence(raw).kind == "report"
