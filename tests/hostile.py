"""Messages made to hurt who reads them, in any size, and what reading them costs.

`python -m tests.hostile` prints seconds and memory for each kind as Markdown, at 10 and at 60 MB;
`tests/integration/test_hostile_messages.py` holds the smaller ones to their limits.
"""

import argparse
import base64
import bz2
import gzip
import io
import random
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from intake.evidence.extract import Limits, extract_evidence
from intake.workers import Worker, WorkerFailure

MB = 1_000_000
HEAD = b"From: rita@reporter.example\r\nSubject: hostile\r\nMessage-ID: <h@x>\r\n"
LINK = b"https://crt.sh/?id=19429431\r\n"
Make = Callable[[int], bytes]

KINDS: dict[str, Make] = {}


def kind(make: Make) -> Make:
    """Add a kind of message, named after its function."""
    KINDS[make.__name__] = make
    return make


def mime(*parts: bytes, boundary: bytes = b"b", subtype: bytes = b"mixed") -> bytes:
    inside = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    head = HEAD + b"Content-Type: multipart/" + subtype + b'; boundary="' + boundary + b'"\r\n\r\n'
    return head + inside + b"--" + boundary + b"--\r\n"


def attached(data: bytes, name: bytes, media_type: bytes = b"application/octet-stream") -> bytes:
    head = b"Content-Type: " + media_type + b'; name="' + name + b'"\r\n'
    head += b'Content-Disposition: attachment; filename="' + name + b'"\r\n'
    return head + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(data)


def body(text: bytes, media_type: bytes = b"text/plain") -> bytes:
    return HEAD + b"Content-Type: " + media_type + b"\r\n\r\n" + text


