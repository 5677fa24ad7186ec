"""Tries extraction and linting on files that nobody here wrote: `python -m benchmarks.trials FOLDER…`.

It looks through folders for certificates, CRLs, OCSP responses and mail, in files, tar archives and
zip archives, by their content. Each is read as the service would, in a worker with its limits. It
prints how many could be read, how many crashed or ran out of time, and the slowest.
"""

import io
import mailbox
import re
import sys
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from intake.certificates.findings import Examination
from intake.certificates.kinds import CERTIFICATE, CRL, OCSP_RESPONSE, lintables_in
from intake.certificates.lint_pool import LintPool, LintTask
from intake.certificates.read import read_certificate
from intake.evidence.der import recognise
from intake.evidence.extract import Evidence, Limits
from intake.workers import Worker, WorkerFailure

LARGEST = 30_000_000  # bytes of a file
SECONDS = 5.0  # for one message, as in the service
MEMORY_BYTES = 1 << 30
ARMOUR = re.compile(
    rb"-----BEGIN (?:X509 |TRUSTED )?(?:CERTIFICATE|X509 CRL|CRL|OCSP RESPONSE)-----"
)
DER_KINDS = {"certificate": CERTIFICATE, "crl": CRL, "ocsp": OCSP_RESPONSE}
FIELD = re.compile(
    rb"^(?:received|from|to|subject|date|message-id|return-path|mime-version|content-type|delivered-to|x-[a-z-]+):",
    re.IGNORECASE | re.MULTILINE,
)
FEWEST_FIELDS = 3
SOURCE_CODE = (".py", ".pyc", ".c", ".go", ".rs", ".md", ".rst", ".html", ".js", ".pl", ".pm", ".t")
TAR = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
NAMING = ("crtsh_id", "sha256", "sha1", "spki_sha256", "serial_number")
MOST_SHOWN = 20


@dataclass
class Found:
    """What the folders hold, by SHA-256, each with the place where it was first."""

    things: dict[str, tuple[str, bytes, str]] = field(default_factory=dict)  # kind, DER, place
    mails: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def add(self, data: bytes, place: str) -> None:
        """Add what a file is."""
        if ARMOUR.search(data) and not _is_mail(data):
            for kind, der in lintables_in(data):
                if der[:1] == b"\x30" or not place.endswith(SOURCE_CODE):  # what only makes one
                    self._add_thing(kind, der, place)
        elif found := recognise(data) if data[:1] == b"\x30" else None:
            if found[0] in DER_KINDS:
                self._add_thing(DER_KINDS[found[0]], data[: found[1]], place)
        elif _is_mail(data) and not place.endswith(SOURCE_CODE):
            for number, raw in enumerate(_messages_in(data)):
                self.mails.setdefault(sha256(raw).hexdigest(), (raw, f"{place}#{number}"))

    def _add_thing(self, kind: str, der: bytes, place: str) -> None:
        self.things.setdefault(sha256(der).hexdigest(), (kind, der, place))


# ---- files -------------------------------------------------------------------------------------


