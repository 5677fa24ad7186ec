"""Characters that nobody sees, within links, hashes, names of hosts and keys."""

from email.message import EmailMessage

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from intake.evidence.extract import Evidence, extract_evidence
from intake.evidence.invisible import INVISIBLE, splits_words
from tests.builders import make_message

SPACE = "\u200b"
HASH = "3f3fa1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e"
OTHER = HASH[::-1]
NAMES = [hex(ord(one)) for one in INVISIBLE]


def reading(text: str, subtype: str = "plain") -> Evidence:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@b.example", "cps@ca.example", "x"
    message.set_content(text, subtype=subtype, charset="utf-8", cte="base64")
    return extract_evidence(message.as_bytes())


def named(evidence: Evidence) -> list[tuple[str, str, int]]:
    return [(one.kind, one.value, one.offset) for one in evidence.identifiers]


@pytest.mark.parametrize("sign", INVISIBLE, ids=NAMES)
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see crt.@sh/?id=19429431 now", ("crtsh_id", "19429431", 4)),
        ("see https://cr@t.sh/?id=194@29431 now", ("crtsh_id", "19429431", 4)),
        (f"SHA-256: {'@'.join(HASH)} end", ("sha256", HASH, 9)),
        (f"one {HASH[:24]}@{HASH[24:]} end", ("sha256", HASH, 4)),
        (f"one {HASH[:20]}@{HASH[20:40]} end", ("sha1", HASH[:40], 4)),
        ("serial number: 03:ab:@cd:ef:01:23:45:67:89:ab", ("serial_number", "3abcdef0123456789ab", 15)),
    ],
)  # fmt: skip
def test_what_they_split_is_read_as_it_looks(text, found, sign):
    text = text.replace("@", sign)
    evidence = reading(text)

    assert named(evidence) == [found]
    (one,) = evidence.identifiers
    assert (one.part, text[one.offset :][: len(one.named_as)]) == ("1", one.named_as)
    assert evidence.unclassified_hex == ()


@pytest.mark.parametrize("sign", INVISIBLE, ids=NAMES)
def test_what_stands_between_two_things_joins_nothing(sign):
    text = f"https://crt.sh/?id=5{sign}See https://crt.sh/?id=6{sign} and {HASH}{sign}{OTHER}"
    evidence = reading(text)

    assert [value for _, value, _ in named(evidence)] == ["5", "6", HASH, OTHER]


def test_a_host_is_named_as_it_looks():
    assert reading(f"The host exam{SPACE}ple.com is misissued.").domains == ("example.com",)


def test_a_subject_is_read_as_it_looks():
    evidence = extract_evidence(make_message(subject=f"crt.{SPACE}sh/?id=19429431"))

    assert ("19429431", "subject") in [(one.value, one.part) for one in evidence.identifiers]


def test_html_is_read_as_it_looks_text_and_target():
    source = f"""<p><a href="https://crt.{SPACE}sh/?id=19429431">here</a> crt.{SPACE}sh/?id=5
        crt.&#8203;sh/?id=626981823 crt.sh/?id=62<wbr>6981824 {HASH[:10]}&shy;{HASH[10:]}</p>"""
    evidence = reading(source, "html")
    places = {one.value: one.offset for one in evidence.identifiers}

    assert set(places) == {"19429431", "5", "626981823", "626981824", HASH}
    assert source[places["5"] :].startswith(f"crt.{SPACE}sh/?id=5")
    assert source[places[HASH] :].startswith(HASH[:10])


def test_a_link_that_shows_its_target_does_not_differ_from_it():
    source = f'<a href="https://crt.sh/?id=5">https://crt.{SPACE}sh/?id=5</a>'

    assert reading(source, "html").differing_links == ()


@pytest.mark.parametrize(
    "mask",
    [
        lambda text: text.replace("PRIVATE", f"PRI{SPACE}VATE"),
        lambda text: text.replace("\n", f"{SPACE}\n"),
        SPACE.join,
        lambda text: "\n".join(SPACE.join(line) for line in text.splitlines()),
    ],
)
def test_a_key_that_they_split_is_a_key_and_is_not_shown(mask):
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    evidence = reading(f"The key:\n{mask(pem)}\nRegards")
    shown = evidence.text.replace(SPACE, "")

    assert [one.kind for one in evidence.private_keys] == ["pkcs8"]
    assert not any(line[8:40] in shown for line in pem.splitlines()[1:-1])


def test_padding_and_syllables_of_ordinary_mail_are_not_read_twice():
    assert not splits_words("Zerti\u00adfikate und Versand\u00adkosten, \u200c \u200c \u200c" * 50)
    assert not splits_words("plain")
    assert reading("Zerti\u00adfikate ver\u00adschickt \u200c\u00a0\u200c").identifiers == ()
