"""Searches for inputs that break a promise, guided by which code they reach: `make fuzz`.

`python -m tests.fuzz [TARGET…] [--seconds N]` runs each target of `fuzz_targets.py` in a process of
its own, with atheris. What is found lies in .fuzz/TARGET; copied to fixtures/found/TARGET, under a
name that says what it is, it is a test.
"""

import argparse
import hashlib
import importlib
import re
import subprocess
import sys
from pathlib import Path

PLACE = Path(".fuzz")
SECONDS = 60
SLOWEST = 15  # seconds for one input; instrumented code takes several times as long as usual
MEMORY_MB = 2000
LARGEST = 100_000  # bytes of an input
DONE = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+)", re.MULTILINE)


def main() -> int:
    """Fuzz the targets one after the other; status 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all if none is named")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each target")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        fuzz(options.targets[0], options.seconds)
    from tests.fuzz_targets import TARGETS

    unknown = set(options.targets) - TARGETS.keys()
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    found = sum(run(target, options.seconds) for target in options.targets or TARGETS)
    return int(found > 0)


def run(target: str, seconds: int) -> int:
    """Fuzz one target; return how many inputs were found that break it."""
    folder = PLACE / target
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{target}: {seconds} s …", flush=True)
    command = [sys.executable, "-m", "tests.fuzz", target, "--inside", "--seconds", str(seconds)]
    with (folder / "log").open("wb") as log:
        status = subprocess.run(
            command, stdout=log, stderr=subprocess.STDOUT, check=False
        ).returncode
    words = (folder / "log").read_text(errors="replace")
    runs, reached = (DONE.findall(words) or [("0", "0")])[-1]
    found = sorted(
        one for one in folder.iterdir() if one.name.startswith(("crash", "timeout", "oom"))
    )
    print(f"  {int(runs):,} inputs, {reached} edges reached, {len(found)} found", flush=True)
    for one in found:
        print(f"  FOUND {one} ({one.stat().st_size} bytes)")
    if status != 0:
        print(words[-3000:])
    return len(found) or int(status != 0)


def fuzz(target: str, seconds: int) -> None:
    """Search in this process; atheris ends it."""
    import atheris

    with atheris.instrument_imports(include=["intake", "email", "asn1crypto"]):
        targets = importlib.import_module("tests.fuzz_targets")
    folder, corpus = PLACE / target, PLACE / target / "corpus"
    corpus.mkdir(exist_ok=True)
    for path in targets.seeds(target):
        data = path.read_bytes()
        if len(data) <= LARGEST:
            (corpus / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    words = "".join(
        '"' + "".join(f"\\x{octet:02x}" for octet in word) + '"\n' for word in targets.WORDS
    )
    (folder / "words").write_text(words)
    work = targets.TARGETS[target]
    atheris.Setup(
        [sys.argv[0], f"-max_total_time={seconds}", f"-timeout={SLOWEST}",
         f"-rss_limit_mb={MEMORY_MB}", f"-max_len={LARGEST}", f"-artifact_prefix={folder}/",
         f"-dict={folder}/words", str(corpus)],
        lambda data: work(bytes(data)),
    )  # fmt: skip
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
