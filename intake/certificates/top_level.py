"""Which names lie in the public DNS: the Public Suffix List, and since when each new one may.

The list is the one that its package brings; its version says of which day.

Source: BR 3.2.2.6, 4.2.2; PSL.
"""

import functools
from dataclasses import dataclass
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path

from publicsuffixlist import PublicSuffixList

GTLDS = Path(__file__).parent / "data" / "gtlds.txt"


@dataclass(frozen=True)
class TopLevel:
    """What is known of a top-level domain."""

    is_listed: bool  # in the public DNS on the day of the list
    not_before: date | None = None  # the day of the agreement with its registry
    was_listed: bool = False


def list_version() -> str:
    """Return the version of the list."""
    return version("publicsuffixlist")


def top_level_of(name: str) -> TopLevel:
    """Return what is known of the last label of a name."""
    label = _ascii(name.rstrip(".").rpartition(".")[2])
    since = _agreements().get(label)
    return TopLevel(_is_suffix(label), since, was_listed=since is not None)


def is_public_suffix(name: str) -> bool:
    """Say whether anybody can register names right below this one (ICANN's part of the list)."""
    return _is_suffix(_ascii(name.rstrip(".")))


def was_delegated(name: str, at: datetime) -> bool:
    """Say whether a name could lie in the public DNS at an instant; in doubt it could."""
    top = top_level_of(name)
    if not (top.is_listed or top.was_listed):
        return False
    return top.not_before is None or at.date() >= top.not_before


def _ascii(name: str) -> str:
    name = name.lower()
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def _is_suffix(name: str) -> bool:
    return bool(name) and _list().publicsuffix(name) == name


@functools.cache
def _list() -> PublicSuffixList:

    return PublicSuffixList(accept_unknown=False, only_icann=True)


@functools.cache
def _agreements() -> dict[str, date]:
    lines = GTLDS.read_text(encoding="ascii").splitlines()
    rows = (line.split() for line in lines if not line.startswith("#"))
    return {name: date.fromisoformat(day) for name, day in rows}
