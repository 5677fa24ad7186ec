"""A seeded generator of newsletters, spam and machine mail: what a mailbox gets that names no certificate.

They are full of what looks like fingerprints and serial numbers: signatures, tracking links,
UUIDs, commits, checksums of releases, PGP fingerprints, addresses of cryptocurrency, serial numbers
of devices. None of it may become a certificate identifier.
"""

import base64
import random
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

START = datetime(2026, 1, 1, tzinfo=UTC)
CRLF = "\r\n"
WORDS = """
summer sale free delivery offer today your account invoice payment meeting agenda release notes webinar join us
learn more team project update new features security tips customers order shipped thanks for being with us
weekly digest stories product design cloud platform pricing upgrade trial limited time win prize unsubscribe
""".split()  # noqa: SIM905 - words are read better so
COLOURS = ("#ffffff", "#0a66c2", "#1d1d1f", "#deadbe", "#facade")


def generate_noise(count: int, *, seed: int = 1) -> Iterator[bytes]:
    """Yield raw messages with CRLF line ends; the same ones for the same arguments."""
    chance = random.Random(seed)  # noqa: S311 - a mailbox that can be made again
    for number in range(count):
        body = chance.choices([one for one, _ in _KINDS], [weight for _, weight in _KINDS])[0]
        content_type, text = body(chance)
        yield f"{_headers(chance, number)}Content-Type: {content_type}{CRLF}{CRLF}{text}".encode()


# ---- pieces ------------------------------------------------------------------------------------


def _hex(chance: random.Random, digits: int) -> str:
    return f"{chance.getrandbits(4 * digits):0{digits}x}"


def _uuid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _base64(chance: random.Random, octets: int) -> str:
    return base64.b64encode(chance.randbytes(octets)).decode()


def _sentence(chance: random.Random, words: int = 12) -> str:
    return " ".join(chance.choices(WORDS, k=words)).capitalize() + "."


def _link(chance: random.Random) -> str:
    host = (
        f"click.{chance.choice(('mail', 'news', 'e', 'link'))}.shop{chance.randrange(99)}.example"
    )
    return chance.choice((
        f"https://{host}/c/{_hex(chance, 64)}?u={_hex(chance, 32)}&id={_uuid(chance)}",
        f"https://{host}/ls/click?upn={_base64(chance, 90).replace('/', '-2F').replace('+', '-2B')}",
        f"https://{host}/track/{_hex(chance, 40)}/{_hex(chance, 16)}?redirect=https%3A%2F%2Fshop.example%2F%3Fsha%3D{_hex(chance, 40)}",
        f"https://{host}/?id={chance.randrange(10**9)}&e={_hex(chance, 24)}&serial={chance.randrange(10**8)}",
        f"https://www.virustotal.example/gui/file/{_hex(chance, 64)}",
    ))  # fmt: skip


def _headers(chance: random.Random, number: int) -> str:
    host = f"mta{chance.randrange(99)}.sender.example"
    stamp = format_datetime(START + timedelta(seconds=53 * number))
    signature = (CRLF + "\t ").join(_base64(chance, 48) for _ in range(5))
    lines = [
        f"Return-Path: <bounce-{_hex(chance, 40)}@{host}>",
        f"Received: from {host} ({host} [198.51.100.7]) by mx1.ca.example with ESMTPS id {_hex(chance, 12)}; {stamp}",
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.example; s=s1;{CRLF}\th=from:to:subject;"
        f"{CRLF}\tbh={_base64(chance, 32)};{CRLF}\tb={signature}",
        f"ARC-Seal: i=1; a=rsa-sha256; d=sender.example; cv=none; b={_base64(chance, 64)}",
        f"X-Google-DKIM-Signature: v=1; a=rsa-sha256; bh={_base64(chance, 32)}; b={_base64(chance, 64)}",
        f"X-Message-Hash: {_hex(chance, 64)}",
        f"Feedback-ID: {_hex(chance, 40)}:news",
        f"From: News <news@{host}>",
        "To: cps@ca.example",
        f"Subject: {_sentence(chance, 6)} [{_hex(chance, 8)}]",
        f"Message-ID: <{_hex(chance, 40)}.{chance.randrange(10**9)}@{host}>",
        f"Date: {stamp}",
        f"List-Unsubscribe: <https://u.sender.example/{_hex(chance, 64)}>, <mailto:u-{_hex(chance, 32)}@sender.example>",
        "MIME-Version: 1.0",
    ]
    return CRLF.join(lines) + CRLF


def _multipart(chance: random.Random, kind: str, *parts: tuple[str, str]) -> tuple[str, str]:
    boundary = chance.choice(
        (f"----=_Part_{_hex(chance, 40)}", f"--_NmP-{_hex(chance, 16)}-Part_1", _hex(chance, 64))
    )
    text = "".join(
        f"--{boundary}{CRLF}Content-Type: {one}{CRLF}{CRLF}{content}{CRLF}"
        for one, content in parts
    )
    return f'multipart/{kind}; boundary="{boundary}"', f"{text}--{boundary}--{CRLF}"


# ---- kinds -------------------------------------------------------------------------------------