def files_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all files of a folder and of the archives in it, with their places."""
    paths = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
    for path in paths:
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST:
            data = path.read_bytes()
            yield from _members(data, str(path.relative_to(folder.parent)))


def _members(data: bytes, place: str) -> Iterator[tuple[str, bytes]]:
    try:
        if zipfile.is_zipfile(io.BytesIO(data)) and data[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for one in archive.infolist():
                    if not one.is_dir() and one.file_size <= LARGEST:
                        yield f"{place}/{one.filename}", archive.read(one)
        elif place.endswith(TAR):
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                for member in tar:
                    content = tar.extractfile(member) if member.isfile() else None
                    if content is not None and member.size <= LARGEST:
                        yield f"{place}/{member.name}", content.read()
        else:
            yield place, data
    except (zipfile.BadZipFile, tarfile.TarError, RuntimeError, NotImplementedError, OSError):
        yield place, data


def _is_mail(data: bytes) -> bool:
    header = re.split(rb"\r?\n\r?\n", data[:20_000], maxsplit=1)[0]
    return len({one.lower() for one in FIELD.findall(header)}) >= FEWEST_FIELDS


def _messages_in(data: bytes) -> list[bytes]:
    """Return the message, or those of an mbox."""
    if not data.startswith(b"From "):
        return [data]
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        box = mailbox.mbox(file.name)
        return [box.get_bytes(key) for key in box.keys()]  # noqa: SIM118 - it is no dictionary


# ---- certificates ------------------------------------------------------------------------------


def try_linting(found: Found) -> None:
    """Lint everything and print how that went."""
    for kind in (CERTIFICATE, CRL, OCSP_RESPONSE):
        things = [one for one in found.things.values() if one[0] == kind]
        if things:
            _lint(kind, things)


def _lint(kind: str, things: list[tuple[str, bytes, str]]) -> None:
    took: list[tuple[float, str]] = []
    states: Counter[str] = Counter()
    unreadable: list[str] = []
    readers: Counter[str] = Counter()
    with LintPool(for_long=True, workers=1) as pool:
        list(pool.lint([LintTask(things[0][1], kind)]))
        for _, der, place in things:
            begun = time.perf_counter()
            (result,) = pool.lint([LintTask(der, kind)])
            took.append((time.perf_counter() - begun, place))
            if kind == CERTIFICATE:
                readers[read_certificate(der).read_by] += 1
            if not result.readable:
                unreadable.append(place)
            states.update(_states(result))
    whole = len(things)
    readable = whole - len(unreadable)
    print(f"\n{kind}: {whole} different ones, {readable} with an identity ({readable / whole:.2%})")
    for name, count in readers.most_common():
        print(f"    read by {name}: {count}")
    for state, count in sorted(states.items()):
        print(f"    {state}: {count}")
    _print_slowest(took)
    for place in unreadable[:MOST_SHOWN]:
        print(f"    without an identity: {place}")


def _states(result: Examination) -> Iterator[str]:
    for one in result.results:
        detail = "" if one.state in {"done", "absent"} else f" ({one.detail[:70]})"
        yield f"{one.linter} {one.state}{detail}"


def _print_slowest(took: list[tuple[float, str]]) -> None:
    worst, total = max(took), sum(seconds for seconds, _ in took)
    print(f"    {total / len(took) * 1000:.1f} ms each; slowest {worst[0]:.2f} s: {worst[1]}")


# ---- mail --------------------------------------------------------------------------------------


def try_reading(found: Found) -> None:
    """Read every message and print how that went."""
    if not found.mails:
        return
    took: list[tuple[float, str]] = []
    kinds: Counter[str] = Counter()
    failed: list[str] = []
    naming: list[str] = []
    limited = unread = 0
    worker = Worker(memory_bytes=MEMORY_BYTES)
    for raw, place in found.mails.values():
        begun = time.perf_counter()
        try:
            evidence: Evidence = worker.call(
                "intake.evidence.extract:extract_evidence", raw, Limits(), seconds=SECONDS
            )
        except WorkerFailure as failure:
            failed.append(f"{failure.reason}: {place}")
            continue
        took.append((time.perf_counter() - begun, place))
        kinds[evidence.kind] += 1
        limited += bool(evidence.limits_hit)
        unread += bool(evidence.unreadable_parts)
        if named := _named(evidence):
            naming.append(f"{named}: {place}")
    worker.close()
    whole = len(found.mails)
    print(
        f"\nmail: {whole} different messages, {whole - len(failed)} read, {len(failed)} crashed or stopped"
    )
    print("    kinds:", ", ".join(f"{name} {count}" for name, count in kinds.most_common()))
    print(f"    with a limit that was hit: {limited}; with a part that is not read: {unread}")
    print(f"    that name or bring a certificate: {len(naming)} ({len(naming) / whole:.2%})")
    _print_slowest(took)
    for line in (*failed, *naming[:MOST_SHOWN]):
        print(f"    {line}")


def _named(evidence: Evidence) -> str:
    """Say which identifiers of certificates a message yields."""
    kinds = Counter(one.kind for one in evidence.identifiers if one.kind in NAMING)
    kinds.update({"certificate": len(evidence.certificates)} if evidence.certificates else {})
    kinds.update({"private key": len(evidence.private_keys)} if evidence.private_keys else {})
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def main() -> None:
    """Try everything in the folders that were named."""
    found = Found()
    for folder in sys.argv[1:] or ["fixtures"]:
        for place, data in files_in(Path(folder)):
            found.add(data, place)
    try_linting(found)
    try_reading(found)


if __name__ == "__main__":
    main()
