"""Every charset that Python knows, and names that nobody knows."""

import base64
import codecs
from encodings.aliases import aliases

import pytest

from intake.evidence.extract import extract_evidence
from intake.evidence.headers import NO_CHARSETS

LINK = "https://crt.sh/?id=5"


def is_charset(name: str) -> bool:
    info = codecs.lookup(name)
    return (
        getattr(info, "_is_text_encoding", True) and info.name.replace("-", "_") not in NO_CHARSETS
    )


def known_charsets() -> list[str]:
    found = set()
    for name in {*aliases.values(), *aliases}:
        try:
            if is_charset(name):
                LINK.encode(name)
                found.add(name)
        except (LookupError, UnicodeError):
            continue
    return sorted(found)


def mail_in(charset: str, body: bytes) -> bytes:
    head = f'From: a@b.example\r\nContent-Type: text/plain; charset="{charset}"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    return head.encode() + base64.encodebytes(body)


def test_a_link_is_found_in_every_charset_that_python_knows():
    missed = [
        name for name in known_charsets()
        if extract_evidence(mail_in(name, f"See {LINK} now".encode(name))).values_of("crtsh_id") != ("5",)
    ]  # fmt: skip

    assert len(known_charsets()) > 300
    assert missed == []


@pytest.mark.parametrize(
    "said",
    ["utf-8", "us-ascii", "x-unknown", "", "zip", "idna", "unicode-1-1-utf-7", "8bit", "ANSI"],
)
@pytest.mark.parametrize(
    "true",
    ["utf-8", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"],
)
def test_a_link_is_found_though_the_charset_is_wrong(said, true):
    body = f"Größe of the list: {LINK} and more".encode(true)

    assert extract_evidence(mail_in(said, body)).values_of("crtsh_id") == ("5",)