def _newsletter(chance: random.Random) -> tuple[str, str]:
    rows = CRLF.join(
        f'<tr><td style="color:{chance.choice(COLOURS)}" id="{_uuid(chance)}"><a href="{_link(chance)}">{_sentence(chance)}</a>'
        f'<img src="https://img.example/{_hex(chance, 64)}.png" alt="">{_sentence(chance, 20)}</td></tr>'
        for _ in range(chance.randrange(8, 60))
    )
    html = f"<!doctype html><html><head><style>.x{{color:{COLOURS[1]}}}</style></head><body><table>{rows}</table></body></html>"
    plain = CRLF.join(f"{_sentence(chance)} {_link(chance)}" for _ in range(10))
    return _multipart(
        chance,
        "alternative",
        ("text/plain; charset=utf-8", plain),
        ("text/html; charset=utf-8", html),
    )


def _plain_spam(chance: random.Random) -> tuple[str, str]:
    wallet = "0x" + "".join(chance.choice("0123456789abcdefABCDEF") for _ in range(40))
    lines = [
        _sentence(chance, 30), f"Pay 0.4 ETH to {wallet} within 48 hours.",
        f"TXID: {_hex(chance, 64)}", f"Ref {chance.randrange(10**11)} / {_uuid(chance).upper()}",
        f"Call +44 20 {chance.randrange(1000, 9999)} {chance.randrange(1000, 9999)} or IBAN DE{chance.randrange(10**19):020d}",
        _link(chance),
    ]  # fmt: skip
    return "text/plain; charset=utf-8", CRLF.join(lines)


def _commits(chance: random.Random) -> tuple[str, str]:
    lines = [
        f"  Branch: refs/heads/main{CRLF}  Home:   https://git.example/rita/project",
        f"  Commit: {_hex(chance, 40)}{CRLF}      https://git.example/rita/project/commit/{_hex(chance, 40)}",
        f"Compare: https://git.example/rita/project/compare/{_hex(chance, 12)}...{_hex(chance, 12)}",
        f"The following changes since commit {_hex(chance, 40)}:{CRLF}{CRLF}  {_sentence(chance, 5)}{CRLF}",
        f"for you to fetch changes up to {_hex(chance, 40)}:",
        f"commit {_hex(chance, 40)}{CRLF}Author: Rita <rita@dev.example>{CRLF}{CRLF}    {_sentence(chance, 7)}",
        f"index {_hex(chance, 7)}..{_hex(chance, 7)} 100644",
    ]
    return "text/plain; charset=utf-8", CRLF.join(lines)


def _release(chance: random.Random) -> tuple[str, str]:
    name = f"tool-{chance.randrange(9)}.{chance.randrange(99)}"
    grouped = " ".join(_hex(chance, 4).upper() for _ in range(10))
    lines = [
        f"We are glad to release {name}.", "", f"{_hex(chance, 64)}  {name}.tar.gz", f"{_hex(chance, 64)} *{name}.zip",
        f"SHA256 ({name}.tar.xz) = {_hex(chance, 64)}", f"SHA1 ({name}.tar.xz) = {_hex(chance, 40)}",
        f"  image: registry.example/{name}@sha256:{_hex(chance, 64)}",
        f"{name}==1.0 --hash=sha256:{_hex(chance, 64)}", "", "-- ", "Nina Dev",
        f"PGP fingerprint: {grouped}", f"GPG Key fingerprint = {_hex(chance, 40).upper()}",
    ]  # fmt: skip
    return "text/plain; charset=utf-8", CRLF.join(lines)


def _shop(chance: random.Random) -> tuple[str, str]:
    device = "".join(chance.choices("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", k=12))
    html = (
        f"<html><body><h1>Order {chance.randrange(10**10)}</h1><table><tr><th>Item</th><th>Serial No.</th><th>Price</th></tr>"
        + "".join(
            f"<tr><td>{_sentence(chance, 3)}</td><td>{number}</td><td>9.99</td></tr>"
            for number in range(1, 6)
        )
        + f"</table><p>Device serial: S/N {device}G</p><p>Tracking 1Z{chance.randrange(10**16):016d}</p>"
        f'<a href="{_link(chance)}">www.shop.example</a></body></html>'
    )
    return "text/html; charset=utf-8", html


def _with_picture(chance: random.Random) -> tuple[str, str]:
    lines = CRLF.join(_base64(chance, 57) for _ in range(120))
    picture = f"image/png{CRLF}Content-Transfer-Encoding: base64{CRLF}Content-ID: <{_hex(chance, 32)}@mail>"
    html = f'<html><body><img src="cid:{_hex(chance, 32)}@mail"><a href="{_link(chance)}">Open</a></body></html>'
    return _multipart(chance, "related", ("text/html", html), (picture, lines))


def _forwarded_header(chance: random.Random) -> tuple[str, str]:
    lines = [
        "Please look at this strange mail:",
        "",
        *(f"> {line}" for line in _headers(chance, 7).split(CRLF)),
        "> ",
        "> hello",
    ]
    return "text/plain; charset=utf-8", CRLF.join(lines)


_KINDS: tuple[tuple[Callable[[random.Random], tuple[str, str]], int], ...] = (
    (_newsletter, 50), (_plain_spam, 15), (_shop, 12), (_with_picture, 8), (_commits, 6), (_release, 5), (_forwarded_header, 4),
)  # fmt: skip
