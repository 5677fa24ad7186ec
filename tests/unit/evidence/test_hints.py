"""One look at a text tells what it may hold; it may say too much, and never too little."""

import random
from hashlib import sha256
from pathlib import Path

import pytest

from benchmarks.generate import generate
from intake.evidence import hints, identifiers, pattern_set, texts
from intake.evidence.extract import extract_evidence
from intake.evidence.hints import EVERYTHING, look
from intake.evidence.identifiers import find_named
from intake.evidence.pattern_set import PatternSet
from intake.evidence.serials import HINTS

H40, H64 = "0123456789abcdef0123456789abcdef01234567", sha256(b"x").hexdigest()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("-----BEGIN CERTIFICATE-----", hints.BLOCK),
        ("MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkq", hints.BLOCK),
        ("MHcCAQEEI-AAAAAAAAAAAAA_AAAAAAAAAAA-AAAA", hints.BLOCK),
        ('{"kty": "RSA"}', hints.WRITTEN_KEY),
        ("privateExponent:", hints.WRITTEN_KEY),
        ('{"payload": "a2V5IGlzIHB3bmVk"}', hints.JSON),
        ("see hxxps[:]//crt[.]sh", hints.LINK),
        ("see crt[dot]sh/?id=1", hints.LINK),
        ("see crt(dot)sh/?id=1", hints.LINK),
        ("MIIE vQIB ADAN Bgkq", hints.BLOCK),
        ("MC4CAQAw\r\n> BQYDK2Vw", hints.BLOCK),
        ("crt.sh ID 19429431", hints.CERTIFICATE_ID),
        ("pin-SHA256=", hints.PIN),
        *((f"the {word.upper()} is", hints.SERIAL) for word in HINTS),
        (H40, hints.HEX),
        ("0xABCDEF0123456789", hints.HEX),
        ("AB:CD:EF:01:23", hints.HEX),
        ("abcd ef01 2345", hints.HEX),
        ("abcdef01\u00a0abcdef01", hints.HEX),
    ],
)
def test_a_sign_is_seen_between_any_others(text: str, hint: str) -> None:
    assert hint in look(text)
    assert hint in look(f"Grüße\n{'word ' * 1000}\0 \ud800 {text} {'word ' * 1000}\U0001f600")


def test_ordinary_prose_hints_at_nothing() -> None:
    assert not look("Dear team,\nplease call me back on 12 March about the invoice.\n" * 50)


def test_a_search_that_failed_hints_at_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    failing = PatternSet({"a": "a"})
    monkeypatch.setattr(failing, "_always", 99)  # what is always found was not
    assert failing.found_in("abc") is None
    monkeypatch.setattr(hints, "_SET", failing)
    assert look("nothing") == EVERYTHING
    assert [one.kind for one in find_named(f"fingerprint {H64}")] == ["sha256"]


def test_little_memory_makes_it_slow_and_not_blind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pattern_set, "MEMORY", 1 << 15)
    small = PatternSet({"pairs": "(?:[0-9a-f]{2}[:-]){20}", "hash": "[0-9a-f]{60}"})
    noise = "".join(f"{number * 7919:x} {number:o}-" for number in range(5000))
    assert small.found_in(noise) == frozenset()
    assert small.found_in(noise + H64) == {"hash"}


def test_mail_shows_the_same_when_every_search_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(3)  # noqa: S311
    emails = Path(__file__).parents[3] / "fixtures" / "emails"
    samples = [*generate(30), *(path.read_bytes() for path in sorted(emails.glob("*.eml")))]
    signs = [
        b"serial: ",
        b"CRT.SH/?id=5",
        b"crt[.]sh",
        b"SHA-256 ",
        b"ab:cd:ef:01:",
        b"BEGIN",
        b'"kty"',
        b"\xc2\xa0",
        b"",
    ]
    mail = []
    for sample in samples:
        if len(sample) < 30_000:
            for _ in range(2):
                at, sign = chance.randrange(len(sample)), chance.choice(signs)
                mail.append(sample[:at] + sign + sample[at + chance.randrange(4) :])
    as_hinted = [extract_evidence(one) for one in mail]
    for module in (texts, identifiers):
        monkeypatch.setattr(module, "look", lambda _text: EVERYTHING)
    assert [extract_evidence(one) for one in mail] == as_hinted
