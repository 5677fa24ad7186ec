"""Each pitfall that is listed has its tests."""

import re
from pathlib import Path

HERE = Path(__file__).parent
ROWS = [*range(1, 25), 29, 30, 44, 46, 51]


def test_every_pitfall_has_a_test_that_exists() -> None:
    table = (HERE / "pitfalls.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| P(\d+) \|(.*)$", table, re.MULTILINE))
    there = {
        name
        for path in HERE.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert [int(row) for row in rows] == ROWS
    named = {name for row in rows.values() for name in re.findall(r"`(test_\w+)`", row)}
    assert named - there == set()
    assert all("`test_" in row for row in rows.values())
