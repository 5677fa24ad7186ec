"""A seeded generator of a realistic mailbox.

60% spam and newsletters, 25% ordinary threads, 10% reports with links and certificates, 5% odd;
about 20 KB a message. With `hostile_references` each message refers to many other threads.
"""

import base64
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

START = datetime(2026, 1, 1, tzinfo=UTC)
CERTIFICATES = Path(__file__).parent.parent / "fixtures" / "certificates"
WORDS = [
    "certificate",
    "order",
    "please",
    "thank",
    "invoice",
    "offer",
    "meeting",
    "tomorrow",
    "server",
    "renew",
    "domain",
    "account",
    "update",
    "security",
    "report",
    "browser",
    "customer",
    "service",
    "contract",
    "question",
    "answer",
    "delivery",
    "number",
    "regards",
    "hello",
    "team",
    "project",
    "release",
    "version",
    "problem",
    "support",
    "email",
    "address",
    "week",
    "price",
    "free",
]
BOUNDARY = "=_part_7f3a91c0"


def generate(count: int, *, seed: int = 1, hostile_references: bool = False) -> Iterator[bytes]:
    """Yield raw messages with CRLF line ends; the same ones for the same arguments."""
    chance = random.Random(seed)  # noqa: S311 - a mailbox that can be made again
    for number in range(count):
        yield _message(number, chance, hostile_references=hostile_references)


def _message(number: int, chance: random.Random, *, hostile_references: bool) -> bytes:
    kind = chance.choices(("bulk", "thread", "report", "odd"), (60, 25, 10, 5))[0]
    at = START + timedelta(seconds=37 * number)
    headers = _headers(number, kind, at, chance)
    if hostile_references and number:
        others = (chance.randrange(number) for _ in range(60))
        headers.append(("References", "\r\n ".join(_message_id(other) for other in others)))
    elif kind == "thread" and number and chance.random() < 0.7:
        headers.append(("In-Reply-To", _message_id(chance.randrange(max(0, number - 50), number))))
    body = {"bulk": _bulk, "thread": _thread, "report": _report, "odd": _odd}[kind](number, chance)
    lines = [f"{name}: {value}" for name, value in headers]
    content_type, text = body
    lines += ["MIME-Version: 1.0", f"Content-Type: {content_type}"]
    return ("\r\n".join(lines) + "\r\n\r\n" + text).encode("utf-8", "surrogateescape")


def _message_id(number: int) -> str:
    return f"<{number:08d}.{number * 2654435761 % 2**32:08x}@host{number % 97}.example>"


def _headers(number: int, kind: str, at: datetime, chance: random.Random) -> list[tuple[str, str]]:
    host = f"mail{chance.randrange(400)}.sender.example"
    stamp = format_datetime(at)
    headers = [
        ("Return-Path", f"<bounce-{number}@{host}>"),
        ("Received", f"from {host} ({host} [198.51.100.{number % 250}])\r\n"
         f"\tby mx1.ca.example (Postfix) with ESMTPS id {number:010X}\r\n"
         f"\tfor <cps@ca.example>; {stamp}"),
        ("Received", f"from app ([10.1.2.3]) by {host} with ESMTP; {stamp}"),
        ("DKIM-Signature", "v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.example; s=k1;\r\n\tb="
         + "\r\n\t".join(_base64(chance, 48) for _ in range(5))),
        ("From", f"{_word(chance).title()} {_word(chance).title()} <{_word(chance)}@{host}>"),
        ("To", "cps@ca.example"),
        ("Subject", _sentence(chance, 6)),
        ("Message-ID", _message_id(number)),
        ("Date", stamp),
    ]  # fmt: skip
    if kind == "bulk":
        headers.append(("List-Unsubscribe", f"<https://{host}/u/{_hex(chance, 32)}>"))
    return headers


def _bulk(number: int, chance: random.Random) -> tuple[str, str]:
    rows = "\r\n".join(
        f'<tr><td style="padding:0 12px;font:14px Arial"><a href="https://click.sender.example/c/'
        f'{_hex(chance, 40)}?u={number}">{_sentence(chance, 12)}</a></td></tr>'
        for _ in range(chance.randrange(40, 120))
    )
    html = f"<html><body><table>{rows}</table></body></html>\r\n"
    plain = "\r\n".join(_sentence(chance, 12) for _ in range(20))
    return _alternative(plain, html)


def _alternative(plain: str, html: str) -> tuple[str, str]:
    parts = (("text/plain", plain), ("text/html", html))
    text = "".join(
        f"--{BOUNDARY}\r\nContent-Type: {kind}; charset=utf-8\r\n\r\n{content}\r\n"
        for kind, content in parts
    )
    return f'multipart/alternative; boundary="{BOUNDARY}"', f"{text}--{BOUNDARY}--\r\n"


def _thread(_number: int, chance: random.Random) -> tuple[str, str]:
    lines = [_sentence(chance, 12) for _ in range(chance.randrange(20, 120))]
    lines += [f"> {_sentence(chance, 11)}" for _ in range(chance.randrange(100, 240))]
    return "text/plain; charset=utf-8", "\r\n".join(lines) + "\r\n"


def _report(number: int, chance: random.Random) -> tuple[str, str]:
    links = "\r\n".join(
        f"https://crt.sh/?id={number * 50 + one}&opt=cablint"
        for one in range(chance.randrange(1, 6))
    )
    pem = (CERTIFICATES / "internal_name.pem").read_text().replace("\n", "\r\n")
    text = "\r\n".join(_sentence(chance, 12) for _ in range(150))
    attachment = "\r\n".join(_base64(chance, 57) for _ in range(60)) if number % 3 == 0 else ""
    return "text/plain; charset=utf-8", f"{text}\r\n{links}\r\n{pem}\r\n{attachment}\r\n"


def _odd(number: int, chance: random.Random) -> tuple[str, str]:
    which = number % 4
    if which == 0:
        return "text/plain; charset=x-unknown", "\udce9\udcff " + _sentence(chance, 400)
    if which == 1:
        return "multipart/mixed; boundary=nowhere", _sentence(chance, 500)
    if which == 2:
        rows = "\r\n".join(_base64(chance, 57) for _ in range(600))
        head = (
            f"--{BOUNDARY}\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        )
        return f'multipart/mixed; boundary="{BOUNDARY}"', f"{head}{rows}\r\n--{BOUNDARY}--\r\n"
    return "text/plain", ""


def _word(chance: random.Random) -> str:
    return chance.choice(WORDS)


def _sentence(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(WORDS, k=words))


def _hex(chance: random.Random, digits: int) -> str:
    return f"{chance.getrandbits(4 * digits):0{digits}x}"


def _base64(chance: random.Random, octets: int) -> str:
    return base64.b64encode(chance.randbytes(octets)).decode()
