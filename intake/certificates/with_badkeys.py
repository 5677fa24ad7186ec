"""badkeys, called in process: weak and publicly known keys. It asks nobody outside.

Its default set of checks holds the block list, which ends the process where no list is installed;
so the checks are always named. Its results hold factors of private keys: only the names of checks
are taken from them.

Source: BR 4.9.1.1, 6.1.1.3, 6.1.6.
"""

import functools
import json
import os
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from badkeys import checks

from intake.certificates.contents import PublicKey
from intake.certificates.findings import Finding, make_finding

NAME = "badkeys"
BLOCK_LIST = "badkeys-blocklist"
FILES = ("badkeysdata.json", "blocklist.dat")
OFFLINE = tuple(name for name in checks.defaultchecks if name != "blocklist")
LARGEST_KEY = 16_384  # bits; the checks take time that grows with the cube


class CannotCheckError(Exception):
    """The key is of a kind or size for which there are no checks."""


def block_list_version() -> str:
    """Return the version of the block list; empty where none is installed.

    Installing it is an operator's step: `badkeys --update-bl` as the user of the service.
    """
    folder = block_list_folder()
    try:
        changed_at = max((folder / name).stat().st_mtime_ns for name in FILES)
    except OSError:
        return ""
    return _version_in(folder, changed_at)


@functools.lru_cache(maxsize=4)
def _version_in(folder: Path, _changed_at: int) -> str:
    try:
        data = json.loads((folder / FILES[0]).read_bytes())
        return f"{version(NAME)}+{str(data['date'])[:30]}"
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def block_list_folder() -> Path:
    """Return the folder in which badkeys looks for its data."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return Path(cache) / NAME if cache else Path.home() / ".cache" / NAME


def check_offline(key: PublicKey | None, *, issued_at: datetime | None) -> list[Finding]:
    """Run every check that needs no data.

    Raises:
        CannotCheckError: if the key is of a kind that none of them knows.
    """
    return _found(NAME, _run(key, OFFLINE), issued_at)


def check_block_list(key: PublicKey | None, *, issued_at: datetime | None) -> list[Finding]:
    """Look the key up among those whose private part is publicly known.

    Raises:
        CannotCheckError: if the key is of a kind that the list does not know.
    """
    return _found(BLOCK_LIST, _run(key, ("blocklist",)), issued_at)


def _run(key: PublicKey | None, names: Sequence[str]) -> dict[str, str]:
    """Return the checks that hit, each with the name of its subtest."""
    if key is None:
        raise CannotCheckError("the key can't be read, or is of a kind that is not known")
    if key.number.bit_length() > LARGEST_KEY:
        message = f"the key has {key.number.bit_length()} bits, more than {LARGEST_KEY}"
        raise CannotCheckError(message)
    try:
        results = _results(key, names)
    except SystemExit:
        raise CannotCheckError("its data could not be read") from None
    return {name: str(result.get("subtest", ""))[:80] for name, result in results.items()}


def _results(key: PublicKey, names: Sequence[str]) -> dict[str, Any]:
    results: dict[str, Any]
    if key.kind == "rsa":
        if key.number < 2 or key.exponent < 1:  # noqa: PLR2004 - some checks divide by it
            raise CannotCheckError("the numbers of the key are no RSA key")
        results = checks.checkrsa(key.number, e=key.exponent, checks=names)
    elif key.kind == "dsa":
        results = checks.checkdsa(key.number, p=key.prime, checks=names)
    else:
        results = checks.checkall(key.number, checks=names)
    return results


def _found(linter: str, hits: dict[str, str], issued_at: datetime | None) -> list[Finding]:
    return [
        make_finding(
            linter, f"badkeys.{name}", "error", message=_words(name, subtest), issued_at=issued_at
        )
        for name, subtest in hits.items()
    ]


@functools.cache
def _descriptions() -> dict[str, str]:
    return {name: check["desc"] for name, check in checks.allchecks.items()}


def _words(name: str, subtest: str) -> str:
    return f"{_descriptions().get(name, name)}{f' ({subtest})' if subtest else ''}"
