"""Keys planted in every carrier are looked for in everything that the program ever shows or stores."""

import base64
import io
import logging
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat

from intake.cli.extract import evidence_document
from intake.evidence.extract import extract_evidence
from intake.service import Service
from tests.keys import der, jwk, pem, pfx, secrets_of, traces
from tests.world import World, arrived, wait_for

PASSWORD = b"Tr0ub4dor&3-horse"
SEALED = {("sealedmessage", "sealed")}  # the only place where the bytes may be, and it is encrypted


@dataclass
class Planted:
    """A mail with a key in one carrier."""

    name: str
    key: Any
    raw: bytes
    is_plain: bool = True  # the secret can be read in the raw bytes

    @property
    def pieces(self) -> set[bytes]:
        found = {piece for secret in secrets_of(self.key) for piece in traces(secret)}
        found |= {line.encode() for line in base64_lines(self.key)}
        # What is locked is as bad: its password stands beside it.
        return found | {line[-32:] for line in re.findall(rb"[A-Za-z0-9+/]{40,}", self.raw)}


def base64_lines(key: Any) -> Iterator[str]:
    """Lines of the PEM forms that hold secret numbers, in their middles."""
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        if isinstance(key, ed25519.Ed25519PrivateKey) and form is not PrivateFormat.PKCS8:
            continue
        lines = pem(key, form).splitlines()[1:-1]
        # A long key begins with its public modulus: only the lines after the middle are secret.
        yield from (line[:32] for line in lines[len(lines) // 2 :] if len(line) > 32)


def rsa_key() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def curve_key() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


def mail(
    name: str, text: str, *attachments: tuple[str, str, bytes], html: str = "", subject: str = ""
) -> bytes:
    message = EmailMessage()
    message["Received"] = "RECEIVED"
    message["From"] = "Rita Reporter <rita@reporter.example>"
    message["To"] = "cps@ca.example"
    message["Subject"] = subject or f"A key: {name}"
    message["Message-ID"] = f"<{name}@reporter.example>"
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    for kind, filename, data in attachments:
        main, _, sub = kind.partition("/")
        message.add_attachment(data, maintype=main, subtype=sub, filename=filename)
    return message.as_bytes().replace(b"\n", b"\r\n")


def zipped(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def planted() -> list[Planted]:
    found = []

    def plant(name: str, key: Any, raw: bytes, *, is_plain: bool = True) -> None:
        found.append(Planted(name, key, raw, is_plain))

    key = rsa_key()
    plant("pkcs1", key, mail("pkcs1", pem(key, PrivateFormat.TraditionalOpenSSL)))
    key = rsa_key()
    plant("pkcs8", key, mail("pkcs8", f"Look:\n{pem(key)}\nfound on a server"))
    key = curve_key()
    plant("sec1", key, mail("sec1", pem(key, PrivateFormat.TraditionalOpenSSL)))
    key = ed25519.Ed25519PrivateKey.generate()
    plant("openssh", key, mail("openssh", pem(key, PrivateFormat.OpenSSH)))
    key = rsa_key()
    plant("jwk", key, mail("jwk", f"the key:\n{jwk(key)}\n").replace(b"=\r\n", b""))
    key = curve_key()
    text = f"{pem(key, password=PASSWORD)}\nThe password is {PASSWORD.decode()}\n"
    plant("encrypted", key, mail("encrypted", text), is_plain=False)
    key = rsa_key()
    raw = mail(
        "pfx",
        f"password: {PASSWORD.decode()}",
        ("application/x-pkcs12", "a.p12", pfx(key, PASSWORD)),
    )
    plant("pfx", key, raw, is_plain=False)
    key = rsa_key()
    plant("der", key, mail("der", "attached", ("application/octet-stream", "a.bin", der(key))))
    key = curve_key()
    raw = mail("zip", "attached", ("application/zip", "a.zip", zipped("a.key", pem(key).encode())))
    plant("zip", key, raw, is_plain=False)
    key = curve_key()
    html = f"<html><body><!-- {pem(key)} --><p>Nothing to see</p></body></html>"
    plant("html", key, mail("html", "see the HTML", html=html))
    key = curve_key()
    quoted = "".join(f"> > {line}\n" for line in pem(key).splitlines())
    plant("quoted", key, mail("quoted", f"He wrote:\n{quoted}\nSo there."))
    key = curve_key()
    bare = "".join(pem(key).splitlines()[1:-1])
    plant("subject", key, mail("subject", "in the subject", subject=f"key {bare} found"))
    key = curve_key()
    forwarded = f"---- Forwarded ----\n{base64.b64encode(pem(key).encode()).decode()}\n"
    plant("base64", key, mail("base64", forwarded), is_plain=False)
    key = rsa_key()
    twice = mail("inner", pem(key))
    raw = mail("nested", "forwarded", ("application/octet-stream", "report.eml", twice))
    plant("nested", key, raw, is_plain=False)
    return found


# ---- everything that is shown or stored --------------------------------------------------------


def stored(world: World) -> Iterator[tuple[str, bytes]]:
    """Every column of every table but the sealed bytes, the full-text index and its pages too."""
    path = world.database.engine.url.database
    connection = sqlite3.connect(path)
    tables = [
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
    ]
    for table in tables:
        rows = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - our own names
        columns = [column[0] for column in rows.description]
        for row in rows:
            for column, value in zip(columns, row, strict=True):
                if (table, column) not in SEALED and value is not None:
                    yield from unpacked(f"{table}.{column}", value)
    connection.close()


def unpacked(place: str, value: Any) -> Iterator[tuple[str, bytes]]:
    data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    yield place, data
    if isinstance(value, bytes):
        for open_it in (zstandard.ZstdDecompressor().decompress, zlib.decompress):
            try:
                yield f"{place}, unpacked", open_it(data)
            except (zstandard.ZstdError, zlib.error):
                continue


def commands(world: World, mails: list[Planted]) -> Iterator[tuple[str, bytes]]:
    """What each command prints about each mail and ticket, for people and for programs."""
    asked: list[tuple[str, ...]] = [
        ("ticket", "list"), ("ticket", "list", "--json"), ("keys", "export"), ("keys", "export", "--csv"),
        ("keys", "export", "--json"), ("audit", "export"), ("audit", "export", "--csv"), ("audit", "verify"),
        ("reprocess",), ("reprocess", "--json"), ("search", "key"), ("search", "PRIVATE KEY", "--json"),
        ("check",),
    ]  # fmt: skip
    for number, one in enumerate(mails, start=1):
        identifier = f"<{one.name}@reporter.example>"
        asked += [
            ("message", "show", identifier), ("message", "show", identifier, "--json"),
            ("message", "show", identifier, "--raw"), ("trace", identifier), ("trace", identifier, "--json"),
            ("ticket", "show", str(number)), ("ticket", "show", str(number), "--json"),
            ("escalation", "preview", str(number)),
        ]  # fmt: skip
    for arguments in asked:
        yield " ".join(arguments), run(world, *arguments)
    for one in mails:
        yield f"extract {one.name}", repr(evidence_document(extract_evidence(one.raw))).encode()
    path = world.config.path.parent / "one.eml"
    path.write_bytes(b"\r\n".join(one.raw for one in mails))  # no mail at all: read as text
    for form in ((), ("--json",)):
        yield "extract", run(world, "extract", str(path), *form)


class Terminal(io.TextIOWrapper):
    """Standard output that also takes bytes."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    @property
    def taken(self) -> bytes:
        self.flush()
        return self.buffer.getvalue()  # type: ignore[attr-defined]


def run(world: World, *arguments: str) -> bytes:
    out, err = Terminal(), Terminal()
    with redirect_stdout(out), redirect_stderr(err):
        world.intake(*arguments)
    return out.taken + err.taken


def outside(world: World) -> Iterator[tuple[str, bytes]]:
    """What went to Slack and to the mail relay."""
    for call in world.slack.calls:
        yield f"slack {call}"[:60], repr(call).encode()
    yield "slack messages", repr(world.slack.messages).encode()
    yield "slack windows", repr(world.slack.views).encode()
    yield "slack whispers", repr(world.slack.ephemerals).encode()
    for message in world.mail.messages:
        yield "mail", message.raw if hasattr(message, "raw") else repr(message).encode()


def leaks(mails: list[Planted], shown: Iterator[tuple[str, bytes]]) -> list[str]:
    found = []
    pieces = [(one.name, one.pieces) for one in mails]
    for place, data in shown:
        joined = data.translate(None, b" \r\n\t>")
        for name, several in pieces:
            if any(piece in data or piece in joined for piece in several):
                found.append(f"{name} in {place}")
    return found


@pytest.fixture
def mails() -> list[Planted]:
    return planted()


def test_no_carrier_leaks_into_anything_that_is_shown_or_stored(
    world: World, mails: list[Planted], caplog: pytest.LogCaptureFixture
) -> None:
    """Only the sealed bytes hold a key; every output, log, column, index and notice is without it."""
    caplog.set_level(logging.DEBUG)
    control = [one for one in mails if one.is_plain]
    assert leaks(control, iter([(one.name, one.raw) for one in control])) == [
        f"{one.name} in {one.name}" for one in control
    ], "the search itself must find what is there"
    for one in mails:
        received = arrived(world.clock.now).encode()
        one.raw = one.raw.replace(b"Received: RECEIVED", b"Received: " + received)
        world.dovecot.append(one.raw, internal_date=world.clock.now)
    world.poll()
    world.advance_and_poll(hours=13)
    world.slack.fail("chat.postMessage", "internal_error")  # steps go out by mail
    world.advance_and_poll(hours=10)
    world.slack.heal()
    world.poll()
    press_details(world)

    assert {number: world.ticket(number)["priority"] for number in range(1, len(mails) + 1)} == (
        dict.fromkeys(range(1, len(mails) + 1), "critical")
    )
    assert leaks(mails, stored(world)) == []
    assert leaks(mails, outside(world)) == []
    assert world.mail.messages
    assert leaks(mails, commands(world, mails)) == []
    logged = "\n".join(f"{one.getMessage()} {one.exc_text} {one.args}" for one in caplog.records)
    assert leaks(mails, iter([("log", logged.encode())])) == []
    assert len(proven(world)) == len(mails)


def proven(world: World) -> list[str]:
    return [
        line
        for line in run(world, "keys", "export", "--csv").decode().splitlines()[1:]
        if line.strip()
    ]


def press_details(world: World) -> None:
    """Open the details of one ticket in Slack."""
    service = Service(world.parts)
    service.start()
    try:
        wait_for(lambda: world.slack.connections)
        card = world.slack.in_channel("C0CPR")[0]
        world.slack.press("details", card["ts"], "U0ALICE")
        wait_for(lambda: world.slack.views)
    finally:
        service.stop()


def test_the_exact_bytes_need_the_role_and_are_an_event(world: World, mails: list[Planted]) -> None:
    """`--reveal-keys` gives the bytes to whom the configuration allows it, and says who it was."""
    one = next(mail for mail in mails if mail.name == "pkcs8")
    world.dovecot.append(one.raw, internal_date=world.clock.now)
    world.poll()
    identifier = f"<{one.name}@reporter.example>"

    assert run(world, "message", "show", identifier, "--raw", "--reveal-keys") == one.raw

    config = world.config.path
    text = config.read_text()
    config.write_text(
        text.replace(
            'key_file = "archive.key"', 'key_file = "archive.key"\nreveal_keys = ["alice"]'
        )
    )
    refused = run(world, "message", "show", identifier, "--raw", "--reveal-keys")

    assert leaks([one], iter([("refused", refused)])) == []
    assert b"archive.reveal_keys" in refused
    log = run(world, "audit", "export")
    assert b"private_key_revealed" in log
    assert b"private_key_reveal_refused" in log
