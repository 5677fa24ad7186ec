"""Regular expressions of the program say the same on every Python that it runs on.

Before Python 3.11.5 (Debian 12 has 3.11.2) a possessive quantifier over a group matches what it
must not (CPython issues 100061 and 106052): `(?:…)*+` is written `(?>(?:…)*)`.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from functools import cache
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]

import pytest

import intake

_OF_ONE_CHARACTER = (codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY)


def _patterns(value: object) -> Iterator[re.Pattern[str] | re.Pattern[bytes]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _patterns(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _patterns(one)


@cache
def _all_patterns() -> dict[str, re.Pattern[str] | re.Pattern[bytes]]:
    """Return the patterns of all modules by where they stand."""
    found = {}
    for module in pkgutil.walk_packages(intake.__path__, "intake."):
        if ".migrations." in module.name or module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            for number, pattern in enumerate(_patterns(value)):
                found[f"{module.name}.{name}[{number}]"] = pattern
    return found


def _within(argument: object) -> Iterator[object]:
    """Yield the parsed pieces within an operation, and within its branches and groups."""
    if isinstance(argument, _parser.SubPattern):
        yield from argument
    elif isinstance(argument, list | tuple):
        for one in argument:
            yield from _within(one)


def _possessive_groups(parsed: Iterable[object]) -> int:
    count = 0
    for operation in parsed:
        code, argument = operation  # type: ignore[misc]
        if code is codes.POSSESSIVE_REPEAT:
            repeated = list(argument[2])
            count += len(repeated) > 1 or repeated[0][0] not in _OF_ONE_CHARACTER
        count += _possessive_groups(_within(argument))
    return count


@pytest.mark.parametrize(
    "pattern", [r"(?:ab?c)*+", r"x(?:(?!C).)++", r"(a|(?:\r?\n)++)", rb"(?:\*\.)?+"]
)
def test_the_search_finds_what_it_seeks(pattern: str | bytes) -> None:
    assert _possessive_groups(_parser.parse(pattern)) == 1


def test_no_group_is_repeated_possessively() -> None:
    found = _all_patterns()
    assert len(found) > 150
    broken = [
        name for name, pattern in found.items()
        if _possessive_groups(_parser.parse(pattern.pattern, pattern.flags & ~re.LOCALE & ~re.DEBUG))
    ]  # fmt: skip
    assert not broken, "write (?>(?:…)*) instead of (?:…)*+"
