"""Headers on which mail libraries break, and encodings in which links hide."""

import base64
import email
import email.policy
import quopri
import sys

import pytest

from intake.evidence.extract import extract_evidence

BODY = b"\r\n\r\nLook at https://crt.sh/?id=19429431\r\n"
# Access to one of these headers raises in the library's modern policy, in some of its versions.
BREAKING = {
    "id_in_brackets": b"Message-ID: <[ABCDEF====@microsoft.com]>",
    "id_of_outlook": b"Message-ID: <SMTPIN_ADDED_BROKEN@mx.example",
    "parameter_star": b"Message-ID: <own@x>\r\nContent-Type: text/plain; name*=x; name*1*=y",
    "star_alone": b"Message-ID: <own@x>\r\nContent-Type: text/plain; name*",
    "open_comment": b"Message-ID: <own@x>\r\nTo: (c):",
    "line_end_in_a_word": b"Message-ID: <own@x>\r\nReply-To: =?utf-8?q?a=0Ab?= <r@x>",
}
FROM = b"From: r@reporter.example\r\nSubject: broken\r\n"


@pytest.mark.parametrize("name", BREAKING)
def test_p04_what_breaks_the_library_hides_neither_id_nor_sender_nor_link(name: str) -> None:
    header = BREAKING[name]
    wanted = header.partition(b": ")[2].partition(b"\r\n")[0].decode()

    evidence = extract_evidence(FROM + header + BODY)

    assert evidence.message_ids == (wanted,)
    assert evidence.senders == ("r@reporter.example",)
    assert evidence.subject == "broken"
    assert [one.value for one in evidence.identifiers] == ["19429431"]
    assert evidence.limits_hit == ()


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="later libraries are mended in part")
def test_p04_the_modern_policy_does_raise_on_them() -> None:
    """Else what is above would show nothing."""
    broken = set()
    for name, header in BREAKING.items():
        try:
            message = email.message_from_bytes(FROM + header + BODY, policy=email.policy.default)
            for field in message:
                str(message[field])
        except Exception:  # noqa: BLE001 - of any kind
            broken.add(name)

    assert len(broken) >= 3


LINK = b"https://crt.sh/?id=19429431&opt=cablint"


def encoded(body: bytes, encoding: str, media_type: str = "text/plain") -> bytes:
    head = f"From: r@x\r\nContent-Type: {media_type}\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return head.encode() + b"\r\n" + body


def in_parts(part: bytes) -> bytes:
    head = b"From: r@x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head + b"--b\r\n\r\nSee below.\r\n--b\r\n" + part + b"\r\n--b--\r\n"


HIDDEN = {
    "plain": encoded(LINK, "7bit"),
    "quoted_printable": encoded(quopri.encodestring(b"x " * 36 + LINK), "quoted-printable"),
    "every_octet_quoted": encoded(b"".join(b"=%02X" % one for one in LINK), "quoted-printable"),
    "base64": encoded(base64.encodebytes(b"x " * 40 + LINK), "base64"),
    "target_in_html": encoded(b"<a href='" + LINK + b"'>here</a>", "7bit", "text/html"),
    "html_in_base64": encoded(
        base64.encodebytes(b"<p><a href=" + LINK.replace(b"&", b"&amp;") + b">x</a>"),
        "base64", "text/html",
    ),
    "nested": in_parts(b"Content-Type: message/rfc822\r\n\r\n" + encoded(LINK, "7bit")),
    "nested_twice": in_parts(
        b"Content-Type: message/rfc822\r\n\r\n"
        b"Subject: fwd\r\nContent-Type: message/rfc822\r\n\r\n" + encoded(LINK, "7bit")
    ),
    "nested_in_base64": in_parts(
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(encoded(LINK, "7bit"))
    ),
    "under_broken_parameters": in_parts(encoded(base64.encodebytes(LINK), "base64")).replace(
        b"boundary=b", b"boundary=b; name*=x; name*1*=y"
    ),
    "after_the_last_part": in_parts(b"\r\nnothing") + LINK,
    "before_the_first_part": in_parts(b"\r\nnothing").replace(b"\r\n\r\n", b"\r\n\r\n" + LINK + b"\r\n", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", HIDDEN)
def test_p46_a_link_is_found_however_it_is_encoded_or_nested(name: str) -> None:
    found = extract_evidence(HIDDEN[name]).identifiers

    assert {(one.kind, one.value) for one in found} == {("crtsh_id", "19429431")}
