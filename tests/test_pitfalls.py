"""Each pitfall that is listed has its tests."""

import re
from pathlib import Path

HERE = Path(__file__).parent
ROWS = [*range(1, 25), 29, 30, 44, 46, 51]


def rows() -> dict[int, list[str]]:
    """Return the tests of each row."""
    table = (HERE / "pitfalls.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| P(\d+) \|(.*)$", table, re.MULTILINE)
    return {int(row): re.findall(r"`(test_\w+)`", line) for row, line in lines}


def names_of_tests() -> set[str]:
    return {
        name
        for path in HERE.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def numbers_of(test: str) -> set[int]:
    """Return the rows that a test says it is about: test_p04_p23_…"""
    numbers = re.match(r"test((?:_p\d\d)*)", test)
    return {int(one) for one in re.findall(r"\d+", numbers[1])} if numbers else set()


def test_every_pitfall_has_a_test_that_exists() -> None:
    table = rows()

    assert list(table) == ROWS
    assert all(table.values())
    assert {name for row in table.values() for name in row} - names_of_tests() == set()


def test_a_test_stands_in_the_rows_that_it_is_named_after() -> None:
    astray = [
        name for row, names in rows().items() for name in names
        if numbers_of(name) and row not in numbers_of(name)
    ]  # fmt: skip

    assert astray == []


def test_every_pitfall_has_a_test_that_is_named_after_it() -> None:
    named = {number for name in names_of_tests() for number in numbers_of(name)}

    assert set(ROWS) - named == set()
