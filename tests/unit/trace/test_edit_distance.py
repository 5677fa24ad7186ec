"""Near Message-IDs: the distance is exact up to its limit and bounded above it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.trace.near import edit_distance

TEXT = st.text(alphabet="ab@.", max_size=12)


def plain_distance(one: str, other: str) -> int:
    rows = [[max(i, j) for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i, a in enumerate(one, start=1):
        for j, b in enumerate(other, start=1):
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a != b))
    return rows[-1][-1]


@given(TEXT, TEXT, st.integers(min_value=1, max_value=5))
def test_the_distance_is_the_usual_one_up_to_the_limit(one: str, other: str, limit: int) -> None:
    assert edit_distance(one, other, limit) == min(plain_distance(one, other), limit + 1)


@pytest.mark.parametrize(
    ("one", "other", "distance"), [("", "", 0), ("a@b", "a@c", 1), ("", "ab", 2)]
)
def test_short_texts(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other, 3) == distance