def fill(unit: bytes, size: int) -> bytes:
    return unit * max(1, size // len(unit))


def zipped(data: bytes, *, members: int = 1) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(members):
            archive.writestr(f"member-{number}.txt", data)
    return out.getvalue()


@kind
def large_attachment(size: int) -> bytes:
    return mime(b"\r\n" + LINK, attached(random.Random(1).randbytes(size * 7 // 10), b"dump.bin"))  # noqa: S311


@kind
def many_parts(size: int) -> bytes:
    return mime(*[b"Content-Type: text/plain\r\n\r\n" + LINK] * max(10_000, size // 70))


@kind
def many_empty_parts(size: int) -> bytes:
    return mime(*[b""] * (size // 7))


@kind
def deep_multiparts(size: int) -> bytes:
    levels = 5_000
    opening = b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n)
        for n in range(levels)
    )
    return HEAD + opening + b"\r\n" + LINK + fill(b"padding \r\n", size - len(opening))


@kind
def deep_messages(size: int) -> bytes:
    levels = 5_000
    nested = b"Content-Type: message/rfc822\r\n\r\n" * levels
    return HEAD + nested + b"\r\n" + LINK + fill(b"padding \r\n", size - len(nested))


@kind
def one_boundary_for_all(size: int) -> bytes:
    part = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
    return HEAD + fill(part, size)


@kind
def prefix_boundaries(size: int) -> bytes:
    levels = 90
    opening = b"".join(
        b'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n--%s\r\n' % (b"a" * n, b"a" * n)
        for n in range(1, levels)
    )
    return HEAD + opening + fill(b"--" + b"a" * 40 + b"x\r\n", size)


@kind
def long_header_lines(size: int) -> bytes:
    line = b": " + b"x" * MB + b"\r\n"
    return HEAD + b"".join(b"X-%d" % n + line for n in range(size // MB)) + b"\r\n" + LINK


@kind
def many_headers(size: int) -> bytes:
    return HEAD + fill(b"X-A: b\r\n", size) + b"\r\n" + LINK


@kind
def folded_for_ever(size: int) -> bytes:
    return HEAD + b"References: " + fill(b"<a@b>\r\n ", size) + b"\r\n\r\n" + LINK


@kind
def many_references(size: int) -> bytes:
    ids = b"".join(b"<%d@other.example>\r\n " % n for n in range(size // 24))
    return HEAD + b"References: " + ids + b"\r\n\r\n" + LINK


@kind
def open_brackets(size: int) -> bytes:
    return HEAD + b"References: " + fill(b"<", size) + b"\r\n\r\n" + LINK


@kind
def nul_bytes(size: int) -> bytes:
    return HEAD + b"\r\n" + LINK + fill(b"\x00", size)


@kind
def no_header(size: int) -> bytes:
    return fill(b"just words without a header " + LINK, size)


@kind
def only_headers(size: int) -> bytes:
    return HEAD + fill(b"Received: from a by b; Tue, 24 Nov 2026 11:00:00 +0000\r\n", size)


@kind
def utf_16_headers(size: int) -> bytes:
    return (HEAD + b"\r\n" + fill(LINK, size // 2)).decode().encode("utf-16")


@kind
def wide_text(size: int) -> bytes:
    text = ("😀 " * (size // 5)).encode()
    return body(text, b"text/plain; charset=utf-8")


@kind
def cyclic_messages(size: int) -> bytes:
    """A message that seems to hold itself: the same boundary and Message-ID again and again."""
    inner = mime(b"Content-Type: message/rfc822\r\n\r\n" + HEAD + b"\r\n" + LINK)
    for _ in range(12):
        inner = mime(b"Content-Type: message/rfc822\r\n\r\n" + inner)
    return mime(*[b"Content-Type: message/rfc822\r\n\r\n" + inner] * max(1, size // len(inner)))


@kind
def zip_of_zeros(size: int) -> bytes:
    return mime(b"\r\n" + LINK, attached(zipped(bytes(size * 100)), b"logs.zip"))


@kind
def zip_at_the_ratio(size: int) -> bytes:
    """Unpacks to just under the ratio that is taken for a bomb."""
    data = random.Random(2).randbytes(size // 100)  # noqa: S311
    return mime(attached(zipped(data + bytes(len(data) * 150)), b"logs.zip"))


@kind
def zip_of_many(size: int) -> bytes:
    return mime(attached(zipped(LINK, members=size // 200), b"many.zip"))


@kind
def zips_in_zips(size: int) -> bytes:
    data = random.Random(3).randbytes(size // 2)  # noqa: S311
    for _ in range(20):
        data = zipped(data)
    return mime(attached(data, b"deep.zip"))


@kind
def gzip_of_links(size: int) -> bytes:
    return mime(attached(gzip.compress(fill(LINK, size * 20), 6), b"links.gz"))


@kind
def bzip_of_zeros(size: int) -> bytes:
    return mime(attached(bz2.compress(bytes(size * 20)), b"zeros.bz2"))


@kind
def encoded_words(size: int) -> bytes:
    words = fill(b"=?utf-8?q?=41?= ", size)
    return b"Subject: " + words + b"\r\n" + HEAD + b"\r\n" + LINK


@kind
def broken_encoded_words(size: int) -> bytes:
    return b"Subject: " + fill(b"=?utf-8?q?", size) + b"\r\n" + HEAD + b"\r\n" + LINK


@kind
def many_parameters(size: int) -> bytes:
    parameters = b"".join(b"; a*%d*=x%%41" % n for n in range(size // 12))
    return HEAD + b"Content-Type: text/plain" + parameters + b"\r\n\r\n" + LINK


@kind
def nested_html(size: int) -> bytes:
    return body(b"<div>" * max(200_000, size // 10) + LINK, b"text/html")


@kind
def html_of_links(size: int) -> bytes:
    return body(fill(b'<a href="https://crt.sh/?id=1">x</a>\r\n', size), b"text/html")


@kind
def html_of_attributes(size: int) -> bytes:
    return body(b"<a " + fill(b'b="c" ', size) + b">x</a>", b"text/html")


@kind
def open_tags(size: int) -> bytes:
    return body(fill(b"<a href='", size), b"text/html")


@kind
def comments(size: int) -> bytes:
    return body(fill(b"<!--", size), b"text/html")


@kind
def entities(size: int) -> bytes:
    return body(fill(b"&amp;&#x41;&", size), b"text/html")


@kind
def certificates_begun(size: int) -> bytes:
    return body(fill(b"-----BEGIN CERTIFICATE-----\r\n", size))


@kind
def keys_begun(size: int) -> bytes:
    return body(fill(b"-----BEGIN RSA PRIVATE KEY-----\r\nMIIE\r\n", size))


@kind
def base64_lines(size: int) -> bytes:
    return body(
        fill(b"MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJRTES\r\n", size)
    )


@kind
def crtsh_links(size: int) -> bytes:
    links = b"".join(b"https://crt.sh/?id=%d\r\n" % n for n in range(size // 29))
    return body(links)


@kind
def fingerprints(size: int) -> bytes:
    chance = random.Random(4)  # noqa: S311
    lines = b"".join(b"%064x\r\n" % chance.getrandbits(256) for _ in range(size // 66))
    return body(lines)


@kind
def one_long_hexadecimal(size: int) -> bytes:
    return body(b"serial number: " + fill(b"a1", size))


@kind
def colons_and_hexadecimal(size: int) -> bytes:
    return body(fill(b"a1:", size))


@kind
def decimal_numbers(size: int) -> bytes:
    return body(b"".join(b"log line %069d\r\n" % n for n in range(size // 80)))


@kind
def serial_words(size: int) -> bytes:
    return body(fill(b"serial number: ", size))


@kind
def domains(size: int) -> bytes:
    return body(b"".join(b"www.host-%d.example\r\n" % n for n in range(size // 22)))


@kind
def dots(size: int) -> bytes:
    return body(fill(b"a.", size))


@kind
def addresses(size: int) -> bytes:
    people = b",\r\n ".join(b"Person %d <p%d@x.example>" % (n, n) for n in range(size // 36))
    return b"To: " + people + b"\r\n" + HEAD + b"\r\n" + LINK


@kind
def open_addresses(size: int) -> bytes:
    return b"From: " + fill(b'(<"', size) + b"\r\n" + HEAD + b"\r\n" + LINK


@kind
def quoted_printable(size: int) -> bytes:
    head = HEAD + b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head + fill(b"=41=42=\r\n", size)


@kind
def spaces(size: int) -> bytes:
    return body(fill(b" ", size // 2) + fill(b"\t\r\n", size // 2))


@kind
def quotes(size: int) -> bytes:
    return body(fill(b"> ", size) + LINK)


@kind
def line_ends(size: int) -> bytes:
    return body(fill(b"\r", size // 2) + fill(b"\n", size // 2))


@kind
def wrapped_links(size: int) -> bytes:
    link = b"https://urldefense.example/v2/url?u=" * 60
    return body(fill(link + b"\r\n", size))


@kind
def delivery_status(size: int) -> bytes:
    blocks = fill(b"Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\n\r\n", size)
    return mime(b"Content-Type: message/delivery-status\r\n\r\n" + blocks, subtype=b"report")


@kind
def random_bytes(size: int) -> bytes:
    return body(random.Random(5).randbytes(size))  # noqa: S311


# ---- what it costs -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """What reading one message cost."""

    name: str
    size: int
    cpu: float  # seconds of the worker
    wall: float
    memory: int  # bytes, resident, the worker's own included
    outcome: str


def read(raw: bytes) -> tuple[float, int, str]:
    """Read a message in this process, which is a worker; return seconds, bytes and what came."""
    before = time.process_time()
    evidence = extract_evidence(raw, Limits())
    seconds = time.process_time() - before
    return seconds, _peak(), evidence.kind + (", limits hit" if evidence.limits_hit else "")


def _peak() -> int:
    """Return the most that was resident; `getrusage` would count the parent's before `exec`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def warm_up() -> None:
    """Import what the first message would import."""
    extract_evidence(HEAD + b"\r\n" + LINK)


def cost_of(name: str, size: int, *, seconds: float, memory: int) -> Cost:
    """Read one message of a kind in a new worker with limits."""
    raw = KINDS[name](size)
    worker = Worker(memory_bytes=memory, warm_up="tests.hostile:warm_up")
    worker.start()
    began = time.monotonic()
    try:
        cpu, peak, outcome = worker.call("tests.hostile:read", raw, seconds=seconds)
    except WorkerFailure as failure:
        cpu, peak, outcome = seconds, 0, f"STOPPED: {failure.reason}"
    finally:
        worker.close()
    return Cost(name, len(raw), cpu, time.monotonic() - began, peak, outcome)


def main(arguments: list[str] | None = None) -> int:
    """Print what each kind costs; status 1 if one goes over its limits."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--size", type=int, action="append", help="MB; 10 and 60 if not said")
    parser.add_argument("kinds", nargs="*", default=[])
    options = parser.parse_args(arguments)
    over = 0
    print("| kind | MB | seconds | resident MB | outcome |\n| --- | --- | --- | --- | --- |")  # noqa: T201
    for size in options.size or (10, 60):
        limits = (5.0, 300) if size <= 10 else (10.0, 600)
        for name in options.kinds or KINDS:
            one = cost_of(name, size * MB, seconds=60, memory=4_000 * MB)
            bad = one.cpu > limits[0] or one.memory > limits[1] * MB or "STOPPED" in one.outcome
            over += bad
            mark = "**" if bad else ""
            print(  # noqa: T201
                f"| {mark}{name}{mark} | {one.size / MB:.0f} | {one.cpu:.1f} |"
                f" {one.memory / MB:.0f} | {one.outcome} |",
                flush=True,
            )
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
