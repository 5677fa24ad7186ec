"""What is split by hand is what the library makes of it, or is left to the library."""

import random
from itertools import chain
from pathlib import Path

import pytest

from benchmarks.generate import generate
from benchmarks.newsletters import generate_noise
from intake.evidence.entities import parse, parse_thoroughly
from tests.entity_shape import is_split_by_hand, shape

EMAILS = Path(__file__).parents[3] / "fixtures" / "emails"


def _samples() -> list[bytes]:
    files = (path.read_bytes() for path in sorted(EMAILS.glob("*.eml")))
    whole = list(chain(generate(150), generate_noise(100), files))
    as_sent = [raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for raw in whole]
    return as_sent + whole


def test_both_ways_give_the_same_entities() -> None:
    samples = _samples()
    by_hand = [one for one in samples if is_split_by_hand(parse(one))]
    assert len(by_hand) > len(samples) // 2
    for one in by_hand:
        assert shape(parse(one)) == shape(parse_thoroughly(one))


def test_they_do_so_for_mail_that_was_damaged_anywhere() -> None:
    chance = random.Random(5)  # noqa: S311
    pieces = [b"\r\n", b"\n", b"\r", b"--", b":", b" ", b'"', b"", b"\r\n\r\n", b"--\r\n", b"\xff"]
    by_hand = 0
    for raw in generate(60):
        for _ in range(20):
            at = chance.randrange(len(raw))
            damaged = raw[:at] + chance.choice(pieces) + raw[at + chance.randrange(5) :]
            entity = parse(damaged)
            by_hand += is_split_by_hand(entity)
            assert shape(entity) == shape(parse_thoroughly(damaged))
    assert by_hand > 100


HEAD = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"--B\r\n\r\none\r\n--B",  # not closed
        HEAD + b"--B\r\n\r\none\r\n--B--\r\nsaid afterwards\r\n",
        HEAD + b"--B\r\n\r\none\r\n--BC\r\n\r\ntwo\r\n--B--\r\n",  # another boundary
        HEAD + b"--B\r\n\r\none\n--B\r\n\r\ntwo\r\n--B--\r\n",  # a bare line feed
        HEAD + b"--B\r\nnot a field\r\n\r\none\r\n--B--\r\n",
        HEAD + b"--B\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n--B--\r\n",
        HEAD.replace(b"mixed", b"digest") + b"--B\r\n\r\nSubject: y\r\n\r\nz\r\n--B--\r\n",
        HEAD.replace(b"=B", b'="B\\"C"') + b'--B"C\r\n\r\none\r\n--B"C--\r\n',
        HEAD.replace(b"=B", b"*0=B; boundary*1=C") + b"--BC\r\n\r\none\r\n--BC--\r\n",
        HEAD.replace(b"=B", b"=B (a comment)") + b"--B\r\n\r\none\r\n--B--\r\n",
        b"Subject: x\r\nno field\r\nFrom: a@b.example\r\n\r\ntext\r\n",
        b"From rita\r\nSubject: x\r\n\r\ntext\r\n",
        b"Subject : x\r\n\r\ntext\r\n",
    ],
)
def test_what_is_unusual_is_left_to_the_library(raw: bytes) -> None:
    assert not is_split_by_hand(parse(raw))
    assert shape(parse(raw)) == shape(parse_thoroughly(raw))


@pytest.mark.parametrize(
    ("raw", "contents"),
    [
        (HEAD + b"--B\r\n\r\none\r\n--B\r\nX: y\r\n\r\n--B--\r\n", [b"one", b""]),
        (HEAD + b"Read it\r\n\r\n--B \t\r\n\r\none\r\n\r\n--B--", [b"one\r\n"]),
        (HEAD + b"--B\r\nContent-Transfer-Encoding: base64\r\n\r\nb25\r\nl\r\n--B--\r\n", [b"one"]),
        (HEAD + b"--B\r\nContent-Transfer-Encoding: BASE64 \r\n\r\nb25l\r\n--B--\r\n", [b"one"]),
        (HEAD + b"--B\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\no=6Ee\r\n--B--\r\n", [b"one"]),
    ],
)  # fmt: skip
def test_what_is_usualis_split_by_hand(raw: bytes, contents: list[bytes]) -> None:
    entity = parse(raw)
    assert is_split_by_hand(entity)
    assert [child.content() for child in entity.get_payload()] == contents  # type: ignore[union-attr]
